//! One pattern contains another when every topic the other asks for is asked for by it: checked against all short topics there are.

use std::sync::LazyLock;

use owlbus::{Pattern, Topic};
use proptest::prelude::*;

fn contains(wide: &str, narrow: &str) -> bool {
    let pattern = |text| Pattern::new(text).expect("it is one");
    pattern(wide).contains(&pattern(narrow))
}

#[test]
fn wide_patterns_contain_narrow_ones() {
    for (wide, narrow) in [
        ("a", "a"),
        ("*", "a"),
        ("**", "a.b.*"),
        ("a.**", "a"),
        ("a.**", "a.*.b.**"),
        ("**.a", "*.a"),
        ("**.a.**", "a"),
        ("a.**.b.**.c", "a.b.c"),
        ("a.*.**", "a.**.*"),
        ("**", "**.x.**"),
        ("owlbus.**", "owlbus.gap"),
        ("**.*", "**"),
    ] {
        assert!(contains(wide, narrow), "{wide} contains {narrow}");
    }
    for (wide, narrow) in [
        ("a", "*"),
        ("*", "**"),
        ("*.*", "**"),
        ("a.*", "a.**"),
        ("**.a", "a.**"),
        ("a.**.b", "a.**"),
        ("**", "owlbus.gap"),
        ("*.gap", "owlbus.*"),
        ("a.**.b.**.c", "a.c.b"),
        ("*.**.a", "**.a"),
    ] {
        assert!(!contains(wide, narrow), "{wide} does not contain {narrow}");
    }
}

/// Every topic of up to five tokens, of three that patterns may name and one that stands for all others.
static TOPICS: LazyLock<Vec<Topic>> = LazyLock::new(|| {
    let longer = |shorter: &Vec<String>| {
        let each = |start: &String| ["a", "b", "owlbus", "other"].map(|token| format!("{start}.{token}"));
        shorter.iter().flat_map(each).collect::<Vec<_>>()
    };
    let one = ["a", "b", "owlbus", "other"].map(String::from).to_vec();
    let all = std::iter::successors(Some(one), |shorter| Some(longer(shorter))).take(5).flatten();
    all.map(|text| Topic::new(text).expect("it is one")).collect()
});

fn pattern(tokens: usize) -> impl Strategy<Value = Pattern> {
    let token = prop_oneof!["a", "b", "owlbus", "\\*", "\\*\\*"];
    proptest::collection::vec(token, 1..=tokens)
        .prop_filter_map("at most four `**`", |tokens| Pattern::new(tokens.join(".")).ok())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn it_is_what_the_topics_say(wide in pattern(3), narrow in pattern(3)) {
        let missed = TOPICS.iter().find(|topic| narrow.matches(topic) && !wide.matches(topic));
        prop_assert_eq!(wide.contains(&narrow), missed.is_none(), "{:?}", missed);
    }

    #[test]
    fn it_is_an_order(first in pattern(8), second in pattern(8), third in pattern(8)) {
        prop_assert!(first.contains(&first));
        prop_assert!(!(first.contains(&second) && second.contains(&third)) || first.contains(&third));
    }

    #[test]
    fn a_topic_is_contained_where_it_matches(wide in pattern(16), at in 0..1364_usize) {
        let topic = &TOPICS[at];
        prop_assert_eq!(wide.contains(&Pattern::from(topic.clone())), wide.matches(topic));
    }
}
