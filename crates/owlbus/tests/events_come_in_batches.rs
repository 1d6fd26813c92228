//! A handler asks for several events at once. It gets as many as there are, or as many as it wants, and nothing waits for others
//! that has no time to; what it says of one event is that event's, and until a batch starts its events are the mailbox's.

mod common;

use std::time::Duration;

use common::{Door, Notes, assert_conserved, end, event, n, patient_bus, quiet, stats_of};
use owlbus::{
    Bus, Delivery, Event, HandlerError, Outcome, Overflow, Priority, PublishError, SubscribeError,
    Subscription,
    handle::On,
    settle::{DeadLetterQuery, Retry, Settlement},
};
use tokio::time::{Instant, advance};

const MILLI: Duration = Duration::from_millis(1);

/// A batch: the numbers in its events, and when it began in milliseconds.
type Batch = (Vec<u64>, u64);

fn numbers(batch: &[Delivery]) -> Vec<u64> {
    batch.iter().map(|delivery| n(delivery)).collect()
}

/// A subscription that notes its batches.
async fn noting(on: On<'_>) -> (Subscription, Notes<Batch>) {
    let (seen, noted) = Notes::pair();
    let since = Instant::now();
    let handler = move |batch: Vec<Delivery>| {
        noted.add((numbers(&batch), since.elapsed().as_millis() as u64));
        async {}
    };
    (on.handle_batch(handler).await.expect("the options are right"), seen)
}

