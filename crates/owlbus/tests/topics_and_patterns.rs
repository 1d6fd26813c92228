//! The promise: what is a topic and what is a pattern, and which topic a pattern matches.
//!
//! A topic is the address of an event and always literal. A pattern asks for topics: `*` is exactly one token and `**`
//! is zero or more. Whatever is neither is refused with an error that says where and what to do, when the program is
//! compiled if the text is part of it, and everything that is accepted matches exactly as written here.

#![expect(clippy::unwrap_used, reason = "a test that unwraps the wrong thing fails, as it should")]

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    error::Error,
    hash::{BuildHasher, RandomState},
    panic::{UnwindSafe, catch_unwind},
};

use owlbus::{Pattern, Topic, topic::IntoPatterns, topic::IntoTopic, topic::TopicError};
use proptest::prelude::*;

static STATIC_TOPIC: Topic = Topic::from_static("hook.tool.usage");
const CONST_PATTERN: Pattern = Pattern::from_static("hook.*.**");

fn topic(text: &str) -> Topic {
    Topic::new(text).unwrap()
}

fn pattern(text: &str) -> Pattern {
    Pattern::new(text).unwrap()
}

fn tokens(token: &str, count: usize) -> String {
    vec![token; count].join(".")
}

// What is accepted.

#[test]
fn these_are_topics_and_patterns() {
    let longest = "x".repeat(256);
    let most_tokens = tokens("a", 16);
    let accepted =
        ["a", "hook.tool.usage", "A.b-C_d.1", "größe.数.🦉", "owlbus", "a/b:c@d", &longest, &most_tokens];
    for text in accepted {
        let topic = topic(text);
        assert_eq!(topic.as_str(), text);
        assert!(topic.tokens().eq(text.split('.')), "{text}");
        let pattern = pattern(text);
        assert_eq!(pattern.as_str(), text);
        assert!(pattern.is_literal(), "{text}");
        assert!(pattern.tokens().eq(text.split('.')), "{text}");
        assert!(pattern.matches(&topic), "{text}");
        assert_eq!(Pattern::from(&topic), pattern);
        assert_eq!(Pattern::from(topic), pattern);
    }
}

#[test]
fn wildcards_stand_anywhere_in_a_pattern() {
    for text in
        ["*", "**", "*.a", "**.a", "a.*", "a.**", "a.*.b", "a.**.b", "*.*.*", "**.*", "**.a.**.b.**.c.**"]
    {
        let pattern = pattern(text);
        assert_eq!(pattern.as_str(), text);
        assert!(!pattern.is_literal(), "{text}");
    }
}

#[test]
fn a_run_of_double_wildcards_is_one() {
    for (text, kept) in [
        ("**.**", "**"),
        ("**.**.**.**.**.**", "**"),
        ("a.**.**", "a.**"),
        ("**.**.a", "**.a"),
        ("a.**.**.b.**.**.**", "a.**.b.**"),
        ("**.*.**", "**.*.**"),
    ] {
        assert_eq!(pattern(text).as_str(), kept);
        assert_eq!(pattern(text), pattern(kept));
    }
    // The limits count what is kept.
    assert_eq!(pattern(&tokens("**", 40)).as_str(), "**");
    assert!(Pattern::new(format!("{}.**.**", tokens("a", 15))).is_ok());
}

// What is refused.

