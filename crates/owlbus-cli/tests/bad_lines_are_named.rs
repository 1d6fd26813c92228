//! A line that is no event is named with its number and the reason; the rest goes on, and the exit status is 1. What
//! is in the line is nobody's business: data may be a secret, and control characters would reach the terminal.

mod common;

use common::{event, run, text};

/// What no run may ever show.
const SECRET: &str = "s3cret";

/// Lines that are no events, with what is said about them.
fn bad_lines() -> Vec<(Vec<u8>, &'static str)> {
    let secret = |topic: &str| event(topic, r#""s3cret""#).into_bytes();
    let deep = format!("{}\"s3cret\"{}", "[".repeat(200), "]".repeat(200));
    let without = |member: &str| event("a", r#""s3cret""#).replace(member, "").into_bytes();
    let with =
        |member: &str| event("a", r#""s3cret""#).replacen('{', &format!("{{{member},"), 1).into_bytes();
    let mut not_utf8 = secret("a");
    not_utf8[60] = 0xff;
    vec![
        (
            br#"{"specversion":"1.0","id":"s3cret"#.to_vec(),
            "not JSON: EOF while parsing a string at column 33",
        ),
        (b"s3cret".to_vec(), "not JSON: expected value at column 1"),
        (br#"{"data":"s3cret"} {}"#.to_vec(), "not JSON: trailing characters at column 19"),
        (br#""s3cret""#.to_vec(), "no CloudEvent: it is not a JSON object"),
        (br#"["s3cret"]"#.to_vec(), "no CloudEvent: it is not a JSON object"),
        (br#"{"s3cret":"s3cret"}"#.to_vec(), "no CloudEvent: `specversion` is missing"),
        (without(r#""id":"1","#), "no CloudEvent: `id` is missing"),
        (without(r#""source":"/test","#), "no CloudEvent: `source` is missing"),
        (without(r#""type":"a","#), "no CloudEvent: `type` is missing"),
        (with(r#""time":"s3cret""#), "no CloudEvent: `time` is not an RFC 3339 time"),
        (with(r#""id":"2""#), "no CloudEvent: `id` stands in it twice"),
        (with(r#""data_base64":"AAEC""#), "no CloudEvent: it has both `data` and `data_base64`"),
        (secret("a..b"), "bad topic: `a..b` has an empty token at byte 2"),
        (secret("a.*"), "bad topic: `a.*` has a wildcard at byte 2"),
        (secret("a.\\u001b[31m"), "bad topic: `a.\\u{1b}[31m` has the control character U+001B at byte 2"),
        (secret("owlbus.gap"), "bad topic: topics that begin with `owlbus` are the bus's own"),
        (not_utf8, "not UTF-8: a wrong byte at column 61"),
        (event("a", &deep).into_bytes(), "200 levels of nested JSON, and at most 128 are accepted"),
        (secret(&"s3cret".repeat(200_000)), "longer than 1048576 bytes; raise --max-event-size to take it"),
    ]
}

#[test]
fn each_is_named_by_number_and_reason_and_the_rest_goes_on() {
    let mut input = Vec::new();
    for (bad, _) in bad_lines() {
        input.extend_from_slice(event("good", "1").as_bytes());
        input.push(b'\n');
        input.extend(bad);
        input.push(b'\n');
    }
    let ran = run(&["pipe", "--json"], &input);

    let told: Vec<&str> = ran.stderr().lines().collect();
    assert_eq!(told.len(), bad_lines().len() + 1, "one line for each, and the summary: {}", ran.stderr());
    for (index, (_, reason)) in bad_lines().iter().enumerate() {
        let expected = format!("line {}: {reason}", 2 * index + 2);
        assert!(told[index].starts_with(&expected), "{}\nshould be\n{expected}", told[index]);
    }
    let bad = bad_lines().len() as u64;
    assert_eq!((ran.status(), ran.counts()), (1, [bad, bad, bad]));
    assert!(ran.events().iter().all(|event| text(event, "type") == "good"));
}

#[test]
fn what_is_in_them_is_not_shown() {
    for (bad, reason) in bad_lines() {
        let ran = run(&["pipe"], bad);
        assert_eq!(ran.status(), 1, "{reason}");
        assert!(!ran.stderr().contains(SECRET), "{}", ran.stderr());
        assert!(
            !ran.stderr().chars().any(|c| c.is_control() && c != '\n'),
            "{}",
            ran.stderr().escape_debug()
        );
    }
}

#[test]
fn strict_stops_at_the_first_and_delivers_what_was_before() {
    for (bad, reason) in bad_lines() {
        let good = event("good", "1");
        let input = [good.as_bytes(), good.as_bytes(), &bad, good.as_bytes(), b"also bad"].join(&b'\n');
        let ran = run(&["pipe", "--strict", "--json"], input);
        assert_eq!((ran.status(), ran.counts(), ran.events().len()), (1, [2, 2, 1], 2), "{reason}");
        assert!(ran.stderr().starts_with(&format!("line 3: {reason}")), "{}", ran.stderr());
        assert_eq!(ran.stderr().lines().count(), 2, "{}", ran.stderr());
    }
}

#[test]
fn strict_with_nothing_bad_changes_nothing() {
    let ran = run(&["pipe", "--strict", "--json"], event("good", "1"));
    assert_eq!((ran.status(), ran.counts()), (0, [1, 1, 0]));
}
