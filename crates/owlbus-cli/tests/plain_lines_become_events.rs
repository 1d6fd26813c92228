//! `--topic` and `--topic-from` take JSON lines that are no CloudEvents: each line becomes the data of an event, byte
//! for byte, with an id and a time of its own and the source `pipe`.

mod common;

use std::collections::BTreeSet;

use common::{run, text};

const LINES: &str = r#"{"kind":"sensor.reading","room":"kitchen","celsius":21.50}
{"kind":"door.opened","nested":{"kinds":["a.b","c.d"]}}
{ "kind" : "sensor.alarm.raised" }
"#;

#[test]
fn under_one_topic_any_json_is_an_event() {
    let lines = ["{\"a\": 1.0}", "[1, 2]", "\"text\"", "-1.50e3", "true", "null"];
    let ran = run(&["pipe", "--topic", "app.log", "--json"], lines.join("\n"));
    let events = ran.events();
    let data: Vec<&str> = events.iter().map(|event| event["data"].get()).collect();
    assert_eq!(data, lines);
    assert!(events.iter().all(|event| text(event, "type") == "app.log" && text(event, "source") == "pipe"));
    let ids: BTreeSet<String> = events.iter().map(|event| text(event, "id")).collect();
    assert_eq!(ids.len(), lines.len(), "ids are unique");
    assert_eq!((ran.status(), ran.counts()), (0, [6, 6, 0]));
}

#[test]
fn what_comes_out_goes_in_again() {
    let first = run(&["pipe", "--topic-from", "/kind"], LINES);
    let second = run(&["pipe"], first.stdout());
    assert_eq!((second.status(), second.stdout()), (0, first.stdout()));
}

#[test]
fn the_topic_may_stand_in_the_line() {
    let ran = run(&["pipe", "--topic-from", "/kind", "--on", "sensor.**"], LINES);
    let events = ran.events();
    let topics: Vec<String> = events.iter().map(|event| text(event, "type")).collect();
    assert_eq!(topics, ["sensor.reading", "sensor.alarm.raised"]);
    let data: Vec<&str> = events.iter().map(|event| event["data"].get()).collect();
    assert_eq!(data, [LINES.lines().next().unwrap(), LINES.lines().last().unwrap()]);

    let ran = run(&["pipe", "--topic-from", "/nested/kinds/1"], LINES.lines().nth(1).unwrap());
    assert_eq!(text(&ran.events()[0], "type"), "c.d");
}

#[test]
fn lines_without_a_topic_are_named() {
    let lines = [
        (r#"{"other":"s3cret"}"#, "no topic: nothing stands at `/kind`"),
        (r#"["s3cret"]"#, "no topic: nothing stands at `/kind`"),
        (r#"{"kind":{"s3cret":1}}"#, "no topic: what stands at `/kind` is not a string"),
        (r#"{"kind":"a b","s3cret":1}"#, "bad topic: `a b` has the white space character U+0020 at byte 1"),
        (r#"{"kind":"","s3cret":1}"#, "bad topic: a topic or pattern must not be empty"),
        (
            r#"{"kind":"owlbus.gap","s3cret":1}"#,
            "bad topic: topics that begin with `owlbus` are the bus's own",
        ),
        (r#"{"kind":"a","s3cret":}"#, "not JSON: expected value at column 22"),
        (r#"{"kind":"a"} s3cret"#, "not JSON: trailing characters at column 14"),
    ];
    let input: Vec<&str> = lines.iter().map(|(line, _)| *line).collect();
    let ran = run(&["pipe", "--topic-from", "/kind", "--json"], input.join("\n"));
    assert_eq!((ran.status(), ran.counts()), (1, [0, 0, 8]));
    assert!(!ran.stderr().contains("s3cret"), "{}", ran.stderr());
    for (index, (_, reason)) in lines.iter().enumerate() {
        let told = ran.stderr().lines().nth(index).expect("a line for each");
        assert!(told.starts_with(&format!("line {}: {reason}", index + 1)), "{told}\nshould be\n{reason}");
    }
}

#[test]
fn under_one_topic_a_line_must_still_be_json() {
    let ran = run(&["pipe", "--topic", "a", "--json"], "{\"a\":1}\nnot json\n{\"a\":2}");
    assert_eq!((ran.status(), ran.counts()), (1, [2, 2, 1]));
    assert!(ran.stderr().starts_with("line 2: not JSON: "), "{}", ran.stderr());
}
