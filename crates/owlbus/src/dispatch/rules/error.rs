//! Why rules are none.

use std::fmt;

use crate::event::Escaped;

/// Why rules are none, or may not be those of a bus: the first rule that is wrong, or the place in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RulesError {
    /// Name of the rule, where it is about one that has a name.
    pub rule: Option<String>,
    /// Line and column in the file, both counted from 1, where the rules are from one.
    pub place: Option<(usize, usize)>,
    /// What is wrong, and what to do.
    pub problem: String,
}

impl RulesError {
    /// Somebody may not give a bus its rules.
    pub(crate) fn denied(by: &str, reason: &str) -> Self {
        Self { rule: None, place: None, problem: format!("{by}: {reason}; have it allowed") }
    }

    pub(super) fn of_rule(rule: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { rule: Some(rule.into()), place: None, problem: problem.into() }
    }
}

impl fmt::Display for RulesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((line, column)) = self.place {
            write!(f, "line {line}, column {column}: ")?;
        }
        if let Some(rule) = &self.rule {
            write!(f, "rule `{}`: ", Escaped(rule))?;
        }
        write!(f, "{}", Escaped(&self.problem))
    }
}

impl std::error::Error for RulesError {}
