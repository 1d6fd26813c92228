//! Handlers that take several deliveries at once.

use std::{
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use tokio::{task::spawn_blocking, time::Instant};

use super::{
    attempt::{self, panicked},
    blocking::Blocking,
    content::Content,
    delivery::{Delivery, Seat},
    mailbox::Queued,
    origin::{self, on_behalf_of},
    worker::{Hand, Until, tell, tell_the_rest},
};
use crate::{
    dispatch::{Code, Subscriber},
    event::Event,
    middleware::Together,
    settle::{HandlerError, IntoOutcomes, Outcomes, Said, expire, settle},
};

/// The code that runs for several deliveries of a subscription at once.
///
/// Every `async fn(Vec<Delivery<T>>)` and every closure that returns a future is one. It gets at least one delivery and at
/// most as many as the batch of its subscription says, in their order. What it returns says what became of all of them, or of
/// each its own: see [`IntoOutcomes`]. Retries and dead letters are an event's own.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a batch handler",
    label = "not a batch handler",
    note = "a batch handler is `async fn(Vec<Delivery<T>>) -> Result<(), HandlerError>`, or a closure like it with its parameter's type written out",
    note = "`T` is a type that derives `owlbus::Event`, `serde_json::Value`, or left out for any event",
    note = "its future must be `Send`: hold no `Rc` and no `std::sync::MutexGuard` across an `.await`"
)]
pub trait BatchHandler<T: Content>: Send + Sync + 'static {
    /// Whether a call blocks its thread, so that it cannot be cancelled. Leave it as it is: such functions are given to
    /// [`handle_batch_blocking`](super::On::handle_batch_blocking).
    #[doc(hidden)]
    const BLOCKS: bool = false;

    /// Handles the deliveries of a batch.
    fn handle(&self, batch: Vec<Delivery<T>>) -> impl Future<Output = Outcomes> + Send;
}

impl<T, F, R> BatchHandler<T> for F
where
    T: Content,
    F: Fn(Vec<Delivery<T>>) -> R + Send + Sync + 'static,
    R: Future<Output: IntoOutcomes> + Send,
{
    fn handle(&self, batch: Vec<Delivery<T>>) -> impl Future<Output = Outcomes> + Send {
        let handled = self(batch);
        async move { handled.await.into_outcomes() }
    }
}

impl<T, F, R> BatchHandler<T> for Blocking<F>
where
    T: Content,
    F: Fn(Vec<Delivery<T>>) -> R + Send + Sync + 'static,
    R: IntoOutcomes,
{
    const BLOCKS: bool = true;

    async fn handle(&self, batch: Vec<Delivery<T>>) -> Outcomes {
        let (function, origin) = (self.function(), origin::origin());
        let call = spawn_blocking(move || on_behalf_of(origin, || function(batch).into_outcomes()));
        call.await.unwrap_or_else(|error| match error.try_into_panic() {
            Ok(panic) => HandlerError::permanent(panicked(panic)).into(),
            Err(cancelled) => HandlerError::temporary(cancelled).into(),
        })
    }
}

/// How many deliveries make a batch, and how long fewer wait for others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Batch {
    pub(crate) size: usize,
    pub(crate) wait: Duration,
}

impl Default for Batch {
    fn default() -> Self {
        Self { size: 100, wait: Duration::from_millis(100) }
    }
}

/// Takes and handles batches until there will be none any more.
pub(crate) async fn work_in_batches<T: Content, H: BatchHandler<T>>(
    handler: Arc<H>,
    seat: Arc<Seat>,
    batch: Batch,
) {
    let subscriber = Arc::clone(seat.subscription.subscriber());
    let mut hand = Hand::new(Arc::clone(&subscriber), seat.worker);
    // Held from here on: the subscription may end while a batch runs.
    let code = subscriber.code();
    let batches = async {
        loop {
            let mut taken = Vec::new();
            let until = poll_fn(|cx| hand.poll_batch(batch, &mut taken, cx)).await;
            let wanted: Vec<_> =
                taken.into_iter().filter_map(|queued| unexpired(&subscriber, queued)).collect();
            if !wanted.is_empty() {
                attempt_all(&*handler, &seat, &subscriber, &code, wanted).await;
            }
            match until {
                Until::Enough => {}
                Until::Gap(gap) => tell(&subscriber, gap),
                Until::Over => break,
            }
        }
    };
    origin::at_work(Arc::clone(&seat), batches).await;
}

