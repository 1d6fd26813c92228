//! The topic tree: which values want this topic, out of any number of patterns.
//!
//! Most patterns have no wildcard, and each of these matches one topic: a table by text finds it. The others are paths of
//! tokens in a trie, in which patterns that begin alike share the beginning, and `*` and `**` are edges of their own. A
//! topic is matched by following, token by token, all nodes of the trie it can stand in at once. No node is followed
//! twice in a step, so the work is at most the number of tokens times the number of nodes, whatever the patterns are;
//! in the usual case only a few nodes are active, however many there are.
//!
//! The tree is changed in place: an update touches the nodes of one path and copies nothing. It is not synchronised.
//! Patterns and topics are chosen by clients, so every hash is seeded against floods of collisions.

// The trie, from the outside in.
mod node;
mod tokens;
mod trie;

// How a topic goes through it.
mod frontier;
mod walk;

#[cfg(test)]
mod tests;

use std::collections::HashMap;

use foldhash::quality::RandomState;

use self::{node::Values, trie::Trie};
use crate::topic::{Pattern, Topic};

/// Maps patterns to values; a topic gives the values of all patterns that match it.
#[derive(Debug)]
pub(crate) struct TopicTree<V> {
    /// Values of the patterns without a wildcard; never without a value.
    literal: HashMap<Pattern, Values<V>, RandomState>,
    /// Values of the patterns with wildcards.
    wildcard: Trie<V>,
}

impl<V: Copy + Eq + Ord> TopicTree<V> {
    pub(crate) fn new() -> TopicTree<V> {
        TopicTree { literal: HashMap::default(), wildcard: Trie::new() }
    }

    /// Makes `value` be found by the topics that `pattern` matches; once, however often it is inserted.
    pub(crate) fn insert(&mut self, pattern: &Pattern, value: V) {
        if !pattern.is_literal() {
            self.wildcard.insert(pattern, value);
        } else if let Some(values) = self.literal.get_mut(pattern) {
            values.insert(value);
        } else {
            self.literal.insert(pattern.clone(), Values::One(value));
        }
    }

    /// Takes `value` back from `pattern`; false if it was not there.
    pub(crate) fn remove(&mut self, pattern: &Pattern, value: V) -> bool {
        if !pattern.is_literal() {
            return self.wildcard.remove(pattern, value);
        }
        let Some(values) = self.literal.get_mut(pattern) else { return false };
        let removed = values.remove(value);
        if values.is_empty() {
            self.literal.remove(pattern);
        }
        removed
    }

    /// Fills `found` with the values of all patterns that match, in order, each once. What was in it is gone.
    pub(crate) fn matches(&self, topic: &Topic, found: &mut Vec<V>) {
        found.clear();
        if let Some(values) = self.literal.get(topic.as_str()) {
            found.extend_from_slice(values.as_slice());
        }
        self.wildcard.walk(topic, found);
        found.sort_unstable();
        found.dedup();
    }

    /// How many places patterns take: one a pattern without a wildcard, and the nodes of the trie. Of these the root is
    /// always there, so an empty tree has 1.
    #[cfg(test)]
    pub(crate) fn node_count(&self) -> usize {
        self.literal.len() + self.wildcard.node_count()
    }

    /// Whether no pattern has a value.
    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.literal.is_empty() && self.wildcard.is_empty()
    }
}
