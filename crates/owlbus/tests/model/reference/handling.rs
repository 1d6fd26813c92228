//! How events get from mailboxes to handlers: lanes, bands, keys, and who may start next.

use owlbus::Priority;

use super::{End, Fate, IMMEDIATE, Model, Time, subscriber::events};
use crate::model::story::Says;

/// The lanes whose turn it is, one after the other.
const WHEEL: [usize; 13] = {
    const H: usize = Priority::High as usize;
    const N: usize = Priority::Normal as usize;
    const D: usize = Priority::Deferred as usize;
    [H, N, H, H, N, H, D, H, N, H, H, N, H]
};

impl Model {
    /// Everybody does what there is to do, until nobody has anything to do.
    pub fn settle(&mut self) {
        let mut order: Vec<usize> = (0..self.subscribers.len()).collect();
        order.sort_by_key(|who| self.subscribers[*who].order());
        while order.iter().any(|who| self.let_in(*who) || self.work(*who)) {}
        self.answer();
        self.finish();
    }

    /// The publisher that waited longest gets in, where there is room.
    fn let_in(&mut self, who: usize) -> bool {
        [true, false].into_iter().any(|immediate| {
            let first = self.subscribers[who].lines[usize::from(!immediate)].first().copied();
            let first = first.filter(|_| self.has_place(who, immediate));
            if let Some(number) = first {
                self.subscribers[who].lines[usize::from(!immediate)].remove(0);
                self.enter(number, who);
            }
            first.is_some()
        })
    }

    /// A worker that is free does something.
    fn work(&mut self, who: usize) -> bool {
        let subscriber = &self.subscribers[who];
        if self.paused || !subscriber.open || subscriber.running.len() >= subscriber.asks.workers {
            return false;
        }
        self.look(who);
        self.subscribers[who].tell_displaced() || self.tell_gap(who) || self.start(who)
    }

    /// Tells what was missed, where everything before it in its lane that can start has started.
    fn tell_gap(&mut self, who: usize) -> bool {
        (0..4).any(|lane| {
            let before = match self.subscribers[who].asks.by_key {
                true => self.startable(who, lane),
                false => events(&self.subscribers[who].lanes[lane]).next(),
            };
            self.subscribers[who].tell_gap(lane, before)
        })
    }

    /// Sorts what came into lanes: with order by key, into that where the key has unsettled events. A worker that is free
    /// looks, and so does a publisher that makes room.
    pub(super) fn look(&mut self, who: usize) {
        while let Some(item) = self.subscribers[who].next_arrival() {
            let of_key = item.event().and_then(|number| self.lane_of_key(number, who));
            let lane = of_key.unwrap_or(self.lane(item.number()));
            self.subscribers[who].lanes[lane].push(item);
        }
    }

    fn lane_of_key(&self, number: u64, who: usize) -> Option<usize> {
        let subscriber = &self.subscribers[who];
        let same_key = |other: u64| subscriber.asks.by_key && self.key(other) == self.key(number);
        let running = subscriber.running.iter().find(|(other, _)| same_key(*other)).map(|(_, lane)| *lane);
        let queued = || subscriber.lanes.iter().position(|lane| events(lane).any(same_key));
        running.or_else(queued)
    }

    fn start(&mut self, who: usize) -> bool {
        let next: Vec<Option<u64>> = (0..4).map(|lane| self.startable(who, lane)).collect();
        let turn = || self.turn(who, &next);
        let immediate = next[IMMEDIATE].map(|_| (IMMEDIATE, self.subscribers[who].wheel));
        let Some((lane, wheel)) = immediate.or_else(turn) else { return false };
        let Some(number) = next[lane] else { return false };
        let in_vain = self.higher(number, who).any(|fate| !matches!(fate, Fate::Ended(_)));
        self.set(number, who, Fate::Runs { since: self.now });
        let subscriber = &mut self.subscribers[who];
        subscriber.wheel = wheel;
        subscriber.band_timeouts += u64::from(in_vain);
        subscriber.start(number, lane);
        true
    }

    /// The lane whose turn it is, of those that have something that can start, and where that leaves the wheel.
    fn turn(&self, who: usize, next: &[Option<u64>]) -> Option<(usize, usize)> {
        let wheel = self.subscribers[who].wheel;
        let slot = (wheel..wheel + WHEEL.len()).find(|slot| next[WHEEL[slot % WHEEL.len()]].is_some())?;
        let alone = next.iter().flatten().count() == 1;
        Some((WHEEL[slot % WHEEL.len()], if alone { wheel } else { slot + 1 }))
    }

    /// The event of a lane that can start.
    fn startable(&self, who: usize, lane: usize) -> Option<u64> {
        let subscriber = &self.subscribers[who];
        let mut waiting = events(&subscriber.lanes[lane]);
        if !subscriber.asks.by_key {
            return waiting.next().filter(|number| !self.is_held(*number, who));
        }
        let mut busy: Vec<&str> = subscriber.running.iter().map(|(number, _)| self.key(*number)).collect();
        waiting.find(|number| {
            let key = self.key(*number);
            let can_start = !busy.contains(&key) && !self.is_held(*number, who);
            busy.push(key);
            can_start
        })
    }

    /// What became of an event in the bands above a subscription.
    fn higher(&self, number: u64, who: usize) -> impl Iterator<Item = Fate> {
        let band = |who: usize| self.subscribers[who].asks.band;
        self.fates(number).filter(move |(other, _)| band(*other) > band(who)).map(|(_, fate)| fate)
    }

    pub(super) fn is_held(&self, number: u64, who: usize) -> bool {
        let over = self.band_over(number, who);
        self.higher(number, who).any(|fate| match fate {
            Fate::Waits | Fate::Queued => self.now < over,
            // Who starts when the time is over, or later, is not waited for.
            Fate::Runs { since } => since < over,
            Fate::Ended(_) => false,
        })
    }

    /// When it is over that an event waits for higher bands to start.
    pub(super) fn band_over(&self, number: u64, who: usize) -> Time {
        self.event(number).at.max(self.resumed) + self.subscribers[who].asks.band_wait
    }

    /// A handler that runs says something.
    pub fn end(&mut self, number: u64, who: usize, says: Says) {
        self.subscribers[who].running.retain(|(other, _)| *other != number);
        self.ended(number, who, says.into());
    }

    pub(super) fn ended(&mut self, number: u64, who: usize, end: End) {
        self.set(number, who, Fate::Ended(end));
        if self.subscribers[who].asks.once {
            self.unsubscribe(who);
        }
    }
}
