//! One topic on its way through the trie.

use super::{frontier::Frontier, node::NodeId, tokens::TokenId, trie::Trie};
use crate::topic::Topic;

impl<V: Copy + Eq + Ord> Trie<V> {
    /// Adds the values of the patterns with wildcards that match.
    pub(super) fn walk(&self, topic: &Topic, found: &mut Vec<V>) {
        if self.is_empty() {
            return;
        }
        let mut texts = topic.tokens();
        // What the nodes where the topic ends have, and the `**` that take all the rest of it.
        let mut reached = Frontier::new();
        let mut active = Frontier::new();
        if topic.is_reserved() {
            // No wildcard at the root: what the bus itself says is only for those who ask for it by name.
            let first = texts.next().and_then(|text| self.tokens.find(text));
            if let Some(child) = first.and_then(|token| self.child(NodeId::ROOT, token)) {
                self.enter(child, &mut active, &mut reached);
            }
        } else {
            self.enter(NodeId::ROOT, &mut active, &mut reached);
        }

        let mut next = Frontier::new();
        for text in texts {
            if active.is_empty() {
                break;
            }
            self.step(self.tokens.find(text), &active, &mut next, &mut reached);
            std::mem::swap(&mut active, &mut next);
            next.clear();
        }
        for &id in active.as_slice() {
            reached.push(id);
        }
        reached.deduplicate();
        for &id in reached.as_slice() {
            found.extend_from_slice(self.node(id).values.as_slice());
        }
    }

    /// Goes one token on from every active node; `None` is a token that no pattern names.
    pub(super) fn step(
        &self,
        token: Option<TokenId>,
        active: &Frontier,
        next: &mut Frontier,
        reached: &mut Frontier,
    ) {
        let mut repeats = false;
        for &id in active.as_slice() {
            let node = self.node(id);
            if node.repeats {
                repeats = true;
                next.push(id);
            }
            if let Some(child) = token.and_then(|token| self.child(id, token)) {
                self.enter(child, next, reached);
            }
            if let Some(child) = node.star {
                self.enter(child, next, reached);
            }
        }
        // In a tree only a `**` can be entered from two places: from itself, and again from above.
        if repeats {
            next.deduplicate();
        }
    }

    /// Makes a node active, and the `**` below it, which may also stand for nothing.
    pub(super) fn enter(&self, id: NodeId, active: &mut Frontier, reached: &mut Frontier) {
        active.push(id);
        if let Some(double) = self.node(id).double {
            // It takes whatever follows, so its own values are found already now.
            reached.push(double);
            if self.node(double).has_children() {
                active.push(double);
            }
        }
    }
}
