//! Set-up the promises share; the only place that knows it.

#![allow(dead_code, unreachable_pub, reason = "every promise is a crate, and uses a part of it")]

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use owlbus::{Bus, Delivery, Event, stats::SubscriptionStats, topic::IntoPatterns};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

/// An event of one number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Event)]
#[event(topic = "test.number")]
pub struct Number {
    pub n: u64,
}

pub fn number(n: u64) -> Number {
    Number { n }
}

/// An event of some text, which no number can be read as.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Event)]
#[event(topic = "test.text")]
pub struct Text {
    pub text: String,
}

/// A bus whose handlers have all the time they like.
pub fn patient_bus() -> Bus {
    Bus::builder().timeout(None).build().expect("the defaults are right")
}

/// An event under a topic, with a number for data.
pub fn event(topic: &str, n: u64) -> Event {
    Event::json(topic, Number { n }).expect("the topic is one")
}

/// The number in an event.
pub fn n(event: &Event) -> u64 {
    event.get("/n").expect("test events hold a number")
}

/// What handlers note down, and a way to wait for it without sleeping.
#[derive(Clone)]
pub struct Notes<T>(Arc<(Mutex<Vec<T>>, Notify)>);

impl<T: Clone> Notes<T> {
    pub fn new() -> Self {
        Self(Arc::new((Mutex::new(Vec::new()), Notify::new())))
    }

    /// The notes twice: to read in the test, and to be moved into a handler.
    pub fn pair() -> (Self, Self) {
        let notes = Self::new();
        (notes.clone(), notes)
    }

    pub fn add(&self, note: T) {
        self.0.0.lock().expect("no test panics in here").push(note);
        self.0.1.notify_waiters();
    }

    pub fn all(&self) -> Vec<T> {
        self.0.0.lock().expect("no test panics in here").clone()
    }

    /// Every note, once there are that many.
    pub async fn once_there_are(&self, count: usize) -> Vec<T> {
        loop {
            let more = self.0.1.notified();
            let notes = self.all();
            if notes.len() >= count {
                return notes;
            }
            more.await;
        }
    }
}

/// Subscribes to patterns, and notes every event that comes.
pub async fn listen(bus: &Bus, patterns: impl IntoPatterns) -> Notes<Event> {
    let (heard, notes) = Notes::pair();
    let handler = move |delivery: Delivery| {
        notes.add(delivery.into_event());
        async {}
    };
    bus.on(patterns).handle(handler).await.expect("the bus is open and the patterns are some");
    heard
}

/// A door that handlers wait at until the test opens it.
#[derive(Clone)]
pub struct Door {
    open: Arc<tokio::sync::Semaphore>,
    waiting: Arc<AtomicUsize>,
}

impl Door {
    pub fn closed() -> Self {
        Self { open: Arc::new(tokio::sync::Semaphore::new(0)), waiting: Arc::default() }
    }

    /// A door that nobody has to wait at.
    pub fn opened() -> Self {
        let door = Self::closed();
        door.open();
        door
    }

    /// Waits at the door.
    pub async fn pass(&self) {
        self.waiting.fetch_add(1, SeqCst);
        self.open.acquire().await.expect("the door is never taken away").forget();
    }

    /// Lets that many through.
    pub fn let_through(&self, count: usize) {
        self.open.add_permits(count);
    }

    /// Lets everybody through from now on.
    pub fn open(&self) {
        self.open.add_permits(1_000_000);
    }

    /// How many have come to the door so far.
    pub fn came(&self) -> usize {
        self.waiting.load(SeqCst)
    }
}

/// Lets every other task run until it waits for something.
pub async fn quiet() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

/// The stats of the subscription of that name.
pub fn stats_of(bus: &Bus, name: &str) -> SubscriptionStats {
    let all = bus.stats().subscriptions;
    all.into_iter().find(|one| one.name == name).expect("there is a subscription of that name")
}

/// Ends the bus: every event that matched must be accounted for before and after.
pub async fn end(bus: Bus) {
    quiet().await;
    assert_conserved(&bus);
    bus.shutdown().await;
    assert_conserved(&bus);
    let stats = bus.stats();
    assert!(stats.subscriptions.iter().all(|one| one.pending() == 0), "events are left: {stats:?}");
    assert_eq!(stats.bytes, 0, "memory is still held: {stats:?}");
}

/// Every event that matched is accounted for.
pub fn assert_conserved(bus: &Bus) {
    for subscription in bus.stats().subscriptions {
        assert!(subscription.is_conserved(), "events are unaccounted for: {subscription:?}");
    }
}

/// Keeps what is logged, as text: the level, and the fields.
#[derive(Clone)]
pub struct Log(pub Notes<String>);

impl tracing::Subscriber for Log {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        struct Line(String);
        impl tracing::field::Visit for Line {
            fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
                self.0 += &format!("{field}={value:?} ");
            }
        }
        let mut line = Line(format!("{} ", event.metadata().level()));
        event.record(&mut line);
        self.0.add(line.0);
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}
