//! The journal of a bus in memory: the events that were published last.

use std::collections::VecDeque;

use crate::{
    event::Event,
    handle::let_go,
    journal::Seq,
    stats::Held,
    sync::{
        Mutex,
        atomic::{
            AtomicU64,
            Ordering::{Acquire, Release},
        },
    },
};

/// The events that were published last: a bounded number of them, in a bounded number of bytes.
///
/// A ring with a place for each `seq`, so that publishers who come one after the other do not meet at a lock. Nobody counts
/// bytes for an event that has no more than its share of half the room; the others share the other half.
pub(crate) struct History {
    places: Box<[Mutex<Option<Event>>]>,
    /// Bytes of an event that need not be counted.
    share: u64,
    large: Mutex<Large>,
    /// Everything up to here was let go of for want of room, whatever its place says.
    floor: AtomicU64,
}

/// What is larger than its share.
#[derive(Default)]
struct Large {
    /// By seq, for the most part.
    events: VecDeque<(Seq, u64)>,
    bytes: u64,
    most: u64,
}

/// What a history has of the events after a `seq`.
pub(crate) struct Since {
    /// In the order of the journal.
    pub(crate) events: Vec<Event>,
    /// Whether it is all of them.
    pub(crate) complete: bool,
}

impl History {
    pub(crate) fn new(events: usize, bytes: usize) -> Self {
        let half = bytes as u64 / 2;
        Self {
            places: (0..events).map(|_| Mutex::new(None)).collect(),
            share: half.checked_div(events as u64).unwrap_or_default(),
            large: Mutex::new(Large { most: half, ..Large::default() }),
            floor: AtomicU64::new(0),
        }
    }

    /// Keeps an event that has its place in the journal, before anybody looks up who gets it.
    pub(crate) fn keep(&self, event: &Event, bytes: u64) {
        if self.places.is_empty() {
            return;
        }
        let former = self.put(event);
        if bytes > self.share {
            self.count(event.seq(), bytes);
        }
        // It may be the last to hold values of users.
        former.into_iter().for_each(let_go);
    }

    /// Puts an event into its place, and gives what has to go for it: what was there, or the event itself where a later one is.
    fn put(&self, event: &Event) -> Option<Event> {
        let mut place = self.place(event.seq()).lock();
        match place.as_ref() {
            Some(later) if later.seq() > event.seq() => None,
            _ => place.replace(event.clone()),
        }
    }

    /// Makes room for an event that is larger than its share, as for all of the older ones.
    fn count(&self, seq: Seq, bytes: u64) {
        let mut large = self.large.lock();
        large.events.push_back((seq, bytes));
        large.bytes += bytes;
        let mut floor = None;
        while large.bytes > large.most || large.events.len() > self.places.len() {
            let Some((oldest, bytes)) = large.events.pop_front() else { break };
            large.bytes -= bytes;
            floor = floor.max(Some(oldest));
        }
        drop(large);
        if let Some(floor) = floor {
            self.forget(floor);
        }
    }

    /// Lets go of everything up to a `seq`.
    fn forget(&self, upto: Seq) {
        let from = self.floor.fetch_max(upto.0, Release).max(upto.0.saturating_sub(self.places.len() as u64));
        for seq in from + 1..=upto.0 {
            let mut place = self.place(Seq(seq)).lock();
            let former = place.take_if(|event| event.seq() <= upto);
            drop(place);
            former.into_iter().for_each(let_go);
        }
    }

    /// What was published after a `seq`, as far as it is known.
    ///
    /// Whoever has told publishers before to tell him too misses nothing between the two.
    pub(crate) fn since(&self, seq: Seq) -> Since {
        let floor = self.floor.load(Acquire);
        let each = self.places.iter().filter_map(|place| place.lock().clone());
        let mut events: Vec<_> = each.filter(|event| event.seq().0 > seq.0.max(floor)).collect();
        events.sort_unstable_by_key(Event::seq);
        let last = events.last().map_or(seq, Event::seq);
        let within = last.0 - seq.0 <= self.places.len() as u64;
        let complete = within && !self.places.is_empty() && floor <= seq.0;
        Since { events, complete }
    }

    /// How much is kept.
    pub(crate) fn held(&self) -> Held {
        let bytes = |event: &Event| event.weight(event.bytes_of_it()) as u64;
        let each = self.places.iter().filter_map(|place| place.lock().as_ref().map(bytes));
        each.fold(Held::default(), |held, bytes| Held { events: held.events + 1, bytes: held.bytes + bytes })
    }

    fn place(&self, seq: Seq) -> &Mutex<Option<Event>> {
        &self.places[(seq.0 % self.places.len() as u64) as usize]
    }
}

impl Drop for History {
    fn drop(&mut self) {
        // Each may be the last to hold values of users.
        self.places.iter().filter_map(|place| place.lock().take()).for_each(let_go);
    }
}
