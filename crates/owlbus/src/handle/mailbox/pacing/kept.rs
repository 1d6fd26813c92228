//! The latest event of each key, kept until its time has come.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use foldhash::quality::RandomState;
use smol_str::SmolStr;
use tokio::time::Instant;

use super::{super::Queued, later};

/// One event a key.
pub(in super::super) struct Kept {
    /// For how long no other event of the key may have come.
    quiet: Duration,
    /// How long a key waits at most, whatever comes.
    longest: Option<Duration>,
    keys: HashMap<SmolStr, Waiting, RandomState>,
    /// The same keys by when their time comes, and in the order their events came.
    times: BTreeMap<Time, SmolStr>,
    came: u64,
}

type Time = (Instant, u64);

struct Waiting {
    queued: Queued,
    time: Time,
    /// When it goes in at the latest.
    latest: Option<Instant>,
}

impl Kept {
    pub(super) fn new(quiet: Duration, longest: Option<Duration>) -> Self {
        Self { quiet, longest, keys: HashMap::default(), times: BTreeMap::new(), came: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.keys.contains_key(key)
    }

    /// Keeps the event in place of the one of its key that was kept before, which is given back.
    pub(super) fn keep(&mut self, key: SmolStr, queued: Queued, now: Instant) -> Option<Queued> {
        self.came += 1;
        let quiet = later(now, self.quiet);
        let before = self.keys.remove(&key).inspect(|before| _ = self.times.remove(&before.time));
        let latest = match &before {
            Some(before) => before.latest,
            None => self.longest.map(|longest| later(now, longest)),
        };
        let time = (latest.map_or(quiet, |latest| latest.min(quiet)), self.came);
        self.times.insert(time, key.clone());
        self.keys.insert(key, Waiting { queued, time, latest });
        before.map(|before| before.queued)
    }

    /// When the time of the next comes.
    pub(super) fn next(&self) -> Option<Instant> {
        self.times.first_key_value().map(|((time, _), _)| *time)
    }

    /// Takes the event of a key.
    pub(super) fn take(&mut self, key: &str) -> Option<Queued> {
        let waiting = self.keys.remove(key)?;
        self.times.remove(&waiting.time);
        Some(waiting.queued)
    }

    /// Takes an event whose time has come by then, in the order of their times; any of them where there is no such time.
    pub(super) fn take_due(&mut self, by: Option<Instant>) -> Option<Queued> {
        let first = self.times.first_entry()?;
        if by.is_some_and(|by| first.key().0 > by) {
            return None;
        }
        let key = first.remove();
        self.keys.remove(&key).map(|waiting| waiting.queued)
    }
}
