//! Why a text is not a topic or a pattern.

use super::rules::{Fault, Kind, MAX_BYTES, MAX_DOUBLE_WILDCARDS, MAX_TOKENS, Rule};

/// The most characters of the offending text that an error shows.
const SHOWN: usize = 64;

/// Of these, the most that stand before the offending place.
const SHOWN_BEFORE: usize = 40;

/// Why a text was refused as a topic or a pattern.
///
/// `text` is the offending text made fit for a log or a terminal: control characters and the like are escaped, and of
/// a long text at most 64 characters around the offending place are kept, with `…` where something was left
/// out. `position` is the byte of the original text at which the offending part starts, counted from 0. Where a text
/// breaks several rules, the first one from the left is told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TopicError {
    /// The text has no characters at all.
    #[error("a topic or pattern must not be empty; name one, such as `orders.created`")]
    Empty,

    /// The text has more than 256 bytes.
    #[error(
        "`{text}` has {bytes} bytes, and a topic or pattern has at most {MAX_BYTES}; \
         shorten it, and carry the detail in the event's data"
    )]
    TooLong {
        /// The beginning of the offending text.
        text: String,
        /// Its whole length in bytes.
        bytes: usize,
    },

    /// Two dots stand side by side, or a dot begins or ends the text.
    #[error("`{text}` has an empty token at byte {position}; write something on both sides of every `.`")]
    EmptyToken {
        /// The offending text.
        text: String,
        /// Where the token should have been.
        position: usize,
    },

    /// White space or a control character, of ASCII or of Unicode.
    #[error(
        "`{text}` has the {} character U+{:04X} at byte {position}; leave it out, or write `_` or `-` instead",
        if character.is_whitespace() { "white space" } else { "control" },
        u32::from(*character)
    )]
    ForbiddenCharacter {
        /// The offending text.
        text: String,
        /// Where the character stands.
        position: usize,
        /// The character itself, not escaped.
        character: char,
    },

    /// A `*` in a topic.
    #[error(
        "`{text}` has a wildcard at byte {position}, and a topic is always literal; \
         name one topic, or use the text as a pattern"
    )]
    WildcardInTopic {
        /// The offending text.
        text: String,
        /// Where the `*` stands.
        position: usize,
    },

    /// A `*` in a pattern that shares its token with other characters.
    #[error(
        "`{text}` has a `*` beside other characters at byte {position}; a wildcard is a whole token: \
         write `*` for exactly one token, `**` for any number of them"
    )]
    GluedWildcard {
        /// The offending text.
        text: String,
        /// Where the `*` stands.
        position: usize,
    },

    /// More than 16 tokens; in a pattern, `**.**` counts as one.
    #[error(
        "`{text}` has more than {MAX_TOKENS} tokens, the first too many at byte {position}; \
         use fewer, and carry the detail in the event's data"
    )]
    TooManyTokens {
        /// The offending text.
        text: String,
        /// Where the first token too many starts.
        position: usize,
    },

    /// More than 4 `**` in a pattern; `**.**` counts as one.
    #[error(
        "`{text}` has more than {MAX_DOUBLE_WILDCARDS} `**`, the first too many at byte {position}; \
         use several patterns instead"
    )]
    TooManyDoubleWildcards {
        /// The offending text.
        text: String,
        /// Where the first `**` too many starts.
        position: usize,
    },

    /// A list of patterns without a single one.
    #[error("the list of patterns is empty; give at least one, or `**` for every event")]
    NoPatterns,
}

impl TopicError {
    /// Checks `text`; `Ok(true)` if it is a pattern with a run of `**` that is yet to be collapsed.
    pub(super) fn check(text: &str, kind: Kind) -> Result<bool, TopicError> {
        super::rules::check(text, kind).map_err(|fault| TopicError::new(text, fault))
    }

    fn new(original: &str, Fault { rule, position }: Fault) -> TopicError {
        let text = excerpt(original, position);
        match rule {
            Rule::Empty => TopicError::Empty,
            Rule::TooLong => TopicError::TooLong { text, bytes: original.len() },
            Rule::EmptyToken => TopicError::EmptyToken { text, position },
            Rule::Whitespace | Rule::Control => {
                let character = original[position..].chars().next().unwrap_or_default();
                TopicError::ForbiddenCharacter { text, position, character }
            }
            Rule::WildcardInTopic => TopicError::WildcardInTopic { text, position },
            Rule::GluedWildcard => TopicError::GluedWildcard { text, position },
            Rule::TooManyTokens => TopicError::TooManyTokens { text, position },
            Rule::TooManyDoubleWildcards => TopicError::TooManyDoubleWildcards { text, position },
        }
    }
}

/// At most [`SHOWN`] characters of `text` around `position`, escaped.
fn excerpt(text: &str, position: usize) -> String {
    let (before, after) = text.split_at(position);
    let mut start = 0;
    // Only a text that does not fit as a whole is cut on the left.
    if text.chars().nth(SHOWN).is_some() {
        start = before.char_indices().rev().nth(SHOWN_BEFORE - 1).map_or(0, |(index, _)| index);
    }
    let room = SHOWN.saturating_sub(before[start..].chars().count());
    let end = after.char_indices().nth(room).map_or(text.len(), |(index, _)| position + index);

    let mut shown = String::with_capacity(end - start + 6);
    if start > 0 {
        shown.push('…');
    }
    for character in text[start..end].chars() {
        match character {
            // Escaping these would only make the text harder to recognise.
            '\'' | '"' => shown.push(character),
            _ => shown.extend(character.escape_debug()),
        }
    }
    if end < text.len() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_text_is_shown_whole_and_escaped() {
        assert_eq!(excerpt("it's.a\u{1b}[31m.b", 6), "it's.a\\u{1b}[31m.b");
        assert_eq!(excerpt(&"x".repeat(SHOWN), SHOWN), "x".repeat(SHOWN));
    }

    #[test]
    fn a_long_text_is_cut_around_the_place() {
        let text = format!("{}!{}", "ä".repeat(100), "ö".repeat(100));
        assert_eq!(excerpt(&text, 200), format!("…{}!{}…", "ä".repeat(40), "ö".repeat(23)));
        assert_eq!(excerpt(&text, 0), format!("{}…", "ä".repeat(64)));
        assert_eq!(excerpt(&text, text.len()), format!("…{}", "ö".repeat(40)));
    }
}
