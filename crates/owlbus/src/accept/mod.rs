//! From a publisher's call to a stamped event with a place in the journal, and on to dispatch.

mod agenda;
mod builder;
mod error;
mod limits;
mod receipt;
mod reserve;
mod ruled;
mod turnstile;
mod waiting;

use std::sync::{Arc, OnceLock, Weak, atomic::Ordering::Relaxed};

use smol_str::SmolStr;
use tokio::time::Instant;

pub(crate) use agenda::Agenda;
pub use error::PublishError;
pub(crate) use limits::Limits;
pub use receipt::{Receipt, Tracked};
use reserve::reserve;
pub(crate) use turnstile::{Passage, Turnstile};
use waiting::{Attempts, Waiting};

use crate::{
    bus::{Bus, Core},
    dispatch::{self, Dispatched, Reserved, Trouble, cause_inside, too_deep},
    event::{Event, IntoEvent, Priority, Stamp},
    handle::{DropReason, Load, Origin},
    middleware::{Act, Boxed, Chain, Denied, Scope, Way, publish_here, publish_now, tell_settled, walk},
    own_events,
    request::{Slot, is_reply_topic},
    settle::Tracker,
    topic::Pattern,
};

/// Publishes an event: accepts it, dispatches it, and waits for room where that is the policy.
pub(crate) async fn publish(bus: &Bus, event: impl IntoEvent) -> Result<Receipt, PublishError> {
    let Stamped { event, origin, chain } = stamped(bus, event);
    if let Some(chain) = chain {
        return around(bus, chain, event, origin).await;
    }
    match begin(bus.core(), event, Manner::Waiting, None, origin.as_deref(), None)? {
        Begun::Ended(receipt) => Ok(receipt),
        Begun::Waiting(waiting) => Ok(waiting.wait(origin).await),
    }
}

/// Publishes an event through what stands around that. Apart, so that other publishes do not carry its state about.
#[cold]
fn around(
    bus: &Bus,
    chain: Arc<Chain>,
    event: Event,
    origin: Option<Box<Origin>>,
) -> Boxed<Result<Receipt, PublishError>> {
    walk(End::of(bus, Manner::Waiting, origin).after(chain), 0, event)
}

/// Publishes an event without waiting.
pub(crate) fn try_publish(bus: &Bus, event: impl IntoEvent) -> Result<Receipt, PublishError> {
    let Stamped { event, origin, chain } = stamped(bus, event);
    if let Some(chain) = chain {
        return publish_now(End::of(bus, Manner::AtOnce, origin).after(chain), event);
    }
    match begin(bus.core(), event, Manner::AtOnce, None, None, None)? {
        Begun::Ended(receipt) => Ok(receipt),
        Begun::Waiting(waiting) => Ok(waiting.at_once()),
    }
}

/// Publishes what an inline handler replies, without waiting.
pub(crate) fn answer_now(core: &Core, reply: Event) -> Result<Receipt, PublishError> {
    let chain = core.chains.now();
    let event = reply.with_stamp(&Stamp { source: core.source.clone(), cause: None, chain: chain.clone() });
    match begin(core, event, Manner::AtOnce, None, None, None)? {
        Begun::Ended(receipt) => Ok(receipt),
        Begun::Waiting(waiting) => Ok(waiting.at_once()),
    }
}

/// Publishes an event, and holds up the thread instead of a task.
pub(crate) fn publish_blocking(bus: &Bus, event: impl IntoEvent) -> Result<Receipt, PublishError> {
    let Stamped { event, origin, chain } = stamped(bus, event);
    if let Some(chain) = chain {
        return publish_here(End::of(bus, Manner::Here, origin).after(chain), event);
    }
    match begin(bus.core(), event, Manner::Here, None, origin.as_deref(), None)? {
        Begun::Ended(receipt) => Ok(receipt),
        Begun::Waiting(waiting) => Ok(waiting.wait_here(origin)),
    }
}

/// Publishes an event whose outcomes can be waited for.
pub(crate) async fn publish_tracked(bus: &Bus, event: Event) -> Result<Tracked, PublishError> {
    track(bus, event, None).await
}

/// Publishes an event that is to be answered; fails before anybody got it where a handler would wait for itself.
pub(crate) async fn publish_request(
    bus: &Bus,
    event: Event,
    answer: Arc<Slot>,
) -> Result<Tracked, PublishError> {
    track(bus, event, Some(answer)).await
}

