//! What a handler said of one attempt.

use std::time::Duration;

use super::{HandlerError, Outcome};

/// What came of an attempt. Nearly all of them are done, and small.
pub(crate) enum Said {
    Done,
    Skipped,
    Failed(Box<Failed>),
}

/// An attempt that failed.
pub(crate) struct Failed {
    pub(crate) error: HandlerError,
    /// Whether the handler asked for another attempt, and after how long where it said so.
    pub(crate) again: Option<Option<Duration>>,
}

impl From<HandlerError> for Said {
    fn from(error: HandlerError) -> Self {
        Said::Failed(Box::new(Failed { error, again: None }))
    }
}

impl From<Result<Outcome, HandlerError>> for Said {
    fn from(said: Result<Outcome, HandlerError>) -> Self {
        match said {
            Ok(Outcome::Done) => Said::Done,
            Ok(Outcome::Skipped) => Said::Skipped,
            Ok(Outcome::Retry { after }) => {
                let error = HandlerError::temporary("the handler asked for another attempt");
                Said::Failed(Box::new(Failed { error, again: Some(after) }))
            }
            Ok(Outcome::Dead { reason }) => HandlerError::permanent(reason).into(),
            Err(error) => error.into(),
        }
    }
}
