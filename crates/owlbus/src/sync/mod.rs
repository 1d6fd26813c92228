//! The locks and atomics of the mailbox, so that a model checker can take their place.
//!
//! No user code runs while one of these locks is held, so a poisoned one means nothing and is entered all the same.

#[cfg(shuttle)]
mod shuttle;
#[cfg(not(shuttle))]
mod std;

#[cfg(shuttle)]
pub(crate) use self::shuttle::*;
#[cfg(not(shuttle))]
pub(crate) use self::std::*;
