//! What a subscription asks for.

use super::{
    Topic, TopicError, containment,
    rules::{self, Kind},
    text::{Text, text_traits},
};

/// What a subscription asks for: a topic in which whole tokens may be wildcards.
///
/// | token | stands for |
/// |---|---|
/// | `*` | exactly one token |
/// | `**` | any number of tokens, also none, anywhere in the pattern |
///
/// So `hook.*` matches `hook.tool`, but not `hook` or `hook.tool.usage`; `hook.**` matches all three. What holds for
/// the text of a [`Topic`] holds here too: 1 to 16 tokens, at most 256 bytes, no white space or control characters.
/// A pattern has at most 4 `**`. A run of `**` means the same as one, is kept as one, and counts as one.
///
/// A pattern whose first token is a wildcard does not match the topics under which the bus itself speaks: to see
/// these, ask for `owlbus.**`.
///
/// ```
/// use owlbus::{Pattern, Topic};
///
/// let pattern = Pattern::new("hook.**")?;
/// assert!(pattern.matches(&Topic::new("hook.tool.usage")?));
/// assert_eq!(Pattern::new("hook.**.**")?, pattern);
/// # Ok::<(), owlbus::topic::TopicError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pattern(Text);

impl Pattern {
    /// Checks a text that is known only at run time, and copies it, each run of `**` as one.
    ///
    /// # Errors
    ///
    /// A [`TopicError`] that names the first rule the text breaks, and the place.
    pub fn new(text: impl AsRef<str>) -> Result<Pattern, TopicError> {
        let text = text.as_ref();
        let has_run = TopicError::check(text, Kind::Pattern)?;
        Ok(Pattern(Text::Shared(if has_run { collapse(text).into() } else { text.into() })))
    }

    /// Takes a text that is part of the program, without copying it.
    ///
    /// In a `static` or `const` it is checked by the compiler:
    ///
    /// ```compile_fail
    /// static WRONG: owlbus::Pattern = owlbus::Pattern::from_static("orders.fail*");
    /// ```
    ///
    /// # Panics
    ///
    /// If the text is not a pattern, or has a run of `**`, which has to be written as one `**` here; in a constant
    /// that is an error of the compiler.
    #[must_use]
    pub const fn from_static(text: &'static str) -> Pattern {
        match rules::check(text, Kind::Pattern) {
            Ok(false) => Pattern(Text::Static(text)),
            Ok(true) => panic!("a run of `**` in a pattern: write `**` once"),
            Err(fault) => panic!("{}", fault.rule.message()),
        }
    }

    /// The whole text, in which no `**` follows another.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The tokens in order: at least one, none of them empty.
    pub fn tokens(&self) -> impl Iterator<Item = &str> {
        self.split()
    }

    /// Whether the pattern has no wildcard, and so matches the one topic with the same text.
    #[must_use]
    pub fn is_literal(&self) -> bool {
        !self.as_str().contains('*')
    }

    /// Whether it asks for what the bus itself has to say: its first token is `owlbus`.
    #[must_use]
    pub fn is_reserved(&self) -> bool {
        self.tokens().next() == Some(super::rules::RESERVED)
    }

    /// Whether an event with this topic is asked for.
    ///
    /// Takes at most as many steps as the product of both numbers of tokens.
    #[must_use]
    pub fn matches(&self, topic: &Topic) -> bool {
        if topic.is_reserved() && self.as_str().starts_with('*') {
            return false;
        }
        let (mut wanted, mut tokens) = (self.split(), topic.split());
        // Where to go on when the tokens after the last `**` do not fit: the same `**`, taking one token more. An
        // earlier `**` need not be tried again, for whatever it could take on top, the last one can take as well.
        let mut retry = None;
        loop {
            let fits = match (wanted.next(), tokens.clone().next()) {
                (None, None) => return true,
                (Some("**"), _) => {
                    retry = Some((wanted.clone(), tokens.clone()));
                    continue;
                }
                (Some("*"), Some(_)) => true,
                (Some(literal), Some(token)) => literal == token,
                (None, Some(_)) => false,
                // A `**` that takes more leaves even fewer tokens for what is still wanted.
                (Some(_), None) => return false,
            };
            if fits {
                tokens.next();
            } else if let Some((after, rest)) = &mut retry {
                rest.next();
                (wanted, tokens) = (after.clone(), rest.clone());
            } else {
                return false;
            }
        }
    }

    /// Whether every topic the other asks for is asked for by this one too.
    ///
    /// ```
    /// use owlbus::Pattern;
    ///
    /// let hooks = Pattern::new("hook.**")?;
    /// assert!(hooks.contains(&Pattern::new("hook.*.failed")?));
    /// assert!(!hooks.contains(&Pattern::new("**.failed")?));
    /// # Ok::<(), owlbus::topic::TopicError>(())
    /// ```
    #[must_use]
    pub fn contains(&self, other: &Pattern) -> bool {
        containment::contains(self, other)
    }

    fn split(&self) -> std::str::Split<'_, char> {
        self.as_str().split('.')
    }
}

/// The text with each run of `**` as one.
fn collapse(text: &str) -> String {
    let mut tokens: Vec<&str> = text.split('.').collect();
    tokens.dedup_by(|token, before| *token == "**" && *before == "**");
    tokens.join(".")
}

impl From<Topic> for Pattern {
    fn from(topic: Topic) -> Pattern {
        Pattern(topic.0)
    }
}

impl From<&Topic> for Pattern {
    fn from(topic: &Topic) -> Pattern {
        Pattern(topic.0.clone())
    }
}

text_traits!(Pattern, "a pattern such as `orders.**`");
