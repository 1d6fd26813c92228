//! What a command failed with for good is appended to the file of `--dead-letters`, a line each, with the reasons. Read
//! back as input, the events are what they were; what made them dead letters does not come back with them.

#![cfg(unix)]

mod common;

use std::{
    fs,
    path::{Path, PathBuf},
    thread,
};

use common::{Ran, event, events, folder, numbered, run, sample, text, unaltered, webhooks};
use serde_json::Value;

/// A file that is not there yet.
fn file(test: &str) -> PathBuf {
    folder(test).join("dead.ndjson")
}

fn exec(command: &str, file: &Path, arguments: &[&str], input: impl AsRef<[u8]>) -> Ran {
    let file = file.to_str().expect("UTF-8");
    run(&[&["pipe", "--json", "--exec", command, "--dead-letters", file], arguments].concat(), input)
}

/// What a line of the file tells beside its event.
fn letter(line: &str) -> Value {
    let line: Value = serde_json::from_str(line).expect("JSON");
    serde_json::from_str(line["owlbusdeadletter"].as_str().expect("text")).expect("JSON in it")
}

#[test]
fn the_events_come_back_as_they_were() {
    let strange = [
        r#"{"specversion":"1.0","id":"A-1","source":"urn:x","type":"a.b","data": { "z" : 1.10, "a" : "\u00e4\/" } }"#,
        r#"{"specversion":"1.0","id":"2","source":"s","type":"T","topic":"a.b","priority":"normal","metadata":"{\"x\":[1]}"}"#,
        r#"{"specversion":"1.0","id":"3","source":"s","type":"a","odd_name":{"x":null},"time":"2026-01-01T02:00:00+02:00"}"#,
        r#"{"specversion":"1.0","id":"4","source":"s","type":"a","datacontenttype":"image/png","data_base64":"AAEC/w=="}"#,
        r#"{"specversion":"1.0","id":"5","source":"s","type":"a","data":"\"owlbusdeadletter\":1"}"#,
    ]
    .join("\n");
    let file = file("as_they_were");
    for input in [Some(sample()), webhooks(), Some(strange)].into_iter().flatten() {
        _ = fs::remove_file(&file);
        let events_in = events(&input);
        let ran = exec("exit 1", &file, &["--concurrency", "1"], &input);
        assert_eq!((ran.status(), ran.summary()["dead"].as_u64()), (1, Some(events_in.len() as u64)));
        let back = run(&["pipe"], fs::read_to_string(&file).unwrap());
        assert_eq!(back.status(), 0);
        for (back, event) in back.events().iter().zip(&events_in) {
            assert_eq!(unaltered(back), unaltered(event));
        }
        // And so does a command get them, which fails in turn: the letters are of one attempt again.
        let again = file.with_extension("again");
        fs::rename(&file, &again).unwrap();
        let ran = exec("exit 2", &file, &[], fs::read_to_string(&again).unwrap());
        assert_eq!(ran.summary()["dead"].as_u64(), Some(events_in.len() as u64));
        let lines = fs::read_to_string(&file).unwrap();
        assert_eq!(lines.lines().count(), events_in.len());
        assert!(lines.lines().all(|line| line.matches("\"owlbusdeadletter\":\"").count() == 1));
        assert!(lines.lines().map(letter).all(|letter| letter["reason"] == "exit status: 2"));
    }
}

#[test]
fn a_letter_tells_why_and_after_which_attempts() {
    let file = file("tells_why");
    let command = "echo no luck $OWLBUS_ATTEMPT >&2; exit 75";
    exec(command, &file, &["--retries", "11", "--retry-delay", "0"], event("a", "1"));
    let letter = letter(fs::read_to_string(&file).unwrap().trim());
    assert_eq!(letter["reason"], "exit status: 75: no luck 12");
    assert_eq!((&letter["subscription"], &letter["attempts"]), (&Value::from(command), &Value::from(12)));
    let tries = letter["tries"].as_array().unwrap();
    assert_eq!(
        (tries.len(), &tries[0]["number"], &tries[9]["number"]),
        (10, &Value::from(3), &Value::from(12))
    );
    assert_eq!(
        (&tries[0]["error"], &tries[0]["kind"]),
        (&"exit status: 75: no luck 3".into(), &"temporary".into())
    );
    assert!(
        tries[0]["started"].as_str() < letter["time"].as_str() && tries[0]["seconds"].as_f64() > Some(0.0)
    );
}

#[test]
fn of_a_long_story_the_end_is_kept() {
    let file = file("long_story");
    exec("yes ä | head -c 99999 >&2; echo the end >&2; exit 1", &file, &[], event("a", "1"));
    let letter = letter(fs::read_to_string(&file).unwrap().trim());
    let reason = letter["reason"].as_str().unwrap();
    assert!(reason.starts_with("exit status: 1: ä\nä\n") && reason.ends_with("ä\nthe end"), "{reason}");
    assert!((2_000..2_100).contains(&reason.len()), "{}", reason.len());
}

