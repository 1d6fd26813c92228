//! Random stories of a bus. Each step prints as a sentence, and is made of small numbers that shrink to the simplest one.

use std::{fmt, time::Duration};

use owlbus::{Overflow, Priority};
use proptest::prelude::*;

/// A bus and what happens to it.
#[derive(Clone)]
pub struct Story {
    pub paused: bool,
    /// What subscriptions ask for: the first ones at the beginning, the others when a step says so.
    pub asks: Vec<Asks>,
    pub at_first: usize,
    pub steps: Vec<Step>,
}

/// What one subscription asks for.
#[derive(Clone, Copy)]
pub struct Asks {
    pub patterns: &'static [&'static str],
    pub filter: Filter,
    pub once: bool,
    pub band: i32,
    /// In milliseconds, as all times in here.
    pub band_wait: u64,
    /// What an inline handler says to every event; the others say what the story tells them to, when it does.
    pub inline: Option<Says>,
    pub workers: usize,
    pub by_key: bool,
    pub room: u64,
    pub overflow: Overflow,
}

/// What a filter does at a blue event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filter {
    TakesIt,
    RefusesIt,
    Panics,
}

/// What a handler says in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Says {
    Done,
    Skipped,
    Dead,
    Fails,
    Panics,
}

/// An event, as far as a bus looks at it.
#[derive(Clone, Copy)]
pub struct Sent {
    pub topic: &'static str,
    /// The topic, where there is none.
    pub key: Option<&'static str>,
    pub lane: Priority,
    pub blue: bool,
}

/// How it is published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    Await,
    Try,
    Tracked,
}

/// What happens next. Numbers of subscriptions and the like go around where there are fewer.
#[derive(Clone, Copy)]
pub enum Step {
    /// `at_once`: the next step happens before anybody else does anything.
    Publish {
        sent: Sent,
        how: How,
        times: usize,
        at_once: bool,
    },
    /// A handler that runs says something.
    End {
        who: usize,
        which: usize,
        says: Says,
    },
    /// The handler that has run longest is done, so many times.
    Work {
        who: usize,
        times: usize,
    },
    Unsubscribe {
        who: usize,
    },
    Subscribe,
    Pass {
        time: u64,
    },
    Resume,
    /// A publish that waits is given up.
    Cancel {
        which: usize,
    },
    Shutdown {
        deadline: u64,
    },
}

const TOPICS: [&str; 3] = ["a", "a.b", "c"];
const PATTERNS: [&[&str]; 6] = [&["**"], &["a.**"], &["a"], &["a.*", "c"], &["*"], &["**", "a.b"]];
const BANDS: [i32; 4] = [0, 50, -50, 100];
const WORKERS: [usize; 3] = [1, 2, 3];
const ROOM: [u64; 6] = [2, 1, 3, 4, 6, 1024];
const KEYS: [Option<&str>; 3] = [Some("k"), Some("l"), None];
const SAYS: [Says; 5] = [Says::Done, Says::Skipped, Says::Dead, Says::Fails, Says::Panics];
const LANES: [Priority; 4] = [Priority::Normal, Priority::High, Priority::Deferred, Priority::Immediate];
const HOW: [How; 3] = [How::Await, How::Try, How::Tracked];

/// Two deadlines never fall into one instant, for no order is promised then: all times are quarters of a second, none of
/// two kinds is as long as another, and what begins a time begins at a millisecond of its own.
const OVERFLOWS: [Overflow; 6] = [
    Overflow::Block { timeout: Duration::from_millis(5_000) },
    Overflow::DropOldest,
    Overflow::DropNewest,
    Overflow::Reject,
    Overflow::Block { timeout: Duration::from_millis(250) },
    Overflow::Block { timeout: Duration::from_millis(6_750) },
];
const BAND_WAITS: [u64; 2] = [1_000, 1_500];
const PASSES: [u64; 5] = [250, 500, 1_000, 2_500, 6_000];
const DEADLINES: [u64; 3] = [30_000, 3_000, 250];

impl Asks {
    fn of((shape, order, room, more): (u8, u8, u8, u8)) -> Self {
        let (shape, order, room) = (usize::from(shape), usize::from(order), usize::from(room));
        let inline = more % 8 == 7;
        Self {
            patterns: PATTERNS[shape / 4 % PATTERNS.len()],
            filter: match shape % 8 {
                5 => Filter::RefusesIt,
                6 => Filter::Panics,
                _ => Filter::TakesIt,
            },
            once: more / 8 == 2,
            band: BANDS[order / 4 % BANDS.len()],
            band_wait: BAND_WAITS[order % BAND_WAITS.len()],
            inline: inline.then(|| SAYS[room % SAYS.len()]),
            workers: WORKERS[order / 16 % WORKERS.len()],
            by_key: order % 4 >= 2,
            room: ROOM[room % ROOM.len()],
            overflow: OVERFLOWS[room / ROOM.len() % OVERFLOWS.len()],
        }
    }
}

