//! Who waits for what: the table that every publish feeds.

use std::{collections::HashMap, mem, rc::Rc, sync::Arc};

use foldhash::quality::RandomState;

use super::slot::{Asks, Slot};
use crate::{
    dispatch::{Inside, Matched},
    event::Event,
    sync::{
        Mutex,
        atomic::{
            AtomicU64, AtomicUsize,
            Ordering::{Acquire, Relaxed, Release},
        },
    },
    topic::Topic,
};

/// The requests and waits that are under way on one bus.
#[derive(Default)]
pub(crate) struct Awaited {
    /// How many waits there are, so that a publish nobody waits for takes no lock; answers are known by their topic. What
    /// was registered before a publish began, in the same thread or one that told the publisher, is seen by it.
    count: AtomicUsize,
    /// How many of them hear what the bus itself has to say.
    hearing: AtomicUsize,
    /// Answers that nobody waited for any more.
    late: AtomicU64,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    /// Requests, by the topic of their answers.
    replies: HashMap<Topic, Arc<Slot>, RandomState>,
    /// Waits, in the order they were registered.
    waits: Vec<Arc<Slot>>,
    closed: bool,
}

/// A place in the table, until it is dropped.
pub(super) struct Registered {
    awaited: Arc<Awaited>,
    slot: Arc<Slot>,
    /// Where it is a request: the topic of its answers.
    topic: Option<Topic>,
}

impl Awaited {
    /// A request whose answers come under a topic; it takes so many.
    pub(super) fn register_reply(self: &Arc<Self>, topic: Topic, most: usize) -> Registered {
        let mut table = self.table.lock();
        let slot = Slot::new(Asks::Reply { one: most == 1 }, most, table.closed);
        table.replies.insert(topic.clone(), Arc::clone(&slot));
        Registered { awaited: Arc::clone(self), slot, topic: Some(topic) }
    }

    /// A wait for events; until it settles for one, it takes so many.
    pub(super) fn register(self: &Arc<Self>, asks: Asks, most: usize) -> Registered {
        let mut table = self.table.lock();
        let slot = Slot::new(asks, most, table.closed);
        table.waits.push(Arc::clone(&slot));
        self.count(&table);
        Registered { awaited: Arc::clone(self), slot, topic: None }
    }

    /// Whether anybody waits for an event that is no answer.
    pub(crate) fn any(&self) -> bool {
        self.count.load(Acquire) > 0
    }

    /// Whether anybody waits for what the bus itself has to say.
    pub(crate) fn anybody_hears(&self) -> bool {
        self.hearing.load(Acquire) > 0
    }

    /// Whether somebody may wait for this event.
    pub(crate) fn wants(&self, event: &Event) -> bool {
        self.any() && self.table.lock().waits.iter().any(|slot| slot.asks_for(event))
    }

    /// Gives an event that has its number to those who wait for it.
    pub(crate) fn offer(&self, event: &Event, matched: &Rc<Matched>) {
        let table = self.table.lock();
        let asked = matched.is_reply.then(|| table.replies.get(event.topic()).cloned());
        let waits: Vec<_> = table.waits.iter().filter(|slot| slot.asks_for(event)).cloned().collect();
        drop(table);
        if let Some(slot) = asked
            && !slot.is_some_and(|slot| slot.offer(event))
        {
            self.late.fetch_add(1, Relaxed);
        }
        if !waits.is_empty() {
            // What a predicate publishes is published inside of this.
            let _inside = Inside::wait(matched, event);
            waits.iter().for_each(|slot| _ = slot.offer(event));
        }
    }

    /// Answers that came too late, or were one too many.
    pub(crate) fn late(&self) -> u64 {
        self.late.load(Relaxed)
    }

    /// Ends every wait, and those that come later: nothing is published any more.
    pub(crate) fn close(&self) {
        let mut table = self.table.lock();
        table.closed = true;
        let (replies, waits) = (mem::take(&mut table.replies), mem::take(&mut table.waits));
        self.count(&table);
        drop(table);
        replies.values().chain(&waits).for_each(|slot| slot.close());
    }

    fn count(&self, table: &Table) {
        self.count.store(table.waits.len(), Release);
        self.hearing.store(table.waits.iter().filter(|slot| slot.hears_own()).count(), Release);
    }
}

impl Registered {
    pub(super) fn slot(&self) -> &Arc<Slot> {
        &self.slot
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        let mut table = self.awaited.table.lock();
        match &self.topic {
            Some(topic) => _ = table.replies.remove(topic.as_str()),
            None => {
                table.waits.retain(|slot| !Arc::ptr_eq(slot, &self.slot));
                self.awaited.count(&table);
            }
        }
    }
}
