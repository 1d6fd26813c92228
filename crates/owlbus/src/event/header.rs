//! Everything about an event but its data.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use smol_str::SmolStr;

use super::{EventId, Metadata, Priority};
use crate::{
    clock::{Moment, Reading},
    journal::Seq,
    middleware::Chain,
    topic::Topic,
};

/// The fields most events have; the rest is in [`Extras`], which most events do without.
pub(super) struct Header {
    pub(super) id: EventId,
    /// `None`: the topic the payload has of itself.
    pub(super) topic: Option<Topic>,
    /// Since the Unix epoch.
    pub(super) time: Duration,
    /// `None` until an event that names none is accepted by a bus.
    pub(super) source: Option<SmolStr>,
    /// `None`: events are ordered by topic.
    pub(super) key: Option<SmolStr>,
    /// `None`: the event is the first of its cause, and its correlation is its own id.
    pub(super) correlation: Option<EventId>,
    pub(super) priority: Priority,
    /// When the bus accepted the event, as nanoseconds of [`Moment`]; when it was made, before that.
    pub(super) accepted: u64,
    /// The event's place in the journal; 0 before it has one. Set once, when the bus may no longer change the rest.
    pub(super) seq: AtomicU64,
    pub(super) extras: Option<Box<Extras>>,
}

/// The fields few events have.
#[derive(Clone, Default)]
pub(super) struct Extras {
    pub(super) event_type: Option<SmolStr>,
    pub(super) version: Option<u32>,
    pub(super) causation: Option<EventId>,
    pub(super) reply_to: Option<Topic>,
    /// Since the Unix epoch.
    pub(super) expires_at: Option<Duration>,
    /// The same on the clock that drives durations, reckoned when a bus accepts the event.
    pub(super) expires: Option<Moment>,
    pub(super) metadata: Metadata,
    pub(super) content_type: Option<SmolStr>,
    /// What stands around the handlers of the event.
    pub(super) chain: Option<Arc<Chain>>,
    pub(super) wire: Wire,
}

/// What has to be remembered of a CloudEvent for it to leave as it came.
#[derive(Clone, Default)]
pub(super) struct Wire {
    /// The event came without a time.
    pub(super) timeless: bool,
    /// The time as text, where it is not the way this library would write it; likewise the expiry.
    pub(super) time: Option<SmolStr>,
    pub(super) expires_at: Option<SmolStr>,
    /// `dataschema`, a URI that is carried along.
    pub(super) schema: Option<SmolStr>,
    /// The event's own `topic` attribute was there although it equals the type.
    pub(super) names_topic: bool,
    /// The priority was written although it is `Normal`.
    pub(super) names_priority: bool,
    /// Attributes with names or values no CloudEvent should have; they would else travel inside `metadata`.
    pub(super) odd_attributes: bool,
    /// The attribute `metadata`, until an entry is set anew.
    pub(super) packed: Option<Packed>,
}

/// The attribute `metadata` as it came.
#[derive(Clone)]
pub(super) struct Packed {
    pub(super) text: SmolStr,
    /// How many entries of the metadata it holds; they are the first.
    pub(super) entries: usize,
}

/// What a bus fills in where the publisher left it out.
///
/// Named by a hidden method of `IntoEvent`, and reachable by nobody else.
#[doc(hidden)]
#[derive(Clone)]
pub struct Stamp {
    pub(crate) source: SmolStr,
    /// The event whose handler publishes: its id and its correlation.
    pub(crate) cause: Option<Cause>,
    /// The middlewares of the bus, as they are now.
    pub(crate) chain: Option<Arc<Chain>>,
}

/// The event that caused another: its id, and the correlation the other inherits.
#[derive(Clone, Debug)]
pub(crate) struct Cause {
    pub(crate) id: EventId,
    pub(crate) correlation: EventId,
}