#[test]
fn neither_may_break_these_rules() {
    let long = "x".repeat(257);
    let many = tokens("a", 17);
    let wide = format!("{}ä", "x".repeat(255));
    let refused: &[(&str, &str, &str)] = &[
        ("", "empty", "orders.created"),
        (".", "empty token at byte 0", "both sides of every `.`"),
        (".a", "empty token at byte 0", "both sides of every `.`"),
        ("a.", "empty token at byte 2", "both sides of every `.`"),
        ("a..b", "empty token at byte 2", "both sides of every `.`"),
        ("a b", "white space character U+0020 at byte 1", "leave it out"),
        ("a.\t", "white space character U+0009 at byte 2", "leave it out"),
        ("a\n", "white space character U+000A at byte 1", "leave it out"),
        ("ä\u{a0}", "white space character U+00A0 at byte 2", "leave it out"),
        ("a.b\u{2028}", "white space character U+2028 at byte 3", "leave it out"),
        ("\u{3000}", "white space character U+3000 at byte 0", "leave it out"),
        ("a\0", "control character U+0000 at byte 1", "leave it out"),
        ("a.\u{1b}[2J", "control character U+001B at byte 2", "leave it out"),
        ("a\u{7f}", "control character U+007F at byte 1", "leave it out"),
        ("🦉\u{9b}", "control character U+009B at byte 4", "leave it out"),
        (&long, "257 bytes", "at most 256"),
        (&wide, "257 bytes", "at most 256"),
        (&many, "more than 16 tokens, the first too many at byte 32", "use fewer"),
    ];
    for (text, place, advice) in refused {
        for error in [Topic::new(text).unwrap_err(), Pattern::new(text).unwrap_err()] {
            let message = error.to_string();
            assert!(message.contains(place), "{text:?}: {message}");
            assert!(message.contains(advice), "{text:?}: {message}");
            assert!(!message.contains(char::is_control), "{message:?}");
        }
    }
}

#[test]
fn a_topic_has_no_wildcard() {
    for (text, position) in [("*", 0), ("**", 0), ("a.*", 2), ("a.**.b", 2), ("ab*", 2), ("***", 0)] {
        let error = Topic::new(text).unwrap_err();
        assert_eq!(error, TopicError::WildcardInTopic { text: text.into(), position });
        assert!(error.to_string().contains("use the text as a pattern"), "{error}");
    }
}

#[test]
fn a_wildcard_of_a_pattern_is_a_whole_token() {
    for (text, position) in
        [("a*", 1), ("*a", 0), ("a.b*c", 3), ("***", 0), ("a.****", 2), ("a.**b.c", 2), ("ä*", 2)]
    {
        let error = Pattern::new(text).unwrap_err();
        assert_eq!(error, TopicError::GluedWildcard { text: text.into(), position });
        assert!(error.to_string().contains("a wildcard is a whole token"), "{error}");
    }
}

#[test]
fn a_pattern_has_at_most_four_double_wildcards() {
    assert!(Pattern::new("**.a.**.a.**.a.**").is_ok());
    let error = Pattern::new("**.a.**.a.**.a.**.a.**").unwrap_err();
    let text = "**.a.**.a.**.a.**.a.**".into();
    assert_eq!(error, TopicError::TooManyDoubleWildcards { text, position: 20 });
    assert!(error.to_string().contains("use several patterns"), "{error}");
}

#[test]
fn an_error_shows_a_long_text_in_part_and_escaped() {
    for text in
        ["x".repeat(1 << 20), "\u{7}".repeat(1 << 20), format!("{}\u{7}{}", "x".repeat(100), "y".repeat(100))]
    {
        let error = Topic::new(&text).unwrap_err();
        let message = error.to_string();
        assert!(message.len() < 600, "{message}");
        assert!(message.contains('…'), "{message}");
        assert!(!message.contains(char::is_control), "{message:?}");
        assert_eq!(error.clone(), error);
        assert!(error.source().is_none());
    }
    let near = format!("{}\u{7}{}", "x".repeat(100), "y".repeat(100));
    let message = Topic::new(near).unwrap_err().to_string();
    assert!(message.contains("xxx\\u{7}yyy"), "the offending place is in view: {message}");
}

#[test]
fn from_static_refuses_what_new_refuses() {
    assert_eq!(STATIC_TOPIC, "hook.tool.usage");
    assert_eq!(CONST_PATTERN, "hook.*.**");
    for (text, advice) in
        [("", "must not be empty"), ("a..b", "both sides of every `.`"), ("a.*", "use a `Pattern`")]
    {
        let message = panic_of(|| drop(Topic::from_static(text)));
        assert!(message.contains(advice), "{text}: {message}");
    }
    for (text, advice) in [("a.b*", "a whole token"), ("a b", "white space"), ("a.**.**", "write `**` once")]
    {
        let message = panic_of(|| drop(Pattern::from_static(text)));
        assert!(message.contains(advice), "{text}: {message}");
    }
}

