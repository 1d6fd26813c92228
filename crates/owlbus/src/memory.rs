//! The memory all mailboxes of a bus may hold together.

use std::sync::Arc;

use crate::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Bytes held by the mailboxes of one bus, and how many may be.
pub(crate) struct Memory {
    limit: u64,
    held: AtomicU64,
}

impl Memory {
    pub(crate) fn new(limit: u64) -> Self {
        Self { limit, held: AtomicU64::new(0) }
    }

    /// Whether nothing more may be accepted.
    pub(crate) fn is_full(&self) -> bool {
        self.held.load(Relaxed) >= self.limit
    }

    pub(crate) fn held(&self) -> u64 {
        self.held.load(Relaxed)
    }

    pub(crate) fn limit(&self) -> u64 {
        self.limit
    }
}

/// What one mailbox holds, as far as the bus was told.
///
/// It tells the bus in steps, so that the shared counter is touched once in many events. The bus never thinks a mailbox
/// holds less than it does. It may think it holds more, until a worker finds nothing to do: that is when what became
/// less is told.
pub(crate) struct Grant {
    memory: Arc<Memory>,
    granted: u64,
}

/// How far ahead the bus is told, in bytes: little enough for 65,536 mailboxes to be ahead in the memory of a bus.
const STEP: u64 = 4 << 10;

impl Grant {
    pub(crate) fn new(memory: Arc<Memory>) -> Self {
        Self { memory, granted: 0 }
    }

    /// Whether the bus was told of that many bytes, or more.
    pub(crate) fn covers(&self, bytes: u64) -> bool {
        bytes <= self.granted
    }

    /// Tells the bus that the mailbox holds `bytes`, where it was told of less.
    pub(crate) fn cover(&mut self, bytes: u64) {
        if !self.covers(bytes) {
            self.set(bytes + STEP);
        }
    }

    /// Tells the bus that the mailbox holds no more than `bytes`.
    pub(crate) fn settle(&mut self, bytes: u64) {
        if bytes < self.granted {
            self.set(bytes);
        }
    }

    fn set(&mut self, granted: u64) {
        self.memory.held.fetch_add(granted.wrapping_sub(self.granted), Relaxed);
        self.granted = granted;
    }
}

impl Drop for Grant {
    fn drop(&mut self) {
        self.set(0);
    }
}
