//! Which delivery code runs for: known by the task it runs in, or by the handle it was given.

use std::{cell::RefCell, sync::Arc};

use smol_str::SmolStr;

use super::{delivery::Seat, mailbox::Queued};
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
    at: RefCell<Doing>,
}

enum Doing {
    Nothing,
    /// The attempt at a delivery that is here.
    Attempt(Queued),
    /// The same at several at once.
    Batch(Vec<Queued>),
    /// What belongs to an attempt whose delivery is elsewhere.
    Beside(At),
}

#[derive(Clone)]
struct At {
    /// Which of the worker's attempts it is.
    turn: u64,
    /// The event; nothing, where they are several.
    cause: Option<Cause>,
    /// The keys of the events, where keys are kept in order.
    keys: Vec<SmolStr>,
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

    pub(crate) fn cause(&self) -> Option<&Cause> {
        self.at.cause.as_ref()
    }

    /// The same, with the cause of the other where it has none.
    pub(crate) fn or_caused_by(mut self: Box<Self>, other: &Origin) -> Box<Self> {
        if self.at.cause.is_none() {
            self.at.cause.clone_from(&other.at.cause);
        }
        self
    }

    pub(crate) fn subscriber(&self) -> &Arc<Subscriber> {
        self.seat.subscription.subscriber()
    }

    /// The number of the worker.
    pub(crate) fn worker(&self) -> usize {
        self.seat.worker
    }

    /// Whether no other delivery of this key starts before the attempt has ended.
    pub(crate) fn holds(&self, key: &str) -> bool {
        self.at.keys.iter().any(|held| held == key)
    }

    /// Whether the attempt is still under way.
    pub(crate) fn runs(&self) -> bool {
        self.seat.is_at(self.at.turn)
    }
}

impl At {
    fn new(seat: &Seat, turn: u64, event: &Event) -> Self {
        let by_key = seat.subscription.subscriber().mailbox.by_key();
        Self {
            turn,
            cause: Some(event.cause()),
            keys: by_key.then(|| event.key().into()).into_iter().collect(),
        }
    }

    /// A batch has no cause: what its events caused, their deliveries publish.
    fn batch(seat: &Seat, batch: &[Queued]) -> Self {
        let by_key = seat.subscription.subscriber().mailbox.by_key();
        let keys = batch.iter().filter(|_| by_key).map(|queued| queued.event.key().into());
        Self { turn: seat.turn(), cause: None, keys: keys.collect() }
    }
}

/// The delivery whose handler runs in this task.
pub(crate) fn origin() -> Option<Box<Origin>> {
    let origin = |handling: &Handling| {
        let seat = &handling.seat;
        let at = match &*handling.at.borrow() {
            Doing::Nothing => return None,
            Doing::Attempt(queued) => At::new(seat, seat.turn(), &queued.event),
            Doing::Batch(batch) => At::batch(seat, batch),
            Doing::Beside(at) => at.clone(),
        };
        Some(Box::new(Origin { seat: Arc::clone(seat), at }))
    };
    HANDLING.try_with(origin).ok().flatten()
}

/// Runs the deliveries of a worker, one after the other.
pub(crate) async fn at_work<F: Future>(seat: Arc<Seat>, deliveries: F) -> F::Output {
    HANDLING.scope(Handling { seat, at: RefCell::new(Doing::Nothing) }, deliveries).await
}

/// The worker of this task begins with a delivery. Where the task ends before it took it back, the delivery is cut off.
pub(crate) fn begin(queued: Queued) {
    HANDLING.with(|handling| {
        handling.seat.next_turn();
        handling.at.replace(Doing::Attempt(queued));
    });
}

/// Takes back the delivery that the attempt was at; what still runs for it goes on to be known, if there is anything.
pub(crate) fn take(goes_on: bool) -> Option<Queued> {
    HANDLING.with(|handling| {
        let mut at = handling.at.borrow_mut();
        let Doing::Attempt(queued) = std::mem::replace(&mut *at, Doing::Nothing) else { return None };
        match goes_on {
            true => *at = Doing::Beside(At::new(&handling.seat, handling.seat.turn(), &queued.event)),
            false => handling.seat.next_turn(),
        }
        Some(queued)
    })
}

/// The worker of this task begins with a batch. Where the task ends before it took it back, its deliveries are cut off.
pub(crate) fn begin_batch(batch: Vec<Queued>) {
    HANDLING.with(|handling| {
        handling.seat.next_turn();
        handling.at.replace(Doing::Batch(batch));
    });
}

/// Takes back the deliveries of the batch that the attempt was at; what still runs for it goes on to be known.
pub(crate) fn take_batch() -> Vec<Queued> {
    HANDLING.with(|handling| {
        let mut at = handling.at.borrow_mut();
        let Doing::Batch(batch) = std::mem::replace(&mut *at, Doing::Nothing) else { return Vec::new() };
        *at = Doing::Beside(At::batch(&handling.seat, &batch));
        batch
    })
}

/// Nothing runs any more for the delivery that the worker of this task was at.
pub(crate) fn end() {
    HANDLING.with(|handling| {
        handling.seat.next_turn();
        handling.at.replace(Doing::Nothing);
    });
}

impl Drop for Handling {
    fn drop(&mut self) {
        let subscriber = self.seat.subscription.subscriber();
        match self.at.replace(Doing::Nothing) {
            Doing::Attempt(queued) => subscriber.cut_off(queued),
            Doing::Batch(batch) => batch.into_iter().for_each(|queued| subscriber.cut_off(queued)),
            Doing::Nothing | Doing::Beside(_) => {}
        }
    }
}

/// Runs code of a handler in another thread.
pub(crate) fn on_behalf_of<R>(origin: Option<Box<Origin>>, code: impl FnOnce() -> R) -> R {
    match origin.map(|origin| *origin) {
        Some(Origin { seat, at }) => {
            HANDLING.sync_scope(Handling { seat, at: RefCell::new(Doing::Beside(at)) }, code)
        }
        None => code(),
    }
}
