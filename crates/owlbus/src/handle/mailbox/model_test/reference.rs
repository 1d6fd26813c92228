//! What a mailbox should do, with no thought for speed: a list a lane, looked through from the front each time.

use crate::handle::{
    mailbox::{DropReason, Dropped, Finish, Lane, Offer, lanes::LANES},
    overflow::{Gap, Overflow},
    pressure::Level,
};
use crate::journal::Seq;

/// An event, as far as a mailbox looks at it.
#[derive(Clone, Copy, Debug, Eq)]
pub(super) struct Letter {
    pub(super) seq: u64,
    pub(super) key: u8,
    pub(super) bytes: u64,
    pub(super) lane: Lane,
    /// The order in which it was sorted into its lane; unknown until then.
    pub(super) place: u64,
    /// Whether an attempt failed.
    pub(super) tried: bool,
}

/// Letters are told apart by their numbers.
impl PartialEq for Letter {
    fn eq(&self, other: &Self) -> bool {
        self.seq == other.seq
    }
}

impl Letter {
    fn is_urgent(&self) -> bool {
        self.lane == Lane::Immediate
    }
}

/// Something in a lane: an event that has not started, or where one is missing.
#[derive(Clone, Copy)]
enum Item {
    Event(Letter),
    Missed(u64, DropReason, Lane, u64),
}

/// What stands first in a lane.
#[derive(Clone, Copy, PartialEq, Eq)]
enum First {
    Nothing,
    Gap(usize),
    Event(Letter),
}

/// The lanes that share, as often as they are served in a turn.
const WHEEL: &[u8; 13] = b"HNHHNHDHNHHNH";

/// How many `Immediate` events a mailbox holds.
pub(super) const URGENT: usize = 64;

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

#[derive(Clone)]
pub(super) struct Reference {
    pub(super) overflow: Overflow,
    pub(super) events: u64,
    pub(super) bytes: u64,
    pub(super) by_key: bool,
    pub(super) paused: bool,
    pub(super) phase: Phase,
    /// Events that gave way to newer ones; told before anything else.
    displaced: Vec<u64>,
    /// What came since somebody last looked.
    arrived: Vec<Item>,
    lanes: [Vec<Item>; 4],
    /// The next slot of the wheel.
    wheel: usize,
    /// For how many starts in a row each lane was passed over.
    waited: [u64; 4],
    /// What runs, and the lane it came from.
    pub(super) running: Vec<(Letter, Lane)>,
    /// What waits to be tried again, and the tick it is due at, in the order of the failures.
    pub(super) waiting_again: Vec<(u64, Letter, Lane)>,
    /// The time.
    pub(super) tick: u64,
    /// How many items were sorted so far.
    sorted: u64,
    /// Events that are held back by their bands.
    pub(super) held: Vec<u64>,
    pub(super) reserved: Vec<Letter>,
    /// Publishers that wait, by the number of their ticket.
    waiting: Vec<(usize, Letter)>,
    /// What became of each ticket.
    pub(super) fates: Vec<Fate>,
    pub(super) matched: u64,
    pub(super) done: u64,
    pub(super) skipped: u64,
    pub(super) dead: u64,
    pub(super) expired: u64,
    pub(super) dropped: Dropped,
    level: Level,
}

