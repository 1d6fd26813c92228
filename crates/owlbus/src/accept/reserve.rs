//! The places a publish takes ahead, and the loops that are refused while nobody got the event.

use std::sync::Arc;

use super::{Manner, PublishError, Track};
use crate::{
    bus::Core,
    dispatch::{self, Ahead, Reserved},
    event::{Event, Priority},
    handle::{Load, Origin},
    request::Slot,
    waits::On,
};

/// Takes the places a publish must be sure of before the event is anywhere.
pub(super) fn reserve(
    core: &Core,
    event: &Event,
    load: Load,
    manner: Manner,
    track: Option<&Track>,
    origin: Option<&Origin>,
) -> Result<Option<Reserved>, PublishError> {
    let waits = manner != Manner::AtOnce;
    let ahead = match (waits, origin) {
        (false, _) => Ahead::Queues,
        (true, Some(_)) => Ahead::All,
        (true, None) if core.routes.any_rejecting() => Ahead::Refusing,
        (true, None) => return Ok(None),
    };
    let matched = core.routes.lookup(event);
    let reserved = dispatch::reserve(&matched, event, load, ahead)
        .map_err(|subscription| PublishError::Full { event: event.clone(), subscription })?;
    // An answer frees who waits for it, whatever becomes of it elsewhere.
    if let Some(origin) = origin.filter(|_| waits && !matched.is_reply) {
        no_loop(core, event, &reserved, origin)?;
        // What an inline handler answers is known when it has run.
        if let Some(answer) = track.and_then(|track| track.answer.as_ref())
            && matched.inline.is_empty()
        {
            no_loop_of_answers(core, event, &reserved, origin, answer)?;
        }
    }
    Ok(Some(reserved))
}

/// Refuses a publish whose waits would close a loop, before anybody got the event.
fn no_loop(core: &Core, event: &Event, reserved: &Reserved, origin: &Origin) -> Result<(), PublishError> {
    let rooms: Vec<_> = reserved.without_room().map(|subscriber| (Arc::clone(subscriber), None)).collect();
    let coming = match event.priority() {
        Priority::Immediate => reserved.wanting().cloned().collect(),
        _ => Vec::new(),
    };
    if rooms.is_empty() && coming.is_empty() {
        return Ok(());
    }
    let on = On { rooms, coming, key: event.key().into(), ..On::default() };
    may_wait(core, event, origin, on)
}

/// Refuses a request that only handlers could answer that wait for this one.
fn no_loop_of_answers(
    core: &Core,
    event: &Event,
    reserved: &Reserved,
    origin: &Origin,
    answer: &Arc<Slot>,
) -> Result<(), PublishError> {
    let (coming, answer) = (reserved.wanting().cloned().collect(), Some(Arc::clone(answer)));
    may_wait(core, event, origin, On { coming, key: event.key().into(), answer, ..On::default() })
}

fn may_wait(core: &Core, event: &Event, origin: &Origin, on: On) -> Result<(), PublishError> {
    match core.waits.begin(origin, on) {
        Ok(_) => Ok(()),
        Err(cycle) => Err(PublishError::Cycle { event: event.clone(), path: cycle.path }),
    }
}
