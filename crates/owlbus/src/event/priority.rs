//! How urgent an event is.

use std::fmt;

/// How urgent an event is, in the eyes of its publisher.
///
/// It travels with the event. A bus in memory delivers in the order of publishing whatever the priority.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Priority {
    /// Before all else.
    Immediate,
    /// Ahead of most.
    High,
    /// The usual case.
    #[default]
    Normal,
    /// When there is time.
    Deferred,
}

impl Priority {
    /// The name on a wire and on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Priority::Immediate => "immediate",
            Priority::High => "high",
            Priority::Normal => "normal",
            Priority::Deferred => "deferred",
        }
    }

    /// The priority of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Priority::Immediate, Priority::High, Priority::Normal, Priority::Deferred]
            .into_iter()
            .find(|priority| priority.as_str() == name)
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
