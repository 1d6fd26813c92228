//! The publishers' side: getting an event in, or not.

use std::{
    task::{Poll, Waker},
    time::Duration,
};

use super::{DropReason, Entry, Event, Gap, Intake, Level, Load, Mailbox, Overflow, Queued, State, Waiting};
use crate::{
    journal::Seq,
    sync::atomic::Ordering::{Relaxed, SeqCst},
};

/// What became of an event that was offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Offer {
    Queued,
    /// The policy is to wait, and there is no room: see [`Mailbox::enter`].
    Full,
    /// Events were dropped for want of room: this one, or older ones in whose place it is now.
    Dropped {
        /// How many.
        missed: u64,
    },
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
    /// Offers an event without waiting, and has it given where it gets in. Says also which level the mailbox has
    /// risen to, where it has.
    pub(crate) fn offer(&self, seq: Seq, load: Load, give: impl FnOnce() -> Event) -> (Offer, Option<Level>) {
        let mut intake = self.intake.0.lock();
        if matches!(intake.state, State::Closed(_)) {
            return (Offer::Closed, None);
        }
        if self.has_room(&mut intake, load) {
            intake.append(Queued { event: give(), load });
            intake.admitted += load;
            let risen = self.risen(&mut intake);
            self.unlock_and_wake(intake);
            return (Offer::Queued, risen);
        }
        let risen = self.risen(&mut intake);
        match self.overflow {
            Overflow::Block { .. } => (Offer::Full, risen),
            Overflow::Reject | Overflow::DropNewest => {
                intake.miss(Gap::one(DropReason::Overflow, seq));
                self.unlock_and_wake(intake);
                (Offer::Dropped { missed: 1 }, risen)
            }
            Overflow::DropOldest => {
                drop(intake);
                let (offer, now) = self.displace(seq, load, give);
                (offer, now.or(risen))
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
        intake.reserved += 1;
        Offer::Queued
    }

    /// Puts an event into its reserved place.
    pub(crate) fn redeem(&self, event: &Event, load: Load) -> (Offer, Option<Level>) {
        let mut intake = self.intake.0.lock();
        intake.reserved -= 1;
        if matches!(intake.state, State::Closed(_)) {
            intake.admitted -= load;
            self.settle(&mut intake);
            return (Offer::Closed, None);
        }
        intake.append(Queued { event: event.clone(), load });
        let risen = self.risen(&mut intake);
        self.unlock_and_wake(intake);
        (Offer::Queued, risen)
    }

    /// Gives a reserved place back.
    pub(crate) fn release(&self, load: Load) {
        let mut intake = self.intake.0.lock();
        intake.reserved -= 1;
        intake.admitted -= load;
        self.settle(&mut intake);
    }

    /// Counts an event that matched, and that a panicking filter kept out.
    pub(crate) fn skip(&self) {
        let mut intake = self.intake.0.lock();
        intake.matched += 1;
        intake.unwanted += 1;
    }

    /// Offers an event, and stands in line where there is no room.
    ///
    /// Whoever gets a ticket asks [`poll_entered`](Self::poll_entered), and calls [`leave`](Self::leave) where it
    /// no longer wants to wait.
    pub(crate) fn enter(&self, event: &Event, load: Load, waker: &Waker) -> Entered {
        let mut intake = self.intake.0.lock();
        if matches!(intake.state, State::Closed(_)) {
            return Entered::Closed;
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
        // Cloning and dropping a waker is code of whoever polls, and happens outside the lock.
        let mut other = waker.clone();
        let mut intake = self.intake.0.lock();
        let entered = match intake.waiting.binary_search_by_key(&ticket, |waiting| waiting.ticket) {
            Ok(at) => {
                std::mem::swap(&mut intake.waiting[at].waker, &mut other);
                Poll::Pending
            }
            Err(_) => Poll::Ready(intake.became_of(ticket)),
        };
        drop(intake);
        entered
    }

    /// Gives up waiting: the event is dropped here, unless something else became of it by now.
    pub(crate) fn leave(&self, ticket: Ticket) -> Entered {
        let mut intake = self.intake.0.lock();
        let Ok(at) = intake.waiting.binary_search_by_key(&ticket, |waiting| waiting.ticket) else {
            return intake.became_of(ticket);
        };
        let waiting = intake.waiting.remove(at);
        if let Some(waiting) = &waiting {
            intake.miss(Gap::one(DropReason::BlockTimeout, waiting.queued.event.seq()));
        }
        // Those behind may be smaller than the one that left.
        self.let_in(&mut intake);
        self.unlock_and_wake(intake);
        Entered::Dropped(DropReason::BlockTimeout)
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
        match intake.state {
            // What still runs gives its memory back by way of here, until there is nothing more.
            State::Closed(_) => self.settle(intake),
            _ => self.crowded.store(false, SeqCst),
        }
    }

    /// Makes room by dropping the oldest events that have not started.
    fn displace(&self, seq: Seq, load: Load, give: impl FnOnce() -> Event) -> (Offer, Option<Level>) {
        let mut work = self.work.0.lock();
        let mut intake = self.intake.0.lock();
        if matches!(intake.state, State::Closed(_)) {
            return (Offer::Closed, None);
        }
        let mut victims = Vec::new();
        let queued = intake.admitted - work.taken;
        let running = self.load(&mut intake) - queued;
        // Beside what runs there may be no room for it, whatever else were dropped.
        while self.marks.room(running, load) && !self.has_room(&mut intake, load) {
            let Some(victim) = work.remove_oldest().or_else(|| intake.remove_oldest()) else { break };
            intake.admitted -= victim.load;
            intake.dropped.count(DropReason::Overflow, 1);
            work.miss_before_all(Gap::one(DropReason::Overflow, victim.event.seq()));
            victims.push(victim);
        }
        let mut missed = victims.len() as u64;
        if self.has_room(&mut intake, load) {
            intake.append(Queued { event: give(), load });
            intake.admitted += load;
        } else {
            // Of what has not started, the new event is the oldest there would be room without.
            intake.miss(Gap::one(DropReason::Overflow, seq));
            missed += 1;
        }
        let risen = self.risen(&mut intake);
        drop(work);
        self.unlock_and_wake(intake);
        (if missed == 0 { Offer::Queued } else { Offer::Dropped { missed } }, risen)
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
        let mut seems = intake.admitted - intake.finished;
        if !intake.grant.covers(seems.bytes()) {
            seems = self.load(intake);
            intake.grant.cover(seems.bytes());
        }
        if intake.level == Level::Normal && !self.marks.high(seems) {
            return None;
        }
        let before = intake.level;
        intake.level = self.marks.level(self.load(intake), before);
        (intake.level > before).then_some(intake.level)
    }
}

impl Intake {
    /// What became of a publisher that waits no more and did not leave.
    fn became_of(&self, ticket: Ticket) -> Entered {
        match self.state {
            State::Closed(DropReason::Shutdown) if ticket >= self.turned_away => {
                Entered::Dropped(DropReason::Shutdown)
            }
            State::Closed(_) if ticket >= self.turned_away => Entered::Closed,
            _ => Entered::Inside,
        }
    }

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
        worker.into_iter().for_each(Waker::wake);
        let_in.into_iter().for_each(Waker::wake);
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
