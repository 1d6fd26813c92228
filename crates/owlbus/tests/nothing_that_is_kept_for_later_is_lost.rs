//! The promise: an event that a subscription keeps until its time has come is delivered by the end of the bus, or counted and
//! named; whatever pauses, ends or waits meanwhile.

#![expect(clippy::unwrap_used, reason = "a test that unwraps the wrong thing fails, as it should")]

mod common;

use std::{sync::Arc, time::Duration};

use common::{Door, Notes, assert_conserved, end, event, n, patient_bus, quiet, stats_of};
use owlbus::{
    Bus, Delivery, Event, Overflow, Priority, Received,
    handle::{DropReason, Keep},
    settle::Settlement,
};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

const SECOND: Duration = Duration::from_secs(1);

/// An event that holds something.
#[derive(Serialize, Deserialize, Event)]
#[event(topic = "holder")]
struct Holder {
    #[serde(skip)]
    #[expect(dead_code, reason = "it is held, and not read")]
    value: Arc<()>,
}

/// Subscribes under the name `paced`, and notes the numbers that come.
async fn hear(bus: &Bus) -> Notes<u64> {
    let (heard, notes) = Notes::pair();
    let handler = move |delivery: Delivery| {
        notes.add(n(&delivery));
        async {}
    };
    bus.on("a").name("paced").debounce(SECOND * 60).handle(handler).await.unwrap();
    heard
}

