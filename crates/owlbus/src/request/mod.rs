//! Requests, which are answered, and waits for events: what somebody awaits that is no subscription.
//!
//! Both are registered in a table of their own, which every publish feeds when the event has its number. A request is an
//! event with a `reply_to` topic nobody else has, `_reply.` and an id; its answer is the next event under that topic, such as
//! [`Delivery::reply`](crate::Delivery::reply) publishes it. Answers are ordinary events: a subscription whose pattern matches
//! `_reply.*`, as `**` does, gets them too.

mod answer;
mod asking;
mod awaited;
mod error;
mod slot;
mod wait_for;

use std::time::Duration;

pub use answer::Answer;
pub(crate) use awaited::Awaited;
pub use error::{RequestError, WaitError};
pub(crate) use slot::Slot;
pub use wait_for::WaitFor;

use crate::{
    bus::Bus,
    event::IntoEvent,
    topic::{IntoPatterns, Topic},
    typed::TypedEvent,
};

/// The first token of every topic that requests are answered under; the other is the request's alone.
const REPLY: &str = "_reply";

/// Whether a topic is one that a request waits on, or waited on.
pub(crate) fn is_reply_topic(topic: &Topic) -> bool {
    let rest = topic.as_str().strip_prefix(REPLY).and_then(|rest| rest.strip_prefix('.'));
    rest.is_some_and(|rest| !rest.contains('.'))
}

impl Bus {
    /// Publishes an event and waits for its first answer: what a handler gives to [`Delivery::reply`](crate::Delivery::reply).
    ///
    /// The answer is read as any owned type its data decodes into, or as the [`Event`](crate::event::Event) it is. Its place is registered before
    /// the event is published, so that no answer is too fast. Answers after the first are counted in
    /// [`Stats::late_replies`](crate::stats::Stats::late_replies), and nobody here gets them. The event's own `reply_to` is replaced.
    ///
    /// `timeout` is for all of it, the wait for room in full mailboxes included: an answer is given when the event is where it goes,
    /// or the time is over. Needs tokio's time. Dropping the future ends the
    /// wait; the event stays published.
    ///
    /// # Errors
    ///
    /// [`RequestError`]: `NoHandler` at once, where no subscription matches; `NoReply` as soon as every handler is through with
    /// the event, its retries included, and none has answered (a handler that answers from a task it spawned has to wait for
    /// that task); `Cycle` where a handler asks, and only handlers could answer that wait for it.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
    /// use std::time::Duration;
    ///
    /// use owlbus::{Bus, Delivery, Event};
    ///
    /// let bus = Bus::in_memory();
    /// bus.on("math.double")
    ///     .handle(|question: Delivery<serde_json::Value>| async move {
    ///         let doubled = question.as_u64().unwrap_or_default() * 2;
    ///         question.reply(Event::json("math.doubled", doubled)?).await?;
    ///         Ok(())
    ///     })
    ///     .await?;
    /// let doubled: u64 = bus.request(Event::json("math.double", 21)?, Duration::from_secs(5)).await?;
    /// assert_eq!(doubled, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn request<R: Answer>(
        &self,
        event: impl IntoEvent,
        timeout: Duration,
    ) -> Result<R, RequestError> {
        asking::request(self, event, timeout).await
    }

    /// As [`request`](Self::request), and gives every answer that comes, in the order they come: until there are as many as
    /// subscriptions that matched, until every handler is through with the event, or until the time is over.
    ///
    /// # Errors
    ///
    /// As [`request`](Self::request) where there is no answer at all, and [`RequestError::Decode`] for the first that is something
    /// else: ask for [`Event`](crate::event::Event)s to see each as it is.
    ///
    /// ```
    /// # async fn example(bus: owlbus::Bus) -> Result<(), Box<dyn std::error::Error>> {
    /// let offers: Vec<f64> = bus
    ///     .request_many(owlbus::Event::json("offers.wanted", "bolts")?, std::time::Duration::from_secs(2))
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn request_many<R: Answer>(
        &self,
        event: impl IntoEvent,
        timeout: Duration,
    ) -> Result<Vec<R>, RequestError> {
        asking::request_many(self, event, timeout).await
    }

    /// Waits for the next event under a topic, or one of several patterns. It waits from this call on, not from when it is
    /// awaited: what is published in between is found.
    ///
    /// It finds events that nobody subscribes to as well, and under `owlbus.**` what the bus itself has to say. A pattern that
    /// is none is an error when it is awaited. Every publish compares its topic with the patterns of all waits there are: for
    /// more than a few hundred at once, subscribe instead.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
    /// use std::time::Duration;
    ///
    /// use owlbus::{Bus, Event};
    ///
    /// let bus = Bus::in_memory();
    /// let five = bus
    ///     .wait_for("door.*")
    ///     .filter(|event| event.get::<u32>("/number") == Some(5))
    ///     .timeout(Duration::from_secs(10));
    /// for number in 1..=9 {
    ///     bus.publish(Event::json("door.opened", serde_json::json!({ "number": number }))?).await?;
    /// }
    /// assert_eq!(five.await?.topic(), "door.opened");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn wait_for(&self, patterns: impl IntoPatterns) -> WaitFor {
        WaitFor::topics(self, patterns.into_patterns())
    }

    /// As [`wait_for`](Self::wait_for), for the next event of a Rust type, on whatever topic, Rust value or JSON. JSON that
    /// does not decode into the type is passed over; so [`Event::view`](crate::event::Event::view) gives the value of what was found.
    ///
    /// ```
    /// # use serde::{Deserialize, Serialize};
    /// #[derive(Serialize, Deserialize, owlbus::Event)]
    /// #[event(topic = "user.logged_in")]
    /// struct UserLoggedIn { user_id: String }
    ///
    /// # async fn example(bus: owlbus::Bus) -> Result<(), Box<dyn std::error::Error>> {
    /// let login = bus.wait_for_type::<UserLoggedIn>().filter(|login| login.user_id == "ann").await?;
    /// println!("welcome, {}", login.view::<UserLoggedIn>()?.user_id);
    /// # Ok(())
    /// # }
    /// ```
    pub fn wait_for_type<T: TypedEvent>(&self) -> WaitFor<T> {
        WaitFor::of_type(self)
    }
}
