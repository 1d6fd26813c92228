//! Under the model checker, which tries the orders threads can run in.

use std::sync::PoisonError;

pub(crate) use shuttle::{
    sync::{MutexGuard, atomic},
    thread_local,
};

/// A mutex that cannot be poisoned.
#[derive(Default)]
pub(crate) struct Mutex<T>(shuttle::sync::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(shuttle::sync::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lets threads run in a thousand orders, or in as many as `OWLBUS_MODEL_ITERATIONS` says: half of them by chance, half
/// with few changes of turn, which finds the bugs that need a few of them in the right places.
///
/// A thread that nobody wakes ends the model, as does a failed assertion; the order is printed and can be replayed.
#[cfg(test)]
pub(crate) fn explore(model: impl Fn() + Clone + Send + Sync + 'static) {
    let orders =
        std::env::var("OWLBUS_MODEL_ITERATIONS").map_or(1_000, |text| text.parse().expect("a number"));
    shuttle::check_random(model.clone(), orders / 2);
    shuttle::check_pct(model, orders / 2, 3);
}
