//! A bus ends: it accepts nothing more, lets handlers finish what waits, cancels those that do not come back, and
//! reports what was not delivered. It ends once, however many ask, and a publish that races the end is either
//! honoured or refused.

mod common;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use common::{Door, Notes, assert_conserved, end, n, number, quiet, stats_of};
use owlbus::{Bus, Delivery, Overflow, PublishError, SubscribeError};

#[tokio::test(start_paused = true)]
async fn what_waits_is_handled_before_the_end() {
    let (bus, seen) = (Bus::in_memory(), Notes::new());
    let noted = seen.clone();
    bus.on("test.**")
        .handle(move |event: Delivery| {
            let noted = noted.clone();
            async move {
                tokio::time::sleep(Duration::from_secs(1)).await; // sleeps: on the paused clock.
                noted.add(n(&event));
            }
        })
        .await
        .expect("the options are right");
    for n in 1..=10 {
        bus.publish(number(n)).await.expect("it is accepted");
    }
    let report = bus.shutdown().await;
    assert!(report.is_clean(), "{report:?}");
    assert_eq!(seen.all(), (1..=10).collect::<Vec<_>>());
    assert!(matches!(bus.publish(number(11)).await, Err(PublishError::Closed { .. })));
    let refused = bus.on("**").handle(|_: Delivery| async {}).await;
    assert_eq!(refused.map(drop), Err(SubscribeError::Closed));
    assert_eq!((bus.stats().accepted, bus.stats().refused), (10, 1));
    common::assert_conserved(&bus);
}

#[tokio::test(start_paused = true)]
async fn at_the_deadline_handlers_are_cancelled_and_the_rest_is_named() {
    let (bus, door) = (Bus::in_memory(), Door::closed());
    let never = door.clone();
    let subscription = bus
        .on("test.**")
        .name("stuck")
        .timeout(None)
        .handle(move |_: Delivery| {
            let never = never.clone();
            async move { never.pass().await }
        })
        .await
        .expect("the options are right");
    for n in 1..=4 {
        bus.publish(number(n)).await.expect("it is accepted");
    }
    quiet().await;
    let before = tokio::time::Instant::now();
    let report = bus.shutdown_within(Duration::from_secs(7)).await;
    assert_eq!(before.elapsed(), Duration::from_secs(7));
    assert_eq!(report.cancelled, 1);
    let undelivered = report.undelivered.iter().map(|one| (&*one.subscription, n(&one.event)));
    assert_eq!(undelivered.collect::<Vec<_>>(), [("stuck", 2), ("stuck", 3), ("stuck", 4)]);
    let stats = subscription.stats();
    assert_eq!((stats.matched, stats.dropped.shutdown, stats.pending()), (4, 4, 0));
    assert_eq!(bus.stats().bytes, 0);
    assert_conserved(&bus);
}

#[tokio::test(start_paused = true)]
async fn it_ends_once_and_everybody_gets_the_same_report() {
    let (bus, door) = (Bus::in_memory(), Door::closed());
    let never = door.clone();
    bus.on("test.**")
        .timeout(None)
        .handle(move |_: Delivery| {
            let never = never.clone();
            async move { never.pass().await }
        })
        .await
        .expect("the options are right");
    for n in 1..=3 {
        bus.publish(number(n)).await.expect("it is accepted");
    }
    quiet().await;
    let (first, second) = tokio::join!(bus.shutdown(), bus.shutdown_within(Duration::from_secs(900)));
    let third = bus.shutdown().await;
    for report in [first, second, third] {
        assert_eq!((report.undelivered.len(), report.cancelled), (2, 1));
    }
    common::assert_conserved(&bus);
}

#[tokio::test(start_paused = true)]
async fn whoever_asked_for_the_end_may_go_away() {
    let (bus, seen) = (Bus::in_memory(), Notes::new());
    let noted = seen.clone();
    bus.on("test.**")
        .handle(move |event: Delivery| {
            let noted = noted.clone();
            async move {
                tokio::time::sleep(Duration::from_secs(1)).await; // sleeps: on the paused clock.
                noted.add(n(&event));
            }
        })
        .await
        .expect("the options are right");
    bus.publish(number(1)).await.expect("it is accepted");
    let gave_up = tokio::time::timeout(Duration::from_millis(10), bus.shutdown()).await;
    assert!(gave_up.is_err());
    assert_eq!(seen.once_there_are(1).await, [1]);
    assert!(bus.shutdown().await.is_clean());
    common::assert_conserved(&bus);
}

