//! A handler that falls behind fills its mailbox. What happens to the next event is the subscription's choice: the
//! publisher waits, or is refused, or the newest or the oldest event is dropped. Nothing is dropped in silence: the
//! receipt names the subscription, the stats count it, and the handler is told of the gap where it is.

mod common;

use std::time::Duration;

use common::{Door, Notes, end, event, n, quiet, stats_of};
use owlbus::{Bus, Delivery, Event, Overflow, PublishError, Subscription, handle::DropReason};

/// What a subscription saw: an event's number, or a gap.
#[derive(Clone, Debug, PartialEq)]
enum Seen {
    Event(u64),
    Gap(u64, DropReason),
}
use Seen::{Event as Got, Gap as Missed};

/// A subscription that notes what it sees, one event at a time through a door.
async fn slow(bus: &Bus, events: usize, overflow: Overflow, door: &Door) -> (Subscription, Notes<Seen>) {
    let (seen, told) = (Notes::new(), Notes::new());
    let (handler_seen, gap_seen, door) = (seen.clone(), seen.clone(), door.clone());
    told.add(());
    let subscription = bus
        .on("test.**")
        .name("slow")
        .mailbox(events, overflow)
        .on_gap(move |gap| gap_seen.add(Missed(gap.missed, gap.reason)))
        .handle(move |event: Delivery| {
            let (seen, door) = (handler_seen.clone(), door.clone());
            async move {
                seen.add(Got(n(&event)));
                door.pass().await;
            }
        })
        .await
        .expect("the options are right");
    (subscription, seen)
}

async fn publish(bus: &Bus, n: u64) -> Result<owlbus::Receipt, PublishError> {
    bus.publish(event("test.number", n)).await
}

