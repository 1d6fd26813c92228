//! Where publishes are numbered, and where they end when the bus does.

use tokio::sync::Notify;

use crate::{
    journal::Seq,
    sync::atomic::{AtomicU64, Ordering::SeqCst},
};

/// Numbers the events of a bus, and knows which of their publishes are still under way.
///
/// One addition gives a publish its `seq` and tells it whether the bus is closed, so a publish that races the close
/// is either counted, and waited for, or refused.
#[derive(Default)]
pub(crate) struct Turnstile {
    /// Publishes that came, and in the highest bit whether it is closed.
    came: AtomicU64,
    /// Publishes that went, accepted ones only.
    went: AtomicU64,
    /// Told when the last publish of a closed bus went.
    empty: Notify,
}

const CLOSED: u64 = 1 << 63;

/// A publish that is under way.
pub(crate) struct Passage<'a> {
    turnstile: &'a Turnstile,
    pub(crate) seq: Seq,
}

impl Turnstile {
    /// Lets one publish in; `None` where the bus is closed.
    pub(crate) fn pass(&self) -> Option<Passage<'_>> {
        let came = self.came.fetch_add(1, SeqCst);
        (came & CLOSED == 0).then(|| Passage { turnstile: self, seq: Seq(came + 1) })
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.came.load(SeqCst) & CLOSED != 0
    }

    /// Lets nobody in any more. Gives the number of publishes that were let in; closing again gives `None`.
    pub(crate) fn close(&self) -> Option<u64> {
        let came = self.came.fetch_or(CLOSED, SeqCst);
        (came & CLOSED == 0).then_some(came)
    }

    /// Waits until that many publishes went.
    pub(crate) async fn wait_for(&self, came: u64) {
        loop {
            let empty = self.empty.notified();
            if self.went.load(SeqCst) == came {
                return;
            }
            empty.await;
        }
    }

    /// Number of publishes that were accepted, as long as the turnstile is open; later, those that came before.
    pub(crate) fn accepted(&self) -> u64 {
        self.went.load(SeqCst)
    }
}

impl Drop for Passage<'_> {
    fn drop(&mut self) {
        self.turnstile.went.fetch_add(1, SeqCst);
        if self.turnstile.is_closed() {
            self.turnstile.empty.notify_waiters();
        }
    }
}
