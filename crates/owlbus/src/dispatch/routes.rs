//! Which subscriptions want events of a topic and a type.
//!
//! The table is one, under a lock; each publishing thread remembers what it looked up there for the topics it
//! publishes most. What is remembered is good for one version of one table: versions come from a counter of the
//! whole process, so that one bus's routes are never taken for another's.

use std::{
    cell::RefCell,
    cmp::Reverse,
    collections::{HashMap, HashSet},
    hash::{BuildHasher, Hasher},
    rc::Rc,
    sync::{
        Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak,
        atomic::{
            AtomicU64, AtomicUsize,
            Ordering::{Acquire, Relaxed, Release},
        },
    },
};

use foldhash::{fast::FixedState, quality::RandomState};
use smol_str::SmolStr;

use super::{
    subscriber::{Subscriber, SubscriberId},
    tree::TopicTree,
};
use crate::{event::Event, request::is_reply_topic, stats::TopicCounts, topic::Topic};

/// The subscriptions that want events of one topic and one type, and the counter of that topic.
pub(crate) struct Matched {
    /// Those whose handlers run in the publisher; the highest band first, and in it in the order they were made.
    pub(crate) inline: Vec<Arc<Subscriber>>,
    /// Those with mailboxes, in the same order.
    pub(crate) queued: Vec<Arc<Subscriber>>,
    /// Whether those with mailboxes are of several bands.
    pub(crate) banded: bool,
    /// Whether publishing runs code of users: a filter, or an inline handler.
    pub(crate) runs_code: bool,
    /// Whether the topic is that of the answers to one request.
    pub(crate) is_reply: bool,
    pub(crate) published: Arc<AtomicU64>,
}

impl Matched {
    pub(crate) fn new(mut subscribers: Vec<Arc<Subscriber>>, published: Arc<AtomicU64>) -> Self {
        subscribers.sort_by_key(|subscriber| (Reverse(subscriber.band), subscriber.id));
        let (inline, queued): (Vec<_>, Vec<_>) =
            subscribers.into_iter().partition(|subscriber| subscriber.inline.is_some());
        Self {
            banded: queued.first().map(|first| first.band) != queued.last().map(|last| last.band),
            runs_code: !inline.is_empty() || queued.iter().any(|subscriber| subscriber.filter.is_some()),
            is_reply: false,
            inline,
            queued,
            published,
        }
    }

    /// All of them; a subscription's place here is its place among the deliveries of the event.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Subscriber>> {
        self.inline.iter().chain(&self.queued)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.inline.is_empty() && self.queued.is_empty()
    }
}

/// The subscriptions of one bus, by what they want.
pub(crate) struct Routes {
    table: RwLock<Table>,
    /// Changes with every change of the table.
    version: AtomicU64,
    /// Spreads the topics of several buses over different places of what a thread remembers.
    seed: u64,
    /// Subscriptions that reserve a place before the event is anywhere.
    rejecting: AtomicUsize,
    /// Subscriptions to what the bus itself has to say.
    hearing: AtomicUsize,
    counts: TopicCounts,
    /// Subscriptions that ended; some of their deliveries may still run.
    ended: Mutex<Vec<Weak<Subscriber>>>,
}

struct Table {
    by_topic: TopicTree<SubscriberId>,
    by_type: HashMap<SmolStr, Vec<SubscriberId>, RandomState>,
    subscribers: HashMap<SubscriberId, Arc<Subscriber>, RandomState>,
    names: HashSet<Arc<str>, RandomState>,
    /// The last number given to a name that was taken; never lower, so that finding a free one is quick.
    numbers: HashMap<Box<str>, u64, RandomState>,
}

/// The last version given to any table of this process.
static VERSION: AtomicU64 = AtomicU64::new(0);

impl Routes {
    pub(crate) fn new() -> Self {
        let version = next_version();
        Self {
            table: RwLock::new(Table::new()),
            version: AtomicU64::new(version),
            seed: version.wrapping_mul(0x9e37_79b9_7f4a_7c15),
            rejecting: AtomicUsize::new(0),
            hearing: AtomicUsize::new(0),
            counts: TopicCounts::default(),
            ended: Mutex::default(),
        }
    }

