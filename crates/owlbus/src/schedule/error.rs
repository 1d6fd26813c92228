//! Why a schedule could not be made.

use crate::{accept::PublishError, config::ConfigError};

/// Why a schedule could not be made.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScheduleError {
    /// The bus was shut down.
    #[error("the bus is closed: nothing more can be scheduled")]
    Closed,
    /// A setting is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Another schedule has the name.
    #[error("there is a schedule named `{name}` already; choose another name, or cancel that one")]
    NameTaken {
        /// The name.
        name: String,
    },
    /// The event could not be published as it is.
    #[error(transparent)]
    Event(#[from] PublishError),
    /// There is no tokio runtime to mind the time.
    #[error("there is no tokio runtime to mind the time; schedule it, or build the bus, inside of one")]
    NoRuntime,
}
