//! Who gets an event.
//!
//! The routes say which subscriptions want it. Where one of them would rather refuse than drop, a place is reserved
//! there before the event is anywhere; then every mailbox with room gets it, and for those that let a publisher wait
//! the publisher waits.

mod routes;
mod subscriber;
mod tree;
mod wait;

use std::sync::Arc;

pub(crate) use routes::{Matched, Routes};
pub(crate) use subscriber::{Closable, Filter, OnGap, Subscriber, SubscriberId, Transform, Wanted};
pub(crate) use wait::{Wait, Waited};

use crate::{
    event::Event,
    handle::{DropReason, Level, Load, Offer},
};

/// Places in mailboxes that refuse rather than drop, taken before the event is anywhere; given back when dropped.
#[derive(Default)]
pub(crate) struct Reserved {
    places: Vec<Arc<Subscriber>>,
    /// Every refusing subscription that was asked, in the order of their ids.
    asked: Vec<SubscriberId>,
    load: Load,
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
    /// The subscriptions it was dropped at, and why.
    pub(crate) dropped: Vec<(Arc<Subscriber>, DropReason)>,
    /// Mailboxes that fill.
    pub(crate) risen: Vec<(Arc<Subscriber>, Level)>,
    /// Where the publisher waits for room.
    pub(crate) waits: Vec<Wait>,
}

/// Takes a place in each mailbox that would else refuse the event, or names one that has none.
pub(crate) fn reserve(matched: &Matched, event: &Event, load: Load) -> Result<Reserved, Arc<str>> {
    let mut reserved = Reserved { places: Vec::new(), asked: Vec::new(), load };
    for subscriber in matched.subscribers.iter().filter(|subscriber| subscriber.rejects) {
        reserved.asked.push(subscriber.id);
        if subscriber.wants(event) != Wanted::Yes {
            continue;
        }
        match subscriber.mailbox.reserve(load) {
            Offer::Queued => reserved.places.push(Arc::clone(subscriber)),
            Offer::Full => {
                subscriber.unclaim();
                return Err(Arc::clone(&subscriber.name));
            }
            Offer::Dropped(_) | Offer::Closed => {}
        }
    }
    Ok(reserved)
}

/// Puts the event into every mailbox that has room for it.
pub(crate) fn deliver(matched: &Matched, event: &Event, load: Load, mut reserved: Reserved) -> Dispatched {
    let mut dispatched = Dispatched::default();
    for subscriber in std::mem::take(&mut reserved.places) {
        let offered = subscriber.mailbox.redeem(event, load);
        dispatched.note(&subscriber, event, load, offered);
    }
    for subscriber in &matched.subscribers {
        if subscriber.rejects && reserved.asked.contains(&subscriber.id) {
            continue;
        }
        match subscriber.wants(event) {
            Wanted::Yes => dispatched.note(subscriber, event, load, subscriber.mailbox.offer(event, load)),
            Wanted::Skipped => dispatched.matched += 1,
            Wanted::No => {}
        }
    }
    dispatched
}

impl Dispatched {
    fn note(&mut self, subscriber: &Arc<Subscriber>, event: &Event, load: Load, offered: (Offer, Option<Level>)) {
        let (offer, risen) = offered;
        if let Some(level) = risen {
            self.trouble().risen.push((Arc::clone(subscriber), level));
        }
        match offer {
            Offer::Queued => self.matched += 1,
            Offer::Dropped(reason) => {
                self.matched += 1;
                self.trouble().dropped.push((Arc::clone(subscriber), reason));
            }
            Offer::Full => self.trouble().waits.push(Wait::new(Arc::clone(subscriber), event, load)),
            Offer::Closed => {}
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
