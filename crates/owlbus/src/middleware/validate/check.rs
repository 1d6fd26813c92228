//! What an event is held to, one at a time.

use std::{borrow::Cow, fmt};

use serde_json::Value;

use super::Violations;
use crate::{
    config::ConfigError,
    event::Event,
    topic::{IntoPatterns, Pattern},
};

/// Something an event is held to.
pub(super) trait Check: fmt::Debug + Send + Sync {
    /// Adds what is wrong with the event.
    fn look_at(&self, event: &Event, found: &mut Violations);
}

/// Fields that have to be there.
#[derive(Debug)]
pub(super) struct Required {
    patterns: Vec<Pattern>,
    fields: Vec<String>,
}

impl Required {
    pub(super) fn new<P: Into<String>>(
        patterns: impl IntoPatterns,
        fields: impl IntoIterator<Item = P>,
    ) -> Result<Self, ConfigError> {
        let wrong = |problem: String| ConfigError::new("require", problem);
        let patterns =
            patterns.into_patterns().map_err(|error| wrong(format!("has a wrong pattern: {error}")))?;
        let fields: Vec<String> = fields.into_iter().map(Into::into).collect();
        match fields.iter().find(|field| !field.starts_with('/')) {
            Some(field) => {
                Err(wrong(format!("names the field `{field}`, which is no JSON pointer; write `/{field}`")))
            }
            None => Ok(Self { patterns, fields }),
        }
    }
}

impl Check for Required {
    fn look_at(&self, event: &Event, found: &mut Violations) {
        if !self.patterns.iter().any(|pattern| pattern.matches(event.topic())) {
            return;
        }
        let data = event.as_json().unwrap_or(&Value::Null);
        for field in &self.fields {
            if data.pointer(field).is_none_or(Value::is_null) {
                found.add_at("require", field, "it is missing");
            }
        }
    }
}

/// What a rule says is wrong with an event, if anything.
type Says = dyn Fn(&Event) -> Option<String> + Send + Sync;

/// A rule that is code.
pub(super) struct Rule {
    name: Cow<'static, str>,
    rule: Box<Says>,
}

impl Rule {
    pub(super) fn new<E: fmt::Display>(
        name: Cow<'static, str>,
        rule: impl Fn(&Event) -> Result<(), E> + Send + Sync + 'static,
    ) -> Self {
        Self { name, rule: Box::new(move |event| rule(event).err().map(|problem| problem.to_string())) }
    }
}

impl Check for Rule {
    fn look_at(&self, event: &Event, found: &mut Violations) {
        if let Some(problem) = (self.rule)(event) {
            found.add(self.name.clone(), problem);
        }
    }
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rule({:?})", self.name)
    }
}
