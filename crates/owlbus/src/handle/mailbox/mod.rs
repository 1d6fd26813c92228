//! The queue of one subscription, between the publishers and its workers.
//!
//! Two deques under two locks. Publishers append to the *intake*; workers take from the *work* and, when that is
//! empty, swap it with the intake. So publisher and worker meet at a lock once a burst, a sleeping worker is woken
//! once a burst, and every event is started by taking it from a place that `close` and `DropOldest` can look into:
//! no worker holds events that it has not started.
//!
//! Locks are taken in the order work, intake. What is finished is reported without a lock, by one addition.

mod close;
mod enter;
mod figures;
#[cfg(all(test, not(shuttle)))]
mod model_test;
#[cfg(all(test, shuttle))]
mod models;
mod take;

use std::{collections::VecDeque, sync::Arc, task::Waker};

pub(crate) use enter::{Entered, Offer, Ticket};
pub use figures::Dropped;
pub(crate) use figures::Figures;

use super::{
    keys::Keys,
    load::Load,
    overflow::{DropReason, Gap, Overflow},
    pressure::{Level, Marks},
};
use crate::{
    event::Event,
    memory::{Grant, Memory},
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64},
    },
};

/// An event in the mailbox, with what it counts there.
pub(crate) struct Queued {
    pub(crate) event: Event,
    pub(crate) load: Load,
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
    /// Whoever handled it ended before it was done, for this reason.
    Dropped(DropReason),
}

/// A whole cache line to itself, so that publishers and workers do not take each other's away.
#[repr(align(128))]
struct Line<T>(T);

pub(crate) struct Mailbox {
    overflow: Overflow,
    marks: Marks,
    /// Whether the work keeps keys in order, so that whoever finishes a delivery knows without a lock.
    by_key: bool,
    /// Held by publishers for as long as it takes to append.
    intake: Line<Mutex<Intake>>,
    /// Held by workers for as long as it takes to take.
    work: Line<Mutex<Work>>,
    /// Running total of what was taken and is finished; added to by workers, read by publishers that find no room.
    finished: Line<AtomicU64>,
    /// Whether publishers wait for room, or the mailbox is closed and has memory to give back, so that whoever
    /// finishes a delivery knows without a lock.
    crowded: AtomicBool,
    /// Number of workers that sleep.
    asleep: AtomicU64,
    /// Set by the bus while delivery is held; `wake` tells the workers when it no longer is.
    paused: Arc<AtomicBool>,
}

struct Intake {
    entries: VecDeque<Entry>,
    /// Running total of what was let in or reserved, less what was dropped afterwards.
    admitted: Load,
    /// Of these, the places that are reserved.
    reserved: u64,
    /// `finished` as of the last look; looked at again only when the mailbox seems full.
    finished: Load,
    /// Publishers that wait for room, by ascending ticket.
    waiting: VecDeque<Waiting>,
    next_ticket: u64,
    /// Once closed, the first ticket that was not let in before.
    turned_away: Ticket,
    /// The wakers of publishers that were let in, until the lock is released.
    let_in: Vec<Waker>,
    /// The wakers of sleeping workers, by the worker's number.
    sleepers: Vec<Option<Waker>>,
    state: State,
    matched: u64,
    dropped: Dropped,
    /// Events a panicking filter skipped; they never entered.
    unwanted: u64,
    /// Of the finished deliveries, those that were not done.
    skipped: u64,
    dead: u64,
    cut_off: u64,
    level: Level,
    /// What the bus's memory was told of `admitted`.
    grant: Grant,
}

struct Work {
    entries: VecDeque<Entry>,
    /// To be told before anything else.
    gap: Option<Gap>,
    /// Where keys are kept in order: which keys are running, and what waits for them.
    keys: Option<Keys>,
    started: u64,
    /// Running total of what was taken.
    taken: Load,
}

enum Entry {
    Event(Queued),
    Gap(Box<Gap>),
}

impl Entry {
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

struct Waiting {
    ticket: Ticket,
    queued: Queued,
    waker: Waker,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    /// Workers end when nothing is left.
    Draining,
    /// Nothing gets in or out any more; what was inside was dropped for this reason.
    Closed(DropReason),
}

impl Mailbox {
    pub(crate) fn new(
        marks: Marks,
        overflow: Overflow,
        workers: usize,
        by_key: bool,
        paused: Arc<AtomicBool>,
        memory: Arc<Memory>,
    ) -> Self {
        Self {
            overflow,
            marks,
            by_key,
            intake: Line(Mutex::new(Intake {
                entries: VecDeque::new(),
                admitted: Load::NONE,
                reserved: 0,
                finished: Load::NONE,
                waiting: VecDeque::new(),
                next_ticket: 0,
                turned_away: Ticket(0),
                let_in: Vec::new(),
                sleepers: vec![None; workers],
                state: State::Open,
                matched: 0,
                dropped: Dropped::default(),
                unwanted: 0,
                skipped: 0,
                dead: 0,
                cut_off: 0,
                level: Level::Normal,
                grant: Grant::new(memory),
            })),
            work: Line(Mutex::new(Work {
                entries: VecDeque::new(),
                gap: None,
                keys: by_key.then(Keys::default),
                started: 0,
                taken: Load::NONE,
            })),
            finished: Line(AtomicU64::new(0)),
            crowded: AtomicBool::new(false),
            asleep: AtomicU64::new(0),
            paused,
        }
    }
}
