//! What the bus itself has to say, under `owlbus.**`.
//!
//! Its events go to those who asked for them and have room. They never wait, and telling them is never told, so
//! they cannot feed back on themselves. Nothing is made where nobody listens.

use serde::Serialize;
use serde_json::json;

use crate::{
    accept::publish_own,
    bus::Core,
    dispatch::Subscriber,
    event::Event,
    handle::{DropReason, Level},
    middleware::Turn,
    settle::DeadLetterId,
    topic::Topic,
};

static STARTED: Topic = Topic::from_static("owlbus.started");
static STOPPED: Topic = Topic::from_static("owlbus.stopped");
static BACKPRESSURE: Topic = Topic::from_static("owlbus.backpressure");
static DEAD_LETTER: Topic = Topic::from_static("owlbus.dead_letter");
static CIRCUIT_OPENED: Topic = Topic::from_static("owlbus.circuit.opened");
static CIRCUIT_HALF_OPEN: Topic = Topic::from_static("owlbus.circuit.half_open");
static CIRCUIT_CLOSED: Topic = Topic::from_static("owlbus.circuit.closed");
static GAP: Topic = Topic::from_static("owlbus.gap");

/// `owlbus.started`: told once, to the first who can hear it.
pub(crate) fn started(core: &Core) {
    tell(core, &STARTED, || json!({ "source": core.source.as_str() }));
}

/// `owlbus.stopped`: the bus shuts down and accepts nothing more.
pub(crate) fn stopped(core: &Core) {
    tell(core, &STOPPED, || json!({ "source": core.source.as_str() }));
}

/// `owlbus.backpressure`: a mailbox has risen to 80 % (`high`) or is full (`full`).
pub(crate) fn backpressure(core: &Core, subscriber: &Subscriber, level: Level) {
    tell(core, &BACKPRESSURE, || json!({ "subscription": &*subscriber.name, "level": level.as_str() }));
}

/// `owlbus.gap`: a subscription missed events.
pub(crate) fn gap(core: &Core, subscriber: &Subscriber, reason: DropReason, missed: u64) {
    tell(
        core,
        &GAP,
        || json!({ "subscription": &*subscriber.name, "reason": reason.as_str(), "missed": missed }),
    );
}

/// `owlbus.dead_letter`: an event failed for good.
pub(crate) fn dead_letter(
    core: &Core,
    subscriber: &Subscriber,
    event: &Event,
    id: DeadLetterId,
    attempts: usize,
    reason: &str,
) {
    // What happens to the bus's own events is never told in turn.
    if event.topic().is_reserved() {
        return;
    }
    tell(core, &DEAD_LETTER, || {
        json!({
            "subscription": &*subscriber.name,
            "id": id.to_string(),
            "event_id": event.id().to_string(),
            "topic": event.topic().as_str(),
            "attempts": attempts,
            "error": reason,
        })
    });
}

/// `owlbus.circuit.*`: the circuit of a subscription has opened, is tried, or is closed again.
pub(crate) fn circuit(core: &Core, subscriber: &Subscriber, turn: Turn) {
    let subscription = &*subscriber.name;
    match turn {
        Turn::Opened { failed, of, for_so_long } => tell(core, &CIRCUIT_OPENED, || {
            let millis = u64::try_from(for_so_long.as_millis()).unwrap_or(u64::MAX);
            json!({ "subscription": subscription, "failed": failed, "of": of, "open_for_ms": millis })
        }),
        Turn::HalfOpen => tell(core, &CIRCUIT_HALF_OPEN, || json!({ "subscription": subscription })),
        Turn::Closed => tell(core, &CIRCUIT_CLOSED, || json!({ "subscription": subscription })),
    }
}

fn tell<D: Serialize>(core: &Core, topic: &'static Topic, data: impl FnOnce() -> D) {
    if (core.routes.anybody_hears() || core.awaited.anybody_hears())
        && let Ok(event) = Event::json(topic, data())
    {
        publish_own(core, event);
    }
}
