//! What became of one delivery.

use super::HandlerError;

/// What became of one delivery, in the words of its handler.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The event was handled.
    Done,
    /// The event was none of this handler's business.
    Skipped,
    /// The event cannot be handled, now or ever.
    Dead {
        /// Why, for people.
        reason: String,
    },
}

/// What a handler may return: nothing, `Result<(), HandlerError>`, or an [`Outcome`].
#[diagnostic::on_unimplemented(
    message = "a handler cannot return `{Self}`",
    note = "return `Result<(), HandlerError>` (any error becomes one with `?`), an `Outcome`, or nothing"
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

impl IntoOutcome for Result<(), HandlerError> {
    fn into_outcome(self) -> Result<Outcome, HandlerError> {
        self.map(|()| Outcome::Done)
    }
}
