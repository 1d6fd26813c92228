//! What became of the deliveries of a batch.

use super::{HandlerError, IntoOutcome, Outcome, Said};

/// What became of the deliveries of a batch, in the words of its handler: the same of all of them, or of each its own.
#[derive(Debug)]
pub struct Outcomes(Words);

#[derive(Debug)]
enum Words {
    All(Result<Outcome, HandlerError>),
    Each(Vec<Result<Outcome, HandlerError>>),
}

/// A batch handler gave another number of outcomes than it got deliveries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the batch handler got {deliveries} deliveries and gave {outcomes} outcomes: give one each, in their order"
)]
struct Miscounted {
    deliveries: usize,
    outcomes: usize,
}

impl Outcomes {
    /// The same outcome of every delivery.
    #[must_use]
    pub fn all(said: Result<Outcome, HandlerError>) -> Self {
        Self(Words::All(said))
    }

    /// An outcome of each delivery, in their order. Where they are not as many, every delivery has failed for good.
    #[must_use]
    pub fn each(said: Vec<Result<Outcome, HandlerError>>) -> Self {
        Self(Words::Each(said))
    }

    /// What was said of each of so many deliveries.
    pub(crate) fn each_of(self, deliveries: usize) -> Vec<Result<Outcome, HandlerError>> {
        match self.0 {
            Words::All(said) => vec![said; deliveries],
            Words::Each(said) if said.len() == deliveries => said,
            Words::Each(said) => {
                let error = HandlerError::permanent(Miscounted { deliveries, outcomes: said.len() });
                vec![Err(error); deliveries]
            }
        }
    }

    /// The same, in the words of settle.
    pub(crate) fn of(self, deliveries: usize) -> Vec<Said> {
        self.each_of(deliveries).into_iter().map(Said::from).collect()
    }
}

impl From<HandlerError> for Outcomes {
    fn from(error: HandlerError) -> Self {
        Self::all(Err(error))
    }
}

/// What a batch handler may return: of all deliveries nothing, `Result<(), HandlerError>`, an [`Outcome`] or a `Result` of
/// one; of each delivery its own, as a `Vec` of those or a `Result` of such a `Vec`; or [`Outcomes`].
#[diagnostic::on_unimplemented(
    message = "a batch handler cannot return `{Self}`",
    note = "return `Result<(), HandlerError>` for the whole batch, or a `Vec` of it with one entry a delivery, in their order",
    note = "`?` turns every `std::error::Error` into a `HandlerError`; for `anyhow::Error` and boxed errors use `.map_err(HandlerError::temporary)` or `permanent`"
)]
pub trait IntoOutcomes {
    /// The outcomes, or the error of the whole batch.
    fn into_outcomes(self) -> Outcomes;
}

impl IntoOutcomes for Outcomes {
    fn into_outcomes(self) -> Outcomes {
        self
    }
}

impl IntoOutcomes for () {
    fn into_outcomes(self) -> Outcomes {
        Outcomes::all(Ok(Outcome::Done))
    }
}

impl IntoOutcomes for Outcome {
    fn into_outcomes(self) -> Outcomes {
        Outcomes::all(Ok(self))
    }
}

impl IntoOutcomes for Result<(), HandlerError> {
    fn into_outcomes(self) -> Outcomes {
        Outcomes::all(self.into_outcome())
    }
}

impl IntoOutcomes for Result<Outcome, HandlerError> {
    fn into_outcomes(self) -> Outcomes {
        Outcomes::all(self)
    }
}

impl IntoOutcomes for Result<Outcomes, HandlerError> {
    fn into_outcomes(self) -> Outcomes {
        self.unwrap_or_else(Outcomes::from)
    }
}

impl<R: IntoOutcome> IntoOutcomes for Vec<R> {
    fn into_outcomes(self) -> Outcomes {
        Outcomes::each(self.into_iter().map(IntoOutcome::into_outcome).collect())
    }
}

impl<R: IntoOutcome> IntoOutcomes for Result<Vec<R>, HandlerError> {
    fn into_outcomes(self) -> Outcomes {
        self.map_or_else(Outcomes::from, IntoOutcomes::into_outcomes)
    }
}
