//! One request: published, and waited for until it is answered.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::time::{Instant, timeout_at};

use super::{REPLY, answer::Answer, awaited::Registered, error::RequestError};
use crate::{
    accept::{self, PublishError, Tracked},
    bus::Bus,
    clock,
    event::{Event, EventId, IntoEvent},
    settle::{Cycle, Settled},
    topic::Topic,
    waits::{On, Waiting},
};

/// Publishes a request and gives its first answer.
pub(super) async fn request<R: Answer>(
    bus: &Bus,
    event: impl IntoEvent,
    timeout: Duration,
) -> Result<R, RequestError> {
    let mut request = Request::publish(bus, event.into_event(), timeout, true).await?;
    let reply = request.next().await?;
    decoded(reply)
}

/// Publishes a request and gives every answer that comes in time.
pub(super) async fn request_many<R: Answer>(
    bus: &Bus,
    event: impl IntoEvent,
    timeout: Duration,
) -> Result<Vec<R>, RequestError> {
    let mut request = Request::publish(bus, event.into_event(), timeout, false).await?;
    let mut replies = Vec::new();
    let matched = request.published.as_ref().and_then(|published| published.matched);
    while replies.len() < matched.unwrap_or(usize::MAX) {
        match request.next().await {
            Ok(reply) => replies.push(decoded(reply)?),
            // Whatever ends the waiting, what came before it came.
            Err(error) if replies.is_empty() => return Err(error),
            Err(_) => break,
        }
    }
    Ok(replies)
}

fn decoded<R: Answer>(reply: Event) -> Result<R, RequestError> {
    R::of(&reply).map_err(|error| RequestError::Decode { reply, error })
}

/// A request that is under way.
struct Request {
    /// The event as it was given: without the topic of a request that is over by the time somebody reads it.
    event: Event,
    registered: Registered,
    /// `None` where the time was over while the event still waited for room somewhere.
    published: Option<Tracked>,
    /// Ready when no handler has it any more.
    settled: Option<Pin<Box<dyn Future<Output = Vec<Settled>> + Send>>>,
    /// The edge from the handler that asks, if one does.
    edge: Option<Waiting>,
    after: Duration,
    deadline: Instant,
}

impl Request {
    async fn publish(bus: &Bus, event: Event, after: Duration, one: bool) -> Result<Self, RequestError> {
        let (core, deadline) = (bus.core(), clock::deadline(after));
        // Rules may send it to others than those that want it as it is.
        let subscriptions = match core.rules.now() {
            Some(_) => core.routes.all().len(),
            None => core.routes.lookup(&event).all().count(),
        };
        if subscriptions == 0 {
            // What may not be published at all is told as that.
            accept::check(core, &event, event.bytes_of_it()).inspect_err(|_| core.count_refused())?;
            return Err(RequestError::NoHandler { event });
        }
        let topic = Topic::new(format!("{REPLY}.{}", EventId::generate())).expect("an id is one token");
        let (asked, error) = bus.event(event.clone()).reply_to(&topic).finish();
        if let Some(error) = error {
            core.count_refused();
            return Err(PublishError::rejected(event, "event", error).into());
        }
        let most = if one { 1 } else { subscriptions };
        let registered = core.awaited.register_reply(topic, most);
        let publish = accept::publish_request(bus, asked, Arc::clone(registered.slot()));
        let published = timeout_at(deadline, publish).await.ok().transpose()?;
        if published.as_ref().is_some_and(|published| published.matched == Some(0)) {
            return Err(RequestError::NoHandler { event });
        }
        let (edge, settled) = (None, None);
        let mut request = Self { event, registered, published, settled, edge, after, deadline };
        request.watch(bus)?;
        Ok(request)
    }

    /// Looks after those that may answer.
    fn watch(&mut self, bus: &Bus) -> Result<(), Cycle> {
        let Some(tracker) = self.published.as_ref().map(|published| Arc::clone(published.tracker())) else {
            return Ok(());
        };
        if let Some(origin) = bus.origin().filter(|origin| origin.runs()) {
            let (tracker, key) = (Some(Arc::clone(&tracker)), self.event.key().into());
            let answer = Some(Arc::clone(self.registered.slot()));
            let on = On { tracker, key, answer, ..On::default() };
            self.edge = Some(bus.core().waits.begin(&origin, on)?);
        }
        self.settled = Some(Box::pin(async move { tracker.settled().await }));
        Ok(())
    }

    /// The next answer.
    async fn next(&mut self) -> Result<Event, RequestError> {
        let deadline = self.deadline;
        match timeout_at(deadline, poll_fn(|cx| self.poll_next(cx))).await {
            Ok(answer) => answer,
            Err(_) => Err(RequestError::TimedOut {
                event: self.event.clone(),
                after: self.after,
                unfinished: self
                    .published
                    .as_ref()
                    .map_or_else(Vec::new, |published| published.tracker().unsettled()),
            }),
        }
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Event, RequestError>> {
        let closed = |_| RequestError::Closed { event: self.event.clone() };
        if let Poll::Ready(answer) = self.registered.slot().poll(cx) {
            return Poll::Ready(answer.map_err(closed));
        }
        if let Some(edge) = &self.edge
            && let Poll::Ready(Cycle { path }) = edge.poll_cycle(cx)
        {
            return Poll::Ready(Err(RequestError::Cycle { path }));
        }
        let Some(settled) = &mut self.settled else { return Poll::Pending };
        let settled = ready!(settled.as_mut().poll(cx));
        // The last handler may have answered since the answers were looked at.
        match self.registered.slot().poll(cx) {
            Poll::Ready(answer) => Poll::Ready(answer.map_err(closed)),
            Poll::Pending => Poll::Ready(Err(RequestError::NoReply { event: self.event.clone(), settled })),
        }
    }
}
