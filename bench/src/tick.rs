//! The event all subjects carry, and the atomic all handlers add to.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use anyhow::{Result, ensure};
use owlbus::Event;
use serde::{Deserialize, Serialize};

/// An event of 64 bytes. The first field is its number; handlers add it up.
#[derive(Serialize, Deserialize, Event)]
#[event(topic = "bench.tick.sent")]
pub(crate) struct Tick {
    pub(crate) number: u64,
    rest: [u64; 7],
}

const _: () = assert!(size_of::<Tick>() == 64);

impl Tick {
    pub(crate) fn numbered(number: u64) -> Self {
        Self { number, rest: [number; 7] }
    }
}

/// What the handlers of this process add to; one round is one process, so it starts at nothing.
static SUM: AtomicU64 = AtomicU64::new(0);

/// All that a handler does.
pub(crate) fn handle(tick: &Tick) {
    SUM.fetch_add(tick.number, Relaxed);
}

/// Makes sure that each of `handlers` handlers was given the ticks 0 to `ticks` - 1, once each.
pub(crate) fn check(ticks: u64, handlers: u64) -> Result<()> {
    let (found, expected) = (SUM.load(Relaxed), ticks * ticks.saturating_sub(1) / 2 * handlers);
    ensure!(
        found == expected,
        "the handlers added up {found} where {expected} was sent: events were lost or doubled"
    );
    Ok(())
}
