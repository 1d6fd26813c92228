//! The data of an event as JSON text, as JSON, and as Rust values: made at first use, remembered with the event.

use std::{
    any::{Any, type_name},
    fmt::Write as _,
    sync::OnceLock,
};

use bytes::Bytes;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use super::{ContentError, Escaped, Event, error::expectation, payload::Form};
use crate::typed::TypedEvent;

/// What was made of the data so far.
#[derive(Default)]
pub(super) struct Views {
    /// The JSON text of a Rust value.
    text: OnceLock<Result<Bytes, ContentError>>,
    /// The parsed JSON.
    json: OnceLock<Result<Value, ContentError>>,
    /// The data decoded into the Rust types it was asked for as, mostly one.
    decoded: OnceLock<Box<Decoded>>,
}

/// One decoded form, and those that came after it.
struct Decoded {
    value: Box<dyn Any + Send + Sync>,
    next: OnceLock<Box<Decoded>>,
}

/// JSON nested deeper than this is not parsed, whatever a bus accepts: parsing takes stack a level.
const DEEPEST: usize = 1000;

/// Whether a content type is JSON: `application/json`, or anything that ends in `+json`.
fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim_end();
    essence.eq_ignore_ascii_case("application/json") || essence.to_ascii_lowercase().ends_with("+json")
}

/// Bytes that are said to be JSON, where they are.
fn checked(bytes: &Bytes) -> Result<Bytes, ContentError> {
    serde_json::from_slice::<&serde_json::value::RawValue>(bytes)
        .map(|_| bytes.clone())
        .map_err(|error| ContentError::Syntax(error.to_string()))
}

impl Event {
    fn views(&self) -> &Views {
        self.0.views.get_or_init(Box::default)
    }

