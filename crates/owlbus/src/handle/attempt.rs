//! One attempt: transform, decode, call, and catch what goes wrong.

use std::{
    any::Any,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::Arc,
    task::Poll,
};

use super::{
    content::Content,
    delivery::{Delivery, Seat},
    handler::Handler,
};
use crate::{
    event::Event,
    settle::{HandlerError, Outcome},
};

/// Runs the handler once for an event, and gives what it said; a panic is an error like any other.
pub(crate) async fn attempt<T: Content, H: Handler<T>>(
    handler: &H,
    seat: &Arc<Seat>,
    event: Event,
) -> Result<Outcome, HandlerError> {
    contained(async {
        let event = seat.subscription.subscriber().transformed(event);
        let delivery = Delivery::new(event, Arc::clone(seat), 1).map_err(HandlerError::permanent)?;
        handler.handle(delivery).await
    })
    .await
}

/// Drives a future, and turns its panic into an error.
async fn contained<F>(future: F) -> Result<Outcome, HandlerError>
where
    F: Future<Output = Result<Outcome, HandlerError>>,
{
    let mut future = pin!(future);
    // After a panic the future is dropped, never polled again, so nobody sees what the panic left half done.
    std::future::poll_fn(|cx| {
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
