//! What is wrong with an event, and where.

use std::{borrow::Cow, fmt};

use crate::middleware::place::{Place, shown};

/// How many violations of one event are listed; the others are counted.
const MOST_LISTED: usize = 100;

/// One thing that is wrong with an event. Control characters in its texts are escaped, and long texts are cut.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Violation {
    /// Who found it: `topics`, `digest`, `require`, `schema`, or the name of a rule.
    pub by: Cow<'static, str>,
    /// Its place in the data, as a JSON pointer; empty where it is the data as a whole, `None` where it is the event.
    pub place: Option<String>,
    /// What is wrong there.
    pub problem: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place.as_deref() {
            None => write!(f, "{}: {}", self.by, self.problem),
            Some(place) => write!(f, "{}: {}", Place(place), self.problem),
        }
    }
}

/// Everything that is wrong with an event; nothing, where it is as it should be. At most 100 are listed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Violations {
    listed: Vec<Violation>,
    others: usize,
}

impl Violations {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.listed.is_empty()
    }

    /// How many there are, those that are not listed among them.
    #[must_use]
    pub fn len(&self) -> usize {
        self.listed.len() + self.others
    }

    /// Those that are listed, in the order they were found.
    pub fn iter(&self) -> impl Iterator<Item = &Violation> {
        self.listed.iter()
    }

    /// Adds one that concerns the event as a whole.
    pub(super) fn add(&mut self, by: impl Into<Cow<'static, str>>, problem: impl fmt::Display) {
        self.push(by.into(), || None, problem);
    }

    /// Adds one that has a place in the data.
    pub(super) fn add_at(
        &mut self,
        by: impl Into<Cow<'static, str>>,
        place: impl fmt::Display,
        problem: impl fmt::Display,
    ) {
        self.push(by.into(), || Some(shown(place)), problem);
    }

    fn push(
        &mut self,
        by: Cow<'static, str>,
        place: impl FnOnce() -> Option<String>,
        problem: impl fmt::Display,
    ) {
        match self.listed.len() < MOST_LISTED {
            true => self.listed.push(Violation { by, place: place(), problem: shown(problem) }),
            false => self.others += 1,
        }
    }
}

impl fmt::Display for Violations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, violation) in self.listed.iter().enumerate() {
            write!(f, "{}{violation}", if number == 0 { "" } else { "; " })?;
        }
        match self.others {
            0 => Ok(()),
            others => write!(f, "; and {others} more"),
        }
    }
}
