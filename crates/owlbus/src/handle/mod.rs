//! From a mailbox to a handler, one attempt at a time.
//!
//! A subscription is made by [`On`]. Publishers put its events into a mailbox; its workers take them out, run the
//! [`Handler`] for each, and pass what that said on to settle. A stream is a worker whose loop the user writes.

mod attempt;
mod blocking;
mod content;
mod delivery;
mod handler;
mod keys;
mod load;
mod mailbox;
mod on;
mod overflow;
mod pressure;
mod stream;
mod subscription;
mod worker;
mod workers;

pub(crate) use attempt::panicked;
pub use content::Content;
pub use delivery::Delivery;
pub use handler::Handler;
pub(crate) use load::{Load, MOST_BYTES, MOST_EVENTS};
#[doc(hidden)]
pub use mailbox::Dropped;
pub(crate) use mailbox::{Entered, Figures, Finish, Mailbox, Offer, Queued};
pub use on::{On, SubscribeError};
pub use overflow::{DropReason, Gap, Overflow};
pub use pressure::Level;
pub use stream::{EventStream, Received};
pub use subscription::{Subscription, SubscriptionGuard};
pub(crate) use worker::{CUT_OFF, cause};
pub(crate) use workers::Workers;
