//! A delivery waits for its retry. It keeps its place in the mailbox and needs no room to come back, nothing that came later
//! pushes it out, and however the subscription or the bus ends meanwhile, it is tried, counted and named, and nobody hangs.

mod common;

use std::time::Duration;

use common::{Door, Notes, assert_conserved, end, event, n, number, quiet, stats_of};
use owlbus::{
    Bus, Delivery, HandlerError, Outcome, Overflow, PublishError, Subscription,
    handle::{DropReason, On},
    settle::{ErrorKind, Retry, Settlement},
};
use tokio::time::advance;

const MILLI: Duration = Duration::from_millis(1);

/// A subscription whose first attempts fail below 10, and whose handler waits at the door from 10 on.
async fn flaky(on: On<'_>) -> (Subscription, Notes<(u64, u32)>, Door) {
    let ((seen, noted), door) = (Notes::pair(), Door::closed());
    let passes = door.clone();
    let handler = move |event: Delivery| {
        let (n, attempt, door) = (n(&event), event.attempt(), passes.clone());
        noted.add((n, attempt));
        async move {
            match n {
                10.. => door.pass().await,
                _ if attempt == 1 => return Err(HandlerError::temporary("not now")),
                _ => {}
            }
            Ok(())
        }
    };
    let on = on.timeout(None).retry(Retry::fixed(MILLI * 100));
    (on.handle(handler).await.expect("the options are right"), seen, door)
}

async fn publish(bus: &Bus, numbers: impl IntoIterator<Item = u64>) {
    for n in numbers {
        bus.publish(event("test.number", n)).await.expect("it is accepted");
    }
}

