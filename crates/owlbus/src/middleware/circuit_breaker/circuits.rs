//! The circuits of all subscriptions, and the attempts that go through them.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak},
};

use tokio::time::Instant;

use super::circuit::{Circuit, CircuitState, Pass, Refused, Settings, Turn, Went};
use crate::{
    dispatch::{Subscriber, SubscriberId},
    handle::{Subscription, let_go},
    own_events,
};

/// A circuit for each subscription that had an attempt.
#[derive(Default)]
pub(super) struct Circuits(RwLock<All>);

#[derive(Default)]
struct All {
    circuits: HashMap<SubscriberId, Entry>,
    /// From how many on those are looked for whose subscription has ended.
    crowded: usize,
}

#[derive(Clone)]
struct Entry {
    subscriber: Weak<Subscriber>,
    circuit: Arc<Mutex<Circuit>>,
}

/// Whether a subscription has not ended.
fn lives(subscriber: &Subscriber) -> bool {
    subscriber.mailbox.closed_for().is_none()
}

/// A circuit, as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CircuitInfo {
    /// Name of the subscription.
    pub subscription: Arc<str>,
    /// What it is. One that is open is half open with the first attempt after its time.
    pub state: CircuitState,
    /// How many of the attempts in the window failed; 0 unless it is closed.
    pub failed: usize,
    /// How many attempts are in the window; 0 unless it is closed.
    pub attempts: usize,
    /// How many attempts were not made because of it, so far.
    pub refused: u64,
}

impl Circuits {
    fn of(&self, subscriber: &Arc<Subscriber>) -> Arc<Mutex<Circuit>> {
        let known = |all: &All| Some(Arc::clone(&all.circuits.get(&subscriber.id)?.circuit));
        if let Some(circuit) = known(&self.0.read().unwrap_or_else(PoisonError::into_inner)) {
            return circuit;
        }
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(circuit) = known(&all) {
            return circuit;
        }
        let mut met = Vec::new();
        if all.circuits.len() >= all.crowded {
            all.circuits.retain(|_, entry| {
                let subscriber = entry.subscriber.upgrade();
                let stays = subscriber.as_deref().is_some_and(lives);
                met.extend(subscriber);
                stays
            });
            all.crowded = (2 * all.circuits.len()).max(16);
        }
        let circuit = Arc::new(Mutex::new(Circuit::new()));
        let entry = Entry { subscriber: Arc::downgrade(subscriber), circuit: Arc::clone(&circuit) };
        all.circuits.insert(subscriber.id, entry);
        drop(all);
        // Some of them may have been held by nobody else any more, and hold values of users.
        let_go(met);
        circuit
    }

    pub(super) fn list(&self, settings: &Settings) -> Vec<CircuitInfo> {
        let all: Vec<Entry> =
            self.0.read().unwrap_or_else(PoisonError::into_inner).circuits.values().cloned().collect();
        let now = Instant::now();
        let each = |entry: Entry| {
            let subscriber = entry.subscriber.upgrade().filter(|subscriber| lives(subscriber))?;
            let subscription = Arc::clone(&subscriber.name);
            let mut circuit = lock(&entry.circuit);
            let (failed, attempts) = circuit.failed(now, settings);
            let (state, refused) = (circuit.state(), circuit.refused());
            Some(CircuitInfo { subscription, state, failed, attempts, refused })
        };
        let mut list: Vec<_> = all.into_iter().filter_map(each).collect();
        list.sort_by(|one, other| one.subscription.cmp(&other.subscription));
        list
    }
}

/// An attempt that goes through a circuit. Where it is cut off, it took too long.
pub(super) struct Attempt {
    subscription: Subscription,
    circuit: Arc<Mutex<Circuit>>,
    settings: Settings,
    began: Instant,
    pass: Option<Pass>,
}

impl Attempt {
    pub(super) fn begin(
        circuits: &Circuits,
        settings: &Settings,
        subscription: Subscription,
    ) -> Result<Self, Refused> {
        let circuit = circuits.of(subscription.subscriber());
        let began = Instant::now();
        let (entered, turn) = lock(&circuit).enter(began, settings);
        tell(&subscription, turn);
        let pass = Some(entered?);
        Ok(Self { subscription, circuit, settings: *settings, began, pass })
    }

    pub(super) fn end(mut self, went: Went) {
        // What a blocking handler says after its time counts for nobody.
        let limit = self.subscription.subscriber().timeout;
        let late = limit.is_some_and(|limit| self.began.elapsed() > limit);
        self.over(if late { Went::Wrong } else { went });
    }

    fn over(&mut self, went: Went) {
        let Some(pass) = self.pass.take() else { return };
        let turn = lock(&self.circuit).leave(pass, went, Instant::now(), &self.settings);
        tell(&self.subscription, turn);
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        // A panic is of the kind that is permanent.
        self.over(if std::thread::panicking() { Went::Neither } else { Went::Wrong });
    }
}

fn lock(circuit: &Mutex<Circuit>) -> MutexGuard<'_, Circuit> {
    circuit.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Tells that a circuit turned. No lock is held: whoever hears it may be in this thread.
fn tell(subscription: &Subscription, turn: Option<Turn>) {
    if let Some(turn) = turn {
        own_events::circuit(subscription.core(), subscription.subscriber(), turn);
    }
}
