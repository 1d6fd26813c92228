//! The queue of one subscription, between the publishers and its workers.
//!
//! Two places under two locks. Publishers append to the *intake*; workers take from the *work* and, when that is
//! empty, swap it with the intake. So publisher and worker meet at a lock once a burst, a sleeping worker is woken
//! once a burst, and every event is started by taking it from a place that `close` and `DropOldest` can look into:
//! no worker holds events that it has not started.
//!
//! The work is a [`Line`] of lanes. As long as every event is `Normal` there is one lane, and nobody asks for the
//! others. Whoever brings in anything else marks the mailbox as *mixed*: from then on workers sort the intake into the
//! lanes before each start, until nothing but `Normal` events is left.
//!
//! Locks are taken in the order work, intake. What is finished is reported without a lock, by one addition.

mod close;
mod displace;
mod enter;
mod figures;
mod gather;
mod lanes;
mod line;
#[cfg(all(test, not(shuttle)))]
mod model_test;
#[cfg(all(test, shuttle))]
mod models;
mod outside;
mod pacing;
mod retries;
mod standing;
mod take;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    task::Waker,
};

use tokio::time::Instant;

pub(crate) use enter::{Entered, Offer};
pub use figures::Dropped;
pub(crate) use figures::Figures;
pub(crate) use gather::Gathered;
use lanes::{Lane, Wheel};
pub(crate) use line::Front;
use line::{Arrival, Keyed, Line, Victim};
use outside::Outside;
pub(crate) use outside::Ticket;
use pacing::Pacing;
pub(crate) use pacing::Place;
pub(crate) use take::Taking;

use super::{
    load::Load,
    overflow::{DropReason, Gap, Overflow},
    pace::Pace,
    pause::Pause,
    pressure::{Level, Marks},
};
use crate::{
    event::Event,
    memory::{Grant, Memory},
    settle::{Attempt, Watched},
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64},
    },
};

/// How many unsettled `Immediate` events a mailbox holds, beside its room for the others.
pub(crate) const URGENT_PLACES: u64 = 64;

/// An event in the mailbox, with what it counts there.
pub(crate) struct Queued {
    pub(crate) event: Event,
    pub(crate) load: Load,
    /// What few deliveries have.
    pub(crate) more: Option<Box<More>>,
}

/// What few deliveries have, in a place of its own so that the others stay small.
#[derive(Default)]
pub(crate) struct More {
    /// Whoever wants to know what becomes of it.
    watched: Option<Watched>,
    /// The attempts that failed so far.
    past: Option<Past>,
}

/// What a delivery has behind it that is to be tried again.
pub(crate) struct Past {
    pub(crate) attempts: Vec<Attempt>,
    /// When the first attempt began.
    pub(crate) since: Instant,
}

impl Queued {
    /// The lane the event asks for. Under its key it may join another.
    fn lane(&self) -> Lane {
        self.event.priority()
    }

    /// Whether it takes one of the places for `Immediate`.
    fn is_urgent(&self) -> bool {
        self.lane() == Lane::Immediate
    }

    /// Whether it may be dropped for another event that is `Immediate`, or that is not: what has started once may not.
    fn may_go(&self, urgent: bool) -> bool {
        self.is_urgent() == urgent && self.past().is_none()
    }

    pub(crate) fn new(event: Event, load: Load) -> Self {
        Self { event, load, more: None }
    }

    /// The same, with whoever wants to know what becomes of it.
    pub(crate) fn watched_by(event: Event, load: Load, watched: Option<Watched>) -> Self {
        let more = watched.map(|watched| Box::new(More { watched: Some(watched), past: None }));
        Self { event, load, more }
    }

    pub(crate) fn watched(&self) -> Option<&Watched> {
        self.more.as_ref()?.watched.as_ref()
    }

    pub(crate) fn take_watched(&mut self) -> Option<Watched> {
        self.more.as_mut()?.watched.take()
    }

    pub(crate) fn past(&self) -> Option<&Past> {
        self.more.as_ref()?.past.as_ref()
    }

    /// The number of the attempt that is next, or under way.
    pub(crate) fn attempt(&self) -> u32 {
        self.past().map_or(1, |past| past.attempts.len() as u32 + 1)
    }

