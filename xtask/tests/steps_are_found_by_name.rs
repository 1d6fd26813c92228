//! Whoever runs `cargo xtask test` finds each step by its name: `--list` tells the names, and a name that does not
//! exist is answered with those that do.

use std::process::{Command, Output};

fn xtask(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_xtask")).args(arguments).output().expect("xtask starts")
}

#[test]
fn the_list_names_every_step_and_runs_none() {
    let output = xtask(&["test", "--list"]);
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    let names: Vec<_> = text.lines().filter_map(|line| line.split_whitespace().next()).collect();
    for name in
        ["format", "tidy", "deny", "clippy", "minimal", "tests", "doc-tests", "docs", "examples", "models"]
    {
        assert!(names.contains(&name), "{name} is missing in\n{text}");
    }
    assert!(!text.contains("passed"), "{text}");
}

#[test]
fn an_unknown_step_is_answered_with_the_known_ones() {
    let output = xtask(&["test", "--only", "clipy"]);
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("clipy") && text.contains("doc-tests"), "{text}");
}
