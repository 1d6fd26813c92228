//! The events of a key one behind the other and one at a time, and the keys side by side.

use std::collections::{BTreeMap, HashMap, VecDeque};

use foldhash::quality::RandomState;
use smol_str::SmolStr;

use super::{
    super::{Entry, Gap, Lane, Queued, lanes::LANES},
    Front, Line, Victim, first_accepted,
};

/// The place of an event or a gap in the order it came.
type Place = u64;

/// Every key has a turn: one delivery that runs, or one event that is the next of it, and behind that the rest.
#[derive(Default)]
pub(in super::super) struct Keyed {
    lanes: [KeyLane; 4],
    turns: HashMap<SmolStr, Turn, RandomState>,
    /// Turns in lanes other than `Normal`.
    aside: usize,
    next: Place,
}

#[derive(Default)]
struct KeyLane {
    /// The next of their keys, free to start; and gaps.
    ready: BTreeMap<Place, Entry>,
    /// The next of their keys, held back by their bands.
    held: BTreeMap<Place, Queued>,
    /// Those that have another of their key before them.
    behind: BTreeMap<Place, Queued>,
}

struct Turn {
    /// Where the first event of it went, and whatever comes before the last has ended.
    lane: Lane,
    /// The place of the delivery that runs, or waits to be tried again.
    running: Option<Place>,
    /// The places of those behind the one whose turn it is.
    behind: VecDeque<Place>,
}

impl Keyed {
    fn enter(&mut self, queued: Queued) {
        let place = self.place();
        if let Some(turn) = self.turns.get_mut(queued.event.key()) {
            turn.behind.push_back(place);
            self.lanes[turn.lane as usize].behind.insert(place, queued);
            return;
        }
        let lane = queued.lane();
        self.aside += usize::from(lane != Lane::Normal);
        self.turns.insert(queued.event.key().into(), Turn { lane, running: None, behind: VecDeque::new() });
        self.lanes[lane as usize].stand(place, queued);
    }

    fn place(&mut self) -> Place {
        self.next += 1;
        self.next
    }

    /// The turn passes to the next of the key. Says whether that can start.
    fn pass_on(&mut self, key: &str) -> bool {
        let Some(turn) = self.turns.get_mut(key) else { return false };
        turn.running = None;
        let lane = &mut self.lanes[turn.lane as usize];
        let next = turn.behind.pop_front().and_then(|place| lane.behind.remove_entry(&place));
        match next {
            Some((place, queued)) => lane.stand(place, queued),
            None => {
                let aside = self.turns.remove(key).is_some_and(|turn| turn.lane != Lane::Normal);
                self.aside -= usize::from(aside);
                false
            }
        }
    }
}

impl KeyLane {
    /// Puts the next of its key where it belongs. Says whether it can start.
    fn stand(&mut self, place: Place, queued: Queued) -> bool {
        let free = queued.front() == Front::Event;
        match free {
            true => _ = self.ready.insert(place, Entry::Event(queued)),
            false => _ = self.held.insert(place, queued),
        }
        free
    }

    /// Lets go of those that nothing holds back any more; gives how long the others wait at most.
    fn free(&mut self) -> Option<Front> {
        let mut free = Vec::new();
        let mut waits = None;
        for (place, queued) in &self.held {
            match (queued.front(), waits) {
                (Front::Held(until), None) => waits = Some(until),
                (Front::Held(until), Some(sooner)) => waits = Some(until.into_iter().chain(sooner).min()),
                _ => free.push(*place),
            }
        }
        for place in free {
            let queued = self.held.remove(&place).map(Entry::Event);
            self.ready.extend(queued.map(|entry| (place, entry)));
        }
        waits.map(Front::Held)
    }

    fn events(&self) -> impl Iterator<Item = (Place, &Queued)> {
        let ready = self.ready.iter().filter_map(|(place, entry)| Some((*place, entry.event()?)));
        let others = self.held.iter().chain(&self.behind);
        ready.chain(others.map(|(place, queued)| (*place, queued)))
    }

    /// The events with their places, the oldest or the newest first; no more of them is looked at than is asked for.
    fn in_order(&self, first: Victim) -> impl Iterator<Item = (Place, &Queued)> {
        type Events<'a> = Box<dyn Iterator<Item = (Place, &'a Queued)> + 'a>;

        let ready = self.ready.iter().filter_map(|(place, entry)| Some((*place, entry.event()?)));
        let held = self.held.iter().map(|(place, queued)| (*place, queued));
        let behind = self.behind.iter().map(|(place, queued)| (*place, queued));
        let sources: [Events<'_>; 3] = match first {
            Victim::Oldest => [Box::new(ready), Box::new(held), Box::new(behind)],
            Victim::Newest => [Box::new(ready.rev()), Box::new(held.rev()), Box::new(behind.rev())],
        };
        let mut sources = sources.map(Iterator::peekable);
        std::iter::from_fn(move || {
            let places = sources.iter_mut().map(|source| source.peek().map(|(place, _)| *place)).enumerate();
            let places = places.filter_map(|(source, place)| Some((place?, source)));
            let (_, next) = match first {
                Victim::Oldest => places.min()?,
                Victim::Newest => places.max()?,
            };
            sources[next].next()
        })
    }

    fn len(&self) -> usize {
        self.ready.len() + self.held.len() + self.behind.len()
    }
}

