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

    /// Lets so many publishes in, one right behind the other, or none of them.
    pub(crate) fn pass_together(&self, count: usize) -> Option<Vec<Passage<'_>>> {
        let came = self.came.fetch_add(count as u64, SeqCst);
        let passage = |number| Passage { turnstile: self, seq: Seq(came + number) };
        (came & CLOSED == 0).then(|| (1..=count as u64).map(passage).collect())
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

#[cfg(all(test, shuttle))]
mod models {
    #![expect(clippy::unwrap_used, reason = "a test that unwraps the wrong thing fails, as it should")]

    use std::sync::Arc;

    use shuttle::{future::block_on, thread};

    use super::*;
    use crate::sync::{atomic::AtomicBool, explore};

    #[test]
    fn nobody_passes_a_closed_turnstile_and_the_last_to_go_is_waited_for() {
        explore(|| {
            let turnstile = Arc::new(Turnstile::default());
            let closed = Arc::new(AtomicBool::new(false));
            let inside = Arc::new(AtomicU64::new(0));
            let publishers: Vec<_> = (0..3)
                .map(|_| {
                    let (turnstile, closed, inside) = (turnstile.clone(), closed.clone(), inside.clone());
                    thread::spawn(move || {
                        let was_closed = closed.load(SeqCst);
                        let Some(passage) = turnstile.pass() else { return None };
                        assert!(!was_closed, "somebody passed after the close");
                        inside.fetch_add(1, SeqCst);
                        let seq = passage.seq;
                        inside.fetch_sub(1, SeqCst);
                        drop(passage);
                        Some(seq.0)
                    })
                })
                .collect();
            let came = turnstile.close().expect("it was open");
            closed.store(true, SeqCst);
            block_on(turnstile.wait_for(came));
            assert_eq!(inside.load(SeqCst), 0, "somebody is inside");
            assert_eq!((turnstile.accepted(), turnstile.close()), (came, None));
            let mut passed: Vec<_> = publishers.into_iter().filter_map(|one| one.join().unwrap()).collect();
            passed.sort_unstable();
            assert!(passed.into_iter().eq(1..=came), "each has a number of its own, from 1");
        });
    }
}
