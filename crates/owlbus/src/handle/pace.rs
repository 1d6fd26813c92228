//! How a subscription thins out the events of a key: debounce and throttle.

use std::time::Duration;

/// Which event of a key [`throttle`](super::On::throttle) lets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Keep {
    /// The first, at once; what comes within the time after it is left out.
    First,
    /// The latest, at the end of the time, which begins with the first.
    Latest,
}

/// Which events of a key a mailbox takes, and when.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pace {
    /// One, and no other for so long.
    First { within: Duration },
    /// The latest, when no other has come for so long; where there is a longest wait, no later than that after the first.
    Latest { quiet: Duration, longest: Option<Duration> },
}
