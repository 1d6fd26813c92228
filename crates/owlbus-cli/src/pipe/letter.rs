//! A dead letter on a line: the event as a CloudEvent, and in one attribute more what became of it.
//!
//! The attribute is of the line and not of the event: whoever writes the line adds it, whoever reads the line takes it
//! out, and the event is what it was.

use std::{
    fmt::{self, Write as _},
    time::SystemTime,
};

use jiff::Timestamp;
use memchr::memmem;
use owlbus::{
    Event,
    event::ContentError,
    middleware::{Violation, Violations},
    settle::{Attempt, ErrorKind},
};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

/// The attribute. Its value is the text of a JSON object: the values of attributes are never objects.
const NAME: &str = "owlbusdeadletter";

/// More than the attribute makes a line longer: twelve texts of the longest, each byte of them escaped twice; or a
/// hundred violations, of two texts of 300 characters each.
pub(super) const MOST: usize = 512 << 10;

/// Attempts that are written down, the last ones.
const ATTEMPTS: usize = 10;

/// Bytes of a text that are written down, the last ones.
const TEXT: usize = 4 << 10;

/// What became of an event.
#[derive(Serialize)]
pub(super) struct Letter<'a> {
    /// Why it failed for good, for people.
    reason: &'a str,
    /// Name of the subscription; none has it where it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    subscription: Option<&'a str>,
    /// When it failed for good.
    time: String,
    /// How many attempts there were.
    attempts: u32,
    /// The last of them.
    tries: Vec<Try<'a>>,
    /// Why it was refused, thing by thing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    violations: Vec<Broken<'a>>,
}

/// A thing that is wrong with an event.
#[derive(Serialize)]
struct Broken<'a> {
    /// Its place in the data, as a JSON pointer.
    #[serde(skip_serializing_if = "Option::is_none")]
    place: Option<&'a str>,
    problem: &'a str,
}

/// An attempt.
#[derive(Serialize)]
struct Try<'a> {
    number: u32,
    started: String,
    seconds: f64,
    kind: &'a str,
    error: String,
}

impl<'a> Letter<'a> {
    /// Of an event that was handled, and failed.
    pub(super) fn of_attempts(
        reason: &'a str,
        subscription: &'a str,
        died: SystemTime,
        attempts: &'a [Attempt],
    ) -> Self {
        let told = attempts.len().saturating_sub(ATTEMPTS);
        Self {
            reason: end_of(reason),
            subscription: Some(end_of(subscription)),
            time: time(died),
            attempts: attempts.last().map_or(0, |last| last.number),
            tries: attempts[told..].iter().map(Try::of).collect(),
            violations: Vec::new(),
        }
    }

    /// Of an event that was refused.
    pub(super) fn of_violations(reason: &'a str, violations: &'a Violations) -> Self {
        let broken = |one: &'a Violation| Broken { place: one.place.as_deref(), problem: &one.problem };
        Self {
            reason: end_of(reason),
            subscription: None,
            time: time(SystemTime::now()),
            attempts: 0,
            tries: Vec::new(),
            violations: violations.iter().map(broken).collect(),
        }
    }

    /// The event with this, as a line.
    ///
    /// # Errors
    ///
    /// The data refuses to be written as JSON, which data that came as JSON never does.
    pub(super) fn line(&self, event: &Event) -> Result<Vec<u8>, ContentError> {
        let mut line = event.to_cloudevent()?;
        line.pop();
        // Text and numbers are always JSON.
        let letter = serde_json::to_string(self).and_then(|letter| serde_json::to_string(&letter));
        line.extend_from_slice(format!(",\"{NAME}\":{}}}\n", letter.unwrap_or_default()).as_bytes());
        Ok(line)
    }
}

impl Try<'_> {
    fn of(attempt: &Attempt) -> Try<'_> {
        let kind = match attempt.kind {
            ErrorKind::Temporary => "temporary",
            ErrorKind::Permanent => "permanent",
            _ => "unknown",
        };
        Try {
            number: attempt.number,
            started: time(attempt.started),
            seconds: attempt.duration.as_secs_f64(),
            kind,
            error: end_of(&attempt.errors.join(": ")).to_owned(),
        }
    }
}

fn time(time: SystemTime) -> String {
    Timestamp::try_from(time).unwrap_or(Timestamp::MAX).to_string()
}

/// As much of the end of a text as a letter has room for.
fn end_of(text: &str) -> &str {
    let mut start = text.len().saturating_sub(TEXT);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    &text[start..]
}

