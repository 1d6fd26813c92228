//! The end of a mailbox: drained by its workers, or closed with what is in it.

use std::task::Waker;

use super::{DropReason, Event, Intake, Mailbox, State};
use crate::sync::atomic::Ordering::SeqCst;

impl Mailbox {
    /// Lets the workers end once nothing is left.
    pub(crate) fn drain(&self) {
        let mut intake = self.intake.0.lock();
        if intake.state == State::Open {
            intake.state = State::Draining;
            // Nothing comes any more that could stand for what is kept.
            self.let_in_kept(&mut intake, None);
        }
        let sleepers = self.rouse_all(&mut intake);
        drop(intake);
        sleepers.into_iter().for_each(Waker::wake);
    }

    /// Closes the mailbox and gives back what had not started, in order; it is dropped for that reason.
    ///
    /// When this returns, nothing more starts. Closing again does nothing.
    pub(crate) fn close(&self, reason: DropReason) -> Vec<Event> {
        let mut work = self.work.0.lock();
        let mut intake = self.intake.0.lock();
        if matches!(intake.state, State::Closed(_)) {
            return Vec::new();
        }
        intake.state = State::Closed(reason);
        work.line.refill(&mut intake.entries, !self.mixed.load(SeqCst));
        let mut left: Vec<_> = std::mem::take(&mut work.retries).into_values().collect();
        left.append(&mut work.line.clear());
        left.append(&mut self.take_kept(&mut intake));
        // Nobody is there any more to be told of what was missed.
        work.displaced = None;
        for queued in &left {
            *intake.counted(queued.lane()) -= queued.load;
        }
        intake.dropped.count(reason, left.len() as u64);

        let (urgent, others) = (intake.outside_urgent.close(), intake.outside.close());
        let (mut outside, mut wakers): (Vec<_>, Vec<_>) = urgent.into_iter().chain(others).unzip();
        // A bus that ends loses what waits outside; a subscription that ends never matched it.
        if reason == DropReason::Shutdown {
            intake.matched += outside.len() as u64;
            intake.dropped.count(reason, outside.len() as u64);
            left.append(&mut outside);
        }
        // Whoever finishes a delivery from here on settles the memory again: its worker may never sleep any more.
        self.crowded.store(true, SeqCst);
        self.settle(&mut intake);
        wakers.extend(self.rouse_all(&mut intake));
        drop((intake, work));

        // Events hold values of users, which are dropped after the locks, and after everybody knows.
        wakers.into_iter().for_each(Waker::wake);
        left.into_iter().map(|queued| queued.dropped(reason)).collect()
    }

    /// Wakes all workers, after a pause.
    pub(crate) fn wake(&self) {
        let sleepers = self.rouse_all(&mut self.intake.0.lock());
        sleepers.into_iter().for_each(Waker::wake);
    }

    pub(super) fn rouse_all(&self, intake: &mut Intake) -> Vec<Waker> {
        std::iter::from_fn(|| self.rouse(intake)).collect()
    }
}