#[tokio::test(start_paused = true)]
async fn it_takes_up_room_and_needs_none_to_come_back() {
    let bus = Bus::in_memory();
    let (subscription, seen, door) = flaky(bus.on("test.*").mailbox(2, Overflow::Reject)).await;
    publish(&bus, [1]).await;
    quiet().await;
    publish(&bus, [10]).await;
    quiet().await;
    let stats = subscription.stats();
    assert_eq!((stats.waiting, stats.running, stats.pending()), (1, 1, 2));
    assert!(stats.bytes > 0 && stats.oldest.is_some());
    assert!(matches!(bus.publish(number(2)).await, Err(PublishError::Full { .. })));
    advance(MILLI * 200).await;
    door.open();
    assert_eq!(seen.once_there_are(3).await, [(1, 1), (10, 1), (1, 2)]);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn a_publisher_that_waits_for_room_gets_it_when_the_retry_went_well() {
    let bus = Bus::in_memory();
    let patience = Overflow::Block { timeout: Duration::from_secs(5) };
    let (_, seen, _) = flaky(bus.on("test.*").mailbox(1, patience)).await;
    publish(&bus, [1]).await;
    let receipt = bus.publish(number(2)).await.expect("it is accepted");
    assert_eq!(receipt.dropped, Some(Vec::new()));
    assert_eq!(seen.once_there_are(4).await, [(1, 1), (1, 2), (2, 1), (2, 2)]);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn drop_policies_take_what_has_not_started_and_never_what_was_tried() {
    for overflow in [Overflow::DropOldest, Overflow::DropNewest] {
        for by_key in [false, true] {
            let bus = Bus::in_memory();
            let on = bus.on("test.*").name("flaky").mailbox(3, overflow);
            let on = if by_key { on.ordered_by_key().concurrency(1) } else { on };
            let (_, seen, door) = flaky(on).await;
            for (n, key) in [(1, "a"), (2, "b")] {
                bus.event(event("test.number", n)).key(key).publish().await.expect("it is accepted");
            }
            quiet().await;
            for n in [10, 11, 12] {
                bus.event(event("test.number", n)).key("c").publish().await.expect("it is accepted");
                quiet().await;
            }
            let stats = stats_of(&bus, "flaky");
            assert_eq!((stats.waiting, stats.running, stats.dropped.overflow), (2, 1, 2), "{overflow:?}");
            assert_conserved(&bus);
            // Both are due; the handler is held up at the door with one of them let in.
            advance(MILLI * 200).await;
            door.open();
            assert_eq!(seen.once_there_are(5).await, [(1, 1), (2, 1), (10, 1), (1, 2), (2, 2)]);
            end(bus).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_due_and_has_no_worker_yet_is_not_dropped_either() {
    let (bus, door, seen) = (Bus::in_memory(), Door::closed(), Notes::new());
    let (passes, noted) = (door.clone(), seen.clone());
    let handler = move |event: Delivery| {
        let (n, attempt, door, noted) = (n(&event), event.attempt(), passes.clone(), noted.clone());
        async move {
            if attempt == 1 && n < 10 {
                return Outcome::Retry { after: None };
            }
            door.pass().await;
            noted.add(n);
            Outcome::Done
        }
    };
    let on = bus.on("test.*").name("flaky").timeout(None).mailbox(3, Overflow::DropOldest);
    on.retry(Retry::fixed(MILLI)).handle(handler).await.expect("the options are right");
    publish(&bus, [1, 2]).await;
    quiet().await;
    advance(MILLI * 10).await;
    quiet().await;
    publish(&bus, [10, 11, 12]).await;
    let stats = stats_of(&bus, "flaky");
    assert_eq!((stats.running, stats.pending(), stats.dropped.overflow), (1, 3, 2));
    door.open();
    assert_eq!(seen.once_there_are(3).await, [1, 2, 12]);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn unsubscribe_drops_it_and_counts_it() {
    for by_key in [false, true] {
        let bus = Bus::in_memory();
        let on = if by_key { bus.on("test.*").ordered_by_key() } else { bus.on("test.*") };
        let (subscription, seen, _) = flaky(on).await;
        let tracked = bus.event(number(1)).tracked().publish().await.expect("it is accepted");
        quiet().await;
        assert_eq!(subscription.unsubscribe(), 1);
        let settled = tracked.settled().await.expect("no loop");
        assert_eq!(settled[0].settlement, Settlement::Dropped { reason: DropReason::Unsubscribed });
        advance(Duration::from_secs(1)).await;
        quiet().await;
        assert_eq!(seen.all(), [(1, 1)]);
        let stats = subscription.stats();
        assert_eq!((stats.dropped.unsubscribed, stats.pending(), stats.bytes), (1, 0, 0));
        assert!(stats.is_conserved() && bus.dead_letters().is_empty());
        assert_eq!(bus.stats().bytes, 0);
        end(bus).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_fails_while_its_subscription_ends_is_not_tried_again_and_counted() {
    let (bus, told) = (Bus::builder(), Notes::new());
    let noted = told.clone();
    let bus = bus.on_error(move |failure| noted.add(failure.next)).build().expect("the settings are right");
    let handler = |event: Delivery| async move {
        event.unsubscribe();
        Err::<(), _>(HandlerError::temporary("not now"))
    };
    let on = bus.on("test.*").retry(Retry::fixed(MILLI));
    let subscription = on.handle(handler).await.expect("the options are right");
    let tracked = bus.event(number(1)).tracked().publish().await.expect("it is accepted");
    let settled = tracked.settled().await.expect("no loop");
    assert!(!matches!(settled[0].settlement, Settlement::Done | Settlement::Skipped));
    let stats = subscription.stats();
    assert_eq!((stats.done, stats.pending(), stats.dropped.unsubscribed + stats.dead), (0, 0, 1));
    let announced =
        told.all().iter().filter(|next| matches!(next, owlbus::settle::Next::Retry { .. })).count();
    assert_eq!(announced, 0, "nobody is told of a retry that will not be: {:?}", told.all());
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn the_last_attempt_of_an_ended_subscription_is_judged_by_its_own_rules() {
    let (bus, told) = (Bus::in_memory(), Notes::new());
    let noted = told.clone();
    let handler = |event: Delivery| async move {
        event.unsubscribe();
        Err::<(), HandlerError>(std::io::Error::other("never").into())
    };
    let on = bus.on("test.*").retry(Retry::fixed(MILLI)).classify(|_| ErrorKind::Permanent);
    let on = on.on_error(move |failure| noted.add(failure.attempt.kind));
    let subscription = on.handle(handler).await.expect("the options are right");
    publish(&bus, [1]).await;
    quiet().await;
    // This delivery is settled by what its handler says all the same.
    assert_eq!((subscription.stats().dead, bus.dead_letters().len()), (1, 1));
    assert_eq!(told.all(), [ErrorKind::Permanent]);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_waits_for_it() {
    for (by_key, workers) in [(false, 1), (false, 3), (true, 3)] {
        let bus = Bus::in_memory();
        let on = bus.on("test.*").concurrency(workers);
        let on = if by_key { on.ordered_by_key() } else { on };
        let (subscription, seen, _) = flaky(on).await;
        publish(&bus, [1, 2, 3]).await;
        quiet().await;
        let report = bus.shutdown_within(Duration::from_secs(1)).await;
        assert!(report.is_clean(), "{report:?}");
        assert_eq!((seen.all().len(), subscription.stats().done), (6, 3));
        assert_conserved(&bus);
    }
}

#[tokio::test(start_paused = true)]
async fn at_the_deadline_of_a_shutdown_it_is_named_and_nothing_hangs() {
    let bus = Bus::in_memory();
    let fails = |_: Delivery| async { Err::<(), _>(HandlerError::temporary("not now")) };
    let on = bus.on("test.*").name("flaky").retry(Retry::fixed(Duration::from_secs(60)));
    let subscription = on.handle(fails).await.expect("the options are right");
    let tracked = bus.event(number(1)).tracked().publish().await.expect("it is accepted");
    publish(&bus, [2]).await;
    quiet().await;
    let since = tokio::time::Instant::now();
    let report = bus.shutdown_within(Duration::from_secs(2)).await;
    assert_eq!(since.elapsed().as_secs(), 2);
    let undelivered: Vec<_> =
        report.undelivered.iter().map(|one| (&*one.subscription, n(&one.event))).collect();
    assert_eq!((undelivered, report.cancelled, report.failed), (vec![("flaky", 1), ("flaky", 2)], 0, 0));
    let settled = tracked.settled().await.expect("no loop");
    assert_eq!(settled[0].settlement, Settlement::Dropped { reason: DropReason::Shutdown });
    let stats = subscription.stats();
    assert_eq!((stats.dropped.shutdown, stats.pending()), (2, 0));
    assert!(stats.is_conserved());
}

#[tokio::test(start_paused = true)]
async fn the_last_handle_may_go_while_it_waits() {
    let bus = Bus::in_memory();
    let (subscription, seen, _) = flaky(bus.on("test.*")).await;
    publish(&bus, [1]).await;
    quiet().await;
    drop(bus);
    advance(Duration::from_secs(1)).await;
    quiet().await;
    assert_eq!(seen.all(), [(1, 1)]);
    assert!(subscription.stats().is_conserved());
    assert_eq!((subscription.stats().dropped.shutdown, subscription.stats().pending()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn its_retries_belong_to_the_one_event_that_claimed_a_once() {
    for workers in [1, 2] {
        let bus = Bus::in_memory();
        let (subscription, seen, _) = flaky(bus.on("test.*").once().concurrency(workers)).await;
        publish(&bus, [1, 2]).await;
        quiet().await;
        publish(&bus, [3]).await;
        assert_eq!(seen.once_there_are(2).await, [(1, 1), (1, 2)]);
        quiet().await;
        let stats = subscription.stats();
        assert_eq!((stats.matched, stats.done, bus.stats().subscriptions.len()), (1, 1, 0));
        end(bus).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_once_whose_retry_another_worker_has_is_not_ended_by_the_first() {
    let (bus, door, told) = (Bus::in_memory(), Door::closed(), Door::closed());
    let (passes, tells, seen) = (door.clone(), told.clone(), Notes::new());
    let noted = seen.clone();
    let handler = move |event: Delivery| {
        let (attempt, door) = (event.attempt(), passes.clone());
        noted.add(attempt);
        async move {
            match attempt {
                1 => return Err(HandlerError::temporary("not now")),
                2 => door.pass().await,
                _ => return Ok(()),
            }
            Err(HandlerError::temporary("not yet"))
        }
    };
    let on_error = move |_| {
        let told = tells.clone();
        async move { told.pass().await }
    };
    let on = bus.on("test.*").once().concurrency(2).retry(Retry::fixed(Duration::ZERO)).timeout(None);
    let subscription = on.on_error_async(on_error).handle(handler).await.expect("the options are right");
    publish(&bus, [1]).await;
    // The second attempt runs while the first worker still tells of the first.
    assert_eq!(seen.once_there_are(2).await, [1, 2]);
    told.open();
    quiet().await;
    door.open();
    quiet().await;
    assert_eq!((seen.all(), subscription.stats().done), (vec![1, 2, 3], 1), "{:?}", subscription.stats());
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn a_bus_that_was_paused_tries_again_like_any_other() {
    let bus = Bus::builder().paused().build().expect("the settings are right");
    let (subscription, seen, _) = flaky(bus.on("test.*")).await;
    publish(&bus, [1, 2]).await;
    quiet().await;
    assert_eq!(subscription.stats().queued, 2);
    bus.resume();
    assert_eq!(seen.once_there_are(4).await, [(1, 1), (2, 1), (1, 2), (2, 2)]);
    end(bus).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_is_lost_where_everything_fails_now_and_then() {
    let (bus, seen) = (Bus::in_memory(), Notes::new());
    for (name, by_key) in [("plain", false), ("keyed", true)] {
        let on = bus.on("test.*").name(name).concurrency(8).mailbox(64, Overflow::default());
        let on = if by_key { on.ordered_by_key() } else { on };
        let noted = seen.clone();
        let handler = move |event: Delivery| {
            let fails = event.attempt() < 1 + (n(&event) % 3) as u32;
            let noted = noted.clone();
            async move {
                tokio::task::yield_now().await;
                if fails {
                    return Err(HandlerError::temporary("not now"));
                }
                noted.add((by_key, n(&event)));
                Ok(())
            }
        };
        on.retry(Retry::fixed(MILLI)).handle(handler).await.expect("the options are right");
    }
    let publishers: Vec<_> = (0..4_u64)
        .map(|publisher| {
            let bus = bus.clone();
            tokio::spawn(async move {
                for n in 0..200 {
                    let event = bus.event(event("test.number", n * 4 + publisher)).key(publisher.to_string());
                    event.publish().await.expect("it is accepted");
                }
            })
        })
        .collect();
    for publisher in publishers {
        publisher.await.expect("no panic");
    }
    assert!(bus.shutdown().await.is_clean());
    assert_conserved(&bus);
    let seen = seen.all();
    assert_eq!(seen.len(), 1_600);
    for publisher in 0..4 {
        let own = seen.iter().filter(|(by_key, n)| *by_key && n % 4 == publisher).map(|(_, n)| *n);
        assert!(own.eq((0..200).map(|n| n * 4 + publisher)), "every key keeps its order across retries");
    }
}