impl Step {
    /// A step out of small numbers.
    fn of((kind, number, more, flags): (u8, u8, u8, u8)) -> Self {
        let (which, rest) = (usize::from(number), usize::from(more));
        match kind {
            0..48 => {
                let lane = LANES[rest % 4];
                // Now and then as many as fill the places of `Immediate`.
                let flood = kind == 47 && lane == Priority::Immediate;
                Step::Publish {
                    sent: Sent {
                        topic: TOPICS[which % 3],
                        key: KEYS[which / 3 % 3],
                        lane,
                        blue: flags % 4 == 3,
                    },
                    how: HOW[rest / 4 % 3],
                    times: if flood { 62 + which % 5 } else { 1 },
                    at_once: flags / 4 % 3 == 2,
                }
            }
            48..72 => Step::End { who: which, which: rest, says: SAYS[usize::from(flags / 6) % SAYS.len()] },
            72..80 => Step::Work { who: which, times: 1 + rest / 2 },
            80..88 => Step::Pass { time: PASSES[which % PASSES.len()] },
            88..91 => Step::Resume,
            91..93 => Step::Cancel { which },
            93..95 => Step::Subscribe,
            95..97 => Step::Unsubscribe { who: which },
            _ => Step::Shutdown { deadline: DEADLINES[which % DEADLINES.len()] },
        }
    }
}

pub fn stories() -> impl Strategy<Value = Story> {
    let asks = prop::collection::vec((0_u8..24, 0_u8..48, 0_u8..36, 0_u8..32), 2..=5);
    let asks = asks.prop_map(|asks| asks.into_iter().map(Asks::of).collect());
    let steps = prop::collection::vec((0_u8..98, 0_u8..9, 0_u8..12, 0_u8..30), 1..40);
    let steps = steps.prop_map(|steps| steps.into_iter().map(Step::of).collect());
    (0_u8..6, asks, 1_usize..=4, steps).prop_map(|(paused, asks, at_first, steps): (_, Vec<Asks>, _, _)| {
        Story { paused: paused == 5, at_first: at_first.min(asks.len()), asks, steps }
    })
}

impl Story {
    /// The same story with one thing left out or made simpler.
    pub fn shorter(&self) -> impl Iterator<Item = Story> {
        let steps = (0..self.steps.len()).map(|at| {
            let mut story = self.clone();
            story.steps.remove(at);
            story
        });
        let asks = (0..self.asks.len()).map(|at| {
            let mut story = self.clone();
            story.asks.remove(at);
            story.at_first -= usize::from(at < self.at_first);
            story
        });
        let simpler = (0..self.steps.len()).filter_map(|at| {
            let mut story = self.clone();
            story.steps[at].simplify().then_some(story)
        });
        asks.filter(|story| story.at_first > 0).chain(steps).chain(simpler)
    }
}

impl Step {
    /// Makes one of its numbers smaller, where there is one to be made smaller.
    fn simplify(&mut self) -> bool {
        let number = match self {
            Step::Publish { times, .. } | Step::Work { times, .. } if *times > 1 => times,
            Step::Publish { .. } => return false,
            Step::End { which, .. } if *which > 0 => which,
            Step::End { who, .. } | Step::Work { who, .. } | Step::Unsubscribe { who } => who,
            Step::Cancel { which } => which,
            Step::Subscribe | Step::Pass { .. } | Step::Resume | Step::Shutdown { .. } => return false,
        };
        let is_more = *number > 0;
        *number = number.saturating_sub(1);
        is_more
    }
}

/// What people call the subscription of that number.
pub fn name(number: usize) -> String {
    char::from(b'A' + number as u8).to_string()
}

impl fmt::Debug for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { paused, asks, at_first, steps } = self;
        write!(f, "a bus{}, with", if *paused { " that is paused" } else { "" })?;
        for (number, asks) in asks.iter().enumerate() {
            let later = if number < *at_first { "" } else { " (subscribes later)" };
            write!(f, "\n  {}{later}: {asks:?}", name(number))?;
        }
        for (number, step) in steps.iter().enumerate() {
            write!(f, "\n  {number}. {step:?}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Asks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { patterns, filter, once, band, band_wait, inline, workers, by_key, room, overflow } = self;
        write!(f, "{}", patterns.join(" and "))?;
        if *filter != Filter::TakesIt {
            write!(f, ", a filter that at a blue event {filter:?}")?;
        }
        if *once {
            write!(f, ", once")?;
        }
        if let Some(says) = inline {
            return write!(f, ", band {band}, inline, always {says:?}");
        }
        let keys = if *by_key { " ordered by key" } else { "" };
        write!(
            f,
            ", band {band} that waits {band_wait} ms, {workers} at once{keys}, room for {room}, {overflow:?}"
        )
    }
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Publish { sent, how, times, at_once } => {
                let Sent { topic, key, lane, blue } = sent;
                write!(f, "{lane:?} event{} to `{topic}`", if *blue { ", blue," } else { "" })?;
                key.map_or(Ok(()), |key| write!(f, " with key `{key}`"))?;
                match how {
                    How::Await => write!(f, " published")?,
                    How::Try => write!(f, " published without waiting")?,
                    How::Tracked => write!(f, " published and tracked")?,
                }
                if *times > 1 {
                    write!(f, " {times} times")?;
                }
                write!(f, "{}", if *at_once { ", and at once" } else { "" })
            }
            Step::End { who, which, says } => {
                write!(f, "subscription {who} ends number {which} of what runs: {says:?}")
            }
            Step::Work { who, times } => write!(f, "subscription {who} is done with {times}"),
            Step::Unsubscribe { who } => write!(f, "subscription {who} is unsubscribed"),
            Step::Subscribe => write!(f, "the next one subscribes"),
            Step::Pass { time } => write!(f, "{time} ms pass"),
            Step::Resume => write!(f, "the bus is resumed"),
            Step::Cancel { which } => write!(f, "publish {which} of those that wait is given up"),
            Step::Shutdown { deadline } => write!(f, "the bus is shut down within {deadline} ms"),
        }
    }
}
