//! What a workload is made of: subjects that do the same work, and what is wanted of them.

use anyhow::Result;

/// The same work, done by several subjects.
pub(crate) struct Workload {
    pub(crate) name: &'static str,
    /// What happens in it, in a few words.
    pub(crate) about: &'static str,
    /// In the order in which they are shown.
    pub(crate) subjects: &'static [Subject],
    /// What subjects are compared with, and how the comparison has to come out.
    pub(crate) wants: &'static [Want],
}

/// One way to do the work of a workload.
pub(crate) struct Subject {
    pub(crate) name: &'static str,
    /// How much of it is done in a round, in whatever the workload counts; slower subjects do less.
    pub(crate) work: u64,
    pub(crate) round: Round,
}

/// What does that much work, and what that gives.
pub(crate) enum Round {
    /// One figure, which goes by the name of the subject.
    One(Unit, fn(u64) -> Result<f64>),
    /// Several figures of the same work, each of which goes by a name of its own.
    Several(&'static [(&'static str, Unit)], fn(u64) -> Result<Vec<f64>>),
}

impl Workload {
    /// Name and unit of every figure, in the order in which they are shown.
    pub(crate) fn figures(&self) -> impl Iterator<Item = (&'static str, Unit)> {
        self.subjects.iter().flat_map(Subject::figures)
    }
}

impl Subject {
    /// Name and unit of the figures of a round, in their order.
    pub(crate) fn figures(&self) -> Vec<(&'static str, Unit)> {
        match self.round {
            Round::One(unit, _) => vec![(self.name, unit)],
            Round::Several(figures, _) => figures.to_vec(),
        }
    }

    /// Does so much of its work in this process, and gives the figures of that.
    pub(crate) fn run(&self, work: u64) -> Result<Vec<f64>> {
        match self.round {
            Round::One(_, round) => round(work).map(|figure| vec![figure]),
            Round::Several(_, round) => round(work),
        }
    }
}

/// What a figure counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Events a second, each handled once.
    Events,
    /// Deliveries a second: an event counts once a handler.
    Deliveries,
    Nanoseconds,
    Microseconds,
    /// Parts of a hundred.
    Percent,
    /// Handlers that were started.
    Starts,
    /// How often something happened in a round.
    Times,
}

impl Unit {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Unit::Events => "events/s",
            Unit::Deliveries => "deliveries/s",
            Unit::Nanoseconds => "ns",
            Unit::Microseconds => "µs",
            Unit::Percent => "%",
            Unit::Starts => "starts",
            Unit::Times => "times",
        }
    }
}

/// What is wanted of a subject, or of one of its figures where it gives several.
#[derive(Clone, Copy)]
pub(crate) enum Want {
    /// Its figure, divided by that of another subject.
    Ratio { subject: &'static str, beside: &'static str, bound: Bound },
    /// Its figure itself.
    Value { subject: &'static str, bound: Bound },
    /// Its figure in every single round: a promise that was broken once is broken.
    EachRound { subject: &'static str, bound: Bound },
}

impl Want {
    pub(crate) fn subject(&self) -> &'static str {
        match self {
            Want::Ratio { subject, .. } | Want::Value { subject, .. } | Want::EachRound { subject, .. } => {
                subject
            }
        }
    }
}

/// Where a figure has to lie.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Bound {
    AtLeast(f64),
    AtMost(f64),
    /// Anywhere: it is shown for orientation.
    Shown,
}
