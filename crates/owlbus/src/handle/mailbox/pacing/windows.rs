//! The keys that had an event, and get no other until their time is over.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use foldhash::quality::RandomState;
use smol_str::SmolStr;
use tokio::time::Instant;

use super::later;

/// How many keys are remembered, and how many bytes of them: the one whose time is over first is forgotten for another.
const MOST_KEYS: usize = 65_536;
const MOST_BYTES: usize = 16 << 20;

/// One window of time a key, all of the same length.
pub(in super::super) struct Windows {
    within: Duration,
    ends: HashMap<SmolStr, Instant, RandomState>,
    /// The same keys in the order their windows began and will end, and those that were closed before.
    order: VecDeque<(Instant, SmolStr)>,
    /// Bytes of the keys in that order.
    bytes: usize,
}

impl Windows {
    pub(super) fn new(within: Duration) -> Self {
        Self { within, ends: HashMap::default(), order: VecDeque::new(), bytes: 0 }
    }

    pub(super) fn is_open(&self, key: &str, now: Instant) -> bool {
        self.ends.get(key).is_some_and(|end| *end > now)
    }

    /// Begins the window of a key that has none.
    pub(super) fn open(&mut self, key: SmolStr, now: Instant) {
        let end = later(now, self.within);
        self.bytes += key.len();
        self.order.push_back((end, key.clone()));
        self.ends.insert(key, end);
        let too_many = |windows: &Self| windows.order.len() > MOST_KEYS || windows.bytes > MOST_BYTES;
        while self.order.front().is_some_and(|(end, _)| *end <= now || too_many(self)) {
            self.forget_first();
        }
    }

    /// Ends the window of a key whose event did not get in.
    pub(super) fn close(&mut self, key: &str) {
        self.ends.remove(key);
    }

    fn forget_first(&mut self) {
        let Some((end, key)) = self.order.pop_front() else { return };
        self.bytes -= key.len();
        // The key may have begun another since this one was closed.
        if self.ends.get(&key) == Some(&end) {
            self.ends.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_window_is_open_until_its_time_is_over_and_then_forgotten() {
        let (mut windows, now) = (Windows::new(SECOND), Instant::now());
        windows.open("a".into(), now);
        assert!(windows.is_open("a", now) && !windows.is_open("b", now));
        assert!(!windows.is_open("a", now + SECOND));
        windows.open("b".into(), now + SECOND);
        assert_eq!((windows.ends.len(), windows.order.len(), windows.bytes), (1, 1, 1));
    }

    #[test]
    fn one_that_was_closed_does_not_end_the_next_of_its_key() {
        let (mut windows, now) = (Windows::new(SECOND), Instant::now());
        windows.open("a".into(), now);
        windows.close("a");
        assert!(!windows.is_open("a", now));
        windows.open("a".into(), now + SECOND / 2);
        windows.open("b".into(), now + SECOND);
        assert!(windows.is_open("a", now + SECOND));
    }

    #[test]
    fn keys_take_bounded_memory() {
        let (mut windows, now) = (Windows::new(SECOND), Instant::now());
        for key in 0..=MOST_KEYS {
            windows.open(key.to_string().into(), now);
        }
        assert_eq!((windows.ends.len(), windows.order.len()), (MOST_KEYS, MOST_KEYS));
        assert!(!windows.is_open("0", now) && windows.is_open("1", now));
        let long = "k".repeat(MOST_BYTES / 2);
        for key in ["x", "y", "z"] {
            windows.open(format!("{key}{long}").into(), now);
        }
        assert!(windows.bytes <= MOST_BYTES, "{} bytes", windows.bytes);
        windows.close(&format!("z{long}"));
        assert!(windows.ends.is_empty(), "the others gave way");
    }
}
