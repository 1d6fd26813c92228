//! Faults on purpose hit the share they were asked for, the same ones for the same seed, and what they hit is handled as any other failure.

mod common;

use std::time::Duration;

use common::{assert_conserved, event, n, stats_of};
use owlbus::{
    Bus, Delivery,
    middleware::{Fault, delay, duplicate, random_fail, random_panic},
    stats::SubscriptionStats,
};
use tokio::time::Instant;

/// The numbers that a handler got of 1,000 events, and what was counted.
async fn handled(fault: Fault) -> (Vec<u64>, SubscriptionStats) {
    let bus = Bus::builder().middleware(fault).build().expect("it is alone");
    let (seen, noted) = common::Notes::pair();
    let handler = move |delivery: Delivery| {
        noted.add(n(&delivery));
        async {}
    };
    bus.on("**")
        .name("it")
        .mailbox(2_000, owlbus::Overflow::Reject)
        .handle(handler)
        .await
        .expect("it is accepted");
    for n in 0..1_000 {
        bus.publish(event(if n < 500 { "low" } else { "high" }, n)).await.expect("it is accepted");
    }
    bus.shutdown().await;
    assert_conserved(&bus);
    (seen.all(), stats_of(&bus, "it"))
}

#[tokio::test(start_paused = true)]
async fn the_share_is_that_which_was_asked_for_and_the_seed_says_which() {
    for fault in [random_fail, random_panic] {
        let (seen, stats) = handled(fault(0.2, 7)).await;
        assert!((150..250).contains(&stats.dead) && stats.done + stats.dead == 1_000, "{stats:?}");
        assert_eq!(handled(fault(0.2, 7)).await.0, seen);
        assert_ne!(handled(fault(0.2, 8)).await.0, seen);
        assert_eq!(handled(fault(0.0, 7)).await.0.len(), 1_000);
        assert_eq!(handled(fault(1.0, 7)).await.0.len(), 0);
        let (seen, _) = handled(fault(1.0, 7).on("low").unwrap()).await;
        assert_eq!(seen, (500..1_000).collect::<Vec<_>>());
    }
}

#[tokio::test(start_paused = true)]
async fn what_comes_twice_counts_once() {
    let (seen, stats) = handled(duplicate(0.5, 7)).await;
    assert!((1_400..1_600).contains(&seen.len()), "{}", seen.len());
    assert_eq!(stats.done, 1_000);
    assert!(seen.is_sorted() && seen.iter().collect::<std::collections::HashSet<_>>().len() == 1_000);
}

#[tokio::test(start_paused = true)]
async fn what_is_late_comes_all_the_same() {
    let begun = Instant::now();
    let (seen, stats) = handled(delay(0.5, Duration::from_millis(10), 7)).await;
    assert_eq!((seen, stats.done), ((0..1_000).collect(), 1_000));
    let took = begun.elapsed();
    // Half of the publishes and half of the attempts, 5 ms each on average, and those of the two overlap.
    assert!((Duration::from_secs(2)..Duration::from_secs(6)).contains(&took), "{took:?}");
}
