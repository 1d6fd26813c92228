//! A wait for one event.

use std::{
    fmt,
    future::Future,
    marker::PhantomData,
    pin::Pin,
    sync::{Arc, Weak},
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep_until}; // sleeps: until who waits has waited as long as he said.

use super::{
    awaited::Registered,
    error::WaitError,
    slot::{Asks, Closed},
};
use crate::{
    accept::Receipt,
    bus::Bus,
    clock,
    event::Event,
    handle::Content,
    journal::{History, Seq, Since},
    middleware::{Act, Denied},
    topic::{Pattern, TopicError},
    typed::TypedEvent,
};

/// A wait for one event: a future of the first that matches, of all that are published after the wait was made.
///
/// From [`Bus::wait_for`](crate::Bus::wait_for) and [`Bus::wait_for_type`](crate::Bus::wait_for_type), which register it. So
/// what is published before it is awaited is not missed. Dropping it ends the wait. It is no subscription: it takes no
/// part in what is counted and waited for, and does not keep the bus.
#[must_use = "it waits from now on, but gives the event only to who awaits it"]
pub struct WaitFor<T = Event> {
    /// Gone when the wait is over.
    registered: Option<Registered>,
    /// What was published last.
    history: Arc<History>,
    /// Where the first event stands behind that it takes, until it has looked at those that were there.
    after: Option<Seq>,
    /// Why it cannot wait.
    error: Option<WaitError>,
    /// How long it waits, and until when.
    timeout: Option<(Duration, Instant)>,
    /// Made when it is first awaited, for it takes a runtime.
    sleep: Option<Pin<Box<Sleep>>>,
    content: PhantomData<fn() -> T>,
}

/// Whether whoever holds the handle may have what is under these topics.
fn permitted(bus: &Bus, patterns: &[Pattern]) -> Result<(), WaitError> {
    let chains = &bus.core().chains;
    let ask = |pattern| chains.permits(bus.scope(), Act::Subscribe, pattern);
    patterns.iter().try_for_each(ask).map_err(|Denied { by, reason }| WaitError::Denied { by, reason })
}

const EVERYTHING: Pattern = Pattern::from_static("**");

/// How many events it keeps until it is awaited, so that a filter that is added meanwhile finds the one it is for.
const KEPT: usize = 16;

impl WaitFor<Event> {
    pub(crate) fn topics(bus: &Bus, patterns: Result<Vec<Pattern>, TopicError>) -> Self {
        let patterns = match patterns.map_err(WaitError::from) {
            Ok(patterns) => permitted(bus, &patterns).map(|()| patterns),
            Err(error) => Err(error),
        };
        match patterns {
            Ok(patterns) => {
                Self::new(bus, Some(bus.core().awaited.register(Asks::Topics(patterns), KEPT)), None)
            }
            Err(error) => Self::new(bus, None, Some(error)),
        }
    }
}

impl<T: TypedEvent> WaitFor<T> {
    pub(crate) fn of_type(bus: &Bus) -> Self {
        // What does not decode into a T is not meant.
        match permitted(bus, &[EVERYTHING]) {
            Ok(()) => {
                let registered = bus.core().awaited.register(Asks::Types(T::TYPES), KEPT);
                Self::new(bus, Some(registered), None).filter(|_| true)
            }
            Err(error) => Self::new(bus, None, Some(error)),
        }
    }
}

impl<T: Content> WaitFor<T> {
    fn new(bus: &Bus, registered: Option<Registered>, error: Option<WaitError>) -> Self {
        let history = Arc::clone(&bus.core().history);
        if let (Some(registered), Some(scope)) = (&registered, bus.scope().cloned()) {
            // What is denied to whoever waits by then is not shown to his filters.
            let core = Weak::clone(&bus.core().me);
            let may = move |event: &Event| {
                let topic = Pattern::from(event.topic().clone());
                let core = core.upgrade();
                core.is_some_and(|core| core.chains.permits(Some(&scope), Act::Subscribe, &topic).is_ok())
            };
            registered.slot().narrow(Arc::new(may));
        }
        Self { registered, history, after: None, error, timeout: None, sleep: None, content: PhantomData }
    }

    /// Takes also what was published since that receipt, before the wait was made: an answer that was faster is found, and one
    /// that is older is not taken. The receipt's own event is not meant. Default: only what comes from now on.
    ///
    /// It is looked for in the history of the bus when the wait is first awaited, and is [`WaitError::Forgotten`] where that no
    /// longer reaches back so far. What the bus itself has to say is not in there.
    ///
    /// ```
    /// # async fn example(bus: owlbus::Bus) -> Result<(), Box<dyn std::error::Error>> {
    /// let asked = bus.publish(owlbus::Event::json("door.open", 5)?).await?;
    /// let opened = bus.wait_for("door.opened").after(&asked).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn after(mut self, receipt: &Receipt) -> Self {
        // What is still to be published was not answered yet.
        self.after = (receipt.seq != Seq::NONE).then_some(receipt.seq);
        self
    }

    /// Waits for an event that this agrees with too. Default: any.
    ///
    /// It runs in the publisher, and in here for the first 16 events that came since the wait was made: so write it in the same
    /// expression. An event it panics at is passed over.
    pub fn filter(self, predicate: impl Fn(&T) -> bool + Send + Sync + 'static) -> Self {
        if let Some(registered) = &self.registered {
            let agrees = move |event: &Event| T::of(event).is_ok_and(&predicate);
            registered.slot().narrow(Arc::new(agrees));
        }
        self
    }

    /// Gives up after so long from now, with [`WaitError::TimedOut`]; an event that is there by then is given all the same,
    /// however late that is. Default: waits until the bus is closed. Awaiting it needs tokio's time.
    pub fn timeout(mut self, after: Duration) -> Self {
        self.timeout = Some((after, clock::deadline(after)));
        self
    }
}

impl<T> Future for WaitFor<T> {
    type Output = Result<Event, WaitError>;

    /// # Panics
    ///
    /// When it is polled again after it was ready.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if let Some(error) = this.error.take() {
            return Poll::Ready(Err(error));
        }
        let registered = this.registered.as_ref().expect("a wait is not polled after it was ready");
        let slot = registered.slot();
        if let Some(seq) = this.after.take() {
            let Since { events, complete } = this.history.since(seq);
            let before = slot.first_of(events);
            if before.is_some() || !(complete || slot.is_over()) {
                this.registered = None;
                return Poll::Ready(before.ok_or(WaitError::Forgotten));
            }
        }
        slot.settle_for_one();
        let ended = match slot.poll(cx) {
            Poll::Ready(Ok(event)) => Ok(event),
            Poll::Ready(Err(Closed)) => Err(WaitError::Closed),
            Poll::Pending => {
                let Some((after, deadline)) = this.timeout else { return Poll::Pending };
                let sleep = this.sleep.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
                match sleep.as_mut().poll(cx) {
                    Poll::Ready(()) => Err(WaitError::TimedOut { after }),
                    Poll::Pending => return Poll::Pending,
                }
            }
        };
        this.registered = None;
        Poll::Ready(ended)
    }
}

impl<T> fmt::Debug for WaitFor<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitFor")
            .field("timeout", &self.timeout.map(|(after, _)| after))
            .finish_non_exhaustive()
    }
}
