//! `doc-tests`: every example inside the documentation compiles and runs.

use anyhow::Result;

use super::{Step, Verdict};
use crate::project::Project;

pub(super) const STEP: Step =
    Step { name: "doc-tests", about: "examples inside the documentation run", check };

fn check(project: &Project) -> Result<Verdict> {
    project.run(project.cargo("test --doc --workspace --all-features --locked"))?;
    Ok(Verdict::Passed)
}
