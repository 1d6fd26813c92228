//! From the name of a variant to tokens of a topic.

/// The tokens of a CamelCase name, in lower case: `WakeWordDetected` gives `wake.word.detected`.
///
/// A run of capitals is one word (`OCRDone`: `ocr.done`), digits belong to the word before them (`Stage2Done`:
/// `stage2.done`), and an underscore parts words. A name without any letter or digit gives the empty text.
pub(crate) fn tokens(name: &str) -> String {
    let letters: Vec<char> = name.chars().collect();
    let mut tokens = String::new();
    for (at, &letter) in letters.iter().enumerate() {
        if letter == '_' {
            continue;
        }
        if !tokens.is_empty() && starts_word(&letters, at) {
            tokens.push('.');
        }
        tokens.extend(letter.to_lowercase());
    }
    tokens
}

/// Whether a word begins at this letter, which is neither the first one nor an underscore.
fn starts_word(letters: &[char], at: usize) -> bool {
    let Some(before) = at.checked_sub(1).map(|before| letters[before]) else { return true };
    if before == '_' {
        return true;
    }
    // The last capital of a run opens the next word if a small letter follows: the D of `OCRDone`.
    let small_follows = letters.get(at + 1).is_some_and(|next| next.is_lowercase());
    letters[at].is_uppercase() && (!before.is_uppercase() || small_follows)
}

#[cfg(test)]
mod tests {
    use super::tokens;

    #[test]
    fn camel_case_becomes_tokens() {
        let table = [
            ("Started", "started"),
            ("WakeWordDetected", "wake.word.detected"),
            ("OCRDone", "ocr.done"),
            ("DoneOCR", "done.ocr"),
            ("OCR", "ocr"),
            ("Stage2Done", "stage2.done"),
            ("Stage22Done", "stage22.done"),
            ("HTTP2Opened", "http2.opened"),
            ("V2API", "v2.api"),
            ("AStep", "a.step"),
            ("lowercase", "lowercase"),
            ("Snake_case", "snake.case"),
            ("_Private__Name_", "private.name"),
            ("ÜberÄnderung", "über.änderung"),
            ("__", ""),
        ];
        for (name, expected) in table {
            assert_eq!(tokens(name), expected, "{name}");
        }
    }
}
