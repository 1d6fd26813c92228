//! What was published last, and what is being published.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use smol_str::SmolStr;
use tokio::{
    sync::{Notify, futures::OwnedNotified},
    time::Instant,
};

use crate::{event::EventId, journal::Seq};

/// What makes two events the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Mark {
    Id { source: SmolStr, id: EventId },
    Text(Arc<str>),
}

/// What two entries, and the place of one in the line, cost beside the text.
const OVERHEAD: usize = 160;

impl Mark {
    fn bytes(&self) -> usize {
        OVERHEAD
            + match self {
                Mark::Id { source, id } => source.len() + id.heap_bytes(),
                Mark::Text(text) => text.len(),
            }
    }
}

/// How much is remembered, and for how long.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) events: usize,
    pub(super) bytes: usize,
    pub(super) time: Option<Duration>,
}

/// The marks of the events that were published last, and of those that are being published.
#[derive(Default)]
pub(super) struct Window(Mutex<Known>);

#[derive(Default)]
struct Known {
    events: HashMap<Mark, State>,
    /// Those that were published, in the order they were.
    line: VecDeque<(Instant, Mark)>,
    /// Of those in the line.
    bytes: usize,
}

enum State {
    /// It is on its way; told when that has ended.
    Going(Arc<Notify>),
    Published(Seq),
}

/// What is known of a mark.
pub(super) enum Seen {
    /// Nothing: it is the caller's now.
    Never(Claim),
    /// It is being published; ready when that has ended.
    Going(OwnedNotified),
    Published(Seq),
}

impl Window {
    /// Looks a mark up, and claims it where it is not known.
    pub(super) fn look(self: &Arc<Self>, mark: Mark, bounds: &Bounds) -> Seen {
        let mut known = self.lock();
        known.forget(bounds);
        match known.events.get(&mark) {
            Some(State::Published(seq)) => Seen::Published(*seq),
            Some(State::Going(ended)) => Seen::Going(Arc::clone(ended).notified_owned()),
            None => {
                let ended = Arc::new(Notify::new());
                known.events.insert(mark.clone(), State::Going(Arc::clone(&ended)));
                Seen::Never(Claim { window: Arc::clone(self), mark, ended, bounds: *bounds })
            }
        }
    }

    /// How many marks are remembered.
    pub(super) fn len(&self) -> usize {
        self.lock().line.len()
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// Lets go of what is too much or too old, the oldest first.
    fn forget(&mut self, bounds: &Bounds) {
        let now = Instant::now();
        while let Some((since, mark)) = self.line.front() {
            let old = bounds.time.is_some_and(|time| now.saturating_duration_since(*since) >= time);
            if !old && self.line.len() <= bounds.events && self.bytes <= bounds.bytes {
                break;
            }
            self.bytes -= mark.bytes();
            self.events.remove(mark);
            self.line.pop_front();
        }
    }
}

/// The right to publish what has a mark. When it goes, who waited for it may try.
pub(super) struct Claim {
    window: Arc<Window>,
    mark: Mark,
    ended: Arc<Notify>,
    bounds: Bounds,
}

impl Claim {
    /// Remembers that it was published.
    pub(super) fn published(&self, seq: Seq) {
        let mut known = self.window.lock();
        known.events.insert(self.mark.clone(), State::Published(seq));
        known.line.push_back((Instant::now(), self.mark.clone()));
        known.bytes += self.mark.bytes();
        known.forget(&self.bounds);
        drop(known);
        self.ended.notify_waiters();
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut known = self.window.lock();
        // It may be remembered, or forgotten again and another's claim.
        let mine = matches!(known.events.get(&self.mark), Some(State::Going(ended)) if Arc::ptr_eq(ended, &self.ended));
        if mine {
            known.events.remove(&self.mark);
        }
        drop(known);
        self.ended.notify_waiters();
    }
}
