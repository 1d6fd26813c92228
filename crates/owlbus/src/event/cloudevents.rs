//! An event on a wire: a CloudEvents 1.0 JSON object (structured mode), both ways.
//!
//! `type` is the type and `subject` the key, if one was set; what CloudEvents does not know travels in extension
//! attributes: `topic` (left out where it equals the type), `schemaversion`, `priority`, `correlationid`,
//! `causationid`, `replyto`, `expirytime`, and metadata. A foreign event leaves as it came: its data byte for byte,
//! its attributes equal, those nobody here knows among them.

mod read;
mod write;

use std::time::Duration;

use jiff::Timestamp;

pub use read::CloudEventError;

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

/// A time as this library writes it: RFC 3339 in UTC, with as many digits of the second as it has.
fn time_text(time: Duration) -> String {
    let nanos = i128::try_from(time.as_nanos()).unwrap_or(i128::MAX);
    Timestamp::from_nanosecond(nanos).unwrap_or(Timestamp::MAX).to_string()
}

/// Reads a time; one before 1970 counts as 1970.
fn parse_time(text: &str) -> Option<Duration> {
    let nanos = text.parse::<Timestamp>().ok()?.as_nanosecond();
    Some(Duration::from_nanos_u128(u128::try_from(nanos).unwrap_or(0)))
}
