//! `owlbus pipe --rules FILE` sends events on, copies, drops and changes them by the rules of a file, and says what each rule did. A file
//! that is wrong starts nothing.

mod common;

use std::{fs, path::PathBuf};

use common::{Ran, event, run, sample, text};
use serde_json::json;

/// A file of rules, gone when this is dropped.
struct Rules(PathBuf);

impl Rules {
    fn new(name: &str, text: &str) -> Self {
        let path =
            PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}.toml", std::process::id()));
        fs::write(&path, text).expect("the folder for tests can be written");
        Self(path)
    }

    fn run(&self, arguments: &[&str], input: impl AsRef<[u8]>) -> Ran {
        let path = self.0.to_str().expect("the path is text");
        run(&[&["pipe", "--rules", path], arguments].concat(), input)
    }
}

impl Drop for Rules {
    fn drop(&mut self) {
        _ = fs::remove_file(&self.0);
    }
}

const RULES: &str = r#"
[[rule]]
name = "sieve"
on = "hook.**"
drop = true

[[rule]]
name = "large"
on = "order.*"
when = [{ field = "/total", range = { min = 100 } }]
priority = "high"
key = "{/id}"
metadata = { size = "large" }
forward = "large.{1}"

[[rule]]
name = "audit"
on = ["order.*", "large.*"]
copy = "audit.{topic}"
"#;

fn orders() -> String {
    let lines = [
        event("order.placed", r#"{"id":"a","total":5}"#),
        event("order.placed", r#"{"id":"b","total":500}"#),
        event("hook.tool", "1"),
    ];
    lines.map(|line| line + "\n").concat()
}

#[test]
fn events_go_where_the_rules_say() {
    let rules = Rules::new("where", RULES);
    let ran = rules.run(&["--json", "--on", "order.*", "--on", "large.*", "--on", "audit.**"], orders());
    assert_eq!((ran.status(), ran.counts()), (0, [3, 4, 0]));
    let events = ran.events();
    let topic = |event: &common::Members| match event.contains_key("topic") {
        true => text(event, "topic"),
        false => text(event, "type"),
    };
    let mut topics: Vec<_> = events.iter().map(topic).collect();
    topics.sort();
    assert_eq!(topics, ["audit.large.placed", "audit.order.placed", "large.placed", "order.placed"]);
    assert!(
        events.iter().all(|event| text(event, "type") == "order.placed"),
        "what happened stays what it was"
    );

    let large = events.iter().find(|event| topic(event) == "large.placed").expect("it is there");
    let fields = ["id", "subject", "priority", "size"].map(|name| text(large, name));
    assert_eq!(fields, ["1", "b", "high", "large"]);
    assert_eq!(large["data"].get(), r#"{"id":"b","total":500}"#);
    let audit = events.iter().find(|event| topic(event) == "audit.large.placed").expect("it is there");
    assert_eq!(text(audit, "causationid"), "1");
    assert_ne!(text(audit, "id"), "1");

    let count = |name: &str, matched: u64, forwarded: u64, copied: u64, dropped: u64| json!({ "name": name, "matched": matched, "forwarded": forwarded, "copied": copied, "dropped": dropped, "refused": 0 });
    let rules = [count("sieve", 1, 0, 0, 1), count("large", 1, 1, 0, 0), count("audit", 2, 0, 2, 0)];
    assert_eq!(ran.summary()["rules"], json!(rules));
}

#[test]
fn people_are_told_what_each_rule_did() {
    let ran = Rules::new("told", RULES).run(&[], orders());
    let lines: Vec<_> = ran.stderr().lines().collect();
    let expected = [
        "rule `sieve`: 1 matched, 1 dropped",
        "rule `large`: 1 matched, 1 forwarded",
        "rule `audit`: 2 matched, 2 copied",
    ];
    assert_eq!(lines[..3], expected);
    assert!(lines[3].starts_with("3 accepted, 4 delivered, 0 refused, "), "{lines:?}");
}

#[test]
fn an_event_that_goes_round_in_circles_is_named_with_its_line() {
    let circles = "[[rule]]\nname = \"there\"\non = \"a\"\nforward = \"b\"\n[[rule]]\nname = \"back\"\non = \"b\"\nforward = \"a\"\n";
    let input = [event("c", "1"), event("a", "2"), event("c", "3")].map(|line| line + "\n").concat();
    let ran = Rules::new("circles", circles).run(&["--json"], input);
    assert_eq!((ran.status(), ran.counts()), (1, [2, 2, 1]));
    let first = ran.stderr().lines().next().expect("the line is named");
    assert!(
        first.starts_with(
            "line 2: rule `there`: the rules would send it on more than 16 times: `a` → `b` → `a`"
        ),
        "{first}"
    );
}

#[test]
fn without_rules_nothing_is_said_of_them() {
    let ran = run(&["pipe", "--json"], sample());
    assert_eq!(ran.summary().get("rules"), None);
    let ran = Rules::new("none", "").run(&["--json"], sample());
    assert_eq!((ran.counts(), ran.summary().get("rules")), ([12, 12, 0], None));
}

#[test]
fn a_file_that_is_wrong_starts_nothing() {
    let wrong = Rules::new("wrong", "[[rule]]\nname = \"r\"\nforwrad = \"b\"\n");
    let ran = wrong.run(&[], orders());
    assert_eq!((ran.status(), ran.stdout()), (2, ""));
    assert!(
        ran.stderr().contains("line 3, column 1: there is no key `forwrad`; did you mean `forward`?"),
        "{}",
        ran.stderr()
    );
    let ran = run(&["pipe", "--rules", "/nowhere/rules.toml"], orders());
    assert_eq!(ran.status(), 2);
    assert!(ran.stderr().contains("it cannot be read"), "{}", ran.stderr());
    let ran = Rules::new("command", RULES).run(&["--exec", "cat"], orders());
    assert_eq!((ran.status(), ran.stdout()), (2, ""), "the books of a command know no copies");
}
