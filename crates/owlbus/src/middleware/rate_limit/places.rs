//! The places of a limiter: a state for each key, as many as there may be, and one for all the others.

use std::{
    collections::HashMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use governor::{
    Quota, RateLimiter,
    clock::Clock,
    middleware::NoOpMiddleware,
    nanos::Nanos,
    state::{StateStore, keyed::ShrinkableKeyedStateStore},
};

use crate::clock::Moment;

/// A limiter by key, on tokio's clock.
pub(super) struct Limiter {
    limiter: RateLimiter<u64, Places, Tokio, NoOpMiddleware<Nanos>>,
    /// The most keys that have a place of their own.
    most: usize,
    /// When those were last looked through that need none any more.
    looked: AtomicU64,
}

/// How often they are looked through, where there is no place left.
const LOOKS: Duration = Duration::from_secs(1);

impl Limiter {
    pub(super) fn new(quota: Quota, most: usize) -> Self {
        let places = Places { most, states: Mutex::default() };
        Self { limiter: RateLimiter::new(quota, places, Tokio), most, looked: AtomicU64::new(0) }
    }

    /// Lets one of a key through, or says how long it would have to wait for that.
    pub(super) fn check(&self, key: u64) -> Result<(), Duration> {
        if self.limiter.len() >= self.most {
            self.make_room();
        }
        self.limiter.check_key(&key).map_err(|until| until.wait_time_from(Tokio.now()))
    }

    /// Forgets the keys whose limit is as if they had never come.
    fn make_room(&self) {
        let (now, looked) = (Moment::now(), self.looked.load(Relaxed));
        let due = now.since(Moment(looked)) >= LOOKS;
        if due && self.looked.compare_exchange(looked, now.0, Relaxed, Relaxed).is_ok() {
            self.limiter.retain_recent();
        }
    }
}

/// Tokio's clock, so that a paused runtime drives it.
#[derive(Clone, Copy)]
struct Tokio;

impl Clock for Tokio {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        Nanos::new(Moment::now().0)
    }
}

struct Places {
    most: usize,
    states: Mutex<States>,
}

#[derive(Default)]
struct States {
    own: HashMap<u64, Nanos>,
    /// What keys share that have no place of their own.
    shared: Option<Nanos>,
}

impl Places {
    fn lock(&self) -> MutexGuard<'_, States> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StateStore for Places {
    type Key = u64;

    fn measure_and_replace<T, F, E>(&self, key: &u64, measure: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let mut states = self.lock();
        if !states.own.contains_key(key) && states.own.len() >= self.most {
            let (said, state) = measure(states.shared)?;
            states.shared = Some(state);
            return Ok(said);
        }
        let (said, state) = measure(states.own.get(key).copied())?;
        states.own.insert(*key, state);
        Ok(said)
    }
}

impl ShrinkableKeyedStateStore<u64> for Places {
    fn retain_recent(&self, drop_below: Nanos) {
        self.lock().own.retain(|_, state| *state > drop_below);
    }

    fn len(&self) -> usize {
        self.lock().own.len()
    }

    fn is_empty(&self) -> bool {
        self.lock().own.is_empty()
    }
}
