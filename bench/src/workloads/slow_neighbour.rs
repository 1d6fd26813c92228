//! One publisher, fifteen quick subscribers, and one beside them that is slow: it waits for a millisecond on every event,
//! as one that writes to a disk does, and its mailbox is full all the time.
//!
//! Counted are the deliveries to the fifteen, from when the mailbox of the slow one is full. *alone* has only them, and
//! *quick* a sixteenth that is as quick as they are: what any neighbour costs. With `DropOldest` the slow one misses events,
//! and nobody else notices it. With `Block` it misses none, and everybody is as slow as it is.

use std::{
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use owlbus::{Bus, Delivery, Overflow, Subscription};
use tokio::{sync::Semaphore, time::sleep};

use crate::{
    runtime,
    subjects::ROOM,
    tick::{self, Tick},
    workload::{
        Bound::{AtLeast, Shown},
        Round::One,
        Subject, Unit, Want, Workload,
    },
};

pub(super) static WORKLOAD: Workload = Workload {
    name: "slow_neighbour",
    about: "one publisher, 15 quick subscribers, a slow one beside them",
    subjects: &[
        Subject {
            name: "drop-oldest",
            work: 600_000,
            round: One(Unit::Deliveries, |n| round(n, Neighbour::Slow(Overflow::DropOldest))),
        },
        Subject {
            name: "alone",
            work: 600_000,
            round: One(Unit::Deliveries, |n| round(n, Neighbour::Nobody)),
        },
        Subject {
            name: "quick",
            work: 600_000,
            round: One(Unit::Deliveries, |n| round(n, Neighbour::Quick)),
        },
        Subject {
            name: "block",
            work: 1_500,
            round: One(Unit::Deliveries, |n| round(n, Neighbour::Slow(BLOCK))),
        },
    ],
    wants: &[
        Want::Ratio { subject: "drop-oldest", beside: "alone", bound: AtLeast(0.9) },
        Want::Ratio { subject: "drop-oldest", beside: "quick", bound: Shown },
        Want::Ratio { subject: "quick", beside: "alone", bound: Shown },
        Want::Ratio { subject: "block", beside: "alone", bound: Shown },
    ],
};

/// The default of every mailbox.
const BLOCK: Overflow = Overflow::Block { timeout: Duration::from_secs(5) };

/// Subscribers that are counted.
const QUICK: u64 = 15;

/// How long the slow one waits on each event.
const SLOW: Duration = Duration::from_millis(1);

/// Who stands beside them.
#[derive(Clone, Copy)]
enum Neighbour {
    Nobody,
    Quick,
    Slow(Overflow),
}

/// Deliveries a second to the quick ones, over so many ticks.
fn round(ticks: u64, neighbour: Neighbour) -> Result<f64> {
    runtime::run(async move {
        let (filling, measured) = (0..ROOM as u64, ROOM as u64..ROOM as u64 + ticks);
        let bus = Bus::in_memory();
        let (seen, through) = (Arc::new(AtomicU64::new(0)), Arc::new(Semaphore::new(0)));
        let beside = neighbour.subscribe(&bus, &seen).await?;
        let ends = [filling.end - 1, measured.end - 1];
        for _ in 0..QUICK {
            let through = Arc::clone(&through);
            let handler = move |tick: Delivery<Tick>| {
                tick::handle(&tick);
                // Its ticks come in order, so it has had all that came before.
                if ends.contains(&tick.number) {
                    through.add_permits(1);
                }
                async {}
            };
            bus.subscribe(handler).await?;
        }

        carry(&bus, filling, &through).await?;
        let begun = Instant::now();
        carry(&bus, measured.clone(), &through).await?;
        let rate = runtime::rate(ticks * QUICK, begun);

        if let Some(beside) = beside {
            let missed = beside.stats().dropped.total();
            let drops = matches!(neighbour, Neighbour::Slow(Overflow::DropOldest));
            ensure!((missed > 0) == drops, "the neighbour missed {missed} events");
            beside.unsubscribe();
            ensure!(seen.load(Relaxed) > 0, "the neighbour got nothing");
        }
        let report = bus.shutdown().await;
        ensure!(report.undelivered.is_empty(), "{} events were not delivered", report.undelivered.len());
        tick::check(measured.end, QUICK)?;
        Ok(rate)
    })
}

impl Neighbour {
    /// Subscribes it; it counts what it saw.
    async fn subscribe(self, bus: &Bus, seen: &Arc<AtomicU64>) -> Result<Option<Subscription>> {
        let seen = Arc::clone(seen);
        let on = bus.on("bench.tick.sent");
        Ok(match self {
            Neighbour::Nobody => None,
            Neighbour::Quick => {
                let handler = move |_: Delivery<Tick>| {
                    seen.fetch_add(1, Relaxed);
                    async {}
                };
                Some(on.handle(handler).await?)
            }
            Neighbour::Slow(overflow) => {
                let handler = move |_: Delivery<Tick>| {
                    seen.fetch_add(1, Relaxed);
                    sleep(SLOW)
                };
                Some(on.mailbox(ROOM, overflow).handle(handler).await?)
            }
        })
    }
}

/// Publishes these ticks, and waits until every quick one has had them.
async fn carry(bus: &Bus, numbers: Range<u64>, through: &Semaphore) -> Result<()> {
    tokio::spawn(publish(bus.clone(), numbers)).await??;
    through.acquire_many(QUICK as u32).await?.forget();
    Ok(())
}

async fn publish(bus: Bus, numbers: Range<u64>) -> Result<()> {
    for number in numbers {
        bus.publish(Tick::numbered(number)).await?;
    }
    Ok(())
}
