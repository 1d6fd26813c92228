//! 100,000 subscriptions: 70 % to a topic, 20 % to patterns with `*`, 10 % with `**`.
//!
//! The figure is the time `Bus::subscriptions_for` takes to find the subscriptions of an event that is made already: the lookup
//! every publish does, and nothing else.
//!
//! - *cached*: sixteen topics, again and again.
//! - *uncached*: 100,000 topics in turn, far more than a thread remembers.
//!
//! Each topic has 2 to 6 subscriptions.
//!
//! With 1,000 patterns the topics are as many, and fall to the patterns that are there.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use owlbus::{Bus, Delivery, Event, Topic};

use crate::{
    runtime,
    tick::Tick,
    workload::{
        Bound::{AtMost, Shown},
        Round::One,
        Subject, Unit, Want, Workload,
    },
};

pub(super) static WORKLOAD: Workload = Workload {
    name: "match_100k",
    about: "finding 2 to 6 subscriptions among 100,000",
    subjects: &[
        Subject { name: "cached", work: 5_000_000, round: One(Unit::Nanoseconds, |n| cached(100_000, n)) },
        Subject { name: "cached-1k", work: 5_000_000, round: One(Unit::Nanoseconds, |n| cached(1_000, n)) },
        Subject {
            name: "uncached",
            work: 1_000_000,
            round: One(Unit::Nanoseconds, |n| uncached(100_000, n)),
        },
        Subject {
            name: "uncached-1k",
            work: 1_000_000,
            round: One(Unit::Nanoseconds, |n| uncached(1_000, n)),
        },
        Subject {
            name: "subscribe",
            work: 100_000,
            round: One(Unit::Microseconds, |n| subscribe(n, Names::Given)),
        },
        Subject {
            name: "subscribe-unnamed",
            work: 5_000,
            round: One(Unit::Microseconds, |n| subscribe(n, Names::Made)),
        },
    ],
    wants: &[
        Want::Value { subject: "cached", bound: AtMost(60.0) },
        Want::Ratio { subject: "cached", beside: "cached-1k", bound: AtMost(2.0) },
        Want::Value { subject: "uncached", bound: AtMost(1_500.0) },
        Want::Ratio { subject: "uncached", beside: "uncached-1k", bound: AtMost(2.0) },
        Want::Ratio { subject: "subscribe-unnamed", beside: "subscribe", bound: Shown },
    ],
};

/// Where the names of the subscriptions come from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Names {
    Given,
    /// By the bus, which numbers them, for they all have the same handler.
    Made,
}

/// Topics of the uncached figure; a thread remembers the routes of about a thousand.
const TOPICS: usize = 100_000;

/// Events that are made, and then looked up, between two looks at the clock.
const BLOCK: usize = 512;

/// Nanoseconds to find the subscriptions of topics that were looked up before.
fn cached(patterns: usize, events: u64) -> Result<f64> {
    find(patterns, (0..16).map(|n| topic(n, patterns)).collect::<Result<_>>()?, events as usize)
}

/// Nanoseconds to find the subscriptions of topics that nobody remembers.
fn uncached(patterns: usize, events: u64) -> Result<f64> {
    find(patterns, shuffled((0..TOPICS).map(|n| topic(n, patterns)).collect::<Result<_>>()?), events as usize)
}

/// Nanoseconds to find the subscriptions of an event, over events of these topics in turn.
fn find(patterns: usize, topics: Vec<Topic>, events: usize) -> Result<f64> {
    runtime::run(async move {
        let bus = subscribed(patterns, Names::Given).await?;
        let figure = tokio::spawn(async move {
            // Every topic was there before, so that nothing is counted for the first time.
            look_up(&bus, &topics, topics.len())?;
            let (spent, found) = look_up(&bus, &topics, events)?;
            let each = found as f64 / events as f64;
            ensure!(
                (2.0..=6.0).contains(&each),
                "{each} subscriptions matched each event: 2 to 6 were meant to"
            );
            Ok(runtime::nanoseconds_each(spent, events))
        });
        figure.await?
    })
}

