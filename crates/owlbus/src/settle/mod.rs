//! What becomes of a delivery: what its handler said, and what that counts as.

mod attempt;
mod dead_letters;
mod error;
mod failure;
mod outcome;
mod retry;
mod settlement;
mod tracker;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use tokio::time::Instant;

pub use attempt::Attempt;
pub(crate) use dead_letters::Graveyard;
pub use dead_letters::{DeadLetter, DeadLetterId, DeadLetterQuery, DeadLetters, RedriveError};
pub use error::{ErrorKind, HandlerError};
pub use failure::{Failure, Next};
pub(crate) use failure::{OnError, Told, tells, tells_async};
pub use outcome::{IntoOutcome, Outcome};
pub use retry::{Retry, Unknown};
pub use settlement::{Settled, Settlement};
pub(crate) use tracker::{Pending, Runner, Tracker, Watched};

pub use crate::waits::Cycle;
use crate::{
    bus::Core,
    dispatch::Subscriber,
    event::{Escaped, Event},
    handle::{DropReason, Finish, Load, Queued},
    own_events,
};

/// Settles one delivery of a subscription by what its handler said, or has it tried again. Gives what is left to be told,
/// if anything.
pub(crate) fn settle(
    core: &Core,
    subscriber: &Subscriber,
    mut queued: Queued,
    started: Option<Instant>,
    said: Result<Outcome, HandlerError>,
) -> Vec<Told> {
    let (settlement, finish) = match said {
        Ok(Outcome::Done) => (Settlement::Done, Finish::Done),
        Ok(Outcome::Skipped) => (Settlement::Skipped, Finish::Skipped),
        Ok(Outcome::Retry { after }) => {
            let error = HandlerError::temporary("the handler asked for another attempt");
            return fail(core, subscriber, queued, started, error, after);
        }
        Ok(Outcome::Dead { reason }) => {
            let error = HandlerError::permanent(reason);
            return fail(core, subscriber, queued, started, error, None);
        }
        Err(error) => return fail(core, subscriber, queued, started, error, None),
    };
    finished(subscriber, &mut queued, finish, settlement);
    let_go(queued);
    Vec::new()
}

/// Settles a delivery that nobody wants any more.
pub(crate) fn expire(subscriber: &Subscriber, mut queued: Queued) {
    finished(subscriber, &mut queued, Finish::Expired, Settlement::Expired);
    // A subscription for one event waits for one that it can have.
    subscriber.unclaim();
    let_go(queued);
}

/// Has a delivery tried again whose attempt failed, or makes it a dead letter.
fn fail(
    core: &Core,
    subscriber: &Subscriber,
    mut queued: Queued,
    started: Option<Instant>,
    error: HandlerError,
    asked: Option<Duration>,
) -> Vec<Told> {
    let error = subscriber.classified(error);
    let started = started.unwrap_or_else(Instant::now);
    let past = queued.past_from(started);
    let number = past.attempts.len() as u32 + 1;
    let attempt = Attempt::failed(number, started.elapsed(), &error);
    let after = subscriber.retry.after(number, error.kind(), past.since.elapsed(), asked);
    past.attempts.push(attempt.clone());

    let next = after.map_or(Next::Dead, |after| Next::Retry { after });
    let told = tell(core, subscriber, &queued.event, attempt, error, next);
    match after {
        Some(after) => postpone(subscriber, queued, crate::clock::deadline(after)),
        None => die(core, subscriber, queued),
    }
    told
}

fn postpone(subscriber: &Subscriber, queued: Queued, due: Instant) {
    if let Some(watched) = queued.watched() {
        watched.postponed();
    }
    // Where the subscription has ended, there is nobody to try it again.
    if let Err(mut queued) = subscriber.mailbox.postpone(queued, due) {
        let reason = subscriber.mailbox.closed_for().unwrap_or(DropReason::Unsubscribed);
        finished(subscriber, &mut queued, Finish::Dropped(reason), Settlement::Dropped { reason });
        let_go(queued);
    }
}