fn panic_of(code: impl FnOnce() + UnwindSafe) -> String {
    let panic = catch_unwind(code).unwrap_err();
    let text = panic.downcast_ref::<&str>().map(|text| String::from(*text));
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap()
}

// What matches.

#[test]
fn a_pattern_matches_as_written_in_this_table() {
    let table: &[(&str, &[&str], &[&str])] = &[
        ("hook.*", &["hook.tool"], &["hook", "hook.tool.usage", "x.tool", "hooks.tool"]),
        ("hook.**", &["hook", "hook.tool", "hook.tool.usage"], &["x", "x.hook", "hooks"]),
        ("hook.tool", &["hook.tool"], &["hook", "Hook.tool", "hook.tool.usage", "hook.tools"]),
        ("*", &["a"], &["a.b"]),
        ("**", &["a", "a.b", "a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p"], &[]),
        ("*.*", &["a.b"], &["a", "a.b.c"]),
        ("**.*", &["a", "a.b", "a.b.c"], &[]),
        ("*.**", &["a", "a.b", "a.b.c"], &[]),
        ("*.**.*", &["a.b", "a.b.c"], &["a"]),
        ("**.c", &["c", "b.c", "a.b.c", "c.c"], &["c.b", "a"]),
        ("a.**.c", &["a.c", "a.b.c", "a.b.b.c", "a.c.c", "a.c.b.c"], &["a", "c", "a.c.b", "b.a.c"]),
        ("a.**.b.*.c", &["a.b.x.c", "a.b.b.b.c", "a.b.c.b.b.c"], &["a.b.c", "a.b.x.c.d", "a.x.c"]),
        ("**.a.**.b.**", &["a.b", "x.a.y.b.z", "b.a.b"], &["b.a", "a", "b"]),
    ];
    for (text, matching, other) in table {
        let pattern = pattern(text);
        for text in *matching {
            assert!(pattern.matches(&topic(text)), "{pattern} should match {text}");
        }
        for text in *other {
            assert!(!pattern.matches(&topic(text)), "{pattern} should not match {text}");
        }
    }
}

#[test]
fn what_the_bus_says_is_matched_only_by_name() {
    let gap = topic("owlbus.gap");
    let owlbus = topic("owlbus");
    assert!(gap.is_reserved() && owlbus.is_reserved());
    for text in ["*", "**", "*.gap", "**.gap", "*.*", "**.owlbus.gap", "*.**"] {
        assert!(!pattern(text).matches(&gap), "{text}");
        assert!(!pattern(text).matches(&owlbus), "{text}");
    }
    for text in ["owlbus.gap", "owlbus.*", "owlbus.**", "owlbus.**.gap"] {
        assert!(pattern(text).matches(&gap), "{text}");
    }
    for text in ["owlbusy.gap", "a.owlbus", "Owlbus.gap", "owl.bus"] {
        assert!(!topic(text).is_reserved(), "{text}");
        assert!(pattern("**").matches(&topic(text)), "{text}");
    }
}

/// With a matcher that tries every way, this would take longer than anyone waits.
#[test]
fn the_worst_pattern_is_matched_at_once() {
    let worst = pattern("**.a.*.**.a.a.*.**.a.a.a.**.a.b");
    assert!(!worst.matches(&topic(&tokens("a", 16))));
    assert!(worst.matches(&topic(&format!("{}.b", tokens("a", 15)))));
}

// How both behave as values.

