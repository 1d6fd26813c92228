//! A CloudEvent as an event.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::{Value, value::RawValue};
use smol_str::SmolStr;

use super::{
    super::{
        EventId, Metadata, Priority,
        error::expectation,
        header::{Extras, Header, Packed},
        payload::{Json, Nothing, Opaque},
    },
    is_attribute_name, is_scalar, names_a_field, parse_time, time_text,
};
use crate::{
    event::Event,
    topic::{Topic, TopicError},
};

/// Why a text is no CloudEvent this library can take.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CloudEventError {
    /// The text is not JSON.
    #[error("not JSON: {0}")]
    Syntax(String),
    /// The text is JSON, but not an object, or an attribute stands in it twice.
    #[error("no CloudEvent: {0}")]
    Shape(String),
    /// A required attribute is missing.
    #[error("no CloudEvent: `{0}` is missing")]
    Missing(&'static str),
    /// An attribute has a value it cannot have.
    #[error("no CloudEvent: `{name}` {problem}")]
    Attribute {
        /// The attribute.
        name: String,
        /// What is wrong with its value.
        problem: String,
    },
    /// The topic, or the type that stands for it, is no topic.
    #[error("bad topic: {0}")]
    Topic(TopicError),
}

impl From<TopicError> for CloudEventError {
    fn from(error: TopicError) -> Self {
        Self::Topic(error)
    }
}

impl Event {
    /// Reads a CloudEvents 1.0 JSON object. Data that makes up most of `text` is not copied; it stays a part of it.
    ///
    /// # Errors
    ///
    /// [`CloudEventError`] says what is wrong with the text.
    ///
    /// ```
    /// use owlbus::Event;
    ///
    /// let event = Event::from_cloudevent(
    ///     r#"{"specversion":"1.0","id":"1","source":"/shop","type":"order.placed","data":{"total":5}}"#,
    /// )?;
    /// assert_eq!((event.topic().as_str(), event.get("/total")), ("order.placed", Some(5)));
    /// # Ok::<(), owlbus::event::CloudEventError>(())
    /// ```
    pub fn from_cloudevent(text: impl Into<Bytes>) -> Result<Self, CloudEventError> {
        let text = text.into();
        let members: Members<'_> = serde_json::from_slice(&text).map_err(|error| match error.classify() {
            serde_json::error::Category::Data => CloudEventError::Shape(expectation(&error)),
            _ => CloudEventError::Syntax(error.to_string()),
        })?;
        members.into_event(&text)
    }
}

/// The members of the JSON object: the data as text, the rest as values.
struct Members<'a> {
    data: Option<&'a RawValue>,
    rest: Vec<(String, Value)>,
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object with the attributes of one event")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Members { data: None, rest: Vec::with_capacity(8) };
                let twice = |name| serde::de::Error::custom(format_args!("`{name}` stands in it twice"));
                while let Some(name) = map.next_key::<String>()? {
                    match name.as_str() {
                        "data" if members.data.is_some() => return Err(twice(&*name)),
                        "data" => members.data = Some(map.next_value()?),
                        _ => members.rest.push((name, map.next_value()?)),
                    }
                }
                // Looked for at the end and in order: a stranger decides how many attributes there are.
                let mut names: Vec<_> = members.rest.iter().map(|(name, _)| name.as_str()).collect();
                names.sort_unstable();
                match names.windows(2).find(|pair| pair[0] == pair[1]) {
                    Some(pair) => Err(twice(pair[0])),
                    None => Ok(members),
                }
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

