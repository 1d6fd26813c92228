//! From a publisher's call to a stamped event with a place in the journal, and on to dispatch.

mod error;
mod limits;
mod receipt;
mod turnstile;

use std::{
    future::poll_fn,
    sync::{Arc, atomic::Ordering::Relaxed},
    task::Poll,
    time::Duration,
};

use tokio::time::{Instant, timeout_at};

pub use error::PublishError;
pub(crate) use limits::Limits;
pub use receipt::Receipt;
pub(crate) use turnstile::{Passage, Turnstile};

use crate::{
    bus::Core,
    dispatch::{self, Dispatched, Reserved, Trouble, Wait, Waited},
    event::{Event, IntoEvent, Stamp},
    handle::{DropReason, Load, cause},
    own_events,
};

/// Publishes an event: accepts it, dispatches it, and waits for room where that is the policy.
pub(crate) async fn publish(core: &Core, event: impl IntoEvent) -> Result<Receipt, PublishError> {
    let stamp = Stamp { source: core.source.clone(), cause: cause() };
    match begin(core, event.into_stamped(&stamp))? {
        Begun::Ended(receipt) => Ok(receipt),
        Begun::Waiting(waiting) => waiting.wait().await,
    }
}

/// A publish that has everything behind it but the waiting, if there is any.
enum Begun<'a> {
    Ended(Receipt),
    Waiting(Box<Waiting<'a>>),
}

/// A publish that waits for room.
struct Waiting<'a> {
    core: &'a Core,
    receipt: Receipt,
    waits: Vec<Wait>,
    /// How long it pauses after that, for a subscription that falls behind.
    pause: Duration,
    /// Goes last: a shutdown waits for it.
    _passage: Passage<'a>,
}

/// Everything a publish does without waiting, once the event is stamped.
fn begin(core: &Core, event: Event) -> Result<Begun<'_>, PublishError> {
    let bytes = event.bytes_of_it();
    check(core, &event, bytes).inspect_err(|_| core.count_refused())?;

    let load = Load::of(event.weight(bytes));
    let reserved = reserve(core, &event, load).inspect_err(|_| core.count_refused())?;
    let Some(passage) = core.turnstile.pass() else {
        core.count_refused();
        return Err(PublishError::Closed { event });
    };
    event.set_seq(passage.seq);

    let matched = core.routes.lookup(&event);
    matched.published.fetch_add(1, Relaxed);
    let id = event.id();
    let Dispatched { matched, trouble } = dispatch::deliver(&matched, event, load, reserved);
    let receipt =
        Receipt { id, seq: passage.seq, matched: Some(matched), dropped: Some(Vec::new()), duplicate: false };
    match trouble {
        None => Ok(Begun::Ended(receipt)),
        Some(trouble) => Ok(told(core, receipt, *trouble, passage)),
    }
}

/// Tells of what did not go smoothly, and waits where there is room to wait for.
fn told<'a>(core: &'a Core, mut receipt: Receipt, trouble: Trouble, passage: Passage<'a>) -> Begun<'a> {
    let Trouble { dropped, risen, pause, waits } = trouble;
    for (subscriber, level) in &risen {
        own_events::backpressure(core, subscriber, *level);
    }
    for (subscriber, missed) in &dropped {
        own_events::gap(core, subscriber, DropReason::Overflow, *missed);
    }
    receipt.dropped = Some(dropped.into_iter().map(|(subscriber, _)| Arc::clone(&subscriber.name)).collect());
    match waits.is_empty() && pause.is_zero() {
        true => Begun::Ended(receipt),
        false => Begun::Waiting(Box::new(Waiting { core, receipt, waits, pause, _passage: passage })),
    }
}

