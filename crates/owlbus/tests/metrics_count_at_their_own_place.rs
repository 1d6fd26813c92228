//! The metrics middleware counts what comes by at its own place in the chain, with the times it took, into a snapshot of its own.

mod common;

use std::time::Duration;

use common::{end, event, n};
use owlbus::{
    Bus, Delivery, Event, HandlerError, Outcome,
    middleware::{AcceptNext, Durations, Filter, Metrics, around_accept, before_accept},
};

const MILLI: Duration = Duration::from_millis(1);

#[tokio::test(start_paused = true)]
async fn those_further_in_are_in_its_counts_and_those_further_out_are_not() {
    let (outer, inner) = (Metrics::new().named("outer").priority(10), Metrics::new().named("inner"));
    let bus = Bus::builder()
        .middleware(outer.clone())
        .middleware(
            before_accept("no fives", |event: Event| if n(&event) == 5 { Err("five") } else { Ok(event) })
                .priority(5),
        )
        .middleware(Filter::new().when(|event| n(event) != 6).priority(5))
        .middleware(inner.clone())
        .build()
        .unwrap();
    for n in 0..10 {
        assert_eq!(bus.publish(event("test.n", n)).await.is_ok(), n != 5);
    }
    let counts = |metrics: &Metrics| {
        let snapshot = metrics.snapshot();
        (snapshot.published, snapshot.discarded, snapshot.refused)
    };
    assert_eq!((counts(&outer), counts(&inner)), ((8, 1, 1), (8, 0, 0)));
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn attempts_are_counted_by_how_they_ended() {
    let metrics = Metrics::new();
    let bus = Bus::builder().middleware(metrics.clone()).build().unwrap();
    let handler = |delivery: Delivery| async move {
        match n(&delivery) {
            0 => Ok(Outcome::Skipped),
            1 => Err(HandlerError::permanent("no")),
            2 => Ok(Outcome::Dead { reason: "no".into() }),
            _ => Ok(Outcome::Done),
        }
    };
    bus.on("test.*").handle(handler).await.unwrap();
    for n in 0..8 {
        bus.publish(event("test.n", n)).await.unwrap();
    }
    bus.shutdown().await;
    let snapshot = metrics.snapshot();
    assert_eq!((snapshot.done, snapshot.skipped, snapshot.failed), (5, 1, 2));
}

#[tokio::test(start_paused = true)]
async fn times_are_of_what_is_further_in() {
    let metrics = Metrics::new().priority(1);
    assert_eq!(metrics.snapshot().handle, Durations::default());
    let slow = around_accept("slow", |event: Event, next: AcceptNext| async move {
        tokio::time::sleep(MILLI * 20).await; // sleeps: on paused time.
        next.run(event).await
    });
    let bus = Bus::builder().middleware(metrics.clone()).middleware(slow).build().unwrap();
    bus.on("test.*")
        .handle(|delivery: Delivery| async move {
            let long = if n(&delivery) == 0 { 500 } else { 10 };
            tokio::time::sleep(MILLI * long).await; // sleeps: on paused time.
        })
        .await
        .unwrap();
    for n in 0..100 {
        bus.publish(event("test.n", n)).await.unwrap();
    }
    bus.shutdown().await;
    let snapshot = metrics.snapshot();
    let near = |took: Duration, millis: u32| took.abs_diff(MILLI * millis) <= MILLI * millis / 50 + MILLI;
    let Durations { mean, p50, p99, max, .. } = snapshot.handle;
    assert!(near(mean, 15) && near(p50, 10) && near(p99, 10) && near(max, 500), "{snapshot:?}");
    assert!(near(snapshot.accept.p50, 20), "{snapshot:?}");
}
