//! A worker: takes what is next from the mailbox, and sees it through.

use std::{
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    runtime::Handle,
    time::{Instant, Sleep, sleep_until},
};

use super::{
    attempt,
    batch::Batch,
    content::Content,
    delivery::{Delivery, Seat},
    handler::Handler,
    mailbox::{Gathered, Queued, Taken, Taking},
    origin,
    overflow::Gap,
};
use crate::{
    clock,
    dispatch::Subscriber,
    event::ContentError,
    middleware::{self, Chain, End, Typed},
    settle::{Said, Told, expire, settle},
};

/// Takes and handles deliveries until there will be none any more.
pub(crate) async fn work<T: Content, H: Handler<T>>(handler: Arc<H>, seat: Arc<Seat>) {
    let subscriber = Arc::clone(seat.subscription.subscriber());
    let mut hand = Hand::new(Arc::clone(&subscriber), seat.worker);
    // Held from here on: the subscription may end while a delivery runs.
    let code = subscriber.code();
    let deliveries = async {
        // The call and its alarm lie here, and not in each delivery: they are large, and would be moved.
        let (mut call, mut alarm) = (pin!(None), pin!(None));
        while let Some(taken) = poll_fn(|cx| hand.poll_take(cx)).await {
            let queued = match taken {
                Taken::Gap(gap) => {
                    tell(&subscriber, gap);
                    continue;
                }
                Taken::Event(queued) => queued,
            };
            if queued.event.is_expired() {
                if expire(&subscriber, queued) {
                    seat.subscription.unsubscribe();
                }
                continue;
            }
            // In a burst nobody reads the clock for each event, unless somebody looks at failures.
            let timed = hand.has_slept() || subscriber.times_attempts;
            let (event, number) = (queued.event.clone(), queued.attempt());
            origin::begin(queued);
            let mut started = timed.then(Instant::now);
            let chain = event.chain().filter(|chain| chain.is_around_handle()).cloned();
            let transform = code.transform.as_ref();
            let said = if let Some(chain) = chain {
                let end = Typed::<T, H>::new(Arc::clone(&handler));
                let delivery = || attempt::delivery(&seat, transform, event, number);
                Box::pin(around(chain, end, delivery, &subscriber, H::BLOCKS, &mut started)).await
            } else {
                let delivery = || attempt::delivery(&seat, transform, event, number);
                match attempt::begin(call.as_mut(), delivery, |delivery| handler.handle(delivery)) {
                    Ok(()) => {
                        let (call, alarm) = (call.as_mut(), alarm.as_mut());
                        attempt::in_time(call, alarm, &subscriber, H::BLOCKS, &mut started).await
                    }
                    Err(error) => error.into(),
                }
            };
            let failed = matches!(said, Said::Failed(_));
            let Some(queued) = origin::take(failed) else { continue };
            let settled = settle(seat.subscription.core(), &subscriber, &code, queued, started, said);
            if failed {
                if !settled.told.is_empty() {
                    // This worker does not come back at once for what its delivery held back.
                    subscriber.mailbox.wake_another();
                    Box::pin(tell_the_rest(&subscriber, settled.told)).await;
                }
                origin::end();
            }
            // The retries belong to the one event it is for.
            if settled.for_good && subscriber.claimed.is_some() {
                seat.subscription.unsubscribe();
            }
        }
    };
    origin::at_work(Arc::clone(&seat), deliveries).await;
}

/// One attempt through the middlewares around it, as [`attempt::in_time`].
async fn around(
    chain: Arc<Chain>,
    end: Arc<dyn End>,
    make: impl FnOnce() -> Result<Delivery, ContentError>,
    subscriber: &Subscriber,
    blocks: bool,
    started: &mut Option<Instant>,
) -> Said {
    let (mut call, alarm) = (pin!(None), pin!(None));
    match attempt::begin(call.as_mut(), make, |delivery| middleware::attempt(chain, 0, end, delivery)) {
        Ok(()) => attempt::in_time(call, alarm, subscriber, blocks, started).await,
        Err(error) => error.into(),
    }
}

/// Lets functions that await be told of a failure, each for as long as an attempt may take.
pub(super) async fn tell_the_rest(subscriber: &Subscriber, rest: Vec<Told>) {
    let limit = subscriber.timeout.unwrap_or(Duration::MAX);
    for told in rest {
        if tokio::time::timeout(limit, told).await.is_err() {
            tracing::warn!(subscription = %subscriber.name, "an on_error function took too long, and was cancelled");
        }
    }
}

/// Tells a subscription what it missed.
pub(super) fn tell(subscriber: &Subscriber, gap: Gap) {
    let Some(on_gap) = subscriber.on_gap.open() else { return };
    if catch_unwind(AssertUnwindSafe(|| on_gap(gap))).is_err() {
        tracing::warn!(subscription = %subscriber.name, "the on_gap function panicked");
    }
}

/// Why a batch has no more events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Until {
    /// It is large enough, or the rest has not come yet.
    Enough,
    /// Something is to be told behind it.
    Gap(Gap),
    /// There will be no more.
    Over,
}

