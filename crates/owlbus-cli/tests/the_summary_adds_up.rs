//! At its end `owlbus pipe` says on standard error what became of the input: for people as a sentence, with `--json` as
//! one JSON object on the last line. Events never get lost between reader and writer, so the numbers add up.

mod common;

use common::{event, run, sample};

#[test]
fn people_get_a_sentence() {
    let ran = run(&["pipe", "--on", "order.*"], format!("{}nonsense\n", sample()));
    let last = ran.stderr().lines().last().unwrap();
    assert!(last.starts_with("12 accepted, 3 delivered, 1 refused, "), "{last}");
    assert!(last.ends_with(" events/s"), "{last}");
    assert_eq!(ran.status(), 1);
}

#[test]
fn programs_get_an_object() {
    let ran = run(&["pipe", "--on", "order.*", "--json"], format!("{}nonsense\n", sample()));
    assert_eq!(ran.counts(), [12, 3, 1]);
    let summary = ran.summary();
    assert_eq!(summary["lost"], 0);
    assert!(summary["seconds"].as_f64() > Some(0.0), "{summary}");
    assert!(summary["events_per_second"].as_u64() > Some(0), "{summary}");
}

#[test]
fn nothing_is_drawn_where_there_is_no_terminal() {
    let ran = run(&["pipe"], sample());
    assert_eq!(ran.stderr().lines().count(), 1, "{}", ran.stderr());
    assert!(!ran.stderr().contains(['\r', '\u{1b}']), "{:?}", ran.stderr());
}

#[test]
fn a_hundred_thousand_events_arrive_in_order() {
    let input: String =
        (0..100_000).map(|number| format!("{}\n", event("tick", &number.to_string()))).collect();
    let ran = run(&["pipe", "--json"], input);
    assert_eq!(ran.counts(), [100_000, 100_000, 0]);
    let data = |line: &str| line.rsplit_once(':').map(|(_, data)| data.to_owned());
    let in_order = (0..100_000).all({
        let mut lines = ran.stdout().lines();
        move |number| lines.next().and_then(data) == Some(format!("{number}}}"))
    });
    assert!(in_order);
}
