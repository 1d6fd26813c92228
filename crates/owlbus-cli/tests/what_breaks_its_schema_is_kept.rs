//! `owlbus pipe --schemas` refuses events whose data does not satisfy its schema, names them, and keeps them in the file of
//! `--dead-letters` with every violation; all others go on. What it refuses is what another validator refuses.

mod common;

use std::{collections::BTreeMap, fs, path::PathBuf};

use common::{Ran, event, events, folder, run, text, unaltered, webhooks};
use serde_json::Value;

/// What a second validator, jsonschema 4.26.0 for Python, says of the webhooks: ids, and how many violations each has.
const REFUSED: &str = include_str!("../../owlbus/tests/data/github-webhooks.refused");

/// Of orders an id and a total that is not negative, of everything under `note` a text.
const SCHEMAS: &str = r##"{
    "$schema": "http://json-schema.org/draft-07/schema#",
    "topics": { "order.placed": "#/definitions/order", "note.**": { "type": "string" } },
    "types": { "renamed": { "2": { "required": ["from", "to"] } } },
    "definitions": { "order": {
        "type": "object", "required": ["id"], "properties": { "total": { "minimum": 0, "type": "integer" } }
    } }
}"##;

/// Where a test has its schemas, and where its dead letters go.
struct Files {
    schemas: String,
    dead: PathBuf,
}

impl Files {
    fn new(test: &str, schemas: &str) -> Self {
        let folder = folder(test);
        let path = folder.join("schemas.json");
        fs::write(&path, schemas).expect("the folder can be written");
        Self { schemas: path.to_str().expect("UTF-8").to_owned(), dead: folder.join("dead.ndjson") }
    }

    fn pipe(&self, arguments: &[&str], input: impl AsRef<[u8]>) -> Ran {
        let dead = self.dead.to_str().expect("UTF-8");
        let all = ["pipe", "--json", "--schemas", &self.schemas, "--dead-letters", dead];
        run(&[&all[..], arguments].concat(), input)
    }

    /// The lines that were kept.
    fn kept(&self) -> String {
        fs::read_to_string(&self.dead).expect("some were kept")
    }
}

/// What a line tells beside its event.
fn letter(line: &str) -> Value {
    let line: Value = serde_json::from_str(line).expect("JSON");
    serde_json::from_str(line["owlbusdeadletter"].as_str().expect("text")).expect("JSON in it")
}

