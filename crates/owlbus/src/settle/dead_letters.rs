//! Events that failed for good, kept so that they can be looked at and sent again.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use super::Attempt;
use crate::{
    accept,
    bus::Core,
    clock::Moment,
    event::{Escaped, Event},
    handle::{Load, Offer, Queued, let_go},
    topic::Pattern,
};

/// An event that failed for good in one subscription.
#[derive(Clone)]
#[non_exhaustive]
pub struct DeadLetter {
    /// Its number, the same for as long as it is kept.
    pub id: DeadLetterId,
    /// The event, as it was published.
    pub event: Event,
    /// Name of the subscription.
    pub subscription: Arc<str>,
    /// Why, for people.
    pub reason: String,
    /// Every attempt, the first one first.
    pub attempts: Vec<Attempt>,
    /// When it failed for good.
    pub died: SystemTime,
    since: Moment,
}

/// The number of a dead letter; later ones have higher numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeadLetterId(u64);

impl fmt::Display for DeadLetterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for DeadLetter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadLetter")
            .field("id", &self.id)
            .field("event", &self.event)
            .field("subscription", &self.subscription)
            .field("attempts", &self.attempts.len())
            .finish_non_exhaustive()
    }
}

/// Which dead letters are meant: all of them, or those that agree with everything that is said.
///
/// ```
/// use owlbus::settle::DeadLetterQuery;
///
/// let query = DeadLetterQuery::all().subscription("invoices").error("timed out");
/// # let _ = query;
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "it does nothing until it is given to `list`, `redrive` or `discard`"]
pub struct DeadLetterQuery {
    subscription: Option<String>,
    topics: Vec<Pattern>,
    after: Option<SystemTime>,
    before: Option<SystemTime>,
    error: Option<String>,
    id: Option<DeadLetterId>,
}

impl DeadLetterQuery {
    /// All of them.
    pub fn all() -> Self {
        Self::default()
    }

    /// The one with this number.
    pub fn id(id: DeadLetterId) -> Self {
        Self { id: Some(id), ..Self::default() }
    }

    /// Those of the subscription of this name.
    pub fn subscription(mut self, name: impl Into<String>) -> Self {
        self.subscription = Some(name.into());
        self
    }

    /// Those on topics a pattern matches; several patterns take what any of them matches.
    pub fn topic(mut self, pattern: Pattern) -> Self {
        self.topics.push(pattern);
        self
    }

    /// Those that died at this time or later.
    pub fn since(mut self, time: SystemTime) -> Self {
        self.after = Some(time);
        self
    }

    /// Those that died before this time.
    pub fn before(mut self, time: SystemTime) -> Self {
        self.before = Some(time);
        self
    }

    /// Those in whose reason or errors this text occurs.
    pub fn error(mut self, text: impl Into<String>) -> Self {
        self.error = Some(text.into());
        self
    }

    fn means(&self, letter: &DeadLetter) -> bool {
        let says = |text: &String| {
            let errors = letter.attempts.iter().flat_map(|attempt| &attempt.errors);
            errors.chain([&letter.reason]).any(|error| error.contains(text))
        };
        self.id.is_none_or(|id| letter.id == id)
            && self.subscription.as_ref().is_none_or(|name| **name == *letter.subscription)
            && (self.topics.is_empty() || self.topics.iter().any(|one| one.matches(letter.event.topic())))
            && self.after.is_none_or(|after| letter.died >= after)
            && self.before.is_none_or(|before| letter.died < before)
            && self.error.as_ref().is_none_or(says)
    }
}

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

/// The dead letters of a bus in memory: from [`Bus::dead_letters`](crate::Bus::dead_letters).
///
/// A bounded number is kept; when there are more, the oldest are let go of, counted and logged.
pub struct DeadLetters<'a> {
    core: &'a Core,
}

impl<'a> DeadLetters<'a> {
    pub(crate) fn new(core: &'a Core) -> Self {
        Self { core }
    }

    /// Those that are meant, in the order they died.
    #[must_use]
    pub fn list(&self, query: &DeadLetterQuery) -> Vec<DeadLetter> {
        self.core.graveyard.list(query)
    }

    /// The one with this number; `None` where it is not kept any more.
    #[must_use]
    pub fn get(&self, id: DeadLetterId) -> Option<DeadLetter> {
        self.list(&DeadLetterQuery::id(id)).pop()
    }

