//! Where events are kept, and the order they are kept in.
//!
//! The journal of a bus in memory is its bounded history: the events that were published last.

mod memory;

use std::fmt;

pub(crate) use memory::{History, Since};

/// An event's place in the journal: opaque, ordered, never used twice.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Seq(pub(crate) u64);

impl Seq {
    /// The place of an event that has none.
    pub(crate) const NONE: Seq = Seq(0);
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Seq({})", self.0)
    }
}
