//! Why a publish failed.

use std::{fmt, sync::Arc};

use crate::{
    event::{Escaped, Event},
    settle::Cycle,
};

/// Why a publish failed. The event comes back with it: nobody got it, and it is in no journal.
#[derive(Clone, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// A subscription that refuses rather than drops has no room; or, where the publisher does not wait, one that blocks.
    #[error("{event} was not published: the mailbox of `{subscription}` is full; publish it again later")]
    Full {
        /// The event.
        event: Event,
        /// Name of the subscription.
        subscription: Arc<str>,
    },
    /// The bus was shut down.
    #[error("{event} was not published: the bus is closed")]
    Closed {
        /// The event.
        event: Event,
    },
    /// The event may not be published as it is.
    #[error("{event} was not published: {by}: {reason}")]
    Rejected {
        /// The event.
        event: Event,
        /// Who refused it: `event` (a field that was set wrong), `limits`, `topics`, or the name of a middleware or a rule.
        by: Arc<str>,
        /// Why, and what to do.
        reason: Arc<str>,
    },
    /// The mailboxes of the bus hold as much memory as they may.
    #[error(
        "{event} was not published: events that wait hold {held} of {limit} bytes; \
         speed the subscriptions up, or raise `memory` of the bus"
    )]
    Overloaded {
        /// The event.
        event: Event,
        /// Bytes held.
        held: u64,
        /// Bytes that may be held.
        limit: u64,
    },
    /// The publish would have made handlers wait for each other for ever, or is the 17th inside one another.
    #[error("{event} was not published: {}", Cycle { path: path.clone() })]
    Cycle {
        /// The event.
        event: Event,
        /// Names of the subscriptions that would wait for each other, or whose code publishes inside one another.
        path: Vec<Arc<str>>,
    },
}

impl PublishError {
    pub(crate) fn rejected(event: Event, by: &str, reason: impl fmt::Display) -> Self {
        Self::Rejected { event, by: by.into(), reason: Escaped(reason).to_string().into() }
    }

    /// The same of another event.
    pub(crate) fn about(mut self, other: Event) -> Self {
        match &mut self {
            Self::Full { event, .. }
            | Self::Closed { event }
            | Self::Rejected { event, .. }
            | Self::Overloaded { event, .. }
            | Self::Cycle { event, .. } => *event = other,
        }
        self
    }

    /// The event that was not published.
    #[must_use]
    pub fn event(&self) -> &Event {
        match self {
            Self::Full { event, .. }
            | Self::Closed { event }
            | Self::Rejected { event, .. }
            | Self::Overloaded { event, .. }
            | Self::Cycle { event, .. } => event,
        }
    }

    /// The event that was not published, back.
    #[must_use]
    pub fn into_event(self) -> Event {
        match self {
            Self::Full { event, .. }
            | Self::Closed { event }
            | Self::Rejected { event, .. }
            | Self::Overloaded { event, .. }
            | Self::Cycle { event, .. } => event,
        }
    }
}

impl fmt::Debug for PublishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublishError({self})")
    }
}
