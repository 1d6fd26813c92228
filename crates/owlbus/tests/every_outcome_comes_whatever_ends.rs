//! A publisher that waits for the outcomes of its event is told, however they come about: a subscription ends, a stream is
//! dropped, a runtime goes away, or the bus itself ends, with time to drain or without.

mod common;

use std::time::Duration;

use common::{Door, assert_conserved, end, number, quiet};
use owlbus::{
    Bus, Delivery, Event, Overflow, Subscription, Tracked,
    handle::{DropReason, On},
    settle::{Settled, Settlement},
};
use tokio::time::timeout;

const BLOCK: Overflow = Overflow::Block { timeout: Duration::from_secs(60) };

async fn track(bus: &Bus, event: Event) -> Tracked {
    bus.event(event).tracked().publish().await.expect("it is accepted")
}

/// The outcomes, which must be there by now.
async fn settled(tracked: &Tracked) -> Vec<(String, Settlement)> {
    quiet().await;
    in_words(timeout(Duration::ZERO, tracked.settled()).await.expect("all is settled").expect("no cycle"))
}

fn in_words(settled: Vec<Settled>) -> Vec<(String, Settlement)> {
    settled.into_iter().map(|one| (one.subscription.to_string(), one.settlement)).collect()
}

async fn is_pending(tracked: &Tracked) -> bool {
    quiet().await;
    timeout(Duration::ZERO, tracked.settled()).await.is_err()
}

fn done(name: &str) -> (String, Settlement) {
    (name.into(), Settlement::Done)
}

fn dropped(name: &str, reason: DropReason) -> (String, Settlement) {
    (name.into(), Settlement::Dropped { reason })
}

/// Ends the making of a subscription with a handler that waits at the door.
async fn waits(on: On<'_>, door: &Door) -> Subscription {
    let door = door.clone();
    let handler = move |_: Delivery| {
        let door = door.clone();
        async move { door.pass().await }
    };
    on.handle(handler).await.expect("the options are right")
}

#[tokio::test(start_paused = true)]
async fn a_subscription_that_ends_says_what_became_of_what_waited() {
    let (bus, door) = (common::patient_bus(), Door::closed());
    let one = waits(bus.on("test.**").name("one").mailbox(2, BLOCK), &door).await;
    let mut stream = bus.on("test.**").name("stream").stream().await.expect("the options are right");
    let running = track(&bus, Event::new(number(1))).await;
    assert!(stream.next().await.is_some());
    let queued = track(&bus, Event::new(number(2))).await;
    let outside = tokio::spawn({
        let bus = bus.clone();
        async move { track(&bus, Event::new(number(3))).await }
    });
    quiet().await;
    assert_eq!(one.unsubscribe(), 1);
    // Whoever waited for room was never matched.
    let outside = outside.await.expect("no panic");
    assert_eq!(outside.matched, Some(1));
    drop(stream);
    assert_eq!(settled(&outside).await, [dropped("stream", DropReason::Unsubscribed)]);
    let both = ["one", "stream"].map(|name| dropped(name, DropReason::Unsubscribed));
    assert_eq!(settled(&queued).await, both);
    assert!(is_pending(&running).await, "its handler may finish");
    door.open();
    assert_eq!(settled(&running).await, [done("one"), dropped("stream", DropReason::Unsubscribed)]);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn a_stream_settles_when_it_asks_for_the_next_or_says_so() {
    let bus = common::patient_bus();
    let mut stream = bus.on("test.**").name("stream").stream().await.expect("the options are right");
    let first = track(&bus, Event::new(number(1))).await;
    let second = track(&bus, Event::new(number(2))).await;
    assert!(is_pending(&first).await);
    assert!(stream.next().await.is_some());
    assert!(is_pending(&first).await);
    assert!(stream.next().await.is_some());
    assert_eq!(settled(&first).await, [done("stream")]);
    assert!(is_pending(&second).await);
    stream.done();
    assert_eq!(settled(&second).await, [done("stream")]);
    drop(stream);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_says_what_became_of_what_was_left() {
    let (bus, door) = (common::patient_bus(), Door::closed());
    waits(bus.on("test.**").name("stuck").mailbox(2, BLOCK), &door).await;
    waits(bus.on("test.**").name("held").priority(-1).band_wait(Duration::from_secs(900)), &door).await;
    let running = track(&bus, Event::new(number(1))).await;
    let queued = track(&bus, Event::new(number(2))).await;
    let outside = tokio::spawn({
        let bus = bus.clone();
        async move { track(&bus, Event::new(number(3))).await }
    });
    quiet().await;
    // Whoever waits when the bus ends is told then, whoever asks later is too.
    let waiting = tokio::spawn(async move { in_words(running.settled().await.expect("no cycle")) });
    bus.shutdown_within(Duration::from_secs(5)).await;
    let both = ["stuck", "held"].map(|name| dropped(name, DropReason::Shutdown));
    assert_eq!(waiting.await.expect("no panic"), both);
    assert_eq!(settled(&queued).await, both);
    let outside = outside.await.expect("no panic");
    assert_eq!((settled(&outside).await, settled(&outside).await), (both.to_vec(), both.to_vec()));
    assert_conserved(&bus);
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_that_drains_lets_them_come_to_their_end() {
    let (bus, door) = (common::patient_bus(), Door::closed());
    waits(bus.on("test.**").name("slow"), &door).await;
    let tracked = track(&bus, Event::new(number(1))).await;
    let ending = tokio::spawn({
        let bus = bus.clone();
        async move { bus.shutdown().await }
    });
    assert!(is_pending(&tracked).await);
    door.open();
    assert!(ending.await.expect("no panic").is_clean());
    assert_eq!(settled(&tracked).await, [done("slow")]);
    assert_conserved(&bus);
}

#[tokio::test(start_paused = true)]
async fn to_wait_for_outcomes_keeps_no_bus_from_ending_with_its_last_handle() {
    let bus = Bus::builder().timeout(None).paused().build().expect("the settings are right");
    let held = bus.on("test.**").name("held").handle(|_: Delivery| async {}).await.expect("it is right");
    let tracked = track(&bus, Event::new(number(1))).await;
    let waiting = tokio::spawn(async move { in_words(tracked.settled().await.expect("no cycle")) });
    quiet().await;
    drop(bus);
    quiet().await;
    assert_eq!((held.stats().queued, held.stats().dropped.shutdown), (0, 1), "nobody can resume it any more");
    assert_eq!(waiting.await.expect("no panic"), [dropped("held", DropReason::Shutdown)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_runtime_that_goes_away_leaves_nobody_waiting_for_what_ran() {
    let bus = common::patient_bus();
    let inside = bus.clone();
    let tracked = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let door = Door::closed();
            waits(inside.on("test.**").name("gone"), &door).await;
            let tracked = track(&inside, Event::new(number(1))).await;
            while door.came() == 0 {
                tokio::task::yield_now().await;
            }
            tracked
        })
    });
    let tracked = tracked.join().expect("no panic");
    let all =
        timeout(Duration::from_secs(10), tracked.settled()).await.expect("it is settled").expect("no cycle");
    assert_eq!(in_words(all), [dropped("gone", DropReason::Shutdown)]);
    // What waits in a mailbox without workers is settled with the bus.
    let queued = track(&bus, Event::new(number(2))).await;
    bus.shutdown_within(Duration::from_millis(10)).await;
    assert_eq!(settled(&queued).await, [dropped("gone", DropReason::Shutdown)]);
    assert_conserved(&bus);
}
