//! The promise: an event that says how long somebody wants it does not start after that; it is settled as expired, and
//! counted. And a subscription that is paused keeps its events, those whose time is not over.

mod common;

use std::time::Duration;

use common::{Notes, end, event, n, patient_bus, quiet, stats_of};
use owlbus::{
    Bus, Delivery, Event, Received,
    handle::Band,
    settle::{HandlerError, Retry, Settlement},
};
use tokio::time::Instant;

const SECOND: Duration = Duration::from_secs(1);

async fn later(seconds: u32) {
    tokio::time::sleep(SECOND * seconds).await; // sleeps: on the paused clock.
}

#[tokio::test(start_paused = true)]
async fn what_waits_too_long_is_settled_as_expired() {
    let bus = Bus::builder().paused().build().unwrap();
    let heard = common::listen(&bus, "a").await;
    let inline = bus.on("a").name("inline").inline(|_: &Event| ()).await.unwrap();
    let mut stream = bus.on("a").name("stream").stream().await.unwrap();
    bus.event(event("a", 1)).ttl(SECOND).publish().await.unwrap();
    bus.event(event("a", 2)).ttl(SECOND * 10).publish().await.unwrap();
    bus.publish(event("a", 3)).await.unwrap();
    later(5).await;
    bus.resume();
    assert_eq!(heard.once_there_are(2).await.iter().map(n).collect::<Vec<_>>(), [2, 3]);
    for wanted in [2, 3] {
        let Some(Received::Event(event)) = stream.next().await else { panic!("there is an event") };
        assert_eq!(n(&event), wanted);
    }
    stream.done();
    let stats = stream.subscription().stats();
    assert_eq!((stats.matched, stats.done, stats.expired), (3, 2, 1));
    // It ran in time: in the publisher.
    assert_eq!((inline.stats().done, inline.stats().expired), (3, 0));
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn whoever_tracks_it_is_told() {
    let bus = Bus::builder().paused().build().unwrap();
    bus.on("a").handle(|_: Delivery| async {}).await.unwrap();
    let tracked = bus.event(event("a", 1)).ttl(SECOND).tracked().publish().await.unwrap();
    later(2).await;
    bus.resume();
    assert_eq!(tracked.settled().await.unwrap()[0].settlement, Settlement::Expired);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn what_failed_is_not_tried_again_after_its_time() {
    let bus = patient_bus();
    let (tries, notes) = Notes::pair();
    let handler = move |delivery: Delivery| {
        notes.add(delivery.attempt());
        async { Err::<(), _>(HandlerError::temporary("not yet")) }
    };
    bus.on("a").name("failing").retry(Retry::fixed(SECOND).max(10)).handle(handler).await.unwrap();
    bus.event(event("a", 1)).ttl(SECOND * 5 / 2).publish().await.unwrap();
    later(20).await;
    assert_eq!(tries.all(), [1, 2, 3]);
    let stats = stats_of(&bus, "failing");
    assert_eq!((stats.expired, stats.dead, stats.pending()), (1, 0, 0));
    assert!(bus.dead_letters().is_empty());
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn a_subscription_for_one_event_waits_for_one_it_can_have() {
    let bus = Bus::builder().paused().build().unwrap();
    let (heard, notes) = Notes::pair();
    let handler = move |delivery: Delivery| {
        notes.add(n(&delivery));
        async {}
    };
    bus.on("a").once().handle(handler).await.unwrap();
    bus.event(event("a", 1)).ttl(SECOND).publish().await.unwrap();
    later(2).await;
    bus.resume();
    quiet().await;
    for number in 2..4 {
        bus.publish(event("a", number)).await.unwrap();
    }
    assert_eq!(heard.once_there_are(1).await, [2]);
    quiet().await;
    assert_eq!(heard.all(), [2]);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn a_paused_subscription_keeps_its_events_and_its_order() {
    let bus = Bus::in_memory();
    let (heard, notes) = Notes::pair();
    let handler = move |delivery: Delivery| {
        notes.add(n(&delivery));
        async {}
    };
    let paused = bus.on("a").name("paused").handle(handler).await.unwrap();
    let other = common::listen(&bus, "a").await;
    paused.pause();
    for number in 1..=3 {
        bus.publish(event("a", number)).await.unwrap();
    }
    assert_eq!(other.once_there_are(3).await.len(), 3, "it holds up nobody else");
    quiet().await;
    assert_eq!((heard.all(), stats_of(&bus, "paused").queued), (vec![], 3));
    assert!(stats_of(&bus, "paused").paused);
    paused.resume();
    assert_eq!(heard.once_there_are(3).await, [1, 2, 3]);
    assert!(!stats_of(&bus, "paused").paused);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn a_paused_band_costs_a_lower_one_its_wait_and_no_more() {
    let bus = Bus::in_memory();
    let upper = bus.on("a").name("upper").priority(Band::HIGH).handle(|_: Delivery| async {}).await.unwrap();
    let begun = Instant::now();
    let (heard, notes) = Notes::pair();
    let handler = move |_: Delivery| {
        notes.add(begun.elapsed());
        async {}
    };
    bus.on("a").name("lower").handle(handler).await.unwrap();
    upper.pause();
    bus.publish(event("a", 1)).await.unwrap();
    assert_eq!(heard.once_there_are(1).await, [SECOND]);
    upper.resume();
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_reports_what_a_paused_subscription_holds_and_waits_for_none_of_it() {
    let bus = Bus::in_memory();
    let handled = bus.on("a").name("handled").handle(|_: Delivery| async {}).await.unwrap();
    let stream = bus.on("a").name("stream").stream().await.unwrap();
    handled.pause();
    stream.subscription().pause();
    bus.publish(event("a", 1)).await.unwrap();
    let begun = Instant::now();
    let report = bus.shutdown().await;
    assert_eq!(begun.elapsed(), Duration::ZERO);
    let left: Vec<_> = report.undelivered.iter().map(|one| (&*one.subscription, n(&one.event))).collect();
    assert_eq!(left, [("handled", 1), ("stream", 1)]);
    common::assert_conserved(&bus);
}
