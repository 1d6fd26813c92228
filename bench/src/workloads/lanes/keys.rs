//! One subscription that handles many keys at once, each in order.

use std::{
    ops::Range,
    sync::{
        Arc,
        atomic::{
            AtomicBool, AtomicU64,
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

const KEYS: u64 = 64;
const PUBLISHERS: u64 = 2;
const WORKERS: usize = 16;

/// What the handlers know of each other.
struct Watch {
    /// The first number of each publisher; they are in order among their own events only.
    firsts: Vec<u64>,
    keys: Vec<Key>,
    /// How often an event started beside another of its key, or after a later one.
    broken: AtomicU64,
}

#[derive(Default)]
struct Key {
    runs: AtomicBool,
    /// One more than the number of the event that started last, by publisher.
    next: [AtomicU64; PUBLISHERS as usize],
}

/// Events a second; how often the order of a key was broken.
pub(super) fn round(ticks: u64) -> Result<Vec<f64>> {
    let shape = Shape { publishers: PUBLISHERS, handlers: 1, ticks };
    runtime::run(async move {
        let watch = Arc::new(Watch {
            firsts: shape.shares().map(|share| share.start).collect(),
            keys: (0..KEYS).map(|_| Key::default()).collect(),
            broken: AtomicU64::new(0),
        });
        let bus = Bus::in_memory();
        let handler = {
            let watch = Arc::clone(&watch);
            move |tick: Delivery<Tick>| {
                let watch = Arc::clone(&watch);
                async move { watch.handle(&tick).await }
            }
        };
        bus.on("bench.tick.sent").ordered_by_key().concurrency(WORKERS).handle(handler).await?;

        let begun = Instant::now();
        let publishers: Vec<_> =
            shape.shares().map(|share| tokio::spawn(publish(bus.clone(), share))).collect();
        for publisher in publishers {
            publisher.await??;
        }
        let report = bus.shutdown().await;
        let rate = runtime::rate(shape.deliveries(), begun);
        ensure!(report.is_clean(), "{} events were not delivered", report.undelivered.len());
        tick::check(ticks, 1)?;
        Ok(vec![rate, watch.broken.load(Relaxed) as f64])
    })
}

impl Watch {
    async fn handle(&self, tick: &Tick) {
        let key = &self.keys[(tick.number % KEYS) as usize];
        let publisher = self.firsts.partition_point(|first| *first <= tick.number) - 1;
        let meets = key.runs.swap(true, SeqCst);
        let overtaken = key.next[publisher].swap(tick.number + 1, SeqCst) > tick.number;
        if meets || overtaken {
            self.broken.fetch_add(1, Relaxed);
        }
        work_a_little();
        // Another event of the key that does not wait for the end of this has its chance now.
        yield_now().await;
        tick::handle(tick);
        key.runs.store(false, SeqCst);
    }
}

async fn publish(bus: Bus, numbers: Range<u64>) -> Result<()> {
    let keys: Vec<_> = (0..KEYS).map(|key| format!("key {key}")).collect();
    for number in numbers {
        let lane = SHARING[number as usize % SHARING.len()];
        let key = &keys[(number % KEYS) as usize];
        bus.event(Tick::numbered(number)).key(key).priority(lane).publish().await?;
    }
    Ok(())
}
