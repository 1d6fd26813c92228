//! Order by key: which keys have a delivery running, and what waits behind it.

use std::collections::{BTreeMap, HashMap, VecDeque};

use foldhash::quality::RandomState;
use smol_str::SmolStr;

use super::mailbox::Queued;

/// The events of busy keys, in the order they came.
#[derive(Default)]
pub(crate) struct Keys {
    /// Every key with a delivery that runs or is about to, and the places of the events behind it.
    busy: HashMap<SmolStr, VecDeque<u64>, RandomState>,
    /// Events that wait for their key.
    parked: BTreeMap<u64, Queued>,
    /// Events whose key came free; they are the next of it, and nobody started them yet.
    ready: BTreeMap<u64, Queued>,
    next: u64,
}

impl Keys {
    /// Gives the event back if its key is free, and takes the key; else keeps it behind its key.
    pub(crate) fn start(&mut self, queued: Queued) -> Option<Queued> {
        let place = self.next;
        if let Some(behind) = self.busy.get_mut(queued.event.key()) {
            self.next += 1;
            behind.push_back(place);
            self.parked.insert(place, queued);
            return None;
        }
        self.busy.insert(queued.event.key().into(), VecDeque::new());
        Some(queued)
    }

    /// The first event whose key came free.
    pub(crate) fn take_ready(&mut self) -> Option<Queued> {
        self.ready.pop_first().map(|(_, queued)| queued)
    }

    pub(crate) fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// The delivery of this key ended: the next of the key can start. Says whether there is one.
    pub(crate) fn release(&mut self, key: &str) -> bool {
        let Some(behind) = self.busy.get_mut(key) else { return false };
        let next = behind.pop_front().and_then(|place| self.parked.remove_entry(&place));
        match next {
            Some((place, queued)) => {
                self.ready.insert(place, queued);
                true
            }
            None => {
                self.busy.remove(key);
                false
            }
        }
    }

    /// Removes the event that waited longest.
    pub(crate) fn remove_oldest(&mut self) -> Option<Queued> {
        let ready = self.ready.first_key_value().map(|(place, _)| *place);
        let parked = self.parked.first_key_value().map(|(place, _)| *place);
        if ready.is_some_and(|ready| parked.is_none_or(|parked| ready < parked)) {
            let (_, queued) = self.ready.pop_first()?;
            self.release(queued.event.key());
            return Some(queued);
        }
        let (place, queued) = self.parked.pop_first()?;
        // What waited longest of all waited longest for its key.
        let first = self.busy.get_mut(queued.event.key()).and_then(VecDeque::pop_front);
        debug_assert_eq!(first, Some(place));
        Some(queued)
    }

    /// Removes every event that waits.
    pub(crate) fn clear(&mut self) -> Vec<Queued> {
        let ready = std::mem::take(&mut self.ready).into_iter();
        let mut waiting: Vec<(u64, Queued)> = ready.chain(std::mem::take(&mut self.parked)).collect();
        waiting.sort_by_key(|(place, _)| *place);
        self.busy.values_mut().for_each(VecDeque::clear);
        waiting.into_iter().map(|(_, queued)| queued).collect()
    }

    /// Number of events that wait, ready or not.
    pub(crate) fn waiting(&self) -> usize {
        self.parked.len() + self.ready.len()
    }

    /// The event that waited longest.
    pub(crate) fn oldest(&self) -> Option<&Queued> {
        let ready = self.ready.first_key_value();
        let parked = self.parked.first_key_value();
        ready.into_iter().chain(parked).min_by_key(|(place, _)| **place).map(|(_, queued)| queued)
    }
}
