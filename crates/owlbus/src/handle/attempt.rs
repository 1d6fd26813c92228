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

use tokio::time::{Instant, Sleep, sleep_until}; // sleeps: until a handler has had its time.

use super::{
    content::Content,
    delivery::{Delivery, Seat},
};
use crate::{
    clock,
    dispatch::{Subscriber, Transform, transformed},
    event::{ContentError, Escaped, Event},
    settle::{HandlerError, Outcome, Said},
};

/// Begins a call where it will lie, or says why there is none.
///
/// The delivery is made, and the handler called, by code of the user that may panic.
pub(crate) fn begin<D, F>(
    mut call: Pin<&mut Option<F>>,
    make: impl FnOnce() -> Result<D, ContentError>,
    handle: impl FnOnce(D) -> F,
) -> Result<(), HandlerError> {
    let begun = catch_unwind(AssertUnwindSafe(|| make().map(|delivery| call.set(Some(handle(delivery))))));
    match begun {
        Ok(Ok(())) => Ok(()),
        Ok(Err(unfit)) => Err(HandlerError::permanent(unfit)),
        Err(panic) => Err(HandlerError::permanent(panicked(panic))),
    }
}

/// The delivery of an event, as the handler is to see it.
pub(crate) fn delivery<T: Content>(
    seat: &Arc<Seat>,
    transform: Option<&Transform>,
    event: Event,
    number: u32,
) -> Result<Delivery<T>, ContentError> {
    let accepted = transform.map(|_| event.clone());
    let event = transformed(transform, event);
    Delivery::new(event, accepted, Arc::clone(seat), number)
}

/// Drives a call for as long as it may take, and gives what it said; a panic is an error like any other, and so is taking
/// too long. `started` becomes when it first suspended, where nobody read the clock before.
///
/// The alarm is set when the handler suspends for the first time, so one that is ready at once needs none. Call and alarm
/// lie with the worker, so that a delivery moves neither; both are empty afterwards.
pub(crate) async fn in_time<F, S>(
    mut call: Pin<&mut Option<F>>,
    mut alarm: Pin<&mut Option<Sleep>>,
    subscriber: &Subscriber,
    blocks: bool,
    started: &mut Option<Instant>,
) -> S
where
    F: Future<Output: Into<S>>,
    S: From<HandlerError>,
{
    let said = poll_fn(|cx| {
        if let Poll::Ready(said) = poll_contained(call.as_mut(), cx) {
            return Poll::Ready(Some(said));
        }
        let Some(limit) = subscriber.timeout else { return Poll::Pending };
        if alarm.is_none() {
            let now = Instant::now();
            started.get_or_insert(now);
            alarm.set(Some(sleep_until(now.checked_add(limit).unwrap_or_else(|| clock::deadline(limit)))));
        }
        let rings = alarm.as_mut().as_pin_mut().is_some_and(|alarm| alarm.poll(cx).is_ready());
        if rings { Poll::Ready(None) } else { Poll::Pending }
    })
    .await;
    if alarm.is_some() {
        alarm.set(None);
    }
    if said.is_none() && blocks {
        // The thread cannot be taken away: the worker, and the key, stay with it until it returns.
        tracing::warn!(subscription = %Escaped(&subscriber.name), "a blocking handler has overrun its timeout");
        _ = poll_fn(|cx| poll_contained::<_, S>(call.as_mut(), cx)).await;
    }
    // What it held is of the user.
    if catch_unwind(AssertUnwindSafe(|| call.set(None))).is_err() {
        tracing::warn!(subscription = %Escaped(&subscriber.name), "a handler panicked when it was let go of");
    }
    let limit = subscriber.timeout.unwrap_or_default();
    said.unwrap_or_else(|| HandlerError::temporary(TimedOut { limit }).into())
}

/// Drives a call, and turns its panic into an error. After a panic it is dropped, never polled again, so nobody sees what
/// the panic left half done.
fn poll_contained<F, S>(call: Pin<&mut Option<F>>, cx: &mut Context<'_>) -> Poll<S>
where
    F: Future<Output: Into<S>>,
    S: From<HandlerError>,
{
    let Some(call) = call.as_pin_mut() else { return Poll::Pending };
    catch_unwind(AssertUnwindSafe(|| call.poll(cx).map(Into::into)))
        .unwrap_or_else(|panic| Poll::Ready(HandlerError::permanent(panicked(panic)).into()))
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
pub(crate) async fn contained<F>(future: F) -> Said
where
    F: Future<Output = Result<Outcome, HandlerError>>,
{
    let mut call = pin!(Some(future));
    poll_fn(|cx| poll_contained(call.as_mut(), cx)).await
}

/// Drives a future, and gives what it said, or its panic as a sentence.
pub(crate) async fn caught<F: Future>(future: F) -> Result<F::Output, String> {
    let mut future = pin!(Some(future));
    let output = poll_fn(|cx| {
        let Some(future) = future.as_mut().as_pin_mut() else { return Poll::Pending };
        match catch_unwind(AssertUnwindSafe(|| future.poll(cx))) {
            Ok(polled) => polled.map(Ok),
            Err(panic) => Poll::Ready(Err(panicked(panic))),
        }
    })
    .await;
    // What it held is of the user.
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| future.set(None))) {
        tracing::warn!(error = panicked(panic), "a future panicked when it was let go of");
    }
    output
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
