//! The promise of the tree: it finds what a naive search through all patterns finds, and forgets what is removed.

use std::{collections::BTreeSet, hash::BuildHasher};

use proptest::prelude::*;

use super::{frontier::Frontier, node::NodeId, *};

fn topic(text: &str) -> Topic {
    Topic::new(text).unwrap()
}

fn pattern(text: &str) -> Pattern {
    Pattern::new(text).unwrap()
}

fn tree_of(patterns: &[(&str, u64)]) -> TopicTree<u64> {
    let mut tree = TopicTree::new();
    for (text, value) in patterns {
        tree.insert(&pattern(text), *value);
    }
    tree
}

fn found(tree: &TopicTree<u64>, text: &str) -> Vec<u64> {
    let mut found = vec![u64::MAX];
    tree.matches(&topic(text), &mut found);
    found
}

/// As the rules are written down, with no thought for speed.
fn naively_matches(pattern: &[&str], topic: &[&str]) -> bool {
    match (pattern, topic) {
        ([], _) => topic.is_empty(),
        (["**", rest @ ..], _) => (0..=topic.len()).any(|taken| naively_matches(rest, &topic[taken..])),
        ([token, rest @ ..], [first, others @ ..]) => {
            (*token == "*" || token == first) && naively_matches(rest, others)
        }
        (_, []) => false,
    }
}

fn naively_found(patterns: &BTreeSet<(String, u64)>, text: &str) -> Vec<u64> {
    let topic: Vec<&str> = text.split('.').collect();
    let values = patterns.iter().filter(|(pattern, _)| {
        let hidden = topic[0] == "owlbus" && pattern.starts_with('*');
        !hidden && naively_matches(&pattern.split('.').collect::<Vec<_>>(), &topic)
    });
    let values: BTreeSet<u64> = values.map(|(_, value)| *value).collect();
    values.into_iter().collect()
}

#[test]
fn each_kind_of_edge_leads_where_it_should() {
    let tree =
        tree_of(&[("a.b", 1), ("a.*", 2), ("a.**", 3), ("**.b", 4), ("*", 5), ("**", 6), ("a.**.b.**.c", 7)]);
    assert_eq!(found(&tree, "a"), [3, 5, 6]);
    assert_eq!(found(&tree, "a.b"), [1, 2, 3, 4, 6]);
    assert_eq!(found(&tree, "a.x"), [2, 3, 6]);
    assert_eq!(found(&tree, "x.y"), [6]);
    assert_eq!(found(&tree, "a.b.c"), [3, 6, 7]);
    assert_eq!(found(&tree, "a.x.b.y.z.c"), [3, 6, 7]);
}

#[test]
fn a_value_with_overlapping_patterns_is_found_once() {
    let mut tree = tree_of(&[("a.b", 9), ("a.*", 9), ("**", 9), ("a.**", 1)]);
    tree.insert(&pattern("a.b"), 9);
    assert_eq!(found(&tree, "a.b"), [1, 9]);
    assert!(tree.remove(&pattern("a.b"), 9));
    assert!(!tree.remove(&pattern("a.b"), 9), "inserted twice, it was there once");
    assert_eq!(found(&tree, "a.b"), [1, 9]);
}

#[test]
fn what_the_bus_says_is_found_only_by_name() {
    let tree = tree_of(&[
        ("**", 1),
        ("*.gap", 2),
        ("**.owlbus.gap", 3),
        ("owlbus.**", 4),
        ("owlbus.*", 5),
        ("*", 6),
    ]);
    assert_eq!(found(&tree, "owlbus.gap"), [4, 5]);
    assert_eq!(found(&tree, "owlbus"), [4]);
    assert_eq!(found(&tree, "owlbusy"), [1, 6]);
    assert_eq!(found(&tree, "a.owlbus.gap"), [1, 3]);
}

#[test]
fn a_pattern_has_room_for_many_values() {
    let mut tree = TopicTree::new();
    for value in (0..1_000).rev() {
        tree.insert(&pattern("a.b"), value);
    }
    assert_eq!(found(&tree, "a.b"), (0..1_000).collect::<Vec<_>>());
    for value in 0..999 {
        assert!(tree.remove(&pattern("a.b"), value));
    }
    assert_eq!(found(&tree, "a.b"), [999]);
    assert!(tree.remove(&pattern("a.b"), 999));
    assert!(tree.is_empty());
}

#[test]
fn removing_what_is_not_there_changes_nothing() {
    let mut tree = tree_of(&[("a.b.c", 1)]);
    let nodes = tree.node_count();
    for (text, value) in [("a.b", 1), ("a.b.c", 2), ("a.b.c.d", 1), ("a.*.c", 1), ("**", 1), ("x", 1)] {
        assert!(!tree.remove(&pattern(text), value), "{text}");
    }
    assert_eq!(tree.node_count(), nodes);
    assert_eq!(found(&tree, "a.b.c"), [1]);
}

