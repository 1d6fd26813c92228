//! What a handler takes out of a delivery.

use serde_json::Value;

use crate::{
    event::{ContentError, Event},
    typed::TypedEvent,
};

/// What a handler takes out of a delivery: the [`Event`] as it is, its data as JSON (`serde_json::Value`), or a type
/// that derives `Event`.
#[diagnostic::on_unimplemented(
    message = "a delivery cannot be read as `{Self}`",
    note = "use `Delivery` for any event, `Delivery<serde_json::Value>` for JSON, or derive `owlbus::Event` for the type"
)]
pub trait Content: Send + Sync + 'static {
    /// The types of the events that are meant; `None` means all.
    const TYPES: Option<&'static [&'static str]>;

    /// The content of the event.
    ///
    /// # Errors
    ///
    /// [`ContentError`] where the event's data is something else. A delivery that fails so has failed for good.
    fn of(event: &Event) -> Result<&Self, ContentError>;
}

impl Content for Event {
    const TYPES: Option<&'static [&'static str]> = None;

    fn of(event: &Event) -> Result<&Self, ContentError> {
        Ok(event)
    }
}

impl Content for Value {
    const TYPES: Option<&'static [&'static str]> = None;

    fn of(event: &Event) -> Result<&Self, ContentError> {
        event.as_json()
    }
}

impl<T: TypedEvent> Content for T {
    const TYPES: Option<&'static [&'static str]> = Some(T::TYPES);

    fn of(event: &Event) -> Result<&Self, ContentError> {
        event.view()
    }
}
