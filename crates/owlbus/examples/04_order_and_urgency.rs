//! Which event is next, and who gets it first: lanes, keys, bands and inline handlers; and how to learn what became of it.
//!
//! Run this: `cargo run -p owlbus --example 04_order_and_urgency`

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;

use owlbus::{Bus, Delivery, Event, Priority, handle::Band};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    // Delivery is held until `resume`, so that everything waits and the order can be seen.
    let bus = Bus::builder().paused().build()?;

    // Bands: the guard has its first try at every order before the desk sees it.
    bus.on("order.*").name("guard").priority(Band::CRITICAL).handle(check).await?;
    bus.on("order.*")
        .name("desk")
        .handle(|order: Delivery| async move { println!("desk:  {}", order.topic()) })
        .await?;

    // In the publisher, before any of them: for observers that are quick.
    bus.on("order.*").name("meter").inline(|order: &Event| println!("meter: {}", order.topic())).await?;

    // Lanes: what is urgent overtakes what waits.
    for (topic, priority) in [
        ("order.report", Priority::Deferred),
        ("order.placed", Priority::Normal),
        ("order.paid", Priority::Normal),
        ("order.cancelled", Priority::High),
    ] {
        bus.event(Event::signal(topic)?).priority(priority).publish().await?;
    }
    bus.resume();

    // `tracked` tells what became of an event in every subscription.
    let refund = bus.event(Event::signal("order.refund")?).tracked().publish().await?;
    for settled in refund.settled().await? {
        println!("refund: {} {:?}", settled.subscription, settled.settlement);
    }

    // `Immediate` waits for the first attempts: when this returns, the guard and the desk have had it.
    let alarm = bus.event(Event::signal("order.alarm")?).priority(Priority::Immediate).publish().await?;
    assert!(alarm.unfinished.is_empty());

    // Without await, from anywhere: what finds no room comes back.
    if let Err(error) = bus.try_publish(Event::signal("order.late")?) {
        println!("{error}");
    }
    assert!(bus.shutdown().await.is_clean());
    Ok(())
}

async fn check(order: Delivery) {
    println!("guard: {}", order.topic());
}
