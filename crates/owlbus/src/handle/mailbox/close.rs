//! The end of a mailbox: drained by its workers, or closed with what is in it.

use std::task::Waker;

use super::{DropReason, Entry, Event, Intake, Mailbox, Queued, State, Ticket};
use crate::sync::atomic::Ordering::SeqCst;

impl Mailbox {
    /// Lets the workers end once nothing is left.
    pub(crate) fn drain(&self) {
        let mut intake = self.intake.0.lock();
        if intake.state == State::Open {
            intake.state = State::Draining;
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
        let mut left: Vec<Queued> = work.keys.as_mut().map_or(Vec::new(), |keys| keys.clear());
        let entries = work.entries.drain(..).chain(intake.entries.drain(..));
        left.extend(entries.filter_map(Entry::into_event));
        // Nobody is there any more to be told of what was missed.
        work.gap = None;
        for queued in &left {
            intake.admitted -= queued.load;
        }
        intake.dropped.count(reason, left.len() as u64);

        // Publishers are let in by ascending ticket: those from here on never were.
        intake.turned_away = intake.waiting.front().map_or(Ticket(intake.next_ticket), |first| first.ticket);
        let (mut outside, mut wakers): (Vec<_>, Vec<_>) =
            intake.waiting.drain(..).map(|waiting| (waiting.queued, waiting.waker)).unzip();
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
        left.into_iter().map(|queued| queued.event).collect()
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