/// The delivery, unless its time is over.
fn unexpired(subscriber: &Subscriber, queued: Queued) -> Option<Queued> {
    if queued.event.is_expired() {
        expire(subscriber, queued);
        return None;
    }
    Some(queued)
}

/// Runs the handler once for all of them, and settles each by what was said of it.
async fn attempt_all<T: Content, H: BatchHandler<T>>(
    handler: &H,
    seat: &Arc<Seat>,
    subscriber: &Subscriber,
    code: &Code,
    batch: Vec<Queued>,
) {
    let size = batch.len();
    let events: Vec<_> = batch.iter().map(|queued| (queued.event.clone(), queued.attempt())).collect();
    let mut started = Some(Instant::now());
    subscriber.mailbox.begin_together(size);
    origin::begin_batch(batch);
    let is_around = |(event, _): &(Event, u32)| event.chain().is_some_and(|chain| chain.is_around_handle());
    let (outcomes, fit, unfit) = if events.iter().any(is_around) {
        let (deliveries, unfit) = deliveries::<Event>(seat, code, events);
        let (fit, together) = (deliveries.len(), Together::of(deliveries.len()));
        let ways = together.ways(deliveries);
        let call = |ways| together.handle(handler, ways);
        (call_once(ways, fit, call, subscriber, H::BLOCKS, &mut started).await, fit, unfit)
    } else {
        let (deliveries, unfit) = deliveries::<T>(seat, code, events);
        let (fit, call) = (deliveries.len(), |batch| handler.handle(batch));
        (call_once(deliveries, fit, call, subscriber, H::BLOCKS, &mut started).await, fit, unfit)
    };
    subscriber.mailbox.end_together(size);

    let mut said = outcomes.of(fit).into_iter();
    let core = seat.subscription.core();
    let mut told = Vec::new();
    for (queued, unfit) in origin::take_batch().into_iter().zip(unfit) {
        let said = unfit.map(Said::from).or_else(|| said.next()).unwrap_or(Said::Skipped);
        told.append(&mut settle(core, subscriber, code, queued, started, said).told);
    }
    if !told.is_empty() {
        // This worker does not come back at once for what its deliveries held back.
        subscriber.mailbox.wake_another();
        tell_the_rest(subscriber, told).await;
    }
    origin::end();
}

/// The deliveries of a batch. What cannot be read as what is asked for has failed by itself, and the others go on without it.
fn deliveries<T: Content>(
    seat: &Arc<Seat>,
    code: &Code,
    events: Vec<(Event, u32)>,
) -> (Vec<Delivery<T>>, Vec<Option<HandlerError>>) {
    let mut deliveries = Vec::with_capacity(events.len());
    let mut unfit = Vec::with_capacity(events.len());
    for (event, number) in events {
        let delivery = || attempt::delivery(seat, code.transform.as_ref(), event, number);
        match catch_unwind(AssertUnwindSafe(delivery)) {
            Ok(Ok(delivery)) => {
                deliveries.push(delivery);
                unfit.push(None);
            }
            Ok(Err(error)) => unfit.push(Some(HandlerError::permanent(error))),
            Err(panic) => unfit.push(Some(HandlerError::permanent(panicked(panic)))),
        }
    }
    (deliveries, unfit)
}

/// Calls the handler, unless there is nothing to handle.
async fn call_once<B, F: Future<Output = Outcomes>>(
    batch: B,
    size: usize,
    call: impl FnOnce(B) -> F,
    subscriber: &Subscriber,
    blocks: bool,
    started: &mut Option<Instant>,
) -> Outcomes {
    if size == 0 {
        return Outcomes::each(Vec::new());
    }
    let (mut calling, alarm) = (pin!(None), pin!(None));
    match attempt::begin(calling.as_mut(), || Ok(batch), call) {
        Ok(()) => attempt::in_time(calling, alarm, subscriber, blocks, started).await,
        Err(error) => error.into(),
    }
}