async fn track(bus: &Bus, event: Event, answer: Option<Arc<Slot>>) -> Result<Tracked, PublishError> {
    let Stamped { event, origin, chain } = stamped(bus, event);
    let key = event.key().into();
    let track = Arc::new(Track { answer, tracker: OnceLock::new() });
    let end = End { track: Some(Arc::clone(&track)), ..End::of(bus, Manner::Waiting, origin) };
    let receipt = match chain {
        Some(chain) => walk(end.after(chain), 0, event).await?,
        None => end.publish(event, None).await?,
    };
    let tracker = track.tracker.get().cloned().unwrap_or_else(|| Tracker::new(std::iter::empty()));
    Ok(Tracked::new(receipt, tracker, bus, key))
}

/// Publishes an event when that time has come. What stands around accept sees it now.
pub(crate) fn publish_at(bus: &Bus, event: Event, due: Instant) -> Result<Receipt, PublishError> {
    let Stamped { event, origin, chain } = stamped(bus, event);
    match chain {
        Some(chain) => {
            publish_now(End { due: Some(due), ..End::of(bus, Manner::AtOnce, origin) }.after(chain), event)
        }
        None => Agenda::add(bus.core(), event, due),
    }
}

/// Publishes an event whose time has come.
async fn publish_due(core: &Core, event: Event) -> Result<Receipt, PublishError> {
    let event = event.accepted_now();
    match begin(core, event, Manner::Waiting, None, None, None)? {
        Begun::Ended(receipt) => Ok(receipt),
        Begun::Waiting(waiting) => Ok(waiting.wait(None).await),
    }
}

/// Publishes the event of a tick, which nothing has caused, for whoever has scheduled it.
pub(crate) async fn publish_tick(
    core: &Arc<Core>,
    scope: Option<Scope>,
    event: Event,
) -> Result<Receipt, PublishError> {
    let chain = core.chains.now();
    let event = event.with_stamp(&Stamp { source: core.source.clone(), cause: None, chain: chain.clone() });
    let chain = goes_through(chain, scope.as_ref());
    let (core, manner) = (Arc::clone(core), Manner::Waiting);
    let end = End { core, manner, track: None, origin: None, due: None, scope, chain: None };
    match chain {
        Some(chain) => walk(end.after(chain), 0, event).await,
        None => end.publish(event, None).await,
    }
}

/// Whether somebody may publish an event of that topic, as things are now.
pub(crate) fn may_publish(core: &Core, scope: Option<&Scope>, event: &Event) -> Result<(), PublishError> {
    let denied = |Denied { by, reason }| PublishError::rejected(event.clone(), &by, reason);
    core.chains.permits(scope, Act::Publish, &Pattern::from(event.topic().clone())).map_err(denied)
}

/// An event with everything the bus fills in.
struct Stamped {
    event: Event,
    /// The delivery whose handler publishes it.
    origin: Option<Box<Origin>>,
    /// What it goes through before it is accepted.
    chain: Option<Arc<Chain>>,
}

fn stamped(bus: &Bus, event: impl IntoEvent) -> Stamped {
    let origin = bus.origin();
    let cause = cause_inside().or_else(|| origin.as_ref()?.cause().cloned());
    let chain = bus.core().chains.now();
    let event = event.into_stamped(&Stamp { source: bus.core().source.clone(), cause, chain: chain.clone() });
    Stamped { event, origin: origin.filter(|origin| origin.runs()), chain: goes_through(chain, bus.scope()) }
}

/// What an event goes through that somebody publishes.
fn goes_through(chain: Option<Arc<Chain>>, scope: Option<&Scope>) -> Option<Arc<Chain>> {
    chain.filter(|chain| chain.is_around_accept() || (scope.is_some() && chain.says_who_may()))
}

/// How a publisher waits.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Manner {
    /// It awaits what there is to wait for.
    Waiting,
    /// It holds up its thread for that.
    Here,
    /// It waits for nothing.
    AtOnce,
}

/// What is to be told of an event's outcomes.
struct Track {
    /// The answer that is waited for, if one is.
    answer: Option<Arc<Slot>>,
    /// Set when the event is where it goes.
    tracker: OnceLock<Arc<Tracker>>,
}

/// Where events are accepted, behind whatever stands around that.
#[derive(Clone)]
struct End {
    core: Arc<Core>,
    manner: Manner,
    track: Option<Arc<Track>>,
    origin: Option<Box<Origin>>,
    due: Option<Instant>,
    /// Who publishes it, and what says whether he may.
    scope: Option<Scope>,
    chain: Option<Arc<Chain>>,
}

impl End {
    fn of(bus: &Bus, manner: Manner, origin: Option<Box<Origin>>) -> Self {
        let (core, scope) = (Arc::clone(bus.core()), bus.scope().cloned());
        Self { core, manner, track: None, origin, due: None, scope, chain: None }
    }

