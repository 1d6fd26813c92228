//! The publisher of an `Immediate` event goes on when everybody has had a first try at it, however that ended, or after
//! five seconds, and knows then who has not. To wait is all it does: the event goes its way with it or without.

mod common;

use std::time::Duration;

use common::{Door, Notes, assert_conserved, end, event, n, number, quiet, stats_of};
use owlbus::{
    Bus, Delivery, HandlerError, Overflow, Priority,
    Priority::{High, Immediate, Normal},
    Receipt, Subscription,
};
use tokio::time::{Instant, sleep}; // sleeps: on the paused clock only, in handlers that take their time.

const BLOCK: Overflow = Overflow::Block { timeout: Duration::from_secs(60) };

fn held() -> Bus {
    Bus::builder().paused().build().expect("the settings are right")
}

/// Publishes an event of a lane, without waiting for anything.
fn put(bus: &Bus, priority: Priority, number: u64) -> Receipt {
    bus.event(event("test.lane", number)).priority(priority).try_publish().expect("it is accepted")
}

/// A subscription that notes the numbers it starts with, each before it waits at the door.
async fn starts(bus: &Bus, name: &str, door: &Door) -> (Subscription, Notes<u64>) {
    let (seen, noted) = Notes::pair();
    let door = door.clone();
    let handler = move |event: Delivery| {
        let (noted, door) = (noted.clone(), door.clone());
        async move {
            noted.add(n(&event));
            door.pass().await;
        }
    };
    let subscription = bus.on("test.**").name(name).mailbox(10_000, BLOCK).handle(handler).await;
    (subscription.expect("the options are right"), seen)
}

/// A subscription whose attempt at an event takes that long.
async fn takes(bus: &Bus, name: &str, time: Duration) -> Subscription {
    let handler = move |_: Delivery| async move { sleep(time).await }; // sleeps: on the paused clock.
    bus.on("test.**").name(name).handle(handler).await.expect("the options are right")
}

fn names(names: &[std::sync::Arc<str>]) -> Vec<&str> {
    names.iter().map(|name| &**name).collect()
}