#[test]
fn places_are_used_again() {
    let mut tree = TopicTree::new();
    for round in 0..1_000 {
        let text = format!("orders.n{round}.*.**.done");
        tree.insert(&pattern(&text), round);
        assert_eq!(found(&tree, &format!("orders.n{round}.a.b.done")), [round]);
        assert!(tree.remove(&pattern(&text), round));
    }
    assert!(tree.is_empty());
    assert_eq!(tree.wildcard.nodes.len(), 6, "the arena is as large as one pattern needs");
    assert_eq!((tree.wildcard.tokens.len(), tree.wildcard.branches.len()), (0, 0));
}

/// Every pattern of up to five tokens out of `a`, `*` and `**` stands in the tree, and the topic is `a` sixteen times:
/// the ways to match it are counted in the thousands, and would be in the millions with longer patterns.
#[test]
fn no_set_of_patterns_multiplies_the_work() {
    let mut tree = TopicTree::new();
    let mut texts = vec![String::from("a"), String::from("*"), String::from("**")];
    for _ in 0..5 {
        texts.iter().for_each(|text| tree.insert(&pattern(text), 1));
        texts = texts.iter().flat_map(|start| ["a", "*", "**"].map(|end| format!("{start}.{end}"))).collect();
    }

    let trie = &tree.wildcard;
    let (mut active, mut next, mut reached) = (Frontier::new(), Frontier::new(), Frontier::new());
    trie.enter(NodeId::ROOT, &mut active, &mut reached);
    for _ in 0..16 {
        trie.step(trie.tokens.find("a"), &active, &mut next, &mut reached);
        std::mem::swap(&mut active, &mut next);
        next.clear();
        let followed: BTreeSet<_> = active.as_slice().iter().collect();
        assert_eq!(active.as_slice().len(), followed.len(), "a node is followed once in a step");
    }
    assert_eq!(found(&tree, &["a"; 16].join(".")), [1]);
}

#[derive(Clone, Debug)]
enum Step {
    Insert(String, u64),
    Remove(String, u64),
    /// Removes one of those inserted before.
    RemoveKnown(prop::sample::Index),
    Match(String),
}

fn pattern_text() -> impl Strategy<Value = String> {
    let token =
        prop_oneof![3 => Just("a"), 3 => Just("b"), 1 => Just("owlbus"), 2 => Just("*"), 2 => Just("**")];
    prop::collection::vec(token, 1..6).prop_filter_map("too many `**`", |tokens| {
        Pattern::new(tokens.join(".")).ok().map(|pattern| pattern.as_str().to_owned())
    })
}

fn topic_text() -> impl Strategy<Value = String> {
    let token = prop_oneof![4 => Just("a"), 4 => Just("b"), 1 => Just("owlbus"), 1 => Just("nowhere")];
    prop::collection::vec(token, 1..8).prop_map(|tokens| tokens.join("."))
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (pattern_text(), 0..6_u64).prop_map(|(text, value)| Step::Insert(text, value)),
        1 => (pattern_text(), 0..6_u64).prop_map(|(text, value)| Step::Remove(text, value)),
        2 => any::<prop::sample::Index>().prop_map(Step::RemoveKnown),
        4 => topic_text().prop_map(Step::Match),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn finds_what_a_naive_search_finds(steps in prop::collection::vec(step(), 1..80), order in any::<u64>()) {
        let mut tree = TopicTree::new();
        let mut naive: BTreeSet<(String, u64)> = BTreeSet::new();
        for step in steps {
            match step {
                Step::Insert(text, value) => {
                    tree.insert(&pattern(&text), value);
                    naive.insert((text, value));
                }
                Step::Remove(text, value) => {
                    prop_assert_eq!(tree.remove(&pattern(&text), value), naive.remove(&(text, value)));
                }
                Step::RemoveKnown(index) if !naive.is_empty() => {
                    let (text, value) = index.get(&naive.iter().cloned().collect::<Vec<_>>()).clone();
                    prop_assert!(tree.remove(&pattern(&text), value));
                    naive.remove(&(text, value));
                }
                Step::RemoveKnown(_) => {}
                Step::Match(text) => prop_assert_eq!(found(&tree, &text), naively_found(&naive, &text)),
            }
            prop_assert_eq!(tree.is_empty(), naive.is_empty());
        }

        // In an order that has nothing to do with the one of insertion.
        let mut left: Vec<_> = naive.into_iter().collect();
        left.sort_by_key(|(text, value)| foldhash::fast::FixedState::with_seed(order).hash_one((text, value)));
        for (text, value) in left {
            prop_assert!(tree.remove(&pattern(&text), value));
        }
        prop_assert_eq!(tree.node_count(), TopicTree::<u64>::new().node_count());
        prop_assert_eq!((tree.wildcard.tokens.len(), tree.wildcard.branches.len()), (0, 0));
    }
}
