//! Who gets an event.
//!
//! The routes say which subscriptions want it. Where one of them would rather refuse than drop, a place is reserved
//! there before the event is anywhere; then every mailbox with room gets it, and for those that let a publisher wait
//! the publisher waits.

mod routes;
mod subscriber;
mod tree;
mod wait;

use std::{sync::Arc, time::Duration};

pub(crate) use routes::{Matched, Routes};
pub(crate) use subscriber::{Closable, Filter, OnGap, Subscriber, SubscriberId, Transform, Wanted};
pub(crate) use wait::{Wait, Waited};

use crate::{
    event::Event,
    handle::{Level, Load, Offer},
};

/// Places in mailboxes that refuse rather than drop, taken before the event is anywhere; given back when dropped.
pub(crate) struct Reserved {
    places: Vec<Arc<Subscriber>>,
    /// Every refusing subscription that was asked, in the order of their ids.
    asked: Vec<SubscriberId>,
    load: Load,
    /// Subscriptions that matched and whose filter panicked.
    skipped: usize,
}

/// What became of an event in the mailboxes.
#[derive(Default)]
pub(crate) struct Dispatched {
    /// Subscriptions that matched.
    pub(crate) matched: usize,
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
}

/// Takes a place in each mailbox that would else refuse the event, or names one that has none.
pub(crate) fn reserve(matched: &Matched, event: &Event, load: Load) -> Result<Reserved, Arc<str>> {
    let mut reserved = Reserved { places: Vec::new(), asked: Vec::new(), load, skipped: 0 };
    for subscriber in matched.subscribers.iter().filter(|subscriber| subscriber.rejects) {
        reserved.asked.push(subscriber.id);
        match subscriber.wants(event) {
            Wanted::Yes => {}
            Wanted::Skipped => {
                reserved.skipped += 1;
                continue;
            }
            Wanted::No => continue,
        }
        match subscriber.mailbox.reserve(load) {
            Offer::Queued => reserved.places.push(Arc::clone(subscriber)),
            Offer::Full => {
                subscriber.unclaim();
                return Err(Arc::clone(&subscriber.name));
            }
            Offer::Dropped { .. } | Offer::Closed => {}
        }
    }
    Ok(reserved)
}

/// Puts the event into every mailbox that has room for it.
pub(crate) fn deliver(matched: &Matched, event: Event, load: Load, reserved: Option<Reserved>) -> Dispatched {
    let mut dispatched = Dispatched::default();
    let seq = event.seq();
    let asked = reserved.map(|reserved| dispatched.redeem(reserved, &event)).unwrap_or_default();
    // The last mailbox gets the publisher's own hold of the event: to let go of it afterwards would contend with the
    // worker that has it by then.
    let mut held = Some(event);
    let last = matched.subscribers.len().saturating_sub(1);
    for (place, subscriber) in matched.subscribers.iter().enumerate() {
        if subscriber.rejects && asked.contains(&subscriber.id) {
            continue;
        }
        let Some(event) = &held else { break };
        match subscriber.wants(event) {
            Wanted::Yes => {}
            Wanted::Skipped => {
                dispatched.matched += 1;
                continue;
            }
            Wanted::No => continue,
        }
        let offered = if place == last {
            subscriber.mailbox.offer(seq, load, || held.take().expect("nobody but the last takes it"))
        } else {
            subscriber.mailbox.offer(seq, load, || event.clone())
        };
        dispatched.note(subscriber, held.as_ref(), load, offered);
    }
    dispatched
}

impl Dispatched {
    /// Puts the event into its reserved places. Gives the subscriptions that were asked.
    fn redeem(&mut self, mut reserved: Reserved, event: &Event) -> Vec<SubscriberId> {
        self.matched += reserved.skipped;
        for subscriber in std::mem::take(&mut reserved.places) {
            let offered = subscriber.mailbox.redeem(event, reserved.load);
            self.note(&subscriber, Some(event), reserved.load, offered);
        }
        std::mem::take(&mut reserved.asked)
    }

    /// Notes what became of an event, which is still here where it found no room.
    fn note(
        &mut self,
        subscriber: &Arc<Subscriber>,
        event: Option<&Event>,
        load: Load,
        (offer, risen): (Offer, Option<Level>),
    ) {
        if let Some(level) = risen {
            self.trouble().risen.push((Arc::clone(subscriber), level));
        }
        match (offer, event) {
            (Offer::Queued, _) => {
                self.matched += 1;
                let pause = subscriber.brake();
                if pause > Duration::ZERO {
                    let trouble = self.trouble();
                    trouble.pause = trouble.pause.max(pause);
                }
            }
            (Offer::Dropped { missed }, _) => {
                self.matched += 1;
                self.trouble().dropped.push((Arc::clone(subscriber), missed));
            }
            (Offer::Full, Some(event)) => {
                self.trouble().waits.push(Wait::new(Arc::clone(subscriber), event, load));
            }
            (Offer::Full, None) | (Offer::Closed, _) => {}
        }
    }

    fn trouble(&mut self) -> &mut Trouble {
        self.trouble.get_or_insert_default()
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        for subscriber in self.places.drain(..) {
            subscriber.mailbox.release(self.load);
            subscriber.unclaim();
        }
    }
}
