//! `owlbus pipe --exec-lines COMMAND` runs a command once, gives it an event a line, and hears one line for each: `ok`,
//! `retry [REASON]` or `dead [REASON]`. A command that ends, hangs or says something else is started again; no
//! answer is ever taken for that to another event.

#![cfg(unix)]

mod common;

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
};

use common::{Ran, event, events, folder, numbered, owlbus, run, runs, sample, unaltered};
use serde_json::Value;

fn exec_lines(command: &str, arguments: &[&str], input: impl AsRef<[u8]>) -> Ran {
    run(&[&["pipe", "--json", "--exec-lines", command], arguments].concat(), input)
}

/// What the summary says of events that commands handled: accepted, done, dead, retries.
fn handled(ran: &Ran) -> [u64; 4] {
    let summary = ran.summary();
    ["accepted", "done", "dead", "retries"].map(|name| summary[name].as_u64().expect(name))
}

/// The lines of standard error before the summary.
fn told(ran: &Ran) -> Vec<&str> {
    let mut lines: Vec<_> = ran.stderr().lines().collect();
    lines.pop();
    lines
}

#[test]
fn one_process_gets_every_event_on_a_line() {
    let folder = folder("one_process");
    let command = format!("cd {}; echo $$ >> processes; tee lines | sed -u 's/.*/ok/'", folder.display());
    let ran = exec_lines(&command, &[], sample());
    assert_eq!((ran.status(), ran.stdout(), handled(&ran)), (0, "", [12, 12, 0, 0]));
    assert_eq!(fs::read_to_string(folder.join("processes")).unwrap().lines().count(), 1);
    let (lines, expected) = (events(&fs::read_to_string(folder.join("lines")).unwrap()), events(&sample()));
    assert_eq!(lines.len(), expected.len());
    for (line, expected) in lines.iter().zip(&expected) {
        assert_eq!(unaltered(line), unaltered(expected));
    }
}

#[test]
fn as_many_processes_as_events_are_handled_at_once() {
    let folder = folder("as_many_processes");
    // None answers until there are three.
    let command = format!(
        "cd {}; touch process$$; while read -r line; do \
         until test $(ls | wc -l) -ge 3; do sleep 0.01; done; echo ok; done",
        folder.display()
    );
    let ran = exec_lines(&command, &["--concurrency", "3"], numbered(100));
    assert_eq!((ran.status(), handled(&ran)), (0, [100, 100, 0, 0]));
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 3);
}

#[test]
fn the_answer_says_what_becomes_of_the_event() {
    let command = r#"while read -r line; do case $line in
        *'"id":"1"'*) echo; echo '  '; echo ok;;
        *'"id":"2"'*) echo retry the service is away;;
        *'"id":"3"'*) echo dead;;
        *) printf 'ok\r\n';;
    esac; done"#;
    let ran = exec_lines(command, &["--retries", "1", "--retry-delay", "0"], numbered(4));
    assert_eq!((ran.status(), handled(&ran)), (1, [4, 2, 2, 1]));
    let expected = [
        "a.b 2: attempt 1: the service is away; again at once",
        "a.b 2: attempt 2: the service is away; dead",
        "a.b 3: attempt 1: answered `dead`; dead",
    ];
    assert_eq!(told(&ran), expected);
}

#[test]
fn one_that_ends_is_started_again_and_its_event_failed_for_now() {
    let folder = folder("ends");
    let command = format!(
        "cd {}; echo $$ >> processes; while read -r line; do \
         case $line in *'\"id\":\"3\"'*) test -e tried || {{ touch tried; echo oh no >&2; exit 3; }};; esac; echo ok; done",
        folder.display()
    );
    let file = folder.join("dead.ndjson");
    let arguments = ["--retries", "1", "--retry-delay", "0", "--dead-letters", file.to_str().unwrap()];
    let ran = exec_lines(&command, &arguments, numbered(5));
    assert_eq!((ran.status(), handled(&ran)), (0, [5, 5, 0, 1]));
    let expected = ["oh no", "a.b 3: attempt 1: ended (exit status: 3) before it answered; again at once"];
    assert_eq!(told(&ran), expected);
    assert_eq!(fs::read_to_string(folder.join("processes")).unwrap().lines().count(), 2);
}

#[test]
fn what_it_said_last_is_the_reason() {
    let file = folder("said_last").join("dead.ndjson");
    let ran = exec_lines(
        "read -r line; echo oh no >&2; exit 3",
        &["--dead-letters", file.to_str().unwrap()],
        numbered(1),
    );
    assert_eq!((ran.status(), handled(&ran)), (1, [1, 0, 1, 0]));
    let kept: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    let letter: Value = serde_json::from_str(kept["owlbusdeadletter"].as_str().unwrap()).unwrap();
    assert_eq!(letter["reason"], "ended (exit status: 3) before it answered: oh no");
}

