//! What a rule wants of an event beside its topic.

use std::{
    fmt,
    ops::{Bound, RangeBounds},
};

use serde_json::{Number, Value};

use super::{
    field::{Field, Found, order},
    glob::Glob,
};
use crate::{
    event::{Event, Priority},
    topic::{Pattern, Topic},
};

/// What a rule wants of a field of an event, or of a place in its data.
///
/// A field is named `id`, `topic`, `type`, `version`, `time`, `expires_at` (both in seconds since 1970), `source`, `key` (if one was
/// set), `priority`, `correlation_id`, `causation_id`, `reply_to`, `content_type` or `metadata.NAME`; a place in the data is a JSON
/// pointer (`/user/age`). An event without it, or whose data is not JSON, does what [`missing`](Self::missing) asks and nothing else
/// does. One whose data says it is JSON and cannot be read is refused where a rule would look into it.
///
/// What is wrong with a condition is told when the rules are put together.
#[derive(Clone, Debug)]
#[must_use = "a condition does nothing until a rule has it"]
pub struct Condition(Result<Wanted, String>);

#[derive(Clone, Debug)]
struct Wanted {
    field: Field,
    test: Test,
}

#[derive(Clone, Debug)]
enum Test {
    Equals(Value),
    In(Vec<Value>),
    Range(Bound<Number>, Bound<Number>),
    Exists(bool),
    /// For text that is a topic.
    Pattern(Pattern),
    Glob(Glob),
}

impl Condition {
    /// It is there and has this value. Numbers are compared by value: 1 and 1.0 are equal.
    pub fn equals(field: impl AsRef<str>, value: impl Into<Value>) -> Self {
        Self::new(field, |field| {
            let value = value.into();
            known(field, [&value])?;
            Ok(Test::Equals(value))
        })
    }

    /// It is there and has one of these values.
    pub fn one_of<V: Into<Value>>(field: impl AsRef<str>, values: impl IntoIterator<Item = V>) -> Self {
        Self::new(field, |field| {
            let values: Vec<Value> = values.into_iter().map(Into::into).collect();
            known(field, &values)?;
            match values.is_empty() {
                true => Err(format!("no value is given that `{field}` may have; give at least one")),
                false => Ok(Test::In(values)),
            }
        })
    }

    /// It is a number in this range: `18..`, `..=65`, `0.5..1.0`.
    pub fn range<N: Into<Value> + Copy>(field: impl AsRef<str>, range: impl RangeBounds<N>) -> Self {
        let bound = |bound: Bound<&N>| bound.map(|number| (*number).into());
        Self::between(field, bound(range.start_bound()), bound(range.end_bound()))
    }

    pub(super) fn between(field: impl AsRef<str>, from: Bound<Value>, to: Bound<Value>) -> Self {
        Self::new(field, |field| {
            let number = |bound| match bound {
                Bound::Included(Value::Number(number)) => Ok(Bound::Included(number)),
                Bound::Excluded(Value::Number(number)) => Ok(Bound::Excluded(number)),
                Bound::Unbounded => Ok(Bound::Unbounded),
                _ => Err(format!("a range of `{field}` ends in what is no number; ranges are of numbers")),
            };
            let (from, to) = (number(from)?, number(to)?);
            match (&from, &to) {
                (Bound::Unbounded, Bound::Unbounded) => {
                    Err(format!("the range of `{field}` has no end; give it one, or ask whether it exists"))
                }
                (Bound::Included(one), Bound::Included(other))
                    if order(one, other).is_some_and(|is| is.is_gt()) =>
                {
                    Err(format!("the range of `{field}` is empty: {one} is more than {other}"))
                }
                _ => Ok(Test::Range(from, to)),
            }
        })
    }

    /// It is there, whatever it is; `null` is there too.
    pub fn exists(field: impl AsRef<str>) -> Self {
        Self::new(field, |_| Ok(Test::Exists(true)))
    }

    /// It is not there.
    pub fn missing(field: impl AsRef<str>) -> Self {
        Self::new(field, |_| Ok(Test::Exists(false)))
    }

