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
    pub(crate) unit: Unit,
    /// How much of it is done in a round, in whatever the workload counts; slower subjects do less.
    pub(crate) work: u64,
    /// Does that much, and gives one figure in the unit.
    pub(crate) round: fn(u64) -> Result<f64>,
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
}

impl Unit {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Unit::Events => "events/s",
            Unit::Deliveries => "deliveries/s",
            Unit::Nanoseconds => "ns",
            Unit::Microseconds => "µs",
        }
    }
}

/// What is wanted of a subject.
#[derive(Clone, Copy)]
pub(crate) enum Want {
    /// Its figure, divided by that of another subject.
    Ratio { subject: &'static str, beside: &'static str, bound: Bound },
    /// Its figure itself.
    Value { subject: &'static str, bound: Bound },
}

impl Want {
    pub(crate) fn subject(&self) -> &'static str {
        match self {
            Want::Ratio { subject, .. } | Want::Value { subject, .. } => subject,
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
