//! What a rule looks at in an event.

use std::{
    borrow::Cow,
    cmp::Ordering,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    str::FromStr,
    time::{SystemTime, UNIX_EPOCH},
};

use serde_json::{Number, Value};

use crate::event::{ContentError, Event, EventId};

/// A field of an event, or a place in its data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Id,
    Topic,
    Type,
    Version,
    /// Seconds since 1970; likewise the expiry.
    Time,
    ExpiresAt,
    Source,
    /// The key that was set; an event that is ordered by its topic has none.
    Key,
    Priority,
    CorrelationId,
    CausationId,
    ReplyTo,
    ContentType,
    /// An entry of the metadata, by its name.
    Metadata(String),
    /// A place in the data, by JSON pointer.
    Data(String),
}

/// The fields by name; the rest are `metadata.NAME` and JSON pointers.
const NAMES: [(&str, Field); 13] = [
    ("id", Field::Id),
    ("topic", Field::Topic),
    ("type", Field::Type),
    ("version", Field::Version),
    ("time", Field::Time),
    ("expires_at", Field::ExpiresAt),
    ("source", Field::Source),
    ("key", Field::Key),
    ("priority", Field::Priority),
    ("correlation_id", Field::CorrelationId),
    ("causation_id", Field::CausationId),
    ("reply_to", Field::ReplyTo),
    ("content_type", Field::ContentType),
];

/// What is in a field.
pub(super) enum Found<'a> {
    Text(Cow<'a, str>),
    Value(Cow<'a, Value>),
}

impl Field {
    /// What is in the field of this event; `None` where the event does not have it.
    ///
    /// An error where the data claims to be JSON and cannot be read: who knows what is in it then.
    pub(super) fn of<'a>(&self, event: &'a Event) -> Result<Option<Found<'a>>, String> {
        let text = |text: &'a str| Found::Text(text.into());
        let id = |id: EventId| Found::Text(id.to_string().into());
        Ok(match self {
            Field::Id => Some(id(event.id())),
            Field::Topic => Some(text(event.topic().as_str())),
            Field::Type => Some(text(event.event_type())),
            Field::Version => Some(Found::Value(Cow::Owned(event.version().into()))),
            Field::Time => Some(seconds(event.time())),
            Field::ExpiresAt => event.expires_at().map(seconds),
            Field::Source => Some(text(event.source())),
            Field::Key => event.has_key().then(|| text(event.key())),
            Field::Priority => Some(text(event.priority().as_str())),
            Field::CorrelationId => Some(id(event.correlation_id())),
            Field::CausationId => event.causation_id().map(id),
            Field::ReplyTo => event.reply_to().map(|topic| text(topic.as_str())),
            Field::ContentType => Some(text(event.content_type())),
            Field::Metadata(name) => {
                event.metadata().get(name).map(|value| Found::Value(Cow::Borrowed(value)))
            }
            Field::Data(pointer) => {
                let data = json(event)?;
                data.and_then(|data| data.pointer(pointer)).map(|value| Found::Value(Cow::Borrowed(value)))
            }
        })
    }

    /// Whether it holds a topic, where wildcards are those of patterns.
    pub(super) fn is_topic(&self) -> bool {
        matches!(self, Field::Topic | Field::ReplyTo)
    }
}

/// The data as JSON; `None` where it is something else, or there is none.
fn json(event: &Event) -> Result<Option<&Value>, String> {
    // A Rust value writes itself, which is code of the user.
    match catch_unwind(AssertUnwindSafe(|| event.as_json())) {
        Ok(Ok(data)) => Ok(Some(data)),
        Ok(Err(ContentError::Empty | ContentError::NotJson { .. })) => Ok(None),
        Ok(Err(_)) => {
            Err("it looks into the data, which cannot be read as JSON; publish data that can".into())
        }
        Err(panic) => {
            crate::handle::let_go(panic);
            Err("it looks into the data, which panicked when it was to be written as JSON".into())
        }
    }
}

