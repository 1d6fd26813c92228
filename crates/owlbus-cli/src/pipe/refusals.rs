//! Events that do not satisfy their schema: the bus refuses them, and what it refused is kept.

use std::{fs, path::Path, sync::Arc};

use anyhow::{Context as _, anyhow};
use owlbus::{
    PublishError,
    middleware::{Schemas, Validate},
};

use super::{dead_letters::DeadLetters, letter::Letter};

/// The name of the middleware that refuses them.
pub(super) const NAME: &str = "schemas";

/// Keeps what does not satisfy its schema.
pub(super) struct Refusals {
    validate: Option<Validate>,
    dead_letters: Arc<DeadLetters>,
}

impl Refusals {
    pub(super) fn new(validate: Option<Validate>, dead_letters: Arc<DeadLetters>) -> Self {
        Self { validate, dead_letters }
    }

    /// Keeps an event the bus refused, where that was for its schema.
    ///
    /// # Errors
    ///
    /// It could not be kept; it was named.
    pub(super) fn keep(&self, refused: &PublishError) -> anyhow::Result<()> {
        let (Some(validate), PublishError::Rejected { event, by, .. }) = (&self.validate, refused) else {
            return Ok(());
        };
        if &**by != NAME {
            return Ok(());
        }
        let violations = validate.violations(event);
        let reason = match violations.len() {
            1 => "its data does not satisfy its schema: 1 violation".to_owned(),
            count => format!("its data does not satisfy its schema: {count} violations"),
        };
        self.dead_letters.keep(event, &Letter::of_violations(&reason, &violations))
    }
}

/// What holds events to the schemas in a file.
///
/// # Errors
///
/// The file cannot be read, or what is in it not be used.
pub(super) fn read(path: &Path) -> anyhow::Result<Validate> {
    let text = fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let schemas = Schemas::read(text).map_err(|error| anyhow!("{}: {error}", path.display()))?;
    Ok(Validate::new().named(NAME).schemas(schemas))
}