    /// What it has behind it, from an attempt on that began then.
    pub(crate) fn past_from(&mut self, since: Instant) -> &mut Past {
        let past = &mut self.more.get_or_insert_default().past;
        past.get_or_insert_with(|| Past { attempts: Vec::new(), since })
    }

    pub(crate) fn take_past(&mut self) -> Option<Past> {
        self.more.as_mut()?.past.take()
    }

    fn front(&self) -> Front {
        self.watched().map_or(Front::Event, Watched::front)
    }

    /// The event of a delivery that never started.
    fn dropped(self, reason: DropReason) -> Event {
        if let Some(watched) = self.watched() {
            watched.dropped(reason);
        }
        self.event
    }
}

/// What a worker takes.
pub(crate) enum Taken {
    Event(Queued),
    /// Events that would have come here were dropped.
    Gap(Gap),
}

/// How a delivery that was taken ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finish {
    Done,
    Skipped,
    Dead,
    /// Its time was over before it started.
    Expired,
    /// Whoever handled it ended before it was done, for this reason.
    Dropped(DropReason),
}

/// A whole cache line to itself, so that publishers and workers do not take each other's away.
#[repr(align(128))]
struct CacheLine<T>(T);

pub(crate) struct Mailbox {
    overflow: Overflow,
    marks: Marks,
    /// Whether the work keeps keys in order, so that whoever finishes a delivery knows without a lock.
    by_key: bool,
    /// Whether publishers thin out the events of a key.
    paced: bool,
    /// Held by publishers for as long as it takes to append.
    intake: CacheLine<Mutex<Intake>>,
    /// Held by workers for as long as it takes to take.
    work: CacheLine<Mutex<Work>>,
    /// Running total of what was taken and is finished, but for `Immediate`; added to by workers, read by publishers
    /// that find no room.
    finished: CacheLine<AtomicU64>,
    /// Whether publishers wait for room, or the mailbox is closed and has memory to give back, so that whoever
    /// finishes a delivery knows without a lock.
    crowded: AtomicBool,
    /// Whether there is anything that is not `Normal`. Set and cleared under the lock of the intake, cleared by workers.
    mixed: AtomicBool,
    /// Whether events are kept until their time has come, so that a worker that takes knows without a lock that somebody
    /// else has to mind it.
    keeping: AtomicBool,
    /// Number of workers that sleep.
    asleep: AtomicU64,
    /// How many deliveries run beside another one of the same worker.
    together: AtomicU64,
    /// Set by the bus while delivery is held; `wake` tells the workers when it no longer is.
    pause: Arc<Pause>,
    /// The same for this subscription alone.
    own_pause: Pause,
}

struct Intake {
    entries: VecDeque<Entry>,
    /// What is left out or kept, by key.
    pacing: Option<Box<Pacing>>,
    /// Running total of what was let in or reserved, less what was dropped afterwards; `Immediate` is not among it.
    admitted: Load,
    /// What is let in, reserved or running of `Immediate`.
    urgent: Load,
    /// Of both, the places that are reserved.
    reserved: u64,
    /// `finished` as of the last look; looked at again only when the mailbox seems full.
    finished: Load,
    /// Publishers that wait for room.
    outside: Outside,
    /// Publishers that wait for room among the `Immediate`.
    outside_urgent: Outside,
    /// The wakers of publishers that were let in, until the lock is released.
    let_in: Vec<Waker>,
    /// The wakers of sleeping workers, by the worker's number.
    sleepers: Vec<Option<Waker>>,
    state: State,
    matched: u64,
    dropped: Dropped,
    /// Events a panicking filter skipped; they never entered.
    unwanted: u64,
    /// Events another one of their key stands for.
    coalesced: u64,
    /// Of the finished deliveries, those that were not done.
    skipped: u64,
    dead: u64,
    expired: u64,
    cut_off: u64,
    level: Level,
    /// What the bus's memory was told of what is inside.
    grant: Grant,
}

struct Work {
    line: Box<dyn Line>,
    wheel: Wheel,
    /// To be told before anything else: what gave way to newer events.
    displaced: Option<Gap>,
    started: u64,
    /// Running total of what was taken, but for `Immediate`.
    taken: Load,
    /// How many `Immediate` deliveries run.
    urgent_running: u64,
    /// Deliveries that wait for another attempt, by when that is due and the order of their failures.
    retries: BTreeMap<(Instant, u64), Queued>,
    /// How many failed so far.
    failures: u64,
    /// Events that started although their band was not over.
    band_timeouts: u64,
}