    /// The way there, through a chain.
    fn after(self, chain: Arc<Chain>) -> Arc<Way> {
        let end = Self { chain: Some(Arc::clone(&chain)), ..self };
        Way::new(chain, move |event, way| {
            let (end, way) = (end.clone(), Arc::clone(way));
            // A middleware may have put another event in its place.
            let event = if event.is_stamped() { event } else { end.stamp(event) };
            Box::pin(async move { end.publish(event, Some(&way)).await })
        })
    }

    fn stamp(&self, event: Event) -> Event {
        let cause = self.origin.as_ref().and_then(|origin| origin.cause().cloned());
        event.with_stamp(&Stamp { source: self.core.source.clone(), cause, chain: self.chain.clone() })
    }

    /// Whether whoever publishes it may. Asked last, when the topic is what it will be.
    fn permits(&self, event: &Event) -> Result<(), PublishError> {
        let (Some(scope), Some(chain)) = (&self.scope, &self.chain) else { return Ok(()) };
        let topic = Pattern::from(event.topic().clone());
        chain.permits(scope, Act::Publish, &topic).map_err(|Denied { by, reason }| {
            self.core.count_refused();
            PublishError::rejected(event.clone(), &by, reason)
        })
    }

    async fn publish(self, event: Event, way: Option<&Way>) -> Result<Receipt, PublishError> {
        self.permits(&event)?;
        if let Some(due) = self.due {
            let receipt = Agenda::add(&self.core, event, due)?;
            way.inspect(|way| way.entered(receipt.seq));
            return Ok(receipt);
        }
        match begin(&self.core, event, self.manner, self.track.as_deref(), self.origin.as_deref(), way)? {
            Begun::Ended(receipt) => {
                way.inspect(|way| way.accepted(&receipt));
                Ok(receipt)
            }
            Begun::Waiting(waiting) => {
                way.inspect(|way| way.accepted(&waiting.receipt));
                Ok(match self.manner {
                    Manner::Waiting => waiting.wait(self.origin).await,
                    Manner::Here => waiting.wait_here(self.origin),
                    Manner::AtOnce => waiting.at_once(),
                })
            }
        }
    }
}

/// A publish that has everything behind it but the waiting, if there is any.
enum Begun<'a> {
    Ended(Receipt),
    Waiting(Box<Waiting<'a>>),
}

/// Everything a publish does without waiting, once the event is stamped.
fn begin<'a>(
    core: &'a Core,
    event: Event,
    manner: Manner,
    track: Option<&Track>,
    origin: Option<&Origin>,
    way: Option<&Way>,
) -> Result<Begun<'a>, PublishError> {
    let begun = match core.rules.now().filter(|_| !is_reply_topic(event.topic())) {
        Some(rules) => ruled::begin(core, &rules, event, manner, track, origin, way),
        None => straight(core, event, manner, track, origin, way),
    };
    begun.inspect_err(|_| core.count_refused())
}

/// Publishes an event as it is.
fn straight<'a>(
    core: &'a Core,
    event: Event,
    manner: Manner,
    track: Option<&Track>,
    origin: Option<&Origin>,
    way: Option<&Way>,
) -> Result<Begun<'a>, PublishError> {
    let ready = ready(core, event, manner, track, origin)?;
    match core.turnstile.pass() {
        Some(passage) => Ok(enter(core, ready, passage, track, origin, Whose::Publisher(way))),
        None => Err(PublishError::Closed { event: ready.event }),
    }
}

/// An event that nothing stands in the way of, with the places it is sure of.
struct Ready {
    event: Event,
    load: Load,
    reserved: Option<Reserved>,
}

/// Whose event it is.
#[derive(Clone, Copy)]
enum Whose<'a> {
    /// The one the publisher gave, who learns what becomes of it, and the way it came.
    Publisher(Option<&'a Way>),
    /// A copy that a rule made of that.
    Rule,
}

/// Checks an event, and takes the places its publish must be sure of.
fn ready(
    core: &Core,
    event: Event,
    manner: Manner,
    track: Option<&Track>,
    origin: Option<&Origin>,
) -> Result<Ready, PublishError> {
    let bytes = event.bytes_of_it();
    check(core, &event, bytes)?;
    let load = Load::of(event.weight(bytes));
    let reserved = reserve(core, &event, load, manner, track, origin)?;
    Ok(Ready { event, load, reserved })
}