async fn publish(bus: &Bus, numbers: impl IntoIterator<Item = u64>) {
    for n in numbers {
        bus.publish(event("test.number", n)).await.expect("it is accepted");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_there_comes_at_once_where_it_is_enough() {
    let bus = Bus::in_memory();
    let (_, seen) = noting(bus.on("test.*").batch(4, MILLI * 50)).await;
    publish(&bus, 0..9).await;
    assert_eq!(seen.once_there_are(2).await, [(vec![0, 1, 2, 3], 0), (vec![4, 5, 6, 7], 0)]);
    assert_eq!(seen.once_there_are(3).await[2], (vec![8], 50));
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn fewer_wait_for_others_from_when_the_first_came() {
    let bus = Bus::in_memory();
    let (_, seen) = noting(bus.on("test.*").batch(10, MILLI * 50)).await;
    quiet().await;
    publish(&bus, [1]).await;
    quiet().await;
    advance(MILLI * 30).await;
    publish(&bus, [2]).await;
    assert_eq!(seen.once_there_are(1).await, [(vec![1, 2], 50)]);
    advance(MILLI * 100).await;
    publish(&bus, [3]).await;
    assert_eq!(seen.once_there_are(2).await[1], (vec![3], 200));
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_a_hundred_events_or_a_hundred_milliseconds_unless_it_says_otherwise() {
    let bus = Bus::in_memory();
    let (_, seen) = noting(bus.on("test.*")).await;
    publish(&bus, 0..101).await;
    let seen = seen.once_there_are(2).await;
    assert_eq!(
        seen.iter().map(|(batch, began)| (batch.len(), *began)).collect::<Vec<_>>(),
        [(100, 0), (1, 100)]
    );
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn what_failed_is_tried_again_and_dies_by_itself() {
    let bus = Bus::in_memory();
    let (seen, noted) = Notes::pair();
    let handler = move |batch: Vec<Delivery>| {
        noted.add(batch.iter().map(|one| (n(one), one.attempt())).collect::<Vec<_>>());
        async move {
            let each = batch.iter().map(|one| match (n(one), one.attempt()) {
                (1, 1) => Err(HandlerError::temporary("not now")),
                (2, _) => Err(HandlerError::permanent("never")),
                (3, _) => Ok(Outcome::Skipped),
                (4, 1) => Ok(Outcome::Retry { after: Some(MILLI * 70) }),
                _ => Ok(Outcome::Done),
            });
            each.collect::<Vec<_>>()
        }
    };
    let on = bus.on("test.*").name("some").batch(5, MILLI).retry(Retry::fixed(MILLI * 20));
    on.handle_batch(handler).await.unwrap();
    publish(&bus, 0..5).await;
    let seen = seen.once_there_are(3).await;
    assert_eq!(seen[0], (0..5).map(|n| (n, 1)).collect::<Vec<_>>());
    assert_eq!(seen[1..], [vec![(1, 2)], vec![(4, 2)]]);
    quiet().await;
    let stats = stats_of(&bus, "some");
    assert_eq!((stats.done, stats.skipped, stats.dead), (3, 1, 1));
    let dead = bus.dead_letters().list(&DeadLetterQuery::all());
    assert_eq!((n(&dead[0].event), dead[0].reason.as_str(), dead.len()), (2, "never", 1));
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn what_failed_together_comes_together_again() {
    let bus = Bus::in_memory();
    let (seen, noted) = Notes::pair();
    let handler = move |batch: Vec<Delivery>| {
        noted.add(numbers(&batch));
        let first = batch[0].attempt() == 1;
        async move { if first { Err(std::io::Error::other("no answer"))? } else { Ok(()) } }
    };
    bus.on("test.*").batch(3, MILLI).retry(Retry::fixed(MILLI * 20)).handle_batch(handler).await.unwrap();
    publish(&bus, 0..3).await;
    assert_eq!(seen.once_there_are(2).await, [vec![0, 1, 2], vec![0, 1, 2]]);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn every_event_of_a_batch_learns_what_became_of_it() {
    let bus = Bus::in_memory();
    let handler = |batch: Vec<Delivery>| async move {
        batch
            .iter()
            .map(|one| if n(one) == 1 { Outcome::Dead { reason: "odd".into() } } else { Outcome::Done })
            .collect::<Vec<_>>()
    };
    bus.on("test.*").batch(2, MILLI * 10).handle_batch(handler).await.unwrap();
    let (even, odd) = tokio::join!(
        bus.event(event("test.number", 0)).tracked().publish(),
        bus.event(event("test.number", 1)).tracked().publish(),
    );
    assert_eq!(even.unwrap().settled().await.unwrap()[0].settlement, Settlement::Done);
    let odd = odd.unwrap().settled().await.unwrap();
    assert!(matches!(&odd[0].settlement, Settlement::Dead { reason } if reason == "odd"), "{odd:?}");
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn outcomes_that_cannot_be_told_apart_fail_all_of_them() {
    let bus = Bus::in_memory();
    let handler = |_: Vec<Delivery>| async move { vec![Outcome::Done] };
    bus.on("test.*").name("short").batch(2, MILLI).handle_batch(handler).await.unwrap();
    publish(&bus, 0..2).await;
    quiet().await;
    let dead = bus.dead_letters().list(&DeadLetterQuery::all());
    assert_eq!(dead.len(), 2);
    assert!(dead[0].reason.contains("got 2 deliveries and gave 1 outcomes"), "{}", dead[0].reason);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn a_panic_or_a_timeout_fails_the_batch_and_nothing_else() {
    let bus = Bus::in_memory();
    let handler = |batch: Vec<Delivery>| async move {
        match n(&batch[0]) {
            0 => panic!("no"),
            2 => std::future::pending().await,
            _ => {}
        }
    };
    bus.on("test.*").name("poor").batch(2, MILLI).timeout(MILLI * 10).handle_batch(handler).await.unwrap();
    publish(&bus, 0..6).await;
    bus.shutdown().await;
    let stats = stats_of(&bus, "poor");
    assert_eq!((stats.done, stats.dead), (2, 4));
    let dead = bus.dead_letters().list(&DeadLetterQuery::all());
    let reasons: Vec<_> = dead.iter().map(|letter| letter.reason.as_str()).collect();
    let late = "the handler took longer than 10ms";
    assert_eq!(reasons, ["panicked: no", "panicked: no", late, late]);
    assert_conserved(&bus);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_fails_alone() {
    let bus = Bus::in_memory();
    let (seen, noted) = Notes::pair();
    let handler = move |batch: Vec<Delivery<common::Number>>| {
        noted.add(batch.iter().map(|one| one.n).collect::<Vec<_>>());
        async {}
    };
    bus.on("test.*").name("strict").batch(3, MILLI).handle_batch(handler).await.unwrap();
    publish(&bus, [1]).await;
    bus.publish(Event::json("test.number", serde_json::json!({"n": "two"})).unwrap()).await.unwrap();
    publish(&bus, [3]).await;
    assert_eq!(seen.once_there_are(1).await, [vec![1, 3]]);
    quiet().await;
    assert_eq!((stats_of(&bus, "strict").done, stats_of(&bus, "strict").dead), (2, 1));
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn a_batch_of_what_nobody_can_read_calls_nobody() {
    let bus = Bus::in_memory();
    let handler = |batch: Vec<Delivery<common::Number>>| async move { assert!(!batch.is_empty()) };
    bus.on("test.*").name("strict").batch(1, MILLI).handle_batch(handler).await.unwrap();
    bus.publish(Event::json("test.number", serde_json::json!([])).unwrap()).await.unwrap();
    quiet().await;
    assert_eq!(stats_of(&bus, "strict").dead, 1);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn nothing_starts_after_unsubscribe() {
    let bus = Bus::in_memory();
    let (subscription, seen) = noting(bus.on("test.*").name("gone").batch(10, MILLI * 50)).await;
    publish(&bus, 0..3).await;
    quiet().await;
    subscription.unsubscribe();
    advance(MILLI * 100).await;
    quiet().await;
    assert_eq!(seen.all(), []);
    assert_eq!(subscription.stats().dropped.unsubscribed, 3);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_keeps_nobody_waiting_for_others() {
    let bus = Bus::in_memory();
    let (_, seen) = noting(bus.on("test.*").batch(10, Duration::from_secs(3_600))).await;
    publish(&bus, 0..3).await;
    quiet().await;
    assert!(bus.shutdown().await.is_clean());
    assert_eq!(seen.all(), [(vec![0, 1, 2], 0)]);
}

#[tokio::test(start_paused = true)]
async fn who_cannot_wait_does_not() {
    let bus = Bus::in_memory();
    let (_, seen) = noting(bus.on("test.*").batch(10, Duration::from_secs(3_600))).await;
    publish(&bus, 0..2).await;
    quiet().await;
    assert_eq!(seen.all(), []);
    bus.event(event("test.number", 7)).priority(Priority::Immediate).publish().await.unwrap();
    assert_eq!(seen.all(), [(vec![7, 0, 1], 0)]);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn a_full_mailbox_does_not_wait_to_be_fuller() {
    let bus = Bus::in_memory();
    let (seen, noted) = Notes::pair();
    let door = Door::closed();
    let at = door.clone();
    let handler = move |batch: Vec<Delivery>| {
        noted.add(numbers(&batch));
        let door = at.clone();
        async move { door.pass().await }
    };
    let overflow = Overflow::Block { timeout: Duration::from_secs(5) };
    let on = bus.on("test.*").concurrency(2).mailbox(4, overflow).batch(4, Duration::from_secs(3_600));
    on.handle_batch(handler).await.unwrap();
    // One worker holds some of the room, so that the other never finds as many as it wants.
    bus.event(event("test.number", 0)).priority(Priority::High).publish().await.unwrap();
    publish(&bus, 1..4).await;
    assert_eq!(seen.once_there_are(1).await[0].len(), 4);
    door.let_through(1);
    publish(&bus, 4..8).await;
    let seen = seen.once_there_are(2).await;
    assert_eq!(seen[1], [4, 5, 6, 7]);
    door.open();
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_others_may_give_way_and_is_told() {
    let bus = Bus::in_memory();
    let (heard, noted) = Notes::pair();
    let gaps = heard.clone();
    let handler = move |batch: Vec<Delivery>| {
        noted.add(format!("{:?}", numbers(&batch)));
        async {}
    };
    let on = bus.on("test.*").name("short").mailbox(3, Overflow::DropOldest).batch(3, MILLI * 50);
    let on = on.on_gap(move |gap| gaps.add(format!("{} missed", gap.missed)));
    let subscription = on.handle_batch(handler).await.unwrap();
    subscription.pause();
    publish(&bus, 0..5).await;
    subscription.resume();
    assert_eq!(heard.once_there_are(2).await, ["2 missed", "[2, 3, 4]"]);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn a_batch_has_one_event_of_a_key() {
    let bus = Bus::in_memory();
    let on = bus.on("test.*").ordered_by_key().concurrency(1).batch(10, MILLI * 5);
    let (_, seen) = noting(on).await;
    for (n, key) in [(0, "a"), (1, "a"), (2, "b"), (3, "a"), (4, "b")] {
        bus.event(event("test.number", n)).key(key).publish().await.unwrap();
    }
    let seen = seen.once_there_are(3).await;
    assert_eq!(
        seen.into_iter().map(|(batch, _)| batch).collect::<Vec<_>>(),
        [vec![0, 2], vec![1, 4], vec![3]]
    );
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn every_worker_is_woken_for_what_is_there() {
    let bus = patient_bus();
    let door = Door::closed();
    let at = door.clone();
    let handler = move |_: Vec<Delivery>| {
        let door = at.clone();
        async move { door.pass().await }
    };
    bus.on("test.*").name("wide").concurrency(3).batch(2, MILLI * 10).handle_batch(handler).await.unwrap();
    quiet().await;
    publish(&bus, 0..5).await;
    quiet().await;
    advance(MILLI * 20).await;
    quiet().await;
    assert_eq!((door.came(), stats_of(&bus, "wide").running), (3, 5));
    door.open();
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_too_old_is_not_in_a_batch() {
    let bus = Bus::in_memory();
    let (_, seen) = noting(bus.on("test.*").name("fresh").batch(3, MILLI * 50)).await;
    bus.event(event("test.number", 0)).ttl(MILLI * 10).publish().await.unwrap();
    publish(&bus, [1]).await;
    assert_eq!(seen.once_there_are(1).await, [(vec![1], 50)]);
    assert_eq!(stats_of(&bus, "fresh").expired, 1);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_waits_for_its_own_mailbox_is_a_cycle() {
    let bus = patient_bus();
    let (seen, noted) = Notes::pair();
    let handler = move |batch: Vec<Delivery>| {
        let noted = noted.clone();
        async move {
            let sent = batch[0].publish(event("test.number", 9)).await;
            noted.add(matches!(sent, Err(PublishError::Cycle { .. })));
        }
    };
    let overflow = Overflow::Block { timeout: Duration::from_secs(3_600) };
    bus.on("test.*").mailbox(2, overflow).batch(2, MILLI).handle_batch(handler).await.unwrap();
    let since = Instant::now();
    publish(&bus, 0..2).await;
    assert_eq!(seen.once_there_are(1).await, [true]);
    assert_eq!(since.elapsed().as_secs(), 0);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn children_have_the_event_that_caused_them() {
    let bus = Bus::in_memory();
    let children = common::listen(&bus, "child").await;
    let handler = |batch: Vec<Delivery>| async move {
        for one in &batch {
            one.publish(event("child", n(one))).await.unwrap();
        }
    };
    bus.on("test.*").batch(2, MILLI).handle_batch(handler).await.unwrap();
    let first = bus.publish(event("test.number", 1)).await.unwrap();
    let second = bus.publish(event("test.number", 2)).await.unwrap();
    let children = children.once_there_are(2).await;
    let causes: Vec<_> = children.iter().map(|child| child.causation_id()).collect();
    assert_eq!(causes, [Some(first.id), Some(second.id)]);
    end(bus).await;
}

#[tokio::test]
async fn a_function_that_blocks_takes_batches_too() {
    let bus = Bus::in_memory();
    let (seen, noted) = Notes::pair();
    let function = move |batch: Vec<Delivery>| {
        noted.add(numbers(&batch));
        if batch.len() == 1 { Err(HandlerError::permanent("alone")) } else { Ok(()) }
    };
    let on = bus.on("test.*").name("blocking").batch(2, MILLI);
    on.handle_batch_blocking(function).await.unwrap();
    publish(&bus, 0..3).await;
    assert_eq!(seen.once_there_are(2).await, [vec![0, 1], vec![2]]);
    bus.shutdown().await;
    assert_eq!((stats_of(&bus, "blocking").done, stats_of(&bus, "blocking").dead), (2, 1));
}

#[tokio::test]
async fn what_cannot_go_together_is_refused_in_words() {
    let bus = Bus::in_memory();
    let none = |_: Vec<Delivery>| async {};
    let refused = [
        (bus.on("a").batch(0, MILLI).handle_batch_now(none), "`batch` has no events"),
        (bus.on("a").mailbox(10, Overflow::Reject).batch(11, MILLI).handle_batch_now(none), "room for 10"),
        (bus.on("a").once().handle_batch_now(none), "`once` is for one event"),
        (bus.on("a").priority(1).handle_batch_now(none), "`priority` lets one event wait"),
        (bus.on("a").batch(2, MILLI).handle_now(|_: Delivery| async {}), "`batch` is for `handle_batch`"),
        (bus.on("a").batch(2, MILLI).inline_now(|_: &Event| {}), "`batch` is for `handle_batch`"),
    ];
    for (refused, words) in refused {
        let error = refused.expect_err(words);
        assert!(matches!(error, SubscribeError::Config(_)) && error.to_string().contains(words), "{error}");
    }
    end(bus).await;
}
