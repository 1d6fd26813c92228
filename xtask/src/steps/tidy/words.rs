//! No words that say something is unfinished: finish it, or write it down outside the code.

use super::{File, Finding};

/// Put together here, so that this file does not contain them itself.
const WORDS: [&str; 4] =
    [concat!("todo", "!("), concat!("FIX", "ME"), concat!("XX", "X"), concat!("unimplemented", "!(")];

pub(super) fn check(file: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, line) in file.lines() {
        for word in WORDS {
            if stands_alone(line, word) {
                findings.push(
                    file.finding(number, format!("`{word}` says that something is unfinished: finish it")),
                );
            }
        }
    }
    findings
}

/// Whether the word occurs without a letter or digit on either side; `mktemp` patterns are one long word.
fn stands_alone(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(start, _)| {
        let before = line[..start].chars().next_back();
        let after = line[start + word.len()..].chars().next();
        let closed = word.ends_with('(') || !after.is_some_and(char::is_alphanumeric);
        closed && !before.is_some_and(char::is_alphanumeric)
    })
}

#[cfg(test)]
mod tests {
    use super::{super::samples::lines, WORDS, check};

    #[test]
    fn each_of_the_words_is_found() {
        for word in WORDS {
            assert_eq!(lines(check, "a.rs", &format!("let a = 1;\n// {word})\n")), [2], "{word}");
        }
    }

    #[test]
    fn the_pattern_of_a_temporary_name_is_another_word() {
        let pattern = WORDS[2].repeat(2);
        assert_eq!(lines(check, "a.sh", &format!("mktemp -d /tmp/owl.{pattern}\n")), [0; 0]);
    }
}