    /// The subscriptions that want this event, but for their filters. Not to be held across an await.
    pub(crate) fn lookup(&self, event: &Event) -> Rc<Matched> {
        let version = self.version.load(Acquire);
        let (topic, event_type) = (event.topic(), event.event_type());
        let known = REMEMBERED.with(|remembered| {
            let mut remembered = remembered.borrow_mut();
            let known = remembered.place(self.seed, topic, event_type).as_ref();
            known.filter(|known| known.is(version, topic, event_type)).map(|known| Rc::clone(&known.matched))
        });
        known.unwrap_or_else(|| self.look_up_anew(version, topic, event_type))
    }

    fn look_up_anew(&self, version: u64, topic: &Topic, event_type: &str) -> Rc<Matched> {
        let matched = Rc::new(self.find(topic, event_type));
        // The topic of one request does not come again, and need not push out another.
        if matched.is_reply {
            return matched;
        }
        let known = Known {
            version,
            topic: topic.clone(),
            event_type: event_type.into(),
            matched: Rc::clone(&matched),
        };
        let forgotten = REMEMBERED
            .with(|remembered| remembered.borrow_mut().place(self.seed, topic, event_type).replace(known));
        // What is forgotten may be the last holder of a subscription, and is dropped out here.
        drop(forgotten);
        matched
    }

    fn find(&self, topic: &Topic, event_type: &str) -> Matched {
        let mut ids = Vec::new();
        let table = self.read();
        table.by_topic.matches(topic, &mut ids);
        if !topic.is_reserved() {
            ids.extend(table.by_type.get(event_type).into_iter().flatten());
        }
        ids.sort_unstable();
        ids.dedup();
        let wants_type =
            |subscriber: &&Arc<Subscriber>| subscriber.types.is_none_or(|types| types.contains(&event_type));
        let subscribers =
            ids.iter().filter_map(|id| table.subscribers.get(id)).filter(wants_type).cloned().collect();
        drop(table);
        let is_reply = is_reply_topic(topic);
        let published = if is_reply { self.counts.of_others() } else { self.counts.of(topic) };
        Matched { is_reply, ..Matched::new(subscribers, published) }
    }

    /// Adds a subscription under its name, or gives it back where the name is taken.
    pub(crate) fn add(&self, subscriber: Subscriber) -> Result<Arc<Subscriber>, Box<Subscriber>> {
        let mut table = self.write();
        if !table.names.insert(Arc::clone(&subscriber.name)) {
            return Err(Box::new(subscriber));
        }
        let subscriber = Arc::new(subscriber);
        for pattern in &subscriber.patterns {
            table.by_topic.insert(pattern, subscriber.id);
        }
        if subscriber.patterns.is_empty() {
            for event_type in subscriber.types.into_iter().flatten() {
                table.by_type.entry((*event_type).into()).or_default().push(subscriber.id);
            }
        }
        if subscriber.rejects() {
            self.rejecting.fetch_add(1, Relaxed);
        }
        if subscriber.hears_own() {
            self.hearing.fetch_add(1, Relaxed);
        }
        table.subscribers.insert(subscriber.id, Arc::clone(&subscriber));
        self.changed(&table);
        Ok(subscriber)
    }

    /// Removes a subscription; says whether it was there.
    pub(crate) fn remove(&self, subscriber: &Subscriber) -> bool {
        let mut table = self.write();
        let Some(removed) = table.subscribers.remove(&subscriber.id) else { return false };
        table.names.remove(&subscriber.name);
        for pattern in &subscriber.patterns {
            table.by_topic.remove(pattern, subscriber.id);
        }
        if subscriber.patterns.is_empty() {
            table.forget_types(subscriber);
        }
        if subscriber.rejects() {
            self.rejecting.fetch_sub(1, Relaxed);
        }
        if subscriber.hears_own() {
            self.hearing.fetch_sub(1, Relaxed);
        }
        self.changed(&table);
        drop(table);
        self.note_ended(&removed);
        // The last holder drops code of users, which does not happen under the lock.
        drop(removed);
        true
    }

    /// Whether any subscription reserves a place before the event is anywhere.
    pub(crate) fn any_rejecting(&self) -> bool {
        self.rejecting.load(Relaxed) > 0
    }