/// The text of the event in a dead letter; `None` where the text is none. What is wrong with a text that is neither an
/// event nor a letter, who reads it as an event has the words for.
pub(super) fn event_of(text: &str) -> Option<String> {
    memmem::find(text.as_bytes(), NAME.as_bytes())?;
    let others: Others = serde_json::from_str(text).ok()?;
    others.had_letter.then_some(others.text)
}

/// The members of an object but for one, each as the text it has there.
struct Others {
    text: String,
    had_letter: bool,
}

impl<'de> Deserialize<'de> for Others {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Others;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Others, A::Error> {
                let mut others = Others { text: "{".to_owned(), had_letter: false };
                while let Some((name, value)) = map.next_entry::<String, &RawValue>()? {
                    if name == NAME {
                        others.had_letter = true;
                        continue;
                    }
                    let comma = if others.text.len() == 1 { "" } else { "," };
                    let name = serde_json::to_string(&name).map_err(serde::de::Error::custom)?;
                    // Writing into a String cannot fail.
                    _ = write!(others.text, "{comma}{name}:{value}");
                }
                others.text.push('}');
                Ok(others)
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use owlbus::middleware::Validate;

    use super::*;

    const EVENT: &str =
        r#"{"specversion":"1.0","id":"1","source":"s","type":"a.b","data":{ "z" : 1.10, "a":"\u00e4" }}"#;

    fn letter<'a>(reason: &'a str) -> Letter<'a> {
        Letter::of_attempts(reason, "./bill.sh", UNIX_EPOCH, &[])
    }

    #[test]
    fn what_was_added_is_taken_out_and_the_rest_stays_as_it_was() {
        let event = Event::from_cloudevent(EVENT).unwrap();
        let line = String::from_utf8(letter("exit status: 1: \"no\"\n").line(&event).unwrap()).unwrap();
        assert!(line.ends_with("}\n") && line.matches('\n').count() == 1, "{line}");
        let letter: serde_json::Value = serde_json::from_str(&line).unwrap();
        let letter: serde_json::Value = serde_json::from_str(letter[NAME].as_str().unwrap()).unwrap();
        assert_eq!(letter["reason"], "exit status: 1: \"no\"\n");
        assert_eq!(letter["time"], "1970-01-01T00:00:00Z");
        assert_eq!(event_of(line.trim_end()).as_deref(), Some(EVENT));
    }

    #[test]
    fn what_is_no_dead_letter_stays_as_it_is() {
        let in_data = format!(r#"{{"id":"1","data":{{"{NAME}":1}}}}"#);
        for text in [EVENT, &in_data, "[1]", &format!("\"{NAME}\""), &format!("{{\"{NAME}\":")] {
            assert_eq!(event_of(text), None, "{text}");
        }
        let strange = format!(r#" {{"{NAME}":null , "a" : [ 1 ]}} "#);
        assert_eq!(event_of(&strange).as_deref(), Some(r#"{"a":[ 1 ]}"#));
    }

    #[test]
    fn a_letter_is_never_longer_than_there_is_room_for() {
        let worst = "\u{1}".repeat(100_000);
        let last = |number| Try {
            number,
            started: time(UNIX_EPOCH),
            seconds: 0.123_456_789,
            kind: "temporary",
            error: end_of(&worst).to_owned(),
        };
        let mut letter = Letter::of_attempts(&worst, &worst, UNIX_EPOCH, &[]);
        letter.tries = (0..ATTEMPTS as u32).map(last).collect();
        let event = Event::from_cloudevent(EVENT).unwrap();
        let added = letter.line(&event).unwrap().len() - event.to_cloudevent().unwrap().len();
        assert!(added > MOST / 2 && added < MOST, "{added}");
    }

    #[test]
    fn nor_is_one_of_violations() {
        // A place and a problem of the characters that are escaped most.
        let validate = (0..200).fold(Validate::new(), |validate, _| {
            validate.rule("bad", |_: &Event| Err::<(), _>("\"".repeat(1_000)))
        });
        let validate = validate.require("**", (0..200).map(|_| format!("/{}", "\\".repeat(1_000)))).unwrap();
        let event = Event::from_cloudevent(EVENT).unwrap();
        let violations = validate.violations(&event);
        assert_eq!(violations.iter().count(), 100);
        let letter = Letter::of_violations("bad", &violations);
        let added = letter.line(&event).unwrap().len() - event.to_cloudevent().unwrap().len();
        assert!(added < MOST, "{added}");
    }
}