/// How many deliveries count as one step of a task, of which tokio grants 128 at a time.
const IN_A_ROW: u32 = 2;

/// One of the hands that take from a mailbox.
pub(crate) struct Hand {
    pub(crate) subscriber: Arc<Subscriber>,
    number: usize,
    /// How often it took.
    taken: u32,
    asleep: bool,
    /// Whether it slept before what it took last.
    slept: bool,
    /// Rings when an event has been held back by its band for as long as it may be.
    alarm: Option<Pin<Box<Sleep>>>,
    /// Until when what there is waits for more.
    gathers_until: Option<Instant>,
}

impl Hand {
    pub(crate) fn new(subscriber: Arc<Subscriber>, number: usize) -> Self {
        Self { subscriber, number, taken: 0, asleep: false, slept: true, alarm: None, gathers_until: None }
    }

    /// Whether it slept before what it took last, which then did not come in a burst.
    fn has_slept(&mut self) -> bool {
        std::mem::take(&mut self.slept)
    }

    /// The next event that may start. Gives way to other tasks after [`IN_A_ROW`] times what tokio's own channels give: each
    /// time wakes a thread of the runtime, which costs as much as a dozen deliveries.
    pub(crate) fn poll_take(&mut self, cx: &mut Context<'_>) -> Poll<Option<Taken>> {
        let given = match self.taken.is_multiple_of(IN_A_ROW) {
            true => Some(ready!(tokio::task::coop::poll_proceed(cx))),
            false => None,
        };
        loop {
            if std::mem::take(&mut self.asleep) {
                self.subscriber.mailbox.awake(self.number);
            }
            let until = match self.subscriber.mailbox.take(self.number, Some(cx.waker())) {
                Taking::Taken(taken) => {
                    self.taken = self.taken.wrapping_add(1);
                    given.inspect(|given| given.made_progress());
                    if let Taken::Event(queued) = &taken
                        && let Some(watched) = queued.watched()
                    {
                        watched.started(self.number);
                    }
                    return Poll::Ready(Some(taken));
                }
                Taking::Over => {
                    given.inspect(|given| given.made_progress());
                    return Poll::Ready(None);
                }
                Taking::Asleep { until } => until,
            };
            self.asleep = true;
            self.slept = true;
            self.subscriber.waits.recheck(self.subscriber.id);
            let Some(until) = until else { return Poll::Pending };
            ready!(self.poll_alarm(until, cx));
        }
    }

    /// Takes up to as many events as make a batch, once there are as many, or fewer have waited for as long as they do. Says why
    /// it takes no more.
    pub(crate) fn poll_batch(
        &mut self,
        batch: Batch,
        taken: &mut Vec<Queued>,
        cx: &mut Context<'_>,
    ) -> Poll<Until> {
        let given = ready!(tokio::task::coop::poll_proceed(cx));
        loop {
            if std::mem::take(&mut self.asleep) {
                self.subscriber.mailbox.awake(self.number);
            }
            if self.subscriber.mailbox.gather(self.number, batch.size, cx.waker()) == Gathered::Some {
                self.asleep = true;
                let until = *self.gathers_until.get_or_insert_with(|| clock::deadline(batch.wait));
                ready!(self.poll_alarm(until, cx));
                // They have waited for as long as they do.
                self.asleep = false;
                self.subscriber.mailbox.awake(self.number);
            }
            self.gathers_until = None;
            while taken.len() < batch.size {
                let waker = taken.is_empty().then(|| cx.waker());
                match self.subscriber.mailbox.take(self.number, waker) {
                    Taking::Taken(Taken::Event(queued)) => {
                        if let Some(watched) = queued.watched() {
                            watched.started(self.number);
                        }
                        taken.push(queued);
                    }
                    Taking::Taken(Taken::Gap(gap)) => {
                        given.made_progress();
                        return Poll::Ready(Until::Gap(gap));
                    }
                    Taking::Over => {
                        given.made_progress();
                        return Poll::Ready(Until::Over);
                    }
                    Taking::Asleep { until } if taken.is_empty() => {
                        self.asleep = true;
                        self.subscriber.waits.recheck(self.subscriber.id);
                        let Some(until) = until else { return Poll::Pending };
                        ready!(self.poll_alarm(until, cx));
                        break;
                    }
                    Taking::Asleep { .. } => break,
                }
            }
            if !taken.is_empty() {
                given.made_progress();
                return Poll::Ready(Until::Enough);
            }
        }
    }

    /// Waits until then. Where there is no runtime there is no clock: what is kept for its time goes in at once, and of
    /// what goes before only the end counts.
    fn poll_alarm(&mut self, until: Instant, cx: &mut Context<'_>) -> Poll<()> {
        if Handle::try_current().is_err() {
            return if self.subscriber.mailbox.hurry() { Poll::Ready(()) } else { Poll::Pending };
        }
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(sleep_until(until)));
        if alarm.deadline() != until {
            alarm.as_mut().reset(until);
        }
        alarm.as_mut().poll(cx)
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
