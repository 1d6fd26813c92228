//! The code that runs.

use std::future::Future;

use super::{content::Content, delivery::Delivery};
use crate::settle::{HandlerError, IntoOutcome, Outcome};

/// The code that runs for each delivery of a subscription.
///
/// Every `async fn(Delivery<T>)` and every closure that returns a future is one. It is called for one event after the
/// other, or for several at once where the subscription says so, and it must not block the thread. A panic in it is a
/// failed attempt and hurts nobody else.
///
/// What fails is counted as `dead` in the stats of the subscription, and told through `tracing` at level `WARN` with the
/// event's id and topic, the subscription and the error; a program that wants to see it installs a subscriber such as
/// `tracing-subscriber`.
///
/// Two mistakes the compiler explains poorly: a closure's parameter must have its type written out, as in
/// `|login: Delivery<UserLoggedIn>|` (else: "type annotations needed", or "type mismatch in closure arguments" for a
/// type that is no `Delivery`), and the closure must return a future, as `|…| async move { … }` does (else: "`()` is not
/// a future").
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a handler",
    label = "not a handler",
    note = "a handler is `async fn(Delivery<T>) -> Result<(), HandlerError>`, or a closure like it with its parameter's type written out",
    note = "`T` is a type that derives `owlbus::Event`, `serde_json::Value`, or left out for any event",
    note = "its future must be `Send`: hold no `Rc` and no `std::sync::MutexGuard` across an `.await`"
)]
pub trait Handler<T: Content>: Send + Sync + 'static {
    /// Whether a call blocks its thread, so that it cannot be cancelled. Leave it as it is: such functions are given to
    /// [`handle_blocking`](super::On::handle_blocking).
    #[doc(hidden)]
    const BLOCKS: bool = false;

    /// Handles one delivery.
    fn handle(&self, delivery: Delivery<T>) -> impl Future<Output = Result<Outcome, HandlerError>> + Send;
}

impl<T, F, R> Handler<T> for F
where
    T: Content,
    F: Fn(Delivery<T>) -> R + Send + Sync + 'static,
    R: Future<Output: IntoOutcome> + Send,
{
    fn handle(&self, delivery: Delivery<T>) -> impl Future<Output = Result<Outcome, HandlerError>> + Send {
        let asker = if R::Output::REPLIES { delivery.asker() } else { None };
        // Called here and not when it is first polled, so that the delivery is moved once.
        let handled = self(delivery);
        async move {
            let handled = handled.await;
            match asker {
                None => handled.into_outcome(),
                Some(asker) => {
                    let (said, reply) = handled.into_answer(true);
                    asker.replied(said, reply).await
                }
            }
        }
    }
}
