//! The publishers' side: getting an event in, or not.

use std::{
    task::{Poll, Waker},
    time::Duration,
};

use super::{DropReason, Entry, Event, Gap, Intake, Level, Load, Mailbox, Overflow, Queued, State, Waiting};
use crate::sync::atomic::Ordering::{Relaxed, SeqCst};

/// What became of an event that was offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Offer {
    Queued,
    /// The policy is to wait, and there is no room: see [`Mailbox::enter`].
    Full,
    /// An event was dropped, this one or an older one in whose place it is now.
    Dropped(DropReason),
    /// The subscription has ended: it no longer matches anything.
    Closed,
}

/// A place among the publishers that wait for room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticket(pub(super) u64);

/// What became of a publisher that came to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entered {
    Waiting(Ticket),
    Inside,
    Dropped(DropReason),
    Closed,
}

impl Mailbox {
    /// Offers an event without waiting. Says also which level the mailbox has risen to, where it has.
    pub(crate) fn offer(&self, event: &Event, load: Load) -> (Offer, Option<Level>) {
        let mut intake = self.intake.0.lock();
        if matches!(intake.state, State::Closed(_)) {
            return (Offer::Closed, None);
        }
        if self.has_room(&mut intake, load) {
            intake.append(Queued { event: event.clone(), load });
            intake.admitted += load;
            let risen = self.risen(&mut intake);
            self.unlock_and_wake(intake);
            return (Offer::Queued, risen);
        }
        let risen = self.risen(&mut intake);
        match self.overflow {
            Overflow::Block { .. } => (Offer::Full, risen),
            Overflow::Reject | Overflow::DropNewest => {
                intake.miss(Gap::one(DropReason::Overflow, event.seq()));
                self.unlock_and_wake(intake);
                (Offer::Dropped(DropReason::Overflow), risen)
            }
            Overflow::DropOldest => {
                drop(intake);
                (self.displace(event, load), risen)
            }
        }
    }

    /// Takes room for an event that will be offered soon, or says that there is none.
    ///
    /// Whoever reserves calls [`redeem`](Self::redeem) or [`release`](Self::release).
    pub(crate) fn reserve(&self, load: Load) -> Offer {
        let mut intake = self.intake.0.lock();
        if matches!(intake.state, State::Closed(_)) {
            return Offer::Closed;
        }
        if !self.has_room(&mut intake, load) {
            return Offer::Full;
        }
        intake.admitted += load;
        Offer::Queued
    }

    /// Puts an event into its reserved place.
    pub(crate) fn redeem(&self, event: &Event, load: Load) -> (Offer, Option<Level>) {
        let mut intake = self.intake.0.lock();
        if matches!(intake.state, State::Closed(_)) {
            intake.admitted -= load;
            return (Offer::Closed, None);
        }
        intake.append(Queued { event: event.clone(), load });
        let risen = self.risen(&mut intake);
        self.unlock_and_wake(intake);
        (Offer::Queued, risen)
    }

    /// Gives a reserved place back.
    pub(crate) fn release(&self, load: Load) {
        self.intake.0.lock().admitted -= load;
    }

    /// Counts an event that matched, and that a panicking filter kept out.
    pub(crate) fn skip(&self) {
        let mut intake = self.intake.0.lock();
        intake.matched += 1;
        intake.skipped += 1;
    }

    /// Offers an event, and stands in line where there is no room.
    ///
    /// Whoever gets a ticket asks [`poll_entered`](Self::poll_entered), and calls [`leave`](Self::leave) where it
    /// no longer wants to wait.
    pub(crate) fn enter(&self, event: &Event, load: Load, waker: &Waker) -> Entered {
        let mut intake = self.intake.0.lock();
        if let State::Closed(reason) = intake.state {
            return closed(reason);
        }
        let ticket = Ticket(intake.next_ticket);
        intake.next_ticket += 1;
        let queued = Queued { event: event.clone(), load };
        intake.waiting.push_back(Waiting { ticket, queued, waker: waker.clone() });
        // Whoever finishes a delivery adds to `finished` and then looks at `crowded`; here it is the other way
        // around, so one of the two sees what the other did.
        self.crowded.store(true, SeqCst);
        self.let_in(&mut intake);
        let inside = intake.waiting.back().is_none_or(|last| last.ticket != ticket);
        self.unlock_and_wake(intake);
        if inside { Entered::Inside } else { Entered::Waiting(ticket) }
    }

    /// Whether the event of a ticket is inside by now.
    pub(crate) fn poll_entered(&self, ticket: Ticket, waker: &Waker) -> Poll<Entered> {
        let mut intake = self.intake.0.lock();
        match intake.waiting.binary_search_by_key(&ticket, |waiting| waiting.ticket) {
            Ok(at) => {
                intake.waiting[at].waker.clone_from(waker);
                Poll::Pending
            }
            Err(_) => Poll::Ready(match intake.state {
                State::Closed(reason) if ticket >= intake.turned_away => closed(reason),
                _ => Entered::Inside,
            }),
        }
    }

