//! One attempt: transform, decode, call, and catch what goes wrong.

use std::{
    any::Any,
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep_until}; // sleeps: until a handler has had its time.

use super::{
    content::Content,
    delivery::{Delivery, Seat},
    handler::Handler,
};
use crate::{
    clock,
    dispatch::{Transform, transformed},
    event::{Escaped, Event},
    settle::{HandlerError, Outcome},
};

/// Runs the handler once for an event, and gives what it said and when it began; a panic is an error like any other, and
/// so is taking too long.
///
/// The clock is read, and a timer set, when the handler suspends for the first time, or before where failures are looked
/// at: a handler that is ready at once costs neither.
pub(crate) async fn attempt<T: Content, H: Handler<T>>(
    handler: &H,
    seat: &Arc<Seat>,
    transform: Option<&Transform>,
    event: Event,
    number: u32,
) -> (Result<Outcome, HandlerError>, Instant) {
    let subscriber = seat.subscription.subscriber();
    let looked_at = subscriber.looks_at_failures().then(Instant::now);
    let mut call = pin!(contained(async {
        let accepted = transform.map(|_| event.clone());
        let event = transformed(transform, event);
        let delivery =
            Delivery::new(event, accepted, Arc::clone(seat), number).map_err(HandlerError::permanent)?;
        handler.handle(delivery).await
    }));
    let mut started = looked_at;
    let mut alarm = pin!(None::<Sleep>);
    let said = poll_fn(|cx| {
        if let Poll::Ready(said) = call.as_mut().poll(cx) {
            return Poll::Ready(Some(said));
        }
        let started = *started.get_or_insert_with(Instant::now);
        let Some(limit) = subscriber.timeout else { return Poll::Pending };
        if alarm.is_none() {
            let until = started.checked_add(limit).unwrap_or_else(|| clock::deadline(limit));
            alarm.set(Some(sleep_until(until)));
        }
        let rings = alarm.as_mut().as_pin_mut().is_some_and(|alarm| alarm.poll(cx).is_ready());
        if rings { Poll::Ready(None) } else { Poll::Pending }
    })
    .await;
    let started = started.unwrap_or_else(Instant::now);
    if let Some(said) = said {
        return (said, started);
    }
    if H::BLOCKS {
        // The thread cannot be taken away: the worker, and the key, stay with it until it returns.
        tracing::warn!(subscription = %Escaped(&subscriber.name), "a blocking handler has overrun its timeout");
        _ = call.await;
    }
    let limit = subscriber.timeout.unwrap_or_default();
    (Err(HandlerError::temporary(TimedOut { limit })), started)
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
