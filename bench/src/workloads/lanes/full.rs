//! One subscriber whose mailbox is full of events of all lanes.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{
            AtomicBool, AtomicU64,
            Ordering::{Relaxed, SeqCst},
        },
    },
    time::Duration,
};

use anyhow::{Result, ensure};
use owlbus::{Bus, Delivery, Overflow, Priority};
use tokio::{
    sync::Semaphore,
    time::{MissedTickBehavior, interval},
};

use super::{SHARING, starts::Starts, work_a_little};
use crate::{
    runtime,
    subjects::ROOM,
    tick::{self, Tick},
};

/// Events of each lane that shares which are not handled yet: together a few more than there is room for, so that the
/// mailbox is full and somebody waits for room.
const ON_THE_WAY: usize = ROOM / 3 + 2;

/// Starts until the mailbox has come to rest: an event of `Deferred` waits for about 13 times [`ON_THE_WAY`].
pub(super) const WARMING: u64 = 10_000;

/// Time between two events of `Immediate`.
pub(super) const PACE: Duration = Duration::from_millis(1);

/// What publishers and the handler share.
struct Stage {
    starts: Mutex<Starts>,
    /// Number of the next event.
    next: AtomicU64,
    /// Publishes that have returned, by lane.
    entered: [AtomicU64; 4],
    /// What each lane may still send, by lane.
    permits: [Semaphore; 4],
    over: AtomicBool,
}

/// Latencies by lane, shares by lane, the longest wait; over so many starts.
pub(super) fn round(starts: u64) -> Result<Vec<f64>> {
    runtime::run(async move {
        let stage = Arc::new(Stage {
            starts: Mutex::new(Starts::after(WARMING)),
            next: AtomicU64::new(0),
            entered: Default::default(),
            permits: std::array::from_fn(|_| Semaphore::new(ON_THE_WAY)),
            over: AtomicBool::new(false),
        });
        let bus = Bus::in_memory();
        let handler = {
            let stage = Arc::clone(&stage);
            move |tick: Delivery<Tick>| {
                let stage = Arc::clone(&stage);
                async move { stage.handle(&tick, starts) }
            }
        };
        let on = bus.on("bench.tick.sent").mailbox(ROOM, Overflow::Block { timeout: Duration::from_secs(5) });
        on.handle(handler).await?;

        // Two each, so that one can wait for room while the other sends.
        let sharing = SHARING.into_iter().flat_map(|lane| [lane; 2]);
        let mut publishers: Vec<_> =
            sharing.map(|lane| tokio::spawn(publish(bus.clone(), Arc::clone(&stage), lane))).collect();
        publishers.push(tokio::spawn(interrupt(bus.clone(), Arc::clone(&stage))));
        for publisher in publishers {
            publisher.await??;
        }
        let report = bus.shutdown().await;
        ensure!(report.is_clean(), "{} events were not delivered", report.undelivered.len());
        tick::check(stage.next.load(Relaxed), 1)?;
        stage.figures()
    })
}

impl Stage {
    fn handle(&self, tick: &Delivery<Tick>, starts: u64) {
        let (lane, latency) = (tick.event().priority(), tick.elapsed());
        let entered = self.entered[lane as usize].load(SeqCst);
        let mut counts = self.starts.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.over.load(Relaxed) && counts.start(lane, latency, entered) >= starts {
            self.over.store(true, Relaxed);
        }
        drop(counts);
        work_a_little();
        tick::handle(tick);
        self.permits[lane as usize].add_permits(1);
    }

    async fn publish(&self, bus: &Bus, lane: Priority) -> Result<()> {
        let tick = Tick::numbered(self.next.fetch_add(1, Relaxed));
        let receipt = bus.event(tick).priority(lane).publish().await?;
        ensure!(receipt.dropped.is_some_and(|dropped| dropped.is_empty()), "an event was dropped");
        self.entered[lane as usize].fetch_add(1, SeqCst);
        Ok(())
    }

    fn figures(&self) -> Result<Vec<f64>> {
        let starts = self.starts.lock().unwrap_or_else(PoisonError::into_inner);
        let mut figures = Vec::new();
        for lane in [Priority::Immediate].into_iter().chain(SHARING) {
            let latencies = &starts.of(lane).latencies;
            figures.extend([latencies.percentile(50)?, latencies.percentile(99)?]);
        }
        let all: u64 = SHARING.iter().map(|lane| starts.of(*lane).counted).sum();
        figures.extend(SHARING.iter().map(|lane| starts.of(*lane).counted as f64 / all as f64 * 100.0));
        let longest = SHARING.iter().map(|lane| starts.of(*lane).longest_wait).max();
        figures.extend(longest.map(|longest| longest as f64));
        Ok(figures)
    }
}

/// Keeps as many events of a lane on the way as it may.
async fn publish(bus: Bus, stage: Arc<Stage>, lane: Priority) -> Result<()> {
    while !stage.over.load(Relaxed) {
        stage.permits[lane as usize].acquire().await?.forget();
        stage.publish(&bus, lane).await?;
    }
    Ok(())
}

/// Sends an event that goes before all others, again and again.
async fn interrupt(bus: Bus, stage: Arc<Stage>) -> Result<()> {
    let mut pace = interval(PACE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !stage.over.load(Relaxed) {
        pace.tick().await;
        stage.publish(&bus, Priority::Immediate).await?;
    }
    Ok(())
}
