//! Whether one pattern asks for all that another asks for.
//!
//! Both patterns are read side by side, token by token. A pattern may stand at several of its tokens at once, for a `**` takes
//! as many as it likes; the set of those is a number with a bit for each. Of the endlessly many tokens there are, only those
//! that are written in one of the patterns make a difference, and one that is written in neither.

use std::collections::HashSet;

use super::{
    Pattern,
    rules::{MAX_TOKENS, RESERVED},
};

/// Where a pattern stands: a bit for each of its tokens, and one for its end.
type Places = u32;

/// Whether every topic that `narrow` asks for is asked for by `wide`.
pub(super) fn contains(wide: &Pattern, narrow: &Pattern) -> bool {
    let (wide, narrow) = (Steps::of(wide), Steps::of(narrow));
    // A token that neither of them names stands for all of those.
    let mut letters: Vec<Option<&str>> = vec![None, Some(RESERVED)];
    letters.extend(
        wide.0.iter().chain(&narrow.0).filter(|token| !token.starts_with('*')).map(|token| Some(*token)),
    );
    letters.sort_unstable();
    letters.dedup();

    let mut now = HashSet::from([(narrow.start(), wide.start())]);
    // Without the start: no topic ends there.
    let mut seen = HashSet::new();
    for length in 0..=MAX_TOKENS {
        if length > 0 && now.iter().any(|(narrows, wides)| narrow.ends(*narrows) && !wide.ends(*wides)) {
            return false;
        }
        let next = now.iter().flat_map(|(narrows, wides)| {
            let step = |letter: &Option<&str>| {
                (narrow.step(*narrows, *letter, length == 0), wide.step(*wides, *letter, length == 0))
            };
            letters.iter().map(step).filter(|(narrows, _)| *narrows != 0).collect::<Vec<_>>()
        });
        now = next.filter(|places| seen.insert(*places)).collect();
    }
    true
}

/// The tokens of a pattern.
struct Steps<'a>(Vec<&'a str>);

impl<'a> Steps<'a> {
    fn of(pattern: &'a Pattern) -> Self {
        Self(pattern.tokens().collect())
    }

    fn start(&self) -> Places {
        self.spread(1)
    }

    /// Whether a topic may end here.
    fn ends(&self, places: Places) -> bool {
        places & (1 << self.0.len()) != 0
    }

    /// A `**` may take nothing, so whoever stands at one stands behind it too.
    fn spread(&self, mut places: Places) -> Places {
        for (place, token) in self.0.iter().enumerate() {
            if *token == "**" && places & (1 << place) != 0 {
                places |= 1 << (place + 1);
            }
        }
        places
    }

    /// Where it stands after another token of the topic.
    fn step(&self, places: Places, letter: Option<&str>, first: bool) -> Places {
        let mut next = 0;
        for (place, token) in self.0.iter().enumerate().filter(|(place, _)| places & (1 << place) != 0) {
            // What the bus itself says is not asked for by a pattern that begins with a wildcard.
            let reserved = first && letter == Some(RESERVED) && self.0[0].starts_with('*');
            next |= match *token {
                "*" | "**" if reserved => 0,
                "**" => 1 << place,
                "*" => 1 << (place + 1),
                literal if letter == Some(literal) && !reserved => 1 << (place + 1),
                _ => 0,
            };
        }
        self.spread(next)
    }
}
