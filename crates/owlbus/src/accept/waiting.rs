//! What a publisher waits for, once the event is where it goes.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
    time::Duration,
};

use smol_str::SmolStr;
use tokio::{
    runtime::Handle,
    time::{Instant, timeout_at},
};

use super::{Passage, Receipt};
use crate::{
    bus::Core,
    dispatch::{Wait, Waited},
    handle::{DropReason, Origin},
    own_events,
    settle::Tracker,
    waits::{self, On},
};

/// A publish that waits: for room, for the first attempts of an `Immediate` event, and for a pause.
pub(super) struct Waiting<'a> {
    pub(super) core: &'a Core,
    pub(super) receipt: Receipt,
    /// The event's key, where a handler waits for its first attempts.
    key: SmolStr,
    pub(super) rooms: Vec<Wait>,
    pub(super) attempts: Option<Attempts>,
    /// How long it pauses after that, for a subscription that falls behind.
    pub(super) pause: Duration,
    /// The edge from the handler that publishes, if one does.
    edge: Option<waits::Waiting>,
    /// Goes last: a shutdown waits for it. Those of copies too.
    pub(super) passages: Vec<Passage<'a>>,
}

/// The first attempts at an `Immediate` event.
pub(super) struct Attempts {
    tracker: Arc<Tracker>,
    over: Pin<Box<dyn Future<Output = ()> + Send>>,
    deadline: Instant,
}

/// How long the publisher of an `Immediate` event waits for its first attempts.
const PATIENCE: Duration = Duration::from_secs(5);

impl Attempts {
    pub(super) fn of(tracker: &Arc<Tracker>) -> Self {
        let watched = Arc::clone(tracker);
        Self {
            tracker: Arc::clone(tracker),
            over: Box::pin(async move { watched.attempted().await }),
            deadline: tracker.since() + PATIENCE,
        }
    }
}

impl<'a> Waiting<'a> {
    pub(super) fn new(core: &'a Core, receipt: Receipt, key: SmolStr, passage: Passage<'a>) -> Self {
        Self {
            core,
            receipt,
            key,
            rooms: Vec::new(),
            attempts: None,
            pause: Duration::ZERO,
            edge: None,
            passages: vec![passage],
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.rooms.is_empty() && self.attempts.is_none()
    }

    /// Waits until every mailbox has taken the event or the publisher lost patience with it.
    ///
    /// Dropped meanwhile, the waits that are left count as timed out.
    pub(super) async fn wait(mut self, origin: Option<Box<Origin>>) -> Receipt {
        // Without a runtime there is no clock to wait by, and nobody who would make room.
        let clock = Handle::try_current().is_ok();
        self.begin(origin);
        while let Some(deadline) = self.deadline() {
            let in_time = clock && timeout_at(deadline, poll_fn(|cx| self.poll(cx))).await.is_ok();
            if !in_time {
                self.expire(Instant::now().max(deadline));
            }
        }
        if !self.pause.is_zero() && clock {
            tokio::time::sleep(self.pause).await; // sleeps: a subscription asked for it.
        }
        self.receipt
    }

    /// As [`wait`](Self::wait), and holds up the thread.
    pub(super) fn wait_here(mut self, origin: Option<Box<Origin>>) -> Receipt {
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        self.begin(origin);
        while let Some(deadline) = self.deadline() {
            if self.poll(&mut Context::from_waker(&waker)).is_ready() {
                continue;
            }
            let now = Instant::now();
            match deadline > now {
                true => thread::park_timeout(deadline - now),
                false => self.expire(now),
            }
        }
        if !self.pause.is_zero() {
            thread::sleep(self.pause); // sleeps: a subscription asked for it.
        }
        self.receipt
    }

    /// Waits for nothing.
    pub(super) fn at_once(mut self) -> Receipt {
        self.give_up();
        self.receipt
    }

    /// Notes who waits for whom. A loop that closed since it was looked for is not waited in.
    fn begin(&mut self, origin: Option<Box<Origin>>) {
        let Some(origin) = origin.filter(|_| !self.is_over()) else { return };
        let on = On {
            rooms: self.rooms.iter().map(|wait| (Arc::clone(&wait.subscriber), wait.ticket())).collect(),
            tracker: self.attempts.as_ref().map(|attempts| Arc::clone(&attempts.tracker)),
            first_attempts: true,
            key: self.key.clone(),
            ..On::default()
        };
        match self.core.waits.begin(&origin, on) {
            Ok(edge) => self.edge = Some(edge),
            Err(_) => self.give_up(),
        }
    }

    /// When the next of the waits has lasted long enough; `None` when none is left.
    fn deadline(&self) -> Option<Instant> {
        let attempts = self.attempts.as_ref().map(|attempts| attempts.deadline);
        // A first attempt comes after the room for it.
        self.rooms.iter().map(Wait::deadline).min().or(attempts)
    }

    /// Ready whenever one of the waits has ended.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.edge.as_ref().is_some_and(|edge| edge.poll_cycle(cx).is_ready()) {
            self.give_up();
            return Poll::Ready(());
        }
        let before = self.rooms.len();
        if before > 0 {
            self.settle_rooms(|wait| wait.poll(cx));
            return if self.rooms.len() < before { Poll::Ready(()) } else { Poll::Pending };
        }
        let over = self.attempts.as_mut().is_none_or(|attempts| attempts.over.as_mut().poll(cx).is_ready());
        if over {
            self.attempts = None;
            return Poll::Ready(());
        }
        Poll::Pending
    }

    /// Ends the waits whose time is over.
    fn expire(&mut self, now: Instant) {
        if !self.rooms.is_empty() {
            return self.settle_rooms(|wait| match wait.deadline() <= now {
                true => Poll::Ready(wait.give_up()),
                false => Poll::Pending,
            });
        }
        self.end_attempts();
    }

    fn give_up(&mut self) {
        self.settle_rooms(|wait| Poll::Ready(wait.give_up()));
        self.end_attempts();
    }

    fn end_attempts(&mut self) {
        if let Some(attempts) = self.attempts.take() {
            self.receipt.unfinished = attempts.tracker.unfinished();
        }
    }

    /// Removes the waits for room that ended, and notes how.
    fn settle_rooms(&mut self, mut ended: impl FnMut(&mut Wait) -> Poll<Waited>) {
        let Self { core, receipt, rooms, .. } = self;
        rooms.retain_mut(|wait| {
            let Poll::Ready(waited) = ended(wait) else { return true };
            // A copy is another event, which matches for itself.
            let matched = usize::from(waited != Waited::Gone && wait.seq == receipt.seq);
            receipt.matched = receipt.matched.map(|count| count + matched);
            if let Waited::Dropped(reason) = waited {
                receipt.dropped.get_or_insert_default().push(Arc::clone(&wait.subscriber.name));
                if reason == DropReason::BlockTimeout {
                    own_events::gap(core, &wait.subscriber, reason, 1);
                }
            }
            false
        });
    }
}

/// Wakes a thread that is held up.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
