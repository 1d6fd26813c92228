//! The patterns with wildcards as paths from one root.

use std::collections::HashMap;

use foldhash::quality::RandomState;

use super::{
    node::{Edge, Literals, Node, NodeId},
    tokens::{TokenId, Tokens},
};
use crate::topic::Pattern;

/// Every pattern is a path of one edge a token, and its values are at the end of it.
#[derive(Debug)]
pub(super) struct Trie<V> {
    /// An arena: edges are places in it. The root is first and always there.
    pub(super) nodes: Vec<Node<V>>,
    /// Places in `nodes` that nothing leads to, to be used again before it grows.
    free: Vec<NodeId>,
    /// The literal edges of nodes that have, or once had, more than one: one table for the whole trie, so that a node
    /// costs no table of its own.
    pub(super) branches: HashMap<(NodeId, TokenId), NodeId, RandomState>,
    /// Each literal token as a number, so that the text of a topic is hashed once, not once a node.
    pub(super) tokens: Tokens,
}

impl<V: Copy + Eq + Ord> Trie<V> {
    pub(super) fn new() -> Trie<V> {
        Trie {
            nodes: vec![Node::new(false)],
            free: Vec::new(),
            branches: HashMap::default(),
            tokens: Tokens::default(),
        }
    }

    pub(super) fn insert(&mut self, pattern: &Pattern, value: V) {
        let mut at = NodeId::ROOT;
        for token in pattern.tokens() {
            at = match self.follow(at, token) {
                Some((_, child)) => child,
                None => self.grow(at, token),
            };
        }
        self.node_mut(at).values.insert(value);
    }

    /// Takes a value from a pattern, and what of the path nothing else needs; false if it was not there.
    pub(super) fn remove(&mut self, pattern: &Pattern, value: V) -> bool {
        let mut at = NodeId::ROOT;
        let mut path = Vec::new();
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

    /// Nodes in use, the root among them.
    pub(super) fn node_count(&self) -> usize {
        self.nodes.len() - self.free.len()
    }

    /// Whether there is nothing but the root.
    pub(super) fn is_empty(&self) -> bool {
        self.node_count() == 1
    }

    /// The child by a literal token, if there is one.
    pub(super) fn child(&self, parent: NodeId, token: TokenId) -> Option<NodeId> {
        match self.node(parent).literals {
            Literals::None => None,
            Literals::One(only, child) => (only == token).then_some(child),
            Literals::Many(_) => self.branches.get(&(parent, token)).copied(),
        }
    }

    /// The edge for one token of a pattern, if it is there.
    fn follow(&self, parent: NodeId, token: &str) -> Option<(Edge, NodeId)> {
        match token {
            "*" => Some((Edge::Star, self.node(parent).star?)),
            "**" => Some((Edge::Double, self.node(parent).double?)),
            _ => {
                let token = self.tokens.find(token)?;
                Some((Edge::Literal(token), self.child(parent, token)?))
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
                let token = self.tokens.acquire(token);
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

    pub(super) fn node(&self, id: NodeId) -> &Node<V> {
        &self.nodes[id.index()]
    }

    fn node_mut(&mut self, id: NodeId) -> &mut Node<V> {
        &mut self.nodes[id.index()]
    }
}