impl Header {
    /// The header of an event that happens now.
    pub(super) fn now(topic: Option<Topic>) -> Self {
        let Reading { moment, calendar } = Reading::take();
        Self {
            id: EventId::generate_at(calendar),
            topic,
            time: calendar,
            source: None,
            key: None,
            correlation: None,
            priority: Priority::default(),
            accepted: moment.0,
            seq: AtomicU64::new(Seq::NONE.0),
            extras: None,
        }
    }

    /// The same fields for a second header. Its place and acceptance are those of the first until a bus accepts it.
    pub(super) fn again(&self) -> Self {
        Self {
            id: self.id.clone(),
            topic: self.topic.clone(),
            time: self.time,
            source: self.source.clone(),
            key: self.key.clone(),
            correlation: self.correlation.clone(),
            priority: self.priority,
            accepted: self.accepted,
            seq: AtomicU64::new(self.seq.load(Relaxed)),
            extras: self.extras.clone(),
        }
    }

    /// Makes it the header of an event of its own, that happens now.
    pub(super) fn happen_now(&mut self) {
        let Reading { moment, calendar } = Reading::take();
        let before = std::mem::replace(&mut self.time, calendar);
        self.id = EventId::generate_at(calendar);
        self.accepted = moment.0;
        self.seq = AtomicU64::new(Seq::NONE.0);
        let Some(extras) = &mut self.extras else { return };
        let left = |expires_at: Duration| expires_at.saturating_sub(before);
        extras.expires_at = extras.expires_at.map(|expires_at| calendar.saturating_add(left(expires_at)));
        extras.wire.time = None;
        extras.wire.timeless = false;
        extras.wire.expires_at = None;
    }

    pub(super) fn extras_mut(&mut self) -> &mut Extras {
        self.extras.get_or_insert_default()
    }

    /// Fills in what the publisher left out.
    pub(super) fn stamp(&mut self, stamp: &Stamp) {
        if self.source.is_none() {
            self.source = Some(stamp.source.clone());
        }
        match (&stamp.chain, &mut self.extras) {
            (Some(chain), _) if chain.goes_along() => self.extras_mut().chain = Some(Arc::clone(chain)),
            // It may have come over another bus before.
            (_, Some(extras)) => extras.chain = None,
            (_, None) => {}
        }
        // An event that is passed on by its own handler is the same event, not its own effect.
        let Some(cause) = stamp.cause.as_ref().filter(|cause| cause.id != self.id) else { return };
        if self.correlation.is_none() {
            self.correlation = Some(cause.correlation.clone());
        }
        let extras = self.extras_mut();
        if extras.causation.is_none() {
            extras.causation = Some(cause.id.clone());
        }
    }

    /// Bytes of the fields few events have.
    pub(super) fn extras_bytes(&self) -> usize {
        self.extras.as_ref().map_or(0, |_| size_of::<Extras>())
    }

    /// Bytes of metadata, and of the other fields as far as they are not short.
    pub(super) fn text_bytes(&self) -> usize {
        let ids = self.id.heap_bytes() + self.correlation.as_ref().map_or(0, EventId::heap_bytes);
        let key = self.key.as_ref().filter(|key| key.is_heap_allocated()).map_or(0, SmolStr::len);
        let source = self.source.as_ref().filter(|source| source.is_heap_allocated()).map_or(0, SmolStr::len);
        ids + key + source + self.extras.as_ref().map_or(0, |extras| extras.bytes())
    }
}

impl Extras {
    /// Reckons when the time of the event is over.
    pub(super) fn reckon(&mut self) {
        self.expires = self.expires_at.map(|expires_at| {
            let now = Reading::take();
            now.moment.after(expires_at.saturating_sub(now.calendar))
        });
    }

    fn bytes(&self) -> usize {
        let wire = &self.wire;
        let texts = [&self.event_type, &self.content_type, &wire.time, &wire.expires_at, &wire.schema];
        let texts = texts.into_iter().flatten().filter(|text| text.is_heap_allocated());
        // Entries that came packed in one text are held twice, and count once.
        self.metadata.text_bytes() + texts.map(SmolStr::len).sum::<usize>()
    }
}
