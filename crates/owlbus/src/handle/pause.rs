//! Whether a bus holds delivery.

use tokio::time::Instant;

use crate::sync::{
    Mutex,
    atomic::{AtomicBool, Ordering::SeqCst},
};

/// Read by every mailbox of the bus before anything starts; whoever ends the pause wakes the workers.
#[derive(Default)]
pub(crate) struct Pause {
    held: AtomicBool,
    /// When delivery began again: what waits for something to start has waited since then, not before.
    resumed: Mutex<Option<Instant>>,
}

impl Pause {
    pub(crate) fn new(held: bool) -> Self {
        Self { held: AtomicBool::new(held), resumed: Mutex::new(None) }
    }

    pub(crate) fn is_held(&self) -> bool {
        self.held.load(SeqCst)
    }

    /// Ends the pause; says whether there was one.
    pub(crate) fn resume(&self) -> bool {
        let mut resumed = self.resumed.lock();
        // Noted before anything can start, and not at all where nothing was held.
        if self.is_held() {
            *resumed = Some(Instant::now());
        }
        self.held.swap(false, SeqCst)
    }

    pub(crate) fn hold(&self) {
        self.held.store(true, SeqCst);
    }

    /// When delivery began again, where it ever stood still.
    pub(crate) fn resumed(&self) -> Option<Instant> {
        *self.resumed.lock()
    }
}