#[test]
fn one_that_ends_between_two_events_costs_none_of_them_an_attempt() {
    let command = "echo $$ >&2; read -r line; echo ok";
    let mut child = owlbus(&["pipe", "--json", "--exec-lines", command]).spawn().expect("the program starts");
    let mut stdin = child.stdin.take().expect("standard input is a pipe");
    let mut stderr = BufReader::new(child.stderr.take().expect("standard error is a pipe"));
    for _ in 0..3 {
        stdin.write_all(numbered(1).as_bytes()).expect("the program reads");
        let process = loop {
            let mut line = String::new();
            stderr.read_line(&mut line).expect("the command tells its number");
            if line.trim().parse::<u32>().is_ok() {
                break line.trim().to_owned();
            }
        };
        while runs(&process) {}
    }
    drop(stdin);
    let mut rest = String::new();
    stderr.read_to_string(&mut rest).expect("standard error ends");
    assert!(child.wait().expect("the program ends").success(), "{rest}");
    let summary: Value = serde_json::from_str(rest.lines().last().expect("a summary")).expect("JSON");
    assert_eq!((&summary["done"], &summary["retries"]), (&Value::from(3), &Value::from(0)));
}

#[test]
fn one_that_hangs_is_ended_and_started_again() {
    let folder = folder("hangs");
    let command = format!(
        "cd {}; while read -r line; do test -e tried || {{ touch tried; sleep 600; }}; echo ok; done",
        folder.display()
    );
    let ran = exec_lines(&command, &["--timeout", "2s", "--retries", "1", "--retry-delay", "0"], numbered(2));
    assert_eq!((ran.status(), handled(&ran)), (0, [2, 2, 0, 1]));
    assert_eq!(told(&ran), ["a.b 1: attempt 1: took longer than 2s, and was ended; again at once"]);
}

#[test]
fn what_is_no_answer_is_told_and_the_command_started_again() {
    let no_answers = [
        (
            "read -r l; echo OK; cat",
            "answered `OK`; one of `ok`, `retry [REASON]` and `dead [REASON]` is an answer",
        ),
        ("exec 1>&-; sleep 600", "closed its standard output before it answered"),
        ("read -r l", "ended (exit status: 0) before it answered"),
        ("read -r l; head -c 70000 /dev/zero | tr '\\0' x; cat > /dev/null", "answered `xxx"),
    ];
    for (command, problem) in no_answers {
        let ran = exec_lines(command, &[], numbered(1));
        assert_eq!((ran.status(), handled(&ran)), (1, [1, 0, 1, 0]), "{command}");
        let told = told(&ran);
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].starts_with(&format!("a.b 1: attempt 1: {problem}")), "{told:?}");
    }
}

#[test]
fn an_answer_may_be_the_last_word() {
    let ran = exec_lines("read -r line; printf ok", &[], numbered(1));
    assert_eq!((ran.status(), handled(&ran)), (0, [1, 1, 0, 0]), "{}", ran.stderr());
}

#[test]
fn an_answer_to_nothing_is_never_that_to_an_event() {
    // It answers at once, before it has read what is too long for a pipe.
    let large = event("a", &format!("\"{}\"", "x".repeat(1_000_000)));
    let ran = exec_lines("echo ok; sleep 600", &[], &large);
    assert_eq!((ran.status(), handled(&ran)), (1, [1, 0, 1, 0]));
    assert_eq!(told(&ran), ["a 1: attempt 1: answered before it had read the event; dead"]);
    // It answers twice in one go, and the second time there is nothing to answer to.
    let ran = exec_lines("while read -r line; do printf 'ok\\nok\\n'; done", &[], numbered(3));
    assert_eq!((ran.status(), handled(&ran)), (1, [3, 3, 0, 0]));
    let again = "owlbus: the command ended, or said something, while it had no event; it is started again";
    assert_eq!(told(&ran), [again, again, "owlbus: the command wrote more lines than it was given events"]);
}

#[test]
fn at_the_end_of_its_input_it_ends_in_peace() {
    let folder = folder("in_peace");
    let command = format!("cd {}; sed -u 's/.*/ok/'; echo saved > state", folder.display());
    assert_eq!(exec_lines(&command, &[], numbered(3)).status(), 0);
    assert_eq!(fs::read_to_string(folder.join("state")).unwrap(), "saved\n");

    let ran = exec_lines("sed -u 's/.*/ok/'; exit 4", &[], numbered(3));
    assert_eq!((ran.status(), handled(&ran)), (1, [3, 3, 0, 0]));
    assert_eq!(told(&ran), ["owlbus: the command ended with exit status: 4 at the end of its input"]);

    let ran = exec_lines("sed -u 's/.*/ok/'; sleep 600", &["--timeout", "2s"], numbered(3));
    assert_eq!((ran.status(), handled(&ran)), (1, [3, 3, 0, 0]));
    let told = told(&ran);
    assert_eq!(told, ["owlbus: the command took longer than 2s, and was ended at the end of its input"]);
}

#[test]
fn one_that_never_answers_gets_every_event_all_the_same() {
    let folder = folder("never_answers");
    let command = format!("echo $$ >> {}/processes; exit 3", folder.display());
    let ran = exec_lines(&command, &["--concurrency", "2"], numbered(6));
    assert_eq!((ran.status(), handled(&ran)), (1, [6, 0, 6, 0]));
    assert_eq!(fs::read_to_string(folder.join("processes")).unwrap().lines().count(), 6);
}

#[test]
fn one_that_finds_nothing_to_run_ends_it_all() {
    let ran = exec_lines("true && no-such-tool", &["--retries", "9"], numbered(1_000));
    assert_eq!((ran.status(), handled(&ran)), (1, [1, 0, 1, 0]));
    assert!(
        ran.stderr().contains("owlbus: the shell found nothing to run: ended (exit status: 127)"),
        "{}",
        ran.stderr()
    );
}
