//! The settings of a bus, and their defaults.

use std::{borrow::Cow, fmt, sync::Arc, time::Duration};

use smol_str::SmolStr;

use crate::{
    accept::Limits,
    bus::Bus,
    dispatch::rules::Rules,
    event::default_source,
    handle::{MOST_BYTES, MOST_EVENTS, Overflow},
    journal::History,
    middleware::{Chains, Layered, Middleware},
    settle::{Failure, Graveyard, IntoOutcome, OnError, tells, tells_async},
};

/// The most events a history can hold; a place for each is there from the start.
const MOST_REMEMBERED: usize = 10_000_000;

/// Why a bus could not be built, or a subscription not be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{setting}` {problem}")]
#[non_exhaustive]
pub struct ConfigError {
    /// The setting, by the name it has in the builder.
    pub setting: &'static str,
    /// What is wrong with it, and what it may be.
    pub problem: Cow<'static, str>,
}

impl ConfigError {
    pub(crate) fn new(setting: &'static str, problem: impl Into<Cow<'static, str>>) -> Self {
        Self { setting, problem: problem.into() }
    }
}

/// Builds a [`Bus`] with settings of its own.
///
/// ```
/// use owlbus::{Bus, Overflow};
///
/// let bus = Bus::builder().source("shop").mailbox(10_000, Overflow::DropOldest).build()?;
/// # Ok::<(), owlbus::config::ConfigError>(())
/// ```
#[derive(Clone)]
#[must_use = "no bus is there until `build` is called"]
pub struct BusBuilder {
    pub(crate) source: SmolStr,
    pub(crate) mailbox: MailboxConfig,
    pub(crate) memory: usize,
    pub(crate) limits: Limits,
    pub(crate) paused: bool,
    pub(crate) shutdown_deadline: Duration,
    pub(crate) timeout: Option<Duration>,
    pub(crate) on_error: Option<OnError>,
    history: (usize, usize),
    middleware: Vec<Arc<Layered>>,
    pub(crate) rules: Rules,
    dead_letters: usize,
    dead_letter_bytes: usize,
    dead_letter_age: Option<Duration>,
}

/// Room of a mailbox, and what happens when there is none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MailboxConfig {
    pub(crate) events: usize,
    pub(crate) bytes: usize,
    pub(crate) overflow: Overflow,
}

impl MailboxConfig {
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        if !(1..=MOST_EVENTS).contains(&self.events) {
            let problem = format!("is {}, and a mailbox has room for 1 to {MOST_EVENTS} events", self.events);
            return Err(ConfigError::new("mailbox", problem));
        }
        if !(1..=MOST_BYTES).contains(&self.bytes) {
            let problem = format!("is {}, and a mailbox has room for 1 to {MOST_BYTES} bytes", self.bytes);
            return Err(ConfigError::new("mailbox_bytes", problem));
        }
        Ok(())
    }
}

impl BusBuilder {
    pub(crate) fn new() -> Self {
        Self {
            source: SmolStr::new_static(default_source()),
            mailbox: MailboxConfig { events: 1024, bytes: 16 << 20, overflow: Overflow::default() },
            memory: 256 << 20,
            limits: Limits::default(),
            paused: false,
            shutdown_deadline: Duration::from_secs(30),
            timeout: Some(Duration::from_secs(5)),
            on_error: None,
            history: (1_000, 16 << 20),
            middleware: Vec::new(),
            rules: Rules::default(),
            dead_letters: 1_000,
            dead_letter_bytes: 16 << 20,
            dead_letter_age: None,
        }
    }

    /// The source of events whose publisher names none. Default: the executable's name.
    pub fn source(mut self, source: impl AsRef<str>) -> Self {
        self.source = source.as_ref().into();
        self
    }

    /// Room of the mailbox of a subscription that says nothing else, in events, and what happens when there is none.
    /// Default: 1,024 events, `Block` for 5 s.
    pub fn mailbox(mut self, events: usize, overflow: Overflow) -> Self {
        self.mailbox.events = events;
        self.mailbox.overflow = overflow;
        self
    }

    /// Room of a mailbox in bytes, beside that in events. Default: 16 MiB.
    pub fn mailbox_bytes(mut self, bytes: usize) -> Self {
        self.mailbox.bytes = bytes;
        self
    }

    /// Bytes all mailboxes may hold together; above it, publishes fail as `Overloaded`. Default: 256 MiB.
    pub fn memory(mut self, bytes: usize) -> Self {
        self.memory = bytes;
        self
    }

    /// Bytes an event may have: data, metadata, and whatever of its fields is long. Default: 1 MiB.
    pub fn event_bytes(mut self, bytes: usize) -> Self {
        self.limits.event_bytes = bytes;
        self
    }

