//! How urgent an event is.

use std::fmt;

/// How urgent an event is, in the eyes of its publisher: the lane it takes in each mailbox.
///
/// Within a lane events start in the order they came. `High`, `Normal` and `Deferred` share the starts of a subscription
/// 8 to 4 to 1, so that each of them is served within 13 starts; `Immediate` goes before all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Priority {
    /// Before all else, in 64 places of its own in each mailbox; its publish waits for the first attempts.
    Immediate,
    /// Eight starts in thirteen.
    High,
    /// The usual case: four starts in thirteen.
    #[default]
    Normal,
    /// When there is time: one start in thirteen.
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
