//! What every system does in its own way: shells, the processes a command starts, signals.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub(crate) use unix::{Signals, ask_to_end, is_standard_input, kill, problem_of, shell, was_not_found};
#[cfg(windows)]
pub(crate) use windows::{Signals, ask_to_end, is_standard_input, kill, problem_of, shell, was_not_found};
