//! The check of what a subscription asks for, and its entry into the routes.

use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use super::{
    super::{
        batch::Batch,
        mailbox::{Mailbox, Shape},
        pressure::Marks,
    },
    On, Types,
    kinds::Kind,
};
use crate::{
    bus::Core,
    config::{ConfigError, MailboxConfig},
    dispatch::{Closable, Filter, Subscriber},
    middleware::{Act, Denied, Scope},
    settle::Retry,
    sync::atomic::AtomicBool,
    topic::{Pattern, TopicError},
};

/// Why a subscription could not be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SubscribeError {
    /// The bus was shut down.
    #[error("the bus is closed: nothing more can be subscribed to")]
    Closed,
    /// A pattern is none.
    #[error(transparent)]
    Topic(#[from] TopicError),
    /// A setting is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Another subscription has the name.
    #[error("there is a subscription named `{name}` already; choose another name, or unsubscribe that one")]
    NameTaken {
        /// The name.
        name: String,
    },
    /// Whoever holds the handle may not have these events.
    #[error("{by}: {reason}; subscribe to less, or have it allowed")]
    Denied {
        /// The middleware that denies it.
        by: Arc<str>,
        /// Why.
        reason: String,
    },
    /// There is no tokio runtime to run the handler on.
    #[error("there is no tokio runtime to run the handler on; subscribe, or build the bus, inside of one")]
    NoRuntime,
}

/// The most deliveries of one subscription that may run at once.
const MOST_CONCURRENT: usize = 10_000;

/// How many keys run at once unless the subscription says otherwise.
const KEYS_AT_ONCE: usize = 16;

/// How long an event waits for subscriptions of a higher priority to start on it, unless its subscription says otherwise.
const BAND_WAIT: Duration = Duration::from_secs(1);

/// The pattern of a subscription to everything.
static EVERYTHING: Pattern = Pattern::from_static("**");

