//! The reference model of the whole bus, the stories it is tried with, and the play that runs both side by side.

pub mod play;
mod promises;
mod real;
pub mod reference;
pub mod story;

/// Rounds in which everybody comes to rest.
const YIELDS: usize = 6;
