//! A handler that blocks its thread runs where blocking hurts nobody, and is a handler like any other: in order, with its
//! panics contained, with causes inherited, and waited for at the end.

mod common;

use std::{
    sync::{
        Arc, Barrier,
        atomic::{AtomicUsize, Ordering::SeqCst},
        mpsc,
    },
    time::Duration,
};

use common::{Notes, end, event, listen, n, number, stats_of};
use owlbus::{Bus, Delivery, HandlerError, Outcome};

#[tokio::test]
async fn it_runs_beside_the_one_thread_of_the_runtime() {
    let bus = Bus::in_memory();
    let (free, blocked) = mpsc::channel::<()>();
    let blocked = std::sync::Mutex::new(blocked);
    bus.on("test.number")
        .name("blocks")
        .handle_blocking(move |_: Delivery| {
            blocked.lock().expect("nobody panics").recv().expect("the test frees it");
        })
        .await
        .expect("the options are right");
    let seen = listen(&bus, "test.**").await;
    bus.publish(number(1)).await.expect("it is accepted");
    // The runtime has this one thread, and others are served while the handler blocks.
    assert_eq!(seen.once_there_are(1).await.len(), 1);
    assert_eq!(stats_of(&bus, "blocks").done, 0);
    free.send(()).expect("the handler waits");
    let stats = bus.shutdown().await;
    assert!(stats.is_clean());
    assert_eq!(stats_of(&bus, "blocks").done, 1);
    common::assert_conserved(&bus);
}

#[tokio::test]
async fn events_come_in_order_one_at_a_time_unless_it_says_more() {
    let (bus, seen) = (Bus::in_memory(), Notes::new());
    let noted = seen.clone();
    bus.on("test.number")
        .handle_blocking(move |number: Delivery<common::Number>| noted.add(number.n))
        .await
        .expect("the options are right");
    // Both calls must be there at once to get past the barrier.
    let (both, met) = (Arc::new(Barrier::new(2)), Arc::new(AtomicUsize::new(0)));
    let meets = met.clone();
    bus.on("test.pair")
        .concurrency(2)
        .handle_blocking(move |_: Delivery<serde_json::Value>| {
            both.wait();
            meets.fetch_add(1, SeqCst);
        })
        .await
        .expect("the options are right");
    for n in 0..50 {
        bus.publish(number(n)).await.expect("it is accepted");
    }
    for n in 0..2 {
        bus.publish(event("test.pair", n)).await.expect("it is accepted");
    }
    assert!(bus.shutdown().await.is_clean());
    assert_eq!(seen.all(), (0..50).collect::<Vec<_>>());
    assert_eq!(met.load(SeqCst), 2);
    common::assert_conserved(&bus);
}

#[tokio::test]
async fn panics_errors_and_outcomes_count_as_what_they_are() {
    let bus = Bus::in_memory();
    bus.on("test.*")
        .name("blocks")
        .handle_blocking(|event: Delivery| match n(&event) {
            1 => panic!("one is too many"),
            2 => Err(HandlerError::permanent("two is wrong")),
            3 => Ok(Outcome::Skipped),
            _ => Ok(Outcome::Done),
        })
        .await
        .expect("the options are right");
    for n in 1..=4 {
        bus.publish(event("test.number", n)).await.expect("it is accepted");
    }
    bus.shutdown().await;
    let stats = stats_of(&bus, "blocks");
    assert_eq!((stats.dead, stats.skipped, stats.done), (2, 1, 1));
    common::assert_conserved(&bus);
}

#[tokio::test]
async fn what_it_publishes_is_caused_by_what_it_handles() {
    let bus = Bus::in_memory();
    let effects = listen(&bus, "effect").await;
    let runtime = tokio::runtime::Handle::current();
    bus.on("test.number")
        .handle_blocking(move |number: Delivery| {
            let bus = number.bus().expect("somebody holds the bus");
            runtime.block_on(bus.publish(event("effect", n(&number))))?;
            Ok(())
        })
        .await
        .expect("the options are right");
    let cause = owlbus::Event::new(number(5));
    bus.publish(cause.clone()).await.expect("it is accepted");
    assert_eq!(effects.once_there_are(1).await[0].causation_id(), Some(cause.id()));
    end(bus).await;
}

#[tokio::test]
async fn one_that_does_not_return_does_not_hang_the_end() {
    let bus = Bus::in_memory();
    let (free, blocked) = mpsc::channel::<()>();
    let (enters, entered) = tokio::sync::oneshot::channel();
    let (blocked, enters) = (std::sync::Mutex::new(blocked), std::sync::Mutex::new(Some(enters)));
    bus.on("test.number")
        .handle_blocking(move |_: Delivery| {
            let enters = enters.lock().expect("nobody panics").take();
            enters.expect("it is called once").send(()).expect("the test waits");
            blocked.lock().expect("nobody panics").recv().expect("the test frees it");
        })
        .await
        .expect("the options are right");
    bus.publish(number(1)).await.expect("it is accepted");
    entered.await.expect("it is called");
    let report = bus.shutdown_within(Duration::from_millis(10)).await;
    assert_eq!(report.cancelled, 1);
    common::assert_conserved(&bus);
    free.send(()).expect("the handler waits");
}
