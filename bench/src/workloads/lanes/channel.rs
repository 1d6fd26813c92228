//! One channel that is full: whoever sends into it waits for all that is before him, whatever it is.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Instant,
};

use anyhow::Result;
use tokio::{
    sync::mpsc::{self, Receiver, Sender},
    time::{MissedTickBehavior, interval},
};

use super::{
    SHARING,
    full::{PACE, WARMING},
    work_a_little,
};
use crate::{
    latencies::Latencies,
    runtime,
    subjects::ROOM,
    tick::{self, Tick},
};

/// A shared tick, and when somebody began to send it.
type Sent = (Instant, Arc<Tick>);

/// What senders and the receiver share.
#[derive(Default)]
struct Stage {
    /// Number of the next tick.
    next: AtomicU64,
    over: AtomicBool,
}

/// Latencies over so many ticks.
pub(super) fn round(ticks: u64) -> Result<Vec<f64>> {
    runtime::run(async move {
        let stage = Arc::new(Stage::default());
        let (sender, receiver) = mpsc::channel(ROOM);
        let receiver = tokio::spawn(receive(receiver, Arc::clone(&stage), ticks));
        for _ in SHARING.into_iter().flat_map(|lane| [lane; 2]) {
            tokio::spawn(send(sender.clone(), Arc::clone(&stage)));
        }
        // The senders are theirs now, and the receiver ends when the last of them has.
        tokio::spawn(interrupt(sender, Arc::clone(&stage)));
        let latencies = receiver.await?;
        tick::check(stage.next.load(Relaxed), 1)?;
        Ok(vec![latencies.percentile(50)?, latencies.percentile(99)?])
    })
}

impl Stage {
    async fn send(&self, sender: &Sender<Sent>) {
        let tick = Arc::new(Tick::numbered(self.next.fetch_add(1, Relaxed)));
        // The receiver takes all there is, or the sum in the end is wrong.
        _ = sender.send((Instant::now(), tick)).await;
    }
}

async fn send(sender: Sender<Sent>, stage: Arc<Stage>) {
    while !stage.over.load(Relaxed) {
        stage.send(&sender).await;
    }
}

/// Sends a tick that would go before all others, if it could, again and again.
async fn interrupt(sender: Sender<Sent>, stage: Arc<Stage>) {
    let mut pace = interval(PACE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !stage.over.load(Relaxed) {
        pace.tick().await;
        stage.send(&sender).await;
    }
}

async fn receive(mut receiver: Receiver<Sent>, stage: Arc<Stage>, ticks: u64) -> Latencies {
    let mut latencies = Latencies::with_capacity(ticks as usize);
    let mut received = 0;
    while let Some((sent, tick)) = receiver.recv().await {
        let latency = sent.elapsed();
        received += 1;
        if (WARMING..WARMING + ticks).contains(&received) {
            latencies.add(latency);
        } else if received >= WARMING {
            stage.over.store(true, Relaxed);
        }
        work_a_little();
        tick::handle(&tick);
    }
    latencies
}
