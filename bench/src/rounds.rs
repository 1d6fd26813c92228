//! Rounds: each a process of its own, the subjects taking turns.

use std::{env, process::Command};

use anyhow::{Context, Result, ensure};

use crate::{
    figure::Figure,
    workload::{Subject, Workload},
    workloads,
};

/// How much is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Effort {
    pub(crate) rounds: u32,
    /// The work of a full round is divided by this.
    divisor: u64,
}

impl Effort {
    pub(crate) fn new(quick: bool, rounds: Option<u32>) -> Self {
        let (usual, divisor) = if quick { (5, 5) } else { (7, 1) };
        Self { rounds: rounds.unwrap_or(usual), divisor }
    }

    fn work(self, subject: &Subject) -> u64 {
        (subject.work / self.divisor).max(1)
    }
}

/// A workload with all figures of its subjects, in their order.
pub(crate) struct Measured {
    pub(crate) workload: &'static Workload,
    pub(crate) figures: Vec<Figure>,
}

impl Measured {
    /// The figure of that name.
    pub(crate) fn figure(&self, name: &str) -> Option<&Figure> {
        let at = self.workload.figures().position(|(candidate, _)| candidate == name)?;
        self.figures.get(at)
    }
}

/// Measures all subjects of a workload. Each round begins with another of them.
pub(crate) fn measure(workload: &'static Workload, effort: Effort) -> Result<Measured> {
    let count = workload.subjects.len();
    let values = |subject: &Subject| vec![Vec::new(); subject.figures().len()];
    let mut values: Vec<_> = workload.subjects.iter().map(values).collect();
    for round in 0..effort.rounds as usize {
        for turn in 0..count {
            let at = (round + turn) % count;
            let subject = &workload.subjects[at];
            let found = in_a_process(workload, subject, effort.work(subject))?;
            values[at].iter_mut().zip(found).for_each(|(values, value)| values.push(value));
        }
    }
    let figures = values.into_iter().flatten().map(Figure::of).collect::<Option<_>>();
    Ok(Measured { workload, figures: figures.context("there was no round")? })
}

/// The figures of one round, run by a fresh process of this program.
fn in_a_process(workload: &Workload, subject: &Subject, work: u64) -> Result<Vec<f64>> {
    let output = Command::new(env::current_exe()?)
        .args(["--round", workload.name, subject.name, &work.to_string()])
        .output()?;
    ensure!(
        output.status.success(),
        "a round of {} / {} failed: {}",
        workload.name,
        subject.name,
        String::from_utf8_lossy(&output.stderr).trim()
    );
    let text = String::from_utf8(output.stdout)?;
    let figures: Vec<f64> = text
        .split_whitespace()
        .map(|figure| figure.parse())
        .collect::<Result<_, _>>()
        .with_context(|| format!("{} / {} printed {text:?}", workload.name, subject.name))?;
    let expected = subject.figures().len();
    ensure!(
        figures.len() == expected,
        "{} / {} gave {} figures instead of {expected}",
        workload.name,
        subject.name,
        figures.len()
    );
    Ok(figures)
}

/// The figures of one round, run in this process.
pub(crate) fn one(workload: &str, subject: &str, work: &str) -> Result<Vec<f64>> {
    let workload = workloads::ALL.iter().find(|candidate| candidate.name == workload);
    let workload = workload.context("there is no such workload; `--help` lists them")?;
    let subject = workload.subjects.iter().find(|candidate| candidate.name == subject);
    let subject = subject.with_context(|| {
        let names: Vec<_> = workload.subjects.iter().map(|subject| subject.name).collect();
        format!("{} has no such subject, but {}", workload.name, names.join(", "))
    })?;
    subject.run(work.parse().context("the work of a round is a number")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quick_run_does_less_in_fewer_rounds_unless_told() {
        let subject = &workloads::ALL[0].subjects[0];
        let (full, quick) = (Effort::new(false, None), Effort::new(true, None));
        assert_eq!((full.rounds, quick.rounds), (7, 5));
        assert_eq!((full.work(subject), quick.work(subject)), (subject.work, subject.work / 5));
        assert_eq!(Effort::new(true, Some(11)).rounds, 11);
    }

    #[test]
    fn a_round_of_something_else_says_what_there_is() {
        let error = one("queue_1x1", "pigeon", "1").unwrap_err().to_string();
        assert!(error.contains("owlbus"), "{error}");
        assert!(one("queue_9x9", "owlbus", "1").is_err());
        assert!(one("queue_1x1", "owlbus", "many").is_err());
    }
}