fn seconds(time: SystemTime) -> Found<'static> {
    let seconds = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    Found::Value(Cow::Owned(seconds.into()))
}

impl Found<'_> {
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Found::Text(text) => Some(text),
            Found::Value(value) => value.as_str(),
        }
    }

    pub(super) fn number(&self) -> Option<&Number> {
        match self {
            Found::Text(_) => None,
            Found::Value(value) => value.as_number(),
        }
    }

    pub(super) fn is(&self, wanted: &Value) -> bool {
        match self {
            Found::Text(text) => wanted.as_str() == Some(text),
            Found::Value(value) => same(value, wanted),
        }
    }

    /// A text, a number or a truth value as text.
    pub(super) fn to_text(&self) -> Option<Cow<'_, str>> {
        match self {
            Found::Text(text) => Some(Cow::Borrowed(text)),
            Found::Value(value) => match &**value {
                Value::String(text) => Some(Cow::Borrowed(text)),
                Value::Number(_) | Value::Bool(_) => Some(Cow::Owned(value.to_string())),
                Value::Null | Value::Array(_) | Value::Object(_) => None,
            },
        }
    }
}

/// Whether two values are equal; 1 and 1.0 are.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => order(one, other) == Some(Ordering::Equal),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            let equal =
                |(name, one): (&String, &Value)| other.get(name).is_some_and(|other| same(one, other));
            one.len() == other.len() && one.iter().all(equal)
        }
        (one, other) => one == other,
    }
}

/// Which of two numbers is larger; integers are compared exactly.
pub(super) fn order(one: &Number, other: &Number) -> Option<Ordering> {
    match (one.as_i128(), other.as_i128()) {
        (Some(one), Some(other)) => Some(one.cmp(&other)),
        _ => one.as_f64()?.partial_cmp(&other.as_f64()?),
    }
}

impl FromStr for Field {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.starts_with('/') {
            return match text.split('~').skip(1).all(|rest| rest.starts_with(['0', '1'])) {
                true => Ok(Field::Data(text.to_owned())),
                false => Err(format!(
                    "`{text}` is no JSON pointer: in one, `~` is written `~0`, and `/` inside a name `~1`"
                )),
            };
        }
        if let Some(name) = text.strip_prefix("metadata.").filter(|name| !name.is_empty()) {
            return Ok(Field::Metadata(name.to_owned()));
        }
        let known = NAMES.iter().find(|(name, _)| *name == text).map(|(_, field)| field.clone());
        known.ok_or_else(|| {
            let names: Vec<_> = NAMES.iter().map(|(name, _)| *name).collect();
            let names = names.join(", ");
            format!(
                "`{text}` is no field; a place in the data is a JSON pointer that begins with `/`, \
                 such as `/user/age`, and the fields of an event are {names} and metadata.NAME"
            )
        })
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Field::Metadata(name) => write!(f, "metadata.{name}"),
            Field::Data(pointer) => f.write_str(pointer),
            field => {
                let name = NAMES.iter().find(|(_, known)| known == field).map_or("", |(name, _)| name);
                f.write_str(name)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_name_is_read_and_shown() {
        for text in NAMES.map(|(name, _)| name).into_iter().chain(["metadata.a.b", "/a/b", "/", "/~0~1"]) {
            assert_eq!(text.parse::<Field>().unwrap().to_string(), text);
        }
        for wrong in ["", "a", "user/age", "metadata", "metadata.", "/a~", "/~2", "Topic"] {
            assert!(wrong.parse::<Field>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn numbers_are_equal_by_value_and_integers_exactly() {
        assert!(same(&json!({ "a": [1, 2.0] }), &json!({ "a": [1.0, 2] })));
        assert!(!same(&json!([1]), &json!([1, 1])) && !same(&json!({ "a": 1 }), &json!({ "b": 1 })));
        assert!(!same(&json!(u64::MAX), &json!(u64::MAX - 1)), "a float could not tell them apart");
        assert!(!same(&json!("1"), &json!(1)) && !same(&json!(0), &json!(false)));
    }
}
