//! `publish_blocking` is a publish for threads outside of the runtime: it waits for room and for first attempts as long as
//! any publish does, needs no runtime itself, and goes on when there is nothing left to wait for.

mod common;

use std::{
    future::Future,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    task::{Context, Poll, Wake},
    thread::{self, Thread},
    time::Duration,
};

use common::{Door, Notes, assert_conserved, end, event, listen, n, number, stats_of};
use owlbus::{Bus, Delivery, Event, Overflow, Priority, Received, Subscription, handle::On};

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

/// Runs a future on this thread, without a runtime.
fn run<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let (mut future, waker) = (pin!(future), Arc::new(Unpark(thread::current())).into());
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

#[test]
fn threads_without_a_runtime_hand_events_to_each_other_through_a_full_mailbox() {
    const EVENTS: u64 = 2_000;
    let bus = Bus::in_memory();
    let on = bus.on("test.**").mailbox(1, Overflow::Block { timeout: Duration::from_secs(3_600) });
    let mut stream = run(on.stream()).expect("the options are right");
    let publisher = thread::spawn({
        let bus = bus.clone();
        move || {
            for n in 0..EVENTS {
                let receipt = bus.publish_blocking(number(n)).expect("it is accepted");
                assert_eq!((receipt.matched, receipt.dropped), (Some(1), Some(vec![])));
            }
        }
    });
    for expected in 0..EVENTS {
        let received = run(stream.next()).and_then(Received::into_event).expect("an event came");
        assert_eq!(n(&received), expected);
    }
    publisher.join().expect("no panic");
    stream.done();
    assert_eq!((stream.subscription().stats().done, bus.stats().accepted), (EVENTS, EVENTS));
    assert_conserved(&bus);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thread_outside_is_held_up_until_there_is_room() {
    let (bus, door) = (Bus::in_memory(), Door::closed());
    let (_, seen) = slow(bus.on("test.**").name("full").mailbox(1, BLOCK), &door).await;
    let (done, told) = (Arc::new(AtomicU64::new(0)), bus.clone());
    let counts = done.clone();
    let publisher = thread::spawn(move || {
        for n in 1..=3 {
            told.event(number(n)).key("a").publish_blocking().expect("it is accepted");
            counts.fetch_add(1, SeqCst);
        }
    });
    for through in 1..=2 {
        // The next one has been taken in, so the one behind it waits.
        seen.once_there_are(through).await;
        assert!(done.load(SeqCst) <= through as u64);
        door.let_through(1);
    }
    assert_eq!(seen.once_there_are(3).await, [1, 2, 3]);
    publisher.join().expect("no panic");
    door.open();
    end(bus).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thread_outside_loses_patience_when_it_was_told_to() {
    let (bus, door) = (Bus::in_memory(), Door::closed());
    // Short, for no clock outside of a runtime can be paused.
    let patience = Duration::from_millis(40);
    let block = Overflow::Block { timeout: patience };
    let (full, seen) = slow(bus.on("test.**").name("full").mailbox(1, block), &door).await;
    let (_, other) = slow(bus.on("test.**").name("other"), &Door::opened()).await;
    bus.publish(number(1)).await.expect("there is room");
    seen.once_there_are(1).await;
    let publisher = thread::spawn({
        let bus = bus.clone();
        move || {
            let before = std::time::Instant::now();
            (bus.publish_blocking(number(2)), before.elapsed())
        }
    });
    // Others have it meanwhile.
    assert_eq!(other.once_there_are(2).await, [1, 2]);
    let (receipt, waited) = publisher.join().expect("no panic");
    let dropped =
        receipt.expect("a publish is ok though it was dropped").dropped.expect("the bus routes itself");
    assert_eq!(dropped.iter().map(|name| &**name).collect::<Vec<_>>(), ["full"]);
    assert!(waited >= patience && waited < Duration::from_secs(5), "{waited:?}");
    assert_eq!(full.stats().dropped.block_timeout, 1);
    door.open();
    end(bus).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thread_that_waits_goes_on_when_the_subscription_or_the_bus_ends() {
    for ends_bus in [false, true] {
        let (bus, door) = (Bus::in_memory(), Door::closed());
        let (full, seen) = slow(bus.on("test.**").name("full").mailbox(1, BLOCK), &door).await;
        let (_, other) = slow(bus.on("test.**").name("other"), &Door::opened()).await;
        bus.publish(number(1)).await.expect("there is room");
        seen.once_there_are(1).await;
        let publisher = thread::spawn({
            let bus = bus.clone();
            move || bus.publish_blocking(number(2))
        });
        other.once_there_are(2).await;
        match ends_bus {
            true => _ = bus.shutdown_within(Duration::from_millis(10)).await,
            false => _ = full.unsubscribe(),
        }
        let receipt = publisher.join().expect("no panic").expect("it came before the end");
        let dropped = receipt.dropped.expect("the bus routes itself").len();
        assert_eq!((receipt.matched, dropped), (Some(1 + dropped), usize::from(ends_bus)));
        door.open();
        end(bus).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thread_outside_waits_for_the_first_attempts_at_an_urgent_event() {
    let (bus, door) = (Bus::in_memory(), Door::closed());
    let (slow, seen) = slow(bus.on("test.**").name("slow"), &door).await;
    let publisher = thread::spawn({
        let bus = bus.clone();
        move || bus.event(number(1)).priority(Priority::Immediate).publish_blocking()
    });
    seen.once_there_are(1).await;
    assert!(!publisher.is_finished());
    door.open();
    let receipt = publisher.join().expect("no panic").expect("it is accepted");
    assert_eq!((receipt.unfinished, receipt.matched, slow.stats().done), (vec![], Some(1), 1));
    end(bus).await;
}

#[tokio::test]
async fn handlers_that_block_publish_children_and_wait_for_room() {
    let (bus, door) = (Bus::in_memory(), Door::closed());
    let (_, seen) = slow(bus.on("effect.**").name("slow").mailbox(1, BLOCK), &door).await;
    let causes = listen(&bus, "effect.**").await;
    bus.on("test.number")
        .name("blocks")
        .handle_blocking(|number: Delivery<common::Number>| {
            let bus = number.bus().expect("somebody holds the bus");
            for n in 1..=3 {
                bus.publish_blocking(event("effect.some", n))?;
            }
            let last = bus.event(event("effect.last", 4)).priority(Priority::Immediate).publish_blocking()?;
            assert!(last.unfinished.is_empty() && last.dropped.is_some_and(|dropped| dropped.is_empty()));
            Ok(())
        })
        .await
        .expect("the options are right");
    let cause = Event::new(number(1));
    bus.try_publish(cause.clone()).expect("there is room");
    seen.once_there_are(1).await;
    assert_eq!(stats_of(&bus, "blocks").running, 1, "it waits for room");
    door.open();
    // The last one may overtake those that wait.
    let mut seen = seen.once_there_are(4).await;
    seen.sort_unstable();
    assert_eq!(seen, [1, 2, 3, 4]);
    assert!(causes.once_there_are(4).await.iter().all(|effect| effect.causation_id() == Some(cause.id())));
    assert!(bus.shutdown().await.is_clean());
    assert_eq!((stats_of(&bus, "blocks").done, stats_of(&bus, "blocks").dead), (1, 0));
    assert_conserved(&bus);
}
