//! Why an attempt of a command failed.

use std::{io, process::ExitStatus, time::Duration};

use owlbus::{HandlerError, event::ContentError};

use crate::system;

/// Why an attempt failed, and what the command said last on standard error.
#[derive(Debug, thiserror::Error)]
#[error("{why}")]
pub(super) struct Failed {
    why: Why,
    #[source]
    said: Option<Said>,
}

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub(super) enum Why {
    #[error("{0}")]
    Ended(ExitStatus),
    #[error("took longer than {0:?}, and was ended")]
    TookTooLong(Duration),
    #[error("was interrupted")]
    Interrupted,
    #[error("cannot be started: {0}")]
    NotStarted(io::Error),
    #[error("cannot be written as JSON: {0}")]
    NotWritten(ContentError),
    /// The command said so, and why.
    #[error("{1}")]
    Answered(Again, String),
    #[error("answered `{0}`; one of `ok`, `retry [REASON]` and `dead [REASON]` is an answer")]
    NoAnswer(String),
    #[error("answered before it had read the event")]
    AnsweredTooEarly,
    #[error("ended ({0}) before it answered")]
    EndedUnanswered(ExitStatus),
    #[error("closed its standard output before it answered")]
    FellSilent,
}

/// Whether another attempt makes sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Again {
    Yes,
    No,
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Said(String);

/// EX_TEMPFAIL of sysexits.h: "temporary failure, user is invited to retry".
const TEMPORARY: i32 = 75;

impl Failed {
    pub(super) fn new(why: Why, said: String) -> Self {
        Self { why, said: Some(said).filter(|said| !said.is_empty()).map(Said) }
    }

    /// Whether the shell found nothing to run.
    pub(super) fn was_not_found(&self) -> bool {
        match &self.why {
            Why::Ended(status) | Why::EndedUnanswered(status) => system::was_not_found(*status),
            _ => false,
        }
    }

    /// The error for the bus.
    pub(super) fn into_error(self) -> HandlerError {
        match self.again() {
            Again::Yes => HandlerError::temporary(self),
            Again::No => HandlerError::permanent(self),
        }
    }

    fn again(&self) -> Again {
        match &self.why {
            Why::Ended(status) if status.code() == Some(TEMPORARY) => Again::Yes,
            Why::Ended(_) | Why::Interrupted | Why::NotWritten(_) => Again::No,
            Why::Answered(again, _) => *again,
            Why::TookTooLong(_)
            | Why::NotStarted(_)
            | Why::NoAnswer(_)
            | Why::AnsweredTooEarly
            | Why::EndedUnanswered(_)
            | Why::FellSilent => Again::Yes,
        }
    }
}

impl From<Why> for Failed {
    fn from(why: Why) -> Self {
        Self { why, said: None }
    }
}