    /// It is a text that is as this says, as a whole: `*` stands for any number of characters, also none. For `topic` and `reply_to`
    /// it is a pattern (`order.**`), as everywhere.
    pub fn matches(field: impl AsRef<str>, text: impl Into<String>) -> Self {
        Self::new(field, |field| match field.is_topic() {
            true => Pattern::new(text.into()).map(Test::Pattern).map_err(|error| error.to_string()),
            false => Ok(Test::Glob(Glob::new(text))),
        })
    }

    fn new(field: impl AsRef<str>, test: impl FnOnce(&Field) -> Result<Test, String>) -> Self {
        let field = field.as_ref().parse();
        Self(field.and_then(|field| Ok(Wanted { test: test(&field)?, field })))
    }

    /// What is wrong with it.
    pub(super) fn problem(&self) -> Option<&str> {
        self.0.as_ref().err().map(String::as_str)
    }

    /// Whether the event is as wanted; an error where nobody can say.
    pub(super) fn holds(&self, event: &Event) -> Result<bool, String> {
        let Wanted { field, test } = self.0.as_ref().map_err(Clone::clone)?;
        let found = field.of(event)?;
        let Some(found) = found else { return Ok(matches!(test, Test::Exists(false))) };
        Ok(test.is_met_by(&found))
    }
}

impl Test {
    fn is_met_by(&self, found: &Found<'_>) -> bool {
        match self {
            Test::Equals(value) => found.is(value),
            Test::In(values) => values.iter().any(|value| found.is(value)),
            Test::Range(from, to) => found.number().is_some_and(|number| {
                let from = match from {
                    Bound::Included(from) => order(number, from).is_some_and(|is| is.is_ge()),
                    Bound::Excluded(from) => order(number, from).is_some_and(|is| is.is_gt()),
                    Bound::Unbounded => true,
                };
                from && match to {
                    Bound::Included(to) => order(number, to).is_some_and(|is| is.is_le()),
                    Bound::Excluded(to) => order(number, to).is_some_and(|is| is.is_lt()),
                    Bound::Unbounded => true,
                }
            }),
            Test::Exists(wanted) => *wanted,
            Test::Pattern(pattern) => found
                .text()
                .and_then(|text| Topic::new(text).ok())
                .is_some_and(|topic| pattern.matches(&topic)),
            Test::Glob(glob) => found.text().is_some_and(|text| glob.matches(text)),
        }
    }
}

/// Refuses a priority that there is not.
fn known<'a>(field: &Field, values: impl IntoIterator<Item = &'a Value>) -> Result<(), String> {
    let is_one = |value: &Value| value.as_str().is_some_and(|name| Priority::from_name(name).is_some());
    match *field == Field::Priority && !values.into_iter().all(is_one) {
        true => Err("`priority` is one of immediate, high, normal and deferred".into()),
        false => Ok(()),
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Wanted { field, test } = match &self.0 {
            Ok(wanted) => wanted,
            Err(problem) => return f.write_str(problem),
        };
        match test {
            Test::Equals(value) => write!(f, "{field} equals {value}"),
            Test::In(values) => {
                let values: Vec<_> = values.iter().map(Value::to_string).collect();
                write!(f, "{field} in [{}]", values.join(", "))
            }
            Test::Range(from, to) => {
                let from = match from {
                    Bound::Included(from) => Some(format!("{field} >= {from}")),
                    Bound::Excluded(from) => Some(format!("{field} > {from}")),
                    Bound::Unbounded => None,
                };
                let to = match to {
                    Bound::Included(to) => Some(format!("{field} <= {to}")),
                    Bound::Excluded(to) => Some(format!("{field} < {to}")),
                    Bound::Unbounded => None,
                };
                let ends: Vec<_> = from.into_iter().chain(to).collect();
                f.write_str(&ends.join(" and "))
            }
            Test::Exists(true) => write!(f, "{field} exists"),
            Test::Exists(false) => write!(f, "{field} is missing"),
            Test::Pattern(pattern) => write!(f, "{field} matches {pattern}"),
            Test::Glob(glob) => write!(f, "{field} matches {glob}"),
        }
    }
}
