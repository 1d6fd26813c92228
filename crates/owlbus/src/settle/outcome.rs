//! What became of one delivery.

use std::time::Duration;

use super::HandlerError;

/// What became of one delivery, in the words of its handler.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The event was handled.
    Done,
    /// The event was none of this handler's business.
    Skipped,
    /// The event is to be handled again, as the subscription's [`Retry`](super::Retry) allows.
    Retry {
        /// After so long. Default: as long as the policy says.
        after: Option<Duration>,
    },
    /// The event cannot be handled, now or ever.
    Dead {
        /// Why, for people.
        reason: String,
    },
}

/// What a handler may return: nothing, `Result<(), HandlerError>`, an [`Outcome`], or a `Result` of one.
#[diagnostic::on_unimplemented(
    message = "a handler cannot return `{Self}`",
    note = "return `Result<(), HandlerError>`, an `Outcome`, a `Result<Outcome, HandlerError>`, or nothing",
    note = "`?` turns every `std::error::Error` into a `HandlerError`; for `anyhow::Error` and boxed errors use `.map_err(HandlerError::temporary)` or `permanent`"
)]
pub trait IntoOutcome {
    /// The outcome, or the error of this attempt.
    ///
    /// # Errors
    ///
    /// What the handler failed with.
    fn into_outcome(self) -> Result<Outcome, HandlerError>;
}

impl IntoOutcome for () {
    fn into_outcome(self) -> Result<Outcome, HandlerError> {
        Ok(Outcome::Done)
    }
}

impl IntoOutcome for Outcome {
    fn into_outcome(self) -> Result<Outcome, HandlerError> {
        Ok(self)
    }
}

impl IntoOutcome for Result<Outcome, HandlerError> {
    fn into_outcome(self) -> Result<Outcome, HandlerError> {
        self
    }
}

impl IntoOutcome for Result<(), HandlerError> {
    fn into_outcome(self) -> Result<Outcome, HandlerError> {
        self.map(|()| Outcome::Done)
    }
}
