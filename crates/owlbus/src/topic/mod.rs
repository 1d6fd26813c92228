//! Topics, the addresses of events, and patterns, which ask for them.
//!
//! Both are texts made of tokens separated by `.`. A [`Topic`] is always literal; in a [`Pattern`] a token may be `*`,
//! exactly one token, or `**`, zero or more. Both are checked once, when they are made, and by the compiler if they are
//! made in a constant. Everything that holds one can rely on the rules:
//!
//! | | topic | pattern |
//! |---|---|---|
//! | length | 1 to 256 bytes | as a topic |
//! | tokens | 1 to 16, none empty | as a topic; a run of `**` is one |
//! | white space, control characters | none, also of Unicode | as a topic |
//! | `*` | none | only `*` and `**` as whole tokens, at most 4 `**` |
//!
//! A pattern says whether it matches one topic; finding the patterns that match, out of many, is the business of
//! dispatch.

// What both are made of.
mod rules;
mod text;

// The two nouns, and why a text is neither.
mod containment;
mod error;
mod name;
mod pattern;

// What callers may give instead.
mod convert;

pub use convert::{IntoPatterns, IntoTopic};
pub use error::TopicError;
pub use name::Topic;
pub use pattern::Pattern;

pub use crate::typed::UnknownTopic;
