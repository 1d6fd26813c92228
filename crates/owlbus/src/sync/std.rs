//! The real thing.

use std::sync::PoisonError;

pub(crate) use std::{
    sync::{MutexGuard, atomic},
    thread_local,
};

/// A mutex that cannot be poisoned.
#[derive(Default)]
pub(crate) struct Mutex<T>(std::sync::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(std::sync::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
