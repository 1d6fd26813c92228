//! What can be seen of a bus.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, SystemTime},
};

use foldhash::quality::RandomState;

pub use crate::handle::Dropped;
use crate::{
    clock::Moment,
    dispatch::Subscriber,
    handle::{Figures, Inline, Level},
    topic::Topic,
};

/// A bus at one instant.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Stats {
    /// Events the bus accepted, its own that somebody heard among them.
    pub accepted: u64,
    /// Events the bus refused.
    pub refused: u64,
    /// Events accepted, by topic, most first; at most 10,000 topics, the rest in [`other`](Self::other).
    pub topics: Vec<TopicStats>,
    /// Events accepted under topics that are not counted one by one: those beyond 10,000, and those that requests are
    /// answered under.
    pub other: u64,
    /// Answers to requests that nobody waited for any more: they came too late, or were one too many.
    pub late_replies: u64,
    /// Every schedule that has not ended, by name.
    pub schedules: Vec<ScheduleStats>,
    /// Every subscription there is, in the order they were made; one that ended is known by its
    /// [`Subscription`](crate::Subscription) only.
    pub subscriptions: Vec<SubscriptionStats>,
    /// Bytes all mailboxes hold; an event that waits in several counts in each.
    pub bytes: u64,
    /// What the history holds: the events that were published last.
    pub history: Held,
}

/// How much something holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Held {
    /// Number of events.
    pub events: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// What happened under one topic.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TopicStats {
    /// The topic.
    pub topic: Topic,
    /// Events accepted.
    pub published: u64,
}

/// What happened in one subscription.
///
/// Whenever it is quiet, `matched = done + skipped + dropped.total() + dead + expired + coalesced + pending()`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SubscriptionStats {
    /// Its name.
    pub name: String,
    /// Events that were meant for it.
    pub matched: u64,
    /// Events on its topics that its filter refused; they did not match.
    pub filtered: u64,
    /// Events handled.
    pub done: u64,
    /// Events its handler said were none of its business, or at which its filter panicked.
    pub skipped: u64,
    /// Events that failed for good.
    pub dead: u64,
    /// Events whose time was over before they started.
    pub expired: u64,
    /// Events another one of their key stands for, as its `debounce` or `throttle` say.
    pub coalesced: u64,
    /// Events it missed, by reason.
    pub dropped: Dropped,
    /// Events that its `debounce` or `throttle` keeps until their time has come.
    pub paced: u64,
    /// Events that wait in its mailbox.
    pub queued: u64,
    /// Events its handler is at.
    pub running: u64,
    /// Events that failed and wait to be tried again.
    pub waiting: u64,
    /// Events its mailbox has room for, beside the 64 places for `Immediate` ones; 0 where it runs in the publisher.
    pub capacity: u64,
    /// Bytes in its mailbox, running events among them.
    pub bytes: u64,
    /// How long the event that waits longest has waited since it was accepted.
    pub oldest: Option<Duration>,
    /// Whether it is paused.
    pub paused: bool,
    /// Events that started before a higher band had, because that did not start within `band_wait`.
    pub band_timeouts: u64,
}

impl SubscriptionStats {
    /// Events that are not settled yet.
    #[must_use]
    pub fn pending(&self) -> u64 {
        self.paced + self.queued + self.running + self.waiting
    }

    /// Whether every event that matched is accounted for; to be asked when the subscription is quiet.
    #[must_use]
    pub fn is_conserved(&self) -> bool {
        let settled = self.done + self.skipped + self.dropped.total() + self.dead + self.expired;
        self.matched == settled + self.coalesced + self.pending()
    }

    pub(crate) fn of(subscriber: &Subscriber) -> Self {
        let figures = subscriber.mailbox.figures();
        let Figures { matched, done, skipped, dead, expired, coalesced, dropped, .. } = figures;
        let Figures { paced, queued, running, waiting, .. } = figures;
        let inline = subscriber.inline.as_ref().map(Inline::handled).unwrap_or_default();
        Self {
            name: subscriber.name.to_string(),
            matched: matched + inline.done + inline.skipped + inline.dead + inline.expired,
            filtered: subscriber.filtered.load(Relaxed),
            done: done + inline.done,
            skipped: skipped + inline.skipped,
            dead: dead + inline.dead,
            expired: expired + inline.expired,
            coalesced,
            dropped,
            paced,
            queued,
            running,
            waiting,
            capacity: if subscriber.inline.is_some() { 0 } else { subscriber.mailbox.marks().events },
            bytes: figures.bytes,
            oldest: figures.oldest.map(|accepted| Moment::now().since(accepted)),
            paused: subscriber.mailbox.is_paused_here(),
            band_timeouts: figures.band_timeouts,
        }
    }
}

/// What happened in one schedule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ScheduleStats {
    /// Its name.
    pub name: String,
    /// When its next tick is due, by the calendar; `None` where none is any more.
    pub next: Option<SystemTime>,
    /// Ticks whose event was published.
    pub published: u64,
    /// Ticks whose event was refused, discarded by a middleware, or could not be made.
    pub refused: u64,
    /// Ticks that were missed, and left out; of a cron expression at most 10,000 at a time are counted.
    pub missed: u64,
}

/// How full a bus is.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Pressure {
    /// The level of the fullest subscription.
    pub level: Level,
    /// The share of its room that is taken, from 0 to 1.
    pub ratio: f64,
    /// Its name; `None` where there is no subscription.
    pub subscription: Option<String>,
    /// The share of the memory of the whole bus that is taken, from 0 to 1.
    pub memory: f64,
}

/// The most topics that are counted one by one.
const MOST_TOPICS: usize = 10_000;

/// Accepted events by topic.
#[derive(Default)]
pub(crate) struct TopicCounts {
    topics: Mutex<HashMap<Topic, Arc<AtomicU64>, RandomState>>,
    other: Arc<AtomicU64>,
}

impl TopicCounts {
    /// The counter of a topic.
    pub(crate) fn of(&self, topic: &Topic) -> Arc<AtomicU64> {
        let mut topics = self.topics.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = topics.get(topic) {
            return Arc::clone(count);
        }
        if topics.len() >= MOST_TOPICS {
            return Arc::clone(&self.other);
        }
        Arc::clone(topics.entry(topic.clone()).or_default())
    }

    /// The counter of topics that are not counted one by one.
    pub(crate) fn of_others(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.other)
    }

    pub(crate) fn other(&self) -> u64 {
        self.other.load(Relaxed)
    }

    /// Every topic counted, most events first.
    pub(crate) fn snapshot(&self) -> Vec<TopicStats> {
        let topics = self.topics.lock().unwrap_or_else(PoisonError::into_inner);
        let counts = topics.iter().map(|(topic, count)| (topic.clone(), count.load(Relaxed)));
        let mut counts: Vec<_> = counts.filter(|(_, published)| *published > 0).collect();
        drop(topics);
        counts.sort_unstable_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        counts.into_iter().map(|(topic, published)| TopicStats { topic, published }).collect()
    }
}
