//! Chunks of input as lines.

use std::ops::Range;

use memchr::memchr;

/// Cuts chunks into lines, in memory bounded by the longest line that is wanted.
///
/// A line ends with `\n` or `\r\n`, which are no part of it; the last one may go without.
pub(crate) struct Lines {
    /// The most bytes of a line that is given as text.
    longest: usize,
    chunk: Vec<u8>,
    /// How much of the chunk has been looked at.
    at: usize,
    /// The beginning of a line whose end is in a later chunk.
    begun: Vec<u8>,
    /// Whether `begun` was given as a whole line and is to be forgotten.
    given: bool,
    /// Whether the rest of a line is passed over.
    skipping: bool,
    number: u64,
}

/// A line.
pub(crate) struct Line<'a> {
    /// Counted from 1.
    pub(crate) number: u64,
    /// `None` where it is longer than wanted.
    pub(crate) text: Option<&'a [u8]>,
}

/// Where the text of a whole line is.
enum Place {
    Chunk(Range<usize>),
    Begun,
    Nowhere,
}

impl Lines {
    pub(crate) fn new(longest: usize) -> Self {
        Self {
            longest,
            chunk: Vec::new(),
            at: 0,
            begun: Vec::new(),
            given: false,
            skipping: false,
            number: 0,
        }
    }

    /// Takes the next chunk; all lines of the one before must have been asked for.
    pub(crate) fn feed(&mut self, chunk: Vec<u8>) {
        debug_assert_eq!(self.at, self.chunk.len(), "the chunk before is used up");
        (self.chunk, self.at) = (chunk, 0);
    }

    /// The next line; `None` when it takes another chunk to say. A line that is too long is given as soon as it is,
    /// and only then passed over.
    pub(crate) fn next(&mut self) -> Option<Line<'_>> {
        if std::mem::take(&mut self.given) {
            self.begun.clear();
        }
        let place = self.next_place()?;
        Some(self.line(place))
    }

    /// What is left when no more chunks come.
    pub(crate) fn last(&mut self) -> Option<Line<'_>> {
        if self.given || self.begun.is_empty() {
            return None;
        }
        self.given = true;
        Some(self.line(Place::Begun))
    }

    fn next_place(&mut self) -> Option<Place> {
        loop {
            let (start, rest) = (self.at, &self.chunk[self.at..]);
            let newline = memchr(b'\n', rest);
            let end = newline.map_or(self.chunk.len(), |offset| start + offset);
            self.at = newline.map_or(end, |_| end + 1);
            let whole = newline.is_some();
            if self.skipping {
                self.skipping = !whole;
                if !whole {
                    return None;
                }
                continue;
            }
            if whole && self.begun.is_empty() {
                return Some(Place::Chunk(start..end));
            }
            // One byte more than wanted may still turn out to be the `\r` of the line break.
            if self.begun.len() + (end - start) > self.longest.saturating_add(1) {
                self.begun.clear();
                self.skipping = !whole;
                return Some(Place::Nowhere);
            }
            self.begun.extend_from_slice(&self.chunk[start..end]);
            self.given = whole;
            return whole.then_some(Place::Begun);
        }
    }

    fn line(&mut self, place: Place) -> Line<'_> {
        self.number += 1;
        let text = match place {
            Place::Chunk(range) => Some(&self.chunk[range]),
            Place::Begun => Some(&self.begun[..]),
            Place::Nowhere => None,
        };
        let text = text.map(|text| text.strip_suffix(b"\r").unwrap_or(text));
        Line { number: self.number, text: text.filter(|text| text.len() <= self.longest) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines of `text`, which comes in chunks of `size` bytes.
    fn lines_of(text: &str, longest: usize, size: usize) -> Vec<(u64, Option<String>)> {
        let owned =
            |line: Line<'_>| (line.number, line.text.map(|text| String::from_utf8_lossy(text).into_owned()));
        let (mut lines, mut all) = (Lines::new(longest), Vec::new());
        for chunk in text.as_bytes().chunks(size) {
            lines.feed(chunk.to_vec());
            while let Some(line) = lines.next() {
                all.push(owned(line));
            }
            assert!(lines.begun.len() <= longest + 1, "a line is never held beyond what is wanted");
        }
        all.extend(lines.last().map(owned));
        all
    }

    #[test]
    fn lines_are_the_same_however_they_are_cut() {
        let text = "one\n\ntwo\r\nfour4\nfour4\r\nfive55\nsix666666666\r\n\r\nend";
        let expected = [
            (1, Some("one")),
            (2, Some("")),
            (3, Some("two")),
            (4, Some("four4")),
            (5, Some("four4")),
            (6, None),
            (7, None),
            (8, Some("")),
            (9, Some("end")),
        ];
        let expected = expected.map(|(number, text)| (number, text.map(str::to_owned)));
        for size in 1..=text.len() {
            assert_eq!(lines_of(text, 5, size), expected, "in chunks of {size}");
        }
    }

    #[test]
    fn the_last_line_needs_no_line_break() {
        for size in 1..10 {
            assert_eq!(lines_of("a\nb\n", 5, size).len(), 2);
            assert_eq!(lines_of("a\nb", 5, size)[1], (2, Some("b".to_owned())));
            assert_eq!(lines_of("a\nbbbbb\r", 5, size)[1], (2, Some("bbbbb".to_owned())));
            assert_eq!(lines_of("a\nbbbbbb", 5, size)[1], (2, None));
            assert_eq!(lines_of("a\nbbbbbbb", 5, size), [(1, Some("a".to_owned())), (2, None)]);
            assert!(lines_of("", 5, size).is_empty());
        }
    }
}
