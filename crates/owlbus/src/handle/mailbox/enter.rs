//! The publishers' side: getting an event in, or not.

use std::{
    task::{Poll, Waker},
    time::Duration,
};

use super::{
    DropReason, Entry, Gap, Intake, Lane, Level, Load, Mailbox, Outside, Overflow, Queued, State, Ticket,
    URGENT_PLACES,
};
use crate::{
    journal::Seq,
    sync::{
        MutexGuard,
        atomic::Ordering::{Relaxed, SeqCst},
    },
};

/// What became of an event that was offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Offer {
    Queued,
    /// It is kept until its time has come, and may have taken the place of another one of its key.
    Kept,
    /// It was left out: another one of its key stands for it.
    Coalesced,
    /// It is in, and others that had not started were dropped for it.
    Displaced {
        /// How many.
        missed: u64,
    },
    /// The policy is to wait, and there is no room: see [`Mailbox::enter`].
    Full,
    /// It was dropped for want of room.
    Dropped,
    /// The subscription has ended: it no longer matches anything.
    Closed,
}

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
    pub(crate) fn offer(
        &self,
        seq: Seq,
        load: Load,
        lane: Lane,
        give: impl FnOnce() -> Queued,
    ) -> (Offer, Option<Level>) {
        self.offer_in(self.intake.0.lock(), seq, load, lane, give)
    }

    pub(super) fn offer_in(
        &self,
        mut intake: MutexGuard<'_, Intake>,
        seq: Seq,
        load: Load,
        lane: Lane,
        give: impl FnOnce() -> Queued,
    ) -> (Offer, Option<Level>) {
        if matches!(intake.state, State::Closed(_)) {
            return (Offer::Closed, None);
        }
        if self.has_room(&mut intake, load, lane) {
            self.append(&mut intake, give());
            *intake.counted(lane) += load;
            let risen = self.risen(&mut intake);
            self.unlock_and_wake(intake);
            return (Offer::Queued, risen);
        }
        let risen = self.risen(&mut intake);
        match self.overflow {
            Overflow::Block { .. } => (Offer::Full, risen),
            overflow if self.may_displace(overflow, lane) => {
                drop(intake);
                let (offer, now) = self.displace(seq, load, lane, give);
                (offer, now.or(risen))
            }
            _ => {
                self.miss(&mut intake, lane, Gap::one(DropReason::Overflow, seq));
                self.unlock_and_wake(intake);
                (Offer::Dropped, risen)
            }
        }
    }

    /// Takes room for an event that will be offered soon, or says that there is none.
    ///
    /// Whoever reserves calls [`redeem`](Self::redeem) or [`release`](Self::release).
    pub(crate) fn reserve(&self, load: Load, lane: Lane) -> Offer {
        let mut intake = self.intake.0.lock();
        if matches!(intake.state, State::Closed(_)) {
            return Offer::Closed;
        }
        if !self.has_room(&mut intake, load, lane) {
            return Offer::Full;
        }
        *intake.counted(lane) += load;
        intake.reserved += 1;
        Offer::Queued
    }

    /// Puts an event into its reserved place.
    pub(crate) fn redeem(
        &self,
        load: Load,
        lane: Lane,
        give: impl FnOnce() -> Queued,
    ) -> (Offer, Option<Level>) {
        self.redeem_in(self.intake.0.lock(), load, lane, give)
    }

    pub(super) fn redeem_in(
        &self,
        mut intake: MutexGuard<'_, Intake>,
        load: Load,
        lane: Lane,
        give: impl FnOnce() -> Queued,
    ) -> (Offer, Option<Level>) {
        intake.reserved -= 1;
        if matches!(intake.state, State::Closed(_)) {
            *intake.counted(lane) -= load;
            self.settle(&mut intake);
            return (Offer::Closed, None);
        }
        self.append(&mut intake, give());
        let risen = self.risen(&mut intake);
        self.unlock_and_wake(intake);
        (Offer::Queued, risen)
    }

    /// Gives a reserved place back.
    pub(crate) fn release(&self, load: Load, lane: Lane) {
        let mut intake = self.intake.0.lock();
        self.give_back(&mut intake, load, lane);
        self.unlock_and_wake(intake);
    }

    pub(super) fn give_back(&self, intake: &mut Intake, load: Load, lane: Lane) {
        intake.reserved -= 1;
        *intake.counted(lane) -= load;
        // Somebody may have come to wait for just that place.
        self.let_in(intake);
        self.settle(intake);
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
    pub(crate) fn enter(&self, queued: Queued, waker: &Waker) -> Entered {
        let mut intake = self.intake.0.lock();
        if matches!(intake.state, State::Closed(_)) {
            drop(intake);
            return Entered::Closed;
        }
        let ticket = intake.outside(queued.lane()).push(queued, waker.clone());
        // Whoever finishes a delivery adds to `finished` and then looks at `crowded`; here it is the other way
        // around, so one of the two sees what the other did.
        self.crowded.store(true, SeqCst);
        self.let_in(&mut intake);
        let waits = intake.line_of(ticket).holds(ticket);
        self.unlock_and_wake(intake);
        if waits { Entered::Waiting(ticket) } else { Entered::Inside }
    }

    /// Whether the event of a ticket is inside by now.
    pub(crate) fn poll_entered(&self, ticket: Ticket, waker: &Waker) -> Poll<Entered> {
        // Cloning and dropping a waker is code of whoever polls, and happens outside the lock.
        let mut other = waker.clone();
        let mut intake = self.intake.0.lock();
        let entered = match intake.line_of(ticket).waker(ticket) {
            Some(waker) => {
                std::mem::swap(waker, &mut other);
                Poll::Pending
            }
            None => Poll::Ready(intake.became_of(ticket)),
        };
        drop(intake);
        entered
    }

    /// Whether the event of a ticket still waits for room.
    pub(crate) fn still_waits(&self, ticket: Ticket) -> bool {
        self.intake.0.lock().line_of(ticket).holds(ticket)
    }

    /// Gives up waiting: the event is dropped here, unless something else became of it by now.
    pub(crate) fn leave(&self, ticket: Ticket) -> Entered {
        let mut intake = self.intake.0.lock();
        let Some(queued) = intake.line_of(ticket).remove(ticket) else {
            return intake.became_of(ticket);
        };
        self.miss(&mut intake, queued.lane(), Gap::one(DropReason::BlockTimeout, queued.event.seq()));
        // Those behind may be smaller than the one that left.
        self.let_in(&mut intake);
        self.unlock_and_wake(intake);
        queued.dropped(DropReason::BlockTimeout);
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
        for lane in [Lane::Immediate, Lane::Normal] {
            while let Some(load) = intake.outside(lane).first().map(|first| first.load)
                && self.fits(intake, load, lane)
                && let Some((queued, waker)) = intake.outside(lane).let_in()
            {
                self.append(intake, queued);
                *intake.counted(lane) += load;
                let bytes = intake.held_at_most();
                intake.grant.cover(bytes);
                intake.let_in.push(waker);
            }
        }
        match intake.state {
            // What still runs gives its memory back by way of here, until there is nothing more.
            State::Closed(_) => self.settle(intake),
            _ if intake.nobody_waits() => self.crowded.store(false, SeqCst),
            _ => {}
        }
    }

    /// Puts an event behind those that came before it.
    pub(super) fn append(&self, intake: &mut Intake, queued: Queued) {
        intake.matched += 1;
        self.push(intake, queued);
    }

    pub(super) fn push(&self, intake: &mut Intake, queued: Queued) {
        if queued.lane() != Lane::Normal {
            self.mixed.store(true, SeqCst);
        }
        intake.entries.push_back(Entry::Event(queued));
    }

    /// Counts an event that did not get in, and tells of it behind those that did.
    pub(super) fn miss(&self, intake: &mut Intake, lane: Lane, gap: Gap) {
        if lane != Lane::Normal {
            self.mixed.store(true, SeqCst);
        }
        intake.matched += gap.missed;
        intake.dropped.count(gap.reason, gap.missed);
        // Of the gaps behind the last event there is one a lane and a reason: they do not grow while nobody is told.
        for entry in intake.entries.iter_mut().rev() {
            let Entry::Gap(last) = entry else { break };
            if last.0 == lane && last.1.absorb(gap) {
                return;
            }
        }
        intake.entries.push_back(Entry::gap(lane, gap));
    }

    /// Whether an event has room, and nobody who came earlier waits for it.
    pub(super) fn has_room(&self, intake: &mut Intake, load: Load, lane: Lane) -> bool {
        intake.outside(lane).is_empty() && self.fits(intake, load, lane)
    }

    pub(super) fn fits(&self, intake: &mut Intake, load: Load, lane: Lane) -> bool {
        if lane == Lane::Immediate {
            return intake.urgent.events() < URGENT_PLACES;
        }
        let seems = intake.admitted - intake.finished;
        self.marks.room(seems, load) || self.marks.room(self.load(intake), load)
    }

    /// The level the mailbox has risen to, where it has, after an event came in or found no room.
    pub(super) fn risen(&self, intake: &mut Intake) -> Option<Level> {
        let mut seems = intake.admitted - intake.finished;
        if !intake.grant.covers(intake.held_at_most()) {
            seems = self.load(intake);
            let bytes = intake.held_at_most();
            intake.grant.cover(bytes);
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
    /// The line a publisher of that lane waits in.
    fn outside(&mut self, lane: Lane) -> &mut Outside {
        match lane {
            Lane::Immediate => &mut self.outside_urgent,
            _ => &mut self.outside,
        }
    }

    fn line_of(&mut self, ticket: Ticket) -> &mut Outside {
        if ticket.urgent { &mut self.outside_urgent } else { &mut self.outside }
    }

    pub(super) fn nobody_waits(&self) -> bool {
        self.outside.is_empty() && self.outside_urgent.is_empty()
    }

    /// Where an event of that lane counts.
    pub(super) fn counted(&mut self, lane: Lane) -> &mut Load {
        match lane {
            Lane::Immediate => &mut self.urgent,
            _ => &mut self.admitted,
        }
    }

    /// Bytes inside, of all lanes, by the last look at what is finished.
    pub(super) fn held_at_most(&self) -> u64 {
        (self.admitted - self.finished).bytes() + self.urgent.bytes()
    }

    /// What became of a publisher that waits no more and did not leave.
    fn became_of(&mut self, ticket: Ticket) -> Entered {
        let sent_away = self.line_of(ticket).sent_away(ticket);
        match self.state {
            State::Closed(DropReason::Shutdown) if sent_away => Entered::Dropped(DropReason::Shutdown),
            State::Closed(_) if sent_away => Entered::Closed,
            _ => Entered::Inside,
        }
    }
}

impl Mailbox {
    /// Releases the lock, and wakes those who have something to do now: publishers that were let in, and a worker.
    pub(super) fn unlock_and_wake(&self, mut intake: MutexGuard<'_, Intake>) {
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
