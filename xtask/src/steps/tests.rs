//! `tests`: every unit and behaviour test, with nextest where it is installed.

use anyhow::Result;

use super::{Step, Verdict};
use crate::project::Project;

pub(super) const STEP: Step = Step { name: "tests", about: "unit and behaviour tests", check };

/// Cases a property test tries under `--full`, where proptest's own default is 256. The reference models try 20,000
/// stories else, and here a million.
const FULL_CASES: &str = "50000";

fn check(project: &Project) -> Result<Verdict> {
    let nextest = project.has_cargo("nextest");
    let mut command = match (nextest, project.full()) {
        (true, false) => project.cargo("nextest run --workspace --all-features --locked"),
        // The profile `full` gives a test the time that this many cases take.
        (true, true) => project.cargo("nextest run --workspace --all-features --locked --profile full"),
        (false, _) => project.cargo("test --workspace --all-features --lib --bins --tests --locked"),
    };
    if project.full() {
        command.env("PROPTEST_CASES", FULL_CASES);
    }
    project.run(command)?;
    let mut notes = Vec::new();
    if !nextest {
        notes.push("run by `cargo test`, without time limits: nextest is missing (`cargo install --locked cargo-nextest`)");
    }
    if !project.path("../shared/data/github-webhooks.ndjson").exists() {
        notes.push("tests on real webhooks left out: ../shared/data/github-webhooks.ndjson is not there");
    }
    Ok(if notes.is_empty() { Verdict::Passed } else { Verdict::Noted(notes.join("; ")) })
}