impl Line for Keyed {
    fn refill(&mut self, came: &mut VecDeque<Entry>, _plain: bool) {
        for entry in came.drain(..) {
            match entry {
                Entry::Event(queued) => self.enter(queued),
                Entry::Gap(missed) => self.miss(missed.0, missed.1),
            }
        }
    }

    fn front(&mut self, lane: Lane) -> Front {
        let lane = &mut self.lanes[lane as usize];
        let held = if lane.held.is_empty() { None } else { lane.free() };
        match lane.ready.first_key_value() {
            Some((_, Entry::Gap(_))) => Front::Gap,
            Some((_, Entry::Event(_))) => Front::Event,
            None => held.unwrap_or(Front::Nothing),
        }
    }

    fn pop(&mut self, lane: Lane) -> Option<Entry> {
        let (place, entry) = self.lanes[lane as usize].ready.pop_first()?;
        if let Some(turn) = entry.event().and_then(|queued| self.turns.get_mut(queued.event.key())) {
            turn.running = Some(place);
        }
        Some(entry)
    }

    fn put_back(&mut self, queued: Queued) {
        // The key kept its turn, and everything behind it waits.
        let Some(turn) = self.turns.get_mut(queued.event.key()) else { return };
        if let Some(place) = turn.running.take() {
            self.lanes[turn.lane as usize].stand(place, queued);
        }
    }

    fn release(&mut self, key: &str) -> bool {
        self.pass_on(key)
    }

    fn runs(&self, key: &str) -> bool {
        self.turns.get(key).is_some_and(|turn| turn.running.is_some())
    }

    fn miss(&mut self, lane: Lane, gap: Gap) {
        let place = self.place();
        let entries = &mut self.lanes[lane as usize];
        let events = entries.held.last_key_value().into_iter().chain(entries.behind.last_key_value());
        let behind = events.map(|(place, _)| *place).max();
        if let Some(mut last) = entries.ready.last_entry()
            && behind.is_none_or(|behind| behind < *last.key())
            && let Entry::Gap(missed) = last.get_mut()
            && missed.1.absorb(gap)
        {
            return;
        }
        entries.ready.insert(place, Entry::gap(lane, gap));
    }

    fn remove(&mut self, lane: Lane, victim: Victim, urgent: bool) -> Option<Queued> {
        let mut events = self.lanes[lane as usize].in_order(victim);
        let (place, _) = events.find(|(_, queued)| queued.may_go(urgent))?;
        drop(events);
        let lane = &mut self.lanes[lane as usize];
        if let Some(queued) = lane.behind.remove(&place) {
            let turn = self.turns.get_mut(queued.event.key());
            turn.into_iter().for_each(|turn| turn.behind.retain(|other| *other != place));
            return Some(queued);
        }
        let ready = lane.ready.remove(&place).and_then(Entry::into_event);
        let queued = ready.or_else(|| lane.held.remove(&place))?;
        self.pass_on(queued.event.key());
        Some(queued)
    }

    fn victims(&self, lane: Lane, victim: Victim) -> Box<dyn Iterator<Item = &Queued> + '_> {
        Box::new(self.lanes[lane as usize].in_order(victim).map(|(_, queued)| queued))
    }

    fn heads(&self) -> Box<dyn Iterator<Item = &Queued> + '_> {
        Box::new(self.lanes.iter().flat_map(|lane| lane.held.values()))
    }

    fn clear(&mut self) -> Vec<Queued> {
        let mut left = Vec::new();
        for lane in &mut self.lanes {
            let KeyLane { ready, held, behind } = std::mem::take(lane);
            let ready = ready.into_iter().filter_map(|(place, entry)| Some((place, entry.into_event()?)));
            let mut events: Vec<_> = ready.chain(held).chain(behind).collect();
            events.sort_by_key(|(place, _)| *place);
            left.extend(events.into_iter().map(|(_, queued)| queued));
        }
        self.turns.retain(|_, turn| turn.running.is_some());
        self.turns.values_mut().for_each(|turn| turn.behind.clear());
        self.aside = self.turns.values().filter(|turn| turn.lane != Lane::Normal).count();
        left
    }

    fn len(&self) -> usize {
        self.lanes.iter().map(KeyLane::len).sum()
    }

    fn has_more(&self) -> bool {
        self.lanes.iter().any(|lane| !lane.ready.is_empty() || !lane.held.is_empty())
    }

    fn is_plain(&self) -> bool {
        // A key that runs in another lane still draws the next of it there.
        self.aside == 0
            && LANES.into_iter().all(|lane| lane == Lane::Normal || self.lanes[lane as usize].len() == 0)
    }

    fn oldest(&self) -> Option<&Queued> {
        first_accepted(self.lanes.iter().flat_map(KeyLane::events).map(|(_, queued)| queued))
    }
}
