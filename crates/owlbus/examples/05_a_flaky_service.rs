//! A service is away. What fails is tried again a little later each time; what fails for good is kept as a dead letter, and
//! sent again when the service is back.
//!
//! Run this: `cargo run -p owlbus --example 05_a_flaky_service`

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::{
    error::Error,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use owlbus::{
    Bus, Delivery, Event, HandlerError,
    settle::{DeadLetterQuery, Next, Retry},
};
use serde_json::json;

/// A service that is away for so many calls, and never takes an invoice without an amount.
struct Service {
    away_for: AtomicU32,
}

#[derive(Debug, thiserror::Error)]
#[error("the service is away")]
struct Away;

impl Service {
    fn bill(&self, amount: Option<u32>) -> Result<u32, HandlerError> {
        let away = self.away_for.fetch_update(Relaxed, Relaxed, |calls| calls.checked_sub(1)).is_ok();
        if away {
            // Another attempt makes sense.
            return Err(HandlerError::temporary(Away));
        }
        // Here it does not: the invoice will have no amount next time either.
        amount.ok_or_else(|| HandlerError::permanent("an invoice has an amount"))
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let bus = Bus::in_memory();
    let service = Arc::new(Service { away_for: AtomicU32::new(2) });

    let calls = Arc::clone(&service);
    bus.on("invoice.*")
        .name("billing")
        .timeout(Duration::from_secs(1))
        .retry(Retry::exponential(Duration::from_millis(50)).max(3))
        .on_error(|failure| {
            let next = match failure.next {
                Next::Retry { after } => format!("again in {} ms", after.as_millis()),
                _ => "given up".to_string(),
            };
            println!(
                "attempt {} at {}: {}; {next}",
                failure.attempt.number,
                invoice(&failure.event),
                failure.error
            );
        })
        .handle(move |event: Delivery| {
            let billed = calls.bill(event.get("/amount"));
            async move {
                println!("attempt {} at {}: {} billed", event.attempt(), invoice(&event), billed?);
                Ok(())
            }
        })
        .await?;

    println!("The service is away for two calls: the third attempt succeeds.");
    settle(&bus, json!({ "number": 1, "amount": 100 })).await?;

    println!("\nThis invoice has no amount: no other attempt makes sense.");
    settle(&bus, json!({ "number": 2 })).await?;

    println!("\nThe service is away for longer than anybody waits.");
    service.away_for.store(3, Relaxed);
    settle(&bus, json!({ "number": 3, "amount": 300 })).await?;

    println!("\nWhat failed for good is kept:");
    let letters = bus.dead_letters();
    for letter in letters.list(&DeadLetterQuery::all()) {
        let (attempts, reason) = (letter.attempts.len(), &letter.reason);
        println!("letter {}: {}, attempts: {attempts}, {reason}", letter.id, invoice(&letter.event));
    }

    println!(
        "\nThe service is back: what failed for want of it is sent again, and the other gets its amount first."
    );
    let sent = letters.redrive(&DeadLetterQuery::all().subscription("billing").error("away"))?;
    assert_eq!(sent, 1);
    letters.redrive_edited(&DeadLetterQuery::all(), |event| with_amount(&event).unwrap_or(event))?;

    let report = bus.shutdown().await;
    assert!(report.is_clean(), "{report:?}");
    println!("\n{} letters are left.", letters.len());
    assert!(letters.is_empty());
    Ok(())
}

/// Publishes an invoice, and waits until it is billed or given up.
async fn settle(bus: &Bus, data: serde_json::Value) -> Result<(), Box<dyn Error>> {
    bus.event(Event::json("invoice.sent", data)?).tracked().publish().await?.settled().await?;
    Ok(())
}

fn invoice(event: &Event) -> String {
    format!("invoice {}", event.get::<u32>("/number").unwrap_or_default())
}

/// The same invoice, with an amount.
fn with_amount(event: &Event) -> Result<Event, Box<dyn Error>> {
    let number: Option<u32> = event.get("/number");
    let data = json!({ "number": number, "amount": 200 });
    Ok(Event::builder(Event::json(event.topic(), data)?).id(event.id().to_string()).build()?)
}
