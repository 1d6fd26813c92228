//! The event bus that gets every event home.
//!
//! Parts of a program tell each other what happened, without knowing each other: publishers hand events to a
//! [`Bus`], handlers ask it for topics or for Rust types.
//!
//! ```
//! use owlbus::{Bus, Delivery, Event};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize, Event)]
//! #[event(topic = "user.logged_in")]
//! struct UserLoggedIn {
//!     user_id: String,
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! let bus = Bus::in_memory();
//!
//! // By type: the handler gets the Rust value, from whoever published it and in whatever form.
//! bus.subscribe(|login: Delivery<UserLoggedIn>| async move {
//!     println!("welcome, {}", login.user_id);
//! })
//! .await?;
//!
//! // By topic: `*` is one token, `**` any number of them.
//! bus.on("user.**")
//!     .name("audit")
//!     .handle(|event: Delivery| async move {
//!         println!("{} from {}: {}", event.topic(), event.source(), event.as_json()?);
//!         Ok(())
//!     })
//!     .await?;
//!
//! bus.publish(UserLoggedIn { user_id: "ann".into() }).await?;
//! bus.publish(Event::json("user.renamed", serde_json::json!({ "to": "anna" }))?).await?;
//!
//! // Lets the handlers finish, and says what they did not get.
//! assert!(bus.shutdown().await.is_clean());
//! # Ok(())
//! # })
//! # }
//! ```
//!
//! # What is promised
//!
//! - A [`publish`](Bus::publish) that returned Ok has put the event into the mailbox of every matching subscription,
//!   or the loss is counted, told to the subscription as a [`Gap`], and named in the [`Receipt`].
//! - One publisher's events reach a subscription in the order they were published, and its handler runs for one of
//!   them at a time unless [`concurrency`](handle::On::concurrency) or [`ordered_by_key`](handle::On::ordered_by_key) say more.
//!   Only events of another [`Priority`] overtake, and every lane is served within 13 starts.
//! - A subscription of a higher [`priority`](handle::On::priority) has its first try at an event before those below.
//! - Handlers that would wait for each other for ever are told, with their names: [`Cycle`](settle::Cycle).
//! - A subscription that needs only the latest event of a key has the others left out and counted:
//!   [`debounce`](handle::On::debounce), [`throttle`](handle::On::throttle).
//! - A [`request`](Bus::request) gets its own answer, or fails as soon as none can come; a [`wait_for`](Bus::wait_for) finds what is
//!   published after that call, before it is awaited too.
//! - A handler that is slow, fails or panics hurts no other subscription. What a full mailbox does is the
//!   subscription's choice: [`Overflow`].
//! - What a handler fails with is counted, and told through `tracing` at level `WARN`.
//! - Whenever a subscription is quiet, every event that matched it is accounted for: [`SubscriptionStats`](stats::SubscriptionStats).
//!
//! # What it is not
//!
//! Not a message broker: a bus lives in one process, opens no socket and starts no runtime. It needs tokio's, with time
//! enabled, to run handlers. Events are in memory: what a handler has not got when the process ends is gone, and
//! [`Bus::shutdown`] is how it is not.
//!
//! # Where to go next
//!
//! [`Bus`] publishes, [`On`](handle::On) subscribes, [`struct@Event`] is what travels, [`Pattern`] says which topics match, and the
//! numbered examples of the repository are a course.
//!
//! What most programs name is at the root; the rest is where its idea is at home: [`mod@event`] (ids, metadata, the
//! builder, CloudEvents), [`topic`], [`handle`] (how a subscription is made, streams, gaps), [`settle`] (outcomes and
//! errors), [`request`] (answers and waits), [`schedule`] (events again and again), [`config`], [`rules`], [`shutdown`],
//! [`stats`] and [`journal`].

/// The examples of the README compile and run.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
mod readme {}

// Derived code names this crate `owlbus`, also where the derive stands in it.
extern crate self as owlbus;

// What is sent, and where to.
pub mod event;
pub mod topic;
mod typed;
// The handle, and what it is built with.
mod bus;
pub mod config;
// The way of an event.
mod accept;
mod dispatch;
pub mod handle;
pub mod settle;
pub use dispatch::rules;
// What stands around it.
pub mod middleware;
// What is waited for beside it.
pub mod request;
// What is published again and again.
pub mod schedule;
// Where events are kept.
pub mod journal;
// What can be seen.
mod own_events;
pub mod stats;
// The end.
pub mod shutdown;
// The ground it stands on: time, memory, locks.
mod clock;
mod memory;
mod sync;
// Who waits for whom.
#[cfg(all(test, shuttle))]
mod models;
mod waits;

pub use accept::{PublishError, Receipt, Tracked};
pub use bus::Bus;
pub use event::{Event, Priority};
pub use handle::{BatchHandler, Delivery, Gap, Handler, Overflow, Received, SubscribeError, Subscription};
pub use owlbus_macros::{Event, Topics};
pub use settle::{HandlerError, Outcome};
pub use topic::{Pattern, Topic};
pub use typed::{Topics, TypedEvent};
