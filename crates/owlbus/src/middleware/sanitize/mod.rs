//! `sanitize`: refuses data that is too much, and refuses or replaces what should be in no text.

mod names;
mod scan;
mod text;

use std::borrow::Cow;

use self::scan::Scan;
use super::{AcceptNext, Middleware, Stages};
use crate::{
    accept::{PublishError, Receipt},
    event::{ContentError, Event},
    topic::{IntoPatterns, Pattern, TopicError},
};

/// Looks at data before anybody gets it: its size, how deep it is nested, how long its strings are, and what is in them. Names of
/// fields are strings as well.
///
/// It looks at JSON, and at Rust values as the JSON they are; of other data it minds the size only. Data stays as it is, byte for byte,
/// but for the characters that are replaced; a Rust value in which any is becomes JSON.
///
/// ```
/// use owlbus::{Bus, middleware::{Sanitize, Unclean}};
///
/// let sanitize = Sanitize::new()
///     .on("hook.**")?
///     .bytes(64 << 10)
///     .depth(20)
///     .string_length(4_000)
///     .control_characters(Unclean::Replace);
/// let bus = Bus::builder().middleware(sanitize).build()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "it looks at nothing until a bus is given it"]
#[derive(Clone, Debug)]
pub struct Sanitize {
    name: Cow<'static, str>,
    priority: i32,
    patterns: Vec<Pattern>,
    rules: Rules,
}

/// What becomes of a character that should be in no text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Unclean {
    /// The event is refused.
    #[default]
    Refuse,
    /// U+FFFD, the replacement character, stands in its place.
    Replace,
    /// It stays.
    Keep,
}

/// What data may be.
#[derive(Clone, Copy, Debug)]
struct Rules {
    bytes: usize,
    depth: usize,
    entries: usize,
    string_length: usize,
    control_characters: Unclean,
    surrogates: Unclean,
}

impl Sanitize {
    /// One that refuses control characters and unpaired surrogates.
    pub fn new() -> Self {
        let rules = Rules {
            bytes: usize::MAX,
            depth: usize::MAX,
            entries: usize::MAX,
            string_length: usize::MAX,
            control_characters: Unclean::default(),
            surrogates: Unclean::default(),
        };
        Self { name: "sanitize".into(), priority: 0, patterns: Vec::new(), rules }
    }

    /// Its name. Default: `sanitize`.
    pub fn named(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.name = name.into();
        self
    }

    /// Those with a higher one are further out. Default: 0.
    pub fn priority(mut self, priority: i32) -> Self {
        self.priority = priority;
        self
    }

    /// Looks only at what is under these topics. Default: every topic.
    ///
    /// # Errors
    ///
    /// [`TopicError`] where a pattern is none.
    pub fn on(mut self, patterns: impl IntoPatterns) -> Result<Self, TopicError> {
        self.patterns.append(&mut patterns.into_patterns()?);
        Ok(self)
    }

    /// Bytes the data may have; of a Rust value, those of its JSON text. Default: what the bus lets through.
    pub fn bytes(mut self, bytes: usize) -> Self {
        self.rules.bytes = bytes;
        self
    }

    /// How deep arrays and objects may be nested; 0 is a single value. Default: as deep as the bus lets through.
    pub fn depth(mut self, levels: usize) -> Self {
        self.rules.depth = levels;
        self
    }

    /// Values an array, or fields an object may have; at least 1. Default: any number.
    pub fn entries(mut self, entries: usize) -> Self {
        self.rules.entries = entries.max(1);
        self
    }

    /// Characters a string, or the name of a field may have. Default: any number.
    pub fn string_length(mut self, characters: usize) -> Self {
        self.rules.string_length = characters;
        self
    }

    /// What becomes of control characters: U+0000 to U+001F without tab, line feed and carriage return, and U+007F to U+009F.
    /// Default: [`Unclean::Refuse`].
    pub fn control_characters(mut self, unclean: Unclean) -> Self {
        self.rules.control_characters = unclean;
        self
    }

    /// What becomes of half a surrogate pair, such as `"\ud800"`, which is JSON and no text: nobody can read a string that has one.
    /// Default: [`Unclean::Refuse`].
    pub fn surrogates(mut self, unclean: Unclean) -> Self {
        self.rules.surrogates = unclean;
        self
    }

    /// The event as it may go on, or why it may not.
    fn cleaned(&self, event: &Event) -> Result<Event, String> {
        if !self.patterns.is_empty() && !self.patterns.iter().any(|one| one.matches(event.topic())) {
            return Ok(event.clone());
        }
        let cleaned = match event.json_text() {
            Ok(text) => self.rules.size(text.len()).and_then(|()| Scan::new(text, &self.rules).run())?,
            Err(ContentError::Empty) => None,
            Err(ContentError::NotJson { .. }) => {
                self.rules.size(event.bytes().map_err(|error| error.to_string())?.len())?;
                None
            }
            Err(error) => return Err(error.to_string()),
        };
        Ok(match cleaned {
            None => event.clone(),
            Some(text) => event.clone().with_text(text.into()),
        })
    }
}

impl Rules {
    fn size(&self, bytes: usize) -> Result<(), String> {
        match bytes <= self.bytes {
            true => Ok(()),
            false => Err(format!(
                "the data has {bytes} bytes, and at most {} are accepted; make it smaller",
                self.bytes
            )),
        }
    }
}

impl Default for Sanitize {
    fn default() -> Self {
        Self::new()
    }
}

impl Middleware for Sanitize {
    fn name(&self) -> Cow<'static, str> {
        self.name.clone()
    }

    fn priority(&self) -> i32 {
        self.priority
    }

    fn stages(&self) -> Stages {
        Stages::ACCEPT
    }

    async fn accept(&self, event: Event, next: AcceptNext) -> Result<Receipt, PublishError> {
        match self.cleaned(&event) {
            Ok(event) => next.run(event).await,
            Err(reason) => next.refuse(event, reason),
        }
    }
}
