//! jaeb, an event bus for tokio, with its default settings: it has no mailboxes, and spawns a task each delivery.

use std::{ops::Range, time::Instant};

use anyhow::Result;
use jaeb::{EventBus, EventHandler, HandlerResult};

use super::Shape;
use crate::{
    runtime,
    tick::{self, Tick},
};

/// The kind of handler that is quickest: its event is lent to it, where one of a closure is cloned.
struct Adder;

impl EventHandler<Tick> for Adder {
    async fn handle(&self, event: &Tick, _bus: &EventBus) -> HandlerResult {
        tick::handle(event);
        Ok(())
    }
}

/// Deliveries a second, by asynchronous listeners.
pub(crate) fn asynchronous(shape: Shape) -> Result<f64> {
    runtime::run(async move {
        let bus = EventBus::builder().build().await?;
        for _ in 0..shape.handlers {
            // It lasts as long as the bus: only a guard made of it would end it.
            let _subscription = bus.subscribe(Adder).await?;
        }
        let begun = Instant::now();
        let publishers: Vec<_> =
            shape.shares().map(|share| tokio::spawn(publish(bus.clone(), share))).collect();
        for publisher in publishers {
            publisher.await??;
        }
        bus.shutdown().await?;
        let rate = runtime::rate(shape.deliveries(), begun);
        tick::check(shape.ticks, shape.handlers)?;
        Ok(rate)
    })
}

async fn publish(bus: EventBus, numbers: Range<u64>) -> Result<()> {
    for number in numbers {
        bus.publish(Tick::numbered(number)).await?;
    }
    Ok(())
}
