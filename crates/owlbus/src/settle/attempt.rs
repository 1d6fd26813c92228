//! What is remembered of an attempt that failed.

use std::time::{Duration, SystemTime};

use super::{ErrorKind, HandlerError};

/// An attempt that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Attempt {
    /// Its number, counted from 1.
    pub number: u32,
    /// When it began, by the calendar of this machine.
    pub started: SystemTime,
    /// How long it took.
    pub duration: Duration,
    /// Whether another attempt made sense.
    pub kind: ErrorKind,
    /// The error, and everything that caused it, the outermost first.
    pub errors: Vec<String>,
}

impl Attempt {
    pub(crate) fn failed(number: u32, duration: Duration, error: &HandlerError) -> Self {
        let now = SystemTime::now();
        Self {
            number,
            started: now.checked_sub(duration).unwrap_or(now),
            duration,
            kind: error.kind(),
            errors: error.sentences(),
        }
    }
}
