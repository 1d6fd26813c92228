//! Text that came from outside, on its way to a terminal.

use std::fmt::{self, Write as _};

/// Shows control characters as escapes, and of a long text the first 400 characters, so that nothing that came in can
/// move the cursor, colour the screen or flood it.
pub(crate) struct Shown<T>(pub(crate) T);

const MOST: usize = 400;

impl<T: fmt::Display> fmt::Display for Shown<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.to_string();
        for (index, character) in text.chars().enumerate() {
            match character {
                _ if index == MOST => return f.write_char('…'),
                _ if character.is_control() => write!(f, "{}", character.escape_default())?,
                _ => f.write_char(character)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_escaped_and_long_text_is_cut() {
        assert_eq!(Shown("ä\u{1b}[2J\n").to_string(), "ä\\u{1b}[2J\\n");
        assert_eq!(Shown("x".repeat(MOST)).to_string(), "x".repeat(MOST));
        assert_eq!(Shown("x".repeat(MOST + 1)).to_string(), format!("{}…", "x".repeat(MOST)));
    }
}