fn order(id: &str, data: &str) -> String {
    event("order.placed", data).replacen(r#""id":"1""#, &format!(r#""id":"{id}""#), 1)
}

#[test]
fn real_payloads_are_refused_where_a_second_validator_refuses_them() {
    let Some(webhooks) = webhooks() else { return };
    let schemas = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data/github-webhooks.schemas.json");
    let files =
        Files::new("real_payloads", &fs::read_to_string(schemas).expect("they are beside the webhooks"));
    let ran = files.pipe(&[], &webhooks);
    let refused: BTreeMap<&str, usize> = REFUSED
        .lines()
        .map(|line| line.split_once(' ').expect("an id and a number"))
        .map(|(id, count)| (id, count.parse().expect("a number")))
        .collect();
    let good = 329 - refused.len() as u64;
    assert_eq!((ran.status(), ran.counts()), (1, [good, good, refused.len() as u64]));

    let kept = files.kept();
    let found: BTreeMap<String, usize> = kept
        .lines()
        .map(|line| (text(&events(line)[0], "id"), letter(line)["violations"].as_array().unwrap().len()))
        .collect();
    let found: BTreeMap<&str, usize> = found.iter().map(|(id, count)| (&**id, *count)).collect();
    assert_eq!(found, refused);

    // Every event is in one of the two, as it was.
    let all = events(&webhooks);
    let (mut printed, mut back) = (ran.events().into_iter(), run(&["pipe"], &kept).events().into_iter());
    for event in &all {
        let from = if refused.contains_key(&*text(event, "id")) { back.next() } else { printed.next() };
        assert_eq!(unaltered(&from.expect("it is there")), unaltered(event));
    }
    assert!(printed.next().is_none() && back.next().is_none());
}

#[test]
fn every_violation_is_told_with_its_place_and_without_the_value() {
    let files = Files::new("every_violation", SCHEMAS);
    let renamed = r#"{"specversion":"1.0","id":"4","source":"s","type":"renamed","topic":"x","schemaversion":2,"data":{}}"#;
    let input = [
        order("1", r#"{"id":1,"total":5}"#),
        order("2", r#"{"total":-77.5}"#),
        event("note.a", "[7]").replacen(r#""id":"1""#, r#""id":"3""#, 1),
        renamed.to_owned(),
        renamed.replace(r#""schemaversion":2,"#, ""),
        event("order.unknown", "null"),
    ];
    let ran = files.pipe(&[], input.join("\n"));
    assert_eq!((ran.status(), ran.counts()), (1, [3, 3, 3]));
    assert!(ran.stderr().starts_with("line 2: "), "{}", ran.stderr());
    assert!(ran.stderr().contains("line 3: the data: it is not of type \"string\"\n"), "{}", ran.stderr());

    let kept = files.kept();
    let letters: Vec<Value> = kept.lines().map(letter).collect();
    let mut violations = letters[0]["violations"].as_array().unwrap().clone();
    violations.sort_by_key(ToString::to_string);
    assert_eq!(
        Value::from(violations).to_string(),
        r#"[{"place":"","problem":"\"id\" is a required property"},{"place":"/total","problem":"it is less than the minimum of 0"},{"place":"/total","problem":"it is not of type \"integer\""}]"#
    );
    assert_eq!(letters[0]["reason"], "its data does not satisfy its schema: 3 violations");
    assert_eq!(letters[1]["reason"], "its data does not satisfy its schema: 1 violation");
    assert_eq!((letters[2]["violations"].as_array().unwrap().len(), &letters[2]["attempts"]), (2, &0.into()));
    assert!(letters.iter().all(|letter| letter.get("subscription").is_none()));
    assert!(!letters.iter().any(|letter| letter.to_string().contains("77")));

    // Read back they are what they were, and are held to the schemas again.
    let back = run(&["pipe"], &kept);
    for (back, sent) in back.events().iter().zip(events(&input[1..4].join("\n"))) {
        assert_eq!(unaltered(back), unaltered(&sent));
    }
    fs::remove_file(&files.dead).unwrap();
    assert_eq!(files.pipe(&[], &kept).counts(), [0, 0, 3]);
    let again: Vec<_> = files.kept().lines().map(|line| letter(line)["violations"].clone()).collect();
    assert_eq!(again, letters.iter().map(|letter| letter["violations"].clone()).collect::<Vec<_>>());
}

#[test]
fn without_a_file_they_are_named() {
    let files = Files::new("named", SCHEMAS);
    let ran = run(&["pipe", "--schemas", &files.schemas], order("1", "{}"));
    let line = "line 1: the data: \"id\" is a required property\n0 accepted, 0 delivered, 1 refused, ";
    assert!(ran.stderr().starts_with(line), "{}", ran.stderr());
    assert_eq!((ran.status(), ran.stdout()), (1, ""));
}

#[test]
fn what_nobody_asked_for_is_held_to_its_schema_too() {
    let files = Files::new("nobody_asked", SCHEMAS);
    let ran = files.pipe(&["--on", "note.**"], [order("1", "{}"), event("note", "\"x\"")].join("\n"));
    assert_eq!((ran.status(), ran.counts(), files.kept().lines().count()), (1, [1, 1, 1], 1));
}

#[test]
fn strict_stops_at_the_first_of_them() {
    let files = Files::new("strict", SCHEMAS);
    let ran =
        files.pipe(&["--strict"], [order("1", r#"{"id":1}"#), order("2", "{}"), order("3", "{}")].join("\n"));
    assert_eq!((ran.status(), ran.counts(), files.kept().lines().count()), (1, [1, 1, 1], 1));
}

#[test]
fn plain_lines_are_held_to_the_schema_of_their_topic() {
    let files = Files::new("plain_lines", SCHEMAS);
    let ran = files.pipe(&["--topic", "note.a"], "\"x\"\n5\n");
    assert_eq!((ran.status(), ran.counts()), (1, [1, 1, 1]));
    assert_eq!(events(&files.kept())[0]["data"].get(), "5");
}

#[cfg(unix)]
#[test]
fn a_command_gets_only_what_satisfies_its_schema_and_both_kinds_of_letters_are_kept() {
    let files = Files::new("command", SCHEMAS);
    let input: Vec<_> =
        (1..=40).map(|n| order(&n.to_string(), if n % 4 == 0 { "{}" } else { r#"{"id":1}"# })).collect();
    let command = "test $OWLBUS_ID -lt 21";
    let ran = files.pipe(&["--exec", command, "--concurrency", "4"], input.join("\n"));
    let summary = ran.summary();
    let numbers = ["accepted", "done", "dead", "refused", "lost"].map(|name| summary[name].as_u64().unwrap());
    assert_eq!((ran.status(), numbers), (1, [30, 15, 15, 10, 0]));
    let kept = files.kept();
    let (failed, refused): (Vec<_>, Vec<_>) =
        kept.lines().map(letter).partition(|letter| letter["subscription"] == command);
    assert_eq!((failed.len(), refused.len()), (15, 10));
    assert!(refused.iter().all(|letter| letter["violations"][0]["place"] == ""));
    assert!(failed.iter().all(|letter| letter.get("violations").is_none()));
}

#[test]
fn schemas_that_cannot_be_used_are_told_before_anything_is_read() {
    for (test, schemas, reason) in [
        ("no_json", "{", "the schemas are not JSON"),
        ("no_layout", "{}", "there are neither `topics` nor `types` with schemas"),
        ("remote", r#"{"topics":{"a":{"$ref":"http://127.0.0.1:9/x"}}}"#, "no schema is fetched or read"),
        ("evil", r#"{"topics":{"a":{"pattern":"^(a+)\\1$"}}}"#, "the pattern \"^(a+)\\\\1$\" cannot be used"),
        ("looped", r##"{"topics":{"a":"#/topics/a"}}"##, "cannot be used"),
    ] {
        let files = Files::new(test, schemas);
        let ran = files.pipe(&[], order("1", "{}"));
        assert_eq!(
            (ran.status(), ran.stdout(), ran.stderr().lines().count()),
            (2, "", 1),
            "{}",
            ran.stderr()
        );
        assert!(ran.stderr().starts_with(&format!("owlbus: {}: ", files.schemas)), "{}", ran.stderr());
        assert!(ran.stderr().contains(reason), "{}", ran.stderr());
        assert!(!files.dead.exists());
    }
    let ran = run(&["pipe", "--schemas", "no/such/file"], "");
    assert_eq!(ran.status(), 2);
    assert!(ran.stderr().starts_with("owlbus: no/such/file cannot be read: "), "{}", ran.stderr());
}

#[cfg(target_os = "linux")]
#[test]
fn where_no_more_can_be_kept_no_more_is_accepted() {
    let files = Files::new("full", SCHEMAS);
    let input = [order("1", r#"{"id":1}"#), order("2", "{}"), order("3", r#"{"id":1}"#)].join("\n");
    let ran = run(&["pipe", "--json", "--schemas", &files.schemas, "--dead-letters", "/dev/full"], input);
    assert_eq!((ran.status(), ran.counts(), ran.summary()["lost"].as_u64()), (1, [1, 1, 1], Some(1)));
    assert!(ran.stderr().contains("order.placed 2: lost: /dev/full cannot be written: "), "{}", ran.stderr());
    assert!(ran.stderr().contains("\nowlbus: /dev/full cannot be written: "), "{}", ran.stderr());
}
