//! What becomes of a delivery: what its handler said, and what that counts as.

mod attempt;
mod dead_letters;
mod error;
mod failure;
mod graveyard;
mod outcome;
mod outcomes;
mod retry;
mod said;
mod settlement;
mod tracker;

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

pub use attempt::Attempt;
pub use dead_letters::{DeadLetter, DeadLetterId, DeadLetterQuery, DeadLetters, RedriveError};
pub use error::{ErrorKind, HandlerError};
pub use failure::{Failure, Next};
pub(crate) use failure::{OnError, Told, tells, tells_async};
pub(crate) use graveyard::Graveyard;
pub use outcome::{IntoOutcome, Outcome};
pub use outcomes::{IntoOutcomes, Outcomes};
pub use retry::{Retry, Unknown};
pub(crate) use said::{Failed, Said};
pub use settlement::{Settled, Settlement};
pub(crate) use tracker::{Pending, Runner, Tracker, Watched};

pub use crate::waits::Cycle;
use crate::{
    bus::Core,
    clock,
    dispatch::{Code, Subscriber},
    event::{Escaped, Event},
    handle::{DropReason, Finish, Load, Queued, let_go},
    own_events,
};

/// What is left to do about a delivery whose attempt ended.
#[derive(Default)]
pub(crate) struct After {
    /// What is left of telling of its failure.
    pub(crate) told: Vec<Told>,
    /// Whether there will be no other attempt.
    pub(crate) for_good: bool,
}

impl After {
    /// Tells the rest, where nobody waits for that.
    pub(crate) fn tell(self, core: &Core) {
        for told in self.told {
            match tokio::runtime::Handle::try_current().ok().or_else(|| core.runtime.clone()) {
                Some(runtime) => drop(runtime.spawn(told)),
                None => tracing::warn!("an on_error function that awaits has no tokio runtime to run on"),
            }
        }
    }
}

/// Settles one delivery of a subscription by what its handler said, or has it tried again.
pub(crate) fn settle(
    core: &Core,
    subscriber: &Subscriber,
    code: &Code,
    mut queued: Queued,
    started: Option<Instant>,
    said: Said,
) -> After {
    match said {
        Said::Done => finished(subscriber, &mut queued, Finish::Done, Settlement::Done),
        Said::Skipped => finished(subscriber, &mut queued, Finish::Skipped, Settlement::Skipped),
        Said::Failed(failed) => {
            let started = started.unwrap_or_else(Instant::now);
            return fail(core, subscriber, code, queued, started, *failed);
        }
    }
    let_go(queued);
    After { told: Vec::new(), for_good: true }
}

/// Settles a delivery that nobody wants any more. Says whether that was the event of a subscription for one.
pub(crate) fn expire(subscriber: &Subscriber, mut queued: Queued) -> bool {
    let was_tried = queued.past().is_some();
    finished(subscriber, &mut queued, Finish::Expired, Settlement::Expired);
    let_go(queued);
    // One that was never tried leaves the subscription to another.
    if !was_tried {
        subscriber.unclaim();
    }
    was_tried && subscriber.claimed.is_some()
}

/// Has a delivery tried again whose attempt failed, or makes it a dead letter.
fn fail(
    core: &Core,
    subscriber: &Subscriber,
    code: &Code,
    mut queued: Queued,
    started: Instant,
    Failed { error, again }: Failed,
) -> After {
    let error = code.classified(error);
    let past = queued.past_from(started);
    let number = past.attempts.len() as u32 + 1;
    let attempt = Attempt::failed(number, started.elapsed(), &error);
    let asked = again.flatten().or_else(|| error.after());
    let after = subscriber.retry.after(number, error.kind(), past.since.elapsed(), asked);
    // Where the subscription has ended, there is nobody to try it again.
    let after = after.filter(|_| subscriber.mailbox.closed_for().is_none());
    past.attempts.push(attempt.clone());

    let next = after.map_or(Next::Dead, |after| Next::Retry { after });
    let told = tell(core, subscriber, code, &queued.event, attempt, error, next);
    let Some(after) = after else {
        die(core, subscriber, queued);
        return After { told, for_good: true };
    };
    if let Some(watched) = queued.watched() {
        watched.postponed();
    }
    let lost = subscriber.mailbox.postpone(queued, clock::deadline(after)).err();
    let for_good = lost.is_some();
    // It has ended since that was looked at.
    if let Some(queued) = lost {
        subscriber.lose(queued, subscriber.mailbox.closed_for().unwrap_or(DropReason::Unsubscribed));
    }
    After { told, for_good }
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
    code: &Code,
    event: &Event,
    attempt: Attempt,
    error: HandlerError,
    next: Next,
) -> Vec<Told> {
    let hooks: Vec<OnError> = code.on_error.iter().chain(&core.on_error).cloned().collect();
    if hooks.is_empty() {
        let_go(error);
        return Vec::new();
    }
    let (event, subscription) = (event.clone(), Arc::clone(&subscriber.name));
    let failure = Failure { event, subscription, attempt, error: Arc::new(error), next };
    let told = hooks.iter().filter_map(|tell| tell(failure.clone())).collect();
    let_go(failure);
    told
}

fn finished(subscriber: &Subscriber, queued: &mut Queued, finish: Finish, settlement: Settlement) {
    let watched = queued.take_watched();
    subscriber.mailbox.finish(queued, finish);
    if let Some(watched) = watched {
        watched.over(settlement);
    }
}

/// What becomes of an event by what an inline handler said: it has one attempt.
pub(crate) fn settle_inline(core: &Core, subscriber: &Subscriber, event: &Event, said: Said) -> Settlement {
    let error = match said {
        Said::Done => return Settlement::Done,
        Said::Skipped => return Settlement::Skipped,
        Said::Failed(failed) if failed.again.is_some() => {
            HandlerError::permanent("an inline handler has one attempt, and asked for another")
        }
        Said::Failed(failed) => failed.error,
    };
    let code = subscriber.code();
    let error = code.classified(error);
    // Publishers do not read the clock around each call.
    let attempt = Attempt::failed(1, Duration::ZERO, &error);
    let reason = attempt.errors.join(": ");
    // The publisher does not wait for it.
    let told = tell(core, subscriber, &code, event, attempt.clone(), error, Next::Dead);
    After { told, for_good: true }.tell(core);
    bury(core, subscriber, event, Load::of(event.weight(event.bytes_of_it())), reason.clone(), vec![attempt]);
    Settlement::Dead { reason }
}
