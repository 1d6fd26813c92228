//! From a line to an event.

use std::str;

use bytes::Bytes;
use owlbus::{
    Event, PublishError, Topic, event::CloudEventError, event::ContentError, event::EventError,
    topic::TopicError,
};
use serde::de::IgnoredAny;

use super::{
    letter,
    pointer::{Found, Pointer},
    refusals,
};

/// What a line is.
pub(super) enum Form {
    /// A CloudEvent as a JSON object, or a dead letter that is one.
    CloudEvents,
    /// Any JSON value, which becomes the data of an event under this topic.
    Plain(Topic),
    /// Any JSON value, which becomes the data of an event under the topic that stands in it there.
    PlainFrom(Pointer),
}

/// Why a line is not an event. Never shows what is in the line, but for the text that should have been its topic.
#[derive(Debug, thiserror::Error)]
pub(super) enum BadLine {
    #[error("longer than {longest} bytes; raise --max-event-size to take it")]
    TooLong { longest: usize },
    #[error("not UTF-8: a wrong byte at column {column}")]
    NotUtf8 { column: usize },
    #[error("not JSON: {0}")]
    NotJson(String),
    #[error("no CloudEvent: it is not a JSON object; take plain JSON lines with --topic or --topic-from")]
    NotAnObject,
    #[error("{0}")]
    CloudEvent(String),
    #[error("bad topic: {0}")]
    Topic(#[from] TopicError),
    #[error("no topic: nothing stands at `{0}`")]
    NothingThere(Pointer),
    #[error("no topic: what stands at `{0}` is not a string")]
    NoString(Pointer),
    /// The bus refused the event.
    #[error("{0}")]
    Refused(String),
}

impl Form {
    /// Reads a line of so many bytes at most; what a dead letter tells beside its event does not count.
    ///
    /// The event gets memory of its own: where it is queued it would else keep the whole chunk it came in.
    pub(super) fn read(&self, line: &[u8], longest: usize) -> Result<Event, BadLine> {
        let text =
            str::from_utf8(line).map_err(|error| BadLine::NotUtf8 { column: error.valid_up_to() + 1 })?;
        let text = text.trim_ascii_end();
        if let Form::CloudEvents = self
            && let Some(event) = letter::event_of(text)
        {
            return Ok(Event::from_cloudevent(event)?);
        }
        if line.len() > longest {
            return Err(BadLine::TooLong { longest });
        }
        let own = || Bytes::copy_from_slice(text.as_bytes());
        match self {
            Form::CloudEvents => {
                is_object(text)?;
                Ok(Event::from_cloudevent(own())?)
            }
            Form::Plain(topic) => Ok(Event::json_bytes(topic, own())?),
            Form::PlainFrom(pointer) => Ok(Event::json_bytes(topic_at(pointer, text)?, own())?),
        }
    }
}

/// Whether the text is an object, if it is JSON. The library would quote a text that is anything else.
fn is_object(text: &str) -> Result<(), BadLine> {
    if text.trim_ascii_start().starts_with('{') {
        return Ok(());
    }
    serde_json::from_str::<IgnoredAny>(text)?;
    Err(BadLine::NotAnObject)
}

fn topic_at(pointer: &Pointer, text: &str) -> Result<Topic, BadLine> {
    match pointer.find(text)? {
        Found::Text(topic) => Ok(Topic::new(topic)?),
        Found::Other => Err(BadLine::NoString(pointer.clone())),
        Found::Nothing => Err(BadLine::NothingThere(pointer.clone())),
    }
}

/// Parsers count lines within the text they get, which is one line.
fn in_one_line(reason: &str) -> String {
    reason.replace(" at line 1 column ", " at column ")
}

impl From<serde_json::Error> for BadLine {
    fn from(error: serde_json::Error) -> Self {
        BadLine::NotJson(in_one_line(&error.to_string()))
    }
}

impl From<CloudEventError> for BadLine {
    fn from(error: CloudEventError) -> Self {
        match error {
            CloudEventError::Syntax(reason) => BadLine::NotJson(in_one_line(&reason)),
            CloudEventError::Topic(error) => BadLine::Topic(error),
            other => BadLine::CloudEvent(in_one_line(&other.to_string())),
        }
    }
}

impl From<EventError> for BadLine {
    fn from(error: EventError) -> Self {
        match error {
            EventError::Content(ContentError::Syntax(reason)) => BadLine::NotJson(in_one_line(&reason)),
            EventError::Topic(error) => BadLine::Topic(error),
            other => BadLine::Refused(other.to_string()),
        }
    }
}

impl From<PublishError> for BadLine {
    fn from(error: PublishError) -> Self {
        match error {
            PublishError::Rejected { by, reason, .. } if &*by == "topics" => {
                BadLine::Refused(format!("bad topic: {reason}"))
            }
            PublishError::Rejected { by, reason, .. } if &*by == refusals::NAME => {
                BadLine::Refused(reason.to_string())
            }
            // By a rule, which the user wrote.
            PublishError::Rejected { by, reason, .. } if !["event", "limits"].contains(&&*by) => {
                BadLine::Refused(format!("rule `{by}`: {reason}"))
            }
            // What a program would be advised to set has no counterpart here.
            PublishError::Rejected { reason, .. } => {
                BadLine::Refused(reason.split("; ").next().unwrap_or_default().to_owned())
            }
            other => BadLine::Refused(other.to_string()),
        }
    }
}
