//! A handler falls behind. Its mailbox drops the oldest events, the handler is told of the gap, the stats count it, and
//! the quick handler beside it misses nothing.
//!
//! Run this: `cargo run -p owlbus --example 03_falling_behind`

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::time::Duration;

use owlbus::{Bus, Delivery, Event, Overflow};
use serde_json::json;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let bus = Bus::in_memory();

    let slow = bus
        .on("sensor.*")
        .name("slow")
        .mailbox(4, Overflow::DropOldest)
        .on_gap(|gap| println!("slow:  {gap}"))
        .handle(|event: Delivery| async move {
            tokio::time::sleep(Duration::from_millis(20)).await;
            println!("slow:  reading {}", event.get::<u32>("/n").unwrap_or_default());
        })
        .await?;
    let quick = bus.on("sensor.*").name("quick").handle(|_: Delivery| async {}).await?;

    for n in 1..=12 {
        let receipt = bus.publish(Event::json("sensor.reading", json!({ "n": n }))?).await?;
        for name in receipt.dropped.iter().flatten() {
            println!("       reading {n}: an older one was dropped at `{name}`");
        }
        tokio::task::yield_now().await;
    }

    let report = bus.shutdown().await;
    assert!(report.is_clean(), "{report:?}");
    for subscription in [slow, quick] {
        let stats = subscription.stats();
        println!(
            "{}: {} matched = {} done + {} dropped",
            stats.name,
            stats.matched,
            stats.done,
            stats.dropped.total()
        );
        assert!(stats.is_conserved());
    }
    Ok(())
}
