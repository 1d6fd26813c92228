//! Names and JSON values that travel with an event, beside its data.

use serde_json::Value;
use smol_str::SmolStr;

/// The entry that says what the data was when it was published.
pub(crate) const DIGEST: &str = "digest";

/// What an event carries beside its data: names to JSON values, in the order they were set.
///
/// A trace context travels here as `traceparent`. On a wire, scalars whose name consists of `a`–`z` and `0`–`9`
/// are CloudEvents attributes of their own; the rest is one attribute `metadata`. At most 64 entries and 8 KiB are
/// accepted by a bus unless its builder says otherwise.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metadata(Vec<(SmolStr, Value)>);

impl Metadata {
    pub(crate) const NONE: &'static Metadata = &Metadata(Vec::new());

    /// The value under `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// The text under `name`, where it is text.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(Value::as_str)
    }

    /// Number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Every entry, in the order it was set.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// Sets `name`, in its old place where it was there before.
    pub(crate) fn set(&mut self, name: &str, value: Value) {
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, place)) => *place = value,
            None => self.0.push((name.into(), value)),
        }
    }

    /// Takes `name` out; whether it was there.
    pub(crate) fn remove(&mut self, name: &str) -> bool {
        let entries = self.0.len();
        self.0.retain(|(known, _)| known != name);
        self.0.len() < entries
    }

    /// Adds an entry whose name is known to be new.
    pub(crate) fn push(&mut self, name: &str, value: Value) {
        self.0.push((name.into(), value));
    }

    /// Bytes of all names and of all values as JSON text.
    pub(crate) fn text_bytes(&self) -> usize {
        self.0.iter().map(|(name, value)| name.len() + json_bytes(value)).sum()
    }
}

/// Length of a value's JSON text; exact but for escapes in strings, which count one byte more each.
fn json_bytes(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(true) => 4,
        Value::Bool(false) => 5,
        Value::Number(number) => number.to_string().len(),
        Value::String(text) => {
            2 + text.len() + text.chars().filter(|c| c.is_control() || matches!(c, '"' | '\\')).count()
        }
        Value::Array(items) => 2 + items.iter().map(|item| json_bytes(item) + 1).sum::<usize>(),
        Value::Object(fields) => {
            2 + fields.iter().map(|(name, value)| name.len() + 4 + json_bytes(value)).sum::<usize>()
        }
    }
}
