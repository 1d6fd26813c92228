//! `owlbus match` says whether a pattern matches a topic: for its arguments by a word and an exit status, for lines of
//! standard input by a word each.

mod common;

use common::run;

/// Pattern, topic, and whether the one matches the other.
const TABLE: [(&str, &str, bool); 21] = [
    ("a", "a", true),
    ("a", "b", false),
    ("a", "A", false),
    ("a", "a.b", false),
    ("hook.*", "hook.tool", true),
    ("hook.*", "hook", false),
    ("hook.*", "hook.tool.usage", false),
    ("hook.**", "hook", true),
    ("hook.**", "hook.tool", true),
    ("hook.**", "hook.tool.usage", true),
    ("hook.**", "hooks.tool", false),
    ("**.usage", "usage", true),
    ("**.usage", "hook.tool.usage", true),
    ("*.*.usage", "hook.usage", false),
    ("a.**.c", "a.c", true),
    ("a.**.c", "a.b.b.c", true),
    ("a.**.c", "a.b.b", false),
    ("**.**", "a.b.c", true),
    ("**", "owlbus.gap", false),
    ("*.gap", "owlbus.gap", false),
    ("owlbus.**", "owlbus.gap", true),
];

/// Pairs of which one is none, and what is said about it.
const WRONG: [(&str, &str, &str); 6] = [
    ("a*", "a", "no pattern: `a*` has a `*` beside other characters at byte 1"),
    ("a..b", "a", "no pattern: `a..b` has an empty token at byte 2"),
    ("", "a", "no pattern: a topic or pattern must not be empty"),
    ("a", "a.*", "no topic: `a.*` has a wildcard at byte 2"),
    ("a", "", "no topic: a topic or pattern must not be empty"),
    ("a", "a\u{1b}", "no topic: `a\\u{1b}` has the control character U+001B at byte 1"),
];

fn word(yes: bool) -> &'static str {
    if yes { "yes" } else { "no" }
}

#[test]
fn arguments_are_answered_by_word_and_exit_status() {
    for (pattern, topic, yes) in TABLE {
        let ran = run(&["match", pattern, topic], "");
        let expected = (format!("{}\n", word(yes)), i32::from(!yes));
        assert_eq!((ran.stdout().to_owned(), ran.status()), expected, "{pattern} {topic}");
        assert_eq!(ran.stderr(), "", "{pattern} {topic}");
    }
}

#[test]
fn what_is_no_pattern_or_no_topic_has_a_reason_and_a_status_of_its_own() {
    for (pattern, topic, reason) in WRONG {
        let ran = run(&["match", pattern, topic], "");
        assert_eq!((ran.status(), ran.stdout()), (2, ""), "{pattern:?} {topic:?}");
        assert!(ran.stderr().starts_with(&format!("owlbus: {reason}")), "{}", ran.stderr());
        assert!(!ran.stderr().contains('\u{1b}'), "{:?}", ran.stderr());
    }
}

#[test]
fn a_pattern_alone_is_no_question() {
    let ran = run(&["match", "a.*"], "a.*\ta.b\n");
    assert_eq!((ran.status(), ran.stdout()), (2, ""));
}

#[test]
fn every_line_has_an_answer() {
    let line = |(pattern, topic): (&str, &str)| format!("{pattern}\t{topic}");
    let right = TABLE.iter().map(|(pattern, topic, _)| line((pattern, topic)));
    let wrong = WRONG.iter().map(|(pattern, topic, _)| line((pattern, topic)));
    let more = ["", "no tab", "a\ta\tb"].map(str::to_owned);
    let input: Vec<String> = right.chain(wrong).chain(more).collect();

    for line_break in ["\n", "\r\n"] {
        let ran = run(&["match"], input.join(line_break));
        let answers: Vec<&str> = ran.stdout().lines().collect();
        assert_eq!(answers.len(), input.len(), "{}", ran.stdout());
        for ((_, _, yes), answer) in TABLE.iter().zip(&answers) {
            assert_eq!(*answer, word(*yes));
        }
        for ((_, _, reason), answer) in WRONG.iter().zip(&answers[TABLE.len()..]) {
            assert!(answer.starts_with(&format!("error: {reason}")), "{answer}");
        }
        assert!(answers[input.len() - 3..].iter().all(|answer| answer.starts_with("error: ")));
        assert_eq!((ran.status(), ran.stderr()), (0, ""));
    }
}

#[test]
fn a_line_that_cannot_be_read_has_an_answer_too() {
    let input = [b"a\t\xff\n".as_slice(), &[b'x'; 100_000], b"\n**\ta.b\n"].concat();
    let ran = run(&["match"], input);
    let answers: Vec<&str> = ran.stdout().lines().collect();
    assert_eq!((answers.len(), answers[2]), (3, "yes"));
    assert!(
        answers[0].starts_with("error: the line is not UTF-8: a wrong byte at column 3"),
        "{}",
        answers[0]
    );
    assert!(answers[1].starts_with("error: the line is longer than "), "{}", answers[1]);
}