/// Microseconds to add one subscription, on the way to as many as that.
fn subscribe(patterns: u64, names: Names) -> Result<f64> {
    runtime::run(async move {
        let begun = Instant::now();
        let bus = subscribed(patterns as usize, names).await?;
        let figure = runtime::nanoseconds_each(begun.elapsed(), patterns as usize) / 1e3;
        drop(bus);
        Ok(figure)
    })
}

/// A bus with that many subscriptions, which refuse everything.
async fn subscribed(patterns: usize, names: Names) -> Result<Bus> {
    let bus = Bus::in_memory();
    for n in 0..patterns {
        let mut on = bus.on(pattern(n)).filter(|_| false);
        if names == Names::Given {
            on = on.name(format!("subscription {n}"));
        }
        on.handle(|event: Delivery| async move { drop(black_box(event)) }).await?;
    }
    Ok(bus)
}

/// The nth pattern. Ten in a row are a family: seven are literal, two have a `*` and one a `**`; two families share a
/// site.
fn pattern(n: usize) -> String {
    let family = n / 10;
    let site = family / 2;
    let third = family * 10 + 3;
    match n % 10 {
        0..7 => format!("site{site}.sensor{n}.changed"),
        7 => format!("site{site}.*.changed"),
        8 => format!("*.sensor{third}.changed"),
        _ if family.is_multiple_of(2) => format!("site{site}.**"),
        _ => format!("**.sensor{third}.**"),
    }
}

/// The nth topic: a sensor of its own, at one of the sites that as many patterns have.
fn topic(n: usize, patterns: usize) -> Result<Topic> {
    let site = n / 10 % (patterns / 10) / 2;
    Ok(Topic::new(format!("site{site}.sensor{n}.changed"))?)
}

/// The same in an order without order, the same each time.
fn shuffled<T>(all: Vec<T>) -> Vec<T> {
    let mut all: Vec<_> = all.into_iter().enumerate().collect();
    all.sort_by_key(|(n, _)| (*n as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    all.into_iter().map(|(_, one)| one).collect()
}

/// Looks up so many events, and gives the time that took and the number of subscriptions found.
fn look_up(bus: &Bus, topics: &[Topic], events: usize) -> Result<(Duration, usize)> {
    let (mut spent, mut found) = (Duration::ZERO, 0);
    for first in (0..events).step_by(BLOCK) {
        let block = block(topics, first, events)?;
        let begun = Instant::now();
        for event in &block {
            found += black_box(bus.subscriptions_for(event));
        }
        spent += begun.elapsed();
    }
    Ok((spent, found))
}

/// The events from the first on, as many as a block has.
fn block(topics: &[Topic], first: usize, events: usize) -> Result<Vec<Event>> {
    let numbers = first..events.min(first + BLOCK);
    let event = |n: usize| Event::builder(Tick::numbered(n as u64)).topic(&topics[n % topics.len()]).build();
    Ok(numbers.map(event).collect::<Result<_, _>>()?)
}

#[cfg(test)]
mod tests {
    use owlbus::Pattern;

    use super::*;

    #[test]
    fn the_patterns_are_mixed_as_announced() {
        let patterns: Vec<_> = (0..1_000).map(pattern).collect();
        let double = patterns.iter().filter(|pattern| pattern.contains("**")).count();
        let wild = patterns.iter().filter(|pattern| pattern.contains('*')).count();
        assert_eq!((patterns.len() - wild, wild - double, double), (700, 200, 100));
    }

    #[test]
    fn two_to_six_match_whatever_the_number_of_patterns() {
        for count in [1_000, 2_000] {
            let patterns: Vec<_> = (0..count).map(|n| Pattern::new(pattern(n)).unwrap()).collect();
            let matching = |topic: &Topic| patterns.iter().filter(|pattern| pattern.matches(topic)).count();
            let topics = (0..2 * count).map(|n| topic(n, count).unwrap());
            let matches: Vec<_> = topics.map(|topic| matching(&topic)).collect();
            assert!(matches.iter().all(|matches| (2..=6).contains(matches)), "{matches:?}");
            assert!(matches.contains(&6));
        }
    }

    #[test]
    fn shuffling_loses_nothing() {
        let mut all = shuffled((0..1_000).collect());
        assert!(!all.is_sorted());
        all.sort_unstable();
        assert_eq!(all, (0..1_000).collect::<Vec<_>>());
    }
}
