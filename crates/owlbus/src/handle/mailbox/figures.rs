//! What a mailbox counts.

use super::{Intake, Mailbox, Work};
use crate::{
    clock::Moment,
    handle::{
        load::Load,
        overflow::DropReason,
        pressure::{Level, Marks},
    },
    sync::atomic::Ordering::SeqCst,
};

/// Events dropped, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Dropped {
    /// A mailbox that drops was full.
    pub overflow: u64,
    /// A publisher waited for room in vain.
    pub block_timeout: u64,
    /// The subscription ended while the event waited.
    pub unsubscribed: u64,
    /// The bus ended while the event waited, or before its handler was done.
    pub shutdown: u64,
}

impl Dropped {
    /// All of them.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.overflow + self.block_timeout + self.unsubscribed + self.shutdown
    }

    pub(super) fn count(&mut self, reason: DropReason, events: u64) {
        match reason {
            DropReason::Overflow => self.overflow += events,
            DropReason::BlockTimeout => self.block_timeout += events,
            DropReason::Unsubscribed => self.unsubscribed += events,
            DropReason::Shutdown => self.shutdown += events,
        }
    }
}

/// The counters of a mailbox at one instant.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Figures {
    pub(crate) matched: u64,
    pub(crate) done: u64,
    pub(crate) skipped: u64,
    pub(crate) dead: u64,
    pub(crate) dropped: Dropped,
    pub(crate) queued: u64,
    pub(crate) running: u64,
    pub(crate) bytes: u64,
    /// When the event that waits longest was accepted.
    pub(crate) oldest: Option<Moment>,
}

impl Mailbox {
    /// The counters, all of one instant but for what workers finish meanwhile.
    pub(crate) fn figures(&self) -> Figures {
        let work = self.work.0.lock();
        let intake = self.intake.0.lock();
        // Read in this order, a delivery that finishes meanwhile counts as running rather than twice.
        let skipped = self.skipped.load(SeqCst);
        let dead = self.dead.load(SeqCst);
        let cancelled = self.cancelled.load(SeqCst);
        let finished = Load(self.finished.0.load(SeqCst));
        let running = (work.taken - finished).events();
        Figures {
            matched: intake.matched,
            done: (work.started - running).saturating_sub(skipped + dead + cancelled),
            skipped: skipped + intake.skipped,
            dead,
            dropped: intake.dropped,
            queued: (intake.admitted - work.taken).events(),
            running,
            bytes: (intake.admitted - finished).bytes(),
            oldest: oldest(&work, &intake),
        }
    }

    /// How full the mailbox is: the share of its room that is taken, and the level of that.
    pub(crate) fn pressure(&self) -> (f64, Level) {
        let mut intake = self.intake.0.lock();
        let load = self.load(&mut intake);
        intake.level = self.marks.level(load, intake.level);
        (self.marks.ratio(load), intake.level)
    }

    /// The room there is.
    pub(crate) fn marks(&self) -> Marks {
        self.marks
    }

    /// What is in the mailbox now, running deliveries and reservations among it.
    pub(super) fn load(&self, intake: &mut Intake) -> Load {
        intake.finished = Load(self.finished.0.load(SeqCst));
        intake.admitted - intake.finished
    }
}

/// When the event that waits longest was accepted.
fn oldest(work: &Work, intake: &Intake) -> Option<Moment> {
    let parked = work.keys.as_ref().and_then(|keys| keys.oldest());
    let queued = || work.entries.iter().chain(&intake.entries).find_map(|entry| entry.event());
    parked.or_else(queued).map(|queued| queued.event.accepted())
}