impl On<'_> {
    /// Checks the settings and enters the subscription into the routes; gives also its number of workers.
    pub(super) fn register(
        self,
        content: Option<&'static [&'static str]>,
        default_name: &str,
        kind: Kind,
    ) -> Result<(Arc<Subscriber>, usize), SubscribeError> {
        static LAST: AtomicU64 = AtomicU64::new(0);

        let core = self.bus.core();
        self.mailbox.check()?;
        let workers = self.concurrency.unwrap_or(if self.by_key { KEYS_AT_ONCE } else { 1 });
        if !(1..=MOST_CONCURRENT).contains(&workers) {
            let problem = format!("is {workers}, and 1 to {MOST_CONCURRENT} deliveries can run at once");
            return Err(ConfigError::new("concurrency", problem).into());
        }
        if self.slow_from.is_some_and(|(share, _)| !(share > 0.0 && share <= 1.0)) {
            let problem = "has a share of the room that is not above 0 and at most 1; 0.8 is 80 %";
            return Err(ConfigError::new("slow_from", problem).into());
        }
        self.check_batch(&kind)?;
        if let Some(problem) = self.retry.as_ref().and_then(Retry::problem) {
            return Err(ConfigError::new("retry", problem).into());
        }
        if self.name.as_deref().is_some_and(str::is_empty) {
            return Err(ConfigError::new("name", "is empty; leave it out to have one made").into());
        }
        let pace = self.pace()?;
        let mut patterns = self.patterns?;
        let types = match self.types {
            Types::Any => None,
            Types::Only(types) => Some(types),
            Types::OfContent => {
                patterns.extend(content.is_none().then(|| EVERYTHING.clone()));
                content
            }
        };
        // What is asked for by type alone may be under any topic.
        let asked = if patterns.is_empty() { std::slice::from_ref(&EVERYTHING) } else { &patterns };
        for pattern in asked {
            let permitted = core.chains.permits(self.bus.scope(), Act::Subscribe, pattern);
            permitted.map_err(|Denied { by, reason }| SubscribeError::Denied { by, reason })?;
        }
        let filter = match self.bus.scope().cloned() {
            Some(scope) => Some(permitted(core, scope, self.filter)),
            None => self.filter,
        };
        let MailboxConfig { events, bytes, overflow } = self.mailbox;
        let marks = Marks { events: events as u64, bytes: bytes as u64 };
        let shape = Shape { marks, overflow, workers, by_key: self.by_key, pace };
        let mut subscriber = Subscriber {
            id: LAST.fetch_add(1, Relaxed),
            name: self.name.as_deref().map_or_else(|| core.routes.free_name(default_name), Arc::from),
            patterns,
            types,
            filter: Closable::new(filter),
            transform: Closable::new(self.transform),
            on_gap: Closable::new(self.on_gap),
            claimed: self.once.then(AtomicBool::default),
            slow_from: self.slow_from,
            band: self.band.unwrap_or_default().0,
            band_wait: self.band_wait.unwrap_or(BAND_WAIT),
            times_attempts: self.retry.is_some() || self.on_error.is_some() || core.on_error.is_some(),
            retry: self.retry.unwrap_or_default(),
            timeout: self.timeout.unwrap_or(core.timeout),
            classify: Closable::new(self.classify),
            on_error: Closable::new(self.on_error),
            waits: Arc::clone(&core.waits),
            streamed: matches!(kind, Kind::Stream),
            inline: match kind {
                Kind::Inline(inline) => Some(inline),
                Kind::Workers | Kind::Batches(_) | Kind::Stream => None,
            },
            mailbox: Mailbox::new(shape, Arc::clone(&core.pause), Arc::clone(&core.memory)),
            filtered: AtomicU64::new(0),
        };
        loop {
            if core.turnstile.is_closed() {
                return Err(SubscribeError::Closed);
            }
            match core.routes.add(subscriber) {
                // The bus may have closed since it was asked.
                Ok(subscriber) if core.turnstile.is_closed() => {
                    core.routes.remove(&subscriber);
                    return Err(SubscribeError::Closed);
                }
                Ok(subscriber) => return Ok((subscriber, workers)),
                Err(taken) if self.name.is_some() => {
                    return Err(SubscribeError::NameTaken { name: taken.name.to_string() });
                }
                // Somebody else took the name since it was looked for.
                Err(taken) => {
                    subscriber = *taken;
                    subscriber.name = core.routes.free_name(default_name);
                }
            }
        }
    }

    /// Whether batches are for this kind of handler, and can be filled.
    fn check_batch(&self, kind: &Kind) -> Result<(), ConfigError> {
        let refused = |setting, problem: String| Err(ConfigError::new(setting, problem));
        let Kind::Batches(Batch { size, .. }) = *kind else {
            return match self.batch {
                Some(_) => {
                    refused("batch", "is for `handle_batch`, whose handler takes several deliveries".into())
                }
                None => Ok(()),
            };
        };
        let room = self.mailbox.events;
        if size == 0 {
            return refused("batch", "has no events; a batch has at least 1".into());
        }
        if size > room {
            let problem =
                format!("is for {size} events, and the mailbox has room for {room}: make that larger");
            return refused("batch", problem);
        }
        if self.once {
            return refused("once", "is for one event, and a batch is for several; use `handle`".into());
        }
        if self.band.is_some() || self.band_wait.is_some() {
            let problem =
                "lets one event wait for another handler, and would hold up its batch; use `handle`";
            return refused("priority", problem.into());
        }
        Ok(())
    }
}

/// The filter of a subscription that is somebody's: what is denied to him by now is not shown to the rest of it.
fn permitted(core: &Arc<Core>, scope: Scope, filter: Option<Filter>) -> Filter {
    let core = Weak::clone(&core.me);
    Arc::new(move |event| {
        let Some(core) = core.upgrade() else { return false };
        let topic = Pattern::from(event.topic().clone());
        core.chains.permits(Some(&scope), Act::Subscribe, &topic).is_ok()
            && filter.as_ref().is_none_or(|filter| filter(event))
    })
}