impl Members<'_> {
    fn into_event(mut self, text: &Bytes) -> Result<Event, CloudEventError> {
        self.check_version()?;
        let id = self.required("id")?;
        let source = self.required("source")?;
        let event_type = self.required("type")?;

        let mut extras = Extras::default();
        let topic = match self.take_text("topic")? {
            Some(topic) => {
                extras.wire.names_topic = topic == event_type;
                Topic::new(&topic)?
            }
            None => Topic::new(&event_type)?,
        };
        // Also where it equals the topic: the event may be published again under another one.
        extras.event_type = Some(event_type.into());
        let mut header = Header::now(Some(topic));
        header.id = EventId::new(id).map_err(|error| wrong("id", error))?;
        header.source = Some(source.into());
        header.key = self.read_key()?;
        self.read_time(&mut header, &mut extras)?;
        extras.content_type = self.take_text("datacontenttype")?.map(Into::into);
        extras.wire.schema = self.take_text("dataschema")?.map(Into::into);
        self.read_fields(&mut header, &mut extras);
        let binary = self.take_text("data_base64")?;
        self.read_metadata(&mut extras);
        header.extras = Some(Box::new(extras));

        match (self.data, binary) {
            (Some(_), Some(_)) => Err(CloudEventError::Shape("it has both `data` and `data_base64`".into())),
            (Some(data), None) => Ok(Event::made(header, Json::new(part(text, data.get().as_bytes())))),
            (None, Some(binary)) => {
                let bytes = STANDARD.decode(binary).map_err(|error| wrong("data_base64", error))?;
                Ok(Event::made(header, Opaque(bytes.into())))
            }
            (None, None) => Ok(Event::made(header, Nothing)),
        }
    }

    fn check_version(&mut self) -> Result<(), CloudEventError> {
        match self.required("specversion")?.as_str() {
            "1.0" => Ok(()),
            other => Err(wrong(
                "specversion",
                format_args!("is `{}`, and 1.0 is what can be read", other.escape_debug()),
            )),
        }
    }

    /// The key. No CloudEvent should have an empty subject; it is none, and stays behind as metadata.
    fn read_key(&mut self) -> Result<Option<SmolStr>, CloudEventError> {
        let subject = self.take_text("subject")?;
        if subject.as_deref() == Some("") {
            self.rest.push(("subject".into(), "".into()));
            return Ok(None);
        }
        Ok(subject.map(Into::into))
    }

    /// The time; absent or written in another way than ours, it leaves the same.
    fn read_time(&mut self, header: &mut Header, extras: &mut Extras) -> Result<(), CloudEventError> {
        let Some(text) = self.take_text("time")? else {
            extras.wire.timeless = true;
            return Ok(());
        };
        header.time = parse_time(&text)
            .ok_or_else(|| wrong("time", "is not an RFC 3339 time such as 2026-11-20T21:40:00Z"))?;
        if time_text(header.time) != text {
            extras.wire.time = Some(text.into());
        }
        Ok(())
    }

    /// The fields that are extension attributes. In an event made elsewhere such a name may mean something else:
    /// what does not read as ours stays behind and is kept as metadata.
    fn read_fields(&mut self, header: &mut Header, extras: &mut Extras) {
        if let Some(priority) = self.take_if("priority", |value| Priority::from_name(value.as_str()?)) {
            header.priority = priority;
            extras.wire.names_priority = priority == Priority::Normal;
        }
        let version = |value: &Value| u32::try_from(value.as_u64()?).ok().filter(|version| *version > 0);
        extras.version = self.take_if("schemaversion", version);
        header.correlation = self.take_if("correlationid", id);
        extras.causation = self.take_if("causationid", id);
        extras.reply_to = self.take_if("replyto", |value| Topic::new(value.as_str()?).ok());
        let expiry =
            self.take_if("expirytime", |value| Some((parse_time(value.as_str()?)?, value.to_owned())));
        if let Some((time, text)) = expiry {
            extras.expires_at = Some(time);
            extras.wire.expires_at = text.as_str().filter(|text| time_text(time) != **text).map(Into::into);
        }
    }

    /// Everything else is metadata: the entries in the attribute `metadata`, then every attribute nobody knows.
    fn read_metadata(&mut self, extras: &mut Extras) {
        let mut metadata = Metadata::default();
        if let Some((text, entries)) = self.take_packed() {
            extras.wire.packed = Some(Packed { text: text.into(), entries: entries.len() });
            entries.into_iter().for_each(|(name, value)| metadata.push(&name, value));
        }
        for (name, value) in std::mem::take(&mut self.rest) {
            extras.wire.odd_attributes |= !(is_scalar(&value) && is_attribute_name(&name));
            metadata.push(&name, value);
        }
        extras.metadata = metadata;
    }

    /// The attribute `metadata` where it is ours: the text of an object whose names stand for nothing else.
    fn take_packed(&mut self) -> Option<(String, serde_json::Map<String, Value>)> {
        let text = self.rest.iter().find(|(name, _)| name == "metadata")?.1.as_str()?;
        let entries: serde_json::Map<String, Value> = serde_json::from_str(text).ok()?;
        let known = |(name, _): &(String, Value)| entries.contains_key(name);
        if entries.keys().any(|name| names_a_field(name)) || self.rest.iter().any(known) {
            return None;
        }
        let text = self.take_text("metadata").ok().flatten()?;
        Some((text, entries))
    }

    fn required(&mut self, name: &'static str) -> Result<String, CloudEventError> {
        match self.take_text(name)? {
            None => Err(CloudEventError::Missing(name)),
            Some(text) if text.is_empty() => Err(wrong(name, "is empty")),
            Some(text) => Ok(text),
        }
    }

    /// The text of an attribute; null is the same as absent.
    fn take_text(&mut self, name: &str) -> Result<Option<String>, CloudEventError> {
        match self.take(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(wrong(name, "is not a string")),
        }
    }

    fn take(&mut self, name: &str) -> Option<Value> {
        let at = self.rest.iter().position(|(known, _)| known == name)?;
        Some(self.rest.remove(at).1)
    }

    /// Takes an attribute where it reads as what we mean by it.
    fn take_if<V>(&mut self, name: &str, read: impl FnOnce(&Value) -> Option<V>) -> Option<V> {
        let at = self.rest.iter().position(|(known, _)| known == name)?;
        let value = read(&self.rest[at].1)?;
        self.rest.remove(at);
        Some(value)
    }
}

fn id(value: &Value) -> Option<EventId> {
    EventId::new(value.as_str()?).ok()
}

/// A part of a text. A slice keeps the whole text in memory; where little of it is wanted, a copy holds less.
fn part(text: &Bytes, wanted: &[u8]) -> Bytes {
    if wanted.len() * 2 < text.len() { Bytes::copy_from_slice(wanted) } else { text.slice_ref(wanted) }
}

fn wrong(name: &str, problem: impl fmt::Display) -> CloudEventError {
    let problem = problem.to_string();
    let problem = if problem.starts_with("is ") { problem } else { format!("is wrong: {problem}") };
    CloudEventError::Attribute { name: name.to_owned(), problem }
}