async fn publish(bus: &Bus, key: &str, number: u64) {
    bus.event(event("a", number)).key(key).publish().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_handles_it_at_once() {
    let bus = Bus::in_memory();
    let heard = hear(&bus).await;
    for (key, number) in [("x", 1), ("y", 2), ("x", 3)] {
        publish(&bus, key, number).await;
    }
    let begun = Instant::now();
    let report = bus.shutdown().await;
    assert!(report.is_clean(), "{report:?}");
    assert_eq!((heard.all(), begun.elapsed()), (vec![2, 3], Duration::ZERO));
    let stats = stats_of(&bus, "paced");
    assert_eq!((stats.done, stats.coalesced, stats.pending()), (2, 1, 0));
    assert_conserved(&bus);
}

#[tokio::test(start_paused = true)]
async fn a_stream_gives_it_out_before_the_bus_ends() {
    let bus = Bus::in_memory();
    let mut stream = bus.on("a").debounce(SECOND * 60).stream().await.unwrap();
    publish(&bus, "x", 1).await;
    let reader = tokio::spawn(async move {
        let mut numbers = Vec::new();
        while let Some(received) = stream.next().await {
            if let Received::Event(event) = received {
                numbers.push(n(&event));
            }
        }
        numbers
    });
    quiet().await;
    assert!(bus.shutdown().await.is_clean());
    assert_eq!(reader.await.unwrap(), [1]);
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_reports_what_a_pause_holds() {
    let bus = Bus::in_memory();
    let paced = bus.on("a").debounce(SECOND).handle(|_: Delivery| async {}).await.unwrap();
    paced.pause();
    publish(&bus, "x", 1).await;
    tokio::time::sleep(SECOND * 5).await; // sleeps: on the paused clock.
    assert_eq!(paced.stats().paced, 1);
    let report = bus.shutdown().await;
    assert_eq!(report.undelivered.iter().map(|one| n(&one.event)).collect::<Vec<_>>(), [1]);
    assert_eq!(paced.stats().dropped.shutdown, 1);
    assert_conserved(&bus);
}

#[tokio::test(start_paused = true)]
async fn what_was_due_during_a_pause_comes_after_it() {
    let bus = Bus::in_memory();
    let (heard, notes) = Notes::pair();
    let handler = move |delivery: Delivery| {
        notes.add(n(&delivery));
        async {}
    };
    let paced = bus.on("a").name("paced").debounce(SECOND).handle(handler).await.unwrap();
    paced.pause();
    for number in 1..=3 {
        publish(&bus, "x", number).await;
        tokio::time::sleep(SECOND * 5).await; // sleeps: on the paused clock.
    }
    assert_eq!((paced.stats().paced, paced.stats().coalesced), (1, 2));
    paced.resume();
    assert_eq!(heard.once_there_are(1).await, [3]);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn unsubscribing_counts_it_and_tells_who_tracks_it() {
    let bus = Bus::in_memory();
    let paced = bus.on("a").debounce(SECOND).handle(|_: Delivery| async {}).await.unwrap();
    let first = bus.event(event("a", 1)).tracked().publish().await.unwrap();
    let second = bus.event(event("a", 2)).tracked().publish().await.unwrap();
    assert_eq!(paced.unsubscribe(), 1);
    assert_eq!(first.settled().await.unwrap()[0].settlement, Settlement::Coalesced);
    let dropped = Settlement::Dropped { reason: DropReason::Unsubscribed };
    assert_eq!(second.settled().await.unwrap()[0].settlement, dropped);
    let stats = paced.stats();
    assert_eq!((stats.matched, stats.coalesced, stats.dropped.unsubscribed), (2, 1, 1));
    assert!(stats.is_conserved() && stats.pending() == 0, "{stats:?}");
    assert_eq!(bus.publish(event("a", 3)).await.unwrap().matched, Some(0));
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn the_last_handle_that_goes_counts_it() {
    let bus = Bus::in_memory();
    let paced = bus.on("a").debounce(SECOND).handle(|_: Delivery| async {}).await.unwrap();
    publish(&bus, "x", 1).await;
    drop(bus);
    let stats = paced.stats();
    assert_eq!((stats.matched, stats.dropped.shutdown, stats.bytes), (1, 1, 0));
    assert!(stats.is_conserved() && stats.pending() == 0, "{stats:?}");
}

#[tokio::test(start_paused = true)]
async fn no_value_is_held_that_another_stands_for() {
    let bus = Bus::builder().history(0, 0).build().unwrap();
    bus.on("holder").name("paced").debounce(SECOND).handle(|_: Delivery| async {}).await.unwrap();
    let value = Arc::new(());
    for _ in 0..50 {
        bus.publish(Holder { value: Arc::clone(&value) }).await.unwrap();
        assert_eq!(Arc::strong_count(&value), 2, "the bus holds one of them");
    }
    let bytes = stats_of(&bus, "paced").bytes;
    assert!(bytes > 0 && bytes < 1_000, "fifty events of one key take the room of one, not {bytes} bytes");
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_for_what_his_own_subscription_keeps_is_told_only_where_nobody_else_is_free() {
    for (workers, refused) in [(1, true), (2, false)] {
        let bus = patient_bus();
        let (heard, notes) = Notes::pair();
        let handler = move |delivery: Delivery| {
            let notes = notes.clone();
            async move {
                if n(&delivery) == 1 {
                    let bus = delivery.bus().unwrap();
                    let next = bus.event(event("a", 2)).key("other");
                    let settled = next.tracked().publish().await?.settled().await;
                    notes.add(settled.is_err());
                }
                Ok(())
            }
        };
        bus.on("a").debounce(SECOND).concurrency(workers).handle(handler).await.unwrap();
        publish(&bus, "x", 1).await;
        assert_eq!(heard.once_there_are(1).await, [refused], "with {workers} workers");
        end(bus).await;
    }
}

#[tokio::test(start_paused = true)]
async fn it_waits_beside_a_full_mailbox_without_being_in_the_way() {
    let (bus, door) = (patient_bus(), Door::closed());
    let ((heard, notes), busy) = (Notes::pair(), door.clone());
    let handler = move |delivery: Delivery| {
        notes.add(n(&delivery));
        let door = busy.clone();
        async move { door.pass().await }
    };
    let block = Overflow::Block { timeout: SECOND * 600 };
    bus.on("a").name("paced").mailbox(3, block).debounce(SECOND).handle(handler).await.unwrap();
    let publishers: Vec<_> = (0..10)
        .map(|number| {
            let bus = bus.clone();
            tokio::spawn(async move { publish(&bus, &number.to_string(), number).await })
        })
        .collect();
    for passed in 1..=10 {
        assert_eq!(heard.once_there_are(passed).await.len(), passed);
        let stats = stats_of(&bus, "paced");
        assert!(stats.paced + stats.queued + stats.running <= 3, "{stats:?}");
        door.let_through(1);
    }
    for publisher in publishers {
        publisher.await.unwrap();
    }
    let mut numbers = heard.all();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..10).collect::<Vec<_>>());
    end(bus).await;
}

/// What may happen to a subscription that thins out its events.
#[derive(Clone, Copy, Debug)]
enum Step {
    Publish { key: u8, lane: u8 },
    TryPublish { key: u8 },
    Pass(u8),
    Free(u8),
    Pause,
    Resume,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0..4_u8, 0..8_u8).prop_map(|(key, lane)| Step::Publish { key, lane }),
        2 => (0..4_u8).prop_map(|key| Step::TryPublish { key }),
        3 => (1..12_u8).prop_map(Step::Pass),
        3 => (1..3_u8).prop_map(Step::Free),
        1 => Just(Step::Pause),
        1 => Just(Step::Resume),
    ];
    proptest::collection::vec(step, 1..60)
}

/// Which settings a story is told with.
fn settings() -> impl Strategy<Value = (u8, u8, usize, usize, bool)> {
    (0..4_u8, 0..4_u8, 1..5_usize, 1..3_usize, any::<bool>())
}

const TICK: Duration = Duration::from_millis(100);

async fn story((pace, overflow, room, workers, by_key): (u8, u8, usize, usize, bool), steps: Vec<Step>) {
    let (bus, door) = (patient_bus(), Door::closed());
    let ((heard, notes), busy) = (Notes::pair(), door.clone());
    let handler = move |delivery: Delivery| {
        notes.add((delivery.key().to_owned(), n(&delivery), delivery.event().priority()));
        let door = busy.clone();
        async move { door.pass().await }
    };
    let overflow = match overflow {
        0 => Overflow::Block { timeout: TICK * 7 },
        1 => Overflow::Reject,
        2 => Overflow::DropNewest,
        _ => Overflow::DropOldest,
    };
    let on = bus.on("a").name("paced").mailbox(room, overflow).concurrency(workers);
    let on = match pace {
        0 => on.debounce(TICK * 5),
        1 => on.debounce(TICK * 5).debounce_at_most(TICK * 8),
        2 => on.throttle(TICK * 5, Keep::First),
        _ => on.throttle(TICK * 5, Keep::Latest),
    };
    let paced = if by_key { on.ordered_by_key() } else { on }.handle(handler).await.unwrap();
    let (mut tracked, mut number) = (Vec::new(), 0);
    for step in steps {
        match step {
            Step::Publish { key, lane } => {
                number += 1;
                let lane = [Priority::Immediate, Priority::High, Priority::Deferred]
                    .get(usize::from(lane))
                    .copied()
                    .unwrap_or_default();
                let (bus, event) = (bus.clone(), event("a", number));
                tracked.push(tokio::spawn(async move {
                    let event = bus.event(event).key(key.to_string()).priority(lane);
                    match event.tracked().publish().await {
                        Ok(tracked) => tracked.settled().await.unwrap().len(),
                        Err(_) => 1,
                    }
                }));
            }
            Step::TryPublish { key } => {
                number += 1;
                _ = bus.event(event("a", number)).key(key.to_string()).try_publish();
            }
            Step::Pass(ticks) => tokio::time::sleep(TICK * u32::from(ticks)).await, // sleeps: on the paused clock.
            Step::Free(workers) => door.let_through(workers.into()),
            Step::Pause => paced.pause(),
            Step::Resume => paced.resume(),
        }
        quiet().await;
        let stats = paced.stats();
        assert!(stats.is_conserved(), "{stats:?}");
    }
    paced.resume();
    door.open();
    assert!(bus.shutdown().await.is_clean());
    let stats = paced.stats();
    assert!(stats.is_conserved() && stats.pending() == 0, "{stats:?}");
    assert_eq!(stats.done as usize, heard.all().len());
    for tracked in tracked {
        assert_eq!(tracked.await.unwrap(), 1, "whoever tracks an event learns what became of it");
    }
    // What was published in one lane one after the other comes in order, key by key.
    let mut last = std::collections::HashMap::new();
    for (key, number, lane) in heard.all() {
        let before = last.insert((key, lane), number);
        assert!(workers > 1 || before.is_none_or(|before| before < number), "{:?}", heard.all());
    }
    assert_eq!(bus.stats().bytes, 0);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn whatever_happens_every_event_is_accounted_for(settings in settings(), steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(story(settings, steps));
    }
}
