//! A test file is a promise and opens with its story.

use super::{File, Finding};

pub(super) fn check(file: &File) -> Vec<Finding> {
    let folder = file.path.rsplit('/').nth(1);
    if folder != Some("tests") || !file.ends_with(&[".rs"]) || file.text.starts_with("//!") {
        return Vec::new();
    }
    vec![file.finding(1, "a test file opens with `//!` and the promise it keeps")]
}

#[cfg(test)]
mod tests {
    use super::{super::samples::lines, check};

    #[test]
    fn a_test_file_tells_its_story_first() {
        let path = "crates/owlbus/tests/order_is_kept.rs";
        assert_eq!(lines(check, path, "use owlbus::Bus;\n"), [1]);
        assert_eq!(lines(check, path, "//! Order is kept.\n\nuse owlbus::Bus;\n"), [0; 0]);
    }

    #[test]
    fn what_a_test_file_reads_is_no_test_file() {
        assert_eq!(lines(check, "crates/owlbus/tests/derive/wrong.rs", "fn main() {}\n"), [0; 0]);
    }
}
