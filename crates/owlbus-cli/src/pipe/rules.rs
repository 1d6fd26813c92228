//! The rules of `pipe --rules`: where they come from, and what they did.

use std::{fmt, fs, path::Path};

use indicatif::HumanCount;
use owlbus::rules::{RuleInfo, Rules};
use serde::Serialize;

use crate::shown::Shown;

/// Reads the rules of a file, or says what is wrong with it.
pub(super) fn read(path: &Path) -> Result<Rules, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("it cannot be read: {error}"))?;
    Rules::from_toml(&text).map_err(|error| error.to_string())
}

/// What one rule did.
#[derive(Serialize)]
pub(super) struct Counts {
    name: String,
    matched: u64,
    forwarded: u64,
    copied: u64,
    dropped: u64,
    refused: u64,
}

impl From<RuleInfo> for Counts {
    fn from(info: RuleInfo) -> Self {
        Self {
            name: info.rule.name().to_owned(),
            matched: info.matched,
            forwarded: info.forwarded,
            copied: info.copied,
            dropped: info.dropped,
            refused: info.refused,
        }
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, matched, forwarded, copied, dropped, refused } = self;
        write!(f, "rule `{}`: {} matched", Shown(name), HumanCount(*matched))?;
        let others =
            [(forwarded, "forwarded"), (copied, "copied"), (dropped, "dropped"), (refused, "refused")];
        for (count, what) in others.into_iter().filter(|(count, _)| **count > 0) {
            write!(f, ", {} {what}", HumanCount(*count))?;
        }
        Ok(())
    }
}
