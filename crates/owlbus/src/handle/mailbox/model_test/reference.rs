//! What a mailbox should do, with no thought for speed: one list, looked through from the front each time.

use crate::handle::{
    mailbox::{DropReason, Dropped, Finish, Offer},
    overflow::{Gap, Overflow},
    pressure::Level,
};
use crate::journal::Seq;

/// An event, as far as a mailbox looks at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Letter {
    pub(super) seq: u64,
    pub(super) key: u8,
    pub(super) bytes: u64,
}

/// Something in the line: an event that has not started, or where one is missing.
#[derive(Clone, Copy)]
enum Item {
    Event(Letter),
    Missed(u64, DropReason),
}

/// What a worker that takes should get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    Event(Letter),
    Gap,
    /// Nothing now.
    Sleep,
    /// Nothing any more.
    Over,
}

/// What became of a publisher that came to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Waiting,
    Inside,
    Dropped(DropReason),
    Closed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Open,
    Draining,
    Closed,
}

pub(super) struct Reference {
    pub(super) overflow: Overflow,
    pub(super) events: u64,
    pub(super) bytes: u64,
    pub(super) by_key: bool,
    pub(super) paused: bool,
    pub(super) phase: Phase,
    /// Events that gave way to newer ones; told before anything else.
    displaced: Vec<u64>,
    line: Vec<Item>,
    pub(super) running: Vec<Letter>,
    pub(super) reserved: Vec<Letter>,
    /// Publishers that wait, by the number of their ticket.
    waiting: Vec<(usize, Letter)>,
    /// What became of each ticket.
    pub(super) fates: Vec<Fate>,
    pub(super) matched: u64,
    pub(super) done: u64,
    pub(super) skipped: u64,
    pub(super) dead: u64,
    pub(super) dropped: Dropped,
    level: Level,
}

impl Reference {
    pub(super) fn new(overflow: Overflow, events: u64, bytes: u64, by_key: bool) -> Self {
        Self {
            overflow,
            events,
            bytes,
            by_key,
            paused: false,
            phase: Phase::Open,
            displaced: Vec::new(),
            line: Vec::new(),
            running: Vec::new(),
            reserved: Vec::new(),
            waiting: Vec::new(),
            fates: Vec::new(),
            matched: 0,
            done: 0,
            skipped: 0,
            dead: 0,
            dropped: Dropped::default(),
            level: Level::Normal,
        }
    }

    /// Events in the line, in order.
    pub(super) fn queued(&self) -> impl Iterator<Item = Letter> {
        self.line.iter().filter_map(|item| match item {
            Item::Event(letter) => Some(*letter),
            Item::Missed(..) => None,
        })
    }

    /// Events and bytes that take up room.
    pub(super) fn inside(&self) -> (u64, u64) {
        sum(self.queued().chain(self.running.iter().copied()).chain(self.reserved.iter().copied()))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.inside() == (0, 0) && self.waiting.is_empty()
    }

    fn fits(&self, beside: (u64, u64), letter: Letter) -> bool {
        beside.0 < self.events && (beside == (0, 0) || beside.1 + letter.bytes <= self.bytes)
    }

    fn has_room(&self, letter: Letter) -> bool {
        self.waiting.is_empty() && self.fits(self.inside(), letter)
    }

    pub(super) fn offer(&mut self, letter: Letter) -> (Offer, Option<Level>) {
        if self.phase == Phase::Closed {
            return (Offer::Closed, None);
        }
        if self.has_room(letter) {
            self.append(letter);
            return (Offer::Queued, self.rise());
        }
        let risen = self.rise();
        match self.overflow {
            Overflow::Block { .. } => (Offer::Full, risen),
            Overflow::Reject | Overflow::DropNewest => {
                self.miss(letter.seq, DropReason::Overflow);
                (Offer::Dropped { missed: 1 }, risen)
            }
            Overflow::DropOldest => {
                let missed = self.displace(letter);
                (Offer::Dropped { missed }, self.rise().or(risen))
            }
        }
    }

    /// Makes room, and says how many events were dropped.
    fn displace(&mut self, letter: Letter) -> u64 {
        if !self.fits(sum(self.running.iter().copied()), letter) {
            self.miss(letter.seq, DropReason::Overflow);
            return 1;
        }
        let before = self.dropped.overflow;
        while !self.has_room(letter) {
            let oldest = self.line.iter().position(|item| matches!(item, Item::Event(_))).unwrap();
            let Item::Event(victim) = self.line.remove(oldest) else { unreachable!() };
            self.dropped.overflow += 1;
            self.displaced.push(victim.seq);
        }
        self.append(letter);
        self.dropped.overflow - before
    }

    pub(super) fn reserve(&mut self, letter: Letter) -> Offer {
        if self.phase == Phase::Closed {
            return Offer::Closed;
        }
        if !self.has_room(letter) {
            return Offer::Full;
        }
        self.reserved.push(letter);
        Offer::Queued
    }

    pub(super) fn redeem(&mut self, letter: Letter) -> (Offer, Option<Level>) {
        self.release(letter);
        if self.phase == Phase::Closed {
            return (Offer::Closed, None);
        }
        self.append(letter);
        (Offer::Queued, self.rise())
    }

    pub(super) fn release(&mut self, letter: Letter) {
        self.reserved.retain(|other| *other != letter);
    }

    pub(super) fn skip(&mut self) {
        self.matched += 1;
        self.skipped += 1;
    }

    pub(super) fn enter(&mut self, letter: Letter) {
        if self.phase == Phase::Closed {
            return self.fates.push(Fate::Closed);
        }
        self.waiting.push((self.fates.len(), letter));
        self.fates.push(Fate::Waiting);
        self.let_in();
    }

