//! The first program: one event, published as a Rust value, handled by its type and by its topic.
//!
//! Run this: `cargo run -p owlbus --example 01_hello`

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use owlbus::{Bus, Delivery, Event};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Event)]
#[event(topic = "user.logged_in")]
struct UserLoggedIn {
    user_id: String,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let bus = Bus::in_memory();

    // By type: the handler gets the Rust value.
    bus.subscribe(|login: Delivery<UserLoggedIn>| async move {
        println!("welcome, {}", login.user_id);
    })
    .await?;

    // By topic: the handler gets any event under it, and reads the data as JSON.
    bus.on("user.*")
        .name("audit")
        .handle(|event: Delivery| async move {
            println!("{} at {}: {}", event.topic(), event.subscription(), event.as_json()?);
            Ok(())
        })
        .await?;

    let receipt = bus.publish(UserLoggedIn { user_id: "ann".into() }).await?;
    println!("event {} reached {:?} subscriptions", receipt.seq, receipt.matched);

    let report = bus.shutdown().await;
    assert!(report.is_clean(), "{report:?}");
    Ok(())
}
