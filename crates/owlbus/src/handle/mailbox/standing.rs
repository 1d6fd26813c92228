//! How far a mailbox can go on by itself, for those who look for loops of waits.

use super::{Front, Mailbox, State, lanes::LANES};
use crate::{settle::Runner, sync::atomic::Ordering::SeqCst};

/// Whether something can happen in a mailbox, and what it would take.
pub(crate) struct Standing {
    /// Workers that are at a delivery, or at several.
    pub(crate) running: u64,
    /// How many deliveries can.
    pub(crate) workers: u64,
    /// Whether a worker is free.
    pub(crate) free: bool,
    /// Whether something can start, or will be able to by the passing of time, or by somebody who is outside of all loops.
    pub(crate) startable: bool,
    /// Of each event that is held back by its band for as long as others run: those.
    pub(crate) held: Vec<Vec<Runner>>,
}

impl Mailbox {
    /// How the mailbox stands; `None` where it has ended, so that nobody waits for it any more.
    pub(crate) fn standing(&self) -> Option<Standing> {
        let mut work = self.work.0.lock();
        let (plain, keeps) = {
            let mut intake = self.intake.0.lock();
            if matches!(intake.state, State::Closed(_)) {
                return None;
            }
            let plain = !self.mixed.load(SeqCst);
            work.line.refill(&mut intake.entries, plain);
            (plain, intake.kept_events() > 0)
        };
        let finished = super::Load(self.finished.0.load(SeqCst));
        let deliveries = (work.taken - finished).events() + work.urgent_running;
        let running = deliveries.saturating_sub(self.together.load(SeqCst));
        let workers = self.intake.0.lock().sleepers.len() as u64;
        let lanes = LANES.into_iter().filter(|lane| !plain || *lane == super::Lane::Normal);
        let fronts: Vec<Front> = lanes.map(|lane| work.line.front(lane)).collect();
        let soon = |front: &Front| !matches!(front, Front::Nothing | Front::Held(None));
        let held =
            work.line.heads().filter_map(|queued| queued.watched()).map(|watched| watched.runners_before());
        Some(Standing {
            running,
            workers,
            free: running < workers,
            startable: self.pause.is_held()
                || work.displaced.is_some()
                || !work.retries.is_empty()
                || keeps
                || fronts.iter().any(soon),
            held: held.filter(|runners| !runners.is_empty()).collect(),
        })
    }

    /// Whether a delivery of this key runs, where keys are kept in order.
    pub(crate) fn runs(&self, key: &str) -> bool {
        self.work.0.lock().line.runs(key)
    }
}
