//! Deliveries that wait to be tried again.

use std::task::Waker;

use tokio::time::Instant;

use super::{Mailbox, Queued, State, Work};
use crate::sync::atomic::Ordering::SeqCst;

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

impl Mailbox {
    /// Lets those start again that are due. Gives when the next is.
    pub(super) fn put_back_due(&self, work: &mut Work) -> Option<Instant> {
        if work.retries.is_empty() {
            return None;
        }
        let now = Instant::now();
        let mut next = None;
        while let Some(first) = work.retries.first_entry() {
            if first.key().0 > now {
                next = Some(first.key().0);
                break;
            }
            let queued = first.remove();
            work.line.put_back(queued);
        }
        // It may have come from a lane that nobody has looked at since. Only workers clear this, and hold this lock.
        if !work.line.is_plain() {
            self.mixed.store(true, SeqCst);
        }
        next
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
}
