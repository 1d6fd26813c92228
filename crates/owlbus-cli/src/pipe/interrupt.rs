//! What ends the reading before the input does: Ctrl-C, or an output that takes no more.

use std::{process, sync::Arc};

use tokio::sync::watch;

use crate::system::Signals;

/// Tells whoever reads to end, and where that is not enough, whoever works.
#[derive(Clone)]
pub(super) struct Interrupt(Arc<watch::Sender<u32>>);

/// The exit status of a process that Ctrl-C ended.
pub(super) const INTERRUPTED: u8 = 130;

/// How often it was told: nothing more is to be read.
const TOLD: u32 = 1;

/// How often it was told: nothing is to be waited for any more.
const INSISTED: u32 = 2;

impl Interrupt {
    /// Catches Ctrl-C, and what else asks a process to end, from here on: so many are told of, the next one ends the
    /// process. Where the system refuses that, Ctrl-C ends the process as it always does.
    pub(super) fn catch(patience: u32) -> Self {
        let interrupt = Self(Arc::new(watch::Sender::new(0)));
        if let Ok(mut signals) = Signals::catch() {
            let caught = interrupt.clone();
            tokio::spawn(async move {
                for _ in 0..patience {
                    if signals.next().await.is_none() {
                        return;
                    }
                    caught.0.send_modify(|times| *times += 1);
                }
                if signals.next().await.is_some() {
                    process::exit(INTERRUPTED.into());
                }
            });
        }
        interrupt
    }

    /// Tells that nothing more is to be read.
    pub(super) fn tell(&self) {
        self.0.send_modify(|times| *times = TOLD.max(*times));
    }

    /// Whether it was told.
    pub(super) fn is_told(&self) -> bool {
        *self.0.borrow() >= TOLD
    }

    /// Waits until it is told. Cancel safe.
    pub(super) async fn told(&self) {
        self.times(TOLD).await;
    }

    /// Whether nothing is to be waited for any more.
    pub(super) fn insists(&self) -> bool {
        *self.0.borrow() >= INSISTED
    }

    /// Waits until nothing is to be waited for any more. Cancel safe.
    pub(super) async fn insisted(&self) {
        self.times(INSISTED).await;
    }

    async fn times(&self, times: u32) {
        // It holds the sender itself, so there is always one.
        _ = self.0.subscribe().wait_for(|told| *told >= times).await;
    }
}
