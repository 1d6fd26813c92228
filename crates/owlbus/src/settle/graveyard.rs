//! Where dead letters are kept.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use super::{Attempt, DeadLetter, DeadLetterId, DeadLetterQuery};
use crate::{
    clock::Moment,
    event::Event,
    handle::{Load, let_go},
};

/// The dead letters of a bus: a bounded number, of which the oldest go first.
pub(crate) struct Graveyard {
    letters: Mutex<Letters>,
    most: usize,
    most_bytes: u64,
    expire: Option<Duration>,
}

#[derive(Default)]
struct Letters {
    kept: BTreeMap<DeadLetterId, (DeadLetter, Load)>,
    bytes: u64,
    last: u64,
    evicted: u64,
    expired: u64,
}

impl Letters {
    fn keep(&mut self, letter: DeadLetter, load: Load) {
        self.bytes += load.bytes();
        self.kept.insert(letter.id, (letter, load));
    }
}

impl Graveyard {
    pub(crate) fn new(most: usize, most_bytes: usize, expire: Option<Duration>) -> Self {
        Self { letters: Mutex::default(), most, most_bytes: most_bytes as u64, expire }
    }

    /// Keeps one, and lets the oldest go where there are too many then.
    pub(crate) fn bury(
        &self,
        event: Event,
        load: Load,
        subscription: Arc<str>,
        reason: String,
        attempts: Vec<Attempt>,
    ) -> DeadLetterId {
        let mut gone = Vec::new();
        let mut letters = self.lock(&mut gone);
        letters.last += 1;
        let id = DeadLetterId(letters.last);
        let (died, since) = (SystemTime::now(), Moment::now());
        let errors = attempts.iter().flat_map(|attempt| &attempt.errors).map(String::len).sum::<usize>();
        let load = Load::of(load.bytes() as usize + reason.len() + errors);
        letters.keep(DeadLetter { id, event, subscription, reason, attempts, died, since }, load);
        self.evict(letters, gone);
        id
    }

    pub(crate) fn list(&self, query: &DeadLetterQuery) -> Vec<DeadLetter> {
        let mut gone = Vec::new();
        let letters = self.lock(&mut gone);
        let list =
            letters.kept.values().map(|(letter, _)| letter).filter(|one| query.means(one)).cloned().collect();
        drop(letters);
        gone.into_iter().for_each(let_go);
        list
    }

    /// Takes those out that are meant, in the order they died.
    pub(crate) fn take(&self, query: &DeadLetterQuery) -> Vec<(DeadLetter, Load)> {
        let mut gone = Vec::new();
        let mut letters = self.lock(&mut gone);
        let ids: Vec<_> =
            letters.kept.iter().filter(|(_, (one, _))| query.means(one)).map(|(id, _)| *id).collect();
        let taken: Vec<_> = ids.into_iter().filter_map(|id| letters.kept.remove(&id)).collect();
        letters.bytes -= taken.iter().map(|(_, load)| load.bytes()).sum::<u64>();
        drop(letters);
        gone.into_iter().for_each(let_go);
        taken
    }

    /// Puts one back that was taken.
    pub(crate) fn put_back(&self, letter: DeadLetter, load: Load) {
        let mut gone = Vec::new();
        let mut letters = self.lock(&mut gone);
        letters.keep(letter, load);
        self.evict(letters, gone);
    }

    /// Lets go of the oldest where there are too many.
    fn evict(&self, mut letters: MutexGuard<'_, Letters>, mut gone: Vec<DeadLetter>) {
        let mut evicted = 0;
        while letters.kept.len() > self.most || letters.bytes > self.most_bytes {
            let Some((_, (letter, load))) = letters.kept.pop_first() else { break };
            letters.bytes -= load.bytes();
            letters.evicted += 1;
            evicted += 1;
            gone.push(letter);
        }
        drop(letters);
        if evicted > 0 {
            tracing::warn!(letters = evicted, "dead letters were let go of for want of room");
        }
        gone.into_iter().for_each(let_go);
    }

    /// How many are kept, and how many were let go of for want of room and of age.
    pub(crate) fn counts(&self) -> (usize, u64, u64) {
        let mut gone = Vec::new();
        let letters = self.lock(&mut gone);
        let counts = (letters.kept.len(), letters.evicted, letters.expired);
        drop(letters);
        gone.into_iter().for_each(let_go);
        counts
    }

    /// The letters, without those that are too old; events hold values of users, so whoever locks drops those later.
    fn lock(&self, gone: &mut Vec<DeadLetter>) -> MutexGuard<'_, Letters> {
        let mut letters = self.letters.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(age) = self.expire else { return letters };
        let now = Moment::now();
        while let Some(first) = letters.kept.first_entry() {
            if now.since(first.get().0.since) < age {
                break;
            }
            let (letter, load) = first.remove();
            letters.bytes -= load.bytes();
            letters.expired += 1;
            gone.push(letter);
        }
        letters
    }
}
