//! What can be wrong with an event, and with the data of one.

use crate::topic::TopicError;

/// Why an event could not be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EventError {
    /// The topic, or the topic replies are to be sent to, is none.
    #[error("{0}")]
    Topic(#[from] TopicError),
    /// The type has no topic of its own, and none was named.
    #[error("events of type `{0}` have no topic of their own; name one with `.topic(…)`")]
    NoTopic(String),
    /// An id, a correlation or a cause is the empty text.
    #[error("an id must not be empty; leave it out to have one made")]
    EmptyId,
    /// The type is the empty text.
    #[error("the type must not be empty; leave it out and it is the topic")]
    EmptyType,
    /// The source is the empty text.
    #[error("the source must not be empty; leave it out and the bus fills in its own")]
    EmptySource,
    /// The key is the empty text.
    #[error("the key must not be empty; leave it out and events are ordered by topic")]
    EmptyKey,
    /// A name of metadata is empty or belongs to a field of the event.
    #[error("metadata cannot be named `{0}`: it is empty or the name of a field of the event; choose another name")]
    MetadataName(String),
    /// The schema version is 0.
    #[error("schema versions count from 1")]
    ZeroVersion,
    /// The data is not what it was said to be.
    #[error("{0}")]
    Content(#[from] ContentError),
    /// The event that is answered does not say where replies go.
    #[error("the event has no `reply_to`, so nobody waits for a reply to it")]
    NoReplyTo,
}

/// Why the data of an event cannot be read in the form asked for.
///
/// Cheap to clone: the first attempt is remembered with the event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ContentError {
    /// The event has no data at all.
    #[error("the event has no data")]
    Empty,
    /// The data is bytes of another content type.
    #[error("the data is `{content_type}`, not JSON; read it with `bytes()`")]
    NotJson {
        /// The content type the event was published with.
        content_type: String,
    },
    /// The text is not JSON.
    #[error("the data is not JSON: {0}")]
    Syntax(String),
    /// A Rust value refused to be written as JSON.
    #[error("the value of type `{rust_type}` cannot be written as JSON: {reason}")]
    Encode {
        /// Name of the Rust type.
        rust_type: &'static str,
        /// What its `Serialize` said.
        reason: String,
    },
    /// The JSON is not the Rust type asked for.
    #[error("the data is no `{rust_type}`: at `{field}`: {reason}")]
    Decode {
        /// Name of the Rust type.
        rust_type: &'static str,
        /// Path of the field; `.` is the data as a whole.
        field: String,
        /// What was expected there, and what was found.
        reason: String,
    },
}
