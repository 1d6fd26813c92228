//! The promise: whoever takes turns with the end of a bus or of a subscription, every event is accounted for once, and
//! nobody waits for ever.
//!
//! These models run a whole bus, with inline handlers and streams, which need no runtime.

#![expect(clippy::unwrap_used, reason = "a test that unwraps the wrong thing fails, as it should")]

use std::sync::Arc;

use shuttle::{
    future::block_on,
    thread::{self, JoinHandle},
};

use crate::{
    Bus, Event, Overflow, PublishError, Received,
    handle::EventStream,
    sync::{
        atomic::{AtomicU64, Ordering::SeqCst},
        explore,
    },
};

fn event() -> Event {
    Event::signal("a.topic").unwrap()
}

/// A thread that takes what a stream gives, until it ends.
fn reader(mut stream: EventStream) -> JoinHandle<u64> {
    thread::spawn(move || {
        block_on(async {
            let mut events = 0;
            while let Some(received) = stream.next().await {
                events += u64::from(matches!(received, Received::Event(_)));
            }
            events
        })
    })
}

#[test]
fn the_last_handle_that_goes_ends_the_bus() {
    explore(|| {
        let bus = Bus::in_memory();
        let stream = block_on(bus.on("**").mailbox(10, Overflow::DropNewest).stream()).unwrap();
        let subscription = stream.subscription().clone();
        let reader = reader(stream);
        let publishers: Vec<_> = (0..2)
            .map(|_| {
                let bus = bus.clone();
                thread::spawn(move || bus.try_publish(event()).unwrap().matched.unwrap() as u64)
            })
            .collect();
        drop(bus);
        let matched: u64 = publishers.into_iter().map(|publisher| publisher.join().unwrap()).sum();
        let read = reader.join().unwrap();
        let stats = subscription.stats();
        assert_eq!((stats.matched, matched), (2, 2), "a bus that somebody holds is open");
        // What a stream gave out is settled when it asks for the next, or lost with the end.
        assert!(stats.is_conserved() && stats.pending() == 0, "{stats:?}");
        assert!(read >= stats.done, "{stats:?}, {read} were read");
    });
}

#[test]
fn nothing_is_handled_inline_after_unsubscribe_returned() {
    explore(|| {
        let bus = Bus::in_memory();
        let calls = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&calls);
        let count = move |_: &Event| _ = counter.fetch_add(1, SeqCst);
        let subscription = bus.on("**").inline_now(count).unwrap();
        let publisher = bus.clone();
        let publisher = thread::spawn(move || {
            (0..3).map(|_| publisher.try_publish(event()).unwrap().matched.unwrap() as u64).sum::<u64>()
        });
        subscription.unsubscribe();
        let matched = publisher.join().unwrap();
        assert_eq!(bus.try_publish(event()).unwrap().matched, Some(0));
        assert_eq!((calls.load(SeqCst), subscription.stats().done), (matched, matched));
    });
}

#[test]
fn one_event_of_several_publishers_is_handled_once() {
    explore(|| {
        let bus = Bus::in_memory();
        let calls = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&calls);
        let count = move |_: &Event| _ = counter.fetch_add(1, SeqCst);
        bus.on("**").once().inline_now(count).unwrap();
        let stream = block_on(bus.on("**").once().stream()).unwrap();
        let reader = reader(stream);
        let publishers: Vec<_> = (0..2)
            .map(|_| {
                let bus = bus.clone();
                thread::spawn(move || bus.try_publish(event()).unwrap().matched.unwrap())
            })
            .collect();
        let matched: usize = publishers.into_iter().map(|publisher| publisher.join().unwrap()).sum();
        assert_eq!((matched, calls.load(SeqCst)), (2, 1), "each of the two had one");
        assert_eq!(reader.join().unwrap(), 1);
        assert_eq!(bus.stats().subscriptions, []);
    });
}

#[test]
fn what_was_tried_in_vain_reached_nobody() {
    explore(|| {
        let bus = Bus::in_memory();
        let (full, other) = (block_on(bus.on("**").mailbox(1, Overflow::Reject).stream()).unwrap(), {
            block_on(bus.on("**").stream()).unwrap()
        });
        let (full_stats, other_stats) = (full.subscription().clone(), other.subscription().clone());
        let publishers: Vec<_> = (0..2)
            .map(|_| {
                let bus = bus.clone();
                thread::spawn(move || match bus.try_publish(event()) {
                    Ok(receipt) => {
                        assert_eq!(receipt.matched, Some(2));
                        1
                    }
                    Err(PublishError::Full { .. }) => 0,
                    Err(error) => panic!("{error}"),
                })
            })
            .collect();
        let published: u64 = publishers.into_iter().map(|publisher| publisher.join().unwrap()).sum();
        assert_eq!(published, 1, "there is one place");
        assert_eq!((full_stats.stats().matched, other_stats.stats().matched), (1, 1));
    });
}
