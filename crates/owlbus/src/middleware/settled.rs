//! The end of an event: every handler is through with it.

use std::{
    sync::{Arc, Weak},
    task::{Context, Poll, Waker},
};

use tokio::runtime::Handle;

use super::{Boxed, Chain};
use crate::{bus::Core, event::Event, handle::caught, settle::Settled};

/// Tells the middlewares what became of an event, one after the other. What waits is left to the runtime, and a shutdown
/// waits for it.
pub(crate) fn tell_settled(core: &Weak<Core>, chain: Arc<Chain>, event: Event, outcomes: Vec<Settled>) {
    let mut telling: Boxed<()> = Box::pin(async move {
        let outcomes: Arc<[Settled]> = outcomes.into();
        for me in &chain.settled {
            let (layer, mine, outcomes) = (Arc::clone(&me.layer), event.clone(), Arc::clone(&outcomes));
            if let Err(panic) = caught(async { layer.settled(mine, outcomes).await }).await {
                me.failed(&event, &panic);
            }
        }
    });
    if let Poll::Ready(()) = telling.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        return;
    }
    let core = core.upgrade();
    let runtime = Handle::try_current().ok().or_else(|| core.as_ref()?.runtime.clone());
    match (runtime, core) {
        (Some(runtime), Some(core)) => core.workers.add([runtime.spawn(telling)]),
        (Some(runtime), None) => drop(runtime.spawn(telling)),
        (None, _) => tracing::warn!("a middleware that waits has no tokio runtime to wait on"),
    }
}
