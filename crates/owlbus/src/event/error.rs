//! What can be wrong with an event, and with the data of one.

use std::borrow::Cow;

use super::Escaped;
use crate::topic::TopicError;

/// Why an event could not be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EventError {
    /// The topic, or the topic replies are to be sent to, is none.
    #[error(transparent)]
    Topic(#[from] TopicError),
    /// The type has no topic of its own, and none was named.
    #[error("events of type `{}` have no topic of their own; name one with `.topic(…)`", Escaped(.0))]
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
    #[error(
        "metadata cannot be named `{}`: it is empty or the name of a field of the event; choose another name",
        Escaped(.0)
    )]
    MetadataName(String),
    /// The schema version is 0.
    #[error("schema versions count from 1")]
    ZeroVersion,
    /// The data is not what it was said to be.
    #[error(transparent)]
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
    #[error("the data is `{}`, not JSON; read it with `bytes()`", Escaped(.content_type))]
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
        /// What was expected there, and the kind of what was found; its value is data, which errors do not show.
        reason: String,
    },
}

/// What serde says of JSON that is something else than expected, without the values it found there.
///
/// What a hand-written `Deserialize` says in words of its own stays.
pub(super) fn expectation(error: &serde_json::Error) -> String {
    let said = error.to_string();
    Escaped(without_value(&said)).to_string()
}

fn without_value(said: &str) -> Cow<'_, str> {
    if !["invalid type: ", "invalid value: ", "unknown variant "].iter().any(|begin| said.starts_with(begin))
    {
        return said.into();
    }
    // Serde quotes a value, names its kind before it, and comes to what it expected last.
    let kind = said.split(['"', '`']).next().unwrap_or_default();
    match said.rfind(", expected ") {
        Some(expected) if kind.len() < expected => format!("{}{}", kind.trim_end(), &said[expected..]).into(),
        Some(_) => said.into(),
        None => kind.trim_end().to_owned().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_was_found_is_left_out() {
        for (said, told) in [
            (
                "invalid type: string \"a, expected `b\", expected u32 at line 1",
                "invalid type: string, expected u32 at line 1",
            ),
            (
                "invalid type: floating point `1.5`, expected u64",
                "invalid type: floating point, expected u64",
            ),
            ("invalid type: map, expected a `string`", "invalid type: map, expected a `string`"),
            ("invalid value: integer `300`, expected u8", "invalid value: integer, expected u8"),
            ("unknown variant `a`, expected `b` or `c`", "unknown variant, expected `b` or `c`"),
            ("unknown variant `a`, there are no variants", "unknown variant"),
            ("missing field `a`", "missing field `a`"),
            ("invalid length 2, expected a tuple of size 3", "invalid length 2, expected a tuple of size 3"),
        ] {
            assert_eq!(without_value(said), told);
        }
    }
}
