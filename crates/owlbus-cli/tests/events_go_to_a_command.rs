//! `owlbus pipe --exec COMMAND` hands each event to a command on its standard input, one process an event. Exit status 0
//! is done, 75 a failure for now, anything else a failure for good; and whatever the command does, it neither hangs the
//! pipe nor makes it lose an event in silence.

#![cfg(unix)]

mod common;

use std::{
    fs,
    io::{BufRead as _, BufReader},
    process::Command,
};

use common::{Ran, event, events, feed, folder, numbered, owlbus, run, runs, sample, unaltered, webhooks};
use serde_json::Value;

/// Runs a command on events, with more arguments.
fn exec(command: &str, arguments: &[&str], input: impl AsRef<[u8]>) -> Ran {
    run(&[&["pipe", "--json", "--exec", command], arguments].concat(), input)
}

/// What the summary says of events that commands handled: accepted, done, dead, retries.
fn handled(ran: &Ran) -> [u64; 4] {
    let summary = ran.summary();
    ["accepted", "done", "dead", "retries"].map(|name| summary[name].as_u64().expect(name))
}

#[test]
fn each_event_is_on_the_standard_input_of_a_process_of_its_own() {
    let inputs = [Some(sample()), webhooks()];
    for input in inputs.into_iter().flatten() {
        let ran = exec("cat; echo", &["--concurrency", "1"], &input);
        let printed: String = ran.stdout().lines().step_by(2).map(|line| format!("{line}\n")).collect();
        let (printed, expected) = (events(&printed), events(&input));
        assert_eq!(printed.len(), expected.len());
        for (printed, expected) in printed.iter().zip(&expected) {
            assert_eq!(unaltered(printed), unaltered(expected));
        }
        // The event ends with its line, and the input with the event: the line that `echo` adds is empty.
        assert!(ran.stdout().lines().skip(1).step_by(2).all(str::is_empty));
        assert_eq!((ran.status(), ran.summary()["delivered"].as_u64()), (0, Some(expected.len() as u64)));
    }
}

#[test]
fn only_the_events_asked_for_are_handed_over() {
    let ran = exec("echo $OWLBUS_TOPIC", &["--on", "order.*"], sample());
    assert_eq!((ran.status(), handled(&ran)), (0, [12, 3, 0, 0]));
    assert!(ran.stdout().lines().all(|topic| topic.starts_with("order.")), "{}", ran.stdout());
}