    /// Whether anybody hears what the bus itself has to say.
    pub(crate) fn anybody_hears(&self) -> bool {
        self.hearing.load(Relaxed) > 0
    }

    /// Every subscription, in the order they were made.
    pub(crate) fn all(&self) -> Vec<Arc<Subscriber>> {
        let mut all: Vec<_> = self.read().subscribers.values().cloned().collect();
        all.sort_unstable_by_key(|subscriber| subscriber.id);
        all
    }

    fn note_ended(&self, subscriber: &Arc<Subscriber>) {
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        // Those that nobody works for any more are forgotten when the list would grow else.
        if ended.len() == ended.capacity() {
            ended.retain(|one| one.strong_count() > 0);
        }
        ended.push(Arc::downgrade(subscriber));
    }

    /// Every subscription, and those that ended while something of theirs may still run.
    pub(crate) fn all_that_run(&self) -> Vec<Arc<Subscriber>> {
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        let ended: Vec<_> = ended.iter().filter_map(Weak::upgrade).collect();
        self.all().into_iter().chain(ended).collect()
    }

    /// The subscription of that name.
    pub(crate) fn named(&self, name: &str) -> Option<Arc<Subscriber>> {
        self.read().subscribers.values().find(|subscriber| *subscriber.name == *name).cloned()
    }

    /// A name nobody has: this one, or this one with a number.
    pub(crate) fn free_name(&self, wanted: &str) -> Arc<str> {
        let mut table = self.write();
        if !table.names.contains(wanted) {
            return Arc::from(wanted);
        }
        let Table { names, numbers, .. } = &mut *table;
        let last = numbers.entry(wanted.into()).or_insert(1);
        loop {
            *last += 1;
            let name = format!("{wanted}#{last}");
            if !names.contains(name.as_str()) {
                return Arc::from(name);
            }
        }
    }

    pub(crate) fn counts(&self) -> &TopicCounts {
        &self.counts
    }

    /// The table has changed: what was remembered of it is void.
    fn changed(&self, _table: &Table) {
        self.version.store(next_version(), Release);
    }

    fn read(&self) -> RwLockReadGuard<'_, Table> {
        self.table.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Table> {
        self.table.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn new() -> Self {
        Self {
            by_topic: TopicTree::new(),
            by_type: HashMap::default(),
            subscribers: HashMap::default(),
            names: HashSet::default(),
            numbers: HashMap::default(),
        }
    }

    fn forget_types(&mut self, subscriber: &Subscriber) {
        for event_type in subscriber.types.into_iter().flatten() {
            if let Some(ids) = self.by_type.get_mut(*event_type) {
                ids.retain(|id| *id != subscriber.id);
                if ids.is_empty() {
                    self.by_type.remove(*event_type);
                }
            }
        }
    }
}

fn next_version() -> u64 {
    VERSION.fetch_add(1, Relaxed) + 1
}

/// How many topics a thread remembers the routes of.
const PLACES: usize = 1024;

crate::sync::thread_local! {
    static REMEMBERED: RefCell<Remembered> = RefCell::new(Remembered::new());
}

/// The routes a thread looked up, one for each place a topic can hash to.
struct Remembered {
    hash: FixedState,
    places: Vec<Option<Known>>,
}

struct Known {
    version: u64,
    topic: Topic,
    event_type: SmolStr,
    matched: Rc<Matched>,
}

impl Known {
    fn is(&self, version: u64, topic: &Topic, event_type: &str) -> bool {
        let same = |a: &str, b: &str| std::ptr::eq(a, b) || a == b;
        self.version == version
            && same(self.topic.as_str(), topic.as_str())
            && same(&self.event_type, event_type)
    }
}

impl Remembered {
    fn new() -> Self {
        Self { hash: FixedState::default(), places: std::iter::repeat_with(|| None).take(PLACES).collect() }
    }

    fn place(&mut self, seed: u64, topic: &Topic, event_type: &str) -> &mut Option<Known> {
        let mut hasher = self.hash.build_hasher();
        hasher.write(topic.as_str().as_bytes());
        // Few topics carry several types, so the length of the type is enough to tell them apart.
        let place = (hasher.finish() ^ seed ^ event_type.len() as u64) as usize % PLACES;
        &mut self.places[place]
    }
}
