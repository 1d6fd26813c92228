//! An event on a wire: a CloudEvents 1.0 JSON object (structured mode), both ways.
//!
//! `type` is the type and `subject` the key, if one was set; what CloudEvents does not know travels in extension
//! attributes: `topic` (left out where it equals the type), `schemaversion`, `priority`, `correlationid`,
//! `causationid`, `replyto`, `expirytime`, and metadata. A foreign event leaves as it came: its data byte for byte,
//! its attributes equal, those nobody here knows among them.

mod read;
mod write;

use std::{borrow::Cow, time::Duration};

use jiff::{
    SignedDuration, Timestamp,
    civil::DateTime,
    fmt::temporal::{Pieces, PiecesOffset},
};

pub use read::CloudEventError;
use serde_json::Value;

/// The attributes that are fields of an event; no metadata can have their names.
const FIELDS: [&str; 18] = [
    "specversion",
    "id",
    "source",
    "type",
    "time",
    "subject",
    "datacontenttype",
    "dataschema",
    "data",
    "data_base64",
    "topic",
    "schemaversion",
    "priority",
    "correlationid",
    "causationid",
    "replyto",
    "expirytime",
    "metadata",
];

pub(super) fn names_a_field(name: &str) -> bool {
    FIELDS.contains(&name)
}

/// Whether CloudEvents allows the name for an attribute.
fn is_attribute_name(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
}

/// Whether CloudEvents allows the value for an attribute.
fn is_scalar(value: &Value) -> bool {
    matches!(value, Value::Bool(_) | Value::Number(_) | Value::String(_))
}

/// A time as this library writes it: RFC 3339 in UTC, with as many digits of the second as it has.
fn time_text(time: Duration) -> String {
    let nanos = i128::try_from(time.as_nanos()).unwrap_or(i128::MAX);
    Timestamp::from_nanosecond(nanos).unwrap_or(Timestamp::MAX).to_string()
}

/// Reads a time to the nanosecond; one before 1970 counts as 1970.
fn parse_time(text: &str) -> Option<Duration> {
    const EPOCH: DateTime = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);

    let text = without_fractions_of_nanoseconds(text);
    let pieces = Pieces::parse(&*text).ok()?;
    let offset = match pieces.offset()? {
        PiecesOffset::Numeric(numeric) => numeric.offset().seconds().into(),
        _ => 0,
    };
    // Reckoned by hand because a `Timestamp` ends a day before the year 9999 does, and that year's last second is
    // what many write for "never".
    let local = pieces.date().to_datetime(pieces.time()?).duration_since(EPOCH);
    Some(local.checked_sub(SignedDuration::from_secs(offset))?.try_into().unwrap_or_default())
}

/// RFC 3339 allows any number of digits after the point; nine are what can be kept.
fn without_fractions_of_nanoseconds(text: &str) -> Cow<'_, str> {
    let Some(point) = text.find('.') else { return text.into() };
    let digits = text[point + 1..].bytes().take_while(u8::is_ascii_digit).count();
    let (kept, end) = (point + 1 + digits.min(9), point + 1 + digits);
    if kept == end { text.into() } else { format!("{}{}", &text[..kept], &text[end..]).into() }
}
