//! Waiting for several events to take them at once. They stay in the mailbox until then: what has not started may be dropped
//! for others, overtaken, and closed with the rest.

use std::task::Waker;

use super::{Lane, Load, Mailbox, State};
use crate::sync::atomic::Ordering::Relaxed;

/// What a worker finds that would rather take several events than one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gathered {
    /// Nothing, or nothing that comes now.
    Nothing,
    /// Fewer than it wants. It will be woken when there are more.
    Some,
    /// As many as it wants, or something that does not wait for others.
    Enough,
}

impl Mailbox {
    /// Looks how many events there are, and sleeps where there are some, but not enough.
    pub(crate) fn gather(&self, worker: usize, size: usize, waker: &Waker) -> Gathered {
        let work = self.work.0.lock();
        let mut intake = self.intake.0.lock();
        if self.is_paused() {
            return Gathered::Nothing;
        }
        self.let_in_due(&mut intake);
        let there = work.line.len() + intake.entries.len();
        if there == 0 {
            return Gathered::Nothing;
        }
        let urgent = intake.urgent.events() > work.urgent_running;
        let enough = there >= size
            || urgent
            || work.displaced.is_some()
            || intake.state != State::Open
            || !intake.nobody_waits()
            || !self.fits(&mut intake, Load::of(0), Lane::Normal);
        if enough {
            return Gathered::Enough;
        }
        let before = self.sleep(worker, &mut intake, waker);
        drop((intake, work));
        // A waker is code of whoever polls, and is dropped after the locks.
        drop(before);
        Gathered::Some
    }

    /// A worker begins with so many deliveries at once.
    pub(crate) fn begin_together(&self, deliveries: usize) {
        self.together.fetch_add(deliveries as u64 - 1, Relaxed);
    }

    /// The deliveries it ran at once are over.
    pub(crate) fn end_together(&self, deliveries: usize) {
        self.together.fetch_sub(deliveries as u64 - 1, Relaxed);
    }
}
