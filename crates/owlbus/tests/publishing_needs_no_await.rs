//! Code that cannot await publishes all the same: `try_publish` never waits, and where `publish` would wait for room it
//! gives the event back and nobody got it; `publish_blocking` waits as `publish` does, and holds up its thread.

mod common;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

use common::{Door, Notes, assert_conserved, end, event, listen, n, number, quiet, stats_of};
use owlbus::{
    Bus, Delivery, Event, Overflow, Priority, PublishError, Received, SubscribeError, Subscription,
    handle::On,
};
use tokio::time::Instant;

const BLOCK: Overflow = Overflow::Block { timeout: Duration::from_secs(60) };

/// Ends the making of a subscription with a handler that notes the numbers and waits at the door.
async fn slow(on: On<'_>, door: &Door) -> (Subscription, Notes<u64>) {
    let (seen, noted) = Notes::pair();
    let door = door.clone();
    let handler = move |event: Delivery| {
        let (noted, door) = (noted.clone(), door.clone());
        async move {
            noted.add(n(&event));
            door.pass().await;
        }
    };
    (on.handle(handler).await.expect("the options are right"), seen)
}

fn is_full(result: Result<owlbus::Receipt, PublishError>, by: &str, given: &Event) {
    let error = result.expect_err("there is no room");
    assert!(matches!(&error, PublishError::Full { subscription, .. } if &**subscription == by), "{error}");
    assert_eq!((error.event().id(), n(&error.into_event())), (given.id(), n(given)));
}

#[tokio::test(start_paused = true)]
async fn where_there_is_room_it_is_a_publish_like_any_other() {
    let bus = Bus::in_memory();
    let seen = listen(&bus, "test.**").await;
    let first = bus.publish(number(1)).await.expect("there is room");
    let second = bus.try_publish(number(2)).expect("there is room");
    let third = bus.event(number(3)).key("a").priority(Priority::High).try_publish().expect("there is room");
    assert!(first.seq < second.seq && second.seq < third.seq);
    assert_eq!((second.matched, &second.dropped, second.unfinished.len()), (Some(1), &Some(vec![]), 0));
    let seen = seen.once_there_are(3).await;
    assert_eq!(seen.iter().map(Event::id).filter(|id| *id == second.id).count(), 1);
    assert!(seen.iter().all(|event| !event.source().is_empty()));
    // What is wrong is refused as anywhere else.
    let wrong = bus.event(number(4)).key("").try_publish();
    assert!(matches!(wrong, Err(PublishError::Rejected { .. })));
    let wrong = bus.event(number(5)).topic("a..b").publish_blocking();
    assert!(matches!(wrong, Err(PublishError::Rejected { .. })));
    assert_eq!((bus.stats().accepted, bus.stats().refused), (3, 2));
    end(bus.clone()).await;
    assert!(matches!(bus.try_publish(number(6)), Err(PublishError::Closed { .. })));
    assert!(matches!(bus.publish_blocking(number(7)), Err(PublishError::Closed { .. })));
}

