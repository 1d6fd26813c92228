//! From a document to the schemas in it.

use jsonschema::{
    Draft, PatternOptions, ReferencingError, Registry, Retrieve, Uri, ValidationError, ValidationOptions,
    error::ValidationErrorKind, uri,
};
use serde_json::{Value, json};

use super::{SchemaError, schema::Schema, weight::weigh};
use crate::middleware::place::{Place, shown};

/// Bytes of a pattern when it is compiled.
const PATTERN_BYTES: usize = 1 << 20;

/// How deep a document may be nested: each level takes stack.
const DEEPEST: usize = 128;

/// What the document is called where it does not say.
const UNNAMED: &str = "owlbus:///schemas";

/// The schemas that a document holds at these references. Each reference comes with what its schema is of.
pub(super) fn compile(document: &Value, wanted: &[(String, String)]) -> Result<Vec<Schema>, SchemaError> {
    let unusable =
        |of: &str, problem: String| SchemaError::Unusable { of: of.to_owned(), problem: shown(problem) };
    let whole = wanted.first().map_or("", |(of, _)| of);
    let name = name(document);
    let registry = registered(document, &name).map_err(|problem| unusable(whole, problem))?;
    let at = |(of, reference): &(String, String)| {
        schema(document, &registry, &name, reference).map_err(|problem| unusable(of, problem))
    };
    wanted.iter().map(at).collect()
}

/// The document where references into it are found, and those into no other.
fn registered<'a>(document: &'a Value, name: &str) -> Result<Registry<'a>, String> {
    if is_deeper_than(DEEPEST, document) {
        return Err(format!("it is nested deeper than {DEEPEST} levels"));
    }
    let draft = Draft::default().detect(document);
    if draft == Draft::Unknown {
        return Err("its `$schema` is none of the drafts 4, 6, 7, 2019-09 and 2020-12; no other is fetched"
            .to_owned());
    }
    jsonschema::meta::validate(document).map_err(|error| problem(&error, None))?;
    let registry = Registry::new().draft(draft).retriever(Nowhere).add(name, document);
    registry.and_then(|registry| registry.prepare()).map_err(|error| nowhere(&error))
}

/// The schema at a reference.
fn schema(document: &Value, registry: &Registry<'_>, name: &str, reference: &str) -> Result<Schema, String> {
    let base = uri::from_str(name).map_err(|error| error.to_string())?;
    let resolved = registry.resolver(base).lookup(reference).map_err(|error| nowhere(&error))?;
    let base = (*resolved.resolver().base_uri()).clone();
    let (contents, _, draft) = resolved.into_inner();
    let of_its_draft = |mut schema: Value| {
        if let Some(dialect) = document.get("$schema") {
            schema["$schema"] = dialect.clone();
        }
        schema
    };
    // What stands under names that are no keywords was not looked at with the document.
    let alone = of_its_draft(json!({ "allOf": [contents] }));
    jsonschema::meta::validate(&alone).map_err(|error| problem(&error, Some(reference)))?;
    let weight = weigh(registry, contents, base, draft)?;
    let reference =
        if reference.starts_with('#') { format!("{name}{reference}") } else { reference.to_owned() };
    let validator = options().with_registry(registry).build(&of_its_draft(json!({ "$ref": reference })));
    Ok(Schema::new(validator.map_err(|error| problem(&error, None))?, weight))
}

fn options<'a>() -> ValidationOptions<'a> {
    jsonschema::options()
        .with_retriever(Nowhere)
        .should_validate_formats(false)
        .without_content_media_type_support("application/json")
        .without_content_encoding_support("base64")
        .with_pattern_options(PatternOptions::regex().size_limit(PATTERN_BYTES).dfa_size_limit(PATTERN_BYTES))
}

/// Where schemas come from that are not in the document.
struct Nowhere;

impl Retrieve for Nowhere {
    fn retrieve(&self, _: &Uri<String>) -> Result<Value, Box<dyn std::error::Error + Send + Sync>> {
        Err("no schema is fetched or read; put it into the document, under `$defs`, and refer to it there"
            .into())
    }
}

/// What relative references in the document start from.
fn name(document: &Value) -> String {
    let id = ["$id", "id"].iter().find_map(|name| document.get(name)?.as_str());
    match id.and_then(|id| id.split('#').next()).unwrap_or_default() {
        "" => UNNAMED.to_owned(),
        id if id.contains(':') => id.to_owned(),
        id => format!("owlbus:///{}", id.trim_start_matches('/')),
    }
}

/// What is wrong with a schema, and where. `alone` is the reference of one that was looked at by itself.
fn problem(error: &ValidationError<'_>, alone: Option<&str>) -> String {
    let place = error.instance_path().as_str();
    let place = match alone.map(|reference| reference.trim_start_matches('#')) {
        Some(reference) => format!("{reference}{}", place.trim_start_matches("/allOf/0")),
        None => place.to_owned(),
    };
    let problem = match error.kind() {
        ValidationErrorKind::Referencing(error) => return nowhere(error),
        ValidationErrorKind::Format { format } if format == "regex" => format!(
            "the pattern {} cannot be used: it is wrong, has look-around or back references, or takes more than \
             {PATTERN_BYTES} bytes when compiled",
            error.instance(),
        ),
        _ => error.to_string(),
    };
    if place.is_empty() { problem } else { format!("{}: {problem}", Place(&place)) }
}

/// Why a reference leads nowhere.
fn nowhere(error: &ReferencingError) -> String {
    match error {
        ReferencingError::Unretrievable { uri, .. } => format!(
            "`{uri}` is not in the document, and no schema is fetched or read; put it there, under `$defs`, and refer to that"
        ),
        ReferencingError::PointerToNowhere { pointer } => {
            format!("nothing stands at `{pointer}` of the document")
        }
        other => other.to_string(),
    }
}

fn is_deeper_than(levels: usize, value: &Value) -> bool {
    let below = |value| levels == 0 || is_deeper_than(levels - 1, value);
    match value {
        Value::Array(values) => values.iter().any(below),
        Value::Object(values) => values.values().any(below),
        _ => false,
    }
}
