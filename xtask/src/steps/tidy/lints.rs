//! A lint is switched off by `#[expect(…, reason = "…")]`, which also tells when it is no longer needed.
//!
//! `#[allow(…)]` is left for what only sometimes triggers, such as code that a macro writes; it needs a reason too.

use super::{File, Finding};

const OPENINGS: [&str; 4] = ["#[allow(", "#![allow(", "#[expect(", "#![expect("];

pub(super) fn check(file: &File) -> Vec<Finding> {
    if !file.ends_with(&[".rs"]) {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for (number, line) in file.lines() {
        let opens = OPENINGS.iter().any(|opening| line.trim_start().starts_with(opening));
        if opens && !attribute(file, number).contains("reason =") {
            findings
                .push(file.finding(number, "a lint is switched off: write `#[expect(…, reason = \"…\")]`"));
        }
    }
    findings
}

/// The attribute that begins on this line, up to the line that closes it.
fn attribute(file: &File, start: usize) -> String {
    let mut attribute = String::new();
    for (_, line) in file.lines().skip(start - 1) {
        attribute.push_str(line);
        if line.contains(")]") {
            break;
        }
    }
    attribute
}

#[cfg(test)]
mod tests {
    use super::{super::samples::lines, check};

    #[test]
    fn a_lint_is_not_switched_off_without_a_reason() {
        assert_eq!(lines(check, "a.rs", "#[allow(dead_code)]\nfn a() {}\n"), [1]);
        assert_eq!(lines(check, "a.rs", "#[expect(\n    dead_code\n)]\nfn a() {}\n"), [1]);
    }

    #[test]
    fn a_reason_may_stand_on_a_line_of_its_own() {
        let text = "#[expect(\n    clippy::print_stdout,\n    reason = \"a program\"\n)]\nfn a() {}\n";
        assert_eq!(lines(check, "a.rs", text), [0; 0]);
    }
}
