//! JSON Schemas that data is held to.

mod compile;
mod error;
mod file;
mod schema;
mod weight;

use std::{collections::HashMap, fmt};

use serde_json::Value;

use self::{compile::compile, schema::Schema};
use super::{Violations, check::Check};
use crate::{
    dispatch::TopicTree,
    event::{ContentError, Event},
    request::is_reply_topic,
    topic::IntoPatterns,
    typed::TypedEvent,
};

pub use error::SchemaError;

/// JSON Schemas by topic, or by type and version; data has to satisfy all that are its event's. Needs the feature `schema`.
///
/// A schema is of the draft its `$schema` says; default: 2020-12. `format`, `contentEncoding` and `contentMediaType` are not asserted. A
/// Rust value is looked at as JSON, and an event without data as null.
///
/// Nothing is fetched or read: a `$ref` to what is not in the schema itself is refused, and so is a schema whose references lead back to
/// themselves without going into the data, one that makes more than 10,000 of itself, and a pattern with look-around or back
/// references, or of more than 1 MiB when compiled. Patterns take time in proportion to the text.
///
/// ```
/// use owlbus::{Bus, middleware::{Schemas, Unknown, Validate}};
/// use serde_json::json;
///
/// let schemas = Schemas::new()
///     .topic("orders.*", json!({ "type": "object", "required": ["id"] }))?
///     .version("user.renamed", 2, json!({ "properties": { "to": { "type": "string", "maxLength": 100 } } }))?
///     .unknown(Unknown::Refuse);
/// let bus = Bus::builder().middleware(Validate::new().schemas(schemas)).build()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Schemas {
    schemas: Vec<Schema>,
    /// Places in `schemas`.
    topics: TopicTree<u32>,
    /// By type: versions, and places in `schemas`.
    types: HashMap<String, Vec<(u32, u32)>>,
    unknown: Unknown,
}

/// What becomes of an event that no schema is for: neither for its topic, nor for its type and version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Unknown {
    /// It goes on.
    #[default]
    Allow,
    /// It is refused, unless it is the answer to a request.
    Refuse,
}

impl Schemas {
    /// None.
    #[must_use]
    pub fn new() -> Self {
        Self {
            schemas: Vec::new(),
            topics: TopicTree::new(),
            types: HashMap::new(),
            unknown: Unknown::default(),
        }
    }

    /// A schema for the data of what is under these topics.
    ///
    /// # Errors
    ///
    /// [`SchemaError`] where a pattern is none, or the schema cannot be used.
    pub fn topic(mut self, patterns: impl IntoPatterns, schema: Value) -> Result<Self, SchemaError> {
        let patterns = patterns.into_patterns()?;
        let of = patterns[0].to_string();
        for schema in compile(&schema, &[(of, "#".to_owned())])? {
            let place = self.add(schema);
            patterns.iter().for_each(|pattern| self.topics.insert(pattern, place));
        }
        Ok(self)
    }

    /// A schema for the data of a type, in a version.
    ///
    /// # Errors
    ///
    /// [`SchemaError`] where the schema cannot be used.
    pub fn version(
        mut self,
        event_type: impl Into<String>,
        version: u32,
        schema: Value,
    ) -> Result<Self, SchemaError> {
        let event_type = event_type.into();
        for schema in compile(&schema, &[(format!("{event_type} {version}"), "#".to_owned())])? {
            self.add_version(event_type.clone(), version, schema);
        }
        Ok(self)
    }

    /// A schema for the data of a Rust type that derives `Event`, in its version.
    ///
    /// # Errors
    ///
    /// [`SchemaError`] where the schema cannot be used.
    pub fn typed<T: TypedEvent>(self, schema: &Value) -> Result<Self, SchemaError> {
        T::TYPES.iter().try_fold(self, |schemas, name| schemas.version(*name, T::VERSION, schema.clone()))
    }

    /// What becomes of an event that no schema is for. Default: [`Unknown::Allow`].
    #[must_use]
    pub fn unknown(mut self, unknown: Unknown) -> Self {
        self.unknown = unknown;
        self
    }

    fn add_version(&mut self, event_type: String, version: u32, schema: Schema) {
        let place = self.add(schema);
        self.types.entry(event_type).or_default().push((version, place));
    }

    fn add(&mut self, schema: Schema) -> u32 {
        self.schemas.push(schema);
        u32::try_from(self.schemas.len() - 1).expect("nobody has that many schemas")
    }

    /// The schemas an event is to satisfy.
    fn of(&self, event: &Event) -> impl Iterator<Item = &Schema> {
        let mut places = Vec::new();
        self.topics.matches(event.topic(), &mut places);
        let versions = self.types.get(event.event_type()).into_iter().flatten();
        places.extend(versions.filter(|(version, _)| *version == event.version()).map(|(_, place)| *place));
        places.into_iter().map(|place| &self.schemas[place as usize])
    }
}

impl Default for Schemas {
    fn default() -> Self {
        Self::new()
    }
}

impl Check for Schemas {
    fn look_at(&self, event: &Event, found: &mut Violations) {
        let mut schemas = self.of(event).peekable();
        if schemas.peek().is_none() {
            if self.unknown == Unknown::Refuse && !is_reply_topic(event.topic()) {
                let version = event.version();
                let problem = format!("none is for its topic, nor for version {version} of its type");
                found.add("schema", problem);
            }
            return;
        }
        let data = match event.as_json() {
            Ok(data) => data,
            Err(ContentError::Empty) => &Value::Null,
            Err(_) => {
                return found.add("schema", "the data is not JSON that can be read, as its schema asks for");
            }
        };
        schemas.for_each(|schema| schema.look_at(data, found));
    }
}

impl fmt::Debug for Schemas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Schemas")
            .field("schemas", &self.schemas.len())
            .field("unknown", &self.unknown)
            .finish_non_exhaustive()
    }
}
