//! The checks in their order: what fails in seconds first, what takes minutes last.

use anyhow::Result;

use crate::project::Project;

mod clippy; // lints
mod deny; // banned crates, licences, sources
mod doc_tests; // examples inside the documentation
mod docs; // the documentation itself
mod examples; // the course
mod format; // rustfmt
mod minimal; // the library without features
mod models; // interleavings of threads
mod tests; // unit and behaviour tests
mod tidy; // our own rules

/// One check.
pub(crate) struct Step {
    /// How it is called on the command line and in the table.
    pub(crate) name: &'static str,
    /// What it makes sure of, in a few words.
    pub(crate) about: &'static str,
    /// Does it. An error is the failure and says what to do.
    pub(crate) check: fn(&Project) -> Result<Verdict>,
}

/// How a step that did not fail ended.
pub(crate) enum Verdict {
    /// Everything it looks at is as it should be.
    Passed,
    /// Passed, with lines worth reading.
    Noted(String),
    /// It had nothing to look at, or its tool is missing: the reason, and what to do about it.
    LeftOut(String),
}

/// Every step, in the order in which they run.
pub(crate) const STEPS: &[Step] = &[
    format::STEP,
    tidy::STEP,
    deny::STEP,
    clippy::STEP,
    minimal::STEP,
    tests::STEP,
    doc_tests::STEP,
    docs::STEP,
    examples::STEP,
    models::STEP,
];
