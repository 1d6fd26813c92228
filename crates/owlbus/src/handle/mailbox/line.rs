//! What a mailbox holds that has not started, in the order it starts in: see [`Line`].

mod arrival;
mod keyed;

use std::collections::VecDeque;

pub(super) use arrival::Arrival;
pub(super) use keyed::Keyed;
use tokio::time::Instant;

use super::{Entry, Gap, Lane, Queued};

/// What stands first in a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Front {
    Nothing,
    /// Something missed, to be told.
    Gap,
    /// An event that can start.
    Event,
    /// An event that others go before: until then at most, or for as long as they take.
    Held(Option<Instant>),
}

/// Which of the events of a lane has to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Victim {
    Oldest,
    Newest,
}

/// The events of a mailbox that have not started, and the gaps between them.
///
/// The two kinds differ in what an event waits for: in the order of [`Arrival`] for what is before it in its lane, in
/// the order of [`Keyed`] for what is before it of its key. Nothing in here blocks, and nothing runs code of users: what
/// is taken out is given to the caller, to be dropped outside of the locks.
pub(super) trait Line: Send {
    /// Sorts what came in into the lanes; all of it is `Normal` where that is known to be `plain`.
    fn refill(&mut self, came: &mut VecDeque<Entry>, plain: bool);

    /// What stands first in a lane.
    fn front(&mut self, lane: Lane) -> Front;

    /// Takes what stands first in a lane, if it can start or be told; else says for how long it cannot.
    fn take(&mut self, lane: Lane) -> Result<Option<Entry>, Option<Instant>> {
        match self.front(lane) {
            Front::Nothing => Ok(None),
            Front::Held(until) => Err(until),
            Front::Gap | Front::Event => Ok(self.pop(lane)),
        }
    }

    /// Takes what stands first in a lane, be it free to start or not; an event that is taken has started.
    fn pop(&mut self, lane: Lane) -> Option<Entry>;

    /// Puts back an event that was taken, before everything that was not: it is to be tried again.
    fn put_back(&mut self, queued: Queued);

    /// A delivery of this key ended. Says whether another one of it can start now.
    fn release(&mut self, key: &str) -> bool;

    /// Whether a delivery of this key runs, and keeps others back.
    fn runs(&self, key: &str) -> bool;

    /// Tells of a gap behind everything in its lane.
    fn miss(&mut self, lane: Lane, gap: Gap);

    /// Removes an event of a lane, of those that are `Immediate` by themselves or of those that are not.
    fn remove(&mut self, lane: Lane, victim: Victim, urgent: bool) -> Option<Queued>;

    /// The events of a lane, those first that have to go first.
    fn victims(&self, lane: Lane, victim: Victim) -> Box<dyn Iterator<Item = &Queued> + '_>;

    /// The events whose turn it is and that may be held back by their bands.
    fn heads(&self) -> Box<dyn Iterator<Item = &Queued> + '_>;

    /// Removes every event, by lane, each lane in its order; gaps are forgotten.
    fn clear(&mut self) -> Vec<Queued>;

    /// Number of events and gaps.
    fn len(&self) -> usize;

    /// Whether there is something that a worker might take.
    fn has_more(&self) -> bool;

    /// Whether every event is `Normal` and joins that lane, and so does whatever comes next and is.
    fn is_plain(&self) -> bool;

    /// The event that was accepted first.
    fn oldest(&self) -> Option<&Queued>;
}

/// The event that was accepted first of these.
pub(super) fn first_accepted<'a>(events: impl Iterator<Item = &'a Queued>) -> Option<&'a Queued> {
    events.min_by_key(|queued| queued.event.accepted())
}
