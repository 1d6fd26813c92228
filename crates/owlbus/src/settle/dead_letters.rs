//! Events that failed for good, kept so that they can be looked at and sent again.

use std::{
    borrow::Cow,
    collections::{HashSet, VecDeque},
    fmt,
    sync::Arc,
    time::SystemTime,
};

use super::Attempt;
use crate::{
    accept,
    bus::Core,
    clock::Moment,
    event::{Escaped, Event},
    handle::{Load, Offer, Queued},
    middleware::{Act, Scope},
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
    pub(super) since: Moment,
}

/// The number of a dead letter; later ones have higher numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeadLetterId(pub(super) u64);

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
    /// Those that whoever asks may do that with.
    among: Option<HashSet<DeadLetterId>>,
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

    pub(super) fn means(&self, letter: &DeadLetter) -> bool {
        let says = |text: &String| {
            let errors = letter.attempts.iter().flat_map(|attempt| &attempt.errors);
            errors.chain([&letter.reason]).any(|error| error.contains(text))
        };
        self.id.is_none_or(|id| letter.id == id)
            && self.among.as_ref().is_none_or(|among| among.contains(&letter.id))
            && self.subscription.as_ref().is_none_or(|name| **name == *letter.subscription)
            && (self.topics.is_empty() || self.topics.iter().any(|one| one.matches(letter.event.topic())))
            && self.after.is_none_or(|after| letter.died >= after)
            && self.before.is_none_or(|before| letter.died < before)
            && self.error.as_ref().is_none_or(says)
    }
}

/// The dead letters of a bus in memory: from [`Bus::dead_letters`](crate::Bus::dead_letters).
///
/// A bounded number is kept; when there are more, the oldest are let go of, counted and logged.
pub struct DeadLetters<'a> {
    core: &'a Core,
    /// Whose handle they were asked of.
    scope: Option<Scope>,
}

impl<'a> DeadLetters<'a> {
    pub(crate) fn new(core: &'a Core, scope: Option<Scope>) -> Self {
        Self { core, scope }
    }

    /// What is meant, as far as whoever asks may do that with it: the others are not there for him.
    fn permitted<'q>(&self, query: &'q DeadLetterQuery, act: Act) -> Cow<'q, DeadLetterQuery> {
        if self.scope.is_none() {
            return Cow::Borrowed(query);
        }
        let may = |letter: &DeadLetter| {
            let topic = Pattern::from(letter.event.topic().clone());
            self.core.chains.permits(self.scope.as_ref(), act, &topic).is_ok()
        };
        let letters = self.core.graveyard.list(query).into_iter().filter(may);
        let among = letters.map(|letter| letter.id).collect();
        Cow::Owned(DeadLetterQuery { among: Some(among), ..query.clone() })
    }

    /// Those that are meant, in the order they died.
    #[must_use]
    pub fn list(&self, query: &DeadLetterQuery) -> Vec<DeadLetter> {
        self.core.graveyard.list(&self.permitted(query, Act::Query))
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
        let mut letters = Unsent {
            core: self.core,
            letters: self.core.graveyard.take(&self.permitted(query, Act::Redrive)).into(),
        };
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
        self.core.graveyard.take(&self.permitted(query, Act::Redrive)).len()
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
