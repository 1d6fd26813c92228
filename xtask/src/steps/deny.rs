//! `deny`: no banned crate, no unknown licence, no other source than the registry; under `--full` no known hole.

use anyhow::Result;

use super::{Step, Verdict};
use crate::project::Project;

pub(super) const STEP: Step =
    Step { name: "deny", about: "banned crates, licences, sources of crates", check };

fn check(project: &Project) -> Result<Verdict> {
    if !project.has_cargo("deny") {
        return Ok(Verdict::LeftOut("cargo-deny is missing (`cargo install --locked cargo-deny`)".into()));
    }
    // Advisories come over the network, which the everyday round does without.
    let advisories = if project.full() { " advisories" } else { "" };
    project.run(project.cargo(&format!("deny --locked check bans licenses sources{advisories}")))?;
    Ok(Verdict::Passed)
}
