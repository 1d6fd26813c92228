//! What becomes of a delivery: what its handler said, and what that counts as.

mod error;
mod outcome;

use std::panic::{AssertUnwindSafe, catch_unwind};

pub use error::{ErrorKind, HandlerError};
pub use outcome::{IntoOutcome, Outcome};

use crate::{
    dispatch::Subscriber,
    event::Escaped,
    handle::{Finish, Queued, panicked},
};

/// Settles one delivery of a subscription by what its handler said.
pub(crate) fn settle(subscriber: &Subscriber, queued: &Queued, said: Result<Outcome, HandlerError>) {
    let finish = match said {
        Ok(Outcome::Done) => Finish::Done,
        Ok(Outcome::Skipped) => Finish::Skipped,
        Ok(Outcome::Dead { reason }) => dead(subscriber, queued, &reason),
        Err(error) => dead(subscriber, queued, &in_words(&error)),
    };
    subscriber.mailbox.finish(queued, finish);
}

/// The error as a sentence. Its `Display` is code of the user, and may panic.
fn in_words(error: &HandlerError) -> String {
    catch_unwind(AssertUnwindSafe(|| error.chain()))
        .unwrap_or_else(|panic| format!("an error that cannot be shown: it {}", panicked(panic)))
}

/// A delivery that failed for good is told of, without its data.
fn dead(subscriber: &Subscriber, queued: &Queued, reason: &str) -> Finish {
    tracing::warn!(
        event_id = %Escaped(queued.event.id()),
        topic = %queued.event.topic(),
        correlation_id = %Escaped(queued.event.correlation_id()),
        subscription = %Escaped(&subscriber.name),
        error = %Escaped(reason),
        "a delivery failed",
    );
    Finish::Dead
}