impl Item {
    fn event(&self) -> Option<Letter> {
        match self {
            Item::Event(letter) => Some(*letter),
            Item::Missed(..) => None,
        }
    }
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
            arrived: Vec::new(),
            lanes: Default::default(),
            wheel: 0,
            waited: [0; 4],
            running: Vec::new(),
            waiting_again: Vec::new(),
            tick: 0,
            sorted: 0,
            held: Vec::new(),
            reserved: Vec::new(),
            waiting: Vec::new(),
            fates: Vec::new(),
            matched: 0,
            done: 0,
            skipped: 0,
            dead: 0,
            expired: 0,
            dropped: Dropped::default(),
            level: Level::Normal,
        }
    }

    /// Events that have not started, by lane, and those that came since somebody last looked.
    pub(super) fn queued(&self) -> impl Iterator<Item = Letter> {
        self.lanes.iter().flatten().chain(&self.arrived).filter_map(|item| match item {
            Item::Event(letter) => Some(*letter),
            Item::Missed(..) => None,
        })
    }

    fn all(&self) -> impl Iterator<Item = Letter> {
        self.queued().chain(self.holders().map(|(letter, _)| letter)).chain(self.reserved.iter().copied())
    }

    /// Events and bytes that take up room.
    pub(super) fn inside(&self) -> (u64, u64) {
        sum(self.all().filter(|letter| !letter.is_urgent()))
    }

    /// Bytes of everything.
    pub(super) fn bytes(&self) -> u64 {
        sum(self.all()).1
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all().count() == 0 && self.waiting.is_empty()
    }

    /// Whether a letter has room beside those for which `stays` says so.
    fn fits_beside(&self, letter: Letter, stays: impl Fn(&Letter) -> bool) -> bool {
        let others: Vec<Letter> =
            self.all().filter(|other| other.is_urgent() == letter.is_urgent() && stays(other)).collect();
        if letter.is_urgent() {
            return others.len() < URGENT;
        }
        let (events, bytes) = sum(others.into_iter());
        events < self.events && (events == 0 || bytes + letter.bytes <= self.bytes)
    }

    fn has_room(&self, letter: Letter) -> bool {
        let nobody_waits = self.waiting.iter().all(|(_, other)| other.is_urgent() != letter.is_urgent());
        nobody_waits && self.fits_beside(letter, |_| true)
    }

    /// Sorts what came into the lanes: where its key has unsettled events, or where it asks to be.
    fn sort(&mut self) {
        for item in std::mem::take(&mut self.arrived) {
            self.sorted += 1;
            let place = self.sorted;
            let (lane, item) = match item {
                Item::Event(letter) => (
                    self.lane_of_key(letter.key).unwrap_or(letter.lane),
                    Item::Event(Letter { place, ..letter }),
                ),
                Item::Missed(seq, reason, lane, _) => (lane, Item::Missed(seq, reason, lane, place)),
            };
            self.lanes[lane as usize].push(item);
        }
    }

    fn lane_of_key(&self, key: u8) -> Option<Lane> {
        let runs = self.holders().find(|(letter, _)| letter.key == key).map(|(_, lane)| lane);
        let waits = |lane: &Lane| {
            self.lanes[*lane as usize]
                .iter()
                .any(|item| matches!(item, Item::Event(letter) if letter.key == key))
        };
        if self.by_key { runs.or_else(|| LANES.into_iter().find(waits)) } else { None }
    }

    /// What keeps others of its key back.
    fn holders(&self) -> impl Iterator<Item = (Letter, Lane)> {
        let again = self.waiting_again.iter().map(|(_, letter, lane)| (*letter, *lane));
        self.running.iter().copied().chain(again)
    }

    /// Puts back what is due, where it was before: before everything that has not started, or in its key's turn.
    fn put_back_due(&mut self) {
        let tick = self.tick;
        let mut due: Vec<_> = self.waiting_again.extract_if(.., |(due, ..)| *due <= tick).collect();
        due.sort_by_key(|(due, ..)| *due);
        for (_, letter, lane) in due {
            let items = &mut self.lanes[lane as usize];
            let before = |item: &Item| match (self.by_key, item) {
                (true, Item::Event(other)) => other.place < letter.place,
                (true, Item::Missed(_, _, _, place)) => *place < letter.place,
                (false, Item::Event(other)) => other.tried && other.seq < letter.seq,
                (false, Item::Missed(..)) => false,
            };
            let at = items.iter().position(|item| !before(item)).unwrap_or(items.len());
            items.insert(at, Item::Event(letter));
        }
    }

    /// An attempt failed, and there will be another at that tick. Says whether there will.
    pub(super) fn postpone(&mut self, letter: Letter, due: u64) -> bool {
        if self.phase == Phase::Closed {
            return false;
        }
        let at = self.running.iter().position(|(other, _)| *other == letter).unwrap();
        let (letter, lane) = self.running.remove(at);
        self.waiting_again.push((due, Letter { tried: true, ..letter }, lane));
        true
    }

    fn displaced_gap(&mut self, seq: u64, lane: Lane) -> Item {
        self.sorted += 1;
        Item::Missed(seq, DropReason::Overflow, lane, self.sorted)
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
            // An `Immediate` event takes the place of no other lane, and is the newest of its own.
            Overflow::Reject => (self.drop_it(letter), risen),
            Overflow::DropNewest if letter.is_urgent() => (self.drop_it(letter), risen),
            Overflow::DropNewest | Overflow::DropOldest => {
                let offer = self.displace(letter);
                (offer, self.rise().or(risen))
            }
        }
    }

    fn drop_it(&mut self, letter: Letter) -> Offer {
        self.miss(letter, DropReason::Overflow);
        Offer::Dropped
    }

    /// Whether the policy may drop an event of that lane for a letter.
    fn may_go(&self, letter: Letter, victim: Letter, lane: Lane) -> bool {
        let oldest = self.overflow == Overflow::DropOldest;
        if victim.tried {
            return false;
        }
        match letter.is_urgent() {
            true => oldest && victim.is_urgent(),
            false => !victim.is_urgent() && (lane > letter.lane || (oldest && lane == letter.lane)),
        }
    }

    /// Makes room by dropping what is in the lowest lane, or drops the letter where that would not make room.
    fn displace(&mut self, letter: Letter) -> Offer {
        self.sort();
        let mut go: Vec<(Lane, Letter)> = Vec::new();
        for lane in LANES.into_iter().rev() {
            let mut events: Vec<Letter> = self.lanes[lane as usize].iter().filter_map(Item::event).collect();
            events.retain(|victim| self.may_go(letter, *victim, lane));
            if self.overflow == Overflow::DropNewest {
                events.reverse();
            }
            go.extend(events.into_iter().map(|victim| (lane, victim)));
        }
        if !self.fits_beside(letter, |other| go.iter().all(|(_, victim)| victim != other)) {
            return self.drop_it(letter);
        }
        let mut missed = 0;
        for (lane, victim) in go {
            if self.has_room(letter) {
                break;
            }
            missed += 1;
            self.dropped.overflow += 1;
            self.lanes[lane as usize].retain(|item| item.event() != Some(victim));
            match self.overflow {
                Overflow::DropOldest => self.displaced.push(victim.seq),
                _ => {
                    let gap = self.displaced_gap(victim.seq, lane);
                    self.lanes[lane as usize].push(gap);
                }
            }
        }
        self.append(letter);
        if missed == 0 { Offer::Queued } else { Offer::Displaced { missed } }
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

    fn release(&mut self, letter: Letter) {
        self.reserved.retain(|other| *other != letter);
    }

    pub(super) fn give_back(&mut self, letter: Letter) {
        self.release(letter);
        self.let_in();
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
        self.miss(letter, DropReason::BlockTimeout);
        self.let_in();
    }

    fn let_in(&mut self) {
        for urgent in [true, false] {
            while let Some(first) = self.waiting.iter().position(|(_, letter)| letter.is_urgent() == urgent)
                && self.fits_beside(self.waiting[first].1, |_| true)
            {
                let (ticket, letter) = self.waiting.remove(first);
                self.append(letter);
                self.fates[ticket] = Fate::Inside;
            }
        }
    }

    fn append(&mut self, letter: Letter) {
        self.matched += 1;
        self.arrived.push(Item::Event(letter));
    }

    fn miss(&mut self, letter: Letter, reason: DropReason) {
        self.matched += 1;
        self.dropped.count(reason, 1);
        self.arrived.push(Item::Missed(letter.seq, reason, letter.lane, 0));
    }

    /// A worker comes to take.
    pub(super) fn look(&mut self) -> Next {
        self.put_back_due();
        if !self.paused {
            self.sort();
        }
        self.next()
    }

    /// What a worker would get that came now.
    pub(super) fn next_if_looked(&self) -> Next {
        self.clone().look()
    }

    /// What is next of what was sorted.
    fn next(&self) -> Next {
        let over = match self.phase {
            Phase::Open => false,
            Phase::Draining => {
                self.paused
                    || (self.waiting.is_empty() && self.queued().count() + self.waiting_again.len() == 0)
            }
            Phase::Closed => true,
        };
        let nothing = if over { Next::Over } else { Next::Sleep };
        if self.paused {
            return nothing;
        }
        let firsts = LANES.map(|lane| self.first(lane));
        if !self.displaced.is_empty() || firsts.iter().any(|first| matches!(first, First::Gap(_))) {
            return Next::Gap;
        }
        match self.served(&firsts) {
            Some((_, letter)) => Next::Event(letter),
            None => nothing,
        }
    }

    /// The first event that can start, or gap that can be told, of a lane.
    fn first(&self, lane: Lane) -> First {
        let items = &self.lanes[lane as usize];
        for (at, item) in items.iter().enumerate() {
            let letter = match item {
                Item::Missed(..) => return First::Gap(at),
                Item::Event(letter) => *letter,
            };
            let held = self.held.contains(&letter.seq);
            if !self.by_key {
                return if held { First::Nothing } else { First::Event(letter) };
            }
            let key_runs = self.holders().any(|(holder, _)| holder.key == letter.key);
            let earlier = items[..at].iter().filter_map(Item::event).any(|other| other.key == letter.key);
            if !held && !key_runs && !earlier {
                return First::Event(letter);
            }
        }
        First::Nothing
    }

    /// The event whose turn it is, and how far the wheel goes for it.
    fn served(&self, firsts: &[First; 4]) -> Option<(usize, Letter)> {
        let letter = |lane: Lane| match firsts[lane as usize] {
            First::Event(letter) => Some(letter),
            _ => None,
        };
        if let Some(urgent) = letter(Lane::Immediate) {
            return Some((self.wheel, urgent));
        }
        let sharing: Vec<Letter> = LANES.into_iter().filter_map(letter).collect();
        if sharing.len() <= 1 {
            return sharing.first().map(|alone| (self.wheel, *alone));
        }
        let mut at = self.wheel;
        loop {
            let lane = match WHEEL[at % 13] {
                b'H' => Lane::High,
                b'N' => Lane::Normal,
                _ => Lane::Deferred,
            };
            at += 1;
            if let Some(served) = letter(lane) {
                return Some((at, served));
            }
        }
    }

    /// Starts the letter that `look` gave.
    pub(super) fn start(&mut self, letter: Letter) {
        let firsts = LANES.map(|lane| self.first(lane));
        if let Some((wheel, _)) = self.served(&firsts) {
            self.wheel = wheel;
        }
        let holds = |lane: &Lane| self.lanes[*lane as usize].iter().any(|item| item.event() == Some(letter));
        let from = LANES.into_iter().find(holds).unwrap();
        self.lanes[from as usize].retain(|item| item.event() != Some(letter));
        self.running.push((letter, from));
        // Whatever the wheel is, this has to come of it: a lane that could be served waits for 12 others at most.
        for lane in LANES {
            let could = matches!(firsts[lane as usize], First::Event(_));
            let waited = &mut self.waited[lane as usize];
            match from {
                Lane::Immediate => {}
                _ if could && lane != from => *waited += 1,
                _ => *waited = 0,
            }
            assert!(*waited < 13, "{lane} was passed over {waited} times");
        }
    }

    /// Takes what a gap of that many events tells. Neighbours need not be told as one, but only neighbours may.
    pub(super) fn take_gap(&mut self, missed: u64) -> Option<Gap> {
        let (seqs, reason) = match self.displaced.is_empty() {
            true => self.missed(missed)?,
            false => (std::mem::take(&mut self.displaced), DropReason::Overflow),
        };
        let gap = Gap {
            missed: seqs.len() as u64,
            reason,
            first: Seq(*seqs.iter().min()?),
            last: Seq(*seqs.iter().max()?),
        };
        Some(gap)
    }

    fn missed(&mut self, count: u64) -> Option<(Vec<u64>, DropReason)> {
        let lane = LANES.into_iter().find(|lane| matches!(self.first(*lane), First::Gap(_)))?;
        let mut seqs = Vec::new();
        let mut why = None;
        for _ in 0..count {
            let First::Gap(at) = self.first(lane) else { return None };
            let Item::Missed(seq, reason, ..) = self.lanes[lane as usize][at] else { return None };
            if *why.get_or_insert(reason) != reason {
                return None;
            }
            self.lanes[lane as usize].remove(at);
            seqs.push(seq);
        }
        Some((seqs, why?))
    }

    pub(super) fn sleep(&mut self) {
        self.level = self.level.min(self.level_now());
    }

    pub(super) fn finish(&mut self, letter: Letter, finish: Finish) {
        self.running.retain(|(other, _)| *other != letter);
        match finish {
            Finish::Done => self.done += 1,
            Finish::Skipped => self.skipped += 1,
            Finish::Dead => self.dead += 1,
            Finish::Expired => self.expired += 1,
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
        self.sort();
        let mut again = std::mem::take(&mut self.waiting_again);
        again.sort_by_key(|(due, ..)| *due);
        let mut left: Vec<u64> = again.iter().map(|(_, letter, _)| letter.seq).collect();
        left.extend(self.queued().map(|letter| letter.seq));
        self.dropped.count(reason, left.len() as u64);
        self.lanes = Default::default();
        self.displaced.clear();
        self.waiting.sort_by_key(|(ticket, letter)| (!letter.is_urgent(), *ticket));
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
    pub(super) fn level(&mut self) -> Level {
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