    /// Reads JSON text of this event, as deep as the bus accepted it.
    fn deserializer<'a>(&self, text: &'a [u8]) -> serde_json::Deserializer<serde_json::de::SliceRead<'a>> {
        let mut json = serde_json::Deserializer::from_slice(text);
        if (1..=DEEPEST).contains(&self.json_depth()) {
            json.disable_recursion_limit();
        }
        json
    }

    /// The data as JSON text: byte for byte what came in, or a Rust value written once.
    ///
    /// # Errors
    ///
    /// A [`ContentError`] where there is no data, where it is not JSON, or where the Rust value refuses to be
    /// written.
    pub fn json_text(&self) -> Result<&Bytes, ContentError> {
        match self.payload().form() {
            Form::Json(text, _) => Ok(text),
            Form::Value(value) => {
                self.views().text.get_or_init(|| value.encode()).as_ref().map_err(Clone::clone)
            }
            Form::Bytes(bytes) => match is_json(self.content_type()) {
                true => self.views().text.get_or_init(|| checked(bytes)).as_ref().map_err(Clone::clone),
                false => Err(ContentError::NotJson { content_type: self.content_type().to_owned() }),
            },
            Form::Empty => Err(ContentError::Empty),
            Form::Of(event) => event.json_text(),
        }
    }

    /// The data as parsed JSON, parsed at first use.
    ///
    /// # Errors
    ///
    /// As [`json_text`](Self::json_text), and where numbers or escapes in the text cannot be represented.
    pub fn as_json(&self) -> Result<&Value, ContentError> {
        if let Form::Of(event) = self.payload().form() {
            return event.as_json();
        }
        let parse = || {
            let mut json = self.deserializer(self.json_text()?);
            Value::deserialize(&mut json).map_err(|error| ContentError::Syntax(error.to_string()))
        };
        self.views().json.get_or_init(parse).as_ref().map_err(Clone::clone)
    }

    /// The data as bytes: JSON text, the bytes as they came, or nothing. Text of another content type than JSON
    /// travels as a JSON string, and comes out without its quotes and escapes.
    ///
    /// # Errors
    ///
    /// [`ContentError::Encode`] where a Rust value refuses to be written as JSON.
    pub fn bytes(&self) -> Result<Bytes, ContentError> {
        match self.payload().form() {
            Form::Bytes(bytes) => Ok(bytes.clone()),
            Form::Empty => Ok(Bytes::new()),
            Form::Of(event) => event.bytes(),
            Form::Json(text, _) if !is_json(self.content_type()) => {
                Ok(serde_json::from_slice::<String>(text).map_or_else(|_| text.clone(), Bytes::from))
            }
            Form::Json(..) | Form::Value(_) => self.json_text().cloned(),
        }
    }

    /// One field of the data, by JSON pointer (RFC 6901: `/entity_id`, `/items/0/price`), of a Rust value or JSON.
    ///
    /// `None` where there is no such field or it is no `V`.
    #[must_use]
    pub fn get<V: DeserializeOwned>(&self, pointer: &str) -> Option<V> {
        V::deserialize(self.as_json().ok()?.pointer(pointer)?).ok()
    }

    /// The data as a `T`, decoded anew at each call; [`view`](Self::view) remembers.
    ///
    /// # Errors
    ///
    /// [`ContentError::Decode`] names the field that is wrong and what was expected there. No data at all is the same
    /// as `null`, so that it decodes into a unit struct.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, ContentError> {
        let text = match self.json_text() {
            Err(ContentError::Empty) => return serde_json::from_str("null").map_err(|_| ContentError::Empty),
            text => text?,
        };
        let mut json = self.deserializer(text);
        serde_path_to_error::deserialize(&mut json).map_err(|error| ContentError::Decode {
            rust_type: type_name::<T>(),
            field: Escaped(error.path()).to_string(),
            reason: expectation(error.inner()),
        })
    }

    /// The data as a `T`: the value itself where a `T` was published, else decoded from JSON once.
    ///
    /// # Errors
    ///
    /// As [`decode`](Self::decode).
    pub fn view<T: TypedEvent>(&self) -> Result<&T, ContentError> {
        match self.payload().form() {
            Form::Of(event) => return event.view(),
            Form::Value(value) => {
                if let Some(value) = value.as_any().downcast_ref() {
                    return Ok(value);
                }
            }
            _ => {}
        }
        let mut place = &self.views().decoded;
        loop {
            let decoded = match place.get() {
                Some(decoded) => decoded,
                None => {
                    // Decoding before taking the place lets two types be decoded at once; the loser looks again.
                    let value = Box::new(self.decode::<T>()?);
                    place.get_or_init(|| Box::new(Decoded { value, next: OnceLock::new() }))
                }
            };
            match decoded.value.downcast_ref() {
                Some(value) => return Ok(value),
                None => place = &decoded.next,
            }
        }
    }

    /// The event with its fields and data as text for people, data and metadata included. Control characters are
    /// escaped; all other text stands there as it is.
    #[must_use]
    pub fn pretty(&self) -> String {
        let text = match self.to_cloudevent() {
            Ok(json) => serde_json::from_slice::<Value>(&json)
                .and_then(|value| serde_json::to_string_pretty(&value))
                .unwrap_or_else(|_| String::from_utf8_lossy(&json).into_owned()),
            Err(error) => return format!("{self}: {error}"),
        };
        let mut shown = String::with_capacity(text.len());
        for c in text.chars() {
            match c {
                '\n' | '\t' => shown.push(c),
                // JSON itself escapes some of them only.
                c if c.is_control() => _ = write!(shown, "\\u{:04x}", u32::from(c)),
                c => shown.push(c),
            }
        }
        shown
    }

    /// The data's content type, if the publisher named one; else `application/json`, and for bytes
    /// `application/octet-stream`.
    #[must_use]
    pub fn content_type(&self) -> &str {
        let named = self.extras().and_then(|extras| extras.content_type.as_deref());
        named.unwrap_or_else(|| match self.payload().form() {
            Form::Bytes(_) => "application/octet-stream",
            Form::Of(event) => event.content_type(),
            Form::Json(..) | Form::Value(_) | Form::Empty => "application/json",
        })
    }

    /// Bytes of the data; a Rust value counts its `size_of` until it was written as JSON.
    pub(crate) fn content_bytes(&self) -> usize {
        match self.payload().form() {
            Form::Json(text, _) => text.len(),
            Form::Bytes(bytes) => bytes.len(),
            Form::Empty => 0,
            Form::Of(event) => event.content_bytes(),
            Form::Value(value) => {
                let text = self.0.views.get().and_then(|views| views.text.get()?.as_ref().ok());
                text.map_or(value.size(), Bytes::len)
            }
        }
    }

    /// How deep the JSON of the data is nested, where the data is JSON text.
    pub(crate) fn json_depth(&self) -> usize {
        match self.payload().form() {
            Form::Json(_, depth) => depth,
            Form::Of(event) => event.json_depth(),
            _ => 0,
        }
    }
}
