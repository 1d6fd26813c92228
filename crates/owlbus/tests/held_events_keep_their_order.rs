//! What a band holds back holds back what came behind it: its lane, or its key, and nothing else. It waits in the mailbox
//! like anything else there, may be dropped from it, and is never forgotten.

mod common;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use common::{Door, Notes, end, event, n, number, quiet, stats_of};
use owlbus::{
    Delivery, Overflow, Priority, Received, Subscription,
    handle::{Band, On},
};
use tokio::time::timeout;

/// Longer than any test.
const NEVER: Duration = Duration::from_secs(1_000_000);

/// What handlers note down: who, which event, and whether it is the start or the end of it.
type Log = Notes<(&'static str, u64, Is)>;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Is {
    Begun,
    Ended,
}
use Is::{Begun, Ended};

/// Ends the making of a subscription with a handler that notes when it begins and ends, and waits at the door between.
async fn logs(on: On<'_>, name: &'static str, log: &Log, door: &Door) -> Subscription {
    let (log, door) = (log.clone(), door.clone());
    let handler = move |event: Delivery| {
        let (log, door) = (log.clone(), door.clone());
        async move {
            log.add((name, n(&event), Begun));
            door.pass().await;
            log.add((name, n(&event), Ended));
        }
    };
    on.name(name).handle(handler).await.expect("the options are right")
}

/// The events a subscription has begun with.
fn begun(log: &Log, name: &str) -> Vec<u64> {
    log.all().into_iter().filter(|one| one.0 == name && one.2 == Begun).map(|one| one.1).collect()
}

