//! What became of each event, and where it is kept if it failed.

use std::{sync::Arc, time::SystemTime};

use owlbus::{
    Bus, Event,
    settle::{Attempt, DeadLetterQuery, Settlement},
};
use tokio::sync::mpsc::UnboundedReceiver;

use super::{
    super::{
        dead_letters::DeadLetters,
        interrupt::Interrupt,
        letter::Letter,
        report::Report,
        tally::{Ended, Tally},
    },
    under_way::HasEnded,
};

/// Counts every event once, and keeps dead letters.
pub(super) struct Bookkeeper {
    pub(super) bus: Bus,
    pub(super) subscription: Arc<str>,
    pub(super) dead_letters: Arc<DeadLetters>,
    pub(super) tally: Arc<Tally>,
    pub(super) report: Arc<Report>,
    /// Told where dead letters cannot be kept any more.
    pub(super) interrupt: Interrupt,
}

/// Why an event is a dead letter that no command ended with.
const NOT_HANDLED: &str = "it was interrupted before it was handled";

impl Bookkeeper {
    /// Keeps the books until the last event has ended. Files are written here and now, so this is for a thread that has
    /// nothing else to do.
    ///
    /// # Errors
    ///
    /// A dead letter could not be kept. It was named, and so were those after it.
    pub(super) async fn keep(self, mut has_ended: UnboundedReceiver<HasEnded>) -> anyhow::Result<()> {
        let mut kept = Ok(());
        // The place of an event is taken until this is through with it.
        while let Some(ended) = has_ended.recv().await {
            let saved = self.enter(&ended.event, ended.settlement.as_ref());
            if saved.is_err() {
                self.interrupt.tell();
                kept = kept.and(saved);
            }
        }
        kept
    }

    fn enter(&self, event: &Event, settlement: Option<&Settlement>) -> anyhow::Result<()> {
        match settlement {
            Some(Settlement::Done | Settlement::Skipped) => self.tally.ended(Ended::Done),
            Some(Settlement::Expired) => self.tally.ended(Ended::Expired),
            Some(Settlement::Dead { .. }) => {
                self.tally.ended(Ended::Dead);
                return self.keep_letters();
            }
            _ => {
                self.tally.ended(Ended::Dead);
                self.report.not_handled(event, NOT_HANDLED);
                return self.save(event, NOT_HANDLED, SystemTime::now(), &[]);
            }
        }
        Ok(())
    }

    /// Keeps every letter there is: that of this event, and of others that have ended meanwhile.
    fn keep_letters(&self) -> anyhow::Result<()> {
        let bus = self.bus.clone();
        let mut kept = Ok(());
        for letter in bus.dead_letters().list(&DeadLetterQuery::all()) {
            let saved = self.save(&letter.event, &letter.reason, letter.died, &letter.attempts);
            kept = kept.and(saved);
            bus.dead_letters().discard(&DeadLetterQuery::id(letter.id));
        }
        kept
    }

    fn save(
        &self,
        event: &Event,
        reason: &str,
        died: SystemTime,
        attempts: &[Attempt],
    ) -> anyhow::Result<()> {
        self.dead_letters.keep(event, &Letter::of_attempts(reason, &self.subscription, died, attempts))
    }
}
