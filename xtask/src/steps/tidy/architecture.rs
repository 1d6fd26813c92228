//! Every path that ARCHITECTURE.md names exists, or the map leads people astray.
//!
//! A path is what stands between back-ticks, contains a `/` or ends in `.rs` or `.md`, and is written from the root of
//! the project. URLs, routes (`/metrics`), and anything with white space in it are not paths. A `*` stands for any name.

use std::collections::BTreeSet;
use std::fs;

use anyhow::Result;

use super::{File, Finding};
use crate::project::Project;

const MAP: &str = "ARCHITECTURE.md";

/// A project without a front page is still being founded, and may do without the map.
const FRONT_PAGE: &str = "README.md";

pub(super) fn check(project: &Project, paths: &[String]) -> Result<Vec<Finding>> {
    let has = |name: &str| paths.iter().any(|path| path == name);
    match (has(MAP), has(FRONT_PAGE)) {
        (true, _) => {
            let text = fs::read_to_string(project.path(MAP))?;
            Ok(strays(&File { path: MAP.to_owned(), text }, paths))
        }
        (false, true) => {
            let says = format!("{MAP} is missing: write down the path of an event and the invariants");
            Ok(vec![Finding { path: FRONT_PAGE.to_owned(), line: 1, says }])
        }
        (false, false) => Ok(Vec::new()),
    }
}

/// The places where the map names what is not there.
fn strays(map: &File, paths: &[String]) -> Vec<Finding> {
    let known = with_folders(paths);
    let mut fenced = false;
    let mut findings = Vec::new();
    for (number, line) in map.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            let missing = named(line).filter(|name| !known.iter().any(|path| fits(name, path)));
            let says = |name| format!("`{name}` does not exist: write the path from the root of the project");
            findings.extend(missing.map(|name| map.finding(number, says(name))));
        }
    }
    findings
}

/// The paths between back-ticks on one line.
fn named(line: &str) -> impl Iterator<Item = &str> {
    let is_path = |span: &&str| {
        let shaped = span.contains('/') || span.ends_with(".rs") || span.ends_with(".md");
        shaped && !span.contains("://") && !span.starts_with('/') && !span.contains(char::is_whitespace)
    };
    line.split('`').skip(1).step_by(2).filter(is_path).map(|span| span.trim_end_matches('/'))
}

/// git lists files; a folder exists when a file stands in it.
fn with_folders(paths: &[String]) -> BTreeSet<&str> {
    paths
        .iter()
        .flat_map(|path| path.match_indices('/').map(|(end, _)| &path[..end]).chain([path.as_str()]))
        .collect()
}

/// Whether the path is the name, part by part.
fn fits(name: &str, path: &str) -> bool {
    let mut parts = path.split('/');
    name.split('/').all(|pattern| parts.next().is_some_and(|part| part_fits(pattern, part)))
        && parts.next().is_none()
}

fn part_fits(pattern: &str, part: &str) -> bool {
    match pattern.split_once('*') {
        Some((before, after)) => {
            part.len() >= before.len() + after.len() && part.starts_with(before) && part.ends_with(after)
        }
        None => pattern == part,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missing(text: &str) -> Vec<usize> {
        let paths = ["crates/owlbus/src/lib.rs", "crates/owlbus/src/handle/mailbox.rs", "README.md"];
        let map = File { path: MAP.to_owned(), text: text.to_owned() };
        strays(&map, &paths.map(str::to_owned)).iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn every_path_that_the_map_names_exists() {
        let project = Project::find(false).unwrap();
        let findings = check(&project, &project.files().unwrap()).unwrap();
        assert!(findings.is_empty(), "{}", super::super::listed("", &findings));
    }

    #[test]
    fn files_and_folders_are_found_and_what_is_gone_is_named() {
        let text = "See `crates/owlbus/src/handle/` and `README.md`.\nThen `crates/owlbus/src/settle/`.\nAnd `lib.rs`.\n";
        assert_eq!(missing(text), [2, 3]);
    }

    #[test]
    fn a_star_stands_for_any_name_but_not_for_none() {
        assert_eq!(missing("`crates/*/src/lib.rs`\n`crates/owlbus/src/*.rs`\n`crates/*.rs`\n"), [3]);
    }

    #[test]
    fn what_only_looks_like_a_path_is_left_alone() {
        assert_eq!(
            missing("`sqlite://x`, `/metrics`, `cargo run a/b`\n```\ngone/mailbox.rs `gone/a.rs`\n```\n"),
            [0; 0]
        );
    }

    #[test]
    fn a_front_page_without_a_map_is_an_error_and_no_page_at_all_is_not() {
        let project = Project::find(false).unwrap();
        assert_eq!(check(&project, &["README.md".to_owned()]).unwrap().len(), 1);
        assert!(check(&project, &["Cargo.toml".to_owned()]).unwrap().is_empty());
    }
}