#[tokio::test(start_paused = true)]
async fn what_is_held_is_queued_and_may_be_dropped_and_frees_those_below() {
    let (bus, log, door) = (common::patient_bus(), Log::new(), Door::closed());
    logs(bus.on("test.high").priority(5), "high", &log, &door).await;
    let middle = bus.on("test.**").band_wait(NEVER).mailbox(2, Overflow::DropOldest);
    let middle = logs(middle, "middle", &log, &Door::opened()).await;
    logs(bus.on("test.**").priority(Band::LOW).band_wait(NEVER), "low", &log, &Door::opened()).await;
    for (topic, n) in [("test.high", 1), ("test.rest", 2), ("test.rest", 3)] {
        bus.publish(event(topic, n)).await.expect("it is accepted");
        quiet().await;
    }
    let stats = middle.stats();
    assert_eq!((stats.queued, stats.running, stats.dropped.overflow), (0, 0, 1));
    assert_eq!((begun(&log, "middle"), begun(&log, "low")), (vec![2, 3], vec![]), "the held one gave way");
    bus.publish(event("test.high", 4)).await.expect("it is accepted");
    quiet().await;
    assert_eq!((middle.stats().queued, middle.unsubscribe()), (1, 1));
    door.open();
    quiet().await;
    assert_eq!((begun(&log, "low"), middle.stats().dropped.unsubscribed), (vec![1, 2, 3, 4], 1));
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_held_back_holds_back_its_lane_and_no_other() {
    for concurrency in [1, 4] {
        let (bus, log, door) = (common::patient_bus(), Log::new(), Door::closed());
        logs(bus.on("test.high").priority(5), "high", &log, &door).await;
        let low = bus.on("test.**").band_wait(NEVER).concurrency(concurrency);
        logs(low, "low", &log, &Door::opened()).await;
        for (topic, priority, n) in [
            ("test.high", Priority::Normal, 1),
            ("test.rest", Priority::Normal, 2),
            ("test.rest", Priority::High, 3),
            ("test.rest", Priority::Deferred, 4),
            ("test.high", Priority::High, 5),
            ("test.rest", Priority::High, 6),
            ("test.rest", Priority::Normal, 7),
        ] {
            bus.event(event(topic, n)).priority(priority).publish().await.expect("it is accepted");
        }
        quiet().await;
        assert_eq!((begun(&log, "high"), begun(&log, "low")), (vec![5], vec![3, 4]), "{concurrency} at once");
        door.let_through(1);
        quiet().await;
        assert_eq!(begun(&log, "low"), [3, 4, 5, 6], "{concurrency} at once");
        door.open();
        quiet().await;
        assert_eq!(begun(&log, "low"), [3, 4, 5, 6, 1, 2, 7], "{concurrency} at once");
        end(bus).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_held_back_holds_back_its_key_and_no_other() {
    let (bus, log, door) = (common::patient_bus(), Log::new(), Door::closed());
    logs(bus.on("test.high").priority(5), "high", &log, &door).await;
    let low = bus.on("test.**").band_wait(NEVER).ordered_by_key();
    logs(low, "low", &log, &Door::opened()).await;
    for (topic, key, n) in [
        ("test.high", "a", 1),
        ("test.rest", "a", 2),
        ("test.rest", "b", 3),
        ("test.high", "c", 4),
        ("test.rest", "b", 5),
        ("test.rest", "a", 6),
    ] {
        bus.event(event(topic, n)).key(key).publish().await.expect("it is accepted");
    }
    quiet().await;
    assert_eq!(begun(&log, "low"), [3, 5]);
    door.let_through(1);
    quiet().await;
    assert_eq!(begun(&log, "low"), [3, 5, 1, 2, 6]);
    door.open();
    quiet().await;
    assert_eq!(begun(&log, "low"), [3, 5, 1, 2, 6, 4]);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn a_stream_has_had_its_try_when_it_says_so_or_is_dropped() {
    let (bus, log) = (common::patient_bus(), Log::new());
    let mut high = bus.on("test.**").priority(5).stream().await.expect("the options are right");
    logs(bus.on("test.**").band_wait(NEVER), "low", &log, &Door::opened()).await;
    for n in 1..=4 {
        bus.publish(number(n)).await.expect("it is accepted");
    }
    for expected in 1..=2 {
        let given = high.next().await.and_then(Received::into_event).expect("an event came");
        quiet().await;
        // To ask for the next is to be done with the last.
        assert_eq!((n(&given), begun(&log, "low").len() as u64), (expected, expected - 1));
    }
    high.done();
    quiet().await;
    assert_eq!(begun(&log, "low"), [1, 2]);
    assert!(high.next().await.is_some());
    drop(high);
    quiet().await;
    assert_eq!(begun(&log, "low"), [1, 2, 3, 4]);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn a_stream_waits_for_those_above_it() {
    let (bus, log, door) = (common::patient_bus(), Log::new(), Door::closed());
    logs(bus.on("test.**").priority(5), "high", &log, &door).await;
    let mut low = bus.on("test.**").stream().await.expect("the options are right");
    bus.publish(number(1)).await.expect("it is accepted");
    assert!(timeout(Duration::from_secs(900), low.next()).await.is_err(), "`high` is at it");
    door.open();
    quiet().await;
    assert!(timeout(Duration::ZERO, low.next()).await.is_ok_and(|received| received.is_some()));
    drop(low);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn an_urgent_event_is_held_by_bands_too_and_its_publisher_waits_for_all_of_them() {
    let (bus, log, door) = (common::patient_bus(), Log::new(), Door::closed());
    logs(bus.on("test.high").priority(5), "high", &log, &door).await;
    logs(bus.on("test.**").band_wait(NEVER), "low", &log, &Door::opened()).await;
    let publish = || {
        let publish = bus.event(event("test.high", 1)).priority(Priority::Immediate).try_publish();
        publish.expect("it is accepted").unfinished.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(publish(), ["high", "low"]);
    quiet().await;
    let waits = tokio::spawn({
        let bus = bus.clone();
        async move { bus.event(event("test.high", 2)).priority(Priority::Immediate).publish().await }
    });
    bus.publish(event("test.rest", 3)).await.expect("it is accepted");
    quiet().await;
    assert_eq!(begun(&log, "low"), [3], "the lane of `Immediate` is held, the others are not");
    door.open();
    let receipt = waits.await.expect("no panic").expect("it is accepted");
    assert_eq!((begun(&log, "low"), receipt.unfinished), (vec![3, 1, 2], vec![]));
    end(bus).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn on_many_threads_nobody_begins_too_early() {
    const EVENTS: u64 = 3_000;
    let bus = common::patient_bus();
    let done: Arc<Vec<AtomicU64>> = Arc::new((0..EVENTS).map(|_| AtomicU64::new(0)).collect());
    let (all, noted) = Notes::pair();
    // Each band finds that all above it have ended, and that nobody below it has begun.
    for (band, above, workers) in [(2, 0, 3), (2, 0, 1), (1, 2, 4), (0, 3, 2), (0, 3, 1)] {
        let (done, noted) = (done.clone(), noted.clone());
        let on = bus.on("test.**").priority(band).concurrency(workers).band_wait(NEVER);
        let handler = move |event: Delivery| {
            let (done, noted) = (done.clone(), noted.clone());
            async move {
                let done = &done[n(&event) as usize];
                let others = if band == 1 { above..=above } else { above..=above + 1 };
                let ended = done.load(SeqCst);
                assert!(others.contains(&ended), "{ended} ended before band {band} began");
                tokio::task::yield_now().await;
                done.fetch_add(1, SeqCst);
                noted.add(());
            }
        };
        on.handle(handler).await.expect("the options are right");
    }
    let publishers: Vec<_> = (0..4)
        .map(|publisher| {
            let bus = bus.clone();
            tokio::spawn(async move {
                for n in (publisher..EVENTS).step_by(4) {
                    bus.publish(number(n)).await.expect("it is accepted");
                }
            })
        })
        .collect();
    for publisher in publishers {
        publisher.await.expect("no panic");
    }
    let all = timeout(Duration::from_secs(60), all.once_there_are(5 * EVENTS as usize)).await;
    assert!(all.is_ok(), "some are held for ever: {:?}", bus.stats());
    assert!(bus.stats().subscriptions.iter().all(|one| one.dead == 0 && one.band_timeouts == 0));
    end(bus).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn on_many_threads_nobody_is_forgotten() {
    let (bus, begun) = (common::patient_bus(), Arc::new(tokio::sync::Notify::new()));
    let spins = |number: Delivery<common::Number>| async move {
        (0..number.n % 50).for_each(|_| std::hint::spin_loop());
    };
    bus.on("test.**").priority(5).handle(spins).await.expect("the options are right");
    let tells = begun.clone();
    let handler = move |event: Delivery| {
        if event.topic() == "test.number" {
            tells.notify_one();
        }
        async {}
    };
    bus.on(["test.**", "other"]).name("low").band_wait(NEVER).handle(handler).await.expect("it is right");
    for n in 0..50_000 {
        bus.publish(number(n)).await.expect("it is accepted");
        if n % 2 == 1 {
            // Nothing holds this one: the worker looks at what is held just when `high` ends.
            let other = bus.event(event("other", n)).priority(Priority::High);
            other.publish().await.expect("it is accepted");
        }
        let told = timeout(Duration::from_secs(10), begun.notified()).await;
        assert!(told.is_ok(), "event {n} waits for nobody: {:?}", stats_of(&bus, "low"));
    }
    end(bus).await;
}
