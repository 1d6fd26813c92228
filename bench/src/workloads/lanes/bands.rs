//! Three subscriptions to the same events, one after the other on each of them.

use std::{
    ops::Range,
    sync::{
        Arc,
        atomic::{
            AtomicU8, AtomicU64,
            Ordering::{Relaxed, SeqCst},
        },
    },
    time::Instant,
};

use anyhow::{Result, ensure};
use owlbus::{Bus, Delivery};
use tokio::task::yield_now;

use super::{SHARING, work_a_little};
use crate::{
    runtime,
    subjects::Shape,
    tick::{self, Tick},
};

/// The priorities of the subscriptions, the first goes first.
const BANDS: [i32; 3] = [10, 0, -10];

/// What the handlers know of each other.
struct Watch {
    /// Who has ended, by the event's number: a bit each, in the order of [`BANDS`].
    ended: Vec<AtomicU8>,
    /// How often somebody started before all those above had ended.
    broken: AtomicU64,
}

/// Deliveries a second; starts out of order that the bus does not count; those it counts.
pub(super) fn round(ticks: u64) -> Result<Vec<f64>> {
    let shape = Shape { publishers: 2, handlers: BANDS.len() as u64, ticks };
    runtime::run(async move {
        let ended = (0..ticks).map(|_| AtomicU8::new(0)).collect();
        let watch = Arc::new(Watch { ended, broken: AtomicU64::new(0) });
        let bus = Bus::in_memory();
        let mut subscriptions = Vec::new();
        for (band, priority) in BANDS.into_iter().enumerate() {
            let watch = Arc::clone(&watch);
            let handler = move |tick: Delivery<Tick>| {
                let watch = Arc::clone(&watch);
                async move { watch.handle(&tick, band).await }
            };
            subscriptions.push(bus.on("bench.tick.sent").priority(priority).handle(handler).await?);
        }

        let begun = Instant::now();
        let publishers: Vec<_> =
            shape.shares().map(|share| tokio::spawn(publish(bus.clone(), share))).collect();
        for publisher in publishers {
            publisher.await??;
        }
        let report = bus.shutdown().await;
        let rate = runtime::rate(shape.deliveries(), begun);
        ensure!(report.is_clean(), "{} events were not delivered", report.undelivered.len());
        tick::check(ticks, shape.handlers)?;
        let timeouts: u64 = subscriptions.iter().map(|subscription| subscription.stats().band_timeouts).sum();
        let broken = watch.broken.load(Relaxed).saturating_sub(timeouts);
        Ok(vec![rate, broken as f64, timeouts as f64])
    })
}

impl Watch {
    async fn handle(&self, tick: &Tick, band: usize) {
        let ended = &self.ended[tick.number as usize];
        let above = (1 << band) - 1;
        if ended.load(SeqCst) & above != above {
            self.broken.fetch_add(1, Relaxed);
        }
        work_a_little();
        // Whoever does not wait for the end of this has its chance now.
        yield_now().await;
        tick::handle(tick);
        ended.fetch_or(1 << band, SeqCst);
    }
}

async fn publish(bus: Bus, numbers: Range<u64>) -> Result<()> {
    for number in numbers {
        let lane = SHARING[number as usize % SHARING.len()];
        bus.event(Tick::numbered(number)).priority(lane).publish().await?;
    }
    Ok(())
}
