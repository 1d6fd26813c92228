//! What is accepted where a topic or patterns are wanted.

use super::{Pattern, Topic, TopicError};

/// Whatever names one topic: a [`Topic`], a text, or a value of an enum that derives `Topics`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not name a topic",
    label = "not a topic",
    note = "give a `Topic`, a `&str` or a `String` such as `\"orders.created\"`",
    note = "an enum of topics needs `#[derive(owlbus::Topics)]`"
)]
pub trait IntoTopic {
    /// The topic that is named.
    ///
    /// # Errors
    ///
    /// A [`TopicError`] if a text is not a topic.
    fn into_topic(self) -> Result<Topic, TopicError>;
}

/// Whatever says what a subscription asks for: one [`Pattern`], [`Topic`], text or value of an enum that derives
/// `Topics`, or a list of these.
///
/// A subscription with several patterns gets an event once, however many of them match.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say which topics to subscribe to",
    label = "neither a pattern nor a list of patterns",
    note = "give a `Pattern`, a `Topic`, a `&str` or a `String` such as `\"orders.**\"`, or an array, slice or `Vec` of these",
    note = "an enum of topics needs `#[derive(owlbus::Topics)]`"
)]
pub trait IntoPatterns {
    /// The patterns, at least one, in the order in which they were given.
    ///
    /// # Errors
    ///
    /// A [`TopicError`] if a text is not a pattern, or a list is empty.
    fn into_patterns(self) -> Result<Vec<Pattern>, TopicError>;
}

impl IntoTopic for Topic {
    fn into_topic(self) -> Result<Topic, TopicError> {
        Ok(self)
    }
}

impl IntoTopic for &Topic {
    fn into_topic(self) -> Result<Topic, TopicError> {
        Ok(self.clone())
    }
}

impl IntoTopic for &str {
    fn into_topic(self) -> Result<Topic, TopicError> {
        Topic::new(self)
    }
}

impl IntoTopic for String {
    fn into_topic(self) -> Result<Topic, TopicError> {
        Topic::new(self)
    }
}

impl IntoTopic for &String {
    fn into_topic(self) -> Result<Topic, TopicError> {
        Topic::new(self)
    }
}

impl IntoPatterns for Pattern {
    fn into_patterns(self) -> Result<Vec<Pattern>, TopicError> {
        Ok(vec![self])
    }
}

impl IntoPatterns for &Pattern {
    fn into_patterns(self) -> Result<Vec<Pattern>, TopicError> {
        Ok(vec![self.clone()])
    }
}

impl IntoPatterns for Topic {
    fn into_patterns(self) -> Result<Vec<Pattern>, TopicError> {
        Ok(vec![self.into()])
    }
}

impl IntoPatterns for &Topic {
    fn into_patterns(self) -> Result<Vec<Pattern>, TopicError> {
        Ok(vec![self.into()])
    }
}

impl IntoPatterns for &str {
    fn into_patterns(self) -> Result<Vec<Pattern>, TopicError> {
        Ok(vec![Pattern::new(self)?])
    }
}

impl IntoPatterns for String {
    fn into_patterns(self) -> Result<Vec<Pattern>, TopicError> {
        self.as_str().into_patterns()
    }
}

impl IntoPatterns for &String {
    fn into_patterns(self) -> Result<Vec<Pattern>, TopicError> {
        self.as_str().into_patterns()
    }
}

impl<T: IntoPatterns> IntoPatterns for Vec<T> {
    fn into_patterns(self) -> Result<Vec<Pattern>, TopicError> {
        all_of(self)
    }
}

impl<T: IntoPatterns, const N: usize> IntoPatterns for [T; N] {
    fn into_patterns(self) -> Result<Vec<Pattern>, TopicError> {
        all_of(self)
    }
}

impl<T: Clone + IntoPatterns> IntoPatterns for &[T] {
    fn into_patterns(self) -> Result<Vec<Pattern>, TopicError> {
        all_of(self.iter().cloned())
    }
}

// A reference to a whole array or `Vec` does not become a slice by itself where any `IntoPatterns` is accepted.

impl<T: Clone + IntoPatterns, const N: usize> IntoPatterns for &[T; N] {
    fn into_patterns(self) -> Result<Vec<Pattern>, TopicError> {
        self.as_slice().into_patterns()
    }
}

impl<T: Clone + IntoPatterns> IntoPatterns for &Vec<T> {
    fn into_patterns(self) -> Result<Vec<Pattern>, TopicError> {
        self.as_slice().into_patterns()
    }
}

fn all_of<T: IntoPatterns>(list: impl IntoIterator<Item = T>) -> Result<Vec<Pattern>, TopicError> {
    let mut patterns = Vec::new();
    for item in list {
        patterns.append(&mut item.into_patterns()?);
    }
    if patterns.is_empty() { Err(TopicError::NoPatterns) } else { Ok(patterns) }
}
