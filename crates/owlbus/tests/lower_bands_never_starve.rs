//! A subscription of a lower priority waits for those above it to start on an event for a second after it was published,
//! or as long as it says, however far behind they are. Whoever has started by then is waited for. What started without
//! them is counted, and the end of the bus waits no longer than anything else does.

mod common;

use std::time::Duration;

use common::{Door, Notes, assert_conserved, end, event, n, number, quiet, stats_of};
use owlbus::{Bus, Delivery, Overflow, Priority, Subscription, handle::On};
use tokio::time::{Instant, advance, sleep, timeout}; // sleeps: on the paused clock only, in handlers and between steps.

const SECOND: Duration = Duration::from_secs(1);

/// Longer than any test.
const NEVER: Duration = Duration::from_secs(1_000_000);

/// Ends the making of a subscription with a handler that notes each event and how long after the start of the test it
/// began, and waits at the door.
async fn timed(on: On<'_>, door: &Door) -> (Subscription, Notes<(u64, Duration)>) {
    let (seen, noted) = Notes::pair();
    let (door, zero) = (door.clone(), Instant::now());
    let handler = move |event: Delivery| {
        let (noted, door) = (noted.clone(), door.clone());
        async move {
            noted.add((n(&event), zero.elapsed()));
            door.pass().await;
        }
    };
    (on.handle(handler).await.expect("the options are right"), seen)
}

/// A bus with a subscription `high` that is stuck in an event of another topic.
async fn busy() -> (Bus, Door) {
    let (bus, door) = (common::patient_bus(), Door::closed());
    timed(bus.on(["test.**", "busy"]).name("high").priority(5), &door).await;
    bus.publish(event("busy", 0)).await.expect("it is accepted");
    quiet().await;
    (bus, door)
}

