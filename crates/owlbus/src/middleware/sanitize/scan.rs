//! JSON text from its beginning to its end, without recursion: what is too much in it, and what should be in no text.

use std::ops::Range;

use super::{
    Rules, Unclean,
    names::Names,
    text::{Piece, piece},
};
use crate::middleware::place::{Place, shown};

/// A walk through JSON text.
pub(super) struct Scan<'a> {
    text: &'a [u8],
    rules: &'a Rules,
    at: usize,
    /// The arrays and objects around the place it is at.
    levels: Vec<Level>,
    /// The text as it is to be, as far as it is another.
    cleaned: Vec<u8>,
    /// Up to where `cleaned` is complete; the text behind it is as it was.
    copied: usize,
}

enum Level {
    Array {
        entry: usize,
    },
    Object {
        entry: usize,
        /// Where the name of the field is, with its quotes; empty where it is yet to come.
        name: Range<usize>,
        names: Names,
    },
}

impl<'a> Scan<'a> {
    /// `text` must be JSON.
    pub(super) fn new(text: &'a [u8], rules: &'a Rules) -> Self {
        Self { text, rules, at: 0, levels: Vec::new(), cleaned: Vec::new(), copied: 0 }
    }

    /// The text as it is to be; `None` where it stays as it is. An error says what is wrong, and where.
    pub(super) fn run(mut self) -> Result<Option<Vec<u8>>, String> {
        while let Some(byte) = self.text.get(self.at) {
            match byte {
                b'"' => {
                    self.string()?;
                    continue;
                }
                b'{' => {
                    self.enter(Level::Object { entry: 0, name: 0..0, names: Names::default() })?;
                }
                b'[' => self.enter(Level::Array { entry: 0 })?,
                b'}' | b']' => _ = self.levels.pop(),
                b',' => self.next_entry()?,
                _ => {}
            }
            self.at += 1;
        }
        if self.copied == 0 {
            return Ok(None);
        }
        self.cleaned.extend_from_slice(&self.text[self.copied..]);
        Ok(Some(self.cleaned))
    }

    fn enter(&mut self, level: Level) -> Result<(), String> {
        if self.levels.len() >= self.rules.depth {
            let most = self.rules.depth;
            return Err(self.wrong(format!("it is nested deeper than {most} levels; make it flatter")));
        }
        self.levels.push(level);
        Ok(())
    }

    fn next_entry(&mut self) -> Result<(), String> {
        let entry = match self.levels.last_mut() {
            Some(Level::Array { entry }) => entry,
            Some(Level::Object { entry, name, .. }) => {
                *name = 0..0;
                entry
            }
            None => return Ok(()),
        };
        *entry += 1;
        if *entry >= self.rules.entries {
            self.levels.pop();
            let most = self.rules.entries;
            return Err(self.wrong(format!("it has more than {most} entries; split it")));
        }
        Ok(())
    }

    /// Goes through a string to behind its quote.
    fn string(&mut self) -> Result<(), String> {
        let start = self.at;
        let names_a_field = matches!(self.levels.last(), Some(Level::Object { name, .. }) if name.is_empty());
        let (mut length, mut replaces, mut has_replacement) = (0, false, false);
        self.at += 1;
        while let Some((piece, range)) = piece(self.text, self.at) {
            self.at = range.end;
            match piece {
                Piece::End => break,
                Piece::Character => {}
                Piece::Replacement => has_replacement = true,
                Piece::Control { code, escaped } => {
                    let what = format_args!("the control character U+{code:04X}");
                    replaces |= self.unclean(self.rules.control_characters, what, range, escaped)?;
                }
                Piece::Surrogate { code } => {
                    let what = format_args!("half a surrogate pair, U+{code:04X}");
                    replaces |= self.unclean(self.rules.surrogates, what, range, true)?;
                }
            }
            length += 1;
        }
        if length > self.rules.string_length {
            let most = self.rules.string_length;
            let problem = format!("has {length} characters, and at most {most} are accepted; shorten it");
            return Err(self.wrong_string(&problem));
        }
        if names_a_field {
            self.named(start..self.at, replaces, has_replacement)?;
        }
        Ok(())
    }

    /// Does with a character what is to be done with it; whether it was replaced.
    fn unclean(
        &mut self,
        unclean: Unclean,
        what: std::fmt::Arguments<'_>,
        range: Range<usize>,
        escaped: bool,
    ) -> Result<bool, String> {
        match unclean {
            Unclean::Keep => return Ok(false),
            Unclean::Refuse => {
                return Err(self.wrong_string(&format!("has {what}; leave it out, or have it replaced")));
            }
            Unclean::Replace => {}
        }
        self.cleaned.extend_from_slice(&self.text[self.copied..range.start]);
        self.cleaned.extend_from_slice(if escaped { b"\\ufffd" } else { "\u{fffd}".as_bytes() });
        self.copied = range.end;
        Ok(true)
    }

    /// Notes the name of a field.
    fn named(&mut self, range: Range<usize>, replaced: bool, has_replacement: bool) -> Result<(), String> {
        let token = &self.text[range.clone()];
        let cleaned = if replaced { Scan::new(token, self.rules).run()? } else { None };
        let Some(Level::Object { name, names, .. }) = self.levels.last_mut() else { return Ok(()) };
        let differs =
            !(replaced || has_replacement) || names.add(cleaned.as_deref().unwrap_or(token), replaced);
        match differs {
            true => {
                *name = range;
                Ok(())
            }
            false => {
                Err(self.wrong_string("becomes the same as another when characters are replaced; rename it"))
            }
        }
    }

    /// What is wrong with the value it is at.
    fn wrong(&self, problem: impl std::fmt::Display) -> String {
        format!("{}: {problem}", Place(&self.place()))
    }

    /// What is wrong with the string it is at, which may be a name.
    fn wrong_string(&mut self, problem: &str) -> String {
        match self.levels.last() {
            Some(Level::Object { name, .. }) if name.is_empty() => {
                self.levels.pop();
                self.wrong(format_args!("the name of a field {problem}"))
            }
            _ => self.wrong(format_args!("the string {problem}")),
        }
    }

    /// The place of the value it is at, as a JSON pointer.
    fn place(&self) -> String {
        let parts = self.levels.iter().map(|level| match level {
            Level::Array { entry } => format!("/{entry}"),
            Level::Object { name, .. } => {
                let token = &self.text[name.clone()];
                let name = serde_json::from_slice(token)
                    .unwrap_or_else(|_| String::from_utf8_lossy(token).trim_matches('"').to_owned());
                format!("/{}", name.replace('~', "~0").replace('/', "~1"))
            }
        });
        shown(parts.collect::<String>())
    }
}
