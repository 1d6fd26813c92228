//! `owlbus pipe --on PATTERN` prints the events whose topics match, and no others. Several `--on` are one subscription:
//! what matches more than one of them prints once, and order is kept.

mod common;

use common::{event, events, run, sample, text, webhooks};

/// The rules of patterns once more, written apart from the program.
fn matches(pattern: &[&str], topic: &[&str]) -> bool {
    match (pattern, topic) {
        ([], topic) => topic.is_empty(),
        (["**", rest @ ..], topic) => (0..=topic.len()).any(|taken| matches(rest, &topic[taken..])),
        ([wanted, pattern @ ..], [token, topic @ ..]) => {
            (*wanted == "*" || wanted == token) && matches(pattern, topic)
        }
        (_, []) => false,
    }
}

fn asked_for(patterns: &[&str], topic: &str) -> bool {
    let topic: Vec<&str> = topic.split('.').collect();
    patterns.iter().any(|pattern| matches(&pattern.split('.').collect::<Vec<_>>(), &topic))
}

/// Runs `input` through the program, and gives how many events it printed, which are those asked for.
fn picked(patterns: &[&str], input: &str) -> usize {
    let mut arguments = vec!["pipe", "--json"];
    patterns.iter().for_each(|pattern| arguments.extend(["--on", pattern]));
    let ran = run(&arguments, input);

    let expected = events(input);
    let expected: Vec<_> =
        expected.iter().filter(|event| asked_for(patterns, &text(event, "type"))).collect();
    let printed = ran.events();
    let ids = |event: &common::Members| (text(event, "id"), text(event, "type"));
    let printed: Vec<_> = printed.iter().map(ids).collect();
    assert_eq!(printed, expected.iter().map(|event| ids(event)).collect::<Vec<_>>(), "{patterns:?}");
    let read = input.lines().count() as u64;
    assert_eq!((ran.status(), ran.counts()), (0, [read, printed.len() as u64, 0]));
    printed.len()
}

#[test]
fn patterns_pick_from_the_sample() {
    let picks: [(&[&str], usize); 8] = [
        (&["order.*"], 3),
        (&["order.placed"], 1),
        (&["hook.*"], 1),
        (&["hook.**"], 4),
        (&["**.completed", "**.started"], 2),
        (&["order.*", "order.**", "*.paid", "**"], 12),
        (&["*"], 0),
        (&["nothing.like.this"], 0),
    ];
    for (patterns, expected) in picks {
        assert_eq!(picked(patterns, &sample()), expected, "{patterns:?}");
    }
}

#[test]
fn patterns_pick_from_real_payloads() {
    let Some(webhooks) = webhooks() else { return };
    assert_eq!(picked(&["github.pull_request.*", "github.issues.**"], &webhooks), 58);
    assert!(picked(&["github.*"], &webhooks) > 0);
    assert!(picked(&["**.created", "github.*.deleted"], &webhooks) > 0);
}

#[test]
fn the_topic_decides_where_it_is_not_the_type() {
    let foreign = r#"{"specversion":"1.0","id":"9","source":"s","type":"com.example.Done","topic":"a.b"}"#;
    let ran = run(&["pipe", "--on", "a.*"], format!("{foreign}\n{}", event("com.example.Done", "1")));
    let printed: Vec<_> = ran.events().iter().map(|event| text(event, "id")).collect();
    assert_eq!(printed, ["9"]);
}
