//! `owlbus pipe` prints every event it read: complete, in order but for what is more urgent, and unaltered. Attributes keep their values, those it
//! does not know included, and data keeps every byte; only the order of the members of an object is the program's.

mod common;

use common::{Members, event, events, run, sample, unaltered, webhooks};

fn assert_unaltered(input: &str, printed: &[Members]) {
    let expected = events(input);
    assert_eq!(printed.len(), expected.len());
    for (number, (printed, expected)) in printed.iter().zip(&expected).enumerate() {
        assert_eq!(unaltered(printed), unaltered(expected), "event {}", number + 1);
    }
}

#[test]
fn the_sample_comes_out_as_it_went_in() {
    let ran = run(&["pipe", "--json"], sample());
    assert_unaltered(&sample(), &ran.events());
    assert_eq!((ran.status(), ran.counts()), (0, [12, 12, 0]));
}

#[test]
fn real_payloads_come_out_as_they_went_in() {
    let Some(webhooks) = webhooks() else { return };
    let ran = run(&["pipe", "--json"], &webhooks);
    assert_unaltered(&webhooks, &ran.events());
    assert_eq!((ran.status(), ran.counts()), (0, [329, 329, 0]));
}

#[test]
fn what_only_the_sender_understands_is_kept() {
    let input = [
        r#"{"specversion":"1.0","id":"A-1","source":"urn:x","type":"a.b","data": { "z" : 1.10, "a" : "\u00e4\/" } }"#,
        r#"{"specversion":"1.0","id":"2","source":"s","type":"T.done","topic":"a.b","priority":"normal","data":null}"#,
        r#"{"specversion":"1.0","id":"3","source":"s","type":"a","traceparent":"00-ab-cd-01","retries":3,"dry":false}"#,
        r#"{"specversion":"1.0","id":"4","source":"s","type":"a","time":"2026-01-01T02:00:00+02:00","dataschema":"urn:y"}"#,
        r#"{"specversion":"1.0","id":"5","source":"s","type":"a","datacontenttype":"image/png","data_base64":"AAEC/w=="}"#,
        r#"{"specversion":"1.0","id":"6","source":"s","type":"a","data":123456789012345678901234567890.50}"#,
    ]
    .join("\n");
    assert_unaltered(&input, &run(&["pipe"], &input).events());
    let urgent = r#"{"specversion":"1.0","id":"2","source":"s","type":"T.done","topic":"a.b","priority":"high","data":null}"#;
    assert_unaltered(urgent, &run(&["pipe"], urgent).events());
}

#[test]
fn lines_may_end_as_they_do_anywhere_and_empty_ones_are_passed_over() {
    let lines = format!("\n{}\r\n\r\n  \t\n{}\n\n{}", event("a", "1"), event("b", "2"), event("c", "3"));
    let ran = run(&["pipe", "--json"], lines);
    let expected = [event("a", "1"), event("b", "2"), event("c", "3")].join("\n");
    assert_unaltered(&expected, &ran.events());
    assert_eq!((ran.status(), ran.counts()), (0, [3, 3, 0]));
}

#[test]
fn no_input_is_no_error() {
    let ran = run(&["pipe", "--json"], "");
    assert_eq!((ran.status(), ran.stdout(), ran.counts()), (0, "", [0, 0, 0]));
}
