//! `format`: every file is as rustfmt writes it.

use anyhow::{Result, anyhow};

use super::{Step, Verdict};
use crate::project::Project;

pub(super) const STEP: Step = Step { name: "format", about: "every file is as rustfmt writes it", check };

fn check(project: &Project) -> Result<Verdict> {
    let checked = project.run(project.cargo("fmt --all --check"));
    checked.map_err(|error| anyhow!("{error:#}; `cargo fmt --all` mends it"))?;
    Ok(Verdict::Passed)
}
