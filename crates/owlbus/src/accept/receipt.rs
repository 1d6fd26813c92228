//! What the publisher of an event gets to know.

use std::{
    fmt,
    future::{Future, poll_fn},
    ops::Deref,
    pin::pin,
    sync::Arc,
    task::Poll,
    time::SystemTime,
};

use smol_str::SmolStr;

use crate::{
    bus::Bus,
    event::EventId,
    handle::{Origin, origin},
    journal::Seq,
    settle::{Cycle, Settled, Tracker},
    waits::{On, Waits},
};

/// What became of an event that was published.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Receipt {
    /// The event's id.
    pub id: EventId,
    /// Its place in the journal; of an event with a delay, that before the first until it is due.
    pub seq: Seq,
    /// Subscriptions that matched. `None` where the bus does not route the event itself, or not yet.
    pub matched: Option<usize>,
    /// Names of the subscriptions that had no room, and dropped this event, a copy a rule made of it, or an older one for it. `None` where the
    /// bus does not route the event itself.
    pub dropped: Option<Vec<Arc<str>>>,
    /// Names of the subscriptions whose first attempt at an `Immediate` event had not ended when its publisher stopped
    /// waiting. Empty for any other event: nobody waits for those.
    pub unfinished: Vec<Arc<str>>,
    /// When an event with a delay is published; its place and its subscriptions are decided then.
    pub due: Option<SystemTime>,
    /// Whether it was published before: nobody gets it again. Known where the journal removes duplicates, or a
    /// [`Dedup`](crate::middleware::Dedup) does; a journal in memory does not.
    pub duplicate: bool,
    /// Name of the middleware or the rule that dropped the event: nobody gets it, and it is in no journal.
    pub discarded_by: Option<Arc<str>>,
}

/// What the publisher of a tracked event gets to know: the [`Receipt`], and later what became of every delivery.
pub struct Tracked {
    receipt: Receipt,
    tracker: Arc<Tracker>,
    /// Which handlers wait for which. The bus itself is not held: it may end while this waits.
    waits: Arc<Waits>,
    /// The handler that published it.
    origin: Option<Box<Origin>>,
    key: SmolStr,
}

impl Tracked {
    pub(super) fn new(receipt: Receipt, tracker: Arc<Tracker>, bus: &Bus, key: SmolStr) -> Self {
        Self { receipt, tracker, waits: Arc::clone(&bus.core().waits), origin: bus.origin(), key }
    }

    pub(crate) fn tracker(&self) -> &Arc<Tracker> {
        &self.tracker
    }

    /// The receipt alone.
    #[must_use]
    pub fn into_receipt(self) -> Receipt {
        self.receipt
    }

    /// Waits until every subscription has settled the event, and gives what became of it in each: inline handlers
    /// first, then by band, in it in the order they were subscribed. Those that did not want it after all are left out.
    ///
    /// There is no time after which it gives up; put one around it where you need one. Cancel safe.
    ///
    /// # Errors
    ///
    /// [`Cycle`] where this is awaited in a handler, and one of those that it waits for waits for that handler in turn.
    pub async fn settled(&self) -> Result<Vec<Settled>, Cycle> {
        let on = On { tracker: Some(Arc::clone(&self.tracker)), key: self.key.clone(), ..On::default() };
        let origin = origin().or_else(|| self.origin.clone()).filter(|origin| origin.runs());
        let waiting = origin.map(|origin| self.waits.begin(&origin, on)).transpose()?;
        let mut settled = pin!(self.tracker.settled());
        poll_fn(|cx| {
            if let Poll::Ready(settled) = settled.as_mut().poll(cx) {
                return Poll::Ready(Ok(settled));
            }
            waiting.as_ref().map_or(Poll::Pending, |waiting| waiting.poll_cycle(cx).map(Err))
        })
        .await
    }
}

impl Deref for Tracked {
    type Target = Receipt;

    fn deref(&self) -> &Receipt {
        &self.receipt
    }
}

impl fmt::Debug for Tracked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tracked").field(&self.receipt).finish()
    }
}
