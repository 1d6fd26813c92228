//! A subscription, and what is in its mailbox.

use std::mem::take;

use owlbus::handle::DropReason;

use super::Told;
use crate::model::story::{Asks, Filter, Sent};

pub struct Subscriber {
    pub asks: Asks,
    pub open: bool,
    /// An event passed the filter.
    pub had_one: bool,
    /// What came since a worker last looked.
    came: Vec<Item>,
    pub lanes: [Vec<Item>; 4],
    /// Where the wheel of the lanes stands.
    pub wheel: usize,
    /// Older events that gave way to newer ones, of which nobody was told.
    displaced: Vec<u64>,
    /// Events whose publishers wait for room; the first line is that of `Immediate`.
    pub lines: [Vec<u64>; 2],
    /// What runs, in the order it started, and the lane it started from.
    pub running: Vec<(u64, usize)>,
    pub filtered: u64,
    pub band_timeouts: u64,
    pub told: Vec<Told>,
}

/// In a mailbox: an event that has not started, or where one is missing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Item {
    Event(u64),
    Missed(u64, DropReason),
}

impl Item {
    pub fn number(self) -> u64 {
        match self {
            Item::Event(number) | Item::Missed(number, _) => number,
        }
    }

    pub fn event(self) -> Option<u64> {
        match self {
            Item::Event(number) => Some(number),
            Item::Missed(..) => None,
        }
    }
}

/// The events among items.
pub fn events(items: &[Item]) -> impl Iterator<Item = u64> {
    items.iter().filter_map(|item| item.event())
}

impl Subscriber {
    pub fn new(asks: Asks) -> Self {
        Self {
            asks,
            open: true,
            had_one: false,
            came: Vec::new(),
            lanes: Default::default(),
            wheel: 0,
            displaced: Vec::new(),
            lines: Default::default(),
            running: Vec::new(),
            filtered: 0,
            band_timeouts: 0,
            told: Vec::new(),
        }
    }

    /// Whether it asks for an event, before its filter is asked.
    pub fn wants(&self, sent: &Sent) -> bool {
        let topic: Vec<&str> = sent.topic.split('.').collect();
        let fits = |pattern: &&str| matches(&pattern.split('.').collect::<Vec<_>>(), &topic);
        self.open && self.asks.patterns.iter().any(fits)
    }

    /// Its place among those that want an event: inline handlers are the first band.
    pub fn order(&self) -> impl Ord + use<> {
        (self.asks.inline.is_none(), -self.asks.band)
    }

    /// Whether it was for one event, and has it.
    pub fn is_claimed(&self) -> bool {
        self.asks.once && self.had_one
    }

    pub fn arrive(&mut self, number: u64) {
        self.came.push(Item::Event(number));
    }

    pub fn miss(&mut self, number: u64, reason: DropReason) {
        self.came.push(Item::Missed(number, reason));
    }

    /// The first of what came since a worker last looked.
    pub fn next_arrival(&mut self) -> Option<Item> {
        (!self.came.is_empty()).then(|| self.came.remove(0))
    }

    /// The events that have not started.
    pub fn queued(&self) -> impl Iterator<Item = u64> {
        self.lanes.iter().chain([&self.came]).flat_map(|items| events(items))
    }

    /// An older event gives way to a newer one.
    pub fn displace(&mut self, number: u64) {
        self.remove(number);
        self.displaced.push(number);
    }

    /// The newest event gives way to one that is more urgent, and leaves a gap behind all of its lane.
    pub fn leave_gap(&mut self, number: u64, lane: usize) {
        self.remove(number);
        self.lanes[lane].push(Item::Missed(number, DropReason::Overflow));
    }

    fn remove(&mut self, number: u64) {
        self.lanes.iter_mut().for_each(|lane| lane.retain(|item| item.event() != Some(number)));
    }

    pub fn start(&mut self, number: u64, lane: usize) {
        self.remove(number);
        self.running.push((number, lane));
        self.told.push(Told::Started(number));
    }

    /// Tells what was displaced, before anything else.
    pub fn tell_displaced(&mut self) -> bool {
        let displaced = take(&mut self.displaced);
        self.told.extend(displaced.iter().map(|number| Told::Missed(*number, DropReason::Overflow)));
        !displaced.is_empty()
    }

    /// Tells the first thing that was missed in a lane, unless it is behind an event.
    pub fn tell_gap(&mut self, lane: usize, event: Option<u64>) -> bool {
        let items = &mut self.lanes[lane];
        let mut before = items.iter().take_while(|item| event.is_none() || item.event() != event);
        let Some(at) = before.position(|item| item.event().is_none()) else { return false };
        let Item::Missed(number, reason) = items.remove(at) else { return false };
        self.told.push(Told::Missed(number, reason));
        true
    }

    /// Nothing starts any more. Gives the events that have not.
    pub fn close(&mut self) -> Vec<u64> {
        self.open = false;
        (self.lines, self.displaced) = Default::default();
        take(&mut self.lanes).iter().flat_map(|lane| events(lane)).collect::<Vec<_>>()
    }
}

impl Asks {
    /// What its filter does at an event.
    pub fn at(&self, sent: &Sent) -> Filter {
        if sent.blue { self.filter } else { Filter::TakesIt }
    }
}

/// Whether a pattern matches a topic, both in tokens.
fn matches(pattern: &[&str], topic: &[&str]) -> bool {
    match pattern {
        [] => topic.is_empty(),
        ["**", rest @ ..] => (0..=topic.len()).any(|skipped| matches(rest, &topic[skipped..])),
        [token, rest @ ..] => {
            topic.first().is_some_and(|first| ["*", *first].contains(token)) && matches(rest, &topic[1..])
        }
    }
}
