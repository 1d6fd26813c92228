//! `tidy`: the rules of this project that neither rustfmt nor clippy knows.

use std::fmt;
use std::fs;

use anyhow::{Context, Result, bail};

use super::{Step, Verdict};
use crate::project::Project;

mod architecture; // paths that ARCHITECTURE.md names and nobody has
mod length; // files that hold two nouns
mod lints; // lints that are switched off without a reason
mod manifests; // crates without a licence
mod openings; // test files that do not tell their story
mod sleeps; // waiting for time instead of for an event
mod space; // tabs, trailing white space, the last newline
mod words; // words that say something is unfinished

pub(super) const STEP: Step = Step { name: "tidy", about: "our own rules about files", check };

/// Rules that are errors; each looks at one file at a time.
const RULES: &[fn(&File) -> Vec<Finding>] =
    &[space::check, words::check, lints::check, openings::check, sleeps::check, manifests::check];

/// Endings of the files that the rules read.
const TEXT: [&str; 7] = [".rs", ".md", ".toml", ".sh", ".py", ".ts", ".svelte"];

/// A file as the rules see it.
struct File {
    /// From the root of the project, with `/` between its parts.
    path: String,
    text: String,
}

impl File {
    fn ends_with(&self, endings: &[&str]) -> bool {
        endings.iter().any(|ending| self.path.ends_with(ending))
    }

    /// Whether it stands in a folder of this name, at any depth.
    fn is_within(&self, folder: &str) -> bool {
        self.path.rsplit('/').skip(1).any(|part| part == folder)
    }

    /// Its lines with their numbers, which begin at 1.
    fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(index, line)| (index + 1, line))
    }

    fn finding(&self, line: usize, says: impl Into<String>) -> Finding {
        Finding { path: self.path.clone(), line, says: says.into() }
    }
}

/// One place that breaks a rule, and what to do about it.
struct Finding {
    path: String,
    line: usize,
    says: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.says)
    }
}

fn check(project: &Project) -> Result<Verdict> {
    let paths = project.files()?;
    let files = read(project, &paths)?;
    let mut errors: Vec<Finding> =
        files.iter().flat_map(|file| RULES.iter().flat_map(move |rule| rule(file))).collect();
    errors.extend(architecture::check(project, &paths)?);
    let warnings: Vec<Finding> = files.iter().flat_map(length::check).collect();
    if !errors.is_empty() {
        bail!("{}\n{} places to tidy up", listed("", &errors), errors.len());
    }
    if warnings.is_empty() {
        return Ok(Verdict::Noted(format!("{} files read", files.len())));
    }
    Ok(Verdict::Noted(format!("{}\n{} files read", listed("warning: ", &warnings), files.len())))
}

fn read(project: &Project, paths: &[String]) -> Result<Vec<File>> {
    let texts = paths.iter().filter(|path| TEXT.iter().any(|ending| path.ends_with(ending)));
    texts
        .map(|path| {
            let text =
                fs::read_to_string(project.path(path)).with_context(|| format!("{path} cannot be read"))?;
            Ok(File { path: path.clone(), text })
        })
        .collect()
}

fn listed(before: &str, findings: &[Finding]) -> String {
    findings.iter().map(|finding| format!("{before}{finding}")).collect::<Vec<_>>().join("\n")
}

/// What the tests of the rules share.
#[cfg(test)]
mod samples {
    use super::{File, Finding};

    /// The numbers of the lines that a rule complains about.
    pub(super) fn lines(rule: fn(&File) -> Vec<Finding>, path: &str, text: &str) -> Vec<usize> {
        let file = File { path: path.to_owned(), text: text.to_owned() };
        rule(&file).iter().map(|finding| finding.line).collect()
    }
}
