//! Every future of the bus may be dropped at any await: what it had done counts, what it had not is undone or counted
//! as lost, and nothing stays behind.

mod common;

use std::{
    future::Future,
    pin::pin,
    task::{Context, Waker},
    time::Duration,
};

use common::{Door, Notes, assert_conserved, end, event, n, number, quiet, stats_of};
use owlbus::{Bus, Delivery, Overflow, Received, handle::DropReason};

/// Polls a future that many times and drops it; says whether it was ready.
fn poll_and_drop<F: Future>(future: F, polls: usize) -> bool {
    let mut future = pin!(future);
    let mut cx = Context::from_waker(Waker::noop());
    (0..polls).any(|_| future.as_mut().poll(&mut cx).is_ready())
}

async fn slow(bus: &Bus, door: &Door, seen: &Notes<u64>, room: usize) {
    let (door, seen) = (door.clone(), seen.clone());
    let missed = seen.clone();
    bus.on("test.**")
        .name("slow")
        .mailbox(room, Overflow::Block { timeout: Duration::from_secs(60) })
        .on_gap(move |gap| {
            assert_eq!(gap.reason, DropReason::BlockTimeout);
            missed.add(1000 + gap.missed);
        })
        .handle(move |event: Delivery| {
            let (door, seen) = (door.clone(), seen.clone());
            async move {
                seen.add(n(&event));
                door.pass().await;
            }
        })
        .await
        .expect("the options are right");
}

