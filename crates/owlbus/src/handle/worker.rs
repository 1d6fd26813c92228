//! A worker: takes what is next from the mailbox, and sees it through.

use std::{
    cell::RefCell,
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    task::{Context, Poll, ready},
};

use super::{
    attempt::attempt,
    content::Content,
    delivery::Seat,
    handler::Handler,
    mailbox::{Finish, Queued, Taken},
    overflow::{DropReason, Gap},
};
use crate::{dispatch::Subscriber, event::Cause, settle::settle};

tokio::task_local! {
    /// The event this task handles, as the cause of what the task publishes meanwhile.
    static HANDLING: RefCell<Option<Cause>>;
}

/// The event whose handler is running in this task.
pub(crate) fn cause() -> Option<Cause> {
    HANDLING.try_with(|handling| handling.borrow().clone()).ok().flatten()
}

/// Runs code of a handler in another thread; what it publishes has the same cause.
pub(crate) fn caused_by<R>(cause: Option<Cause>, code: impl FnOnce() -> R) -> R {
    HANDLING.sync_scope(RefCell::new(cause), code)
}

/// Takes and handles deliveries until there will be none any more.
pub(crate) async fn work<T: Content, H: Handler<T>>(handler: Arc<H>, seat: Arc<Seat>, number: usize) {
    let subscriber = Arc::clone(seat.subscription.subscriber());
    let mut hand = Hand::new(Arc::clone(&subscriber), number);
    let deliveries = async {
        while let Some(taken) = poll_fn(|cx| hand.poll_take(cx)).await {
            match taken {
                Taken::Gap(gap) => tell(&subscriber, gap),
                Taken::Event(queued) => handle(&*handler, &seat, &subscriber, queued).await,
            }
        }
    };
    HANDLING.scope(RefCell::new(None), deliveries).await;
}

async fn handle<T: Content, H: Handler<T>>(
    handler: &H,
    seat: &Arc<Seat>,
    subscriber: &Subscriber,
    queued: Queued,
) {
    let event = queued.event.clone();
    let mut running = Running { subscriber, queued: Some(queued) };
    HANDLING.with(|handling| *handling.borrow_mut() = Some(event.cause()));
    let said = attempt(handler, seat, event).await;
    HANDLING.with(|handling| *handling.borrow_mut() = None);
    if let Some(queued) = running.queued.take() {
        settle(subscriber, &queued, said);
        let_go(queued);
    }
    if subscriber.claimed.is_some() {
        seat.subscription.unsubscribe();
    }
}

/// Drops an event that may hold the last of a value of the user, whose `Drop` may panic.
fn let_go(queued: Queued) {
    if catch_unwind(AssertUnwindSafe(|| drop(queued))).is_err() {
        tracing::warn!("the data of an event panicked when it was dropped");
    }
}

/// A delivery whose handler runs. Dropped before it is settled, it counts as lost to the shutdown that cancelled it.
struct Running<'a> {
    subscriber: &'a Subscriber,
    queued: Option<Queued>,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if let Some(queued) = self.queued.take() {
            self.subscriber.cut_off(queued);
        }
    }
}

/// Tells a subscription what it missed.
fn tell(subscriber: &Subscriber, gap: Gap) {
    let Some(on_gap) = subscriber.on_gap.open() else { return };
    if catch_unwind(AssertUnwindSafe(|| on_gap(gap))).is_err() {
        tracing::warn!(subscription = %subscriber.name, "the on_gap function panicked");
    }
}

/// One of the hands that take from a mailbox.
pub(crate) struct Hand {
    pub(crate) subscriber: Arc<Subscriber>,
    number: usize,
    asleep: bool,
}

impl Hand {
    pub(crate) fn new(subscriber: Arc<Subscriber>, number: usize) -> Self {
        Self { subscriber, number, asleep: false }
    }

    /// The next event that may start. Gives way to other tasks as often as tokio's own channels do.
    pub(crate) fn poll_take(&mut self, cx: &mut Context<'_>) -> Poll<Option<Taken>> {
        let given = ready!(tokio::task::coop::poll_proceed(cx));
        if std::mem::take(&mut self.asleep) {
            self.subscriber.mailbox.awake(self.number);
        }
        let taken = self.subscriber.mailbox.poll_take(self.number, cx);
        match taken {
            Poll::Ready(_) => given.made_progress(),
            Poll::Pending => self.asleep = true,
        }
        taken
    }
}

impl Drop for Hand {
    fn drop(&mut self) {
        if self.asleep && !self.subscriber.mailbox.awake(self.number) {
            // It was woken for something it will not do any more.
            self.subscriber.mailbox.wake_another();
        }
    }
}

/// How a delivery ends whose handling was cut off.
pub(crate) const CUT_OFF: Finish = Finish::Dropped(DropReason::Shutdown);
