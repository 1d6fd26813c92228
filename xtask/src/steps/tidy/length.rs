//! A file past 400 lines usually holds two nouns. A warning, since some nouns are long.

use super::{File, Finding};

const MOST_LINES: usize = 400;

/// Tests of a module that stand in a file beside it.
const TESTS: [&str; 2] = ["/tests.rs", "/models.rs"];

pub(super) fn check(file: &File) -> Vec<Finding> {
    if !file.ends_with(&[".rs"])
        || file.ends_with(&TESTS)
        || file.is_within("tests")
        || file.is_within("examples")
    {
        return Vec::new();
    }
    let count = lines_outside_tests(&file.text);
    if count <= MOST_LINES {
        return Vec::new();
    }
    vec![file.finding(1, format!("{count} lines without its tests: does it hold two nouns?"))]
}

/// Counts what is left without `#[cfg(test)] mod … { … }`, whose ends rustfmt puts at the beginning of a line.
fn lines_outside_tests(text: &str) -> usize {
    let mut lines = text.lines().peekable();
    let mut count = 0;
    while let Some(line) = lines.next() {
        let is_test = line.starts_with("#[cfg(test)]") || line.starts_with("#[cfg(all(test");
        if is_test && lines.peek().is_some_and(|next| next.starts_with("mod ") && next.ends_with('{')) {
            lines.by_ref().find(|line| *line == "}");
        } else {
            count += 1;
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::{super::samples::lines, check, lines_outside_tests};

    #[test]
    fn tests_in_the_file_do_not_count_and_code_below_them_does() {
        let text = "fn a() {}\n\n#[cfg(test)]\nmod tests {\n    fn b() {\n    }\n}\nfn c() {}\n";
        assert_eq!(lines_outside_tests(text), 3);
    }

    #[test]
    fn a_long_file_is_named_unless_it_is_a_test_or_an_example() {
        let text = "fn a() {}\n".repeat(401);
        assert_eq!(lines(check, "crates/owlbus/src/bus.rs", &text), [1]);
        assert_eq!(lines(check, "crates/owlbus/tests/bus.rs", &text), [0; 0]);
        assert_eq!(lines(check, "crates/owlbus/src/bus/tests.rs", &text), [0; 0]);
        assert_eq!(lines(check, "crates/owlbus/src/bus.rs", &text[10..]), [0; 0]);
    }
}
