//! A builder that sets every field of an event.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Serialize;
use serde_json::Value;
use tokio::time::Instant;

use super::{Event, EventError, EventId, Priority, cloudevents};
use crate::{clock::Reading, topic::IntoTopic};

/// Sets the fields of an event, and makes it, or publishes it.
///
/// From [`Event::builder`], which ends in [`build`](EventBuilder::build), or from `Bus::event`, which ends in
/// `publish`. A wrong value is reported at the end, the first one that was given.
#[must_use = "the event is neither made nor published until the builder is told to"]
pub struct EventBuilder<B = ()> {
    pub(crate) event: Event,
    pub(crate) error: Option<EventError>,
    pub(crate) bus: B,
    /// When it is to be published, where that is not at once.
    pub(crate) due: Option<Instant>,
}

impl EventBuilder<()> {
    /// The event.
    ///
    /// # Errors
    ///
    /// The first wrong value that was given; [`EventError::NoTopic`] where there is no topic.
    pub fn build(self) -> Result<Event, EventError> {
        let (event, error) = self.finish();
        error.map_or(Ok(event), Err)
    }
}

impl<B> EventBuilder<B> {
    pub(crate) fn new(event: Event, bus: B) -> Self {
        Self { event, error: None, bus, due: None }
    }

    /// The event without the wrong values, and the first of them.
    pub(crate) fn finish(self) -> (Event, Option<EventError>) {
        let missing =
            || (!self.event.has_topic()).then(|| EventError::NoTopic(self.event.event_type().into()));
        let error = self.error.or_else(missing);
        (self.event, error)
    }

    /// The address. Default: the topic of the type.
    pub fn topic(mut self, topic: impl IntoTopic) -> Self {
        match topic.into_topic() {
            Ok(topic) => self.event.header_mut().topic = Some(topic),
            Err(error) => self.wrong(error),
        }
        self
    }

    /// What happened. Default: the type of the Rust value, else the topic.
    pub fn event_type(mut self, name: impl AsRef<str>) -> Self {
        match name.as_ref() {
            "" => self.wrong(EventError::EmptyType),
            name => self.event.header_mut().extras_mut().event_type = Some(name.into()),
        }
        self
    }

    /// Version of the schema of the data, counted from 1. Default: that of the Rust type, else 1.
    pub fn version(mut self, version: u32) -> Self {
        match version {
            0 => self.wrong(EventError::ZeroVersion),
            _ => self.event.header_mut().extras_mut().version = Some(version),
        }
        self
    }

    /// The id. Default: a new UUIDv7.
    pub fn id(mut self, id: impl AsRef<str>) -> Self {
        match EventId::new(id) {
            Ok(id) => self.event.header_mut().id = id,
            Err(error) => self.wrong(error),
        }
        self
    }

    /// When it happened; times before 1970 count as 1970. Default: now.
    pub fn time(mut self, time: SystemTime) -> Self {
        let header = self.event.header_mut();
        header.time = since_epoch(time);
        if let Some(extras) = &mut header.extras {
            extras.wire.time = None;
            extras.wire.timeless = false;
        }
        self
    }

    /// Who publishes it. Default: the source of the bus.
    pub fn source(mut self, source: impl AsRef<str>) -> Self {
        match source.as_ref() {
            "" => self.wrong(EventError::EmptySource),
            source => self.event.header_mut().source = Some(source.into()),
        }
        self
    }

    /// What keeps events in order, where a subscription asks for order by key. Default: the topic.
    pub fn key(mut self, key: impl AsRef<str>) -> Self {
        match key.as_ref() {
            "" => self.wrong(EventError::EmptyKey),
            key => self.event.header_mut().key = Some(key.into()),
        }
        self
    }

    /// How urgent it is: the lane it takes in each mailbox. Default: `Normal`.
    pub fn priority(mut self, priority: Priority) -> Self {
        self.event.header_mut().priority = priority;
        self
    }

    /// The id all events of one cause share. Default: that of the event being handled, else the event's own id.
    pub fn correlation_id(mut self, id: impl AsRef<str>) -> Self {
        match EventId::new(id) {
            Ok(id) => self.event.header_mut().correlation = Some(id),
            Err(error) => self.wrong(error),
        }
        self
    }

    /// The id of the event that directly caused it. Default: that of the event being handled, if any.
    pub fn causation_id(mut self, id: impl AsRef<str>) -> Self {
        match EventId::new(id) {
            Ok(id) => self.event.header_mut().extras_mut().causation = Some(id),
            Err(error) => self.wrong(error),
        }
        self
    }

    /// Makes it a child of `cause`: the same correlation, caused by that event.
    pub fn child_of(mut self, cause: &Event) -> Self {
        self.event = cause.child(self.event);
        self
    }

    /// Where replies are to be published. Default: no reply is asked for.
    pub fn reply_to(mut self, topic: impl IntoTopic) -> Self {
        match topic.into_topic() {
            Ok(topic) => self.event.header_mut().extras_mut().reply_to = Some(topic),
            Err(error) => self.wrong(error),
        }
        self
    }

    /// For so long from now somebody wants it; sets [`expires_at`](Self::expires_at). Default: for ever.
    pub fn ttl(self, ttl: Duration) -> Self {
        // By the clock that is read when the event is about to start.
        let now = UNIX_EPOCH + Reading::take().calendar;
        self.expires_at(now.checked_add(ttl).unwrap_or(now))
    }

    /// After this time nobody wants it any more: where it has not started by then, or would be tried again, it is settled as
    /// expired, and counted. Default: never.
    pub fn expires_at(mut self, time: SystemTime) -> Self {
        let extras = self.event.header_mut().extras_mut();
        extras.expires_at = Some(since_epoch(time));
        extras.wire.expires_at = None;
        self
    }

    /// Puts other data in the place of what is there, as JSON. Topic, type and version stay what they were, also where they were
    /// those of a Rust value. A `digest` of the former data goes.
    pub fn data<D: Serialize>(mut self, data: D) -> Self {
        match serde_json::to_vec(&data) {
            Ok(text) => self.event = self.event.with_json(text.into()),
            Err(error) => self.wrong(super::ContentError::Encode {
                rust_type: std::any::type_name::<D>(),
                reason: error.to_string(),
            }),
        }
        self
    }

    /// Sets a name beside the data, to any value that can be written as JSON.
    pub fn metadata(mut self, name: impl AsRef<str>, value: impl Serialize) -> Self {
        let name = name.as_ref();
        if name.is_empty() || cloudevents::names_a_field(name) {
            self.wrong(EventError::MetadataName(name.to_owned()));
            return self;
        }
        match serde_json::to_value(value) {
            Ok(value) => self.set_metadata(name, value),
            Err(error) => self.wrong(super::ContentError::Encode {
                rust_type: "metadata",
                reason: format!("`{name}`: {error}"),
            }),
        }
        self
    }

    fn set_metadata(&mut self, name: &str, value: Value) {
        let extras = self.event.header_mut().extras_mut();
        extras.metadata.set(name, value);
        extras.wire.packed = None;
    }

    fn wrong(&mut self, error: impl Into<EventError>) {
        self.error.get_or_insert(error.into());
    }
}

fn since_epoch(time: SystemTime) -> Duration {
    time.duration_since(UNIX_EPOCH).unwrap_or_default()
}
