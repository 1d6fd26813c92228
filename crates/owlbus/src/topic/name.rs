//! The address of an event.

use super::{
    TopicError,
    rules::{self, Kind, RESERVED},
    text::{Text, text_traits},
};

/// The address of an event: one to 16 tokens separated by `.`, always literal; by convention
/// `domain.action.state`, such as `orders.payment.failed`.
///
/// A token is any text without `.`, `*`, white space and control characters; upper and lower case differ. A topic has
/// at most 256 bytes. To clone it costs at most a reference count. Topics compare, order and hash as their text does,
/// so a map with topics as keys can be asked with a `&str`.
///
/// ```
/// use owlbus::Topic;
///
/// static FAILED: Topic = Topic::from_static("orders.payment.failed");
///
/// let topic = Topic::new("orders.payment.failed")?;
/// assert_eq!(topic, FAILED);
/// assert_eq!(topic.tokens().collect::<Vec<_>>(), ["orders", "payment", "failed"]);
/// assert!(Topic::new("orders.*").is_err(), "a topic has no wildcards");
/// # Ok::<(), owlbus::topic::TopicError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Topic(pub(super) Text);

impl Topic {
    /// Checks a text that is known only at run time, and copies it.
    ///
    /// # Errors
    ///
    /// A [`TopicError`] that names the first rule the text breaks, and the place.
    pub fn new(text: impl AsRef<str>) -> Result<Topic, TopicError> {
        let text = text.as_ref();
        TopicError::check(text, Kind::Topic)?;
        Ok(Topic(Text::Shared(text.into())))
    }

    /// Takes a text that is part of the program, without copying it.
    ///
    /// In a `static` or `const` it is checked by the compiler:
    ///
    /// ```compile_fail
    /// static WRONG: owlbus::Topic = owlbus::Topic::from_static("orders..failed");
    /// ```
    ///
    /// # Panics
    ///
    /// If the text is not a topic; in a constant that is an error of the compiler.
    #[must_use]
    pub const fn from_static(text: &'static str) -> Topic {
        match rules::check(text, Kind::Topic) {
            Ok(_) => Topic(Text::Static(text)),
            Err(fault) => panic!("{}", fault.rule.message()),
        }
    }

    /// The whole text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The tokens in order: at least one, none of them empty.
    pub fn tokens(&self) -> impl Iterator<Item = &str> {
        self.split()
    }

    /// Whether the first token is `owlbus`, under which only the bus itself speaks.
    ///
    /// Publishing there is refused, and a pattern whose first token is a wildcard does not match it.
    #[must_use]
    pub fn is_reserved(&self) -> bool {
        self.as_str().strip_prefix(RESERVED).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    }

    /// [`tokens`](Self::tokens) as an iterator that can be put back to an earlier place by cloning it.
    pub(super) fn split(&self) -> std::str::Split<'_, char> {
        self.as_str().split('.')
    }
}

text_traits!(Topic, "a topic such as `orders.created`");
