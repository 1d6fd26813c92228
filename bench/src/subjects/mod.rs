//! What is compared: each carries the ticks of some publishers to some handlers, and gives how many a second.
//!
//! The clock runs from before the first publisher is spawned to when the last handler is done. Whoever carries ends
//! in its own way: a bus is shut down, a channel is closed; both mean that everything sent was handled.

use std::ops::Range;

pub(crate) mod broadcast;
pub(crate) mod calls;
pub(crate) mod jaeb;
pub(crate) mod mpsc;
pub(crate) mod owlbus;

/// Room in a mailbox or a channel.
pub(crate) const ROOM: usize = 1024;

/// Who sends to whom.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) publishers: u64,
    /// Each of them gets every tick.
    pub(crate) handlers: u64,
    /// All publishers together.
    pub(crate) ticks: u64,
}

impl Shape {
    /// The numbers of the ticks each publisher sends.
    pub(crate) fn shares(self) -> impl Iterator<Item = Range<u64>> {
        let start = move |publisher| self.ticks * publisher / self.publishers;
        (0..self.publishers).map(move |publisher| start(publisher)..start(publisher + 1))
    }

    pub(crate) fn deliveries(self) -> u64 {
        self.ticks * self.handlers
    }
}

#[cfg(test)]
mod tests {
    use super::Shape;

    #[test]
    fn the_shares_of_the_publishers_are_all_ticks() {
        for ticks in [0, 3, 4, 1_000_003] {
            let shares: Vec<_> = Shape { publishers: 4, handlers: 1, ticks }.shares().collect();
            assert_eq!(shares.len(), 4);
            assert_eq!((shares[0].start, shares[3].end), (0, ticks));
            assert!(shares.windows(2).all(|pair| pair[0].end == pair[1].start));
        }
    }
}