#[tokio::test(start_paused = true)]
async fn a_publisher_that_waits_for_room_at_the_end_is_let_in_or_told() {
    let (bus, door) = (Bus::in_memory(), Door::closed());
    let waits = door.clone();
    let subscription = bus
        .on("test.**")
        .mailbox(1, Overflow::Block { timeout: Duration::from_secs(600) })
        .timeout(None)
        .handle(move |_: Delivery| {
            let door = waits.clone();
            async move { door.pass().await }
        })
        .await
        .expect("the options are right");
    bus.publish(number(1)).await.expect("there is room");
    let publishers: Vec<_> = (2..=3)
        .map(|n| {
            let bus = bus.clone();
            tokio::spawn(async move { bus.publish(number(n)).await })
        })
        .collect();
    quiet().await;
    let ending = tokio::spawn({
        let bus = bus.clone();
        async move { bus.shutdown_within(Duration::from_secs(60)).await }
    });
    quiet().await;
    // One gets through before the deadline, so one publisher is let in; the other is told.
    door.let_through(1);
    let report = ending.await.expect("no panic");
    let mut dropped = 0;
    for publisher in publishers {
        let receipt = publisher.await.expect("no panic").expect("it was accepted before the end");
        dropped += receipt.dropped.expect("the bus routes itself").len();
    }
    let stats = subscription.stats();
    assert_eq!((report.undelivered.len(), report.cancelled, dropped), (1, 1, 1));
    assert_eq!((stats.matched, stats.done, stats.dropped.shutdown), (3, 1, 2));
    assert_conserved(&bus);
}

