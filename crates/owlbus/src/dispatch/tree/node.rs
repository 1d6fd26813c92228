//! One place in the tree, small: there is one for nearly every pattern.

use std::num::NonZeroU32;

use super::tokens::TokenId;

/// A place in the arena of nodes, counted from 1, so that an absent child takes no more room than a present one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct NodeId(NonZeroU32);

impl NodeId {
    pub(super) const ROOT: NodeId = NodeId(NonZeroU32::MIN);

    /// The `count`-th node of the arena, counted from 1.
    ///
    /// # Panics
    ///
    /// With more than four thousand million nodes, which is some 200 GB of them.
    pub(super) fn nth(count: usize) -> NodeId {
        let count = u32::try_from(count).ok().and_then(NonZeroU32::new);
        NodeId(count.expect("a topic tree has at most 4,294,967,295 nodes"))
    }

    pub(super) fn index(self) -> usize {
        self.0.get() as usize - 1
    }
}

/// How a node is reached from its parent.
#[derive(Clone, Copy, Debug)]
pub(super) enum Edge {
    Literal(TokenId),
    Star,
    Double,
}

/// What a pattern has become after some of its tokens.
#[derive(Debug)]
pub(super) struct Node<V> {
    /// Children by literal token.
    pub(super) literals: Literals,
    /// Child by `*`.
    pub(super) star: Option<NodeId>,
    /// Child by `**`.
    pub(super) double: Option<NodeId>,
    /// Whether this node is a child by `**`, and so stays active whatever token comes.
    pub(super) repeats: bool,
    /// Values of the pattern that ends here.
    pub(super) values: Values<V>,
}

impl<V> Node<V> {
    pub(super) fn new(repeats: bool) -> Node<V> {
        Node { literals: Literals::None, star: None, double: None, repeats, values: Values::None }
    }

    pub(super) fn has_children(&self) -> bool {
        !matches!(self.literals, Literals::None) || self.star.is_some() || self.double.is_some()
    }

    /// Whether nothing would be missed if this node went.
    pub(super) fn is_vacant(&self) -> bool {
        self.values.is_empty() && !self.has_children()
    }
}

/// The children of a node by literal token. Most nodes have none or one, and need no look-up in a table.
#[derive(Clone, Copy, Debug)]
pub(super) enum Literals {
    None,
    One(TokenId, NodeId),
    /// That many, at least one, in the table of the tree: a node that has shrunk to one child stays there.
    Many(u32),
}

/// The values of one pattern. Most have one.
#[derive(Debug)]
pub(super) enum Values<V> {
    None,
    One(V),
    /// At least one, in order, so that taking one out of very many needs no search from end to end.
    Many(Vec<V>),
}

impl<V> Values<V> {
    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Values::None)
    }
}

impl<V: Copy + Ord> Values<V> {
    pub(super) fn as_slice(&self) -> &[V] {
        match self {
            Values::None => &[],
            Values::One(value) => std::slice::from_ref(value),
            Values::Many(values) => values,
        }
    }

    pub(super) fn insert(&mut self, value: V) {
        match self {
            Values::None => *self = Values::One(value),
            Values::One(only) if *only == value => {}
            Values::One(only) => *self = Values::Many(vec![value.min(*only), value.max(*only)]),
            Values::Many(values) => {
                if let Err(place) = values.binary_search(&value) {
                    values.insert(place, value);
                }
            }
        }
    }

    /// False if the value was not there.
    pub(super) fn remove(&mut self, value: V) -> bool {
        let Ok(place) = self.as_slice().binary_search(&value) else { return false };
        match self {
            Values::Many(values) if values.len() > 1 => {
                values.remove(place);
            }
            _ => *self = Values::None,
        }
        true
    }
}
