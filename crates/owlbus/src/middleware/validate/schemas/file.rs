//! Schemas that come together, in one document.

use serde_json::{Map, Value};

use super::{SchemaError, Schemas, compile::compile};
use crate::topic::Pattern;

/// What the schemas of a document are for.
enum For {
    Topic(Pattern),
    Version(String, u32),
}

impl Schemas {
    /// The schemas of a document, which is JSON text. It is a JSON Schema itself, with two members more: `topics` are topics or patterns
    /// with the schema of each, `types` are types, with versions, with the schema of each. A schema that is a text is a `$ref`.
    ///
    /// ```
    /// use owlbus::middleware::Schemas;
    ///
    /// let schemas = Schemas::read(r##"{
    ///     "$schema": "http://json-schema.org/draft-07/schema#",
    ///     "topics": { "orders.placed": "#/definitions/order", "orders.*.note": { "type": "string" } },
    ///     "types": { "user.renamed": { "1": { "required": ["to"] }, "2": { "required": ["from", "to"] } } },
    ///     "definitions": { "order": { "type": "object", "required": ["id"] } }
    /// }"##)?;
    /// # Ok::<(), owlbus::middleware::SchemaError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`SchemaError`] where the text is no such document, or one of the schemas cannot be used.
    pub fn read(text: impl AsRef<[u8]>) -> Result<Self, SchemaError> {
        let document: Value =
            serde_json::from_slice(text.as_ref()).map_err(|error| SchemaError::Syntax(error.to_string()))?;
        let (mut whose, mut wanted) = (Vec::new(), Vec::new());
        for (topic, schema) in members(&document, "topics")?.into_iter().flatten() {
            whose.push(For::Topic(Pattern::new(topic)?));
            wanted.push((topic.clone(), reference(schema, &["topics", topic])));
        }
        for (event_type, versions) in members(&document, "types")?.into_iter().flatten() {
            let versions = versions.as_object().ok_or_else(|| {
                SchemaError::Layout(format!("type `{event_type}` is no object of versions and schemas"))
            })?;
            for (version, schema) in versions {
                let number = version.parse().ok().filter(|number| *number > 0).ok_or_else(|| {
                    let problem = "is not a version, which is a whole number from 1";
                    SchemaError::Layout(format!("`{version}` of type `{event_type}` {problem}"))
                })?;
                whose.push(For::Version(event_type.clone(), number));
                wanted.push((
                    format!("{event_type} {version}"),
                    reference(schema, &["types", event_type, version]),
                ));
            }
        }
        if whose.is_empty() {
            let problem = "there are neither `topics` nor `types` with schemas";
            return Err(SchemaError::Layout(problem.into()));
        }
        let mut schemas = Self::new();
        for (whose, schema) in whose.into_iter().zip(compile(&document, &wanted)?) {
            match whose {
                For::Version(event_type, version) => schemas.add_version(event_type, version, schema),
                For::Topic(pattern) => {
                    let place = schemas.add(schema);
                    schemas.topics.insert(&pattern, place);
                }
            }
        }
        Ok(schemas)
    }
}

/// The members of one of the objects of the document.
fn members<'a>(document: &'a Value, name: &str) -> Result<Option<&'a Map<String, Value>>, SchemaError> {
    let wrong = || SchemaError::Layout(format!("`{name}` is no object"));
    document.get(name).map(|value| value.as_object().ok_or_else(wrong)).transpose()
}

/// A reference to a schema of the document: what it says where it is a text, else its place.
fn reference(schema: &Value, path: &[&str]) -> String {
    match schema {
        Value::String(reference) => reference.clone(),
        _ => path.iter().fold("#".to_owned(), |pointer, name| {
            let name = name.replace('~', "~0").replace('/', "~1");
            let encoded = name.bytes().map(|byte| match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'*' => {
                    char::from(byte).to_string()
                }
                _ => format!("%{byte:02X}"),
            });
            format!("{pointer}/{}", encoded.collect::<String>())
        }),
    }
}