#[tokio::test(start_paused = true)]
async fn a_paused_bus_holds_events_until_it_is_resumed() {
    let bus = Bus::builder().paused().build().expect("the settings are right");
    let seen = Notes::new();
    let noted = seen.clone();
    bus.on("test.**")
        .name("all")
        .handle(move |event: Delivery| {
            let noted = noted.clone();
            async move { noted.add(n(&event)) }
        })
        .await
        .expect("the options are right");
    for n in 1..=3 {
        bus.publish(number(n)).await.expect("it is accepted");
    }
    quiet().await;
    assert_eq!((seen.all().len(), stats_of(&bus, "all").queued), (0, 3));
    bus.resume();
    assert_eq!(seen.once_there_are(3).await, [1, 2, 3]);
    bus.resume();
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn a_paused_bus_ends_at_once_and_names_what_it_held() {
    let bus = Bus::builder().paused().build().expect("the settings are right");
    bus.on("test.**").handle(|_: Delivery| async {}).await.expect("the options are right");
    bus.publish(number(1)).await.expect("it is accepted");
    let before = tokio::time::Instant::now();
    let report = bus.shutdown().await;
    assert_eq!(before.elapsed(), Duration::ZERO);
    assert_eq!((report.undelivered.len(), report.cancelled), (1, 0));
    assert_conserved(&bus);
}

#[tokio::test(start_paused = true)]
async fn the_last_handle_dropped_closes_the_bus_and_running_handlers_end() {
    let (bus, door, seen) = (Bus::in_memory(), Door::closed(), Notes::new());
    let (waits, noted) = (door.clone(), seen.clone());
    let subscription = bus
        .on("test.**")
        .handle(move |event: Delivery| {
            let (door, noted) = (waits.clone(), noted.clone());
            async move {
                door.pass().await;
                assert!(event.bus().is_none(), "nobody holds the bus any more");
                noted.add(n(&event));
            }
        })
        .await
        .expect("the options are right");
    for n in 1..=3 {
        bus.publish(number(n)).await.expect("it is accepted");
    }
    quiet().await;
    drop(bus);
    door.open();
    assert_eq!(seen.once_there_are(1).await, [1]);
    quiet().await;
    let stats = subscription.stats();
    assert_eq!((stats.done, stats.dropped.shutdown, stats.pending()), (1, 2, 0));
    assert!(stats.is_conserved());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_publish_that_races_the_end_is_honoured_or_refused() {
    for round in 0..200 {
        let (bus, handled) = (Bus::in_memory(), Arc::new(AtomicU64::new(0)));
        let counted = handled.clone();
        bus.on("test.**")
            .mailbox(4, Overflow::default())
            .handle(move |_: Delivery| {
                let counted = counted.clone();
                async move { _ = counted.fetch_add(1, SeqCst) }
            })
            .await
            .expect("the options are right");
        let publishers: Vec<_> = (0..3)
            .map(|_| {
                let bus = bus.clone();
                tokio::spawn(async move {
                    let mut accepted = 0;
                    loop {
                        match bus.publish(number(1)).await {
                            Ok(_) => accepted += 1,
                            Err(PublishError::Closed { .. }) => return accepted,
                            Err(other) => panic!("{other}"),
                        }
                    }
                })
            })
            .collect();
        for _ in 0..round % 20 {
            tokio::task::yield_now().await;
        }
        assert!(bus.shutdown().await.is_clean());
        let mut accepted = 0;
        for publisher in publishers {
            accepted += publisher.await.expect("no panic");
        }
        assert_eq!(handled.load(SeqCst), accepted);
        assert_eq!(bus.stats().accepted, accepted);
        assert_conserved(&bus);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handler_that_blocks_its_thread_does_not_hang_the_end() {
    let (bus, entered, release) =
        (Bus::in_memory(), Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let (enters, released) = (entered.clone(), release.clone());
    bus.on("test.**")
        .handle(move |_: Delivery| {
            let (enters, released) = (enters.clone(), released.clone());
            async move {
                enters.store(true, SeqCst);
                while !released.load(SeqCst) {
                    std::thread::yield_now();
                }
            }
        })
        .await
        .expect("the options are right");
    bus.publish(number(1)).await.expect("it is accepted");
    while !entered.load(SeqCst) {
        tokio::task::yield_now().await;
    }
    let report = bus.shutdown_within(Duration::from_millis(10)).await;
    assert_eq!(report.cancelled, 1);
    assert_conserved(&bus);
    release.store(true, SeqCst);
}

#[tokio::test(start_paused = true)]
async fn streams_give_out_what_waits_for_them_before_the_end() {
    let bus = Bus::in_memory();
    let mut events = bus.on("test.**").stream().await.expect("the options are right");
    for n in 1..=10 {
        bus.publish(number(n)).await.expect("it is accepted");
    }
    let ending = tokio::spawn({
        let bus = bus.clone();
        async move { bus.shutdown().await }
    });
    quiet().await;
    assert!(!ending.is_finished());
    let mut seen = Vec::new();
    while let Some(received) = events.next().await {
        seen.push(n(&received.into_event().expect("nothing was missed")));
    }
    assert_eq!(seen, (1..=10).collect::<Vec<_>>());
    assert!(ending.await.expect("no panic").is_clean());
    assert_conserved(&bus);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_was_read_or_dropped_keeps_no_bus_from_ending() {
    for read in [true, false] {
        let bus = Bus::in_memory();
        let mut events = bus.on("test.**").stream().await.expect("the options are right");
        bus.publish(number(1)).await.expect("it is accepted");
        let before = tokio::time::Instant::now();
        let ending = tokio::spawn({
            let bus = bus.clone();
            async move { bus.shutdown().await }
        });
        quiet().await;
        if read {
            assert!(events.next().await.is_some());
            assert!(ending.await.expect("no panic").is_clean());
            assert!(events.next().await.is_none());
        } else {
            drop(events);
            ending.await.expect("no panic");
        }
        assert_eq!(before.elapsed(), Duration::ZERO);
        assert_conserved(&bus);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_nobody_reads_holds_the_end_up_to_the_deadline_and_is_named() {
    let bus = Bus::in_memory();
    let events = bus.on("test.**").name("unread").stream().await.expect("the options are right");
    bus.publish(number(1)).await.expect("it is accepted");
    let report = bus.shutdown_within(Duration::from_secs(3)).await;
    assert_eq!(report.undelivered.iter().map(|one| &*one.subscription).collect::<Vec<_>>(), ["unread"]);
    assert_eq!(events.subscription().stats().dropped.shutdown, 1);
    assert_conserved(&bus);
}

#[test]
fn a_bus_ends_without_a_runtime_too() {
    let bus = Bus::builder().paused().build().expect("the settings are right");
    // Any executor will do: nothing is left to wait for.
    let mut ending = std::pin::pin!(bus.shutdown());
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(ending.as_mut().poll(&mut cx).is_ready());
}

#[tokio::test(start_paused = true)]
async fn what_fails_while_the_bus_ends_is_counted_and_is_not_clean() {
    let bus = Bus::in_memory();
    bus.on("test.number")
        .handle(|number: Delivery<common::Number>| async move {
            let bus = number.bus().expect("somebody holds the bus");
            bus.publish(common::event("test.effect", number.n)).await?;
            Ok(())
        })
        .await
        .expect("the options are right");
    bus.publish(number(1)).await.expect("it is accepted");
    quiet().await;
    bus.publish(number(2)).await.expect("it is accepted");
    let report = bus.shutdown().await;
    assert_eq!((report.failed, report.undelivered.len(), report.cancelled), (1, 0, 0));
    assert!(!report.is_clean());
    assert_conserved(&bus);
}