fn die(core: &Core, subscriber: &Subscriber, mut queued: Queued) {
    let attempts = queued.take_past().map(|past| past.attempts).unwrap_or_default();
    let reason = attempts.last().map(|last| last.errors.join(": ")).unwrap_or_default();
    bury(core, subscriber, &queued.event, queued.load, reason.clone(), attempts);
    finished(subscriber, &mut queued, Finish::Dead, Settlement::Dead { reason });
    let_go(queued);
}

/// What failed for good is kept, and told of without its data.
fn bury(
    core: &Core,
    subscriber: &Subscriber,
    event: &Event,
    load: Load,
    reason: String,
    attempts: Vec<Attempt>,
) {
    tracing::warn!(
        event_id = %Escaped(event.id()),
        topic = %event.topic(),
        correlation_id = %Escaped(event.correlation_id()),
        subscription = %Escaped(&subscriber.name),
        attempts = attempts.len(),
        error = %Escaped(&reason),
        "a delivery failed",
    );
    let number = attempts.len();
    let id = core.graveyard.bury(event.clone(), load, Arc::clone(&subscriber.name), reason.clone(), attempts);
    own_events::dead_letter(core, subscriber, event, id, number, &reason);
}

/// Tells those who asked for it of a failed attempt; gives what is left of that.
fn tell(
    core: &Core,
    subscriber: &Subscriber,
    event: &Event,
    attempt: Attempt,
    error: HandlerError,
    next: Next,
) -> Vec<Told> {
    let hooks: Vec<OnError> = subscriber.on_error.open().into_iter().chain(core.on_error.clone()).collect();
    if hooks.is_empty() {
        return Vec::new();
    }
    let (event, subscription) = (event.clone(), Arc::clone(&subscriber.name));
    let failure = Failure { event, subscription, attempt, error: Arc::new(error), next };
    hooks.iter().filter_map(|tell| tell(failure.clone())).collect()
}

fn finished(subscriber: &Subscriber, queued: &mut Queued, finish: Finish, settlement: Settlement) {
    let watched = queued.take_watched();
    subscriber.mailbox.finish(queued, finish);
    if let Some(watched) = watched {
        watched.over(settlement);
    }
}

/// Drops an event that may hold the last of a value of the user, whose `Drop` may panic.
fn let_go(queued: Queued) {
    if catch_unwind(AssertUnwindSafe(|| drop(queued))).is_err() {
        tracing::warn!("the data of an event panicked when it was dropped");
    }
}

/// What becomes of an event by what an inline handler said: it has one attempt.
pub(crate) fn settle_inline(
    core: &Core,
    subscriber: &Subscriber,
    event: &Event,
    said: Result<Outcome, HandlerError>,
) -> Settlement {
    let error = match said {
        Ok(Outcome::Done) => return Settlement::Done,
        Ok(Outcome::Skipped) => return Settlement::Skipped,
        Ok(Outcome::Retry { .. }) => {
            HandlerError::permanent("an inline handler has one attempt, and asked for another")
        }
        Ok(Outcome::Dead { reason }) => HandlerError::permanent(reason),
        Err(error) => error,
    };
    let error = subscriber.classified(error);
    // Publishers do not read the clock around each call.
    let attempt = Attempt::failed(1, Duration::ZERO, &error);
    let reason = attempt.errors.join(": ");
    for told in tell(core, subscriber, event, attempt.clone(), error, Next::Dead) {
        // The publisher does not wait for it.
        match tokio::runtime::Handle::try_current().ok().or_else(|| core.runtime.clone()) {
            Some(runtime) => drop(runtime.spawn(told)),
            None => tracing::warn!("an on_error function that awaits has no tokio runtime to run on"),
        }
    }
    bury(core, subscriber, event, Load::of(event.weight(event.bytes_of_it())), reason.clone(), vec![attempt]);
    Settlement::Dead { reason }
}
