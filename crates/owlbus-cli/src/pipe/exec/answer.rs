//! What a long-lived command says of an event.

use super::failed::{Again, Why};

/// The answer to one event.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Done,
    Failed { again: Again, reason: String },
}

/// How much of a line that is no answer is shown, in characters.
const SHOWN: usize = 100;

impl Answer {
    /// Reads a line.
    pub(super) fn read(line: &[u8]) -> Result<Self, Why> {
        let text = String::from_utf8_lossy(line);
        let text = text.trim();
        let (word, reason) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        let again = match (word, reason) {
            ("ok", "") => return Ok(Answer::Done),
            ("retry", _) => Again::Yes,
            ("dead", _) => Again::No,
            _ => return Err(Why::NoAnswer(text.chars().take(SHOWN).collect())),
        };
        let reason =
            if reason.is_empty() { format!("answered `{word}`") } else { reason.trim_start().into() };
        Ok(Answer::Failed { again, reason })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_words_are_answers() {
        let failed = |again, reason: &str| Answer::Failed { again, reason: reason.into() };
        let answers = [
            ("ok", Answer::Done),
            (" ok\r", Answer::Done),
            ("retry", failed(Again::Yes, "answered `retry`")),
            ("retry  the service is away", failed(Again::Yes, "the service is away")),
            ("dead no amount", failed(Again::No, "no amount")),
        ];
        for (line, answer) in answers {
            assert_eq!(Answer::read(line.as_bytes()).unwrap(), answer, "{line}");
        }
    }

    #[test]
    fn anything_else_is_none() {
        for line in ["OK", "ok then", "okay", "retry: away", "deadly", "{\"ok\":true}", "\u{fffd}"] {
            let why = Answer::read(line.as_bytes()).unwrap_err().to_string();
            assert!(why.starts_with(&format!("answered `{line}`; ")), "{why}");
        }
        assert!(Answer::read("x".repeat(10_000).as_bytes()).unwrap_err().to_string().len() < 200);
    }
}
