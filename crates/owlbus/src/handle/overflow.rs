//! What happens to an event whose subscription has no room for it, and how the loss is told.

use std::{fmt, time::Duration};

use crate::journal::Seq;

/// What a full mailbox does with one more event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Overflow {
    /// The publisher waits for room, at most this long; then the event is dropped here. The default, with 5 s.
    Block {
        /// How long a publisher waits.
        timeout: Duration,
    },
    /// The publish fails with `PublishError::Full`, and no subscription at all gets the event.
    Reject,
    /// The event that came last is dropped here: the new one, unless a lower lane has some that have not started.
    DropNewest,
    /// The event that waited longest in the lowest lane and has not started is dropped here, and the new one takes its
    /// place; unless only higher lanes have any, then the new one is dropped.
    DropOldest,
}

impl Default for Overflow {
    fn default() -> Self {
        Overflow::Block { timeout: Duration::from_secs(5) }
    }
}

/// Why a subscription missed an event that matched it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DropReason {
    /// A mailbox that drops was full.
    Overflow,
    /// A publisher waited for room as long as it was told to, or gave up waiting.
    BlockTimeout,
    /// The subscription ended while the event waited.
    Unsubscribed,
    /// The bus ended while the event waited, or before its handler was done.
    Shutdown,
}

impl DropReason {
    /// The name in stats, on the command line and on wires.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            DropReason::Overflow => "overflow",
            DropReason::BlockTimeout => "block_timeout",
            DropReason::Unsubscribed => "unsubscribed",
            DropReason::Shutdown => "shutdown",
        }
    }
}

impl fmt::Display for DropReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Events a subscription missed, told in the place where they would have been.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Gap {
    /// How many.
    pub missed: u64,
    /// Why.
    pub reason: DropReason,
    /// The lowest place in the journal among them.
    pub first: Seq,
    /// The highest place in the journal among them.
    pub last: Seq,
}

impl Gap {
    pub(crate) fn one(reason: DropReason, seq: Seq) -> Self {
        Self { missed: 1, reason, first: seq, last: seq }
    }

    /// This gap and one more of the same reason, as one.
    pub(crate) fn and(mut self, later: Gap) -> Self {
        self.absorb(later);
        self
    }

    /// Adds what `later` tells, where both have the same reason; `false` where they have not.
    pub(crate) fn absorb(&mut self, later: Gap) -> bool {
        let same = self.reason == later.reason;
        if same {
            self.missed += later.missed;
            self.first = self.first.min(later.first);
            self.last = self.last.max(later.last);
        }
        same
    }
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let events = if self.missed == 1 { "event" } else { "events" };
        write!(f, "{} {events} missed ({})", self.missed, self.reason)
    }
}