    pub(super) fn leave(&mut self, ticket: usize) {
        let at = self.waiting.iter().position(|(other, _)| *other == ticket).unwrap();
        let (_, letter) = self.waiting.remove(at);
        self.fates[ticket] = Fate::Dropped(DropReason::BlockTimeout);
        self.miss(letter.seq, DropReason::BlockTimeout);
        self.let_in();
    }

    fn let_in(&mut self) {
        while let Some(&(ticket, letter)) = self.waiting.first()
            && self.fits(self.inside(), letter)
        {
            self.waiting.remove(0);
            self.append(letter);
            self.fates[ticket] = Fate::Inside;
        }
    }

    fn append(&mut self, letter: Letter) {
        self.matched += 1;
        self.line.push(Item::Event(letter));
    }

    fn miss(&mut self, seq: u64, reason: DropReason) {
        self.matched += 1;
        self.dropped.count(reason, 1);
        self.line.push(Item::Missed(seq, reason));
    }

    pub(super) fn next(&self) -> Next {
        let over = match self.phase {
            Phase::Open => false,
            Phase::Draining => self.paused || (self.waiting.is_empty() && self.queued().count() == 0),
            Phase::Closed => true,
        };
        let nothing = if over { Next::Over } else { Next::Sleep };
        if self.paused {
            return nothing;
        }
        if !self.displaced.is_empty() {
            return Next::Gap;
        }
        match self.startable().map(|at| self.line[at]) {
            Some(Item::Event(letter)) => Next::Event(letter),
            Some(Item::Missed(..)) => Next::Gap,
            None => nothing,
        }
    }

    /// The place in the line of what may be taken first.
    fn startable(&self) -> Option<usize> {
        let key_runs = |key| self.by_key && self.running.iter().any(|running| running.key == key);
        self.line.iter().position(|item| match item {
            Item::Event(letter) => !key_runs(letter.key),
            Item::Missed(..) => true,
        })
    }

    pub(super) fn start(&mut self, letter: Letter) {
        self.line.retain(|item| !matches!(item, Item::Event(other) if *other == letter));
        self.running.push(letter);
    }

    /// Takes what a gap of that many events tells. Neighbours need not be told as one, but only neighbours may.
    pub(super) fn take_gap(&mut self, missed: u64) -> Option<Gap> {
        let (seqs, reason) =
            if self.displaced.is_empty() { self.missed(missed)? } else { self.all_displaced() };
        let gap = Gap {
            missed: seqs.len() as u64,
            reason,
            first: Seq(*seqs.iter().min()?),
            last: Seq(*seqs.iter().max()?),
        };
        Some(gap)
    }

    fn all_displaced(&mut self) -> (Vec<u64>, DropReason) {
        (std::mem::take(&mut self.displaced), DropReason::Overflow)
    }

    fn missed(&mut self, count: u64) -> Option<(Vec<u64>, DropReason)> {
        let mut seqs = Vec::new();
        let mut why = None;
        for _ in 0..count {
            let at = self.startable()?;
            let Item::Missed(seq, reason) = self.line[at] else { return None };
            if *why.get_or_insert(reason) != reason {
                return None;
            }
            self.line.remove(at);
            seqs.push(seq);
        }
        Some((seqs, why?))
    }

    pub(super) fn sleep(&mut self) {
        self.level = self.level.min(self.level_now());
    }

    pub(super) fn finish(&mut self, letter: Letter, finish: Finish) {
        self.running.retain(|other| *other != letter);
        match finish {
            Finish::Done => self.done += 1,
            Finish::Skipped => self.skipped += 1,
            Finish::Dead => self.dead += 1,
            Finish::Dropped(reason) => self.dropped.count(reason, 1),
        }
        self.let_in();
    }

    pub(super) fn drain(&mut self) {
        if self.phase == Phase::Open {
            self.phase = Phase::Draining;
        }
    }

    /// Gives what had not started, by its number.
    pub(super) fn close(&mut self, reason: DropReason) -> Vec<u64> {
        if self.phase == Phase::Closed {
            return Vec::new();
        }
        self.phase = Phase::Closed;
        let mut left: Vec<u64> = self.queued().map(|letter| letter.seq).collect();
        self.dropped.count(reason, left.len() as u64);
        self.line.clear();
        self.displaced.clear();
        for (ticket, letter) in std::mem::take(&mut self.waiting) {
            self.fates[ticket] = Fate::Closed;
            // To a subscription that ended, these never came; on a bus that ended, they were lost.
            if reason == DropReason::Shutdown {
                left.push(letter.seq);
                self.matched += 1;
                self.dropped.count(reason, 1);
                self.fates[ticket] = Fate::Dropped(reason);
            }
        }
        left
    }

    /// The level, as somebody who looks now sees it.
    pub(super) fn look(&mut self) -> Level {
        let now = self.level_now();
        self.level = self.level.min(now);
        now
    }

    fn rise(&mut self) -> Option<Level> {
        let before = self.level;
        self.level = self.level_now();
        (self.level > before).then_some(self.level)
    }

    fn level_now(&self) -> Level {
        let (events, bytes) = self.inside();
        let at_least = |percent| events * 100 >= self.events * percent || bytes * 100 >= self.bytes * percent;
        match self.level {
            _ if at_least(100) => Level::Full,
            Level::Full if at_least(80) => Level::Full,
            _ if at_least(80) => Level::High,
            Level::High | Level::Full if at_least(50) => Level::High,
            _ => Level::Normal,
        }
    }
}

fn sum(letters: impl Iterator<Item = Letter>) -> (u64, u64) {
    letters.fold((0, 0), |(events, bytes), letter| (events + 1, bytes + letter.bytes))
}
