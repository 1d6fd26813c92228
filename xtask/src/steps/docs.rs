//! `docs`: the documentation builds, and none of its links is broken.

use anyhow::Result;

use super::{Step, Verdict};
use crate::project::Project;

pub(super) const STEP: Step =
    Step { name: "docs", about: "the documentation builds without warnings", check };

fn check(project: &Project) -> Result<Verdict> {
    let mut command = project.cargo("doc --workspace --all-features --no-deps --locked");
    command.env("RUSTDOCFLAGS", "-D warnings");
    project.run(command)?;
    Ok(Verdict::Passed)
}
