//! What a rule does with an event.

use std::fmt;

use serde_json::Value;

use super::Template;
use crate::{event::Event, topic::Topic};

/// What a rule does with an event it asks for.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Action {
    /// The event goes on under another topic; the rules are asked again for that.
    ForwardTo(Template),
    /// A second event goes out under another topic.
    CopyTo(Template),
    /// Nobody gets the event.
    DropEvent,
    /// It has another priority.
    SetPriority(crate::event::Priority),
    /// It has another key.
    SetKey(Template),
    /// It has an entry of metadata, or another value in it.
    SetMetadata {
        /// The name of the entry.
        name: String,
        /// Its value.
        value: Value,
    },
}

/// What becomes of an event by an action.
pub(super) enum Step {
    Changed(Event),
    Forwarded(Topic),
    Copied(Topic),
    Dropped,
}

impl Action {
    /// Whether no other action comes after it.
    pub(super) fn is_last(&self) -> bool {
        matches!(self, Action::ForwardTo(_) | Action::DropEvent)
    }

    /// What it makes of an event; an error where it cannot.
    pub(super) fn of(&self, event: &Event) -> Result<Step, String> {
        let change = Event::builder(event.clone());
        let change = match self {
            Action::ForwardTo(to) => return to.topic(event).map(Step::Forwarded),
            Action::CopyTo(to) => return to.topic(event).map(Step::Copied),
            Action::DropEvent => return Ok(Step::Dropped),
            Action::SetPriority(priority) => change.priority(*priority),
            Action::SetKey(key) => change.key(key.key(event)?),
            Action::SetMetadata { name, value } => change.metadata(name, value),
        };
        change.build().map(Step::Changed).map_err(|error| error.to_string())
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Action::ForwardTo(to) => write!(f, "forward to {to}"),
            Action::CopyTo(to) => write!(f, "copy to {to}"),
            Action::DropEvent => f.write_str("drop"),
            Action::SetPriority(priority) => write!(f, "set priority {priority}"),
            Action::SetKey(key) => write!(f, "set key {key}"),
            Action::SetMetadata { name, value } => write!(f, "set metadata {name} to {value}"),
        }
    }
}
