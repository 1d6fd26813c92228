//! The topic tree: which values want this topic, out of any number of patterns.
//!
//! Every pattern is a path of tokens from the root, and patterns that begin alike share the beginning. `*` and `**` are
//! edges of their own, so a topic is matched by following, token by token, all places of the tree it can stand in at
//! once. No place is followed twice in a step, so the work is at most the number of tokens times the number of places,
//! whatever the patterns are. In the usual case only a few places are alive, however many patterns there are.
//!
//! The tree is changed in place: an update touches the nodes of one path and copies nothing. It is not synchronised.

mod frontier;
mod node;
#[cfg(test)]
mod tests;
mod tokens;

use std::collections::HashMap;

use foldhash::quality::RandomState;

use self::{
    frontier::Frontier,
    node::{Edge, Literals, Node, NodeId, Values},
    tokens::{Token, TokenId, Tokens},
};
use crate::topic::{Pattern, Topic};

/// The most tokens of a topic, which is a rule of `topic`.
const MAX_TOKENS: usize = 16;

/// Maps patterns to values; a topic gives the values of all patterns that match it.
#[derive(Debug)]
pub(crate) struct TopicTree<V> {
    /// Values of the patterns without a wildcard, which need no tree: each matches one topic, and most patterns are
    /// such. Topics are chosen by clients: this hash and the others are seeded against floods of collisions.
    literal: HashMap<Pattern, Values<V>, RandomState>,
    /// An arena: edges are places in it. The root is first and always there.
    nodes: Vec<Node<V>>,
    /// Places in `nodes` that nothing leads to, to be used again before it grows.
    free: Vec<NodeId>,
    /// The literal edges of nodes that have, or once had, more than one: one table for the whole tree, so that a node
    /// costs no table of its own.
    branches: HashMap<(NodeId, TokenId), NodeId, RandomState>,
    /// Each literal token of the tree as a number, so that the text of a topic is hashed once, not once a node.
    tokens: Tokens,
}

impl<V: Copy + Eq + Ord> TopicTree<V> {
    pub(crate) fn new() -> TopicTree<V> {
        TopicTree {
            literal: HashMap::default(),
            nodes: vec![Node::new(false)],
            free: Vec::new(),
            branches: HashMap::default(),
            tokens: Tokens::default(),
        }
    }

    /// Makes `value` be found by the topics that `pattern` matches; once, however often it is inserted.
    pub(crate) fn insert(&mut self, pattern: &Pattern, value: V) {
        if pattern.is_literal() {
            self.literal.entry(pattern.clone()).or_insert(Values::None).insert(value);
            return;
        }
        let mut at = NodeId::ROOT;
        for token in pattern.tokens() {
            at = match self.follow(at, token) {
                Some((_, child)) => child,
                None => self.grow(at, token),
            };
        }
        self.node_mut(at).values.insert(value);
    }

    /// Takes back one `insert`; false if there was none of this value with this pattern.
    pub(crate) fn remove(&mut self, pattern: &Pattern, value: V) -> bool {
        if pattern.is_literal() {
            return self.remove_literal(pattern, value);
        }
        let mut at = NodeId::ROOT;
        let mut path = Vec::with_capacity(MAX_TOKENS);
        for token in pattern.tokens() {
            let Some((edge, child)) = self.follow(at, token) else { return false };
            path.push((at, edge, token));
            at = child;
        }
        if !self.node_mut(at).values.remove(value) {
            return false;
        }
        for (parent, edge, token) in path.into_iter().rev() {
            if !self.node(at).is_vacant() {
                break;
            }
            self.prune(parent, edge, token, at);
            at = parent;
        }
        true
    }

    /// Fills `found` with the values of all patterns that match, in order, each once. What was in it is gone.
    pub(crate) fn matches(&self, topic: &Topic, found: &mut Vec<V>) {
        found.clear();
        if let Some(values) = self.literal.get(topic.as_str()) {
            found.extend_from_slice(values.as_slice());
        }
        if self.nodes.len() - self.free.len() > 1 {
            self.walk(topic, found);
        }
        found.sort_unstable();
        found.dedup();
    }

