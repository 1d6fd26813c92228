//! Where events are kept, and the order they are kept in.
//!
//! The journal of a bus in memory keeps nothing but the order: it gives every accepted event its [`Seq`].

use std::fmt;

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
