//! One publisher, sixteen handlers that run in it.

use crate::{
    subjects::{Shape, calls, jaeb, owlbus},
    workload::{
        Bound::{AtLeast, Shown},
        Round::One,
        Subject, Unit, Want, Workload,
    },
};

pub(super) static WORKLOAD: Workload = Workload {
    name: "inline_16",
    about: "one publisher, 16 handlers that run in it",
    subjects: &[
        Subject {
            name: "owlbus",
            work: 1_000_000,
            round: One(Unit::Deliveries, |n| owlbus::inline(shape(n))),
        },
        Subject {
            name: "owlbus-typed",
            work: 1_000_000,
            round: One(Unit::Deliveries, |n| owlbus::inline_typed(shape(n))),
        },
        Subject {
            name: "jaeb-sync",
            work: 2_000_000,
            round: One(Unit::Deliveries, |n| jaeb::synchronous(shape(n))),
        },
        Subject {
            name: "calls",
            work: 4_000_000,
            round: One(Unit::Deliveries, |n| calls::one_by_one(shape(n))),
        },
    ],
    wants: &[
        Want::Ratio { subject: "owlbus", beside: "jaeb-sync", bound: AtLeast(0.6) },
        Want::Ratio { subject: "owlbus", beside: "calls", bound: Shown },
        Want::Ratio { subject: "owlbus-typed", beside: "jaeb-sync", bound: AtLeast(0.6) },
    ],
};

fn shape(ticks: u64) -> Shape {
    Shape { publishers: 1, handlers: 16, ticks }
}
