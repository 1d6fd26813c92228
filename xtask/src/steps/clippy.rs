//! `clippy`: the compiler and clippy have nothing to say about any target.

use anyhow::Result;

use super::{Step, Verdict};
use crate::project::Project;

pub(super) const STEP: Step = Step { name: "clippy", about: "no warnings in any target", check };

fn check(project: &Project) -> Result<Verdict> {
    project.run(project.cargo("clippy --workspace --all-targets --all-features --locked -- -D warnings"))?;
    Ok(Verdict::Passed)
}
