//! What the publisher of an event gets to know.

use std::sync::Arc;

use crate::{event::EventId, journal::Seq};

/// What became of an event that was published.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Receipt {
    /// The event's id.
    pub id: EventId,
    /// Its place in the journal.
    pub seq: Seq,
    /// Subscriptions that matched. `None` where the bus does not route the event itself.
    pub matched: Option<usize>,
    /// Names of the subscriptions that had no room, and dropped this event or an older one for it. `None` where the
    /// bus does not route the event itself.
    pub dropped: Option<Vec<Arc<str>>>,
    /// Whether the journal had the event already; a bus in memory never knows.
    pub duplicate: bool,
}
