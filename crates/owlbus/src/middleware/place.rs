//! How a place in the data, and text that came from outside, are shown.

use std::fmt;

use crate::event::Escaped;

/// How many characters of a text are shown.
const MOST_SHOWN: usize = 300;

/// A place in the data, in a sentence.
pub(super) struct Place<'a>(pub(super) &'a str);

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            "" => f.write_str("the data"),
            pointer => write!(f, "at `{pointer}`"),
        }
    }
}

/// Text that came from outside, as it is shown: fit for a log, and not longer than one reads.
pub(super) fn shown(text: impl fmt::Display) -> String {
    let mut shown = Escaped(text).to_string();
    if let Some((end, _)) = shown.char_indices().nth(MOST_SHOWN) {
        shown.truncate(end);
        shown.push('…');
    }
    shown
}
