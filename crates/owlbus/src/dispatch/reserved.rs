//! Places a publish takes in mailboxes before the event is anywhere.

use std::{collections::VecDeque, rc::Rc, sync::Arc};

use super::{Inside, Matched, Subscriber, SubscriberId, Wanted};
use crate::{
    event::{Event, Priority},
    handle::{Load, Offer, Overflow, Place},
};

/// Which subscriptions are asked before the event is anywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ahead {
    /// Those that refuse: they must have room, or the publish fails.
    Refusing,
    /// Those that refuse and those that block: the publisher cannot wait, so they must have room too.
    Queues,
    /// All of them: who would have to wait for room wants to know for whom.
    All,
}

/// What a subscription said that was asked before the event was anywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Said(Wanted),
    /// It is wanted, and has a place.
    Place,
    /// It is wanted, and takes no room: it comes in place of another one of its key, or is left out.
    Needless,
    /// It is wanted, and has to wait for room.
    NoRoom,
}

impl Asked {
    /// What a publisher has in the mailbox of a subscription that wants the event.
    pub(super) fn place(self) -> Place {
        match self {
            Asked::Place => Place::Reserved,
            Asked::Needless => Place::Needless,
            Asked::Said(_) | Asked::NoRoom => Place::None,
        }
    }
}

/// What was asked and taken for one event. Whatever of it is not used is given back when this is dropped.
pub(crate) struct Reserved {
    /// In the order of the routes.
    asked: VecDeque<(Arc<Subscriber>, Asked)>,
    load: Load,
    lane: Priority,
}

/// Takes a place in each mailbox that has to have one, or names one that has none.
pub(crate) fn reserve(
    matched: &Rc<Matched>,
    event: &Event,
    load: Load,
    ahead: Ahead,
) -> Result<Reserved, Arc<str>> {
    let mut reserved = Reserved { asked: VecDeque::new(), load, lane: event.priority() };
    let inside = Inside::enter(matched, event);
    for (number, subscriber) in matched.queued.iter().enumerate() {
        let overflow = subscriber.mailbox.overflow();
        let (blocks, refuses) = (matches!(overflow, Overflow::Block { .. }), overflow == Overflow::Reject);
        let asks = match ahead {
            Ahead::Refusing => refuses,
            Ahead::Queues => refuses || blocks,
            Ahead::All => true,
        };
        if !asks {
            continue;
        }
        inside.iter().for_each(|inside| inside.at(matched.inline.len() + number));
        let mut asked = Asked::Said(subscriber.wants(event));
        let lane = event.priority();
        if asked != Asked::Said(Wanted::Yes) || !(refuses || blocks) {
            // It is told now, and nothing is taken.
        } else if subscriber.mailbox.needs_no_place(event.key(), lane) {
            asked = Asked::Needless;
        } else {
            asked = match subscriber.mailbox.reserve(load, lane) {
                Offer::Queued => Asked::Place,
                Offer::Full if blocks && ahead == Ahead::All => Asked::NoRoom,
                Offer::Full => return Err(Arc::clone(&subscriber.name)),
                Offer::Displaced { .. } | Offer::Kept | Offer::Coalesced | Offer::Dropped | Offer::Closed => {
                    asked
                }
            };
        }
        reserved.asked.push_back((Arc::clone(subscriber), asked));
    }
    Ok(reserved)
}

impl Reserved {
    /// What a subscription said, where it was asked. What it gave is the caller's from here on.
    pub(super) fn take(&mut self, subscriber: &Subscriber) -> Option<Asked> {
        let id: SubscriberId = subscriber.id;
        // Unless the routes have changed since, it is the first.
        let at = self.asked.iter().position(|(asked, _)| asked.id == id)?;
        self.asked.remove(at).map(|(_, asked)| asked)
    }

    /// Those that have no room.
    pub(crate) fn without_room(&self) -> impl Iterator<Item = &Arc<Subscriber>> {
        self.asked.iter().filter(|(_, asked)| *asked == Asked::NoRoom).map(|(subscriber, _)| subscriber)
    }

    /// Those that will get the event.
    pub(crate) fn wanting(&self) -> impl Iterator<Item = &Arc<Subscriber>> {
        let wants = |asked: &Asked| !matches!(asked, Asked::Said(said) if *said != Wanted::Yes);
        self.asked.iter().filter(move |(_, asked)| wants(asked)).map(|(subscriber, _)| subscriber)
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        for (subscriber, _) in self.asked.drain(..).filter(|(_, asked)| *asked == Asked::Place) {
            subscriber.mailbox.release(self.load, self.lane);
        }
    }
}