#[tokio::test(start_paused = true)]
async fn where_one_mailbox_is_full_the_event_comes_back_and_nobody_got_it() {
    for overflow in [BLOCK, Overflow::Reject] {
        let (bus, door) = (Bus::in_memory(), Door::closed());
        // Asked before and after the one that is full, and of every kind.
        let asked = Arc::new(AtomicU64::new(0));
        let asks = asked.clone();
        let count = move |_: &Event| asks.fetch_add(1, SeqCst) < u64::MAX;
        let inline = Notes::new();
        let noted = inline.clone();
        bus.on("test.**").inline(move |event: &Event| noted.add(n(event))).await.expect("it is right");
        let roomy = bus.on("test.**").name("roomy").priority(5).mailbox(1, overflow).filter(count);
        let (_, roomy) = slow(roomy, &Door::opened()).await;
        let once = bus.on("test.**").name("once").filter(|event| n(event) > 1).once();
        let (once, first) = slow(once, &Door::opened()).await;
        slow(bus.on("test.**").name("full").mailbox(1, overflow), &door).await;
        let (_, late) = slow(bus.on("test.**").name("late").mailbox(1, overflow), &Door::opened()).await;
        let mut stream = bus.on("test.**").name("stream").stream().await.expect("the options are right");
        let publish = |n| bus.try_publish(event("test.lane", n));
        publish(1).expect("there is room");
        quiet().await;
        for number in 2..=4 {
            let given = event("test.lane", number);
            is_full(bus.try_publish(given.clone()), "full", &given);
            quiet().await;
        }
        assert_eq!((inline.all(), roomy.all(), first.all(), late.all()), (vec![1], vec![1], vec![], vec![1]));
        assert_eq!((bus.stats().accepted, bus.stats().refused), (1, 3));
        let matched: Vec<u64> = bus.stats().subscriptions.iter().map(|one| one.matched).collect();
        assert_eq!(matched, [1, 1, 0, 1, 1, 1], "inline, roomy, once, full, late, stream");
        assert_eq!(asked.load(SeqCst), 4, "a filter is asked once a publish");
        // The claim and the places were given back.
        door.open();
        quiet().await;
        publish(5).expect("there is room again");
        quiet().await;
        assert_eq!((roomy.all(), first.all(), late.all()), (vec![1, 5], vec![5], vec![1, 5]));
        assert_eq!((once.stats().matched, once.stats().done), (1, 1));
        for expected in [1, 5] {
            let received = stream.next().await.and_then(Received::into_event).expect("an event came");
            assert_eq!(n(&received), expected);
        }
        drop(stream);
        end(bus).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_nobody_got_is_counted_nowhere_but_as_refused() {
    for overflow in [BLOCK, Overflow::Reject] {
        let (bus, door) = (Bus::in_memory(), Door::closed());
        bus.on("test.**")
            .filter(|_| panic!("filters may"))
            .handle(|_: Delivery| async {})
            .await
            .expect("it is right");
        slow(bus.on("test.**").name("full").mailbox(1, overflow), &door).await;
        let panics = |bus: &Bus| bus.stats().subscriptions[0].clone();
        bus.try_publish(number(1)).expect("there is room");
        assert_eq!((panics(&bus).matched, panics(&bus).skipped), (1, 1));
        for n in 2..=3 {
            bus.try_publish(number(n)).expect_err("there is no room");
        }
        assert_eq!((panics(&bus).matched, panics(&bus).skipped, bus.stats().accepted), (1, 1, 1));
        door.open();
        end(bus).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_published_is_not_missed_for_a_claim_that_came_to_nothing() {
    let (bus, door) = (Bus::in_memory(), Door::closed());
    let (once, seen) = slow(bus.on("test.**").once(), &Door::opened()).await;
    let inside = bus.clone();
    // While the event it is asked about is on its way, another one is published: by a thread beside, or as here.
    let publishes = move |event: &Event| {
        if event.topic() == "test.full" {
            inside.try_publish(common::event("test.other", 2)).expect("nobody refuses this one");
        }
        true
    };
    let full = bus.on(["test.full", "fill"]).name("full").mailbox(1, Overflow::Reject).filter(publishes);
    slow(full, &door).await;
    bus.try_publish(event("fill", 0)).expect("there is room");
    let given = event("test.full", 1);
    is_full(bus.try_publish(given.clone()), "full", &given);
    quiet().await;
    assert_eq!((seen.all(), once.stats().done), (vec![2], 1), "1 was refused, so 2 is the first one");
    door.open();
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn mailboxes_that_drop_do_so_and_those_that_slow_down_do_not() {
    let (bus, door) = (Bus::in_memory(), Door::closed());
    let newest = bus.on("test.**").name("newest").mailbox(2, Overflow::DropNewest);
    let (_, newest) = slow(newest.slow_from(0.1, Duration::from_secs(9)), &door).await;
    let (_, oldest) = slow(bus.on("test.**").name("oldest").mailbox(2, Overflow::DropOldest), &door).await;
    let before = Instant::now();
    for n in 1..=4 {
        let receipt = bus.try_publish(number(n)).expect("dropping is no error");
        assert_eq!(receipt.dropped.expect("the bus routes itself").len(), if n > 2 { 2 } else { 0 });
    }
    door.open();
    quiet().await;
    assert_eq!((newest.all(), oldest.all(), before.elapsed()), (vec![1, 2], vec![3, 4], Duration::ZERO));
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn nobody_who_waits_for_room_is_overtaken() {
    let (bus, door) = (Bus::in_memory(), Door::closed());
    let large = |n: u64| {
        Event::json("test.large", serde_json::json!({ "n": n, "padding": "x".repeat(4_000) }))
            .expect("it is right")
    };
    let on = bus.on("test.**").name("full").mailbox(100, BLOCK).mailbox_bytes(6_000);
    let (_, seen) = slow(on, &door).await;
    bus.try_publish(large(1)).expect("there is room");
    let waits = tokio::spawn({
        let (bus, event) = (bus.clone(), large(2));
        async move { bus.publish(event).await }
    });
    quiet().await;
    // There is room for a small one, but not before the large one that came first.
    let small = event("test.small", 3);
    is_full(bus.try_publish(small.clone()), "full", &small);
    door.open();
    waits.await.expect("no panic").expect("it got in");
    bus.try_publish(small).expect("nobody waits any more");
    assert_eq!(seen.once_there_are(3).await, [1, 2, 3]);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn the_first_attempts_at_an_urgent_event_go_on_and_are_named() {
    let (bus, door) = (Bus::in_memory(), Door::closed());
    bus.on("test.**").name("inline").inline(|_: &Event| {}).await.expect("the options are right");
    bus.on("test.**")
        .name("filters")
        .filter(|_| false)
        .handle(|_: Delivery| async {})
        .await
        .expect("it is right");
    let (_, seen) = slow(bus.on("test.**").name("second"), &door).await;
    slow(bus.on("test.**").name("first").priority(1), &door).await;
    let before = Instant::now();
    let receipt = bus.event(number(1)).priority(Priority::Immediate).try_publish().expect("there is room");
    let names: Vec<&str> = receipt.unfinished.iter().map(|name| &**name).collect();
    assert_eq!(
        (names, receipt.matched, before.elapsed()),
        (vec!["first", "second"], Some(3), Duration::ZERO)
    );
    door.open();
    assert_eq!(seen.once_there_are(1).await, [1]);
    end(bus).await;
}

#[test]
fn a_program_without_a_runtime_has_inline_handlers_and_both_ways_to_publish() {
    let bus = Bus::in_memory();
    let seen = Notes::new();
    let noted = seen.clone();
    let subscription =
        bus.on("test.**").inline_now(move |event: &Event| noted.add(n(event))).expect("it is right");
    bus.try_publish(number(1)).expect("it is accepted");
    bus.publish_blocking(number(2)).expect("it is accepted");
    bus.event(number(3)).priority(Priority::Immediate).publish_blocking().expect("it is accepted");
    assert_eq!((seen.all(), subscription.stats().done), (vec![1, 2, 3], 3));
    // Handlers with workers have nowhere to run.
    let handler = |_: Delivery| async {};
    let refused = [
        bus.subscribe_now(handler),
        bus.once_now(handler),
        bus.on("test.**").handle_now(handler),
        bus.on("test.**").handle_blocking_now(|_: Delivery| {}),
    ];
    for refused in refused {
        assert_eq!(refused.map(drop), Err(SubscribeError::NoRuntime));
    }
    assert_eq!(bus.stats().subscriptions.len(), 1);
    assert_conserved(&bus);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn threads_outside_subscribe_and_publish_without_an_await() {
    let (bus, seen) = (Bus::in_memory(), Notes::new());
    let (outside, noted) = (bus.clone(), seen.clone());
    let subscription = thread::spawn(move || {
        let handler = move |number: Delivery<common::Number>| noted.add(number.n);
        let subscription = outside.on("test.**").name("blocks").handle_blocking_now(handler)?;
        for n in 1..=3 {
            outside.try_publish(number(n)).expect("there is room");
        }
        Ok::<_, SubscribeError>(subscription)
    });
    let subscription = subscription.join().expect("no panic").expect("the bus knows its runtime");
    assert_eq!(seen.once_there_are(3).await, [1, 2, 3]);
    assert_eq!(subscription.name(), "blocks");
    assert!(bus.shutdown().await.is_clean());
    assert_conserved(&bus);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn publishers_that_never_wait_share_the_room_exactly() {
    const ROOM: u64 = 4;
    for overflow in [BLOCK, Overflow::Reject] {
        let bus = Bus::in_memory();
        let (handled, others) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        for (name, count) in [("one", handled.clone()), ("two", others.clone())] {
            let handler = move |_: Delivery| {
                let count = count.clone();
                async move {
                    tokio::task::yield_now().await;
                    count.fetch_add(1, SeqCst);
                }
            };
            bus.on("test.**")
                .name(name)
                .mailbox(ROOM as usize, overflow)
                .handle(handler)
                .await
                .expect("it is right");
        }
        let publishers: Vec<_> = (0..3)
            .map(|_| {
                let bus = bus.clone();
                thread::spawn(move || {
                    let mut accepted = 0;
                    for n in 0..3_000 {
                        match bus.try_publish(number(n)) {
                            Ok(receipt) => {
                                assert_eq!((receipt.matched, receipt.dropped), (Some(2), Some(vec![])));
                                accepted += 1;
                            }
                            Err(error) => assert!(matches!(error, PublishError::Full { .. }), "{error}"),
                        }
                        assert!(stats_of(&bus, "one").pending() <= ROOM);
                    }
                    accepted
                })
            })
            .collect();
        let accepted = publishers.into_iter().map(|publisher| publisher.join().expect("no panic")).sum();
        assert!(bus.shutdown().await.is_clean());
        assert_eq!(
            (handled.load(SeqCst), others.load(SeqCst), bus.stats().accepted),
            (accepted, accepted, accepted)
        );
        assert_eq!(bus.stats().refused, 9_000 - accepted);
        assert_conserved(&bus);
    }
}
