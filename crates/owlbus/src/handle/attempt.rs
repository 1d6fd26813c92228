//! One attempt: transform, decode, call, and catch what goes wrong.

use std::{
    any::Any,
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::{Instant, sleep_until}; // sleeps: until a handler has had its time.

use super::{
    content::Content,
    delivery::{Delivery, Seat},
    handler::Handler,
};
use crate::{
    clock,
    dispatch::{Subscriber, Transform, transformed},
    event::{Escaped, Event},
    settle::{HandlerError, Outcome},
};

/// Runs the handler once for an event, and gives what it said and, where anybody could tell, when it began; a panic is an
/// error like any other, and so is taking too long.
///
/// A timer is set when the handler suspends for the first time, so one that is ready at once has none. `timed` says
/// whether the clock is read before; else the attempt counts from that first time on.
pub(crate) async fn attempt<T: Content, H: Handler<T>>(
    handler: &H,
    seat: &Arc<Seat>,
    transform: Option<&Transform>,
    event: Event,
    number: u32,
    timed: bool,
) -> (Result<Outcome, HandlerError>, Option<Instant>) {
    let subscriber = seat.subscription.subscriber();
    let started = timed.then(Instant::now);
    let mut call = pin!(Some(contained(async {
        let accepted = transform.map(|_| event.clone());
        let event = transformed(transform, event);
        let delivery =
            Delivery::new(event, accepted, Arc::clone(seat), number).map_err(HandlerError::permanent)?;
        handler.handle(delivery).await
    })));
    match poll_fn(|cx| Poll::Ready(poll_some(call.as_mut(), cx))).await {
        Poll::Ready(said) => (said, started),
        Poll::Pending => {
            let now = Instant::now();
            let said = in_time(call, subscriber, now, H::BLOCKS).await;
            (said, started.or(Some(now)))
        }
    }
}

/// Drives a call that has suspended once, for as long as it may take.
async fn in_time<F>(
    mut call: Pin<&mut Option<F>>,
    subscriber: &Subscriber,
    now: Instant,
    blocks: bool,
) -> Result<Outcome, HandlerError>
where
    F: Future<Output = Result<Outcome, HandlerError>>,
{
    let Some(limit) = subscriber.timeout else {
        suspend().await;
        return poll_fn(|cx| poll_some(call.as_mut(), cx)).await;
    };
    let until = now.checked_add(limit).unwrap_or_else(|| clock::deadline(limit));
    let mut alarm = pin!(sleep_until(until));
    let mut suspended = false;
    let said = poll_fn(|cx| {
        // It was polled just before, and is to be woken first.
        if std::mem::replace(&mut suspended, true)
            && let Poll::Ready(said) = poll_some(call.as_mut(), cx)
        {
            return Poll::Ready(Some(said));
        }
        alarm.as_mut().poll(cx).map(|()| None)
    })
    .await;
    if let Some(said) = said {
        return said;
    }
    if blocks {
        // The thread cannot be taken away: the worker, and the key, stay with it until it returns.
        tracing::warn!(subscription = %Escaped(&subscriber.name), "a blocking handler has overrun its timeout");
        _ = poll_fn(|cx| poll_some(call.as_mut(), cx)).await;
    }
    // What it held is of the user.
    if catch_unwind(AssertUnwindSafe(|| call.set(None))).is_err() {
        tracing::warn!(subscription = %Escaped(&subscriber.name), "a handler panicked when it was cancelled");
    }
    Err(HandlerError::temporary(TimedOut { limit }))
}

/// Drives a call that is still there.
fn poll_some<F>(call: Pin<&mut Option<F>>, cx: &mut Context<'_>) -> Poll<Result<Outcome, HandlerError>>
where
    F: Future<Output = Result<Outcome, HandlerError>>,
{
    match call.as_pin_mut() {
        Some(call) => call.poll(cx),
        None => Poll::Pending,
    }
}

/// Gives way once, without asking to be woken: whoever was polled before will be.
async fn suspend() {
    let mut suspended = false;
    poll_fn(|_| if std::mem::replace(&mut suspended, true) { Poll::Ready(()) } else { Poll::Pending }).await;
}

/// A handler took too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the handler took longer than {limit:?}")]
#[non_exhaustive]
pub struct TimedOut {
    /// The time it had.
    pub limit: Duration,
}

/// Drives a future, and turns its panic into an error.
pub(crate) async fn contained<F>(future: F) -> Result<Outcome, HandlerError>
where
    F: Future<Output = Result<Outcome, HandlerError>>,
{
    let mut future = pin!(future);
    // After a panic the future is dropped, never polled again, so nobody sees what the panic left half done.
    poll_fn(|cx| {
        catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx)))
            .unwrap_or_else(|panic| Poll::Ready(Err(HandlerError::permanent(panicked(panic)))))
    })
    .await
}

/// Drops what may hold values of users, whose `Drop` may panic.
pub(crate) fn let_go<T>(value: T) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(value))) {
        tracing::warn!(error = panicked(panic), "a value panicked when it was dropped");
    }
}

/// A panic as a sentence.
pub(crate) fn panicked(panic: Box<dyn Any + Send>) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    let sentence = format!("panicked: {}", text.unwrap_or("without a message"));
    // What was panicked with is a value of the user, whose `Drop` may panic in turn.
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(panic))) {
        std::mem::forget(panic);
    }
    sentence
}
