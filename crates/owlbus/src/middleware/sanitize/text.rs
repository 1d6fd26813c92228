//! The characters of a JSON string.

use std::ops::Range;

/// One thing after the other that a JSON string is made of.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// A character as any other.
    Character,
    /// The replacement character.
    Replacement,
    /// A control character, and whether it is written as an escape.
    Control { code: u32, escaped: bool },
    /// An escape that is half a surrogate pair.
    Surrogate { code: u32 },
    /// The quote behind the string.
    End,
}

/// What stands at a place inside of a string, and where it ends. `None` behind the end of the text.
pub(super) fn piece(text: &[u8], at: usize) -> Option<(Piece, Range<usize>)> {
    let rest = &text[at.min(text.len())..];
    let (piece, length) = match *rest.first()? {
        b'"' => (Piece::End, 1),
        b'\\' => escape(rest),
        code @ (..=0x1f | 0x7f) => (of(u32::from(code), false), 1),
        0xc2 if matches!(rest.get(1), Some(0x80..=0x9f)) => (of(u32::from(rest[1]), false), 2),
        0xef if rest.starts_with("\u{fffd}".as_bytes()) => (Piece::Replacement, 3),
        first => (Piece::Character, first.leading_ones().max(1) as usize),
    };
    Some((piece, at..(at + length).min(text.len())))
}

fn escape(rest: &[u8]) -> (Piece, usize) {
    match rest.get(1) {
        Some(b'u') => match unit(rest) {
            Some(0xd800..=0xdbff) if matches!(unit(&rest[6..]), Some(0xdc00..=0xdfff)) => {
                (Piece::Character, 12)
            }
            Some(code @ 0xd800..=0xdfff) => (Piece::Surrogate { code }, 6),
            Some(code) => (of(code, true), 6),
            None => (Piece::Character, 2),
        },
        Some(b'b') => (of(8, true), 2),
        Some(b'f') => (of(12, true), 2),
        _ => (Piece::Character, 2),
    }
}

/// The number in an escape such as `\ud800`.
fn unit(text: &[u8]) -> Option<u32> {
    let digits = text.strip_prefix(b"\\u")?.get(..4)?;
    digits.iter().try_fold(0, |unit, digit| Some(unit << 4 | char::from(*digit).to_digit(16)?))
}

fn of(code: u32, escaped: bool) -> Piece {
    match code {
        0x09 | 0x0a | 0x0d => Piece::Character,
        0..=0x1f | 0x7f..=0x9f => Piece::Control { code, escaped },
        0xfffd => Piece::Replacement,
        _ => Piece::Character,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The pieces of a string up to its quote, characters left out.
    fn odd(text: &str) -> Vec<(Piece, usize)> {
        let (mut at, mut odd) = (0, Vec::new());
        while let Some((piece, range)) = piece(text.as_bytes(), at) {
            at = range.end;
            match piece {
                Piece::Character => {}
                Piece::End => break,
                piece => odd.push((piece, range.start)),
            }
        }
        odd
    }

    #[test]
    fn control_characters_are_found_however_they_are_written() {
        let control = |code, escaped| Piece::Control { code, escaped };
        assert_eq!(
            odd(r#"a\u0000b\u001F\b\f""#),
            [
                (control(0, true), 1),
                (control(0x1f, true), 8),
                (control(8, true), 14),
                (control(12, true), 16),
            ]
        );
        assert_eq!(
            odd("é\u{7f}\u{80}\u{9f}\u{a0}\\u0085\""),
            [
                (control(0x7f, false), 2),
                (control(0x80, false), 3),
                (control(0x9f, false), 5),
                (control(0x85, true), 9),
            ]
        );
        assert_eq!(odd(r#"\t\n\r\u0009\u000A\u000d \/\\\"\u00a0""#), []);
    }

    #[test]
    fn halves_of_pairs_are_found_and_pairs_are_characters() {
        let half = |code| Piece::Surrogate { code };
        assert_eq!(odd(r#"\ud83e\udd89 \uD83E\uDD89""#), []);
        assert_eq!(odd(r#"\ud83e""#), [(half(0xd83e), 0)]);
        assert_eq!(odd(r#"\udd89\ud83e""#), [(half(0xdd89), 0), (half(0xd83e), 6)]);
        assert_eq!(odd(r#"\ud83e\ud83e\udd89\udd89""#), [(half(0xd83e), 0), (half(0xdd89), 18)]);
        assert_eq!(odd(r#"\ud83e\\udd89""#), [(half(0xd83e), 0)]);
        assert_eq!(odd("\\ufffd\u{fffd}\""), [(Piece::Replacement, 0), (Piece::Replacement, 6)]);
    }

    #[test]
    fn text_that_breaks_off_comes_to_an_end() {
        for text in ["a", "\\", "\\u", "\\u12", "\\ud83e\\u", "\\ud83e\\", "\u{e9}"] {
            for end in 0..=text.len() {
                let (mut at, bytes) = (0, &text.as_bytes()[..end]);
                while let Some((_, range)) = piece(bytes, at) {
                    assert!(range.end > at && range.end <= bytes.len());
                    at = range.end;
                }
            }
        }
    }
}
