//! owlbus with everything on, as it comes.

use std::time::Instant;

use anyhow::{Result, ensure};
use owlbus::{Bus, Delivery, Event, config::BusBuilder};

use super::Shape;
use crate::{
    runtime,
    tick::{self, Tick},
};

/// Deliveries a second: a queued subscription each handler.
pub(crate) fn queued(shape: Shape) -> Result<f64> {
    runtime::run(async move {
        let bus = Bus::in_memory();
        for _ in 0..shape.handlers {
            bus.subscribe(|tick: Delivery<Tick>| async move { tick::handle(&tick) }).await?;
        }
        carry(bus, shape).await
    })
}

/// Events a second to one queued subscription of a bus that is built like this.
pub(crate) fn built(builder: BusBuilder, shape: Shape) -> Result<f64> {
    runtime::run(async move {
        let bus = builder.build()?;
        bus.subscribe(|tick: Delivery<Tick>| async move { tick::handle(&tick) }).await?;
        carry(bus, shape).await
    })
}

/// Deliveries a second: an inline handler each, which reads the event it is lent.
pub(crate) fn inline(shape: Shape) -> Result<f64> {
    runtime::run(async move {
        let bus = Bus::in_memory();
        for _ in 0..shape.handlers {
            let handler = |event: &Event| {
                tick::handle(event.view()?);
                Ok(())
            };
            bus.on("bench.tick.sent").inline(handler).await?;
        }
        carry(bus, shape).await
    })
}

/// Deliveries a second: an inline handler each, which is lent the data.
pub(crate) fn inline_typed(shape: Shape) -> Result<f64> {
    runtime::run(async move {
        let bus = Bus::in_memory();
        for _ in 0..shape.handlers {
            bus.on("bench.tick.sent").inline(tick::handle).await?;
        }
        carry(bus, shape).await
    })
}

async fn carry(bus: Bus, shape: Shape) -> Result<f64> {
    let begun = Instant::now();
    let publishers: Vec<_> = shape.shares().map(|share| tokio::spawn(publish(bus.clone(), share))).collect();
    for publisher in publishers {
        publisher.await??;
    }
    let report = bus.shutdown().await;
    let rate = runtime::rate(shape.deliveries(), begun);
    ensure!(report.is_clean(), "{} events were not delivered", report.undelivered.len());
    tick::check(shape.ticks, shape.handlers)?;
    Ok(rate)
}

async fn publish(bus: Bus, numbers: std::ops::Range<u64>) -> Result<()> {
    for number in numbers {
        bus.publish(Tick::numbered(number)).await?;
    }
    Ok(())
}
