//! Why schemas cannot be used.

use crate::topic::TopicError;

/// Why schemas cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SchemaError {
    /// The text is not JSON, or is nested deeper than 127 levels.
    #[error("the schemas are not JSON: {0}")]
    Syntax(String),
    /// The text is JSON, and does not say which schema is whose.
    #[error("the schemas are not laid out as they should be: {0}")]
    Layout(String),
    /// What schemas are asked for by is no pattern.
    #[error(transparent)]
    Topic(#[from] TopicError),
    /// A schema that is none, or is none that data may be held to.
    #[error("the schema of `{of}` cannot be used: {problem}")]
    Unusable {
        /// The topic, or the type and version, it is the schema of.
        of: String,
        /// What is wrong with it, and where.
        problem: String,
    },
}
