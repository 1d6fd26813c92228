//! The real bus, as far as stories touch it: handlers that say what they are told to, publishers, and how both are read.

use std::{
    collections::BTreeMap,
    panic::resume_unwind,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use owlbus::{
    Bus, Delivery, Event, Gap, HandlerError, Outcome, PublishError, Receipt, SubscribeError, Subscription,
    Tracked,
    settle::{Settled, Settlement},
};
use tokio::sync::oneshot;

use super::{
    reference::{Answer, End},
    story::{Asks, Filter, How, Says, Sent, name},
};

/// What subscriptions are told, and the doors their handlers wait at until the story lets them say something.
#[derive(Clone, Default)]
pub struct Stage(Arc<Mutex<Seen>>);

#[derive(Default)]
pub struct Seen {
    pub told: Vec<Vec<Heard>>,
    pub doors: Vec<(usize, u64, oneshot::Sender<Says>)>,
    pub inline: Vec<(usize, usize)>,
    /// Which event is that of which call.
    pub calls: BTreeMap<u64, usize>,
}

/// What a subscription was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Heard {
    Started(u64),
    /// Why it missed some, how many, and the lowest and the highest of them.
    Missed(&'static str, u64, u64, u64),
}

impl Stage {
    pub fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap()
    }
}

/// Subscribes as it is asked for.
pub async fn subscribe(
    bus: &Bus,
    who: usize,
    asks: Asks,
    stage: &Stage,
) -> Result<Subscription, SubscribeError> {
    stage.seen().told.push(Vec::new());
    let mut on = bus.on(asks.patterns).name(name(who));
    if asks.once {
        on = on.once();
    }
    if asks.filter != Filter::TakesIt {
        on = on.filter(move |event| event.source() != "blue" || takes_blue(asks.filter));
    }
    on = on.priority(asks.band);
    let (stage, gaps) = (stage.clone(), stage.clone());
    if let Some(says) = asks.inline {
        return on
            .inline(move |event: &Event| {
                stage.seen().inline.push((who, call(event)));
                said(says)
            })
            .await;
    }
    if asks.by_key {
        on = on.ordered_by_key();
    }
    on.mailbox(asks.room as usize, asks.overflow)
        .concurrency(asks.workers)
        .band_wait(Duration::from_millis(asks.band_wait))
        .on_gap(move |gap| gaps.seen().told[who].push(gap.into()))
        .handle(move |delivery: Delivery| {
            let (door, opened) = oneshot::channel();
            let number = seq(delivery.seq());
            let mut seen = stage.seen();
            seen.calls.insert(number, call(&delivery));
            seen.told[who].push(Heard::Started(number));
            seen.doors.push((who, number, door));
            async move { said(opened.await.unwrap_or(Says::Done)) }
        })
        .await
}

/// Panics the quiet way: nothing is printed.
fn takes_blue(filter: Filter) -> bool {
    match filter {
        Filter::TakesIt => true,
        Filter::RefusesIt => false,
        Filter::Panics => resume_unwind(Box::new("at blue")),
    }
}

fn said(says: Says) -> Result<Outcome, HandlerError> {
    match says {
        Says::Done => Ok(Outcome::Done),
        Says::Skipped => Ok(Outcome::Skipped),
        Says::Dead => Ok(Outcome::Dead { reason: "told to".into() }),
        Says::Fails => Err(HandlerError::temporary("told to")),
        Says::Panics => resume_unwind(Box::new("told to")),
    }
}

/// What a publisher gets: a receipt, or one with which it can wait for more.
pub type Given = Result<(Receipt, Option<Tracked>), PublishError>;

/// Publishes the event of a call.
pub async fn publish(bus: Bus, call: usize, sent: Sent, how: How) -> Given {
    let event = Event::signal(sent.topic).unwrap();
    let source = if sent.blue { "blue" } else { "red" };
    let mut event = bus.event(event).id(call.to_string()).source(source).priority(sent.lane);
    if let Some(key) = sent.key {
        event = event.key(key);
    }
    match how {
        How::Await => event.publish().await.map(|receipt| (receipt, None)),
        How::Try => event.try_publish().map(|receipt| (receipt, None)),
        How::Tracked => {
            event.tracked().publish().await.map(|tracked| (Receipt::clone(&tracked), Some(tracked)))
        }
    }
}

/// The call that published an event.
pub fn call(event: &Event) -> usize {
    event.id().to_string().parse().unwrap()
}

/// A place in the journal of a new bus, as a number.
pub fn seq(seq: owlbus::journal::Seq) -> u64 {
    seq.to_string().parse().unwrap()
}

/// The number of the subscription of that name.
pub fn number(name: &str) -> usize {
    usize::from(name.as_bytes()[0] - b'A')
}

impl From<Gap> for Heard {
    fn from(gap: Gap) -> Self {
        Heard::Missed(gap.reason.as_str(), gap.missed, seq(gap.first), seq(gap.last))
    }
}

/// What a publisher was told, in the words of the model.
pub fn answer(given: &Given) -> Answer {
    let numbers = |names: &[Arc<str>]| {
        let mut numbers: Vec<usize> = names.iter().map(|name| number(name)).collect();
        numbers.sort_unstable();
        numbers
    };
    match given {
        Ok((receipt, _)) => Answer::Ok {
            matched: receipt.matched.unwrap(),
            dropped: numbers(receipt.dropped.as_ref().unwrap()),
            unfinished: numbers(&receipt.unfinished),
        },
        Err(PublishError::Full { subscription, .. }) => Answer::Full(vec![number(subscription)]),
        Err(PublishError::Closed { .. }) => Answer::Closed,
        Err(error) => panic!("nobody expects {error}"),
    }
}

/// What became of an event in one subscription.
pub fn end(settled: &Settled) -> (usize, End) {
    let end = match &settled.settlement {
        Settlement::Done => End::Done,
        Settlement::Skipped => End::Skipped,
        Settlement::Dead { .. } => End::Dead,
        Settlement::Dropped { reason } => End::Dropped(*reason),
        other => panic!("nobody expects {other:?}"),
    };
    (number(&settled.subscription), end)
}

/// Gaps between the same two starts, as one for each reason: neighbours need not be told as one.
pub fn merged(told: impl IntoIterator<Item = Heard>) -> Vec<Heard> {
    let mut merged: Vec<Heard> = Vec::new();
    for heard in told {
        let since_start =
            merged.iter().rposition(|heard| matches!(heard, Heard::Started(_))).map_or(0, |at| at + 1);
        let Heard::Missed(reason, missed, first, last) = heard else {
            merged.push(heard);
            continue;
        };
        let same = merged[since_start..].iter_mut().find_map(|heard| match heard {
            Heard::Missed(other, missed, first, last) if *other == reason => Some((missed, first, last)),
            _ => None,
        });
        match same {
            Some(gap) => {
                *gap.0 += missed;
                *gap.1 = first.min(*gap.1);
                *gap.2 = last.max(*gap.2);
            }
            None => merged.push(heard),
        }
        merged[since_start..].sort_unstable();
    }
    merged
}