#[test]
fn the_environment_tells_what_the_event_is() {
    let command =
        r#"echo "$OWLBUS_ID|$OWLBUS_TOPIC|$OWLBUS_TYPE|$OWLBUS_SOURCE|$OWLBUS_KEY|$OWLBUS_ATTEMPT""#;
    let line =
        r#"{"specversion":"1.0","id":"7 '$x","source":"/s","type":"T","topic":"a.b","subject":"k","data":1}"#;
    assert_eq!(exec(command, &[], line).stdout(), "7 '$x|a.b|T|/s|k|1\n");
    // Without a key it is the topic. What no environment can hold is not in it, whatever was there before.
    let line =
        format!(r#"{{"specversion":"1.0","id":"1","source":"a\u0000{}","type":"a.b"}}"#, "x".repeat(9_000));
    let mut child = owlbus(&["pipe", "--exec", command]).env("OWLBUS_SOURCE", "stale").spawn().unwrap();
    feed(&mut child, line.into_bytes());
    let ran = Ran(child.wait_with_output().unwrap());
    assert_eq!((ran.status(), ran.stdout()), (0, "1|a.b|a.b||a.b|1\n"));
}

#[test]
fn the_exit_status_says_whether_it_is_done_failed_for_now_or_for_good() {
    let statuses = [("exit 0", [1, 1, 0, 0]), ("exit 75", [1, 0, 1, 2]), ("exit 1", [1, 0, 1, 0])];
    for (command, expected) in statuses {
        let ran = exec(command, &["--retries", "2", "--retry-delay", "0"], event("a", "1"));
        assert_eq!(handled(&ran), expected, "{command}");
        assert_eq!(ran.status(), i32::from(expected[2] > 0), "{command}");
    }
    let ran = exec("kill -KILL $$", &["--retries", "2"], event("a", "1"));
    assert_eq!(handled(&ran), [1, 0, 1, 0]);
    assert!(ran.stderr().starts_with("a 1: attempt 1: signal: 9 (SIGKILL); dead\n"), "{}", ran.stderr());
}

#[test]
fn one_after_the_other_in_order_with_all_retries_unless_told_otherwise() {
    let command = "echo $OWLBUS_ID/$OWLBUS_ATTEMPT; test $OWLBUS_ATTEMPT = 3 || exit 75";
    let ran = exec(command, &["--retries", "5", "--retry-delay", "1ms"], numbered(4));
    let expected: Vec<_> =
        (1..=4).flat_map(|id| (1..=3).map(move |attempt| format!("{id}/{attempt}"))).collect();
    assert_eq!(ran.stdout().lines().collect::<Vec<_>>(), expected);
    assert_eq!((ran.status(), handled(&ran)), (0, [4, 4, 0, 8]));
}

/// Waits until there are so many files in the folder, this event's among them, and tells when it begins and ends.
fn meeting(folder: &str, all: u32) -> String {
    format!(
        "echo begin; touch {folder}/$OWLBUS_ID; \
         until test $(ls {folder} | wc -l) -ge {all}; do sleep 0.01; done; echo end"
    )
}

#[test]
fn as_many_at_once_as_asked_for() {
    let folder = folder("at_once");
    // The first three wait for each other, so they run at once or never end.
    let ran = exec(&meeting(folder.to_str().unwrap(), 3), &["--concurrency", "3"], numbered(12));
    assert_eq!((ran.status(), handled(&ran)), (0, [12, 12, 0, 0]));
    let mut running = 0;
    for line in ran.stdout().lines() {
        running += if line == "begin" { 1 } else { -1 };
        assert!((0..=3).contains(&running), "{}", ran.stdout());
    }
}

#[test]
fn events_of_one_key_keep_their_order_and_others_do_not_wait_for_them() {
    let folder = folder("by_key");
    let line = |id: u32, key: &str| {
        format!(r#"{{"specversion":"1.0","id":"{id}","source":"/s","type":"a","subject":"{key}","data":1}}"#)
    };
    let input: Vec<_> = (1..=4).map(|id| line(id, "a")).chain((5..=8).map(|id| line(id, "b"))).collect();
    // The first of `a` fails until all of `b` are through, though all of `a` came before.
    let command = format!(
        "if test $OWLBUS_ID = 1; then test -e {0}/8 || exit 75; fi; echo $OWLBUS_ID >> {0}/log; touch {0}/$OWLBUS_ID",
        folder.display()
    );
    let arguments = ["--concurrency", "2", "--ordered-by-key", "--retries", "1000", "--retry-delay", "1ms"];
    let ran = exec(&command, &arguments, input.join("\n"));
    assert_eq!(ran.status(), 0);
    let log = fs::read_to_string(folder.join("log")).unwrap();
    assert_eq!(log.lines().collect::<Vec<_>>(), ["5", "6", "7", "8", "1", "2", "3", "4"]);
}

#[test]
fn a_command_need_not_read_its_input() {
    let large = event("a", &format!("\"{}\"", "x".repeat(1_000_000)));
    for command in ["true", "exec 0<&-; true", "head -c 1 > /dev/null"] {
        let ran = exec(command, &[], &large);
        assert_eq!((ran.status(), handled(&ran)), (0, [1, 1, 0, 0]), "{command}: {}", ran.stderr());
    }
}

#[test]
fn what_it_writes_passes_through() {
    let ran = run(&["pipe", "--exec", "printf 'no line break'; printf 'to \\377 people' >&2"], numbered(2));
    assert_eq!(ran.stdout(), "no line breakno line break");
    assert!(
        ran.0.stderr.starts_with(b"to \xff people\nto \xff people\n2 accepted, 2 done, 0 dead, 0 refused, ")
    );
    let ran = exec("head -c 3000000 /dev/zero", &[], event("a", "1"));
    assert_eq!((ran.0.stdout.len(), ran.status()), (3_000_000, 0));
}

#[test]
fn lines_of_commands_that_run_at_once_stay_whole() {
    let line = "x".repeat(5_000);
    let command = format!("for i in 1 2 3 4 5; do echo {line} $OWLBUS_ID; done");
    let ran = exec(&command, &["--concurrency", "8"], numbered(40));
    let whole = |text: &str| text.strip_prefix(&*line).is_some_and(|id| id.trim().parse::<u32>().is_ok());
    assert_eq!(ran.stdout().lines().filter(|line| whole(line)).count(), 200);
}

#[test]
fn what_takes_too_long_is_ended_with_all_it_started() {
    let ended = "echo $$; sleep 600 & echo $!; wait";
    let stubborn = format!("trap '' TERM; {ended}");
    for command in [ended, &stubborn] {
        let ran =
            exec(command, &["--timeout", "1s", "--retries", "1", "--retry-delay", "0"], event("a", "1"));
        assert_eq!((ran.status(), handled(&ran)), (1, [1, 0, 1, 1]));
        assert!(ran.stderr().contains("a 1: attempt 2: took longer than 1s, and was ended; dead\n"));
        assert_eq!(ran.stdout().lines().count(), 4);
        assert!(!ran.stdout().lines().any(runs), "{}", ran.stdout());
    }
}

#[test]
fn what_it_leaves_in_the_background_is_not_waited_for() {
    let ran = exec("sleep 600 & echo $!", &[], event("a", "1"));
    assert_eq!((ran.status(), handled(&ran)), (0, [1, 1, 0, 0]));
    let left = ran.stdout().trim();
    assert!(runs(left), "{left}");
    assert!(Command::new("kill").arg(left).status().expect("`kill` is there").success());
}

#[test]
fn a_command_that_is_not_there_is_told_at_once_and_not_once_an_event() {
    for (command, problem) in [
        ("no-such-tool --now", "owlbus: there is no command `no-such-tool`, or it is not executable; "),
        ("./no-such-tool", "owlbus: there is no command `./no-such-tool`, or it is not executable; "),
        ("if true", "owlbus: the shell cannot read the command: "),
    ] {
        for manner in ["--exec", "--exec-lines"] {
            let ran = run(&["pipe", manner, command], "");
            assert_eq!(
                (ran.status(), ran.stdout(), ran.stderr().lines().count()),
                (2, "", 1),
                "{}",
                ran.stderr()
            );
            assert!(ran.stderr().starts_with(problem), "{}", ran.stderr());
        }
    }
    // Where that is not plain to see beforehand, the first event shows it.
    let ran = exec("true && no-such-tool", &["--retries", "9"], numbered(1_000));
    assert_eq!((ran.status(), handled(&ran)), (1, [1, 0, 1, 0]));
    assert!(
        ran.stderr().contains("owlbus: the shell found nothing to run: exit status: 127"),
        "{}",
        ran.stderr()
    );
    // A command that found what it needs for one event just failed with another.
    let ran = exec("test $OWLBUS_ID != 2 || no-such-tool", &[], numbered(3));
    assert_eq!((ran.status(), handled(&ran)), (1, [3, 2, 1, 0]));
}

#[test]
fn ctrl_c_ends_the_input_and_what_was_accepted_is_handled() {
    for signal in ["INT", "TERM"] {
        let ran = exec(
            &format!("test $OWLBUS_ID != 1 || kill -{signal} $PPID; cat"),
            &["--concurrency", "2"],
            numbered(100_000),
        );
        let [accepted, done, ..] = handled(&ran);
        assert_eq!((ran.status(), done), (0, accepted), "{}", ran.stderr());
        assert!((1..10_000).contains(&accepted), "{accepted}");
        assert_eq!(ran.stdout().lines().count() as u64, accepted);
    }
}

#[test]
fn a_second_ctrl_c_ends_the_commands_and_their_events_are_dead_letters() {
    let folder = folder("second_ctrl_c");
    let file = folder.join("dead.ndjson");
    // The first event waits for its retry then, the second is at work.
    let command =
        "if test $OWLBUS_ID = 1; then exit 75; fi; echo $$; while :; do kill -INT $PPID; sleep 0.3; done";
    let arguments = ["--concurrency", "2", "--retries", "9", "--retry-delay", "1h"];
    let ran =
        exec(command, &[&arguments[..], &["--dead-letters", file.to_str().unwrap()]].concat(), numbered(2));
    assert_eq!((ran.status(), handled(&ran)), (130, [2, 0, 2, 1]), "{}", ran.stderr());
    assert!(!runs(ran.stdout().trim()), "{}", ran.stdout());
    let kept = fs::read_to_string(&file).unwrap();
    let mut ids: Vec<_> = events(&kept).iter().map(|event| common::text(event, "id")).collect();
    ids.sort_unstable();
    assert_eq!(ids, ["1", "2"]);
}

#[test]
fn a_closed_output_ends_it_without_a_word() {
    let mut child = owlbus(&["pipe", "--exec", "cat"]).spawn().expect("the program starts");
    feed(&mut child, numbered(100_000).into_bytes());
    let mut stdout = BufReader::new(child.stdout.take().expect("standard output is a pipe"));
    stdout.read_line(&mut String::new()).expect("a line comes");
    drop(stdout);
    let ran = Ran(child.wait_with_output().expect("the program ends"));
    assert_eq!((ran.status(), ran.stderr()), (0, ""));
}

#[test]
fn events_are_handled_before_more_is_waited_for() {
    let mut child = owlbus(&["pipe", "--exec", "cat"]).spawn().expect("the program starts");
    let mut stdin = child.stdin.take().expect("standard input is a pipe");
    let mut stdout = BufReader::new(child.stdout.take().expect("standard output is a pipe"));
    for _ in 0..3 {
        std::io::Write::write_all(&mut stdin, numbered(1).as_bytes()).expect("the program reads");
        let mut printed = String::new();
        stdout.read_line(&mut printed).expect("the command prints");
        assert_eq!(printed, numbered(1));
    }
    drop(stdin);
    assert!(child.wait().expect("the program ends").success());
}

#[test]
fn what_is_no_event_is_refused_and_what_is_too_old_is_counted() {
    let old =
        r#"{"specversion":"1.0","id":"1","source":"/s","type":"a","expirytime":"2001-01-01T00:00:00Z"}"#;
    let ran = exec("echo $OWLBUS_ID", &[], format!("{old}\nnonsense\n{}", event("a", "1")));
    let summary = ran.summary();
    assert_eq!((ran.status(), handled(&ran), ran.stdout()), (1, [2, 1, 0, 0], "1\n"));
    assert_eq!((&summary["expired"], &summary["refused"]), (&Value::from(1), &Value::from(1)));
}

#[test]
fn people_get_a_sentence() {
    let ran = run(&["pipe", "--exec", "exit 75", "--retries", "1", "--retry-delay", "0"], numbered(2));
    let last = ran.stderr().lines().last().unwrap();
    assert!(last.starts_with("2 accepted, 0 done, 2 dead, 0 refused, 2 retries, "), "{last}");
    assert!(
        ran.stderr().starts_with("a.b 1: attempt 1: exit status: 75; again at once\n"),
        "{}",
        ran.stderr()
    );
}