#[test]
fn only_what_failed_for_good_is_kept_in_the_order_it_failed() {
    let file = file("only_what_failed");
    for _ in 0..2 {
        let ran = exec("test $OWLBUS_ID = 2 || test $OWLBUS_ID = 4", &file, &[], numbered(5));
        assert_eq!((ran.status(), ran.summary()["dead"].as_u64()), (1, Some(3)));
    }
    let kept: Vec<_> =
        events(&fs::read_to_string(&file).unwrap()).iter().map(|event| text(event, "id")).collect();
    assert_eq!(kept, ["1", "3", "5", "1", "3", "5"]);
}

#[test]
fn plain_lines_come_back_as_the_events_they_became() {
    let file = file("plain_lines");
    exec("exit 1", &file, &["--topic", "a.b"], "1\n{\"x\": 2}\n");
    let kept = fs::read_to_string(&file).unwrap();
    let back = run(&["pipe", "--on", "a.b"], &kept).events();
    let kept = events(&kept);
    assert_eq!((back.len(), back[0]["data"].get(), back[1]["data"].get()), (2, "1", "{\"x\": 2}"));
    assert!(back.iter().zip(&kept).all(|(back, kept)| text(back, "id") == text(kept, "id")));
}

#[test]
fn the_largest_event_comes_back_too() {
    let file = file("largest");
    let padding = (1 << 20) - event("a", "\"\"").len();
    let largest = event("a", &format!("\"{}\"", "x".repeat(padding)));
    exec("yes | head -c 5000 >&2; exit 1", &file, &[], &largest);
    let kept = fs::read_to_string(&file).unwrap();
    assert!(kept.len() > 1 << 20);
    let back = run(&["pipe"], kept);
    assert_eq!((back.status(), back.stdout().trim_end()), (0, &*largest));
}

#[test]
fn several_may_append_and_every_line_is_whole() {
    let file = file("several");
    // Somebody was cut off half-way before.
    fs::write(&file, "{\"specversion\":\"1.0\",\"id\":\"cut").unwrap();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| exec("exit 1", &file, &["--concurrency", "4"], numbered(50)));
        }
    });
    let back = run(&["pipe", "--json"], fs::read_to_string(&file).unwrap());
    assert_eq!((back.status(), back.counts()), (1, [200, 200, 1]));
    assert!(back.stderr().starts_with("line 1: "), "{}", back.stderr());
}

#[test]
fn without_a_file_they_are_named_and_not_kept() {
    let ran = run(&["pipe", "--json", "--exec", "exit 1"], numbered(2));
    assert!(ran.stderr().starts_with("a.b 1: attempt 1: exit status: 1; dead\na.b 2: "), "{}", ran.stderr());
    assert_eq!((ran.status(), ran.summary()["lost"].as_u64()), (1, Some(0)));
}

#[test]
fn a_file_that_cannot_be_written_is_told_before_anything_is_read() {
    let folder = folder("cannot_be_written");
    for path in [folder.clone(), folder.join("no/such/folder")] {
        let ran = run(&["pipe", "--exec", "true", "--dead-letters", path.to_str().unwrap()], numbered(1));
        assert_eq!((ran.status(), ran.stderr().lines().count()), (2, 1), "{}", ran.stderr());
        let cannot = format!("owlbus: {} cannot be opened: ", path.display());
        assert!(ran.stderr().starts_with(&cannot), "{}", ran.stderr());
    }
}

#[test]
fn a_file_that_is_read_cannot_be_appended_to() {
    let file = file("read_and_append");
    fs::write(&file, numbered(2)).unwrap();
    let mut child = common::owlbus(&["pipe", "--exec", "exit 1", "--dead-letters", file.to_str().unwrap()]);
    let child = child.stdin(fs::File::open(&file).unwrap()).spawn().expect("the program starts");
    let ran = Ran(child.wait_with_output().expect("the program ends"));
    assert_eq!(ran.status(), 2, "{}", ran.stderr());
    assert!(ran.stderr().contains("is standard input too"), "{}", ran.stderr());
    assert_eq!(fs::read_to_string(&file).unwrap(), numbered(2));
}

#[cfg(target_os = "linux")]
#[test]
fn where_no_more_can_be_kept_no_more_is_accepted() {
    let ran = exec("exit 1", Path::new("/dev/full"), &[], numbered(1_000));
    let summary = ran.summary();
    assert_eq!((ran.status(), &summary["accepted"], &summary["lost"]), (1, &1.into(), &1.into()));
    assert!(
        ran.stderr().contains("\na.b 1: lost: /dev/full cannot be written: No space left"),
        "{}",
        ran.stderr()
    );
    assert!(
        ran.stderr().contains("\nowlbus: /dev/full cannot be written: No space left"),
        "{}",
        ran.stderr()
    );
}
