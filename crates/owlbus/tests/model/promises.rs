//! What holds of any bus, whatever the model says.

use std::collections::{BTreeMap, BTreeSet};

use owlbus::{Overflow, Priority};
use proptest::{prelude::*, test_runner::TestCaseResult};

use super::{
    real::Heard,
    story::{Asks, Sent},
};

/// An event that was published, and how much each subscription had been told before.
pub struct Published {
    pub sent: Sent,
    pub told_before: Vec<usize>,
}

/// What one subscription was told from its beginning to its end.
pub struct Life<'a> {
    pub who: usize,
    pub asks: Asks,
    pub told: &'a [Heard],
    /// Whether no other subscription is in a band above it.
    pub first_band: bool,
}

impl<'a> Life<'a> {
    pub fn check(&self, event: impl Fn(u64) -> &'a Published) -> TestCaseResult {
        self.check_once()?;
        // Where publishers wait for room, events get in when they stop waiting.
        if !matches!(self.asks.overflow, Overflow::Block { .. }) {
            self.check_keys(&event)?;
            self.check_lanes(&event)?;
        }
        Ok(())
    }

    /// The events that started, each with its place among all that was told.
    fn started(&self) -> impl Iterator<Item = (usize, u64)> {
        self.told.iter().enumerate().filter_map(|(at, heard)| match heard {
            Heard::Started(number) => Some((at, *number)),
            Heard::Missed(..) => None,
        })
    }

    /// Nothing starts twice.
    fn check_once(&self) -> TestCaseResult {
        let mut seen = BTreeSet::new();
        for (_, number) in self.started() {
            prop_assert!(seen.insert(number), "event {} started twice", number);
        }
        prop_assert!(!self.asks.once || seen.len() <= 1, "it was for one event, and got {:?}", seen);
        Ok(())
    }

    /// With order by key, the events of a key start in the order they were published.
    fn check_keys(&self, event: &impl Fn(u64) -> &'a Published) -> TestCaseResult {
        let mut last: BTreeMap<&str, u64> = BTreeMap::new();
        for (_, number) in self.started().filter(|_| self.asks.by_key) {
            let Sent { key, topic, .. } = event(number).sent;
            let before = last.insert(key.unwrap_or(topic), number);
            prop_assert!(before < Some(number), "event {} started after {:?} of its key", number, before);
        }
        Ok(())
    }

    /// A lane that has something to start is served within 13 starts that are not `Immediate`.
    fn check_lanes(&self, event: &impl Fn(u64) -> &'a Published) -> TestCaseResult {
        if self.asks.by_key || !self.first_band {
            return Ok(());
        }
        let lane = |number: u64| event(number).sent.lane;
        let starts: Vec<_> =
            self.started().filter(|(_, number)| lane(*number) != Priority::Immediate).collect();
        for (at, (_, number)) in starts.iter().enumerate() {
            let came = event(*number).told_before.get(self.who).copied().unwrap_or_default();
            let passed_by = starts[..at].iter().rev();
            let passed_by =
                passed_by.take_while(|(place, other)| *place >= came && lane(*other) != lane(*number));
            let starts = 1 + passed_by.count();
            prop_assert!(starts <= 13, "event {} was start {} since its lane was served", number, starts);
        }
        Ok(())
    }
}