#[test]
fn a_topic_is_its_text_wherever_it_is_kept() {
    let shared = topic("hook.tool.usage");
    assert_eq!(shared, STATIC_TOPIC);
    assert_eq!(shared.clone(), shared);
    assert_eq!(shared.to_string(), "hook.tool.usage");
    assert_eq!(format!("{shared:>17}"), "  hook.tool.usage");
    assert_eq!(format!("{shared:?}"), r#"Topic("hook.tool.usage")"#);
    assert_eq!(format!("{CONST_PATTERN:?}"), r#"Pattern("hook.*.**")"#);
    assert!(shared == *"hook.tool.usage" && shared == "hook.tool.usage" && shared != "hook");
    assert_eq!("hook.tool.usage".parse::<Topic>().unwrap(), shared);
    assert_eq!(Topic::try_from("hook.tool.usage").unwrap(), shared);
    assert_eq!(Topic::try_from(String::from("hook.tool.usage")).unwrap(), shared);
    assert_eq!("hook.*.**".parse::<Pattern>().unwrap(), CONST_PATTERN);
    assert_eq!(Pattern::try_from("hook.*.**").unwrap(), CONST_PATTERN);
    assert_eq!(Pattern::try_from(String::from("hook.*.**")).unwrap(), CONST_PATTERN);
    assert!(Topic::try_from("a.*").is_err() && "a*".parse::<Pattern>().is_err());

    let state = RandomState::new();
    assert_eq!(state.hash_one(&shared), state.hash_one("hook.tool.usage"));
    assert_eq!(state.hash_one(&STATIC_TOPIC), state.hash_one(&shared));
    assert_eq!(state.hash_one(CONST_PATTERN), state.hash_one("hook.*.**"));
    let map = HashMap::from([(shared, 1)]);
    assert_eq!(map.get("hook.tool.usage"), Some(&1));
    assert!(HashSet::from([CONST_PATTERN]).contains("hook.*.**"));
    let ordered: BTreeSet<Topic> = ["b", "a.b", "a"].into_iter().map(topic).collect();
    assert!(ordered.iter().map(Topic::as_str).eq(["a", "a.b", "b"]));
}

#[test]
fn json_is_checked_on_the_way_in() {
    let topics = vec![topic("a.b"), topic("größe")];
    let json = serde_json::to_string(&topics).unwrap();
    assert_eq!(json, r#"["a.b","größe"]"#);
    assert_eq!(serde_json::from_str::<Vec<Topic>>(&json).unwrap(), topics);
    assert_eq!(serde_json::from_str::<Pattern>(r#""a.\u002a.**.**""#).unwrap(), "a.*.**");
    assert_eq!(serde_json::to_string(&CONST_PATTERN).unwrap(), r#""hook.*.**""#);

    let error = serde_json::from_str::<Topic>(r#""a.*""#).unwrap_err().to_string();
    assert!(error.contains("use the text as a pattern"), "{error}");
    let error = serde_json::from_str::<Pattern>("7").unwrap_err().to_string();
    assert!(error.contains("a pattern such as `orders.**`"), "{error}");
}

#[test]
fn a_topic_is_named_by_any_of_these() {
    fn named(by: impl IntoTopic) -> Topic {
        by.into_topic().unwrap()
    }
    let text = String::from("a.b");
    let by_reference = &topic("a.b");
    for topic in [named("a.b"), named(&text), named(text.clone()), named(topic("a.b")), named(by_reference)] {
        assert_eq!(topic, "a.b");
    }
    assert!(matches!("a.*".into_topic(), Err(TopicError::WildcardInTopic { .. })));
}

#[test]
fn patterns_are_named_by_any_of_these() {
    fn named(by: impl IntoPatterns) -> Vec<Pattern> {
        by.into_patterns().unwrap()
    }
    let text = String::from("a.b");
    let one = [pattern("a.b")];
    assert_eq!(named("a.b"), one);
    assert_eq!(named(&text), one);
    assert_eq!(named(text.clone()), one);
    assert_eq!(named(topic("a.b")), one);
    let by_reference = &topic("a.b");
    assert_eq!(named(by_reference), one);
    assert_eq!(named(&one[0]), one);
    assert_eq!(named(one[0].clone()), one);

    let list = vec!["a.*", "**", "a.*"];
    let all = [pattern("a.*"), pattern("**"), pattern("a.*")];
    assert_eq!(named(["a.*", "**", "a.*"]), all);
    let by_reference = &["a.*", "**", "a.*"];
    assert_eq!(named(by_reference), all);
    assert_eq!(named(list.as_slice()), all);
    assert_eq!(named(&list), all);
    assert_eq!(named(list), all);
    assert_eq!(named(all.clone()), all);
    assert_eq!(named([STATIC_TOPIC.clone()]), [pattern("hook.tool.usage")]);
}

#[test]
fn a_list_of_patterns_is_not_empty_and_has_no_wrong_one() {
    let empty: [Result<Vec<Pattern>, TopicError>; 3] = [
        [""; 0].into_patterns(),
        Vec::<Pattern>::new().into_patterns(),
        <&[Topic]>::default().into_patterns(),
    ];
    for refused in empty {
        let error = refused.unwrap_err();
        assert_eq!(error, TopicError::NoPatterns);
        assert!(error.to_string().contains("give at least one"), "{error}");
    }
    assert!(matches!(["a", "b*"].into_patterns(), Err(TopicError::GluedWildcard { position: 1, .. })));
}

// The same for any text, beside rules written a second time without a thought for speed.

fn is_text(text: &str, token_is_allowed: fn(&str) -> bool, counted: &[&str]) -> bool {
    let forbidden = |character: char| character.is_whitespace() || character.is_control();
    text.len() <= 256
        && counted.len() <= 16
        && counted.iter().filter(|token| **token == "**").count() <= 4
        && !text.contains(forbidden)
        && text.split('.').all(|token| !token.is_empty() && token_is_allowed(token))
}

fn collapsed(text: &str) -> Vec<&str> {
    let mut kept: Vec<&str> = Vec::new();
    for token in text.split('.') {
        if token != "**" || kept.last() != Some(&"**") {
            kept.push(token);
        }
    }
    kept
}

fn naively_matches(pattern: &[&str], topic: &[&str]) -> bool {
    match (pattern, topic) {
        ([], _) => topic.is_empty(),
        (["**", rest @ ..], _) => (0..=topic.len()).any(|taken| naively_matches(rest, &topic[taken..])),
        (["*", rest @ ..], [_, others @ ..]) => naively_matches(rest, others),
        ([literal, rest @ ..], [first, others @ ..]) => literal == first && naively_matches(rest, others),
        (_, []) => false,
    }
}

fn any_text() -> impl Strategy<Value = String> {
    let token = prop_oneof![
        8 => prop::sample::select(vec!["a", "b", "*", "**", "größe"]).prop_map(String::from),
        1 => prop::sample::select(vec!["", "a*", "***", "a b", "\u{85}", "\u{202f}"]).prop_map(String::from),
        1 => any::<String>(),
        1 => "[a-z]{20,60}",
    ];
    prop::collection::vec(token, 0..20).prop_map(|tokens| tokens.join("."))
}

fn text_of(tokens: &'static [&'static str], count: usize) -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(tokens), 1..=count).prop_map(|tokens| tokens.join("."))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_text_is_accepted_or_refused_by_the_rules(text in any_text()) {
        let plain: Vec<&str> = text.split('.').collect();
        prop_assert_eq!(Topic::new(&text).is_ok(), is_text(&text, |token| !token.contains('*'), &plain));

        let wildcards = |token: &str| !token.contains('*') || token == "*" || token == "**";
        let accepted = Pattern::new(&text);
        prop_assert_eq!(accepted.is_ok(), is_text(&text, wildcards, &collapsed(&text)));
        match accepted {
            Ok(pattern) => prop_assert!(pattern.tokens().eq(collapsed(&text))),
            Err(error) => {
                let message = error.to_string();
                prop_assert!(!message.contains(char::is_control), "{:?}", message);
                prop_assert!(message.len() < 1_200, "{}", message);
            }
        }
    }

    #[test]
    fn a_pattern_matches_what_a_naive_matcher_matches(
        wanted in text_of(&["a", "b", "owlbus", "*", "*", "**", "**"], 7),
        text in text_of(&["a", "a", "b", "b", "owlbus"], 8),
    ) {
        let hidden = text.split('.').next() == Some("owlbus") && wanted.starts_with('*');
        let wanted_tokens: Vec<&str> = wanted.split('.').collect();
        let expected = !hidden && naively_matches(&wanted_tokens, &text.split('.').collect::<Vec<_>>());
        prop_assert_eq!(pattern(&wanted).matches(&topic(&text)), expected);
    }
}
