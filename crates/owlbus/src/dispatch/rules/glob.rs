//! Text with `*` for any characters.

use std::fmt;

/// A text in which `*` stands for any number of characters, also none. There is no other wildcard, and no way to mean a `*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Glob(String);

impl Glob {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Whether the whole of a text is as this says. Takes at most as many steps as the product of both lengths.
    pub(super) fn matches(&self, text: &str) -> bool {
        let Some((first, rest)) = self.0.split_once('*') else { return self.0 == text };
        let Some(mut left) = text.strip_prefix(first) else { return false };
        let (middle, last) = rest.rsplit_once('*').unwrap_or(("", rest));
        // Each part where it comes first: what is left for those behind it is most then.
        for part in middle.split('*').filter(|part| !part.is_empty()) {
            let Some(at) = left.find(part) else { return false };
            left = &left[at + part.len()..];
        }
        left.ends_with(last)
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Glob;

    /// The rule once more, as it is said.
    fn matches(glob: &[u8], text: &[u8]) -> bool {
        match glob {
            [] => text.is_empty(),
            [b'*', rest @ ..] => (0..=text.len()).any(|taken| matches(rest, &text[taken..])),
            [one, rest @ ..] => text.first() == Some(one) && matches(rest, &text[1..]),
        }
    }

    proptest! {
        #[test]
        fn a_star_is_any_characters(glob in "[ab*]{0,8}", text in "[ab]{0,8}") {
            prop_assert_eq!(Glob::new(&*glob).matches(&text), matches(glob.as_bytes(), text.as_bytes()));
        }
    }
}
