//! The data of an event, in the form it came in.

use std::any::{Any, type_name};

use bytes::Bytes;

use super::{ContentError, Event};
use crate::{topic::Topic, typed::TypedEvent};

/// The data of an event behind its header: a Rust value, JSON text, bytes, nothing, or the data of another event.
pub(super) trait Payload: Send + Sync {
    fn form(&self) -> Form<'_>;

    /// The topic the data has of itself.
    fn topic(&self) -> Option<&'static Topic> {
        None
    }

    /// The type and schema version the data has of itself.
    fn event_type(&self) -> Option<(&'static str, u32)> {
        None
    }
}

/// The forms data comes in; the one place where they are told apart.
pub(super) enum Form<'a> {
    /// A Rust value, which can write itself as JSON.
    Value(&'a dyn Value),
    /// JSON text as it came, with the depth of its nesting.
    Json(&'a Bytes, usize),
    /// Bytes of another content type.
    Bytes(&'a Bytes),
    /// No data.
    Empty,
    /// The data of another event, which a second header refers to.
    Of(&'a Event),
}

/// What can be done with a Rust value whose type is not known here.
pub(super) trait Value: Any {
    fn as_any(&self) -> &dyn Any;
    fn encode(&self) -> Result<Bytes, ContentError>;
    fn size(&self) -> usize;
}

impl<T: TypedEvent> Value for T {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn encode(&self) -> Result<Bytes, ContentError> {
        serde_json::to_vec(self)
            .map(Bytes::from)
            .map_err(|error| ContentError::Encode { rust_type: type_name::<T>(), reason: error.to_string() })
    }

    fn size(&self) -> usize {
        size_of::<T>()
    }
}

/// A Rust value as the data of an event.
pub(super) struct Typed<T>(pub(super) T);

impl<T: TypedEvent> Payload for Typed<T> {
    fn form(&self) -> Form<'_> {
        Form::Value(&self.0)
    }

    fn topic(&self) -> Option<&'static Topic> {
        self.0.topic()
    }

    fn event_type(&self) -> Option<(&'static str, u32)> {
        Some((self.0.event_type(), T::VERSION))
    }
}

/// JSON text as the data of an event; kept byte for byte.
pub(super) struct Json {
    text: Bytes,
    depth: usize,
}

impl Json {
    /// `text` must be JSON.
    pub(super) fn new(text: Bytes) -> Self {
        let depth = depth(&text);
        Self { text, depth }
    }
}

impl Payload for Json {
    fn form(&self) -> Form<'_> {
        Form::Json(&self.text, self.depth)
    }
}

/// Bytes of some content type as the data of an event.
pub(super) struct Opaque(pub(super) Bytes);

impl Payload for Opaque {
    fn form(&self) -> Form<'_> {
        Form::Bytes(&self.0)
    }
}

/// An event without data.
pub(super) struct Nothing;

impl Payload for Nothing {
    fn form(&self) -> Form<'_> {
        Form::Empty
    }
}

/// The data of another event, under a header of its own.
pub(super) struct Of(pub(super) Event);

impl Payload for Of {
    fn form(&self) -> Form<'_> {
        Form::Of(&self.0)
    }

    fn topic(&self) -> Option<&'static Topic> {
        self.0.payload().topic()
    }

    fn event_type(&self) -> Option<(&'static str, u32)> {
        self.0.payload().event_type()
    }
}

/// How deep arrays and objects are nested in a JSON text; a scalar has depth 0.
fn depth(json: &[u8]) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let mut bytes = json.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'{' | b'[' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'"' => skip_string(&mut bytes),
            _ => {}
        }
    }
    deepest
}

/// Moves past the closing quote of a string whose opening quote was just read.
fn skip_string(bytes: &mut std::slice::Iter<'_, u8>) {
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => return,
            b'\\' => {
                bytes.next();
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::depth;

    #[test]
    fn depth_counts_nesting_outside_strings() {
        for (json, expected) in
            [("1", 0), ("[]", 1), (r#"{"a":[{"b":1}],"c":{}}"#, 3), (r#"["[[[", "\"[", "\\"]"#, 1), ("", 0)]
        {
            assert_eq!(depth(json.as_bytes()), expected, "{json}");
        }
    }
}
