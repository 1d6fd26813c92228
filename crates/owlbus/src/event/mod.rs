//! What is sent: an event, its fields, its data, and its form on a wire.
//!
//! An [`Event`] is a header and data in one allocation, shared by reference count. It is complete from the moment it
//! is made (id and time are there), a bus stamps what only a bus knows (source, correlation, its place in the
//! journal), and after that nobody can change it.

mod builder;
mod cloudevents;
mod error;
mod header;
mod id;
mod metadata;
mod payload;
mod priority;
mod stages;
mod views;

use std::{
    any::type_name,
    fmt,
    sync::{Arc, OnceLock},
    time::{SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use serde::Serialize;
use smol_str::SmolStr;

pub use builder::EventBuilder;
pub use cloudevents::CloudEventError;
pub use error::{ContentError, EventError};
pub(crate) use header::Cause;
pub use header::Stamp;
pub(crate) use id::Escaped;
pub use id::EventId;
pub(crate) use metadata::DIGEST;
pub use metadata::Metadata;
pub use priority::Priority;

use crate::{
    topic::{IntoTopic, Topic},
    typed::TypedEvent,
};
use header::{Extras, Header};
use payload::{Json, Nothing, Of, Opaque, Payload, Typed};
use views::Views;

/// One event: its address, its fields and its data.
///
/// A clone is a reference count. `Display` and `Debug` show id and topic only; [`pretty`](Event::pretty) shows all.
///
/// ```
/// use owlbus::Event;
/// use serde_json::json;
///
/// let event = Event::json("hook.tool.usage", json!({ "tool": "Read", "params": { "path": "/etc/hosts" } }))?;
/// assert_eq!(event.topic(), "hook.tool.usage");
/// assert_eq!(event.get::<String>("/params/path").as_deref(), Some("/etc/hosts"));
/// # Ok::<(), owlbus::event::EventError>(())
/// ```
#[derive(Clone)]
pub struct Event(Arc<Inner<dyn Payload>>);

struct Inner<P: ?Sized> {
    header: Header,
    /// Other forms of the payload, made when first asked for.
    views: OnceLock<Box<Views>>,
    payload: P,
}

/// The topic of an event that has none: its type has no topic of its own and its publisher named none. No bus
/// accepts it.
static UNNAMED: Topic = Topic::from_static("unnamed");

impl Event {
    /// An event of a Rust value, under the topic of its type.
    ///
    /// A type without a topic of its own needs [`builder`](Self::builder); no bus accepts it as it is made here.
    pub fn new<T: TypedEvent>(value: T) -> Self {
        Self::made(Header::now(None), Typed(value))
    }

    /// An event of data as JSON.
    ///
    /// # Errors
    ///
    /// [`EventError::Topic`] where the topic is none; [`EventError::Content`] where the data refuses to be written
    /// as JSON.
    pub fn json<D: Serialize>(topic: impl IntoTopic, data: D) -> Result<Self, EventError> {
        let topic = topic.into_topic()?;
        let text = serde_json::to_vec(&data).map_err(|error| ContentError::Encode {
            rust_type: type_name::<D>(),
            reason: error.to_string(),
        })?;
        Ok(Self::made(Header::now(Some(topic)), Json::new(text.into())))
    }

    /// An event of JSON text, which is kept byte for byte.
    ///
    /// # Errors
    ///
    /// [`EventError::Topic`] where the topic is none; [`EventError::Content`] where the text is not JSON.
    pub fn json_bytes(topic: impl IntoTopic, text: impl Into<Bytes>) -> Result<Self, EventError> {
        let (topic, text) = (topic.into_topic()?, text.into());
        serde_json::from_slice::<&serde_json::value::RawValue>(&text)
            .map_err(|error| ContentError::Syntax(error.to_string()))?;
        Ok(Self::made(Header::now(Some(topic)), Json::new(text)))
    }

    /// An event of bytes with a content type such as `image/png`.
    ///
    /// # Errors
    ///
    /// [`EventError::Topic`] where the topic is none.
    pub fn binary(
        topic: impl IntoTopic,
        content_type: impl AsRef<str>,
        bytes: impl Into<Bytes>,
    ) -> Result<Self, EventError> {
        let mut header = Header::now(Some(topic.into_topic()?));
        header.extras_mut().content_type = Some(content_type.as_ref().into());
        Ok(Self::made(header, Opaque(bytes.into())))
    }

    /// An event without data: that it happened is all there is to say.
    ///
    /// # Errors
    ///
    /// [`EventError::Topic`] where the topic is none.
    pub fn signal(topic: impl IntoTopic) -> Result<Self, EventError> {
        Ok(Self::made(Header::now(Some(topic.into_topic()?)), Nothing))
    }

    /// A builder that sets every field of an event of this value, or of a copy of this event.
    ///
    /// ```
    /// use owlbus::{Event, Priority};
    /// # use serde::{Deserialize, Serialize};
    /// #[derive(Serialize, Deserialize, Event)]
    /// #[event(topic = "orders.placed")]
    /// struct OrderPlaced { total: u32 }
    ///
    /// let event = Event::builder(OrderPlaced { total: 5 }).topic("orders.eu").key("42").priority(Priority::High).build()?;
    /// assert_eq!((event.topic().as_str(), event.key()), ("orders.eu", "42"));
    /// # Ok::<(), owlbus::event::EventError>(())
    /// ```
    pub fn builder(data: impl IntoEvent) -> EventBuilder {
        EventBuilder::new(data.into_event(), ())
    }

    /// An event caused by this one: it has this event's correlation, and this event's id as its cause.
    #[must_use]
    pub fn child(&self, data: impl IntoEvent) -> Event {
        let mut child = data.into_event();
        let header = child.header_mut();
        header.correlation = Some(self.correlation_id());
        header.extras_mut().causation = Some(self.id());
        child
    }

    /// The answer to this event: a child under the topic this event wants replies on.
    ///
    /// # Errors
    ///
    /// [`EventError::NoReplyTo`] where this event asks for no reply.
    pub fn reply(&self, data: impl IntoEvent) -> Result<Event, EventError> {
        let topic = self.reply_to().ok_or(EventError::NoReplyTo)?;
        let mut reply = self.child(data);
        reply.header_mut().topic = Some(topic.clone());
        Ok(reply)
    }

    /// The event's id; with the source it identifies the event everywhere.
    #[must_use]
    pub fn id(&self) -> EventId {
        self.0.header.id.clone()
    }

    /// The address the event was published under.
    #[must_use]
    pub fn topic(&self) -> &Topic {
        self.0.header.topic.as_ref().or_else(|| self.0.payload.topic()).unwrap_or(&UNNAMED)
    }

    /// What happened, apart from where: the type of a typed event, else the topic.
    #[must_use]
    pub fn event_type(&self) -> &str {
        let named = self.extras().and_then(|extras| extras.event_type.as_deref());
        named.or_else(|| Some(self.0.payload.event_type()?.0)).unwrap_or_else(|| self.topic().as_str())
    }

    /// Version of the schema of the data, counted from 1. Default: 1.
    #[must_use]
    pub fn version(&self) -> u32 {
        let named = self.extras().and_then(|extras| extras.version);
        named.or_else(|| Some(self.0.payload.event_type()?.1)).unwrap_or(1)
    }

    /// When the event happened, by the calendar of the machine it happened on. Not an order.
    #[must_use]
    pub fn time(&self) -> SystemTime {
        UNIX_EPOCH + self.0.header.time
    }

    /// Who published it. Default: the source of the bus that accepts it, which is the executable's name unless set.
    #[must_use]
    pub fn source(&self) -> &str {
        self.0.header.source.as_deref().unwrap_or_else(|| default_source())
    }

    /// What keeps events in order: the key that was set, else the topic.
    #[must_use]
    pub fn key(&self) -> &str {
        self.0.header.key.as_deref().unwrap_or_else(|| self.topic().as_str())
    }

    /// Whether a key was set.
    #[must_use]
    pub fn has_key(&self) -> bool {
        self.0.header.key.is_some()
    }

    /// How urgent the event is: its lane in the mailboxes. Default: `Normal`.
    #[must_use]
    pub fn priority(&self) -> Priority {
        self.0.header.priority
    }

    /// The id all events of one cause share: the id of the first of them.
    #[must_use]
    pub fn correlation_id(&self) -> EventId {
        self.0.header.correlation.clone().unwrap_or_else(|| self.id())
    }

    /// The id of the event that directly caused this one.
    #[must_use]
    pub fn causation_id(&self) -> Option<EventId> {
        self.extras().and_then(|extras| extras.causation.clone())
    }

    /// Where replies are to be published.
    #[must_use]
    pub fn reply_to(&self) -> Option<&Topic> {
        self.extras().and_then(|extras| extras.reply_to.as_ref())
    }

    /// After this time nobody wants the event any more: it is settled as expired.
    #[must_use]
    pub fn expires_at(&self) -> Option<SystemTime> {
        self.extras().and_then(|extras| extras.expires_at).map(|time| UNIX_EPOCH + time)
    }

    /// Names and values that travel beside the data.
    #[must_use]
    pub fn metadata(&self) -> &Metadata {
        self.extras().map_or(Metadata::NONE, |extras| &extras.metadata)
    }
}

/// How an event is put together.
impl Event {
    fn made<P: Payload + 'static>(header: Header, payload: P) -> Self {
        Self(Arc::new(Inner { header, views: OnceLock::new(), payload }))
    }

    fn payload(&self) -> &dyn Payload {
        &self.0.payload
    }

    fn extras(&self) -> Option<&Extras> {
        self.0.header.extras.as_deref()
    }

    /// The same event with JSON text for data, which is known to be some.
    fn with_json(mut self, text: Bytes) -> Self {
        let named = self.0.payload.event_type().map(|(name, version)| (SmolStr::from(name), version));
        let topic = self.has_topic().then(|| self.topic().clone());
        let header = self.header_mut();
        header.topic = topic;
        if let Some((name, version)) = named {
            let extras = header.extras_mut();
            extras.event_type.get_or_insert(name);
            extras.version.get_or_insert(version);
        }
        if let Some(extras) = &mut header.extras {
            extras.content_type = None;
            // It says what the former data was.
            if extras.metadata.remove(DIGEST) {
                extras.wire.packed = None;
            }
        }
        let header = header.again();
        Self::made(header, Json::new(text))
    }

    /// The same event with other JSON text, which stands for what the text that is there stands for.
    pub(crate) fn with_text(self, text: Bytes) -> Self {
        let content_type = self.extras().and_then(|extras| extras.content_type.clone());
        let mut event = self.with_json(text);
        if content_type.is_some() {
            event.header_mut().extras_mut().content_type = content_type;
        }
        event
    }

    /// The header, to be changed: this event's own where nobody else holds it, else a second one before the same
    /// data.
    fn header_mut(&mut self) -> &mut Header {
        // Nobody makes weak references, so one holder is this one.
        if Arc::strong_count(&self.0) != 1 {
            let content = match self.0.payload.form() {
                payload::Form::Of(event) => event.clone(),
                _ => self.clone(),
            };
            *self = Self::made(self.0.header.again(), Of(content));
        }
        let inner = Arc::get_mut(&mut self.0).expect("the event has one holder");
        &mut inner.header
    }
}

impl std::str::FromStr for Event {
    type Err = CloudEventError;

    /// As [`Event::from_cloudevent`], from text that is copied.
    fn from_str(text: &str) -> Result<Self, CloudEventError> {
        Self::from_cloudevent(Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.topic(), Escaped(self.id()))
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Event({self})")
    }
}

/// The source of events whose publisher and bus name none: the executable's name.
pub(crate) fn default_source() -> &'static str {
    static NAME: OnceLock<String> = OnceLock::new();
    NAME.get_or_init(|| {
        let executable = std::env::current_exe().ok();
        let name = executable.as_deref().and_then(|path| path.file_stem()).map(|name| name.to_string_lossy());
        name.filter(|name| !name.is_empty()).map_or_else(|| "owlbus".to_owned(), |name| name.into_owned())
    })
}

/// What can be published: a value of a type that derives `Event`, or an [`Event`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be published",
    label = "neither an `Event` nor a type that derives `Event`",
    note = "derive `owlbus::Event` for the type, or make an event with `Event::json(topic, data)`"
)]
pub trait IntoEvent: Sized {
    /// The event, with id and time, before any bus has seen it.
    fn into_event(self) -> Event;

    /// The event, with what the bus that accepts it fills in.
    #[doc(hidden)]
    fn into_stamped(self, stamp: &Stamp) -> Event {
        self.into_event().with_stamp(stamp)
    }
}

impl IntoEvent for Event {
    fn into_event(self) -> Event {
        self
    }
}

impl<T: TypedEvent> IntoEvent for T {
    fn into_event(self) -> Event {
        Event::new(self)
    }

    // The usual publish: made and stamped in one go, by one reading of the clock.
    fn into_stamped(self, stamp: &Stamp) -> Event {
        let mut header = Header::now(None);
        header.stamp(stamp);
        Event::made(header, Typed(self))
    }
}
