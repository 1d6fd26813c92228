//! An event as a CloudEvent.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde::Serialize;
use serde_json::Value;

use super::{super::payload::Form, is_attribute_name, is_scalar, time_text};
use crate::event::{ContentError, Event, Priority};

impl Event {
    /// The event as a CloudEvents 1.0 JSON object, on one line.
    ///
    /// JSON data is written byte for byte; only line breaks between its tokens, which would break the line, become
    /// spaces.
    ///
    /// # Errors
    ///
    /// [`ContentError::Encode`] where a Rust value refuses to be written as JSON.
    pub fn to_cloudevent(&self) -> Result<Vec<u8>, ContentError> {
        let mut line = Vec::with_capacity(512 + self.content_bytes());
        self.write_cloudevent(&mut line)?;
        Ok(line)
    }

    /// Appends what [`to_cloudevent`](Self::to_cloudevent) gives, for writers that reuse a buffer.
    ///
    /// # Errors
    ///
    /// As [`to_cloudevent`](Self::to_cloudevent); nothing is appended then.
    pub fn write_cloudevent(&self, line: &mut Vec<u8>) -> Result<(), ContentError> {
        let start = line.len();
        let mut object = Object { line };
        object.line.extend_from_slice(br#"{"specversion":"1.0""#);
        object.text("id", &self.id().to_string());
        object.text("source", self.source());
        object.text("type", self.event_type());
        self.write_attributes(&mut object);
        self.write_metadata(&mut object);
        let written = self.write_content(&mut object);
        match written {
            Ok(()) => line.push(b'}'),
            Err(_) => line.truncate(start),
        }
        written
    }

    fn write_attributes(&self, object: &mut Object<'_>) {
        let extras = self.extras();
        let wire = extras.map(|extras| &extras.wire);
        if !wire.is_some_and(|wire| wire.timeless) {
            match wire.and_then(|wire| wire.time.as_deref()) {
                Some(time) => object.text("time", time),
                None => object.text("time", &time_text(self.since_epoch())),
            }
        }
        if self.has_key() {
            object.text("subject", self.key());
        }
        if let Some(content_type) = extras.and_then(|extras| extras.content_type.as_deref()) {
            object.text("datacontenttype", content_type);
        }
        if let Some(schema) = wire.and_then(|wire| wire.schema.as_deref()) {
            object.text("dataschema", schema);
        }
        if self.topic() != self.event_type() || wire.is_some_and(|wire| wire.names_topic) {
            object.text("topic", self.topic().as_str());
        }
        if self.version() != 1 || extras.is_some_and(|extras| extras.version.is_some()) {
            object.value("schemaversion", &self.version());
        }
        if self.priority() != Priority::Normal || wire.is_some_and(|wire| wire.names_priority) {
            object.text("priority", self.priority().as_str());
        }
        if let Some(correlation) = &self.0.header.correlation {
            object.text("correlationid", &correlation.to_string());
        }
        let Some(extras) = extras else { return };
        if let Some(cause) = &extras.causation {
            object.text("causationid", &cause.to_string());
        }
        if let Some(topic) = &extras.reply_to {
            object.text("replyto", topic.as_str());
        }
        if let Some(time) = extras.expires_at {
            object.text("expirytime", extras.wire.expires_at.as_deref().unwrap_or(&time_text(time)));
        }
    }

    /// Scalars under attribute-like names are attributes; the rest is JSON text in one attribute.
    fn write_metadata(&self, object: &mut Object<'_>) {
        let Some(extras) = self.extras() else { return };
        let wire = &extras.wire;
        if let Some(packed) = &wire.packed {
            object.text("metadata", &packed.text);
        }
        // Where `metadata` itself is a stranger's attribute, nothing of ours can be in it.
        let as_came = wire.odd_attributes || extras.metadata.get("metadata").is_some();
        let mut rest = serde_json::Map::new();
        for (name, value) in
            extras.metadata.iter().skip(wire.packed.as_ref().map_or(0, |packed| packed.entries))
        {
            if self.has_field(name) {
                continue;
            }
            if as_came || (is_scalar(value) && is_attribute_name(name)) {
                object.value(name, value);
            } else {
                rest.insert(name.to_owned(), value.clone());
            }
        }
        if !rest.is_empty() {
            object.text("metadata", &Value::Object(rest).to_string());
        }
    }

    /// Whether the attribute was written for a field. What a stranger meant by that name has been replaced.
    fn has_field(&self, name: &str) -> bool {
        let extras = self.extras();
        match name {
            "subject" => self.has_key(),
            "schemaversion" => extras.is_some_and(|extras| extras.version.is_some()),
            "priority" => self.priority() != Priority::Normal,
            "correlationid" => self.0.header.correlation.is_some(),
            "causationid" => extras.is_some_and(|extras| extras.causation.is_some()),
            "replyto" => extras.is_some_and(|extras| extras.reply_to.is_some()),
            "expirytime" => extras.is_some_and(|extras| extras.expires_at.is_some()),
            _ => false,
        }
    }

    fn write_content(&self, object: &mut Object<'_>) -> Result<(), ContentError> {
        match self.payload().form() {
            Form::Json(text, _) => object.json("data", text),
            Form::Bytes(bytes) => object.text("data_base64", &STANDARD.encode(bytes)),
            Form::Empty => {}
            Form::Value(_) => object.json("data", self.json_text()?),
            Form::Of(event) => event.write_content(object)?,
        }
        Ok(())
    }
}

/// A JSON object on one line, after its first member.
struct Object<'a> {
    line: &'a mut Vec<u8>,
}

impl Object<'_> {
    fn text(&mut self, name: &str, text: &str) {
        self.value(name, text);
    }

    fn value<V: Serialize + ?Sized>(&mut self, name: &str, value: &V) {
        self.name(name);
        self.append(value);
    }

    fn json(&mut self, name: &str, text: &Bytes) {
        self.name(name);
        let start = self.line.len();
        self.line.extend_from_slice(text);
        // A line break in JSON stands between tokens: inside a string it must be an escape.
        for byte in &mut self.line[start..] {
            if matches!(byte, b'\n' | b'\r') {
                *byte = b' ';
            }
        }
    }

    fn name(&mut self, name: &str) {
        self.line.push(b',');
        self.append(name);
        self.line.push(b':');
    }

    fn append<V: Serialize + ?Sized>(&mut self, value: &V) {
        serde_json::to_writer(&mut *self.line, value)
            .expect("text and scalars are always JSON, and a Vec never fails");
    }
}
