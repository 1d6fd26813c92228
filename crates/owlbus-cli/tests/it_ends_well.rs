//! However it ends, `owlbus pipe` ends well: quietly when its reader has read enough, with a reason when the output
//! fails, with everything printed on Ctrl-C. And until then what was read is printed before more is waited for.

mod common;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};

use common::{event, feed, owlbus, run};

/// Enough that the program cannot have written it all before its reader goes away.
fn many_events() -> Vec<u8> {
    format!("{}\n", event("a", "1")).repeat(100_000).into_bytes()
}

/// Runs the program until its reader has read one line and gone; gives the exit status and standard error.
fn read_one_line(arguments: &[&str], input: Vec<u8>) -> (Option<i32>, String) {
    let mut child = owlbus(arguments).spawn().expect("the program starts");
    feed(&mut child, input);
    let mut first = String::new();
    let mut stdout = BufReader::new(child.stdout.take().expect("standard output is a pipe"));
    stdout.read_line(&mut first).expect("a line comes");
    assert!(first.ends_with('\n'));
    drop(stdout);
    let output = child.wait_with_output().expect("the program ends");
    (output.status.code(), String::from_utf8(output.stderr).expect("UTF-8"))
}

#[test]
fn a_closed_output_ends_it_without_a_word() {
    assert_eq!(read_one_line(&["pipe"], many_events()), (Some(0), String::new()));
}

#[test]
fn a_closed_output_leaves_the_summary_that_was_asked_for() {
    let (status, stderr) = read_one_line(&["pipe", "--json"], many_events());
    assert_eq!((status, stderr.lines().count()), (Some(0), 1), "{stderr}");
    let summary: serde_json::Value = serde_json::from_str(&stderr).expect("one JSON object");
    assert!(summary["delivered"].as_u64() <= summary["accepted"].as_u64(), "{stderr}");
}

#[test]
fn a_closed_output_ends_match_too() {
    let questions = "a.*\ta.b\n".repeat(1_000_000).into_bytes();
    assert_eq!(read_one_line(&["match"], questions), (Some(0), String::new()));
}

#[cfg(target_os = "linux")]
#[test]
fn an_output_that_cannot_be_written_is_told() {
    let full = std::fs::File::options().write(true).open("/dev/full").expect("Linux has it");
    let mut child = owlbus(&["pipe", "--json"]).stdout(full).spawn().expect("the program starts");
    feed(&mut child, event("a", "1").into_bytes());
    let ran = common::Ran(child.wait_with_output().expect("the program ends"));
    assert!(ran.stderr().starts_with("owlbus: standard output cannot be written: "), "{}", ran.stderr());
    assert_eq!((ran.status(), ran.counts()), (1, [1, 0, 0]));
}

#[test]
fn events_are_printed_before_more_is_waited_for() {
    let mut child = owlbus(&["pipe", "--topic", "tick"]).spawn().expect("the program starts");
    let mut stdin = child.stdin.take().expect("standard input is a pipe");
    let mut stdout = BufReader::new(child.stdout.take().expect("standard output is a pipe"));
    for number in 1..=3 {
        writeln!(stdin, "{number}").expect("the program reads");
        let mut printed = String::new();
        stdout.read_line(&mut printed).expect("the program prints");
        assert!(printed.ends_with(&format!("\"data\":{number}}}\n")), "{printed}");
    }
    drop(stdin);
    assert!(child.wait().expect("the program ends").success());
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_the_input() {
    let mut child = owlbus(&["pipe", "--json"]).spawn().expect("the program starts");
    // Held until the end, so that nothing but Ctrl-C can end the input.
    let mut stdin = child.stdin.take().expect("standard input is a pipe");
    let mut stdout = BufReader::new(child.stdout.take().expect("standard output is a pipe"));
    writeln!(stdin, "{}", event("a", "1")).expect("the program reads");
    stdout.read_line(&mut String::new()).expect("the program prints");

    let kill = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(kill.expect("`kill` is there").success());

    let mut rest = String::new();
    stdout.read_to_string(&mut rest).expect("the output ends");
    assert_eq!(rest, "");
    let ran = common::Ran(child.wait_with_output().expect("the program ends"));
    assert_eq!((ran.status(), ran.counts()), (0, [1, 1, 0]));
}

#[test]
fn help_says_what_a_user_has_to_know() {
    for (arguments, words) in [
        (["--help", ""], ["pipe", "match"]),
        (["pipe", "--help"], ["Exit status:", "--exec-lines <COMMAND>"]),
        (["match", "--help"], ["Exit status:", "Examples:"]),
    ] {
        let arguments: Vec<&str> = arguments.into_iter().filter(|argument| !argument.is_empty()).collect();
        let ran = run(&arguments, "");
        assert_eq!(ran.status(), 0);
        assert!(words.iter().all(|word| ran.stdout().contains(word)), "{}", ran.stdout());
    }
    assert_eq!(run(&["--version"], "").stdout(), format!("owlbus {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn wrong_arguments_have_a_status_of_their_own() {
    let wrong: [&[&str]; 15] = [
        &[],
        &["pope"],
        &["pipe", "--on", "a..b"],
        &["pipe", "--topic", "a.*"],
        &["pipe", "--topic", "owlbus.mine"],
        &["pipe", "--topic", "a", "--topic-from", "/b"],
        &["pipe", "--topic-from", "b"],
        &["pipe", "--retries", "1"],
        &["pipe", "--dead-letters", "dead.ndjson"],
        &["pipe", "--schemas"],
        &["pipe", "--exec", " "],
        &["pipe", "--exec", "true", "--exec-lines", "true"],
        &["pipe", "--exec", "true", "--concurrency", "0"],
        &["pipe", "--exec", "true", "--timeout", "0s"],
        &["pipe", "--exec", "true", "--retry-delay", "soon"],
    ];
    for arguments in wrong {
        let ran = run(arguments, event("a", "1"));
        assert_eq!((ran.status(), ran.stdout()), (2, ""), "{arguments:?}");
        assert!(!ran.stderr().is_empty(), "{arguments:?}");
    }
}
