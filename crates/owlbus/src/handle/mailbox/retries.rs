//! Deliveries that wait to be tried again.

use std::task::Waker;

use tokio::time::Instant;

use super::{Mailbox, Queued, State, Work};

impl Mailbox {
    /// Keeps a delivery that was taken until it is due to be tried again. It keeps its place, and its key; its worker is
    /// free. Gives it back where the mailbox has ended meanwhile.
    pub(crate) fn postpone(&self, queued: Queued, due: Instant) -> Result<(), Queued> {
        let mut work = self.work.0.lock();
        let mut intake = self.intake.0.lock();
        if matches!(intake.state, State::Closed(_)) {
            return Err(queued);
        }
        work.untake(&queued);
        work.failures += 1;
        let number = work.failures;
        work.retries.insert((due, number), queued);
        // Somebody has to mind the time, and whoever brought this back may be busy then.
        let minder = self.rouse(&mut intake);
        drop((intake, work));
        minder.into_iter().for_each(Waker::wake);
        Ok(())
    }
}

impl Work {
    /// A delivery that was taken counts as waiting again.
    fn untake(&mut self, queued: &Queued) {
        self.started -= 1;
        match queued.is_urgent() {
            true => self.urgent_running -= 1,
            false => self.taken -= queued.load,
        }
    }

    /// Lets those start again that are due. Gives when the next is.
    pub(super) fn put_back_due(&mut self) -> Option<Instant> {
        let now = Instant::now();
        while let Some(first) = self.retries.first_entry() {
            if first.key().0 > now {
                return Some(first.key().0);
            }
            let queued = first.remove();
            self.line.put_back(queued);
        }
        None
    }
}
