//! An attempt has its time. A handler that awaits is cancelled at its next await when the time is over; one that blocks is
//! left to its end, unheard, and keeps its worker and its key until then. Either way the attempt failed, and nothing else.

mod common;

use std::{
    sync::{Mutex, mpsc},
    thread,
    time::Duration,
};

use common::{Notes, assert_conserved, end, event, n, number, quiet, stats_of};
use owlbus::{
    Bus, Delivery, Event, HandlerError, Priority, SubscribeError,
    handle::{Band, TimedOut},
    settle::{DeadLetterQuery, ErrorKind, Retry, Settlement},
};
use tokio::time::{Instant, advance, sleep}; // sleeps: what holds up its thread, or waits on the paused clock, says so where it does.

const MILLI: Duration = Duration::from_millis(1);

/// How long it takes until an event whose handler never comes back is settled.
async fn settled_after(bus: &Bus) -> Duration {
    let since = Instant::now();
    let tracked = bus.event(number(1)).tracked().publish().await.expect("it is accepted");
    let settled = tracked.settled().await.expect("no loop");
    assert!(matches!(settled[0].settlement, Settlement::Dead { .. }), "{settled:?}");
    since.elapsed()
}

async fn never(_: Delivery) {
    std::future::pending().await
}

#[tokio::test(start_paused = true)]
async fn the_subscription_says_how_long_or_the_bus_or_five_seconds_it_is() {
    let bus = Bus::in_memory();
    bus.on("test.*").handle(never).await.expect("the options are right");
    assert_eq!(settled_after(&bus).await, Duration::from_secs(5));
    end(bus).await;

    let bus = Bus::builder().timeout(MILLI * 70).build().expect("the settings are right");
    let subscription = bus.on("test.*").handle(never).await.expect("the options are right");
    assert_eq!(settled_after(&bus).await, MILLI * 70);
    subscription.unsubscribe();
    bus.on("test.*").timeout(MILLI * 30).handle(never).await.expect("the options are right");
    assert_eq!(settled_after(&bus).await, MILLI * 30);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn without_a_limit_a_handler_takes_as_long_as_it_likes() {
    for (of_bus, of_subscription) in
        [(None, None), (Some(MILLI), Some(None)), (Some(MILLI), Some(Some(Duration::MAX)))]
    {
        let bus = Bus::builder().timeout(of_bus).build().expect("the settings are right");
        let on = bus.on("test.*").name("slow");
        let on = if let Some(limit) = of_subscription { on.timeout(limit) } else { on };
        on.handle(|_: Delivery| async { sleep(Duration::from_secs(3_600)).await }) // sleeps: on the paused clock.
            .await
            .expect("the options are right");
        bus.publish(number(1)).await.expect("it is accepted");
        quiet().await;
        advance(Duration::from_secs(3_601)).await;
        quiet().await;
        assert_eq!(stats_of(&bus, "slow").done, 1);
        end(bus).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_is_ready_in_time_notices_nothing() {
    let bus = Bus::in_memory();
    for (name, limit) in [("none", Duration::ZERO), ("exact", MILLI * 50)] {
        bus.on("test.*")
            .name(name)
            .timeout(limit)
            .handle(move |_: Delivery| async move {
                if limit > Duration::ZERO {
                    sleep(limit).await; // sleeps: on the paused clock.
                }
            })
            .await
            .expect("the options are right");
    }
    bus.publish(number(1)).await.expect("it is accepted");
    quiet().await;
    advance(MILLI * 50).await;
    quiet().await;
    assert_eq!((stats_of(&bus, "none").done, stats_of(&bus, "exact").done), (1, 1));
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn it_is_a_failed_attempt_like_any_other() {
    let (bus, told, gone) = (Bus::in_memory(), Notes::new(), Notes::new());
    let (noted, leaves) = (told.clone(), gone.clone());
    let since = Instant::now();
    bus.on("test.*")
        .name("slow")
        .timeout(MILLI * 40)
        .retry(Retry::fixed(MILLI * 10).max(3))
        .on_error(move |failure| {
            let timed_out = failure.error.source().downcast_ref::<TimedOut>().copied();
            noted.add((failure.attempt.number, failure.attempt.duration, failure.attempt.kind, timed_out));
        })
        .handle(move |event: Delivery| {
            let held = Held(event.attempt(), leaves.clone(), since);
            async move {
                let _held = held;
                if event.attempt() < 3 {
                    std::future::pending::<()>().await;
                }
            }
        })
        .await
        .expect("the options are right");
    let tracked = bus.event(number(1)).tracked().publish().await.expect("it is accepted");
    assert_eq!(tracked.settled().await.expect("no loop")[0].settlement, Settlement::Done);
    let limit = told.all()[0].3.expect("it took too long").limit;
    assert_eq!(limit, MILLI * 40);
    let timed_out = told.all()[0].3;
    assert_eq!(told.all(), [1, 2].map(|number| (number, MILLI * 40, ErrorKind::Temporary, timed_out)));
    // What the handler held is let go of at the limit, before the next attempt.
    assert_eq!(gone.all(), [(1, 40), (2, 90), (3, 100)]);
    end(bus).await;
}

/// Notes when it is let go of.
struct Held(u32, Notes<(u32, u64)>, Instant);

impl Drop for Held {
    fn drop(&mut self) {
        self.1.add((self.0, self.2.elapsed().as_millis() as u64));
    }
}

#[tokio::test(start_paused = true)]
async fn without_retries_it_is_a_dead_letter_that_says_so() {
    let bus = Bus::in_memory();
    bus.on("test.*").timeout(MILLI * 40).handle(never).await.expect("the options are right");
    settled_after(&bus).await;
    let letters = bus.dead_letters().list(&DeadLetterQuery::all());
    assert_eq!(letters[0].reason, "the handler took longer than 40ms");
    assert_eq!((letters[0].attempts.len(), letters[0].attempts[0].duration), (1, MILLI * 40));
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn the_next_event_and_every_other_subscription_go_on() {
    let bus = Bus::in_memory();
    let seen = common::listen(&bus, "test.*").await;
    bus.on("test.*")
        .name("slow")
        .timeout(MILLI * 40)
        .handle(|event: Delivery| async move {
            if n(&event) == 1 {
                std::future::pending::<()>().await;
            }
        })
        .await
        .expect("the options are right");
    for n in 1..=3 {
        bus.publish(number(n)).await.expect("it is accepted");
    }
    quiet().await;
    assert_eq!((seen.all().len(), stats_of(&bus, "slow").queued), (3, 2));
    advance(MILLI * 40).await;
    quiet().await;
    let stats = stats_of(&bus, "slow");
    assert_eq!((stats.dead, stats.done), (1, 2));
    end(bus).await;
}

/// Asserts where it must not.
struct DropsLoudly;

impl Drop for DropsLoudly {
    fn drop(&mut self) {
        if !thread::panicking() {
            panic!("not without a word");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_panics_when_it_is_cancelled_has_failed_and_no_more() {
    let bus = Bus::in_memory();
    bus.on("test.*")
        .name("loud")
        .timeout(MILLI * 40)
        .handle(|event: Delivery| async move {
            if n(&event) == 1 {
                let _held = DropsLoudly;
                std::future::pending::<()>().await;
            }
        })
        .await
        .expect("the options are right");
    bus.publish(number(1)).await.expect("it is accepted");
    bus.publish(number(2)).await.expect("it is accepted");
    quiet().await;
    advance(MILLI * 50).await;
    quiet().await;
    let stats = stats_of(&bus, "loud");
    assert_eq!((stats.dead, stats.done), (1, 1), "{stats:?}");
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_for_a_first_attempt_waits_no_longer_than_it_may_take() {
    let (bus, since, low) = (Bus::in_memory(), Instant::now(), Notes::new());
    let noted = low.clone();
    let on =
        bus.on("test.*").priority(Band::HIGH).timeout(MILLI * 40).retry(Retry::fixed(Duration::from_secs(9)));
    on.handle(never).await.expect("the options are right");
    bus.on("test.*")
        .handle(move |_: Delivery| {
            noted.add(since.elapsed());
            async {}
        })
        .await
        .expect("the options are right");
    let receipt = bus.event(number(1)).priority(Priority::Immediate).publish().await.expect("it is accepted");
    assert!(receipt.unfinished.is_empty());
    assert_eq!((since.elapsed(), low.all()), (MILLI * 40, vec![MILLI * 40]));
    bus.shutdown_within(MILLI).await;
    assert_conserved(&bus);
}

#[tokio::test]
async fn time_before_the_first_await_does_not_count_and_what_never_awaits_is_left_alone() {
    let mut dead = Vec::new();
    for (awaits, told) in [(false, false), (true, false), (true, true)] {
        let bus = Bus::in_memory();
        let on = bus.on("test.*").name("late").timeout(MILLI * 20);
        let on = if told { on.on_error(|_| {}) } else { on };
        on.handle(move |_: Delivery| async move {
            thread::sleep(MILLI * 40); // sleeps: a handler that holds up its thread does so in real time.
            if awaits {
                sleep(MILLI * 5).await; // sleeps: the same.
            }
        })
        .await
        .expect("the options are right");
        bus.publish(number(1)).await.expect("it is accepted");
        bus.shutdown().await;
        dead.push(stats_of(&bus, "late").dead);
        assert_conserved(&bus);
    }
    assert_eq!(
        dead,
        [0, 0, 0],
        "it never awaits; it does, and nobody is told; it does, and somebody is told"
    );
}

/// A blocking handler that returns when it is freed, and what the test frees it by.
fn blocked(seen: Notes<(u64, u32)>) -> (impl Fn(Delivery) + Send + Sync + 'static, mpsc::Sender<()>) {
    let (free, held) = mpsc::channel::<()>();
    let held = Mutex::new(held);
    let handler = move |event: Delivery| {
        seen.add((n(&event), event.attempt()));
        if n(&event) == 1 && event.attempt() == 1 {
            held.lock().expect("nobody panics").recv().expect("the test frees it");
        }
    };
    (handler, free)
}

#[tokio::test(start_paused = true)]
async fn a_blocking_handler_that_overran_keeps_its_worker_and_key_until_it_returns() {
    for by_key in [false, true] {
        let (bus, seen) = (Bus::in_memory(), Notes::new());
        let (handler, free) = blocked(seen.clone());
        let on = bus.on("test.*").name("blocks").timeout(MILLI * 20).retry(Retry::fixed(MILLI * 10));
        let on = if by_key { on.ordered_by_key() } else { on };
        on.handle_blocking(handler).await.expect("the options are right");
        let tracked = bus.event(number(1)).tracked().publish().await.expect("it is accepted");
        bus.publish(number(2)).await.expect("it is accepted");
        seen.once_there_are(1).await;
        advance(Duration::from_secs(1)).await;
        quiet().await;
        let stats = stats_of(&bus, "blocks");
        assert_eq!((stats.running, stats.queued, stats.waiting), (1, 1, 0));
        free.send(()).expect("the handler waits");
        let settled = tracked.settled().await.expect("no loop");
        assert_eq!(settled[0].settlement, Settlement::Done);
        // What it said when it returned was not heard: it is tried again. By key the other waits for that.
        let order = if by_key { [(1, 1), (1, 2), (2, 1)] } else { [(1, 1), (2, 1), (1, 2)] };
        assert_eq!(seen.once_there_are(3).await, order);
        end(bus).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_blocking_handler_that_overran_and_panicked_took_too_long() {
    let (bus, told) = (Bus::in_memory(), Notes::new());
    let (free, held) = mpsc::channel::<()>();
    let (held, noted, seen) = (Mutex::new(held), told.clone(), Notes::new());
    let comes = seen.clone();
    bus.on("test.*")
        .timeout(MILLI * 20)
        .on_error(move |failure| noted.add((failure.attempt.errors.join(": "), failure.attempt.duration)))
        .handle_blocking(move |_: Delivery| -> Result<(), HandlerError> {
            comes.add(());
            held.lock().expect("nobody panics").recv().expect("the test frees it");
            panic!("too late to be heard")
        })
        .await
        .expect("the options are right");
    bus.publish(number(1)).await.expect("it is accepted");
    seen.once_there_are(1).await;
    advance(MILLI * 50).await;
    quiet().await;
    free.send(()).expect("the handler waits");
    assert_eq!(told.once_there_are(1).await, [("the handler took longer than 20ms".to_string(), MILLI * 50)]);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn an_unsubscribe_and_a_shutdown_do_not_wait_for_it() {
    let (bus, seen) = (Bus::in_memory(), Notes::new());
    let (handler, free) = blocked(seen.clone());
    let on = bus.on("test.*").timeout(MILLI * 20).retry(Retry::fixed(MILLI * 10));
    let subscription = on.handle_blocking(handler).await.expect("the options are right");
    bus.publish(event("test.number", 1)).await.expect("it is accepted");
    seen.once_there_are(1).await;
    advance(MILLI * 50).await;
    quiet().await;
    assert_eq!(subscription.unsubscribe(), 0);
    free.send(()).expect("the handler waits");
    while subscription.stats().running > 0 {
        tokio::task::yield_now().await;
    }
    let stats = subscription.stats();
    // Nobody is there to try it again, so it can be sent again.
    assert_eq!((stats.dead, bus.dead_letters().len(), seen.all().len()), (1, 1, 1));
    assert!(stats.is_conserved());
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn what_has_no_attempts_of_its_own_takes_no_limit() {
    let bus = Bus::in_memory();
    let refused = bus.on("test.*").timeout(MILLI).inline(|_: &Event| {}).await;
    assert!(matches!(refused, Err(SubscribeError::Config(_))));
    assert!(matches!(bus.on("test.*").timeout(None).stream().await, Err(SubscribeError::Config(_))));
    end(bus).await;
}
