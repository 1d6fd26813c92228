//! Without the feature nothing takes a cron expression, and none comes here.

use super::super::rhythm::Rhythm;
use crate::config::ConfigError;

pub(in super::super) fn rhythm(
    _expression: &str,
    _zone: Option<&str>,
) -> Result<Box<dyn Rhythm>, ConfigError> {
    Err(ConfigError::new("cron", "is not built in; switch the feature `cron` of owlbus on"))
}
