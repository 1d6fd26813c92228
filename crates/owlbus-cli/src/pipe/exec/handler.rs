//! A command as a handler.

use std::sync::{
    OnceLock,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use owlbus::{Delivery, HandlerError};

use super::{
    super::interrupt::Interrupt,
    each::Each,
    failed::{Failed, Why},
    lines::Lines,
};

/// Hands events to a command.
pub(super) struct Handler {
    pub(super) runs: Runs,
    /// Told where the command turns out to be none.
    pub(super) interrupt: Interrupt,
    /// Whether it was ever done with an event.
    pub(super) was_done: AtomicBool,
    /// Why the command is none.
    pub(super) broken: OnceLock<String>,
}

/// How the command is run.
pub(super) enum Runs {
    Each(Each),
    Lines(Lines),
}

impl Handler {
    pub(super) async fn handle(&self, delivery: Delivery) -> Result<(), HandlerError> {
        let Err(failed) = self.hand_over(&delivery).await else {
            self.was_done.store(true, Relaxed);
            return Ok(());
        };
        // Whatever was not found will not be found by the next event either, unless it once was.
        if failed.was_not_found() && !self.was_done.load(Relaxed) {
            self.interrupt.tell();
            self.broken.get_or_init(|| format!("the shell found nothing to run: {failed}; mend the command"));
            return Err(HandlerError::permanent(failed));
        }
        Err(failed.into_error())
    }

    async fn hand_over(&self, delivery: &Delivery) -> Result<(), Failed> {
        if self.interrupt.insists() {
            return Err(Why::Interrupted.into());
        }
        let mut line = delivery.to_cloudevent().map_err(Why::NotWritten)?;
        line.push(b'\n');
        match &self.runs {
            Runs::Each(each) => each.handle(delivery, line).await,
            Runs::Lines(lines) => lines.handle(line).await,
        }
    }

    /// Ends what still runs.
    ///
    /// # Errors
    ///
    /// The command is none, or did not end well.
    pub(super) async fn end(&self) -> anyhow::Result<()> {
        let problem = match &self.runs {
            Runs::Each(_) => None,
            Runs::Lines(lines) => lines.end().await.map(|problem| format!("the command {problem}")),
        };
        match self.broken.get().cloned().or(problem) {
            None => Ok(()),
            Some(problem) => Err(anyhow::Error::msg(problem)),
        }
    }
}
