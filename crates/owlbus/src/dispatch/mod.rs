//! Who gets an event.
//!
//! The routes say which subscriptions want it. Places that a publish must be sure of are taken before the event is
//! anywhere; then the inline handlers run, every mailbox with room gets it, and for those that let a publisher wait the
//! publisher waits.

mod inside;
mod reserved;
mod routes;
pub mod rules;
mod subscriber;
mod tree;
mod wait;

use std::{rc::Rc, sync::Arc, time::Duration};

use smol_str::SmolStr;

pub(crate) use inside::{Inside, cause_inside, too_deep};
pub(crate) use reserved::{Ahead, Reserved, reserve};
pub(crate) use routes::{Matched, Routes};
pub(crate) use subscriber::{
    Classify, Closable, Code, Filter, OnGap, Subscriber, SubscriberId, Transform, Wanted, transformed,
};
#[cfg(feature = "schema")]
pub(crate) use tree::TopicTree;
pub(crate) use wait::{Wait, Waited};

use crate::{
    bus::Core,
    event::{Event, Priority},
    handle::{DropReason, Level, Load, Offer, Queued},
    settle::{Settlement, Tracker},
};
use reserved::Asked;

/// What became of an event in the mailboxes.
#[derive(Default)]
pub(crate) struct Dispatched {
    /// Subscriptions that matched.
    pub(crate) matched: usize,
    /// How far the event has come, where somebody wants to know.
    pub(crate) tracker: Option<Arc<Tracker>>,
    /// What did not go smoothly; most events go without.
    pub(crate) trouble: Option<Box<Trouble>>,
}

/// What did not go smoothly for one event.
#[derive(Default)]
pub(crate) struct Trouble {
    /// The subscriptions that dropped events for want of room, and how many.
    pub(crate) dropped: Vec<(Arc<Subscriber>, u64)>,
    /// Mailboxes that fill.
    pub(crate) risen: Vec<(Arc<Subscriber>, Level)>,
    /// How long the publisher pauses, for a subscription that falls behind.
    pub(crate) pause: Duration,
    /// Where the publisher waits for room.
    pub(crate) waits: Vec<Wait>,
    /// Inline subscriptions that were for one event, and had it.
    pub(crate) ended: Vec<Arc<Subscriber>>,
}

/// Runs the inline handlers, and puts the event into every mailbox that has room for it.
pub(crate) fn deliver(
    core: &Core,
    matched: &Rc<Matched>,
    event: Event,
    load: Load,
    mut reserved: Option<Reserved>,
    tracked: bool,
) -> Dispatched {
    let (seq, lane) = (event.seq(), event.priority());
    let mut dispatched = Dispatched::default();
    if tracked || matched.banded || lane == Priority::Immediate {
        dispatched.tracker = Some(Tracker::new(matched.all()));
    }
    let inside = Inside::enter(matched, &event);
    dispatched.run_inline(core, matched, &event, inside.as_ref());
    // The last mailbox gets the publisher's own hold of the event: to let go of it afterwards would contend with the
    // worker that has it by then.
    let mut held = Some(event);
    let last = matched.queued.len().saturating_sub(1);
    for (number, subscriber) in matched.queued.iter().enumerate() {
        let Some(event) = &held else { break };
        let place = matched.inline.len() + number;
        inside.iter().for_each(|inside| inside.at(place));
        let asked = match reserved.as_mut().and_then(|reserved| reserved.take(subscriber)) {
            Some(asked) => asked,
            None => Asked::Said(subscriber.wants(event)),
        };
        let asked = match asked {
            Asked::Said(Wanted::Yes) | Asked::Place | Asked::Needless | Asked::NoRoom
                if !subscriber.claim() =>
            {
                if asked == Asked::Place {
                    subscriber.mailbox.release(load, lane);
                }
                Asked::Said(Wanted::No)
            }
            asked => asked,
        };
        let key = subscriber.mailbox.is_paced().then(|| SmolStr::from(event.key()));
        let tracker = &dispatched.tracker;
        let give = || {
            let event = if number == last { held.take() } else { held.clone() };
            let watched = tracker.as_ref().map(|tracker| tracker.watch(place));
            let event = event.expect("nobody but the last takes it");
            Queued::watched_by(event, load, watched)
        };
        let offered = match (asked, key) {
            (Asked::Said(said @ (Wanted::No | Wanted::Filtered | Wanted::Skipped)), _) => {
                dispatched.does_not_get_it(subscriber, place, said);
                continue;
            }
            (asked, Some(key)) => subscriber.mailbox.pace(key, seq, load, lane, asked.place(), give),
            (Asked::Said(Wanted::Yes) | Asked::Needless, None) => {
                subscriber.mailbox.offer(seq, load, lane, give)
            }
            (Asked::Place, None) => subscriber.mailbox.redeem(load, lane, give),
            (Asked::NoRoom, None) => (Offer::Full, None),
        };
        dispatched.note(subscriber, place, held.as_ref(), load, offered);
    }
    dispatched
}

