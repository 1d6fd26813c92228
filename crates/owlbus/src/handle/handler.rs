//! The code that runs.

use std::future::Future;

use super::{content::Content, delivery::Delivery};
use crate::settle::{HandlerError, IntoOutcome, Outcome};

/// The code that runs for each delivery of a subscription.
///
/// Every `async fn(Delivery<T>)` and every closure that returns a future is one. It may be called concurrently
/// where the subscription says so, it is called again for the next event only when its future is finished otherwise,
/// and it must not block the thread. A panic in it is a failed attempt and hurts nobody else.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a handler",
    label = "not a handler",
    note = "a handler is `async fn(Delivery<T>) -> Result<(), HandlerError>`, or a closure like it with its parameter's type written out",
    note = "`T` is a type that derives `owlbus::Event`, `serde_json::Value`, or left out for any event",
    note = "its future must be `Send`: hold no `Rc` and no `std::sync::MutexGuard` across an `.await`"
)]
pub trait Handler<T: Content>: Send + Sync + 'static {
    /// Handles one delivery.
    fn handle(&self, delivery: Delivery<T>) -> impl Future<Output = Result<Outcome, HandlerError>> + Send;
}

impl<T, F, R> Handler<T> for F
where
    T: Content,
    F: Fn(Delivery<T>) -> R + Send + Sync + 'static,
    R: Future<Output: IntoOutcome> + Send,
{
    async fn handle(&self, delivery: Delivery<T>) -> Result<Outcome, HandlerError> {
        self(delivery).await.into_outcome()
    }
}
