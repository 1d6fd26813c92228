//! What a middleware's `next` came to, for when the middleware itself does not come back.

use std::sync::{Arc, Mutex, PoisonError};

/// Whether the rest of the way was gone, and what came of it.
pub(super) struct Seen<R>(Arc<Mutex<Went<R>>>);

pub(super) enum Went<R> {
    Not,
    /// It began, and did not end.
    Begun,
    Done(R),
}

impl<R> Clone for Seen<R> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<R> Seen<R> {
    pub(super) fn nothing() -> Self {
        Self(Arc::new(Mutex::new(Went::Not)))
    }

    pub(super) fn set(&self, went: Went<R>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = went;
    }

    pub(super) fn take(&self) -> Went<R> {
        std::mem::replace(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), Went::Not)
    }
}
