//! Which delivery code runs for: known by the task it runs in, or by the handle it was given.

use std::{cell::RefCell, sync::Arc};

use smol_str::SmolStr;

use super::delivery::Seat;
use crate::{
    dispatch::Subscriber,
    event::{Cause, Event},
};

tokio::task_local! {
    /// The worker whose handler this task runs.
    static HANDLING: Handling;
}

struct Handling {
    seat: Arc<Seat>,
    /// The delivery it is at.
    at: RefCell<Option<At>>,
}

#[derive(Clone)]
struct At {
    /// Which of the worker's attempts it is.
    turn: u64,
    cause: Cause,
    /// The key of the event, where keys are kept in order.
    key: Option<SmolStr>,
}

/// One attempt at one delivery: what it publishes is caused by its event, and what it waits for, its worker waits for.
#[derive(Clone)]
pub(crate) struct Origin {
    seat: Arc<Seat>,
    at: At,
}

impl Origin {
    /// An attempt of a worker at an event.
    pub(crate) fn at(seat: &Arc<Seat>, turn: u64, event: &Event) -> Self {
        Self { seat: Arc::clone(seat), at: At::new(seat, turn, event) }
    }

    pub(crate) fn cause(&self) -> &Cause {
        &self.at.cause
    }

    pub(crate) fn subscriber(&self) -> &Arc<Subscriber> {
        self.seat.subscription.subscriber()
    }

    /// The number of the worker.
    pub(crate) fn worker(&self) -> usize {
        self.seat.worker
    }

    pub(crate) fn key(&self) -> Option<SmolStr> {
        self.at.key.clone()
    }

    /// Whether the attempt is still under way.
    pub(crate) fn runs(&self) -> bool {
        self.seat.is_at(self.at.turn)
    }
}

impl At {
    fn new(seat: &Seat, turn: u64, event: &Event) -> Self {
        let by_key = seat.subscription.subscriber().mailbox.by_key();
        Self { turn, cause: event.cause(), key: by_key.then(|| event.key().into()) }
    }
}

/// The delivery whose handler runs in this task.
pub(crate) fn origin() -> Option<Box<Origin>> {
    let origin = |handling: &Handling| {
        let at = handling.at.borrow().clone()?;
        Some(Box::new(Origin { seat: Arc::clone(&handling.seat), at }))
    };
    HANDLING.try_with(origin).ok().flatten()
}

/// Runs the deliveries of a worker, one after the other.
pub(crate) async fn at_work<F: Future>(seat: Arc<Seat>, deliveries: F) -> F::Output {
    HANDLING.scope(Handling { seat, at: RefCell::new(None) }, deliveries).await
}

/// The worker of this task begins with a delivery.
pub(crate) fn begin(event: &Event) {
    HANDLING.with(|handling| {
        handling.seat.next_turn();
        *handling.at.borrow_mut() = Some(At::new(&handling.seat, handling.seat.turn(), event));
    });
}

/// The delivery the worker of this task was at has ended.
pub(crate) fn end() {
    HANDLING.with(|handling| {
        handling.seat.next_turn();
        handling.at.borrow_mut().take();
    });
}

/// Runs code of a handler in another thread.
pub(crate) fn on_behalf_of<R>(origin: Option<Box<Origin>>, code: impl FnOnce() -> R) -> R {
    match origin.map(|origin| *origin) {
        Some(Origin { seat, at }) => HANDLING.sync_scope(Handling { seat, at: RefCell::new(Some(at)) }, code),
        None => code(),
    }
}
