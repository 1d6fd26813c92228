//! The literal tokens of a tree as numbers.

use std::collections::HashMap;

use foldhash::quality::RandomState;
use smol_str::SmolStr;

/// A literal token that at least one edge of the tree has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct TokenId(u32);

/// Every literal token of the tree, and how many edges have it.
///
/// It holds what the patterns in the tree name, and forgets a token with its last edge: topics that are only matched
/// leave nothing behind.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    /// Seeded against floods of collisions, for clients choose the tokens.
    known: HashMap<SmolStr, Token, RandomState>,
    /// Numbers below `known.len() + free.len()` that no token has.
    free: Vec<TokenId>,
}

#[derive(Debug)]
struct Token {
    id: TokenId,
    /// Edges that have the token; never 0.
    edges: u32,
}

impl Tokens {
    pub(super) fn find(&self, text: &str) -> Option<TokenId> {
        self.known.get(text).map(|token| token.id)
    }

    /// The number of a token that one more edge has.
    pub(super) fn acquire(&mut self, text: &str) -> TokenId {
        if let Some(token) = self.known.get_mut(text) {
            token.edges += 1;
            return token.id;
        }
        // There are at most as many tokens as nodes, whose number fits.
        let id = self.free.pop().unwrap_or(TokenId(self.known.len() as u32));
        self.known.insert(text.into(), Token { id, edges: 1 });
        id
    }

    /// Takes back one `acquire`.
    pub(super) fn release(&mut self, text: &str) {
        let Some(token) = self.known.get_mut(text) else { return };
        token.edges -= 1;
        if token.edges == 0 {
            self.free.push(token.id);
            self.known.remove(text);
        }
    }

    /// How many tokens are known.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.known.len()
    }
}