#[tokio::test(start_paused = true)]
async fn a_publish_that_was_never_polled_published_nothing() {
    let (bus, door, seen) = (Bus::in_memory(), Door::closed(), Notes::new());
    slow(&bus, &door, &seen, 1).await;
    drop(bus.publish(number(1)));
    assert_eq!((bus.stats().accepted, stats_of(&bus, "slow").matched), (0, 0));
    door.open();
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn a_publish_dropped_while_it_waits_counts_as_timed_out() {
    for polls in 1..=4 {
        let (bus, door, seen) = (Bus::in_memory(), Door::closed(), Notes::new());
        slow(&bus, &door, &seen, 1).await;
        bus.publish(number(1)).await.expect("there is room");
        quiet().await;
        assert!(!poll_and_drop(bus.publish(number(2)), polls));
        let stats = stats_of(&bus, "slow");
        assert_eq!((stats.matched, stats.dropped.block_timeout, stats.running), (2, 1, 1), "{polls} polls");
        assert_conserved(&bus);

        // The place it stood in is free for others.
        door.open();
        quiet().await;
        bus.publish(number(3)).await.expect("there is room again");
        assert_eq!(seen.once_there_are(3).await, [1, 1001, 3]);
        end(bus).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_publish_dropped_when_it_was_let_in_is_delivered_all_the_same() {
    let (bus, door, seen) = (Bus::in_memory(), Door::closed(), Notes::new());
    slow(&bus, &door, &seen, 1).await;
    bus.publish(number(1)).await.expect("there is room");
    {
        let mut waiting = pin!(bus.publish(number(2)));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(waiting.as_mut().poll(&mut cx).is_pending());
        door.let_through(1);
        quiet().await;
        // It is inside by now, and nobody polled it since.
    }
    assert_eq!(seen.once_there_are(2).await, [1, 2]);
    assert_eq!(stats_of(&bus, "slow").dropped.total(), 0);
    door.open();
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn a_batch_dropped_while_it_waits_leaves_the_rest_unpublished() {
    let (bus, door, seen) = (Bus::in_memory(), Door::closed(), Notes::new());
    slow(&bus, &door, &seen, 2).await;
    assert!(!poll_and_drop(bus.publish_batch((1..=5).map(number)), 1));
    let stats = stats_of(&bus, "slow");
    assert_eq!((stats.matched, stats.dropped.block_timeout, bus.stats().accepted), (3, 1, 3));
    door.open();
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn a_publish_through_the_builder_is_no_different() {
    let (bus, door, seen) = (Bus::in_memory(), Door::closed(), Notes::new());
    slow(&bus, &door, &seen, 1).await;
    drop(bus.event(number(9)).publish());
    bus.publish(number(1)).await.expect("there is room");
    assert!(!poll_and_drop(bus.event(number(2)).key("a").publish(), 1));
    assert_eq!(stats_of(&bus, "slow").dropped.block_timeout, 1);
    door.open();
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn a_next_that_was_dropped_has_taken_nothing() {
    let bus = Bus::in_memory();
    let mut events = bus.on("test.**").stream().await.expect("the options are right");
    for round in 1..=3 {
        assert!(!poll_and_drop(events.next(), 2));
        bus.publish(number(round)).await.expect("it is accepted");
        // Ready, and dropped before it was looked at: the event stays.
        drop(events.next());
        let received = events.next().await.and_then(Received::into_event).expect("an event came");
        assert_eq!(n(&received), round);
    }
    events.done();
    assert_eq!(events.subscription().stats().done, 3);
    drop(events);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn subscribing_is_all_or_nothing() {
    let bus = Bus::in_memory();
    drop(bus.on("test.**").handle(|_: Delivery| async {}));
    drop(bus.subscribe(|_: Delivery| async {}));
    drop(bus.once(|_: Delivery| async {}));
    drop(bus.on("test.**").stream());
    assert!(bus.stats().subscriptions.is_empty());
    // Ready at the first poll, and the stream dropped with the future's result: it ends like any stream.
    assert!(poll_and_drop(bus.on("test.**").stream(), 1));
    assert!(bus.stats().subscriptions.is_empty());
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn a_runtime_that_goes_away_takes_nothing_uncounted() {
    let (bus, subscription) = std::thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let (bus, door, seen) = (Bus::in_memory(), Door::closed(), Notes::new());
            slow(&bus, &door, &seen, 10).await;
            let other = bus.on("other").handle(|_: Delivery| async {}).await.expect("the options are right");
            for n in 1..=3 {
                bus.publish(event("test.number", n)).await.expect("there is room");
            }
            quiet().await;
            (bus, other)
        })
        // The runtime ends here, and the handler with it.
    })
    .join()
    .expect("no panic");
    let stats = stats_of(&bus, "slow");
    assert_eq!((stats.matched, stats.running, stats.queued, stats.dropped.shutdown), (3, 0, 2, 1));
    assert!(subscription.stats().is_conserved());
    assert_conserved(&bus);
    let report = bus.shutdown().await;
    assert_eq!(report.undelivered.len(), 2);
    assert_conserved(&bus);
}

/// Polls a future that many times, with some time between, and drops it. Says after how many polls it was ready.
async fn poll_over_time<F: Future>(future: F, polls: usize) -> Option<usize> {
    let mut future = pin!(future);
    for poll in 1..=polls {
        let mut cx = Context::from_waker(Waker::noop());
        if future.as_mut().poll(&mut cx).is_ready() {
            return Some(poll);
        }
        tokio::time::advance(Duration::from_millis(20)).await;
        quiet().await;
    }
    None
}

/// Drops what `make` gives after 0 polls, 1 poll, and so on, until it is ready, and looks at the bus each time.
async fn at_every_poll<F: Future>(make: impl Fn(Bus) -> F, look: impl Fn(&Bus, usize, bool)) {
    for polls in 0.. {
        let (bus, door, seen) = (Bus::in_memory(), Door::closed(), Notes::new());
        let waits = door.clone();
        bus.on("test.**")
            .name("slow")
            .mailbox(1, Overflow::Block { timeout: Duration::from_millis(50) })
            .slow_from(1.0, Duration::from_millis(50))
            .handle(move |event: Delivery| {
                let (door, seen) = (waits.clone(), seen.clone());
                async move {
                    seen.add(n(&event));
                    door.pass().await;
                }
            })
            .await
            .expect("the options are right");
        let ready = poll_over_time(make(bus.clone()), polls).await;
        quiet().await;
        look(&bus, polls, ready.is_some());
        assert_conserved(&bus);
        door.open();
        end(bus).await;
        if ready.is_some() {
            assert!(polls > 1, "it was ready at once, so nothing was swept");
            return;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_publish_that_pauses_is_inside_from_its_first_poll_on() {
    at_every_poll(
        |bus| async move { bus.publish(number(1)).await.map(drop) },
        |bus, polls, _| {
            let stats = stats_of(bus, "slow");
            assert_eq!((stats.matched, stats.dropped.total()), (u64::from(polls > 0), 0), "{polls} polls");
        },
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn publishes_in_a_row_are_each_done_lost_and_counted_or_not_begun() {
    let sweep = |bus: &Bus, polls: usize, ready: bool| {
        let stats = stats_of(bus, "slow");
        // The first is inside and pauses its publisher; the second waits for room in vain, dropped or not.
        assert_eq!(stats.matched, bus.stats().accepted, "{polls} polls");
        assert_eq!(stats.dropped.block_timeout, stats.matched.saturating_sub(1), "{polls} polls");
        assert!(!ready || stats.matched == 2);
    };
    at_every_poll(|bus| async move { bus.publish_batch([number(1), number(2)]).await.len() }, sweep).await;
    at_every_poll(
        |bus| async move {
            bus.event(number(1)).publish().await.expect("it is accepted");
            bus.event(number(2)).publish().await.expect("it is accepted")
        },
        sweep,
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_goes_on_wherever_it_is_dropped() {
    at_every_poll(
        |bus| async move {
            bus.publish_batch([number(1)]).await;
            bus.shutdown_within(Duration::from_millis(50)).await
        },
        |bus, _, ready| assert!(!ready || bus.stats().bytes == 0),
    )
    .await;
}