    /// How many are kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.core.graveyard.counts().0
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many were let go of because there were too many.
    #[must_use]
    pub fn evicted(&self) -> u64 {
        self.core.graveyard.counts().1
    }

    /// How many were let go of because they were too old.
    #[must_use]
    pub fn expired(&self) -> u64 {
        self.core.graveyard.counts().2
    }

    /// Sends those that are meant once more to the subscription they failed in, and to no other, in the order they died.
    /// Each is a new delivery, with all its attempts. Gives their number.
    ///
    /// # Errors
    ///
    /// [`RedriveError`] at the first that cannot be sent; it and those after it are kept.
    pub fn redrive(&self, query: &DeadLetterQuery) -> Result<usize, RedriveError> {
        self.redrive_edited(query, |event| event)
    }

    /// As [`redrive`](Self::redrive), each as `edit` gives it. What is edited is an event of its own; give it the id
    /// of the one it stands for where it is to count as the same.
    ///
    /// # Errors
    ///
    /// As [`redrive`](Self::redrive).
    pub fn redrive_edited(
        &self,
        query: &DeadLetterQuery,
        edit: impl Fn(Event) -> Event,
    ) -> Result<usize, RedriveError> {
        let mut letters = Unsent { core: self.core, letters: self.core.graveyard.take(query).into() };
        let mut sent = 0;
        while let Some((letter, _)) = letters.letters.front() {
            let event = edit(letter.event.clone()).in_place_of(&letter.event.place());
            // Whatever it was edited to, it is weighed as an event that is published.
            let load = Load::of(event.weight(event.bytes_of_it()));
            self.send(&letter.subscription, event, load)?;
            letters.letters.pop_front();
            sent += 1;
        }
        Ok(sent)
    }

    /// Lets go of those that are meant. Gives their number.
    pub fn discard(&self, query: &DeadLetterQuery) -> usize {
        self.core.graveyard.take(query).len()
    }

    fn send(&self, name: &Arc<str>, event: Event, load: Load) -> Result<(), RedriveError> {
        let gone = || RedriveError::NoSubscription { name: Arc::clone(name) };
        let subscriber = self.core.routes.named(name).ok_or_else(gone)?;
        if subscriber.inline.is_some() {
            return Err(RedriveError::Inline { name: Arc::clone(name) });
        }
        accept::check(self.core, &event, event.bytes_of_it())
            .map_err(|error| RedriveError::Rejected { reason: error.to_string().into() })?;
        match subscriber.mailbox.reserve(load, event.priority()) {
            Offer::Queued => {}
            Offer::Closed => return Err(gone()),
            _ => return Err(RedriveError::Full { name: Arc::clone(name) }),
        }
        let (lane, queued) = (event.priority(), Queued::new(event, load));
        // One that is for one event has it.
        if !subscriber.claim() {
            subscriber.mailbox.release(load, lane);
            return Err(gone());
        }
        match subscriber.mailbox.redeem(load, lane, || queued).0 {
            Offer::Closed => Err(gone()),
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for DeadLetters<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadLetters").field("len", &self.len()).finish_non_exhaustive()
    }
}

/// Letters that were taken to be sent; what is not sent goes back.
struct Unsent<'a> {
    core: &'a Core,
    letters: VecDeque<(DeadLetter, Load)>,
}

impl Drop for Unsent<'_> {
    fn drop(&mut self) {
        for (letter, load) in self.letters.drain(..) {
            self.core.graveyard.put_back(letter, load);
        }
    }
}

/// Why dead letters could not be sent again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RedriveError {
    /// Nobody of that name subscribes any more.
    #[error(
        "the subscription `{}` is gone; subscribe under that name again, or discard the dead letter",
        Escaped(name)
    )]
    NoSubscription {
        /// The name.
        name: Arc<str>,
    },
    /// It runs in the publisher, and keeps nothing.
    #[error(
        "`{}` is an inline handler, and gets events from publishers only; publish the event again",
        Escaped(name)
    )]
    Inline {
        /// The name.
        name: Arc<str>,
    },
    /// The event may not be sent as it is.
    #[error("{reason}")]
    Rejected {
        /// Why, and what to do.
        reason: Arc<str>,
    },
    /// Its mailbox has no room.
    #[error("the mailbox of `{}` is full; redrive again when it has room", Escaped(name))]
    Full {
        /// Name of the subscription.
        name: Arc<str>,
    },
}
