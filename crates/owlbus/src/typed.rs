//! Rust types as events: what `#[derive(Event)]` and `#[derive(Topics)]` implement.

use serde::{Serialize, de::DeserializeOwned};

use crate::topic::Topic;

/// A Rust type that can be published and subscribed to as it is.
///
/// Derive it with `#[derive(Event)]`, beside serde's `Serialize` and `Deserialize`; there is seldom a reason to
/// write it by hand. A value is not serialised until something needs it as JSON, and then once.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an event",
    label = "this type does not implement `TypedEvent`",
    note = "add `#[derive(serde::Serialize, serde::Deserialize, owlbus::Event)]` and `#[event(topic = \"domain.action.state\")]` to it"
)]
pub trait TypedEvent: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// Every `type` a value of this Rust type is published as: one for a struct, one a variant for an enum.
    ///
    /// `subscribe(|event: Delivery<T>| …)` takes the events whose `type` is one of these.
    const TYPES: &'static [&'static str];

    /// Version of the schema of the data. Default: 1.
    const VERSION: u32 = 1;

    /// The `type` of this value; one of [`TYPES`](Self::TYPES).
    fn event_type(&self) -> &'static str;

    /// The topic this value is published under unless the publisher names another; `None` where the type has none
    /// of its own and the publisher must.
    fn topic(&self) -> Option<&'static Topic>;
}

/// A closed set of topics: a fieldless enum that derives `Topics`.
///
/// A value is accepted wherever a topic or a pattern is.
pub trait Topics: Copy + Sized + 'static {
    /// Every topic of the set, in the order of the variants.
    const ALL: &'static [Self];

    /// The topic of this variant.
    fn topic(self) -> &'static Topic;

    /// The variant whose topic this is, if it belongs to the set.
    fn from_topic(topic: &Topic) -> Option<Self> {
        Self::ALL.iter().copied().find(|candidate| candidate.topic() == topic)
    }
}

/// A text or topic that belongs to none of the variants of an enum that derives [`Topics`].
///
/// It comes from `parse` and from `TryFrom<&Topic>`. As an error it reads
/// `"orders.lost" is none of the topics of `OrderTopic`; `OrderTopic::ALL` lists them`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{topic:?} is none of the topics of `{set}`; `{set}::ALL` lists them")]
pub struct UnknownTopic {
    topic: String,
    set: &'static str,
}

impl UnknownTopic {
    /// Says that `topic` is none of the topics of the Rust type `set`; for an enum that implements [`Topics`] by hand.
    #[must_use]
    pub fn new(topic: &str, set: &'static str) -> Self {
        Self { topic: topic.to_owned(), set }
    }

    /// The text that was looked up, as it was given.
    #[must_use]
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// The Rust name of the enum, without its module.
    #[must_use]
    pub fn set(&self) -> &'static str {
        self.set
    }
}
