//! What people and CI both run: `cargo xtask test` passes every check of the project, one step after the other.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Parser, Subcommand, builder::PossibleValuesParser};

mod project; // the folder that is checked, and the programs started in it
mod report; // the lines people read: headings, notes, table, closing line
mod steps; // the checks, one file each

use project::Project;
use report::Report;
use steps::{STEPS, Step};

/// The tasks of the owlbus workspace.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Pass every check, and stop at the first that fails.
    Test(Test),
}

#[derive(Args)]
struct Test {
    /// Look longer: more cases in property tests, more interleavings in models, advisories.
    #[arg(long)]
    full: bool,
    /// Name the steps in their order, and run none.
    #[arg(long)]
    list: bool,
    /// Run only this step; may be given several times.
    #[arg(long, value_name = "STEP", value_parser = step_names())]
    only: Vec<String>,
}

fn step_names() -> PossibleValuesParser {
    PossibleValuesParser::new(STEPS.iter().map(|step| step.name))
}

fn main() -> ExitCode {
    let Task::Test(test) = Arguments::parse().task;
    match pass(&test) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            // Nobody is left to tell when stderr itself is closed; the exit status still says it.
            let _ = writeln!(io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether every step that was asked for passed or was left out for a reason it gave.
fn pass(test: &Test) -> Result<bool> {
    let chosen =
        STEPS.iter().filter(|step| test.only.is_empty() || test.only.iter().any(|name| name == step.name));
    let stdout = io::stdout();
    if test.list {
        for step in chosen {
            writeln!(&stdout, "{:<10} {}", step.name, step.about)?;
        }
        return Ok(true);
    }
    let coloured = stdout.is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let project = Project::find(test.full)?;
    walk(chosen, &project, Report::new(stdout, coloured))
}

/// Runs the steps in their order up to the first failure.
fn walk<'a, W: Write>(
    steps: impl Iterator<Item = &'a Step>,
    project: &Project,
    mut report: Report<W>,
) -> Result<bool> {
    for step in steps {
        report.begin(step)?;
        let result = (step.check)(project);
        report.end(step, &result)?;
        if result.is_err() {
            report.hint(step, project.full())?;
            break;
        }
    }
    Ok(report.close()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use steps::Verdict;

    const GOOD: Step = Step { name: "good", about: "", check: |_| Ok(Verdict::Passed) };
    const ABSENT: Step = Step {
        name: "absent",
        about: "",
        check: |_| Ok(Verdict::LeftOut("the tool is not installed".into())),
    };
    const BAD: Step = Step { name: "bad", about: "", check: |_| anyhow::bail!("two lines are too long") };

    fn printed(steps: &[Step]) -> (bool, String) {
        let mut out = Vec::new();
        let project = Project::find(false).unwrap();
        let passed = walk(steps.iter(), &project, Report::new(&mut out, false)).unwrap();
        (passed, String::from_utf8(out).unwrap())
    }

    #[test]
    fn the_first_failure_ends_the_round_and_says_how_to_run_that_step_alone() {
        let (passed, text) = printed(&[GOOD, BAD, ABSENT]);
        assert!(!passed);
        assert!(text.contains("two lines are too long"), "{text}");
        assert!(text.contains("cargo xtask test --only bad"), "{text}");
        assert!(!text.contains("absent"), "{text}");
        assert_eq!(text.lines().last(), Some("1 passed, 1 failed"));
    }

    #[test]
    fn what_was_left_out_is_told_and_counts_as_neither_passed_nor_failed() {
        let (passed, text) = printed(&[GOOD, ABSENT, GOOD]);
        assert!(passed);
        assert!(text.contains("left out: the tool is not installed"), "{text}");
        assert_eq!(text.lines().last(), Some("2 passed, 0 failed"));
    }

    #[test]
    fn colour_is_for_terminals() {
        let (_, text) = printed(&[GOOD, BAD]);
        assert!(!text.contains('\u{1b}'), "{text:?}");
    }

    #[test]
    fn no_two_steps_share_a_name() {
        let mut names: Vec<_> = STEPS.iter().map(|step| step.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), STEPS.len());
    }
}