enum Entry {
    Event(Queued),
    Gap(Box<(Lane, Gap)>),
}

impl Entry {
    fn gap(lane: Lane, gap: Gap) -> Self {
        Entry::Gap(Box::new((lane, gap)))
    }

    fn event(&self) -> Option<&Queued> {
        match self {
            Entry::Event(queued) => Some(queued),
            Entry::Gap(_) => None,
        }
    }

    fn into_event(self) -> Option<Queued> {
        match self {
            Entry::Event(queued) => Some(queued),
            Entry::Gap(_) => None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    /// Workers end when nothing is left.
    Draining,
    /// Nothing gets in or out any more; what was inside was dropped for this reason.
    Closed(DropReason),
}

/// How a mailbox is to be.
pub(crate) struct Shape {
    pub(crate) marks: Marks,
    pub(crate) overflow: Overflow,
    pub(crate) workers: usize,
    pub(crate) by_key: bool,
    pub(crate) pace: Option<Pace>,
}

impl Mailbox {
    pub(crate) fn new(shape: Shape, pause: Arc<Pause>, memory: Arc<Memory>) -> Self {
        let Shape { marks, overflow, workers, by_key, pace } = shape;
        Self {
            overflow,
            marks,
            by_key,
            paced: pace.is_some(),
            intake: CacheLine(Mutex::new(Intake {
                entries: VecDeque::new(),
                pacing: pace.map(|pace| Box::new(Pacing::new(pace))),
                admitted: Load::NONE,
                urgent: Load::NONE,
                reserved: 0,
                finished: Load::NONE,
                outside: Outside::new(false),
                outside_urgent: Outside::new(true),
                let_in: Vec::new(),
                sleepers: vec![None; workers],
                state: State::Open,
                matched: 0,
                dropped: Dropped::default(),
                unwanted: 0,
                coalesced: 0,
                skipped: 0,
                dead: 0,
                expired: 0,
                cut_off: 0,
                level: Level::Normal,
                grant: Grant::new(memory),
            })),
            work: CacheLine(Mutex::new(Work {
                line: if by_key { Box::new(Keyed::default()) } else { Box::new(Arrival::default()) },
                wheel: Wheel::default(),
                displaced: None,
                started: 0,
                taken: Load::NONE,
                urgent_running: 0,
                retries: BTreeMap::new(),
                failures: 0,
                band_timeouts: 0,
            })),
            finished: CacheLine(AtomicU64::new(0)),
            crowded: AtomicBool::new(false),
            mixed: AtomicBool::new(false),
            keeping: AtomicBool::new(false),
            asleep: AtomicU64::new(0),
            together: AtomicU64::new(0),
            pause,
            own_pause: Pause::default(),
        }
    }

    pub(crate) fn overflow(&self) -> Overflow {
        self.overflow
    }

    pub(crate) fn by_key(&self) -> bool {
        self.by_key
    }

    /// Why the mailbox has ended, where it has.
    pub(crate) fn closed_for(&self) -> Option<DropReason> {
        match self.intake.0.lock().state {
            State::Closed(reason) => Some(reason),
            State::Open | State::Draining => None,
        }
    }

    /// Whether delivery is held, by the bus or here.
    pub(crate) fn is_paused(&self) -> bool {
        self.pause.is_held() || self.own_pause.is_held()
    }

    /// When delivery last began again, where it ever stood still.
    pub(crate) fn resumed(&self) -> Option<Instant> {
        self.pause.resumed().max(self.own_pause.resumed())
    }

    /// Holds delivery. What runs goes on.
    pub(crate) fn pause(&self) {
        self.own_pause.hold();
        // Whoever waits for the end of what is here sees that it does not come.
        self.wake();
    }

    /// Lets delivery go on, as far as it was held here.
    pub(crate) fn resume(&self) {
        if self.own_pause.resume() {
            self.wake();
        }
    }

    /// Whether delivery is held here, whatever the bus does.
    pub(crate) fn is_paused_here(&self) -> bool {
        self.own_pause.is_held()
    }
}
