//! A handler panics, fails, or never comes back; a filter, a transform or an `on_gap` panics. The subscription it
//! belongs to counts that, goes on with its next event, and every other subscription notices nothing.

mod common;

use common::{Door, Notes, end, event, n, number, quiet, stats_of};
use owlbus::{Bus, Delivery, HandlerError, Outcome, Overflow};

/// A subscription beside the bad one, which must see everything.
async fn witness(bus: &Bus) -> Notes<u64> {
    let seen = Notes::new();
    let noted = seen.clone();
    bus.on("test.**")
        .name("witness")
        .handle(move |event: Delivery| {
            let noted = noted.clone();
            async move { noted.add(n(&event)) }
        })
        .await
        .expect("the options are right");
    seen
}

async fn publish(bus: &Bus, numbers: std::ops::RangeInclusive<u64>) {
    for n in numbers {
        bus.publish(event("test.number", n)).await.expect("it is accepted");
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_a_failed_delivery_and_the_next_event_comes() {
    let bus = Bus::in_memory();
    let seen = witness(&bus).await;
    bus.on("test.**")
        .name("bad")
        .handle(|event: Delivery| async move {
            assert!(n(&event).is_multiple_of(2), "odd numbers are too much");
        })
        .await
        .expect("the options are right");
    publish(&bus, 1..=4).await;
    assert_eq!(seen.once_there_are(4).await, [1, 2, 3, 4]);
    quiet().await;
    let bad = stats_of(&bus, "bad");
    assert_eq!((bad.matched, bad.done, bad.dead), (4, 2, 2));
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn a_panic_before_the_future_and_one_after_an_await_are_caught_alike() {
    let bus = Bus::in_memory();
    bus.on("test.**")
        .name("early")
        .handle(|event: Delivery| {
            assert!(n(&event) != 1, "not even a future");
            async {}
        })
        .await
        .expect("the options are right");
    bus.on("test.**")
        .name("late")
        .handle(|event: Delivery| async move {
            tokio::task::yield_now().await;
            assert!(n(&event) != 1, "after an await");
        })
        .await
        .expect("the options are right");
    publish(&bus, 1..=2).await;
    quiet().await;
    for name in ["early", "late"] {
        let stats = stats_of(&bus, name);
        assert_eq!((stats.done, stats.dead), (1, 1), "{name}");
    }
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn errors_and_outcomes_are_counted_as_what_they_are() {
    let bus = Bus::in_memory();
    bus.on("test.**")
        .name("failing")
        .handle(|event: Delivery| async move {
            let number: u64 = "no number".parse()?;
            assert_eq!(number, n(&event));
            Ok(())
        })
        .await
        .expect("the options are right");
    bus.on("test.**")
        .name("choosing")
        .handle(|event: Delivery| async move {
            match n(&event) {
                1 => Outcome::Skipped,
                2 => Outcome::Dead { reason: "two is too many".into() },
                _ => Outcome::Done,
            }
        })
        .await
        .expect("the options are right");
    publish(&bus, 1..=3).await;
    quiet().await;
    assert_eq!(stats_of(&bus, "failing").dead, 3);
    let choosing = stats_of(&bus, "choosing");
    assert_eq!((choosing.done, choosing.skipped, choosing.dead), (1, 1, 1));
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_never_returns_keeps_only_its_own_events() {
    let (bus, door) = (Bus::in_memory(), Door::closed());
    let seen = witness(&bus).await;
    let never = door.clone();
    bus.on("test.**")
        .name("stuck")
        .mailbox(2, Overflow::DropOldest)
        .handle(move |_: Delivery| {
            let never = never.clone();
            async move { never.pass().await }
        })
        .await
        .expect("the options are right");
    publish(&bus, 1..=100).await;
    assert_eq!(seen.once_there_are(100).await.len(), 100);
    let stuck = stats_of(&bus, "stuck");
    assert_eq!((stuck.matched, stuck.pending(), stuck.dropped.overflow), (100, 2, 98));
    door.open();
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn a_filter_that_panics_skips_the_event_and_the_publisher_sees_nothing() {
    let bus = Bus::in_memory();
    let seen = witness(&bus).await;
    bus.on("test.**")
        .name("bad")
        .filter(|event| {
            assert!(n(event) != 2, "two is too many");
            true
        })
        .handle(|_: Delivery| async {})
        .await
        .expect("the options are right");
    publish(&bus, 1..=3).await;
    assert_eq!(seen.once_there_are(3).await, [1, 2, 3]);
    quiet().await;
    let bad = stats_of(&bus, "bad");
    assert_eq!((bad.matched, bad.done, bad.skipped), (3, 2, 1));
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn a_transform_that_panics_fails_that_delivery() {
    let bus = Bus::in_memory();
    bus.on("test.**")
        .name("bad")
        .map(|event| match n(&event) {
            2 => panic!("two is too many"),
            n => common::event("test.mapped", n * 10),
        })
        .handle(|event: Delivery| async move {
            assert_eq!(event.topic(), "test.mapped");
        })
        .await
        .expect("the options are right");
    publish(&bus, 1..=3).await;
    quiet().await;
    let bad = stats_of(&bus, "bad");
    assert_eq!((bad.done, bad.dead), (2, 1));
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn an_on_gap_that_panics_changes_nothing() {
    let (bus, door, seen) = (Bus::in_memory(), Door::closed(), Notes::new());
    let (waits, noted) = (door.clone(), seen.clone());
    bus.on("test.**")
        .name("bad")
        .mailbox(1, Overflow::DropNewest)
        .on_gap(|_| panic!("gaps are too much"))
        .handle(move |event: Delivery| {
            let (door, noted) = (waits.clone(), noted.clone());
            async move {
                noted.add(n(&event));
                door.pass().await;
            }
        })
        .await
        .expect("the options are right");
    publish(&bus, 1..=3).await;
    door.open();
    quiet().await;
    publish(&bus, 4..=4).await;
    assert_eq!(seen.once_there_are(2).await, [1, 4]);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn a_type_that_does_not_fit_fails_one_delivery_and_names_the_field() {
    let (bus, seen) = (Bus::in_memory(), Notes::new());
    let noted = seen.clone();
    bus.on("test.**")
        .name("typed")
        .handle(move |number: Delivery<common::Number>| {
            let noted = noted.clone();
            async move { noted.add(number.n) }
        })
        .await
        .expect("the options are right");
    let wrong =
        owlbus::Event::json("test.number", serde_json::json!({ "n": "one" })).expect("the topic is one");
    let error = wrong.view::<common::Number>().expect_err("a text is no number");
    assert!(error.to_string().contains("at `n`: invalid type: string, expected u64"), "{error}");
    bus.publish(wrong).await.expect("the publisher did nothing wrong");
    bus.publish(number(2)).await.expect("it is accepted");
    assert_eq!(seen.once_there_are(1).await, [2]);
    assert_eq!(stats_of(&bus, "typed").dead, 1);
    end(bus).await;
}

#[test]
fn an_error_keeps_its_kind_and_everything_that_caused_it() {
    #[derive(Debug, thiserror::Error)]
    #[error("the service is away")]
    struct Away(#[source] std::num::ParseIntError);

    let cause = "x".parse::<u8>().expect_err("no number");
    let error = HandlerError::temporary(Away(cause));
    assert_eq!(error.kind(), owlbus::settle::ErrorKind::Temporary);
    assert_eq!(error.chain(), "the service is away: invalid digit found in string");
    let unknown: HandlerError = "x".parse::<u8>().expect_err("no number").into();
    assert_eq!(unknown.kind(), owlbus::settle::ErrorKind::Unknown);
}
