//! The workers' side: taking what is next, and reporting what is finished.

use std::task::Waker;

use tokio::time::Instant;

use super::{Entry, Finish, Front, Intake, Lane, Mailbox, Queued, State, Taken, Work, lanes::LANES};
use crate::{
    settle::Watched,
    sync::atomic::Ordering::{Relaxed, SeqCst},
};

/// What a worker finds that comes to take.
pub(crate) enum Taking {
    Taken(Taken),
    /// Nothing now. It will be woken; and it comes back by itself when that time has come, for what its band holds
    /// back until then.
    Asleep {
        until: Option<Instant>,
    },
    /// Nothing any more.
    Over,
}

/// What is next in the work.
enum Next {
    Taken(Taken),
    Nothing,
    /// An event that others go before.
    Held(Option<Instant>),
}

impl Mailbox {
    /// The next event that may start, or what is to be told before it.
    ///
    /// To take an event is to start it. A worker that finds nothing sleeps, if it gives a waker; its number keeps its place
    /// among the sleepers.
    pub(crate) fn take(&self, worker: usize, waker: Option<&Waker>) -> Taking {
        let mut work = self.work.0.lock();
        loop {
            let held = self.is_paused();
            let due = self.put_back_due(&mut work);
            let mixed = self.mixed.load(SeqCst);
            if mixed && !held {
                self.sort(&mut work);
            }
            let next = if held { Next::Nothing } else { work.next(mixed) };
            let held_back = matches!(next, Next::Held(_));
            let until = match next {
                Next::Taken(taken) => {
                    // What is to be tried again needs somebody who minds the time.
                    let others = self.asleep.load(Relaxed) > 0;
                    let timed = !work.retries.is_empty() || self.keeping.load(SeqCst);
                    let more = others && (work.line.has_more() || timed);
                    drop(work);
                    if more {
                        self.wake_another();
                    }
                    return Taking::Taken(taken);
                }
                Next::Nothing => due,
                Next::Held(until) => until.into_iter().chain(due).min(),
            };
            let mut intake = self.intake.0.lock();
            // Whoever ends the pause wakes the sleepers under this lock.
            if self.is_paused() != held {
                continue;
            }
            // So does whoever lets go of what was held back, after it has: seen here, or waking this worker.
            if held_back && work.can_go_on() {
                continue;
            }
            let kept = if held { None } else { self.let_in_due(&mut intake) };
            if !held && !intake.entries.is_empty() {
                work.line.refill(&mut intake.entries, !self.mixed.load(SeqCst));
                continue;
            }
            if intake.is_over(&work, held) {
                self.settle(&mut intake);
                // Others went to sleep when it was not over yet: nothing else would tell them.
                let sleepers = self.rouse_all(&mut intake);
                drop((intake, work));
                sleepers.into_iter().for_each(Waker::wake);
                return Taking::Over;
            }
            let before = waker.and_then(|waker| self.sleep(worker, &mut intake, waker));
            drop((intake, work));
            // A waker is code of whoever polls, and is dropped after the locks.
            drop(before);
            return Taking::Asleep { until: until.into_iter().chain(kept).min() };
        }
    }

    /// Sorts what came in into the lanes, and notes when nothing but `Normal` is left.
    pub(super) fn sort(&self, work: &mut Work) {
        let mut intake = self.intake.0.lock();
        self.let_in_due(&mut intake);
        work.line.refill(&mut intake.entries, false);
        if work.line.is_plain() {
            self.mixed.store(false, SeqCst);
        }
    }

    /// Reports that a delivery ended, which makes room.
    pub(crate) fn finish(&self, queued: &Queued, finish: Finish) {
        let ready = self.by_key && self.work.0.lock().line.release(queued.event.key());
        match finish {
            Finish::Done if !queued.is_urgent() => _ = self.finished.0.fetch_add(queued.load.0, SeqCst),
            other => self.finish_aside(queued, other),
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

    /// What is not simply one more that is done.
    fn finish_aside(&self, queued: &Queued, finish: Finish) {
        let mut work = self.work.0.lock();
        let mut intake = self.intake.0.lock();
        match finish {
            Finish::Done => {}
            Finish::Skipped => intake.skipped += 1,
            Finish::Dead => intake.dead += 1,
            Finish::Expired => intake.expired += 1,
            Finish::Dropped(reason) => {
                intake.cut_off += 1;
                intake.dropped.count(reason, 1);
            }
        }
        match queued.is_urgent() {
            true => {
                work.urgent_running -= 1;
                intake.urgent -= queued.load;
            }
            false => _ = self.finished.0.fetch_add(queued.load.0, SeqCst),
        }
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

    /// Wakes a sleeping worker for what is left in the work, or may start now.
    pub(crate) fn wake_another(&self) {
        let waker = self.rouse(&mut self.intake.0.lock());
        waker.into_iter().for_each(Waker::wake);
    }

    /// Notes the waker of a worker, and gives the one that was noted before.
    pub(super) fn sleep(&self, worker: usize, intake: &mut Intake, waker: &Waker) -> Option<Waker> {
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
            State::Draining => paused || (self.nobody_waits() && work.is_empty()),
        }
    }
}

impl Work {
    /// Whether nothing is left that has not started, or is to be tried again.
    fn is_empty(&self) -> bool {
        self.line.len() == 0 && self.retries.is_empty()
    }

    /// Takes what is next. In a mailbox that is not mixed only one lane has anything.
    fn next(&mut self, mixed: bool) -> Next {
        if let Some(gap) = self.displaced.take() {
            return Next::Taken(Taken::Gap(gap));
        }
        if !mixed {
            return match self.line.take(Lane::Normal) {
                Ok(Some(entry)) => self.taken(entry),
                Ok(None) => Next::Nothing,
                Err(until) => Next::Held(until),
            };
        }
        let fronts = LANES.map(|lane| self.line.front(lane));
        if let Some(told) = LANES.into_iter().find(|lane| fronts[*lane as usize] == Front::Gap) {
            return self.take(told);
        }
        match self.wheel.turn(|lane| fronts[lane as usize] == Front::Event) {
            Some(lane) => self.take(lane),
            None => held(&fronts),
        }
    }

    /// Whether something can be taken now.
    fn can_go_on(&mut self) -> bool {
        LANES.into_iter().any(|lane| matches!(self.line.front(lane), Front::Gap | Front::Event))
    }

    fn take(&mut self, lane: Lane) -> Next {
        self.line.pop(lane).map_or(Next::Nothing, |entry| self.taken(entry))
    }

    fn taken(&mut self, entry: Entry) -> Next {
        match entry {
            Entry::Event(queued) => Next::Taken(self.start(queued)),
            Entry::Gap(missed) => Next::Taken(Taken::Gap(missed.1)),
        }
    }

    fn start(&mut self, queued: Queued) -> Taken {
        self.started += 1;
        match queued.is_urgent() {
            true => self.urgent_running += 1,
            false => self.taken += queued.load,
        }
        let early = queued.past().is_none() && queued.watched().is_some_and(Watched::is_early);
        self.band_timeouts += u64::from(early);
        Taken::Event(queued)
    }
}

/// For how long nothing can start, where something is held back.
fn held(fronts: &[Front; 4]) -> Next {
    let held = fronts.iter().filter_map(|front| match front {
        Front::Held(until) => Some(*until),
        _ => None,
    });
    // Whoever has no time to wait for is told when it may start.
    held.reduce(|a, b| a.into_iter().chain(b).min()).map_or(Next::Nothing, Next::Held)
}
