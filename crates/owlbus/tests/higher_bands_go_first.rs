//! Subscriptions of a higher priority have had a first try at an event before those of a lower one start on it. Whoever
//! does not want it, cannot have it or fails on it holds nobody back, and what is held back keeps its order.

mod common;

use std::time::Duration;

use common::{Door, Notes, end, event, n, number, quiet, stats_of};
use owlbus::{
    Delivery, Event, HandlerError, Outcome, Overflow, Subscription,
    handle::{Band, On},
};
use tokio::time::{Instant, timeout};

/// Longer than any test.
const NEVER: Duration = Duration::from_secs(1_000_000);

/// What handlers note down: who, which event, and whether it is the start or the end of it.
type Log = Notes<(&'static str, u64, Is)>;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Is {
    Begun,
    Ended,
}
use Is::{Begun, Ended};

/// Ends the making of a subscription with a handler that notes when it begins and ends, and waits at the door between.
async fn logs(on: On<'_>, name: &'static str, log: &Log, door: &Door) -> Subscription {
    let (log, door) = (log.clone(), door.clone());
    let handler = move |event: Delivery| {
        let (log, door) = (log.clone(), door.clone());
        async move {
            log.add((name, n(&event), Begun));
            door.pass().await;
            log.add((name, n(&event), Ended));
        }
    };
    on.name(name).handle(handler).await.expect("the options are right")
}

/// The events a subscription has begun with.
fn begun(log: &Log, name: &str) -> Vec<u64> {
    log.all().into_iter().filter(|one| one.0 == name && one.2 == Begun).map(|one| one.1).collect()
}