#[tokio::test(start_paused = true)]
async fn a_publisher_waits_for_room_and_gets_in_when_there_is_some() {
    let (bus, door) = (Bus::in_memory(), Door::closed());
    let (_, seen) = slow(&bus, 2, Overflow::Block { timeout: Duration::from_secs(60) }, &door).await;
    for n in 1..=2 {
        publish(&bus, n).await.expect("there is room");
    }
    let waiting = tokio::spawn({
        let bus = bus.clone();
        async move { publish(&bus, 3).await }
    });
    quiet().await;
    assert!(!waiting.is_finished());
    assert_eq!(stats_of(&bus, "slow").matched, 2);

    door.let_through(1);
    let receipt = waiting.await.expect("no panic").expect("it got in");
    assert_eq!((receipt.matched, receipt.dropped), (Some(1), Some(vec![])));
    door.open();
    assert_eq!(seen.once_there_are(3).await, [Got(1), Got(2), Got(3)]);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn a_publisher_that_waited_in_vain_is_told_and_so_is_the_handler() {
    let (bus, door) = (Bus::in_memory(), Door::closed());
    let (_, seen) = slow(&bus, 1, Overflow::Block { timeout: Duration::from_secs(5) }, &door).await;
    publish(&bus, 1).await.expect("there is room");

    let before = tokio::time::Instant::now();
    let receipt = publish(&bus, 2).await.expect("a publish is ok though one mailbox dropped it");
    assert_eq!(before.elapsed(), Duration::from_secs(5));
    assert_eq!(receipt.matched, Some(1));
    assert_eq!(
        receipt.dropped.expect("the bus routes itself").iter().map(|name| &**name).collect::<Vec<_>>(),
        ["slow"]
    );
    assert_eq!(stats_of(&bus, "slow").dropped.block_timeout, 1);

    door.open();
    quiet().await;
    publish(&bus, 3).await.expect("there is room again");
    let seen = seen.once_there_are(3).await;
    assert_eq!(seen, [Got(1), Missed(1, DropReason::BlockTimeout), Got(3)]);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn publishers_that_wait_are_let_in_in_the_order_they_came() {
    let (bus, door) = (Bus::in_memory(), Door::closed());
    let (_, seen) = slow(&bus, 1, Overflow::default(), &door).await;
    let mut publishers = Vec::new();
    for n in 1..=5 {
        let bus = bus.clone();
        publishers.push(tokio::spawn(async move { publish(&bus, n).await.map(drop) }));
        quiet().await;
    }
    door.open();
    assert_eq!(seen.once_there_are(5).await, [Got(1), Got(2), Got(3), Got(4), Got(5)]);
    for publisher in publishers {
        publisher.await.expect("no panic").expect("it got in");
    }
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn others_get_the_event_while_the_publisher_waits_for_one() {
    let (bus, door) = (Bus::in_memory(), Door::closed());
    slow(&bus, 1, Overflow::default(), &door).await;
    let quick = Notes::new();
    let noted = quick.clone();
    bus.on("test.**")
        .handle(move |event: Delivery| {
            let noted = noted.clone();
            async move { noted.add(n(&event)) }
        })
        .await
        .expect("the options are right");
    publish(&bus, 1).await.expect("there is room");
    let waiting = tokio::spawn({
        let bus = bus.clone();
        async move { publish(&bus, 2).await }
    });
    assert_eq!(quick.once_there_are(2).await, [1, 2]);
    assert!(!waiting.is_finished());
    door.open();
    waiting.await.expect("no panic").expect("it got in");
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn rejecting_gives_the_event_back_and_nobody_gets_it() {
    let (bus, door) = (Bus::in_memory(), Door::closed());
    slow(&bus, 1, Overflow::Reject, &door).await;
    let other = Notes::new();
    let noted = other.clone();
    // Made later than the one that refuses, and earlier in no way: nobody gets what one refuses.
    bus.on("**")
        .name("other")
        .handle(move |event: Delivery| {
            let noted = noted.clone();
            async move { noted.add(n(&event)) }
        })
        .await
        .expect("the options are right");
    publish(&bus, 1).await.expect("there is room");
    let error = publish(&bus, 2).await.expect_err("there is no room");
    assert!(
        matches!(&error, PublishError::Full { subscription, .. } if &**subscription == "slow"),
        "{error}"
    );
    assert_eq!(n(error.event()), 2);
    quiet().await;
    assert_eq!(other.all(), [1]);
    assert_eq!(stats_of(&bus, "slow").matched, 1);
    assert_eq!(bus.stats().refused, 1);

    door.open();
    quiet().await;
    bus.publish(error.into_event()).await.expect("there is room again");
    assert_eq!(other.once_there_are(2).await, [1, 2]);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn one_full_mailbox_of_two_leaves_no_reservation_behind_in_the_other() {
    let (bus, door) = (Bus::in_memory(), Door::closed());
    let roomy = bus
        .on("test.**")
        .mailbox(1, Overflow::Reject)
        .handle(|_: Delivery| async {})
        .await
        .expect("the options are right");
    slow(&bus, 1, Overflow::Reject, &door).await;
    publish(&bus, 1).await.expect("there is room");
    quiet().await;
    for n in 2..=4 {
        assert!(matches!(publish(&bus, n).await, Err(PublishError::Full { .. })));
    }
    assert_eq!((roomy.stats().matched, roomy.stats().pending()), (1, 0));
    door.open();
    quiet().await;
    publish(&bus, 5).await.expect("both have room");
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn the_newest_is_dropped_and_the_gap_told_behind_what_was_kept() {
    let (bus, door) = (Bus::in_memory(), Door::closed());
    let (_, seen) = slow(&bus, 2, Overflow::DropNewest, &door).await;
    for n in 1..=5 {
        let receipt = publish(&bus, n).await.expect("dropping is no error");
        assert_eq!(receipt.dropped.expect("the bus routes itself").len(), usize::from(n > 2), "event {n}");
    }
    door.open();
    quiet().await;
    publish(&bus, 6).await.expect("there is room again");
    let expected = [Got(1), Got(2), Missed(3, DropReason::Overflow), Got(6)];
    assert_eq!(seen.once_there_are(4).await, expected);
    assert_eq!(stats_of(&bus, "slow").dropped.overflow, 3);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn the_oldest_that_has_not_started_is_dropped_and_the_gap_told_in_its_place() {
    let (bus, door) = (Bus::in_memory(), Door::closed());
    let (_, seen) = slow(&bus, 3, Overflow::DropOldest, &door).await;
    publish(&bus, 1).await.expect("there is room");
    quiet().await;
    // Event 1 runs by now and cannot be dropped.
    for n in 2..=6 {
        publish(&bus, n).await.expect("dropping is no error");
    }
    door.open();
    assert_eq!(seen.once_there_are(4).await, [Got(1), Missed(3, DropReason::Overflow), Got(5), Got(6)]);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn where_all_that_is_inside_runs_the_new_event_is_the_oldest() {
    let (bus, door) = (Bus::in_memory(), Door::closed());
    let (_, seen) = slow(&bus, 1, Overflow::DropOldest, &door).await;
    publish(&bus, 1).await.expect("there is room");
    quiet().await;
    let receipt = publish(&bus, 2).await.expect("dropping is no error");
    assert_eq!(receipt.dropped.expect("the bus routes itself").len(), 1);
    door.open();
    assert_eq!(seen.once_there_are(2).await, [Got(1), Missed(1, DropReason::Overflow)]);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn room_is_counted_in_bytes_too_and_one_large_event_gets_in_alone() {
    let (bus, door) = (Bus::in_memory(), Door::closed());
    let large = |n| {
        let data = serde_json::json!({ "n": n, "padding": "x".repeat(1000) });
        Event::json("test.number", data).expect("the topic is one")
    };
    let (seen, passed) = (Notes::new(), door.clone());
    let noted = seen.clone();
    bus.on("test.**")
        .name("slow")
        .mailbox(100, Overflow::DropNewest)
        .mailbox_bytes(2_500)
        .handle(move |event: Delivery| {
            let (noted, door) = (noted.clone(), passed.clone());
            async move {
                noted.add(n(&event));
                door.pass().await;
            }
        })
        .await
        .expect("the options are right");
    for n in 1..=3 {
        bus.publish(large(n)).await.expect("dropping is no error");
    }
    assert_eq!(stats_of(&bus, "slow").dropped.overflow, 1);
    door.open();
    quiet().await;
    let huge = serde_json::json!({ "n": 9, "padding": "x".repeat(10_000) });
    bus.publish(Event::json("test.number", huge).expect("the topic is one")).await.expect("it is accepted");
    assert_eq!(seen.once_there_are(3).await, [1, 2, 9]);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn publishers_are_slowed_down_from_where_a_subscription_asks_for_it() {
    let (bus, door) = (Bus::in_memory(), Door::closed());
    let waits = door.clone();
    bus.on("test.**")
        .mailbox(10, Overflow::DropNewest)
        .slow_from(0.8, Duration::from_millis(100))
        .handle(move |_: Delivery| {
            let door = waits.clone();
            async move { door.pass().await }
        })
        .await
        .expect("the options are right");
    for n in 1..=11 {
        let before = tokio::time::Instant::now();
        publish(&bus, n).await.expect("dropping is no error");
        // At eight of ten it falls behind; what did not get in slows nobody down.
        let expected = if (8..=10).contains(&n) { 100 } else { 0 };
        assert_eq!(before.elapsed(), Duration::from_millis(expected), "event {n}");
    }
    // Dropped while it pauses, a publish has lost nothing.
    door.let_through(3);
    quiet().await;
    assert!(tokio::time::timeout(Duration::from_millis(10), publish(&bus, 12)).await.is_err());
    assert_eq!(bus.stats().subscriptions[0].pending(), 8);
    assert!(bus.on("a").slow_from(1.5, Duration::ZERO).handle(|_: Delivery| async {}).await.is_err());
    door.open();
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_delivered_while_it_runs_still_takes_its_room() {
    let (bus, door) = (Bus::in_memory(), Door::closed());
    slow(&bus, 2, Overflow::Reject, &door).await;
    for n in 1..=2 {
        publish(&bus, n).await.expect("there is room");
        quiet().await;
    }
    let stats = stats_of(&bus, "slow");
    assert_eq!((stats.running, stats.queued), (1, 1));
    assert!(matches!(publish(&bus, 3).await, Err(PublishError::Full { .. })));
    door.let_through(1);
    quiet().await;
    publish(&bus, 4).await.expect("one is finished");
    door.open();
    end(bus).await;
}
