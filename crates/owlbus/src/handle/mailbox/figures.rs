//! What a mailbox counts.

use super::{Entry, Intake, Mailbox, Work, line::first_accepted};
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
    pub(crate) expired: u64,
    pub(crate) dropped: Dropped,
    pub(crate) coalesced: u64,
    /// Events that are kept until their time has come.
    pub(crate) paced: u64,
    pub(crate) queued: u64,
    pub(crate) running: u64,
    /// Deliveries that wait to be tried again.
    pub(crate) waiting: u64,
    pub(crate) bytes: u64,
    /// When the event that waits longest was accepted.
    pub(crate) oldest: Option<Moment>,
    /// Events that started before a higher band had started on them.
    pub(crate) band_timeouts: u64,
}

impl Mailbox {
    /// The counters, all of one instant.
    pub(crate) fn figures(&self) -> Figures {
        let work = self.work.0.lock();
        let intake = self.intake.0.lock();
        // What was not done is finished under the lock of the intake: here as there, it counts once.
        let finished = Load(self.finished.0.load(SeqCst));
        let running = (work.taken - finished).events() + work.urgent_running;
        let inside = (intake.admitted - finished).events() + intake.urgent.events();
        let waiting = work.retries.len() as u64;
        let paced = intake.kept_events();
        Figures {
            matched: intake.matched,
            done: work.started - running - intake.skipped - intake.dead - intake.expired - intake.cut_off,
            skipped: intake.skipped + intake.unwanted,
            dead: intake.dead,
            expired: intake.expired,
            dropped: intake.dropped,
            coalesced: intake.coalesced,
            paced,
            queued: inside - running - waiting - paced - intake.reserved,
            running,
            waiting,
            bytes: (intake.admitted - finished).bytes() + intake.urgent.bytes(),
            oldest: oldest(&work, &intake),
            band_timeouts: work.band_timeouts,
        }
    }

    /// How full the mailbox is: the share of its room that is taken, and the level of that.
    pub(crate) fn pressure(&self) -> (f64, Level) {
        let mut intake = self.intake.0.lock();
        let load = self.load(&mut intake);
        let level = self.marks.level(load, intake.level);
        // Only publishers tell of a rise, so only they note one.
        intake.level = intake.level.min(level);
        (self.marks.ratio(load), level)
    }

    /// The room there is.
    pub(crate) fn marks(&self) -> Marks {
        self.marks
    }

    /// What takes up room in the mailbox now, running deliveries and reservations among it; `Immediate` does not.
    pub(super) fn load(&self, intake: &mut Intake) -> Load {
        intake.finished = Load(self.finished.0.load(SeqCst));
        intake.admitted - intake.finished
    }

    /// Tells the bus how much memory is in use, where that has become less.
    pub(super) fn settle(&self, intake: &mut Intake) {
        self.load(intake);
        let bytes = intake.held_at_most();
        intake.grant.settle(bytes);
    }
}

/// When the event that waits longest was accepted.
fn oldest(work: &Work, intake: &Intake) -> Option<Moment> {
    let came = intake.entries.iter().find_map(Entry::event);
    first_accepted(work.line.oldest().into_iter().chain(work.retries.values()).chain(came))
        .map(|queued| queued.event.accepted())
}
