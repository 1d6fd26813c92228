//! jaeb, an event bus for tokio, with its default settings.
//!
//! For asynchronous listeners it has no mailboxes, but spawns a task each delivery, and nothing makes a publisher wait.
//! So this one gives way after every publish: of all the ways that were tried (never, every 8, 32 or 128 events, at most
//! 1,024 on the way, jaeb's own limit) it is the quickest, and the only one that keeps what is on the way small.
//! Synchronous listeners run in the publisher, which need not give way to anybody.

use std::{ops::Range, time::Instant};

use anyhow::Result;
use jaeb::{EventBus, EventHandler, HandlerResult, SyncEventHandler};
use tokio::task::yield_now;

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

/// The same in the publisher.
struct SyncAdder;

impl SyncEventHandler<Tick> for SyncAdder {
    fn handle(&self, event: &Tick, _bus: &EventBus) -> HandlerResult {
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
        carry(bus, shape, publish_and_give_way).await
    })
}

/// Deliveries a second, by synchronous listeners.
pub(crate) fn synchronous(shape: Shape) -> Result<f64> {
    runtime::run(async move {
        let bus = EventBus::builder().build().await?;
        for _ in 0..shape.handlers {
            let _subscription = bus.subscribe(SyncAdder).await?;
        }
        carry(bus, shape, publish).await
    })
}

async fn carry<F>(bus: EventBus, shape: Shape, publish: fn(EventBus, Range<u64>) -> F) -> Result<f64>
where
    F: Future<Output = Result<()>> + Send + 'static,
{
    let begun = Instant::now();
    let publishers: Vec<_> = shape.shares().map(|share| tokio::spawn(publish(bus.clone(), share))).collect();
    for publisher in publishers {
        publisher.await??;
    }
    bus.shutdown().await?;
    let rate = runtime::rate(shape.deliveries(), begun);
    tick::check(shape.ticks, shape.handlers)?;
    Ok(rate)
}

async fn publish(bus: EventBus, numbers: Range<u64>) -> Result<()> {
    for number in numbers {
        bus.publish(Tick::numbered(number)).await?;
    }
    Ok(())
}

async fn publish_and_give_way(bus: EventBus, numbers: Range<u64>) -> Result<()> {
    for number in numbers {
        bus.publish(Tick::numbered(number)).await?;
        yield_now().await;
    }
    Ok(())
}