#[tokio::test(start_paused = true)]
async fn who_has_not_started_is_waited_for_so_long_and_the_rest_is_counted() {
    let millis = Duration::from_millis;
    for (wait, expected) in [
        (None, SECOND),
        (Some(millis(30)), millis(30)),
        (Some(Duration::ZERO), Duration::ZERO),
        (Some(NEVER), NEVER),
    ] {
        let (bus, door) = busy().await;
        let on = bus.on("test.**").name("low");
        let on = if let Some(wait) = wait { on.band_wait(wait) } else { on };
        let (low, seen) = timed(on, &Door::opened()).await;
        bus.publish(number(1)).await.expect("it is accepted");
        assert_eq!(seen.once_there_are(1).await, [(1, expected)]);
        quiet().await;
        assert_eq!((low.stats().band_timeouts, low.stats().done), (1, 1));
        door.open();
        quiet().await;
        bus.publish(number(2)).await.expect("it is accepted");
        seen.once_there_are(2).await;
        assert_eq!(low.stats().band_timeouts, 1, "`high` is free again");
        assert_eq!(stats_of(&bus, "high").band_timeouts, 0);
        end(bus).await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_longest_wait_there_is_is_a_long_one() {
    let (bus, door) = busy().await;
    let (low, seen) = timed(bus.on("test.**").band_wait(Duration::MAX), &Door::opened()).await;
    bus.publish(number(1)).await.expect("it is accepted");
    sleep(NEVER).await; // sleeps: on the paused clock.
    assert_eq!(seen.all(), []);
    door.open();
    seen.once_there_are(1).await;
    assert_eq!(low.stats().band_timeouts, 0);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn a_backlog_above_costs_a_second_in_all_while_it_is_stuck() {
    let (bus, door) = busy().await;
    let (low, seen) = timed(bus.on("test.**").name("low"), &Door::opened()).await;
    for n in 1..=10 {
        bus.publish(number(n)).await.expect("it is accepted");
    }
    advance(SECOND / 2).await;
    for n in 11..=20 {
        bus.publish(number(n)).await.expect("it is accepted");
    }
    let expected: Vec<_> = (1..=20).map(|n| (n, if n > 10 { SECOND * 3 / 2 } else { SECOND })).collect();
    assert_eq!(seen.once_there_are(20).await, expected);
    assert_eq!(low.stats().band_timeouts, 20);
    door.open();
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn a_backlog_above_costs_a_second_in_all_while_it_is_worked_off() {
    let (bus, took) = (common::patient_bus(), Duration::from_millis(300));
    let slow = move |_: Delivery| async move { sleep(took).await }; // sleeps: on the paused clock.
    bus.on("test.**").name("high").priority(5).handle(slow).await.expect("the options are right");
    let (low, seen) = timed(bus.on("test.**").name("low"), &Door::opened()).await;
    for n in 1..=20 {
        bus.publish(number(n)).await.expect("it is accepted");
    }
    let seen = seen.once_there_are(20).await;
    // The first three were through in time, the fourth had been started on; nobody had begun with the rest by then.
    let expected: Vec<_> = (1..=20).map(|n: u32| (n.into(), took * n.min(4))).collect();
    assert_eq!(seen, expected);
    assert_eq!(low.stats().band_timeouts, 16);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn a_flood_above_never_starves_those_below() {
    let (bus, took) = (common::patient_bus(), Duration::from_millis(100));
    let slow = move |_: Delivery| async move { sleep(took).await }; // sleeps: on the paused clock.
    let high = bus.on("test.**").name("high").priority(5).mailbox(10_000, Overflow::DropNewest);
    high.handle(slow).await.expect("the options are right");
    let zero = Instant::now();
    let (_, seen) = timed(bus.on("test.**").name("low"), &Door::opened()).await;
    // Ten times as many as it can handle, for 20 seconds.
    for n in 0..2_000 {
        bus.publish(number(n)).await.expect("it is accepted");
        sleep(took / 10).await; // sleeps: on the paused clock.
    }
    let behind = seen.all().last().map(|(n, _)| 2_000 - n);
    assert!(behind < Some(2_000 / 10), "{behind:?} behind after {:?}", zero.elapsed());
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn who_has_started_by_then_is_waited_for_as_long_as_it_takes() {
    let (bus, door) = busy().await;
    let (low, seen) = timed(bus.on("test.**").name("low"), &Door::opened()).await;
    bus.publish(number(1)).await.expect("it is accepted");
    advance(SECOND * 9 / 10).await;
    door.let_through(1);
    quiet().await;
    advance(SECOND * 100).await;
    quiet().await;
    assert_eq!(seen.all(), [], "`high` is at it");
    door.let_through(1);
    assert_eq!(seen.once_there_are(1).await, [(1, SECOND * 1009 / 10)]);
    assert_eq!(low.stats().band_timeouts, 0);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn several_above_are_waited_for_each_by_its_own_state() {
    let (bus, door) = busy().await;
    // One that is busy, one that takes three seconds, one that was never read.
    let slow = |_: Delivery| async { sleep(SECOND * 3).await }; // sleeps: on the paused clock.
    bus.on("test.**").priority(4).handle(slow).await.expect("the options are right");
    let unread = bus.on("test.**").priority(3).stream().await.expect("the options are right");
    let (low, seen) = timed(bus.on("test.**").name("low").band_wait(SECOND * 2), &Door::opened()).await;
    let (last, last_seen) =
        timed(bus.on("test.**").priority(-1).band_wait(SECOND / 2), &Door::opened()).await;
    bus.publish(number(1)).await.expect("it is accepted");
    // The second band starts after a second, for it has the default, and ends three seconds later.
    assert_eq!(seen.once_there_are(1).await, [(1, SECOND * 4)]);
    assert_eq!(last_seen.once_there_are(1).await[0].0, 1);
    assert_eq!((low.stats().band_timeouts, last.stats().band_timeouts), (1, 1));
    drop(unread);
    door.open();
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn on_a_bus_that_is_held_the_wait_begins_when_it_is_resumed() {
    let bus = Bus::builder().timeout(None).paused().build().expect("the settings are right");
    let door = Door::closed();
    timed(bus.on(["test.**", "busy"]).name("high").priority(5), &door).await;
    let (low, seen) = timed(bus.on("test.**").name("low"), &Door::opened()).await;
    for event in [event("busy", 0), event("test.number", 1)] {
        bus.publish(event).await.expect("it is accepted");
    }
    advance(SECOND * 60).await;
    bus.resume();
    quiet().await;
    assert_eq!(seen.all(), [], "`high` has had no chance yet");
    advance(SECOND / 2).await;
    bus.publish(number(2)).await.expect("it is accepted");
    assert_eq!(seen.once_there_are(2).await, [(1, SECOND * 61), (2, SECOND * 123 / 2)]);
    assert_eq!(low.stats().band_timeouts, 2);
    door.open();
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn to_resume_a_bus_that_is_not_held_changes_nothing() {
    let (bus, door) = busy().await;
    let (_, seen) = timed(bus.on("test.**").name("low"), &Door::opened()).await;
    bus.publish(number(1)).await.expect("it is accepted");
    for _ in 0..3 {
        advance(SECOND * 3 / 10).await;
        bus.resume();
    }
    assert_eq!(seen.once_there_are(1).await, [(1, SECOND)]);
    door.open();
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn a_publisher_that_waits_for_room_above_holds_nobody_below_any_longer() {
    let (bus, door) = (common::patient_bus(), Door::closed());
    let full = bus.on(["test.**", "busy"]).name("high").priority(5);
    timed(full.mailbox(1, Overflow::Block { timeout: SECOND * 60 }), &door).await;
    let (low, seen) = timed(bus.on("test.**").name("low"), &Door::opened()).await;
    bus.publish(event("busy", 0)).await.expect("there is room");
    let publisher = tokio::spawn({
        let bus = bus.clone();
        async move { bus.publish(number(1)).await }
    });
    assert_eq!(seen.once_there_are(1).await, [(1, SECOND)]);
    assert_eq!((publisher.is_finished(), low.stats().band_timeouts), (false, 1));
    door.open();
    let receipt = publisher.await.expect("no panic").expect("it is accepted");
    assert_eq!((receipt.matched, receipt.dropped), (Some(2), Some(vec![])));
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn a_held_event_keeps_its_publisher_from_nothing_but_its_own_wait() {
    let (bus, door) = busy().await;
    let (_, seen) = timed(bus.on("test.**").name("low"), &Door::opened()).await;
    let before = Instant::now();
    // The first attempt in `low` ends when the band does; `high` never has one.
    let receipt = bus.event(number(1)).priority(Priority::Immediate).publish().await.expect("it is accepted");
    let unfinished: Vec<&str> = receipt.unfinished.iter().map(|name| &**name).collect();
    assert_eq!((before.elapsed(), unfinished), (SECOND * 5, vec!["high"]));
    assert_eq!(seen.all(), [(1, SECOND)]);
    door.open();
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_delivers_what_is_held_when_its_time_has_come() {
    let (bus, door) = busy().await;
    let (low, seen) = timed(bus.on("test.**").name("low"), &Door::opened()).await;
    for n in 1..=3 {
        bus.publish(number(n)).await.expect("it is accepted");
    }
    let report = bus.shutdown_within(SECOND * 20).await;
    assert_eq!(seen.all(), [(1, SECOND), (2, SECOND), (3, SECOND)]);
    let names: Vec<_> = report.undelivered.iter().map(|one| (&*one.subscription, n(&one.event))).collect();
    assert_eq!((names, report.cancelled), (vec![("high", 1), ("high", 2), ("high", 3)], 1));
    assert_eq!(low.stats().band_timeouts, 3);
    assert_conserved(&bus);
    drop(door);
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_that_ends_sooner_gives_back_what_is_held() {
    let (bus, door) = busy().await;
    let (low, seen) = timed(bus.on("test.**").name("low").ordered_by_key(), &Door::opened()).await;
    bus.publish(number(1)).await.expect("it is accepted");
    let report = bus.shutdown_within(SECOND / 2).await;
    let names: Vec<_> = report.undelivered.iter().map(|one| (&*one.subscription, n(&one.event))).collect();
    assert_eq!((names, report.cancelled), (vec![("high", 1), ("low", 1)], 1));
    assert_eq!((seen.all().len(), low.stats().dropped.shutdown), (0, 1));
    assert_conserved(&bus);
    drop(door);
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_is_clean_where_those_above_come_to_their_end() {
    let (bus, door) = busy().await;
    let (low, seen) =
        timed(bus.on("test.**").name("low").band_wait(NEVER).concurrency(3), &Door::opened()).await;
    for n in 1..=3 {
        bus.publish(number(n)).await.expect("it is accepted");
    }
    let ending = tokio::spawn({
        let bus = bus.clone();
        async move { bus.shutdown().await }
    });
    advance(SECOND * 10).await;
    door.open();
    assert!(ending.await.expect("no panic").is_clean());
    assert_eq!((seen.all().len(), low.stats().band_timeouts), (3, 0));
    assert_conserved(&bus);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_runtime_that_goes_away_above_holds_nobody_below() {
    let (bus, door) = (common::patient_bus(), Door::closed());
    let (low, seen) = timed(bus.on("test.**").name("low").band_wait(NEVER), &Door::opened()).await;
    let (inside, waits) = (bus.clone(), door.clone());
    let other = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            timed(inside.on("test.**").name("high").priority(5), &waits).await;
            inside.publish(number(1)).await.expect("it is accepted");
            while waits.came() == 0 {
                tokio::task::yield_now().await;
            }
        });
        // The runtime ends here, and the handler with it.
    });
    other.join().expect("no panic");
    assert!(timeout(SECOND * 10, seen.once_there_are(1)).await.is_ok(), "{:?}", low.stats());
    // Nobody is there to start on the next one, and nobody will be: that is what the wait is for.
    let (_, third) = timed(bus.on("test.**").priority(1).band_wait(Duration::ZERO), &Door::opened()).await;
    bus.publish(number(2)).await.expect("it is accepted");
    assert!(timeout(SECOND * 10, third.once_there_are(1)).await.is_ok());
    assert_eq!(stats_of(&bus, "high").dropped.shutdown, 1);
    bus.shutdown_within(SECOND / 10).await;
    assert_conserved(&bus);
}