#[tokio::test(start_paused = true)]
async fn every_band_waits_for_all_those_above_it() {
    let (bus, log) = (common::patient_bus(), Log::new());
    let bands: [(&str, Band); 8] = [
        ("normal", Band::NORMAL),
        ("last", i32::MIN.into()),
        ("critical", Band::CRITICAL),
        ("low", Band::LOW),
        ("first", i32::MAX.into()),
        ("high", Band::HIGH),
        ("a bit above", 1.into()),
        ("high too", 50.into()),
    ];
    for (name, band) in bands {
        let log = log.clone();
        let handler = move |event: Delivery| {
            let log = log.clone();
            async move {
                log.add((name, n(&event), Begun));
                for _ in 0..10 {
                    tokio::task::yield_now().await;
                }
                log.add((name, n(&event), Ended));
            }
        };
        bus.on("test.**").name(name).priority(band).handle(handler).await.expect("the options are right");
    }
    for n in 1..=3 {
        bus.publish(number(n)).await.expect("it is accepted");
    }
    let log = log.once_there_are(48).await;
    for n in 1..=3 {
        let at = |name, is| log.iter().position(|one| *one == (name, n, is)).expect("everybody had it");
        for (above, higher) in bands {
            for (below, _) in bands.iter().filter(|(_, lower)| *lower < higher) {
                assert!(
                    at(above, Ended) < at(below, Begun),
                    "{below} did not wait for {above} with {n}: {log:?}"
                );
            }
        }
        // Those of one band do not wait for each other.
        assert!(at("high", Begun) < at("high too", Ended) && at("high too", Begun) < at("high", Ended));
    }
    assert!(bands.iter().all(|(name, _)| stats_of(&bus, name).band_timeouts == 0));
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn the_default_is_the_normal_band_and_the_named_ones_are_numbers() {
    assert_eq!([Band::CRITICAL, Band::HIGH, Band::NORMAL, Band::LOW], [100, 50, 0, -50].map(Band::from));
    assert_eq!(Band::default(), Band::NORMAL);
    let (bus, log, door) = (common::patient_bus(), Log::new(), Door::closed());
    logs(bus.on("test.**"), "default", &log, &door).await;
    logs(bus.on("test.**").priority(0), "zero", &log, &door).await;
    logs(bus.on("test.**").priority(Band::NORMAL), "normal", &log, &door).await;
    bus.publish(number(1)).await.expect("it is accepted");
    quiet().await;
    assert_eq!(log.all().len(), 3, "all of them have begun");
    door.open();
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn within_one_band_nothing_is_held_however_stuck_another_is() {
    let (bus, log, door) = (common::patient_bus(), Log::new(), Door::closed());
    logs(bus.on("test.**").priority(7), "stuck", &log, &door).await;
    logs(bus.on("test.**").priority(7), "free", &log, &Door::opened()).await;
    // A higher band elsewhere, and an inline one, make no difference.
    logs(bus.on("other").priority(9), "elsewhere", &log, &door).await;
    bus.on("**").priority(100).inline(|_: &Event| {}).await.expect("the options are right");
    let before = Instant::now();
    for n in 1..=5 {
        bus.publish(number(n)).await.expect("it is accepted");
    }
    quiet().await;
    assert_eq!((begun(&log, "free"), begun(&log, "stuck")), (vec![1, 2, 3, 4, 5], vec![1]));
    assert_eq!((before.elapsed(), stats_of(&bus, "free").band_timeouts), (Duration::ZERO, 0));
    door.open();
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn who_does_not_want_the_event_holds_nobody_back() {
    let (bus, log, door) = (common::patient_bus(), Log::new(), Door::closed());
    logs(bus.on("test.**").priority(9).filter(|_| false), "filters", &log, &door).await;
    logs(bus.on("test.**").priority(8).filter(|_| panic!("filters may")), "panics", &log, &door).await;
    logs(bus.on("test.**").priority(7).typed::<common::Number>(), "typed", &log, &door).await;
    let once = logs(bus.on("test.**").priority(6).once(), "once", &log, &Door::opened()).await;
    let before = Instant::now();
    logs(bus.on("test.**").band_wait(NEVER), "low", &log, &Door::opened()).await;
    for n in 1..=3 {
        bus.publish(event("test.untyped", n)).await.expect("it is accepted");
        quiet().await;
    }
    assert_eq!((begun(&log, "once"), begun(&log, "low")), (vec![1], vec![1, 2, 3]));
    assert_eq!((before.elapsed(), once.stats().matched), (Duration::ZERO, 1));
    assert_eq!((stats_of(&bus, "panics").skipped, stats_of(&bus, "filters").filtered), (3, 3));
    assert_eq!(stats_of(&bus, "low").band_timeouts, 0);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn who_fails_panics_skips_or_cannot_read_it_has_had_its_try() {
    let (bus, log) = (common::patient_bus(), Log::new());
    bus.on("test.**")
        .priority(5)
        .handle(|event: Delivery| async move {
            tokio::task::yield_now().await;
            match n(&event) {
                1 => Err(HandlerError::temporary("not now")),
                2 => Ok(Outcome::Skipped),
                3 => Ok(Outcome::Dead { reason: "never".into() }),
                _ => panic!("four is too many"),
            }
        })
        .await
        .expect("the options are right");
    let transforms = bus.on("test.**").priority(4).map(|_| panic!("transforms may"));
    transforms.handle(|_: Delivery| async {}).await.expect("the options are right");
    let unread = |_: Delivery<common::Text>| async {};
    bus.on("test.**").priority(3).name("unread").handle(unread).await.expect("the options are right");
    let blocks = |_: Delivery| panic!("blocking handlers may");
    bus.on("test.**").priority(2).handle_blocking::<_, _, ()>(blocks).await.expect("the options are right");
    logs(bus.on("test.**").band_wait(NEVER), "low", &log, &Door::opened()).await;
    for n in 1..=4 {
        bus.publish(event("test.other", n)).await.expect("it is accepted");
    }
    log.once_there_are(8).await;
    assert_eq!((begun(&log, "low"), stats_of(&bus, "low").band_timeouts), (vec![1, 2, 3, 4], 0));
    assert_eq!(stats_of(&bus, "unread").dead, 4);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn whose_mailbox_is_full_holds_nobody_back_once_the_event_is_lost_there() {
    for (overflow, lost_after) in [
        (Overflow::DropNewest, Duration::ZERO),
        (Overflow::DropOldest, Duration::ZERO),
        (Overflow::Block { timeout: Duration::from_secs(20) }, Duration::from_secs(20)),
    ] {
        let (bus, log, door) = (common::patient_bus(), Log::new(), Door::closed());
        logs(bus.on(["test.**", "busy"]).priority(5).mailbox(1, overflow), "high", &log, &door).await;
        logs(bus.on("test.**").band_wait(NEVER), "low", &log, &Door::opened()).await;
        bus.publish(event("busy", 0)).await.expect("there is room");
        quiet().await;
        let before = Instant::now();
        let receipt = bus.publish(number(1)).await.expect("it is accepted");
        assert_eq!(
            (before.elapsed(), receipt.dropped.expect("the bus routes itself").len()),
            (lost_after, 1)
        );
        quiet().await;
        assert_eq!((begun(&log, "low"), before.elapsed()), (vec![1], lost_after), "{overflow:?}");
        door.open();
        end(bus).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_gives_way_later_and_who_gives_up_waiting_holds_nobody_back_any_more() {
    let (bus, log, door) = (common::patient_bus(), Log::new(), Door::closed());
    let drops = bus.on(["test.drops", "busy"]).priority(5).mailbox(2, Overflow::DropOldest);
    logs(drops, "drops", &log, &door).await;
    let blocks = bus.on(["test.blocks", "busy"]).priority(5).mailbox(1, Overflow::Block { timeout: NEVER });
    logs(blocks, "blocks", &log, &door).await;
    logs(bus.on("test.**").band_wait(NEVER), "low", &log, &Door::opened()).await;
    bus.publish(event("busy", 0)).await.expect("there is room");
    quiet().await;
    bus.publish(event("test.drops", 1)).await.expect("there is room");
    quiet().await;
    assert_eq!(begun(&log, "low"), [0; 0]);
    bus.publish(event("test.drops", 2)).await.expect("1 gives way");
    quiet().await;
    assert_eq!(begun(&log, "low"), [1]);
    bus.publish(event("test.drops", 3)).await.expect("2 gives way");
    // A publisher that waits for room, and goes away.
    let waited = timeout(Duration::from_secs(1), bus.publish(event("test.blocks", 4))).await;
    assert!(waited.is_err());
    bus.publish(event("test.drops", 5)).await.expect("3 gives way");
    quiet().await;
    assert_eq!((begun(&log, "low"), stats_of(&bus, "low").band_timeouts), (vec![1, 2, 3, 4], 0));
    door.open();
    end(bus).await;
    assert_eq!(begun(&log, "low"), [1, 2, 3, 4, 5]);
}

#[tokio::test(start_paused = true)]
async fn who_unsubscribes_frees_what_waits_and_finishes_what_runs() {
    let (bus, log, door) = (common::patient_bus(), Log::new(), Door::closed());
    let high = logs(bus.on("test.**").priority(5), "high", &log, &door).await;
    let mailbox = bus.on("test.**").priority(4).mailbox(1, Overflow::Block { timeout: NEVER });
    let middle = logs(mailbox, "middle", &log, &Door::opened()).await;
    logs(bus.on("test.**").band_wait(NEVER), "low", &log, &Door::opened()).await;
    let publisher = tokio::spawn({
        let bus = bus.clone();
        async move {
            for n in 1..=3 {
                bus.publish(number(n)).await.expect("it is accepted");
            }
        }
    });
    quiet().await;
    // 1 runs in `high`; `middle` holds it, and has no room for 2.
    assert_eq!((begun(&log, "high"), begun(&log, "middle"), begun(&log, "low")), (vec![1], vec![], vec![]));
    assert_eq!(middle.unsubscribe(), 1);
    publisher.await.expect("nobody waits for the room of a subscription that ended");
    quiet().await;
    assert_eq!(begun(&log, "low"), [0; 0], "`high` is at 1");
    assert_eq!(high.unsubscribe(), 2);
    quiet().await;
    assert_eq!(begun(&log, "low"), [0; 0], "`high` is at 1 still");
    door.open();
    quiet().await;
    assert_eq!((begun(&log, "low"), begun(&log, "high")), (vec![1, 2, 3], vec![1]));
    assert_eq!((high.stats().done, stats_of(&bus, "low").band_timeouts), (1, 0));
    end(bus).await;
}