/// Gives an event its place in the journal, and brings it to who wants it.
fn enter<'a>(
    core: &'a Core,
    ready: Ready,
    passage: Passage<'a>,
    track: Option<&Track>,
    origin: Option<&Origin>,
    whose: Whose<'_>,
) -> Begun<'a> {
    let Ready { event, load, reserved } = ready;
    event.set_seq(passage.seq);
    if let Whose::Publisher(Some(way)) = whose {
        way.entered(passage.seq);
    }
    core.history.keep(&event, load.bytes());

    let matched = core.routes.lookup(&event);
    matched.published.fetch_add(1, Relaxed);
    if core.awaited.any() || matched.is_reply {
        core.awaited.offer(&event, &matched);
    }
    let id = event.id();
    // Nobody knows of a copy, to wait for it.
    let immediate = matches!(whose, Whose::Publisher(_)) && event.priority() == Priority::Immediate;
    let key = if immediate && origin.is_some() { event.key().into() } else { SmolStr::default() };
    let ended = event
        .chain()
        .filter(|chain| chain.asks_for_outcomes())
        .map(|chain| (Arc::clone(chain), event.clone()));
    let tracked = track.is_some() || ended.is_some();
    let dispatched = dispatch::deliver(core, &matched, event, load, reserved, tracked);
    if let (Some(track), Some(tracker)) = (track, &dispatched.tracker) {
        _ = track.tracker.set(Arc::clone(tracker));
    }
    if let (Some((chain, event)), Some(tracker)) = (ended, &dispatched.tracker) {
        let core = Weak::clone(&core.me);
        tracker.then(move |outcomes| tell_settled(&core, chain, event, outcomes));
    }
    let receipt = Receipt {
        id,
        seq: passage.seq,
        matched: Some(dispatched.matched),
        dropped: Some(Vec::new()),
        unfinished: Vec::new(),
        due: None,
        duplicate: false,
        discarded_by: None,
    };
    if dispatched.trouble.is_none() && !immediate {
        return Begun::Ended(receipt);
    }
    told(Box::new(Waiting::new(core, receipt, key, passage)), dispatched, immediate)
}

/// Tells of what did not go smoothly, and waits where there is something to wait for.
fn told(mut waiting: Box<Waiting<'_>>, dispatched: Dispatched, immediate: bool) -> Begun<'_> {
    let core = waiting.core;
    let Trouble { dropped, risen, pause, waits, ended } = *dispatched.trouble.unwrap_or_default();
    for subscriber in &ended {
        core.routes.remove(subscriber);
        subscriber.end(DropReason::Unsubscribed);
    }
    for (subscriber, level) in &risen {
        own_events::backpressure(core, subscriber, *level);
    }
    for (subscriber, missed) in &dropped {
        own_events::gap(core, subscriber, DropReason::Overflow, *missed);
    }
    waiting.receipt.dropped =
        Some(dropped.into_iter().map(|(subscriber, _)| Arc::clone(&subscriber.name)).collect());
    waiting.rooms = waits;
    waiting.pause = pause;
    waiting.attempts = dispatched.tracker.as_ref().filter(|_| immediate).map(Attempts::of);
    match waiting.is_over() && pause.is_zero() {
        true => Begun::Ended(waiting.receipt),
        false => Begun::Waiting(waiting),
    }
}

/// Whether the event may be published as it is.
pub(crate) fn check(core: &Core, event: &Event, bytes: usize) -> Result<(), PublishError> {
    if let Some(path) = too_deep() {
        return Err(PublishError::Cycle { event: event.clone(), path });
    }
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

/// Publishes one of the bus's own events to those who have room for it. Nothing it does is told in turn.
pub(crate) fn publish_own(core: &Core, event: Event) {
    let event = event.with_stamp(&Stamp { source: core.source.clone(), cause: None, chain: None });
    let matched = core.routes.lookup(&event);
    if matched.is_empty() && !core.awaited.wants(&event) {
        return;
    }
    let Some(passage) = core.turnstile.pass() else { return };
    event.set_seq(passage.seq);
    matched.published.fetch_add(1, Relaxed);
    if core.awaited.any() {
        core.awaited.offer(&event, &matched);
    }
    let load = Load::of(event.weight(event.bytes_of_it()));
    let trouble = dispatch::deliver(core, &matched, event, load, None, false).trouble.unwrap_or_default();
    for subscriber in &trouble.ended {
        core.routes.remove(subscriber);
        subscriber.end(DropReason::Unsubscribed);
    }
    // The bus itself never waits: where there is no room, its event is dropped and counted.
    trouble.waits.into_iter().for_each(|mut wait| _ = wait.give_up());
}
