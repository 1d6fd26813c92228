//! `dedup`: an event that comes twice is published once.

mod window;

use std::{
    borrow::Cow,
    fmt,
    future::{Future, poll_fn},
    pin::pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use tokio::time::Instant;
use window::{Bounds, Claim, Mark, Seen, Window};

use super::{AcceptNext, Middleware, Stages};
use crate::{
    accept::{PublishError, Receipt},
    event::Event,
    journal::Seq,
    topic::{IntoPatterns, Pattern, TopicError},
};

/// How long an event waits for the first of its kind, which is on its way.
const PATIENCE: Duration = Duration::from_secs(5);

/// Drops events that were published before, and counts them: see [`MiddlewareInfo::dropped`](super::MiddlewareInfo). Two events
/// are the same where source and id are, or by what [`by_key`](Self::by_key) and [`by`](Self::by) say.
///
/// The publisher goes on: its receipt says [`duplicate`](Receipt::duplicate), and has the place in the journal of the first. An
/// event is remembered from when it has that place (one with a delay, from when it is planned). So one that is refused, dropped
/// or given up on its way in may be published again, and where two come at once the second waits until that is known of the
/// first: for 5 s at most, then it is refused.
///
/// What it remembers is bounded by count, bytes and time, and is in memory: a process that begins anew knows nothing.
///
/// ```
/// use std::time::Duration;
///
/// use owlbus::{Bus, middleware::Dedup};
///
/// let dedup = Dedup::new().on("payment.**")?.events(100_000).time(Duration::from_secs(3600));
/// let bus = Bus::builder().middleware(dedup).build()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "it drops nothing until a bus is given it"]
pub struct Dedup {
    name: Cow<'static, str>,
    priority: i32,
    patterns: Vec<Pattern>,
    by: By,
    bounds: Bounds,
    window: Arc<Window>,
}

/// What makes two events the same.
enum By {
    /// Source and id.
    Id,
    /// Topic and key; events without a key are never the same.
    Key,
    /// What the function says; events it says nothing of are never the same.
    Function(Function),
}

type Function = Box<dyn Fn(&Event) -> Option<String> + Send + Sync>;

impl Dedup {
    /// One that compares source and id.
    pub fn new() -> Self {
        Self {
            name: "dedup".into(),
            priority: 0,
            patterns: Vec::new(),
            by: By::Id,
            bounds: Bounds { events: 10_000, bytes: 16 << 20, time: Some(Duration::from_secs(300)) },
            window: Arc::default(),
        }
    }

    /// Its name. Default: `dedup`.
    pub fn named(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.name = name.into();
        self
    }

    /// Those with a higher one are further out. Default: 0.
    pub fn priority(mut self, priority: i32) -> Self {
        self.priority = priority;
        self
    }

    /// Looks only at what is under these topics. Default: every topic.
    ///
    /// # Errors
    ///
    /// [`TopicError`] where a pattern is none.
    pub fn on(mut self, patterns: impl IntoPatterns) -> Result<Self, TopicError> {
        self.patterns.append(&mut patterns.into_patterns()?);
        Ok(self)
    }

    /// Two events under one topic are the same where their keys are. Events for which no key was set all come through. Default:
    /// source and id.
    pub fn by_key(mut self) -> Self {
        self.by = By::Key;
        self
    }

    /// Two events are the same where this gives the same text. Those for which it gives none all come through. Its panic
    /// refuses the event. Default: source and id.
    pub fn by(mut self, mark: impl Fn(&Event) -> Option<String> + Send + Sync + 'static) -> Self {
        self.by = By::Function(Box::new(mark));
        self
    }

    /// How many events are remembered; the oldest are forgotten first. 0 remembers none. Default: 10,000.
    pub fn events(mut self, events: usize) -> Self {
        self.bounds.events = events;
        self
    }

    /// Bytes that what is remembered may take, beside the number of events. Default: 16 MiB.
    pub fn bytes(mut self, bytes: usize) -> Self {
        self.bounds.bytes = bytes;
        self
    }

    /// How long an event is remembered, from when it was published; its duplicates do not prolong that. `None` is as long as
    /// there is room. Default: 5 minutes.
    pub fn time(mut self, time: impl Into<Option<Duration>>) -> Self {
        self.bounds.time = time.into();
        self
    }

    /// What the event is known by; `None` where it is nobody's duplicate.
    fn mark(&self, event: &Event) -> Option<Mark> {
        if !self.patterns.is_empty() && !self.patterns.iter().any(|one| one.matches(event.topic())) {
            return None;
        }
        match &self.by {
            By::Id => Some(Mark::Id { source: event.source().into(), id: event.id() }),
            // No topic has a line break in it.
            By::Key => {
                event.has_key().then(|| Mark::Text(format!("{}\n{}", event.topic(), event.key()).into()))
            }
            By::Function(mark) => mark(event).map(|text| Mark::Text(text.into())),
        }
    }

    /// Claims a mark, once nobody else has it any more.
    async fn claim(&self, mark: &Mark, next: &AcceptNext) -> Claimed {
        let mut patience = pin!(next.wait_until(Instant::now() + PATIENCE));
        loop {
            let ended = match self.window.look(mark.clone(), &self.bounds) {
                Seen::Never(claim) => return Claimed::Mine(claim),
                Seen::Published(first) => return Claimed::Duplicate(first),
                Seen::Going(ended) => ended,
            };
            let mut ended = pin!(ended);
            let in_time = poll_fn(|cx| match ended.as_mut().poll(cx) {
                Poll::Ready(()) => Poll::Ready(true),
                Poll::Pending => patience.as_mut().poll(cx).map(|_| false),
            });
            if !in_time.await {
                return Claimed::Never;
            }
        }
    }
}

/// What came of a claim.
enum Claimed {
    Mine(Claim),
    Duplicate(Seq),
    /// Whoever has it does not come to an end.
    Never,
}

impl Default for Dedup {
    fn default() -> Self {
        Self::new()
    }
}

impl Middleware for Dedup {
    fn name(&self) -> Cow<'static, str> {
        self.name.clone()
    }

    fn priority(&self) -> i32 {
        self.priority
    }

    fn stages(&self) -> Stages {
        Stages::ACCEPT
    }

    async fn accept(&self, event: Event, next: AcceptNext) -> Result<Receipt, PublishError> {
        let Some(mark) = self.mark(&event) else { return next.run(event).await };
        match self.claim(&mark, &next).await {
            Claimed::Mine(claim) => {
                // It ends with this, whoever still holds what waits to be told.
                let claim = Arc::new(claim);
                let mine = Arc::downgrade(&claim);
                let told = move |seq| _ = mine.upgrade().inspect(|mine| mine.published(seq));
                next.run_told(event, told).await
            }
            Claimed::Duplicate(first) => next.discard_duplicate(event, first),
            Claimed::Never => {
                next.refuse(event, "the same event is still being published; publish it again later")
            }
        }
    }
}

impl fmt::Debug for Dedup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dedup")
            .field("patterns", &self.patterns)
            .field("bounds", &self.bounds)
            .field("remembered", &self.window.len())
            .finish_non_exhaustive()
    }
}
