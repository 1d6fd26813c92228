//! How much is in a mailbox: a number of events and their bytes, counted in one word.

use std::ops::{AddAssign, Sub, SubAssign};

const EVENT: u32 = 40;

/// The most events and bytes a mailbox can be given room for.
pub(crate) const MOST_EVENTS: usize = (1 << (64 - EVENT)) - 1;
pub(crate) const MOST_BYTES: usize = (1 << EVENT) - 1;

/// Events in the upper 24 bits, bytes in the lower 40.
///
/// Two running totals may each overflow and carry from the bytes into the events: their difference is right all the
/// same as long as what it stands for fits. That lets a worker report a finished event by one addition.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Load(pub(crate) u64);

impl Load {
    pub(crate) const NONE: Load = Load(0);

    /// One event of that many bytes.
    pub(crate) fn of(bytes: usize) -> Self {
        Self(1 << EVENT | bytes.min(MOST_BYTES) as u64)
    }

    pub(crate) fn events(self) -> u64 {
        self.0 >> EVENT
    }

    pub(crate) fn bytes(self) -> u64 {
        self.0 & MOST_BYTES as u64
    }
}

impl AddAssign for Load {
    fn add_assign(&mut self, other: Load) {
        self.0 = self.0.wrapping_add(other.0);
    }
}

impl SubAssign for Load {
    fn sub_assign(&mut self, other: Load) {
        self.0 = self.0.wrapping_sub(other.0);
    }
}

impl Sub for Load {
    type Output = Load;

    fn sub(self, other: Load) -> Load {
        Load(self.0.wrapping_sub(other.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_survive_overflow() {
        let (mut added, mut finished) = (Load::NONE, Load::NONE);
        for round in 0..5_000_u64 {
            let load = Load::of(300_000_000 + round as usize);
            added += load;
            assert_eq!(((added - finished).events(), (added - finished).bytes()), (1, 300_000_000 + round));
            finished += load;
        }
        assert!(added == finished);
    }
}