    /// How deep JSON data may be nested. Default: 128.
    pub fn json_depth(mut self, levels: usize) -> Self {
        self.limits.json_depth = levels;
        self
    }

    /// Entries of metadata an event may have. Default: 64.
    pub fn metadata_entries(mut self, entries: usize) -> Self {
        self.limits.metadata_entries = entries;
        self
    }

    /// Bytes of metadata an event may have, as JSON text. Default: 8 KiB.
    pub fn metadata_bytes(mut self, bytes: usize) -> Self {
        self.limits.metadata_bytes = bytes;
        self
    }

    /// Holds delivery until [`Bus::resume`]; events are accepted and wait. Default: the bus is ready when built.
    pub fn paused(mut self) -> Self {
        self.paused = true;
        self
    }

    /// How long a shutdown waits for handlers unless it is told otherwise. Default: 30 s.
    pub fn shutdown_deadline(mut self, deadline: Duration) -> Self {
        self.shutdown_deadline = deadline;
        self
    }

    /// How long one attempt of a handler may take, where its subscription does not say; `None` is as long as it likes.
    /// Default: 5 s.
    pub fn timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.timeout = timeout.into();
        self
    }

    /// Is told of every attempt that failed, in whatever subscription, after the subscription's own. Its own error or panic
    /// is logged and changes nothing.
    pub fn on_error<R: IntoOutcome>(
        mut self,
        on_error: impl Fn(Failure) -> R + Send + Sync + 'static,
    ) -> Self {
        self.on_error = Some(tells(on_error));
        self
    }

    /// As [`on_error`](Self::on_error), for a function that awaits. The worker waits for it before it goes on.
    pub fn on_error_async<F>(mut self, on_error: impl Fn(Failure) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output: IntoOutcome> + Send + 'static,
    {
        self.on_error = Some(tells_async(on_error));
        self
    }

    /// Puts a middleware around the events; see also [`Bus::add_middleware`].
    pub fn middleware(mut self, middleware: impl Middleware) -> Self {
        self.middleware.push(Layered::new(middleware));
        self
    }

    /// Where else events go, and with what; see also [`Bus::set_rules`]. Default: no rules.
    pub fn rules(mut self, rules: Rules) -> Self {
        self.rules = rules;
        self
    }

    /// How many of the events that were published last are kept, and how many bytes of them; the oldest are let go of first.
    /// Default: 1,000 and 16 MiB; 0 keeps none.
    pub fn history(mut self, events: usize, bytes: usize) -> Self {
        self.history = (events, bytes);
        self
    }

    /// How many dead letters are kept, and how many bytes of them; the oldest are let go of first. Default: 1,000 and 16 MiB;
    /// 0 keeps none.
    pub fn dead_letters(mut self, letters: usize, bytes: usize) -> Self {
        self.dead_letters = letters;
        self.dead_letter_bytes = bytes;
        self
    }

    /// How long a dead letter is kept. Default: as long as there is room.
    pub fn dead_letter_age(mut self, age: Duration) -> Self {
        self.dead_letter_age = Some(age);
        self
    }

    /// The middlewares, in order.
    fn chains(&self) -> Result<Chains, ConfigError> {
        let chains = Chains::default();
        for layered in &self.middleware {
            let added = chains.add(Arc::clone(layered));
            added.map_err(|error| ConfigError::new("middleware", format!("is wrong: {error}")))?;
        }
        Ok(chains)
    }

    pub(crate) fn past(&self) -> History {
        let (events, bytes) = self.history;
        History::new(events, bytes)
    }

    pub(crate) fn graveyard(&self) -> Graveyard {
        Graveyard::new(self.dead_letters, self.dead_letter_bytes, self.dead_letter_age)
    }

    /// The bus.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the setting that is wrong.
    pub fn build(self) -> Result<Bus, ConfigError> {
        if self.source.is_empty() {
            return Err(ConfigError::new("source", "is empty; leave it out and it is the executable's name"));
        }
        if self.memory == 0 {
            return Err(ConfigError::new("memory", "is 0, so nothing could ever be published"));
        }
        self.mailbox.check()?;
        if self.history.0 > MOST_REMEMBERED {
            let problem = format!("is {} events, and at most {MOST_REMEMBERED} can be kept", self.history.0);
            return Err(ConfigError::new("history", problem));
        }
        let chains = self.chains()?;
        Ok(Bus::new(self, chains))
    }
}

impl fmt::Debug for BusBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BusBuilder")
            .field("source", &self.source)
            .field("mailbox", &self.mailbox)
            .field("memory", &self.memory)
            .field("limits", &self.limits)
            .field("paused", &self.paused)
            .finish_non_exhaustive()
    }
}

impl Default for BusBuilder {
    fn default() -> Self {
        Self::new()
    }
}