impl Dispatched {
    /// Runs the handlers that run in the publisher.
    fn run_inline(&mut self, core: &Core, matched: &Matched, event: &Event, inside: Option<&Inside>) {
        for (place, subscriber) in matched.inline.iter().enumerate() {
            inside.iter().for_each(|inside| inside.at(place));
            match subscriber.wants(event) {
                Wanted::Yes if subscriber.claim() => {}
                said => {
                    self.does_not_get_it(subscriber, place, said);
                    continue;
                }
            }
            match subscriber.inline.as_ref().and_then(|inline| inline.handle(core, subscriber, event)) {
                Some(settlement) => {
                    self.matched += 1;
                    let was_called = settlement != Settlement::Expired;
                    self.over(place, settlement);
                    if !was_called {
                        subscriber.unclaim();
                    } else if subscriber.claimed.is_some() {
                        self.trouble().ended.push(Arc::clone(subscriber));
                    }
                }
                None => self.never(place),
            }
        }
    }

    /// Counts an event that a subscription did not want, or whose filter panicked.
    fn does_not_get_it(&mut self, subscriber: &Subscriber, place: usize, said: Wanted) {
        subscriber.count(said);
        match said {
            Wanted::Skipped => {
                self.matched += 1;
                self.over(place, Settlement::Skipped);
            }
            Wanted::Yes | Wanted::No | Wanted::Filtered => self.never(place),
        }
    }

    /// Notes what became of an event, which is still here where it found no room.
    fn note(
        &mut self,
        subscriber: &Arc<Subscriber>,
        place: usize,
        event: Option<&Event>,
        load: Load,
        (offer, risen): (Offer, Option<Level>),
    ) {
        if let Some(level) = risen {
            self.trouble().risen.push((Arc::clone(subscriber), level));
        }
        match offer {
            Offer::Queued => self.is_in(subscriber),
            Offer::Kept => {
                self.is_in(subscriber);
                if let Some(tracker) = &self.tracker {
                    tracker.kept(place);
                }
            }
            Offer::Coalesced => {
                self.matched += 1;
                self.over(place, Settlement::Coalesced);
            }
            Offer::Displaced { missed } => {
                self.is_in(subscriber);
                self.trouble().dropped.push((Arc::clone(subscriber), missed));
            }
            Offer::Dropped => {
                self.matched += 1;
                self.over(place, Settlement::Dropped { reason: DropReason::Overflow });
                self.trouble().dropped.push((Arc::clone(subscriber), 1));
            }
            Offer::Full => {
                let Some(event) = event.cloned() else { return };
                let watched = self.tracker.as_ref().map(|tracker| tracker.watch(place));
                let wait = Wait::new(Arc::clone(subscriber), Queued::watched_by(event, load, watched));
                self.trouble().waits.push(wait);
            }
            Offer::Closed => self.never(place),
        }
    }

    fn is_in(&mut self, subscriber: &Subscriber) {
        self.matched += 1;
        let pause = subscriber.brake();
        if pause > Duration::ZERO {
            let trouble = self.trouble();
            trouble.pause = trouble.pause.max(pause);
        }
    }

    fn over(&self, place: usize, settlement: Settlement) {
        if let Some(tracker) = &self.tracker {
            tracker.over(place, settlement);
        }
    }

    fn never(&self, place: usize) {
        if let Some(tracker) = &self.tracker {
            tracker.never(place);
        }
    }

    fn trouble(&mut self) -> &mut Trouble {
        self.trouble.get_or_insert_default()
    }
}
