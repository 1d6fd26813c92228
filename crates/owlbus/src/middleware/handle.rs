//! The way of one attempt: through the middlewares around handle, to the handler.

use std::{marker::PhantomData, sync::Arc};

use super::{
    Boxed, Chain, Duty,
    seen::{Seen, Went},
};
use crate::{
    handle::{Content, Delivery, Handler, caught},
    settle::{HandlerError, Outcome},
};

type Said = Result<Outcome, HandlerError>;

/// Where a delivery is handled, whatever the type of what handles it.
pub(crate) trait End: Send + Sync {
    fn handle(self: Arc<Self>, delivery: Delivery) -> Boxed<Said>;
}

/// A handler that gets what it asks for.
pub(crate) struct Typed<T, H>(Arc<H>, PhantomData<fn() -> T>);

impl<T, H> Typed<T, H> {
    pub(crate) fn new(handler: Arc<H>) -> Arc<Self> {
        Arc::new(Self(handler, PhantomData))
    }
}

impl<T: Content, H: Handler<T>> End for Typed<T, H> {
    fn handle(self: Arc<Self>, delivery: Delivery) -> Boxed<Said> {
        Box::pin(async move {
            let delivery = delivery.read_as::<T>().map_err(HandlerError::permanent)?;
            self.0.handle(delivery).await
        })
    }
}

/// The rest of the way of a delivery that is being handled.
#[must_use = "the delivery is not handled until `run` is called"]
pub struct HandleNext {
    chain: Arc<Chain>,
    at: usize,
    end: Arc<dyn End>,
    seen: Seen<Said>,
}

impl HandleNext {
    /// Goes on with the delivery, and gives what its handler says.
    ///
    /// # Errors
    ///
    /// What the handler, or a middleware further in, failed with.
    pub async fn run(self, delivery: Delivery) -> Result<Outcome, HandlerError> {
        self.seen.set(Went::Begun);
        let said = attempt(self.chain, self.at + 1, self.end, delivery).await;
        self.seen.set(Went::Done(said.clone()));
        said
    }

    /// The same, and once more where it went well.
    pub(super) async fn run_twice(self, delivery: Delivery) -> Said {
        let Self { chain, at, end, seen } = self;
        seen.set(Went::Begun);
        let first = attempt(Arc::clone(&chain), at + 1, Arc::clone(&end), delivery.again()).await;
        let said = match first {
            Ok(Outcome::Done) => attempt(chain, at + 1, end, delivery).await,
            other => other,
        };
        seen.set(Went::Done(said.clone()));
        said
    }
}

/// Walks the way of one attempt from a middleware on.
pub(crate) fn attempt(chain: Arc<Chain>, at: usize, end: Arc<dyn End>, delivery: Delivery) -> Boxed<Said> {
    let Some(me) = chain.handle.get(at).cloned() else {
        return end.handle(delivery);
    };
    Box::pin(async move {
        let seen = Seen::nothing();
        let next = HandleNext { chain: Arc::clone(&chain), at, end: Arc::clone(&end), seen: seen.clone() };
        let mine = delivery.again();
        let layer = Arc::clone(&me.layer);
        let said = caught(async move { layer.handle(mine, next).await }).await;
        let (went, error) = match (said, seen.take()) {
            (Ok(Err(error)), Went::Not) if me.duty == Duty::Observes => (Went::Not, error.chain()),
            (Ok(said), _) => return said,
            (Err(panic), went) => (went, panic),
        };
        me.failed(delivery.event(), &error);
        match went {
            Went::Done(said) => said,
            Went::Not if me.duty == Duty::Observes => attempt(chain, at + 1, end, delivery).await,
            Went::Begun | Went::Not => {
                Err(HandlerError::permanent(format!("the middleware `{}` {error}", me.name)))
            }
        }
    })
}
