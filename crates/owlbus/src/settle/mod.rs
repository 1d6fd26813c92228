//! What becomes of a delivery: what its handler said, and what that counts as.

mod error;
mod outcome;
mod settlement;
mod tracker;

use std::panic::{AssertUnwindSafe, catch_unwind};

pub use error::{ErrorKind, HandlerError};
pub use outcome::{IntoOutcome, Outcome};
pub use settlement::{Settled, Settlement};
pub(crate) use tracker::{Pending, Runner, Tracker, Watched};

pub use crate::waits::Cycle;
use crate::{
    dispatch::Subscriber,
    event::{Escaped, Event},
    handle::{Finish, Queued, panicked},
};

/// Settles one delivery of a subscription by what its handler said.
pub(crate) fn settle(subscriber: &Subscriber, queued: &Queued, said: Result<Outcome, HandlerError>) {
    let settlement = settlement(subscriber, &queued.event, said);
    let finish = match settlement {
        Settlement::Done => Finish::Done,
        Settlement::Skipped => Finish::Skipped,
        Settlement::Dead { .. } => Finish::Dead,
        Settlement::Dropped { reason } => Finish::Dropped(reason),
    };
    subscriber.mailbox.finish(queued, finish);
    if let Some(watched) = &queued.watched {
        watched.over(settlement);
    }
}

/// What becomes of a delivery by what its handler said. What failed for good is told of, without its data.
pub(crate) fn settlement(
    subscriber: &Subscriber,
    event: &Event,
    said: Result<Outcome, HandlerError>,
) -> Settlement {
    let reason = match said {
        Ok(Outcome::Done) => return Settlement::Done,
        Ok(Outcome::Skipped) => return Settlement::Skipped,
        Ok(Outcome::Dead { reason }) => reason,
        Err(error) => in_words(&error),
    };
    tracing::warn!(
        event_id = %Escaped(event.id()),
        topic = %event.topic(),
        correlation_id = %Escaped(event.correlation_id()),
        subscription = %Escaped(&subscriber.name),
        error = %Escaped(&reason),
        "a delivery failed",
    );
    Settlement::Dead { reason }
}

/// The error as a sentence. Its `Display` is code of the user, and may panic.
fn in_words(error: &HandlerError) -> String {
    catch_unwind(AssertUnwindSafe(|| error.chain()))
        .unwrap_or_else(|panic| format!("an error that cannot be shown: it {}", panicked(panic)))
}
