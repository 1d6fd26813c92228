//! The workers' side: taking what is next, and reporting what is finished.

use std::{
    collections::VecDeque,
    task::{Context, Poll, Waker},
};

use super::{Entry, Finish, Gap, Intake, Mailbox, Queued, State, Taken, Work};
use crate::sync::atomic::Ordering::{Relaxed, SeqCst};

impl Mailbox {
    /// The next event that may start, or what is to be told before it; `None` when there will be none any more.
    ///
    /// To take an event is to start it. A worker that finds nothing sleeps; its number keeps its place among the
    /// sleepers.
    pub(crate) fn poll_take(&self, worker: usize, cx: &mut Context<'_>) -> Poll<Option<Taken>> {
        let mut work = self.work.0.lock();
        loop {
            let paused = self.paused.load(SeqCst);
            if !paused && let Some(taken) = work.next() {
                let more = work.has_more();
                drop(work);
                if more && self.asleep.load(Relaxed) > 0 {
                    self.wake_another();
                }
                return Poll::Ready(Some(taken));
            }
            let mut intake = self.intake.0.lock();
            // Whoever ends the pause wakes the sleepers under this lock.
            if self.paused.load(SeqCst) != paused {
                continue;
            }
            if !paused && !intake.entries.is_empty() {
                work.refill(&mut intake.entries);
                continue;
            }
            if intake.is_over(&work, paused) {
                self.settle(&mut intake);
                // Others went to sleep when it was not over yet: nothing else would tell them.
                let sleepers = self.rouse_all(&mut intake);
                drop((intake, work));
                sleepers.into_iter().for_each(Waker::wake);
                return Poll::Ready(None);
            }
            let before = self.sleep(worker, &mut intake, cx.waker());
            drop((intake, work));
            // A waker is code of whoever polls, and is dropped after the locks.
            drop(before);
            return Poll::Pending;
        }
    }

    /// Reports that a delivery ended, which makes room.
    pub(crate) fn finish(&self, queued: &Queued, finish: Finish) {
        let ready = self.by_key && self.release_key(queued.event.key());
        match finish {
            Finish::Done => _ = self.finished.0.fetch_add(queued.load.0, SeqCst),
            other => self.finish_undone(queued, other),
        }
        // Whoever finished comes back and takes what is ready now, unless it is gone.
        if ready && matches!(finish, Finish::Dropped(_)) {
            self.wake_another();
        }
        if self.crowded.load(SeqCst) {
            let mut intake = self.intake.0.lock();
            self.let_in(&mut intake);
            self.unlock_and_wake(intake);
        }
    }

    fn finish_undone(&self, queued: &Queued, finish: Finish) {
        let mut intake = self.intake.0.lock();
        match finish {
            Finish::Done => {}
            Finish::Skipped => intake.skipped += 1,
            Finish::Dead => intake.dead += 1,
            Finish::Dropped(reason) => {
                intake.cut_off += 1;
                intake.dropped.count(reason, 1);
            }
        }
        self.finished.0.fetch_add(queued.load.0, SeqCst);
        // Whoever handled it may be gone, and nobody come after it who would.
        self.settle(&mut intake);
    }

    /// Forgets that a worker sleeps, for it has come for something else or is gone. Says whether it did.
    pub(crate) fn awake(&self, worker: usize) -> bool {
        let mut intake = self.intake.0.lock();
        let waker = intake.sleepers[worker].take();
        if waker.is_some() {
            self.asleep.fetch_sub(1, Relaxed);
        }
        // A waker is code of whoever polls, and is dropped after the lock.
        drop(intake);
        waker.is_some()
    }

    /// Lets the next event of a key start. Says whether there is one.
    fn release_key(&self, key: &str) -> bool {
        self.work.0.lock().keys.as_mut().is_some_and(|keys| keys.release(key))
    }

    /// Wakes a sleeping worker for what is left in the work.
    pub(crate) fn wake_another(&self) {
        let waker = self.rouse(&mut self.intake.0.lock());
        waker.into_iter().for_each(Waker::wake);
    }

    /// Notes the waker of a worker, and gives the one that was noted before.
    fn sleep(&self, worker: usize, intake: &mut Intake, waker: &Waker) -> Option<Waker> {
        self.settle(intake);
        let load = intake.admitted - intake.finished;
        intake.level = self.marks.level(load, intake.level).min(intake.level);
        let before = intake.sleepers[worker].replace(waker.clone());
        if before.is_none() {
            self.asleep.fetch_add(1, Relaxed);
        }
        before
    }
}

impl Intake {
    /// Whether nothing will come any more; while the bus is paused, what is there does not come either.
    fn is_over(&self, work: &Work, paused: bool) -> bool {
        match self.state {
            State::Open => false,
            State::Closed(_) => true,
            State::Draining => paused || (self.waiting.is_empty() && work.waiting() == 0),
        }
    }
}

impl Work {
    fn next(&mut self) -> Option<Taken> {
        if let Some(gap) = self.gap.take() {
            return Some(Taken::Gap(gap));
        }
        if let Some(queued) = self.keys.as_mut().and_then(|keys| keys.take_ready()) {
            return Some(self.start(queued));
        }
        while let Some(entry) = self.entries.pop_front() {
            let queued = match entry {
                Entry::Gap(gap) => return Some(Taken::Gap(*gap)),
                Entry::Event(queued) => queued,
            };
            let startable = match &mut self.keys {
                Some(keys) => keys.start(queued),
                None => Some(queued),
            };
            if let Some(queued) = startable {
                return Some(self.start(queued));
            }
        }
        None
    }

    fn start(&mut self, queued: Queued) -> Taken {
        self.started += 1;
        self.taken += queued.load;
        Taken::Event(queued)
    }

    /// Whether another worker might find something to start.
    fn has_more(&self) -> bool {
        !self.entries.is_empty() || self.keys.as_ref().is_some_and(|keys| keys.has_ready())
    }

    fn refill(&mut self, entries: &mut VecDeque<Entry>) {
        std::mem::swap(&mut self.entries, entries);
    }

    /// Events that are here and have not started.
    pub(super) fn waiting(&self) -> usize {
        self.entries.len() + self.keys.as_ref().map_or(0, |keys| keys.waiting())
    }

    pub(super) fn remove_oldest(&mut self) -> Option<Queued> {
        let parked = self.keys.as_mut().and_then(|keys| keys.remove_oldest());
        parked.or_else(|| remove_first(&mut self.entries))
    }

    /// Tells of a missed event before anything else.
    pub(super) fn miss_before_all(&mut self, gap: Gap) {
        if let Some(first) = &mut self.gap
            && first.absorb(gap)
        {
            return;
        }
        if let Some(other) = self.gap.replace(gap) {
            self.entries.push_front(Entry::Gap(Box::new(other)));
        }
    }
}

/// Removes the first event; what is told before it stays where it is.
pub(super) fn remove_first(entries: &mut VecDeque<Entry>) -> Option<Queued> {
    let at = entries.iter().position(|entry| entry.event().is_some())?;
    entries.remove(at)?.into_event()
}
