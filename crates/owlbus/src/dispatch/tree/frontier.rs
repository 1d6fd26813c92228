//! The nodes in which a topic can stand after some of its tokens.

use super::node::NodeId;

/// Room for as many nodes as a topic meets in the usual case; more than these go to the heap.
const INLINE: usize = 24;

/// A list of nodes that allocates only if it becomes long.
#[derive(Debug)]
pub(super) struct Frontier {
    inline: [NodeId; INLINE],
    /// Nodes in `inline`; of no meaning once something has gone to the heap.
    len: usize,
    /// All nodes, if there have been too many for `inline`; else empty.
    heap: Vec<NodeId>,
}

impl Frontier {
    pub(super) fn new() -> Frontier {
        Frontier { inline: [NodeId::ROOT; INLINE], len: 0, heap: Vec::new() }
    }

    pub(super) fn push(&mut self, id: NodeId) {
        if !self.heap.is_empty() {
            self.heap.push(id);
        } else if self.len < INLINE {
            self.inline[self.len] = id;
            self.len += 1;
        } else {
            self.heap.reserve(4 * INLINE);
            self.heap.extend_from_slice(&self.inline);
            self.heap.push(id);
        }
    }

    pub(super) fn as_slice(&self) -> &[NodeId] {
        if self.heap.is_empty() { &self.inline[..self.len] } else { &self.heap }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.as_slice().is_empty()
    }

    pub(super) fn clear(&mut self) {
        self.len = 0;
        self.heap.clear();
    }

    /// Leaves each node once, in the order of the arena.
    pub(super) fn deduplicate(&mut self) {
        if !self.heap.is_empty() {
            self.heap.sort_unstable();
            self.heap.dedup();
            return;
        }
        let nodes = &mut self.inline[..self.len];
        nodes.sort_unstable();
        let mut kept = 0;
        for place in 0..nodes.len() {
            if kept == 0 || nodes[kept - 1] != nodes[place] {
                nodes[kept] = nodes[place];
                kept += 1;
            }
        }
        self.len = kept;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_and_long_lists_behave_alike() {
        for count in [0, 1, INLINE - 1, INLINE, INLINE + 1, 10 * INLINE] {
            let mut frontier = Frontier::new();
            for _ in 0..2 {
                let ids = (1..=count).rev().map(|n| NodeId::nth(n.div_ceil(2)));
                ids.clone().for_each(|id| frontier.push(id));
                assert_eq!(frontier.as_slice(), ids.collect::<Vec<_>>());
                frontier.deduplicate();
                let each_once = (1..=count.div_ceil(2)).map(NodeId::nth).collect::<Vec<_>>();
                assert_eq!(frontier.as_slice(), each_once);
                frontier.clear();
                assert!(frontier.is_empty());
            }
        }
    }
}
