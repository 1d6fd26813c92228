//! What became of the deliveries of one event.

use std::sync::Arc;

use crate::handle::DropReason;

/// What became of one event in one subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settled {
    /// Name of the subscription.
    pub subscription: Arc<str>,
    /// What became of the event there.
    pub settlement: Settlement,
}

/// How a delivery ended, for good.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Settlement {
    /// The event was handled.
    Done,
    /// The handler said that the event was none of its business, or the filter panicked.
    Skipped,
    /// The event failed for good.
    Dead {
        /// Why, for people.
        reason: String,
    },
    /// Another event of its key stands for it, as `debounce` or `throttle` of the subscription say.
    Coalesced,
    /// Its time was over before it started, or before it could be tried again.
    Expired,
    /// The event never started there, or its handler was cancelled.
    Dropped {
        /// Why.
        reason: DropReason,
    },
}
