//! How a subscription is made.

mod kinds;
mod pacing;
mod registration;
mod settings;

use std::time::Duration;

pub use registration::SubscribeError;

use super::{band::Band, batch::Batch, pace::Keep};
use crate::{
    bus::Bus,
    config::MailboxConfig,
    dispatch::{Classify, Filter, OnGap, Transform},
    settle::{OnError, Retry},
    topic::{IntoPatterns, Pattern, TopicError},
};

/// A subscription that is being made: which events, in which order, how many at once, and what if there are too
/// many. Ends in [`handle`](On::handle), [`handle_blocking`](On::handle_blocking), [`inline`](On::inline) or
/// [`stream`](On::stream).
#[must_use = "nothing is subscribed until `handle`, `handle_blocking`, `inline` or `stream` is called"]
pub struct On<'a> {
    bus: &'a Bus,
    patterns: Result<Vec<Pattern>, TopicError>,
    types: Types,
    name: Option<String>,
    filter: Option<Filter>,
    transform: Option<Transform>,
    on_gap: Option<OnGap>,
    once: bool,
    concurrency: Option<usize>,
    by_key: bool,
    batch: Option<Batch>,
    /// Whether the subscription named its band.
    band: Option<Band>,
    band_wait: Option<Duration>,
    debounce: Option<Duration>,
    debounce_at_most: Option<Duration>,
    throttle: Option<(Duration, Keep)>,
    retry: Option<Retry>,
    timeout: Option<Option<Duration>>,
    classify: Option<Classify>,
    on_error: Option<OnError>,
    slow_from: Option<(f64, Duration)>,
    mailbox: MailboxConfig,
    /// What the subscription says about its mailbox, which not every kind of handler has.
    has_mailbox: Option<&'static str>,
}

/// The types a subscription wants.
#[derive(Clone, Copy)]
enum Types {
    /// All of them: the topic decides.
    Any,
    /// These, on whatever topic or on the topics that were named.
    Only(&'static [&'static str]),
    /// Those of the content the handler asks for; every topic where that is no type.
    OfContent,
}

impl<'a> On<'a> {
    pub(crate) fn topics(bus: &'a Bus, patterns: impl IntoPatterns) -> Self {
        Self::new(bus, patterns.into_patterns(), Types::Any)
    }

    pub(crate) fn of_type(bus: &'a Bus) -> Self {
        Self::new(bus, Ok(Vec::new()), Types::OfContent)
    }

    fn new(bus: &'a Bus, patterns: Result<Vec<Pattern>, TopicError>, types: Types) -> Self {
        Self {
            bus,
            patterns,
            types,
            name: None,
            filter: None,
            transform: None,
            on_gap: None,
            once: false,
            concurrency: None,
            by_key: false,
            batch: None,
            band: None,
            band_wait: None,
            debounce: None,
            debounce_at_most: None,
            throttle: None,
            retry: None,
            timeout: None,
            classify: None,
            on_error: None,
            slow_from: None,
            mailbox: bus.core().mailbox,
            has_mailbox: None,
        }
    }
}

impl std::fmt::Debug for On<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("On")
            .field("patterns", &self.patterns)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
