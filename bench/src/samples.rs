//! A workload that is measured nowhere, for tests of what is shown.

use crate::{
    figure::Figure,
    rounds::Measured,
    workload::{Bound, Round, Subject, Unit, Want, Workload},
};

const fn subject(name: &'static str) -> Subject {
    Subject { name, work: 1, round: Round::One(Unit::Events, |_| Ok(1.0)) }
}

static RACE: Workload = Workload {
    name: "race",
    about: "birds",
    subjects: &[subject("owl"), subject("hen"), subject("duck")],
    wants: &[
        Want::Ratio { subject: "owl", beside: "hen", bound: Bound::AtLeast(2.0) },
        Want::Ratio { subject: "owl", beside: "duck", bound: Bound::Shown },
        Want::Value { subject: "owl", bound: Bound::AtMost(250.0) },
        Want::EachRound { subject: "duck", bound: Bound::AtMost(200.0) },
    ],
};

pub(crate) fn measured(figures: [Figure; 3]) -> Measured {
    Measured { workload: &RACE, figures: figures.into() }
}
