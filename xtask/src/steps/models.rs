//! `models`: the concurrent parts under shuttle, which chooses the interleavings of threads itself.

use anyhow::Result;

use super::{Step, Verdict};
use crate::project::Project;

pub(super) const STEP: Step = Step { name: "models", about: "interleavings of threads under shuttle", check };

/// The tests in modules named `models`, which exist only under `cfg(all(test, shuttle))`.
const TESTS: &str = "test -p owlbus --release --lib --locked models";

/// Interleavings a model tries: every day, and under `--full`.
const ITERATIONS: &str = "10000";
const FULL_ITERATIONS: &str = "100000";

fn check(project: &Project) -> Result<Verdict> {
    if count(&project.read(shuttle(project, &format!("{TESTS} -- --list")))?) == 0 {
        return Ok(Verdict::LeftOut(
            "no module `models` under `cfg(all(test, shuttle))` in crates/owlbus/src".into(),
        ));
    }
    let iterations = if project.full() { FULL_ITERATIONS } else { ITERATIONS };
    let mut command = shuttle(project, TESTS);
    command.env("OWLBUS_MODEL_ITERATIONS", iterations);
    project.run(command)?;
    Ok(Verdict::Noted(format!("{iterations} interleavings a model")))
}

/// A cargo command under `--cfg shuttle`, in a target folder of its own so that neither build throws the other away.
fn shuttle(project: &Project, line: &str) -> std::process::Command {
    let mut flags = std::env::var("RUSTFLAGS").unwrap_or_default();
    flags.push_str(" --cfg shuttle");
    let mut command = project.cargo(line);
    command.env("RUSTFLAGS", flags.trim_start()).env("CARGO_TARGET_DIR", project.target().join("shuttle"));
    command
}

/// How many tests a listing names.
fn count(listing: &str) -> usize {
    listing.lines().filter(|line| line.ends_with(": test")).count()
}

#[cfg(test)]
mod tests {
    use super::count;

    #[test]
    fn a_listing_without_tests_is_no_models() {
        assert_eq!(count("0 tests, 0 benchmarks\n"), 0);
        assert_eq!(count("handle::mailbox::models::close_wakes: test\n\n1 test, 0 benchmarks\n"), 1);
    }
}
