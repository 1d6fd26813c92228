//! From a mailbox to a handler, one attempt at a time.
//!
//! A subscription is made by [`On`]. Publishers put its events into a mailbox; its workers take them out, run the
//! [`Handler`] for each, and pass what that said on to settle. A stream is a worker whose loop the user writes.

mod attempt;
mod band;
mod batch;
mod blocking;
mod content;
mod delivery;
mod extensions;
mod handler;
mod inline;
mod load;
mod mailbox;
mod on;
mod origin;
mod overflow;
mod pace;
mod pause;
mod pressure;
mod stream;
mod subscription;
mod worker;
mod workers;

pub use attempt::TimedOut;
pub(crate) use attempt::{caught, contained, let_go, panicked};
pub use band::Band;
pub use batch::BatchHandler;
pub use content::Content;
pub use delivery::Delivery;
pub use extensions::Extensions;
pub use handler::Handler;
pub(crate) use inline::Inline;
pub(crate) use load::{Load, MOST_BYTES, MOST_EVENTS};
#[doc(hidden)]
pub use mailbox::Dropped;
pub(crate) use mailbox::{Entered, Figures, Finish, Front, Mailbox, Offer, Place, Queued, Ticket};
pub use on::{On, SubscribeError};
pub(crate) use origin::{Origin, origin};
pub use overflow::{DropReason, Gap, Overflow};
pub use pace::Keep;
pub(crate) use pause::Pause;
pub use pressure::Level;
pub use stream::{EventStream, Received};
pub use subscription::{Subscription, SubscriptionGuard};
pub(crate) use workers::Workers;