#[tokio::test(start_paused = true)]
async fn its_publish_returns_when_every_first_attempt_has_ended() {
    let bus = Bus::in_memory();
    takes(&bus, "quick", Duration::from_secs(1)).await;
    takes(&bus, "slow", Duration::from_secs(3)).await;
    let fails = |event: Delivery| async move {
        assert!(n(&event) != 1, "the first one is too much");
        Err::<(), _>(HandlerError::temporary("and so is any other"))
    };
    bus.on("test.**").name("fails").handle(fails).await.expect("the options are right");
    bus.on("test.**").filter(|_| false).handle(|_: Delivery| async {}).await.expect("the options are right");
    for n in 1..=2 {
        let begun = Instant::now();
        let receipt = bus.event(number(n)).priority(Immediate).publish().await.expect("it is accepted");
        assert_eq!(begun.elapsed(), Duration::from_secs(3));
        assert_eq!((receipt.matched, receipt.dropped, receipt.unfinished), (Some(3), Some(vec![]), vec![]));
        assert_eq!((stats_of(&bus, "slow").done, stats_of(&bus, "fails").dead), (n, n));
    }
    // Nobody waits for any other.
    let begun = Instant::now();
    let receipt = bus.event(number(3)).priority(High).publish().await.expect("it is accepted");
    assert_eq!((begun.elapsed(), receipt.unfinished), (Duration::ZERO, vec![]));
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn nobody_to_wait_for_is_no_wait() {
    let bus = Bus::in_memory();
    let begun = Instant::now();
    let receipt = bus.event(number(1)).priority(Immediate).publish().await.expect("it is accepted");
    assert_eq!((begun.elapsed(), receipt.matched), (Duration::ZERO, Some(0)));
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn after_five_seconds_its_publisher_goes_on_and_knows_who_has_not_ended() {
    let (bus, door) = (Bus::in_memory(), Door::closed());
    takes(&bus, "done", Duration::from_secs(4)).await;
    takes(&bus, "running", Duration::from_secs(6)).await;
    let (_, seen) = starts(&bus, "waiting", &door).await;
    bus.publish(event("test.before", 1)).await.expect("it is accepted");
    quiet().await;
    // One is at it after six seconds, one is never free for it.
    tokio::time::advance(Duration::from_secs(5)).await;
    let begun = Instant::now();
    let receipt = bus.event(number(2)).priority(Immediate).publish().await.expect("it is accepted");
    assert_eq!(begun.elapsed(), Duration::from_secs(5));
    assert_eq!(names(&receipt.unfinished), ["running", "waiting"]);
    door.open();
    // It is delivered all the same.
    assert_eq!(seen.once_there_are(2).await, [1, 2]);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn on_a_bus_that_is_held_its_publisher_waits_five_seconds_at_most_too() {
    let bus = held();
    let (_, seen) = starts(&bus, "held", &Door::opened()).await;
    let begun = Instant::now();
    let receipt =
        bus.event(event("test.lane", 1)).priority(Immediate).publish().await.expect("it is accepted");
    assert_eq!((begun.elapsed(), names(&receipt.unfinished)), (Duration::from_secs(5), vec!["held"]));
    bus.resume();
    assert_eq!(seen.once_there_are(1).await, [1]);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn a_publisher_that_goes_away_meanwhile_has_published_all_the_same() {
    let (bus, door) = (Bus::in_memory(), Door::closed());
    let (subscription, seen) = starts(&bus, "all", &door).await;
    let publish = bus.event(event("test.lane", 1)).priority(Immediate).publish();
    assert!(tokio::time::timeout(Duration::from_secs(1), publish).await.is_err());
    door.open();
    assert_eq!(seen.once_there_are(1).await, [1]);
    quiet().await;
    assert_eq!((subscription.stats().done, subscription.stats().dropped.total()), (1, 0));
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn who_is_unsubscribed_dropped_or_cancelled_has_ended() {
    let (bus, door) = (Bus::in_memory(), Door::closed());
    let waits = door.clone();
    let handler = move |_: Delivery| {
        let door = waits.clone();
        async move { door.pass().await }
    };
    let leaves = bus.on("test.**").name("leaves").handle(handler.clone()).await.expect("it is right");
    let drops = bus.on("test.**").name("drops").mailbox(1, Overflow::DropOldest);
    drops.handle(handler).await.expect("it is right");
    put(&bus, Normal, 0);
    quiet().await;
    let begun = Instant::now();
    let publish = |n| {
        let bus = bus.clone();
        tokio::spawn(async move { bus.event(number(n)).priority(Immediate).publish().await })
    };
    let first = publish(1);
    quiet().await;
    assert_eq!(leaves.unsubscribe(), 1);
    quiet().await;
    assert!(!first.is_finished(), "`drops` has not tried it");
    // 64 more of its kind: the oldest gives way, and whoever published it waits for nothing any more.
    (2..66).for_each(|n| _ = put(&bus, Immediate, n));
    let receipt = first.await.expect("no panic").expect("it is accepted");
    assert_eq!((begun.elapsed(), receipt.unfinished, receipt.matched), (Duration::ZERO, vec![], Some(2)));

    let last = publish(66);
    quiet().await;
    bus.shutdown_within(Duration::from_secs(1)).await;
    let receipt = last.await.expect("no panic").expect("it came before the end");
    assert_eq!((begun.elapsed(), receipt.unfinished), (Duration::from_secs(1), vec![]));
    assert_conserved(&bus);
}

#[tokio::test(start_paused = true)]
async fn room_is_waited_for_as_long_as_the_mailbox_says_and_first_attempts_no_longer_than_that() {
    let bus = held();
    let full =
        bus.on("test.**").name("full").mailbox(1, Overflow::Block { timeout: Duration::from_secs(60) });
    full.handle(|_: Delivery| async {}).await.expect("the options are right");
    let other = bus.on("test.**").name("other").mailbox(1, Overflow::DropOldest);
    other.handle(|_: Delivery| async {}).await.expect("the options are right");
    (1..=64).for_each(|n| _ = put(&bus, Immediate, n));
    let begun = Instant::now();
    let receipt = bus.event(number(65)).priority(Immediate).publish().await.expect("it is accepted");
    assert_eq!(begun.elapsed(), Duration::from_secs(60), "an urgent event is not lost sooner than others");
    let dropped = receipt.dropped.expect("the bus routes itself");
    let dropped: Vec<_> = dropped.iter().map(|name| &**name).collect();
    assert_eq!(dropped, ["other", "full"], "one gave an older event up for it, the other it itself");
    assert_eq!(receipt.unfinished.iter().map(|name| &**name).collect::<Vec<_>>(), ["other"]);
    bus.resume();
    end(bus).await;
}
