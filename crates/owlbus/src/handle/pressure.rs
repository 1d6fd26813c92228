//! How full a mailbox is, and the marks at which it says so.

use super::load::Load;

/// How full a mailbox is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Level {
    /// Less than 80 % of the room is taken; after `High` and `Full`, less than half.
    #[default]
    Normal,
    /// At least 80 % of the room is taken, in events or in bytes.
    High,
    /// There is no room; after that, less than a fifth of it is free.
    Full,
}

impl Level {
    /// The name in stats, on the command line and on wires.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Level::Normal => "normal",
            Level::High => "high",
            Level::Full => "full",
        }
    }
}

/// The room of a mailbox, and the marks in it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Marks {
    pub(crate) events: u64,
    pub(crate) bytes: u64,
}

impl Marks {
    /// Whether one more event of that load has room beside `load`. One that alone is larger than the mailbox fits
    /// when that is empty: it would else never.
    pub(crate) fn room(&self, load: Load, more: Load) -> bool {
        load.events() < self.events && (load.bytes() + more.bytes() <= self.bytes || load == Load::NONE)
    }

    /// Whether `load` is at the 80 % mark or above.
    pub(crate) fn high(&self, load: Load) -> bool {
        load.events() * 5 >= self.events * 4 || load.bytes() * 5 >= self.bytes * 4
    }

    /// Share of the room that is taken, from 0 to 1; above 1 only for one event larger than the mailbox.
    pub(crate) fn ratio(&self, load: Load) -> f64 {
        (load.events() as f64 / self.events as f64).max(load.bytes() as f64 / self.bytes as f64)
    }

    /// The level `load` stands for, after `before`. What was full is so until a fifth of the room is free, and what
    /// was high until half of it is, so that a mailbox at a mark does not cross it with every event.
    pub(crate) fn level(&self, load: Load, before: Level) -> Level {
        let full = load.events() >= self.events || load.bytes() >= self.bytes;
        if full || (before == Level::Full && self.high(load)) {
            Level::Full
        } else if self.high(load) || (before > Level::Normal && self.ratio(load) >= 0.5) {
            Level::High
        } else {
            Level::Normal
        }
    }
}