    /// Gives up waiting: the event is dropped here. Says whether it was, for it may be inside by now.
    pub(crate) fn leave(&self, ticket: Ticket) -> bool {
        let mut intake = self.intake.0.lock();
        let Ok(at) = intake.waiting.binary_search_by_key(&ticket, |waiting| waiting.ticket) else { return false };
        let waiting = intake.waiting.remove(at);
        if let Some(waiting) = &waiting {
            intake.miss(Gap::one(DropReason::BlockTimeout, waiting.queued.event.seq()));
        }
        // Those behind may be smaller than the one that left.
        self.let_in(&mut intake);
        self.unlock_and_wake(intake);
        true
    }

    /// How long a publisher waits for room.
    pub(crate) fn patience(&self) -> Duration {
        match self.overflow {
            Overflow::Block { timeout } => timeout,
            _ => Duration::ZERO,
        }
    }

    /// Lets waiting publishers in for as long as there is room.
    pub(super) fn let_in(&self, intake: &mut Intake) {
        while let Some(first) = intake.waiting.front() {
            let (load, inside) = (first.queued.load, self.load(intake));
            if !self.marks.room(inside, load) {
                return;
            }
            let Some(Waiting { queued, waker, .. }) = intake.waiting.pop_front() else { return };
            intake.append(queued);
            intake.admitted += load;
            intake.grant.cover((intake.admitted - intake.finished).bytes());
            intake.let_in.push(waker);
        }
        self.crowded.store(false, SeqCst);
    }

    /// Makes room by dropping the oldest event that has not started.
    fn displace(&self, event: &Event, load: Load) -> Offer {
        let mut work = self.work.0.lock();
        let mut intake = self.intake.0.lock();
        if matches!(intake.state, State::Closed(_)) {
            return Offer::Closed;
        }
        let mut victims = Vec::new();
        while !self.has_room(&mut intake, load) {
            let Some(victim) = work.remove_oldest().or_else(|| intake.remove_oldest()) else { break };
            intake.admitted -= victim.load;
            intake.dropped.count(DropReason::Overflow, 1);
            work.miss_before_all(Gap::one(DropReason::Overflow, victim.event.seq()));
            victims.push(victim);
        }
        // Everything inside runs already: then the new event is the oldest that has not started.
        let fits = self.has_room(&mut intake, load);
        if fits {
            intake.append(Queued { event: event.clone(), load });
            intake.admitted += load;
        } else {
            intake.miss(Gap::one(DropReason::Overflow, event.seq()));
        }
        drop(work);
        self.unlock_and_wake(intake);
        if fits && victims.is_empty() { Offer::Queued } else { Offer::Dropped(DropReason::Overflow) }
    }

    /// Whether an event of that load has room, and nobody who came earlier waits for it.
    fn has_room(&self, intake: &mut Intake, load: Load) -> bool {
        if !intake.waiting.is_empty() {
            return false;
        }
        let seems = intake.admitted - intake.finished;
        self.marks.room(seems, load) || self.marks.room(self.load(intake), load)
    }

    /// The level the mailbox has risen to, where it has, after an event came in or found no room.
    fn risen(&self, intake: &mut Intake) -> Option<Level> {
        let seems = intake.admitted - intake.finished;
        intake.grant.cover(seems.bytes());
        if intake.level == Level::Normal && !self.marks.high(seems) {
            return None;
        }
        let before = intake.level;
        intake.level = self.marks.level(self.load(intake), before);
        (intake.level > before).then_some(intake.level)
    }
}

fn closed(reason: DropReason) -> Entered {
    match reason {
        DropReason::Shutdown => Entered::Dropped(reason),
        _ => Entered::Closed,
    }
}

impl Intake {
    fn append(&mut self, queued: Queued) {
        self.matched += 1;
        self.entries.push_back(Entry::Event(queued));
    }

    /// Counts an event that did not get in, and tells of it behind those that did.
    fn miss(&mut self, gap: Gap) {
        self.matched += gap.missed;
        self.dropped.count(gap.reason, gap.missed);
        if let Some(Entry::Gap(last)) = self.entries.back_mut()
            && last.absorb(gap)
        {
            return;
        }
        self.entries.push_back(Entry::Gap(Box::new(gap)));
    }

    fn remove_oldest(&mut self) -> Option<Queued> {
        super::take::remove_first(&mut self.entries)
    }
}

impl Mailbox {
    /// Releases the lock, and wakes those who have something to do now: publishers that were let in, and a worker.
    pub(super) fn unlock_and_wake(&self, mut intake: crate::sync::MutexGuard<'_, Intake>) {
        let let_in = std::mem::take(&mut intake.let_in);
        let worker = if intake.entries.is_empty() { None } else { self.rouse(&mut intake) };
        drop(intake);
        let_in.into_iter().chain(worker).for_each(Waker::wake);
    }

    /// The waker of one sleeping worker, which counts as awake from here on.
    pub(super) fn rouse(&self, intake: &mut Intake) -> Option<Waker> {
        if self.asleep.load(Relaxed) == 0 {
            return None;
        }
        let waker = intake.sleepers.iter_mut().rev().find_map(Option::take);
        if waker.is_some() {
            self.asleep.fetch_sub(1, Relaxed);
        }
        waker
    }
}
