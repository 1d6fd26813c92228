//! What a bus should do, with no thought for speed: an event knows what became of it in every subscription, and whatever
//! can be asked is counted from that, anew each time.

mod ending;
mod handling;
mod publishing;
mod subscriber;

use std::iter::repeat_n;

use owlbus::{Priority, handle::DropReason, stats::SubscriptionStats};

use super::story::{Asks, How, Says, Sent, name};
use subscriber::Subscriber;

/// Milliseconds since the story began.
pub type Time = u64;

/// What became of an event in one subscription, so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Its publisher waits for room.
    Waits,
    Queued,
    Runs {
        since: Time,
    },
    Ended(End),
}

/// What becomes of an event in one subscription in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Done,
    Skipped,
    Dead,
    Dropped(DropReason),
}

impl From<Says> for End {
    fn from(says: Says) -> Self {
        match says {
            Says::Done => End::Done,
            Says::Skipped => End::Skipped,
            Says::Dead | Says::Fails | Says::Panics => End::Dead,
        }
    }
}

/// An event the bus accepted. Its number is its place among them, counted from 1.
struct Accepted {
    sent: Sent,
    at: Time,
    /// By the number of the subscription; `None` where it is none of its business.
    fates: Vec<Option<Fate>>,
    /// Subscriptions without room for it: they dropped it, or an older one for it.
    dropped: Vec<usize>,
}

/// What a publisher is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    Ok {
        matched: usize,
        dropped: Vec<usize>,
        unfinished: Vec<usize>,
    },
    /// One of these is named.
    Full(Vec<usize>),
    Closed,
}

/// A publish.
pub struct Call {
    how: How,
    /// The number of its event, if that was accepted.
    pub number: Option<u64>,
    pub answer: Option<Answer>,
    given_up: bool,
}

/// What a subscription is told: an event to handle, or that it missed one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    Started(u64),
    Missed(u64, DropReason),
}

/// How a bus ended: what was not delivered, by subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    pub undelivered: Vec<(usize, u64)>,
    pub cancelled: u64,
    pub failed: u64,
}

enum Phase {
    Open,
    Closing { deadline: Time, dead_before: u64 },
    Over(Report),
}

pub struct Model {
    pub now: Time,
    paused: bool,
    resumed: Time,
    phase: Phase,
    subscribers: Vec<Subscriber>,
    events: Vec<Accepted>,
    pub calls: Vec<Call>,
    /// Which inline handler got the event of which call, over the whole bus.
    pub inline: Vec<(usize, usize)>,
}

const IMMEDIATE: usize = Priority::Immediate as usize;

impl Model {
    pub fn new(paused: bool) -> Self {
        Self {
            now: 0,
            paused,
            resumed: 0,
            phase: Phase::Open,
            subscribers: Vec::new(),
            events: Vec::new(),
            calls: Vec::new(),
            inline: Vec::new(),
        }
    }

    /// Whether the bus takes one more subscription.
    pub fn subscribe(&mut self, asks: Asks) -> bool {
        let open = matches!(self.phase, Phase::Open);
        self.subscribers.extend(open.then(|| Subscriber::new(asks)));
        open
    }

    pub fn resume(&mut self) {
        if self.paused {
            (self.paused, self.resumed) = (false, self.now);
        }
    }

    pub fn asks(&self, who: usize) -> Asks {
        self.subscribers[who].asks
    }

    /// What a subscription was told so far.
    pub fn told(&self, who: usize) -> &[Told] {
        &self.subscribers[who].told
    }

    /// The events that run in a subscription, in the order they started.
    pub fn running(&self, who: usize) -> Vec<u64> {
        self.subscribers[who].running.iter().map(|(number, _)| *number).collect()
    }

    pub fn accepted(&self) -> u64 {
        self.events.len() as u64
    }

    pub fn refused(&self) -> u64 {
        self.calls.iter().filter(|call| call.number.is_none()).count() as u64
    }

    /// How the bus ended, if it has.
    pub fn report(&self) -> Option<&Report> {
        match &self.phase {
            Phase::Over(report) => Some(report),
            Phase::Open | Phase::Closing { .. } => None,
        }
    }

    /// What became of an event everywhere, once that is settled: from the first band to the last.
    pub fn settled(&self, number: u64) -> Option<Vec<(usize, End)>> {
        let end = |(who, fate)| match fate {
            Fate::Ended(end) => Some((who, end)),
            Fate::Waits | Fate::Queued | Fate::Runs { .. } => None,
        };
        let order = |(who, _): &(usize, End)| self.subscribers[*who].order();
        let mut settled: Vec<(usize, End)> = self.fates(number).map(end).collect::<Option<_>>()?;
        settled.sort_by_key(order);
        Some(settled)
    }

    pub fn stats(&self, who: usize) -> SubscriptionStats {
        let subscriber = &self.subscribers[who];
        let mut stats = SubscriptionStats::default();
        stats.name = name(who);
        stats.filtered = subscriber.filtered;
        stats.band_timeouts = subscriber.band_timeouts;
        stats.capacity = if subscriber.asks.inline.is_some() { 0 } else { subscriber.asks.room };
        for event in &self.events {
            let Some(&Some(fate)) = event.fates.get(who) else { continue };
            let count = match fate {
                // To the subscription it comes only when there is room.
                Fate::Waits => continue,
                Fate::Queued => &mut stats.queued,
                Fate::Runs { .. } => &mut stats.running,
                Fate::Ended(End::Done) => &mut stats.done,
                Fate::Ended(End::Skipped) => &mut stats.skipped,
                Fate::Ended(End::Dead) => &mut stats.dead,
                Fate::Ended(End::Dropped(reason)) => match reason {
                    DropReason::Overflow => &mut stats.dropped.overflow,
                    DropReason::BlockTimeout => &mut stats.dropped.block_timeout,
                    DropReason::Unsubscribed => &mut stats.dropped.unsubscribed,
                    DropReason::Shutdown => &mut stats.dropped.shutdown,
                    other => panic!("nothing is dropped because of {other}"),
                },
            };
            *count += 1;
            stats.matched += 1;
        }
        stats
    }

    fn event(&self, number: u64) -> &Accepted {
        &self.events[number as usize - 1]
    }

    fn event_mut(&mut self, number: u64) -> &mut Accepted {
        &mut self.events[number as usize - 1]
    }

    /// What became of an event, by subscription.
    fn fates(&self, number: u64) -> impl Iterator<Item = (usize, Fate)> {
        self.event(number).fates.iter().enumerate().filter_map(|(who, fate)| Some((who, (*fate)?)))
    }

    fn set(&mut self, number: u64, who: usize, fate: Fate) {
        let fates = &mut self.event_mut(number).fates;
        fates.extend(repeat_n(None, (who + 1).saturating_sub(fates.len())));
        fates[who] = Some(fate);
    }

    fn has_ended(&self, number: u64) -> bool {
        self.fates(number).all(|(_, fate)| matches!(fate, Fate::Ended(_)))
    }

    fn lane(&self, number: u64) -> usize {
        self.event(number).sent.lane as usize
    }

    fn is_immediate(&self, number: u64) -> bool {
        self.lane(number) == IMMEDIATE
    }

    fn key(&self, number: u64) -> &'static str {
        let sent = &self.event(number).sent;
        sent.key.unwrap_or(sent.topic)
    }
}
