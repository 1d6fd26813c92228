//! What an answer is read as.

use serde::de::DeserializeOwned;

use crate::event::{ContentError, Event};

/// What an answer is read as: the [`Event`] as it is, or any owned type that its data can be decoded into.
///
/// An answer without data is a `()`.
#[diagnostic::on_unimplemented(
    message = "an answer cannot be read as `{Self}`",
    note = "ask for an `owlbus::Event`, or for a type that derives `serde::Deserialize` and borrows nothing"
)]
pub trait Answer: Sized {
    /// Reads an answer.
    ///
    /// # Errors
    ///
    /// [`ContentError`] where its data is something else.
    fn of(reply: &Event) -> Result<Self, ContentError>;
}

impl Answer for Event {
    fn of(reply: &Event) -> Result<Self, ContentError> {
        Ok(reply.clone())
    }
}

impl<T: DeserializeOwned> Answer for T {
    fn of(reply: &Event) -> Result<Self, ContentError> {
        reply.decode()
    }
}
