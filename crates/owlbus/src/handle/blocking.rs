//! Handlers that block their thread, on threads that are there for that.

use std::sync::Arc;

use tokio::task::spawn_blocking;

use super::{
    attempt::panicked,
    content::Content,
    delivery::Delivery,
    handler::Handler,
    origin::{on_behalf_of, origin},
};
use crate::settle::{HandlerError, IntoOutcome, Outcome};

/// An ordinary function as a handler: each call runs on the runtime's blocking pool.
///
/// A call that has begun cannot be cancelled. Where the bus gives up on it, it runs to its end, and what it says then
/// is heard by nobody.
pub(crate) struct Blocking<F>(Arc<F>);

impl<F> Blocking<F> {
    pub(crate) fn new(function: F) -> Self {
        Self(Arc::new(function))
    }

    pub(super) fn function(&self) -> Arc<F> {
        Arc::clone(&self.0)
    }
}

impl<T, F, R> Handler<T> for Blocking<F>
where
    T: Content,
    F: Fn(Delivery<T>) -> R + Send + Sync + 'static,
    R: IntoOutcome,
{
    const BLOCKS: bool = true;

    async fn handle(&self, delivery: Delivery<T>) -> Result<Outcome, HandlerError> {
        let (function, origin, asker) = (self.function(), origin(), delivery.asker());
        let wanted = asker.is_some();
        let call = spawn_blocking(move || on_behalf_of(origin, || function(delivery).into_answer(wanted)));
        let (said, reply) = call.await.unwrap_or_else(|error| match error.try_into_panic() {
            Ok(panic) => (Err(HandlerError::permanent(panicked(panic))), None),
            Err(cancelled) => (Err(HandlerError::temporary(cancelled)), None),
        });
        match asker {
            None => said,
            Some(asker) => asker.replied(said, reply).await,
        }
    }
}
