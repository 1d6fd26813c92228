//! No tabs, no white space at the end of a line, and a newline at the end of the file.

use super::{File, Finding};

const ENDINGS: [&str; 3] = [".rs", ".md", ".toml"];

pub(super) fn check(file: &File) -> Vec<Finding> {
    if !file.ends_with(&ENDINGS) {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for (number, line) in file.lines() {
        if line.contains('\t') {
            findings.push(file.finding(number, "a tab: indent with spaces"));
        }
        if line.ends_with(char::is_whitespace) {
            findings.push(file.finding(number, "white space at the end of the line"));
        }
    }
    if !file.text.is_empty() && !file.text.ends_with('\n') {
        findings.push(file.finding(file.text.lines().count(), "the last line does not end with a newline"));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::{super::samples::lines, check};

    #[test]
    fn stray_white_space_is_found_where_it_stands() {
        assert_eq!(lines(check, "a.rs", "fn a() {\n\t1;\n}  \n"), [2, 3]);
        assert_eq!(lines(check, "a.md", "one\ntwo"), [2]);
    }

    #[test]
    fn other_files_may_need_their_tabs() {
        assert_eq!(lines(check, "Makefile.sh", "a:\n\tb\n"), [0; 0]);
    }
}
