//! How the tests run the program: the real one, as a user would.

#![allow(dead_code, reason = "no test file uses all of it")]

use std::{
    collections::BTreeMap,
    io::Write as _,
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
    thread,
};

use serde_json::{Value, value::RawValue};

/// The program with these arguments and pipes on all sides.
pub(crate) fn owlbus(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_owlbus"));
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs the program on `input` to its end.
pub(crate) fn run(arguments: &[&str], input: impl AsRef<[u8]>) -> Ran {
    let mut child = owlbus(arguments).spawn().expect("the program starts");
    feed(&mut child, input.as_ref().to_vec());
    Ran(child.wait_with_output().expect("the program ends"))
}

/// Writes the input beside the test, so that neither waits for the other for ever. The program may stop reading.
pub(crate) fn feed(child: &mut Child, input: Vec<u8>) -> thread::JoinHandle<()> {
    let mut stdin = child.stdin.take().expect("standard input is a pipe");
    thread::spawn(move || _ = stdin.write_all(&input))
}

/// What a run left.
pub(crate) struct Ran(pub(crate) Output);

impl Ran {
    pub(crate) fn status(&self) -> i32 {
        self.0.status.code().expect("the program ended by itself")
    }

    pub(crate) fn stdout(&self) -> &str {
        std::str::from_utf8(&self.0.stdout).expect("the output is UTF-8")
    }

    pub(crate) fn stderr(&self) -> &str {
        std::str::from_utf8(&self.0.stderr).expect("standard error is UTF-8")
    }

    /// The events that were printed.
    pub(crate) fn events(&self) -> Vec<Members> {
        events(self.stdout())
    }

    /// The summary of a run with `--json`.
    pub(crate) fn summary(&self) -> Value {
        let last = self.stderr().lines().last().expect("something is on standard error");
        serde_json::from_str(last).unwrap_or_else(|error| panic!("{error}: {last}"))
    }

    /// `accepted`, `delivered` and `refused` of the summary.
    pub(crate) fn counts(&self) -> [u64; 3] {
        let summary = self.summary();
        ["accepted", "delivered", "refused"].map(|name| summary[name].as_u64().expect(name))
    }
}

/// An event by the members of its JSON object, each as the text it has there.
pub(crate) type Members = BTreeMap<String, Box<RawValue>>;

pub(crate) fn events(lines: &str) -> Vec<Members> {
    lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

/// The attributes as values, and the data as text: what has to leave as it came.
pub(crate) fn unaltered(event: &Members) -> (BTreeMap<&str, Value>, Option<&str>) {
    let attributes = event.iter().filter(|(name, _)| *name != "data");
    let attributes = attributes.map(|(name, text)| (&**name, serde_json::from_str(text.get()).expect(name)));
    (attributes.collect(), event.get("data").map(|data| data.get()))
}

/// An attribute that is text.
pub(crate) fn text(event: &Members, name: &str) -> String {
    serde_json::from_str(event[name].get()).expect(name)
}

/// A CloudEvent on a topic, as a line without its line break.
pub(crate) fn event(topic: &str, data: &str) -> String {
    format!(r#"{{"specversion":"1.0","id":"1","source":"/test","type":"{topic}","data":{data}}}"#)
}

/// So many events on topic `a.b`, with the ids 1, 2, 3…, one a line.
pub(crate) fn numbered(events: u64) -> String {
    let event = |id| {
        format!(
            "{{\"specversion\":\"1.0\",\"id\":\"{id}\",\"source\":\"/test\",\"type\":\"a.b\",\"data\":{id}}}\n"
        )
    };
    (1..=events).map(event).collect()
}

/// An empty folder of the test of this name.
pub(crate) fn folder(test: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{test}-{}", std::process::id()));
    _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("the target folder can be written");
    folder
}

/// Whether the process still runs; one that nobody has asked for yet after its death does not.
#[cfg(unix)]
pub(crate) fn runs(process: &str) -> bool {
    let shown = Command::new("ps").args(["-o", "stat=", "-p", process]).output().expect("`ps` is there");
    let state = String::from_utf8(shown.stdout).expect("ASCII");
    !state.trim().is_empty() && !state.trim().starts_with('Z')
}

/// The project's own sample.
pub(crate) fn sample() -> String {
    std::fs::read_to_string(root().join("examples/data/events.ndjson")).expect("the sample is there")
}

/// Real payloads of GitHub's webhooks, where they are at hand.
#[expect(clippy::print_stdout, reason = "what is left out is told to whoever runs the tests")]
pub(crate) fn webhooks() -> Option<String> {
    let webhooks = std::fs::read_to_string(root().join("../shared/data/github-webhooks.ndjson")).ok();
    if webhooks.is_none() {
        println!("left out: ../shared/data/github-webhooks.ndjson is not there");
    }
    webhooks
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}
