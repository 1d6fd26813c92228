//! Who waits for whom, so that handlers that wait for each other end with an error instead of hanging.
//!
//! Every wait of a handler is an [`Edge`] from its worker to what it waits for. A wait is stuck where nothing that it
//! waits for can come about unless some stuck wait ends: then it is part of a loop, or waits for one. Loops close in two
//! ways, and each is looked for when it happens ([`Look`]): a handler begins to wait, or a worker that somebody waits for
//! runs out of things to do.

mod look;

use std::{
    fmt,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll, Waker},
};

use smol_str::SmolStr;

use look::Look;

use crate::{
    dispatch::{Subscriber, SubscriberId},
    handle::{Origin, Ticket},
    request::Slot,
    settle::Tracker,
};

/// Handlers that would wait for each other for ever: each waits for the next, and the last for the first.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Cycle {
    /// Names of the subscriptions, beginning with the one that was told.
    pub path: Vec<Arc<str>>,
}

impl fmt::Display for Cycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("handlers would wait for each other: ")?;
        for name in &self.path {
            write!(f, "`{}` → ", crate::event::Escaped(name))?;
        }
        match self.path.first() {
            Some(first) => write!(
                f,
                "`{}`; publish from a task of its own, or do not wait",
                crate::event::Escaped(first)
            ),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Cycle {}

/// The waits of handlers that are under way on one bus.
#[derive(Default)]
pub(crate) struct Waits {
    edges: Mutex<Vec<Arc<Edge>>>,
    /// How many there are, so that a worker that goes to sleep knows without a lock.
    count: AtomicUsize,
}

/// One wait.
struct Edge {
    /// The delivery whose handler waits. When that is over, this is nobody's wait any more.
    origin: Origin,
    on: On,
    /// The loop this wait was found to be part of.
    path: OnceLock<Vec<Arc<str>>>,
    waker: Mutex<Option<Waker>>,
}

/// What a handler waits for: all of it, unless one answer will do.
#[derive(Default)]
pub(crate) struct On {
    /// Room in these mailboxes; no ticket where it does not stand in line yet.
    pub(crate) rooms: Vec<(Arc<Subscriber>, Option<Ticket>)>,
    /// An event that is still to be given to these.
    pub(crate) coming: Vec<Arc<Subscriber>>,
    /// An event that is on its way.
    pub(crate) tracker: Option<Arc<Tracker>>,
    /// Whether only the first attempts at it are waited for.
    pub(crate) first_attempts: bool,
    /// The key of that event.
    pub(crate) key: SmolStr,
    /// Where that event is a request: its answer, which may come of any of those that get it.
    pub(crate) answer: Option<Arc<Slot>>,
}

impl Edge {
    fn subscriber(&self) -> &Arc<Subscriber> {
        self.origin.subscriber()
    }

    /// Whether it hangs on this subscription, or on its workers.
    fn concerns(&self, id: SubscriberId) -> bool {
        let On { rooms, coming, tracker, .. } = &self.on;
        self.subscriber().id == id
            || rooms.iter().any(|(subscriber, _)| subscriber.id == id)
            || coming.iter().any(|subscriber| subscriber.id == id)
            || tracker.as_ref().is_some_and(|tracker| tracker.goes_to(id))
    }
}

/// A wait that is under way; it ends when this is dropped.
pub(crate) struct Waiting {
    waits: Arc<Waits>,
    edge: Arc<Edge>,
}

impl Waits {
    /// Begins a wait, unless that would close a loop.
    pub(crate) fn begin(self: &Arc<Self>, origin: &Origin, on: On) -> Result<Waiting, Cycle> {
        let edge =
            Arc::new(Edge { origin: origin.clone(), on, path: OnceLock::new(), waker: Mutex::new(None) });
        let waiting = Waiting { waits: Arc::clone(self), edge };
        let mut edges = self.lock();
        edges.push(Arc::clone(&waiting.edge));
        self.count.store(edges.len(), SeqCst);
        let last = edges.len() - 1;
        let look = Look::at(&edges, [last]);
        let stuck = look.is_stuck(last).then(|| look.path(last));
        drop(edges);
        match stuck {
            Some(path) => Err(Cycle { path }),
            None => Ok(waiting),
        }
    }

    /// A worker of a subscription has nothing to do: that may have closed a loop. The newest wait of it ends.
    pub(crate) fn recheck(&self, id: SubscriberId) {
        if self.count.load(SeqCst) == 0 {
            return;
        }
        let mut ended = Vec::new();
        let mut edges = self.lock();
        loop {
            let concerned: Vec<_> = (0..edges.len()).filter(|place| edges[*place].concerns(id)).collect();
            if concerned.is_empty() {
                break;
            }
            let Some((at, path)) = Look::at(&edges, concerned).newest() else { break };
            let edge = edges.remove(at);
            _ = edge.path.set(path);
            ended.push(edge);
        }
        self.count.store(edges.len(), SeqCst);
        drop(edges);
        for edge in ended {
            let waker = edge.waker.lock().unwrap_or_else(PoisonError::into_inner).take();
            waker.into_iter().for_each(Waker::wake);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Edge>>> {
        self.edges.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    /// The loop this wait was found to be part of, once it is.
    pub(crate) fn poll_cycle(&self, cx: &mut Context<'_>) -> Poll<Cycle> {
        *self.edge.waker.lock().unwrap_or_else(PoisonError::into_inner) = Some(cx.waker().clone());
        match self.edge.path.get() {
            Some(path) => Poll::Ready(Cycle { path: path.clone() }),
            None => Poll::Pending,
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut edges = self.waits.lock();
        edges.retain(|edge| !Arc::ptr_eq(edge, &self.edge));
        self.waits.count.store(edges.len(), SeqCst);
    }
}