/// Whether the event may be published as it is.
fn check(core: &Core, event: &Event, bytes: usize) -> Result<(), PublishError> {
    if core.turnstile.is_closed() {
        return Err(PublishError::Closed { event: event.clone() });
    }
    let rejected =
        |by, reason: &dyn std::fmt::Display| Err(PublishError::rejected(event.clone(), by, reason));
    if !event.has_topic() {
        return rejected("event", &crate::event::EventError::NoTopic(event.event_type().into()));
    }
    if event.topic().is_reserved() {
        return rejected("topics", &"topics that begin with `owlbus` are the bus's own; choose another");
    }
    if let Err(excess) = core.limits.check(event, bytes) {
        return rejected("limits", &excess);
    }
    if core.memory.is_full() {
        let (held, limit) = (core.memory.held(), core.memory.limit());
        return Err(PublishError::Overloaded { event: event.clone(), held, limit });
    }
    Ok(())
}

/// Takes a place in every mailbox that would else refuse the event.
fn reserve(core: &Core, event: &Event, load: Load) -> Result<Option<Reserved>, PublishError> {
    if !core.routes.any_rejecting() {
        return Ok(None);
    }
    dispatch::reserve(&core.routes.lookup(event), event, load)
        .map(Some)
        .map_err(|subscription| PublishError::Full { event: event.clone(), subscription })
}

impl Waiting<'_> {
    /// Waits until every mailbox has taken the event or the publisher lost patience with it.
    ///
    /// Dropped meanwhile, the waits that are left count as timed out.
    async fn wait(mut self) -> Result<Receipt, PublishError> {
        while let Some(deadline) = self.waits.iter().map(Wait::deadline).min() {
            let some_ended = poll_fn(|cx| {
                let before = self.waits.len();
                self.settle_waits(|wait| wait.poll(cx));
                if self.waits.len() < before { Poll::Ready(()) } else { Poll::Pending }
            });
            // Without a runtime there is no clock to wait by, and nobody who would make room.
            let in_time = tokio::runtime::Handle::try_current().is_ok()
                && timeout_at(deadline, some_ended).await.is_ok();
            if !in_time {
                let now = Instant::now().max(deadline);
                self.settle_waits(|wait| match wait.deadline() <= now {
                    true => Poll::Ready(wait.give_up()),
                    false => Poll::Pending,
                });
            }
        }
        if !self.pause.is_zero() && tokio::runtime::Handle::try_current().is_ok() {
            tokio::time::sleep(self.pause).await; // sleeps: a subscription asked for it.
        }
        Ok(self.receipt)
    }

    /// Removes the waits that ended, and notes how.
    fn settle_waits(&mut self, mut ended: impl FnMut(&mut Wait) -> Poll<Waited>) {
        let Self { core, receipt, waits, .. } = self;
        waits.retain_mut(|wait| {
            let Poll::Ready(waited) = ended(wait) else { return true };
            let matched = usize::from(waited != Waited::Gone);
            receipt.matched = receipt.matched.map(|count| count + matched);
            if let Waited::Dropped(reason) = waited {
                receipt.dropped.get_or_insert_default().push(Arc::clone(&wait.subscriber.name));
                if reason == DropReason::BlockTimeout {
                    own_events::gap(core, &wait.subscriber, reason, 1);
                }
            }
            false
        });
    }
}

/// Publishes one of the bus's own events to those who have room for it. Nothing it does is told in turn.
pub(crate) fn publish_own(core: &Core, event: Event) {
    let event = event.with_stamp(&Stamp { source: core.source.clone(), cause: None });
    let matched = core.routes.lookup(&event);
    if matched.subscribers.is_empty() {
        return;
    }
    let Some(passage) = core.turnstile.pass() else { return };
    event.set_seq(passage.seq);
    matched.published.fetch_add(1, Relaxed);
    let load = Load::of(event.weight(event.bytes_of_it()));
    let dispatched = dispatch::deliver(&matched, event, load, None);
    // The bus itself never waits: where there is no room, its event is dropped and counted.
    let waits = dispatched.trouble.map(|trouble| trouble.waits).unwrap_or_default();
    waits.into_iter().for_each(|mut wait| _ = wait.give_up());
}
