//! Events in time: of a burst only the latest matters, of the same trouble one mail is enough, and a schedule publishes by
//! the clock.
//!
//! Run this: `cargo run -p owlbus --example 06_bursts_and_schedules`

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::{error::Error, time::Duration};

use owlbus::{Bus, Delivery, Event, handle::Keep};
use serde::{Deserialize, Serialize};
use serde_json::json;

#[derive(Serialize, Deserialize, Event)]
#[event(topic = "clock.ticked")]
struct ClockTicked {
    number: u64,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let bus = Bus::in_memory();

    // A document is saved when nobody has typed in it for a while.
    let save = bus
        .on("document.edited")
        .name("save")
        .debounce(Duration::from_millis(100))
        .debounce_at_most(Duration::from_secs(10))
        .handle(|edited: Delivery| async move {
            println!("save {}: {}", edited.key(), edited.get::<String>("/text").unwrap_or_default());
        })
        .await?;

    // Of what goes wrong with a customer's orders, the first is told at once, and no other within the hour.
    let tell = bus
        .on("order.failed")
        .name("tell")
        .throttle(Duration::from_secs(3600), Keep::First)
        .handle(|failed: Delivery| async move { println!("tell {}", failed.key()) })
        .await?;

    for text in ["d", "de", "dea", "dear"] {
        let edited = Event::json("document.edited", json!({ "text": text }))?;
        bus.event(edited).key("letter").publish().await?;
        bus.event(Event::signal("order.failed")?).key("ann").publish().await?;
    }

    // A clock that ticks three times; `publish` would publish the same event each time.
    let (heard, mut ticks) = tokio::sync::mpsc::unbounded_channel();
    bus.on("clock.ticked").inline(move |tick: &ClockTicked| _ = heard.send(tick.number)).await?;
    bus.schedule("clock")
        .every(Duration::from_millis(60))
        .times(3)
        .publish_with(|tick| ClockTicked { number: tick.number })?;
    for _ in 0..3 {
        println!("tick {}", ticks.recv().await.unwrap_or_default());
    }

    // What still waits for its time is handled at the end, and what was left out is counted.
    bus.event(Event::json("document.edited", json!({ "text": "dear ann" }))?).key("letter").publish().await?;
    assert!(bus.shutdown().await.is_clean());
    for subscription in [save, tell] {
        let stats = subscription.stats();
        println!(
            "{}: {} matched = {} done + {} coalesced",
            stats.name, stats.matched, stats.done, stats.coalesced
        );
        assert!(stats.is_conserved());
    }
    Ok(())
}