    /// Nodes in use, the root among them, and patterns without a wildcard: 1 in an empty tree.
    pub(crate) fn node_count(&self) -> usize {
        self.nodes.len() - self.free.len() + self.literal.len()
    }

    /// Whether no pattern has a value.
    pub(crate) fn is_empty(&self) -> bool {
        self.node_count() == 1
    }

    fn remove_literal(&mut self, pattern: &Pattern, value: V) -> bool {
        let Some(values) = self.literal.get_mut(pattern) else { return false };
        let removed = values.remove(value);
        if matches!(values, Values::None) {
            self.literal.remove(pattern);
        }
        removed
    }

    /// Adds the values of the patterns with wildcards that match.
    fn walk(&self, topic: &Topic, found: &mut Vec<V>) {
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
    fn step(&self, token: Option<Token>, active: &Frontier, next: &mut Frontier, reached: &mut Frontier) {
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
    fn enter(&self, id: NodeId, active: &mut Frontier, reached: &mut Frontier) {
        active.push(id);
        if let Some(double) = self.node(id).double {
            // It takes whatever follows, so its own values are found already now.
            reached.push(double);
            if self.node(double).has_children() {
                active.push(double);
            }
        }
    }

    fn child(&self, parent: NodeId, token: Token) -> Option<NodeId> {
        if let Some((only, child)) = token.only {
            return (only == parent).then_some(child);
        }
        match self.node(parent).literals {
            Literals::None => None,
            Literals::One(only, child) => (only == token.id).then_some(child),
            Literals::Many(_) => self.branches.get(&(parent, token.id)).copied(),
        }
    }

    /// The edge for one token of a pattern, if it is there.
    fn follow(&self, parent: NodeId, token: &str) -> Option<(Edge, NodeId)> {
        match token {
            "*" => Some((Edge::Star, self.node(parent).star?)),
            "**" => Some((Edge::Double, self.node(parent).double?)),
            _ => {
                let token = self.tokens.find(token)?;
                Some((Edge::Literal(token.id), self.child(parent, token)?))
            }
        }
    }

    /// Adds an edge for one token of a pattern, and the node at its end.
    fn grow(&mut self, parent: NodeId, token: &str) -> NodeId {
        let child = self.allocate(Node::new(token == "**"));
        match token {
            "*" => self.node_mut(parent).star = Some(child),
            "**" => self.node_mut(parent).double = Some(child),
            _ => {
                let token = self.tokens.acquire(token, parent, child);
                let literals = self.node(parent).literals;
                self.node_mut(parent).literals = match literals {
                    Literals::None => Literals::One(token, child),
                    Literals::One(other, sibling) => {
                        self.branches.insert((parent, other), sibling);
                        self.branches.insert((parent, token), child);
                        Literals::Many(2)
                    }
                    Literals::Many(count) => {
                        self.branches.insert((parent, token), child);
                        Literals::Many(count + 1)
                    }
                };
            }
        }
        child
    }

    /// Takes away an edge and the node at its end, which nothing needs any more.
    fn prune(&mut self, parent: NodeId, edge: Edge, token: &str, child: NodeId) {
        let node = self.node_mut(parent);
        match edge {
            Edge::Star => node.star = None,
            Edge::Double => node.double = None,
            Edge::Literal(id) => {
                match node.literals {
                    Literals::None | Literals::One(..) => node.literals = Literals::None,
                    Literals::Many(count) => {
                        node.literals = if count > 1 { Literals::Many(count - 1) } else { Literals::None };
                        self.branches.remove(&(parent, id));
                    }
                }
                self.tokens.release(token);
            }
        }
        self.free.push(child);
    }

    fn allocate(&mut self, node: Node<V>) -> NodeId {
        if let Some(id) = self.free.pop() {
            *self.node_mut(id) = node;
            return id;
        }
        self.nodes.push(node);
        NodeId::nth(self.nodes.len())
    }

    fn node(&self, id: NodeId) -> &Node<V> {
        &self.nodes[id.index()]
    }

    fn node_mut(&mut self, id: NodeId) -> &mut Node<V> {
        &mut self.nodes[id.index()]
    }
}
