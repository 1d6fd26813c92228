//! What may stand in a topic or a pattern: one check, the same when the program is compiled and when it runs.

/// The longest topic or pattern, in bytes, as it was written.
pub(super) const MAX_BYTES: usize = 256;

/// The most tokens of a topic or pattern; a run of `**` counts as one.
pub(super) const MAX_TOKENS: usize = 16;

/// The most `**` of a pattern; a run of `**` counts as one.
pub(super) const MAX_DOUBLE_WILDCARDS: usize = 4;

/// The token that begins every topic of the bus itself.
pub(super) const RESERVED: &str = "owlbus";

/// Which of the two texts is checked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Always literal.
    Topic,
    /// May have wildcards.
    Pattern,
}

/// The rule that a text breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    Empty,
    TooLong,
    EmptyToken,
    Whitespace,
    Control,
    WildcardInTopic,
    GluedWildcard,
    TooManyTokens,
    TooManyDoubleWildcards,
}

impl Rule {
    /// What a compile error says, where the text itself is in view.
    pub(super) const fn message(self) -> &'static str {
        match self {
            Rule::Empty => "a topic or pattern must not be empty",
            Rule::TooLong => "a topic or pattern has at most 256 bytes",
            Rule::EmptyToken => "an empty token: write something on both sides of every `.`",
            Rule::Whitespace => "white space in a topic or pattern: use `_` or `-` instead",
            Rule::Control => "a control character in a topic or pattern: leave it out",
            Rule::WildcardInTopic => "a wildcard in a topic, which is always literal: use a `Pattern`",
            Rule::GluedWildcard => "`*` beside other characters: a wildcard is a whole token, `*` or `**`",
            Rule::TooManyTokens => "a topic or pattern has at most 16 tokens",
            Rule::TooManyDoubleWildcards => "a pattern has at most 4 `**`: use several patterns",
        }
    }
}

/// The first thing wrong with a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) rule: Rule,
    /// Byte at which it starts, counted from 0; always on a character boundary.
    pub(super) position: usize,
}

const fn fault(rule: Rule, position: usize) -> Result<bool, Fault> {
    Err(Fault { rule, position })
}

/// Checks `text` from left to right; `Ok(true)` if it is a pattern with a run of `**` that is yet to be collapsed.
pub(super) const fn check(text: &str, kind: Kind) -> Result<bool, Fault> {
    let bytes = text.as_bytes();
    if bytes.is_empty() {
        return fault(Rule::Empty, 0);
    }
    // Before all else, so that a text of any length costs no more than one of 256 bytes.
    if bytes.len() > MAX_BYTES {
        return fault(Rule::TooLong, 0);
    }
    let (mut start, mut tokens, mut doubles) = (0, 0, 0);
    let (mut has_run, mut after_double) = (false, false);
    while start <= bytes.len() {
        let end = token_end(bytes, start);
        if let Some(found) = check_token(bytes, start, end, kind) {
            return Err(found);
        }
        let double = is_double_wildcard(bytes, start, end);
        if double && after_double {
            has_run = true;
        } else {
            tokens += 1;
            doubles += double as usize;
            if tokens > MAX_TOKENS {
                return fault(Rule::TooManyTokens, start);
            }
            if doubles > MAX_DOUBLE_WILDCARDS {
                return fault(Rule::TooManyDoubleWildcards, start);
            }
        }
        after_double = double;
        start = end + 1;
    }
    Ok(has_run)
}

const fn token_end(bytes: &[u8], start: usize) -> usize {
    let mut end = start;
    while end < bytes.len() && bytes[end] != b'.' {
        end += 1;
    }
    end
}

const fn is_double_wildcard(bytes: &[u8], start: usize, end: usize) -> bool {
    end - start == 2 && bytes[start] == b'*' && bytes[start + 1] == b'*'
}

const fn check_token(bytes: &[u8], start: usize, end: usize, kind: Kind) -> Option<Fault> {
    if start == end {
        return Some(Fault { rule: Rule::EmptyToken, position: start });
    }
    let is_wildcard = (end - start == 1 && bytes[start] == b'*') || is_double_wildcard(bytes, start, end);
    let mut position = start;
    while position < end {
        let (character, width) = decode(bytes, position);
        let rule = match (character, kind) {
            ('*', Kind::Topic) => Some(Rule::WildcardInTopic),
            ('*', Kind::Pattern) if !is_wildcard => Some(Rule::GluedWildcard),
            _ => forbidden(character),
        };
        if let Some(rule) = rule {
            return Some(Fault { rule, position });
        }
        position += width;
    }
    None
}

/// The rule against a character, if there is one.
const fn forbidden(character: char) -> Option<Rule> {
    if character.is_whitespace() {
        Some(Rule::Whitespace)
    } else if matches!(character, '\0'..='\u{1F}' | '\u{7F}'..='\u{9F}') {
        Some(Rule::Control)
    } else {
        None
    }
}

/// The character at `position` and its width in bytes; `str::chars` cannot run in a constant.
const fn decode(bytes: &[u8], position: usize) -> (char, usize) {
    let first = bytes[position];
    let (mut code, width) = match first {
        0x00..=0x7F => return (first as char, 1),
        0x80..=0xDF => (first as u32 & 0x1F, 2),
        0xE0..=0xEF => (first as u32 & 0x0F, 3),
        0xF0..=0xFF => (first as u32 & 0x07, 4),
    };
    let mut next = 1;
    while next < width {
        code = (code << 6) | (bytes[position + next] as u32 & 0x3F);
        next += 1;
    }
    match char::from_u32(code) {
        Some(character) => (character, width),
        None => panic!("a `str` is made of characters"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_character_is_judged_as_the_standard_library_judges_it() {
        for character in (0..=0x10_FFFF).filter_map(char::from_u32) {
            let mut buffer = [0; 4];
            let text = character.encode_utf8(&mut buffer);
            assert_eq!(decode(text.as_bytes(), 0), (character, text.len()));
            let expected = match character {
                _ if character.is_whitespace() => Some(Rule::Whitespace),
                _ if character.is_control() => Some(Rule::Control),
                _ => None,
            };
            assert_eq!(forbidden(character), expected, "{character:?}");
        }
    }

    #[test]
    fn compile_errors_name_the_limits_in_force() {
        assert!(Rule::TooLong.message().contains(&MAX_BYTES.to_string()));
        assert!(Rule::TooManyTokens.message().contains(&MAX_TOKENS.to_string()));
        assert!(Rule::TooManyDoubleWildcards.message().contains(&MAX_DOUBLE_WILDCARDS.to_string()));
    }
}
