//! The starts of one handler, by lane.

use std::time::Duration;

use owlbus::Priority;

use crate::latencies::Latencies;

/// Counts the starts of a handler that runs one event at a time, and notes how long each lane waited for its own.
pub(super) struct Starts {
    /// Those that are not counted yet: what a mailbox does while it fills says nothing.
    warming: u64,
    /// Those of the lanes that share.
    shared: u64,
    lanes: [Lane; 4],
}

/// What is known of one lane.
#[derive(Default)]
pub(super) struct Lane {
    pub(super) latencies: Latencies,
    /// Its starts, from the first on.
    started: u64,
    /// Its starts that are counted.
    pub(super) counted: u64,
    /// The number of the start since when it has had an event that waits, where it is known to have one.
    waits_since: Option<u64>,
    /// The most starts it took to be served.
    pub(super) longest_wait: u64,
}

impl Starts {
    /// Counts from the start after so many on.
    pub(super) fn after(warming: u64) -> Self {
        Self { warming, shared: 0, lanes: Default::default() }
    }

    /// An event of that lane starts, so long after it was published; so many of its lane are known to be in the mailbox,
    /// or to have been. Says how many starts are counted by now.
    pub(super) fn start(&mut self, lane: Priority, latency: Duration, entered: u64) -> u64 {
        let of = &mut self.lanes[lane as usize];
        of.started += 1;
        self.shared += u64::from(lane != Priority::Immediate);
        if self.shared > self.warming {
            of.latencies.add(latency);
            of.counted += 1;
            let wait = of.waits_since.map_or(0, |since| self.shared - since);
            of.longest_wait = of.longest_wait.max(wait);
        }
        of.waits_since = (entered > of.started).then_some(self.shared);
        self.shared.saturating_sub(self.warming)
    }

    pub(super) fn of(&self, lane: Priority) -> &Lane {
        &self.lanes[lane as usize]
    }
}

#[cfg(test)]
mod tests {
    use owlbus::Priority::{Deferred, High, Immediate, Normal};

    use super::*;

    /// Starts these, while there is always more.
    fn started(starts: &mut Starts, lanes: &[Priority]) {
        for lane in lanes {
            starts.start(*lane, Duration::ZERO, u64::MAX);
        }
    }

    #[test]
    fn a_lane_waits_from_its_last_start_to_its_next() {
        let mut starts = Starts::after(0);
        started(&mut starts, &[Deferred, High, High, Immediate, Normal, Deferred, High]);
        assert_eq!([High, Normal, Deferred].map(|lane| starts.of(lane).longest_wait), [3, 0, 4]);
        assert_eq!([High, Normal, Deferred].map(|lane| starts.of(lane).counted), [3, 1, 2]);
    }

    #[test]
    fn a_lane_that_may_be_empty_does_not_wait() {
        let mut starts = Starts::after(0);
        starts.start(Deferred, Duration::ZERO, 1);
        started(&mut starts, &[High, High]);
        starts.start(Deferred, Duration::ZERO, 3);
        assert_eq!(starts.of(Deferred).longest_wait, 0);
        started(&mut starts, &[High, Deferred]);
        assert_eq!(starts.of(Deferred).longest_wait, 2);
    }

    #[test]
    fn what_happens_while_it_warms_up_is_not_counted() {
        let mut starts = Starts::after(3);
        started(&mut starts, &[Deferred, High, High]);
        assert_eq!(starts.start(Normal, Duration::ZERO, 1), 1);
        assert_eq!([High, Normal, Deferred].map(|lane| starts.of(lane).counted), [0, 1, 0]);
        started(&mut starts, &[Deferred]);
        assert_eq!(starts.of(Deferred).longest_wait, 4);
    }
}
