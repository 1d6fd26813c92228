//! Who waits for whom, so that handlers that wait for each other end with an error instead of hanging.
//!
//! Every wait of a handler is an [`Edge`] from its worker to what it waits for. A wait is stuck where nothing that it
//! waits for can come about unless some stuck wait ends: then it is part of a loop, or waits for one. Loops close in two
//! ways, and each is looked for when it happens: a handler begins to wait, or a worker runs out of things to do.

use std::{
    fmt,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll, Waker},
};

use smol_str::SmolStr;

use crate::{
    dispatch::Subscriber,
    handle::{Origin, Ticket},
    request::Slot,
    settle::{Pending, Runner, Tracker},
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
    subscriber: Arc<Subscriber>,
    worker: usize,
    /// The key it keeps others of back, where keys are kept in order.
    key: Option<SmolStr>,
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
    /// The key of that event.
    pub(crate) key: SmolStr,
    /// Where that event is a request: its answer, which may come of any of those that get it.
    pub(crate) answer: Option<Arc<Slot>>,
}

/// A wait that is under way; it ends when this is dropped.
pub(crate) struct Waiting {
    waits: Arc<Waits>,
    edge: Arc<Edge>,
}

impl Waits {
    /// Begins a wait, unless that would close a loop.
    pub(crate) fn begin(self: &Arc<Self>, origin: &Origin, on: On) -> Result<Waiting, Cycle> {
        let edge = Arc::new(Edge {
            subscriber: Arc::clone(origin.subscriber()),
            worker: origin.worker(),
            key: origin.key(),
            on,
            path: OnceLock::new(),
            waker: Mutex::new(None),
        });
        let waiting = Waiting { waits: Arc::clone(self), edge };
        let mut edges = self.lock();
        edges.push(Arc::clone(&waiting.edge));
        self.count.store(edges.len(), SeqCst);
        let stuck = Look::at(&edges).stuck(&waiting.edge);
        drop(edges);
        match stuck {
            Some(path) => Err(Cycle { path }),
            None => Ok(waiting),
        }
    }

    /// A worker has nothing to do: that may have closed a loop. The newest wait of it ends.
    pub(crate) fn recheck(&self) {
        if self.count.load(SeqCst) == 0 {
            return;
        }
        let mut ended = Vec::new();
        let mut edges = self.lock();
        while let Some((at, path)) = Look::at(&edges).newest() {
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

/// A look at all waits at one instant. Whatever is on the way that is followed counts as stuck: where nothing on it can go
/// on without the rest, that is true.
struct Look<'a> {
    edges: &'a [Arc<Edge>],
    way: Vec<(Option<&'a Edge>, Arc<str>)>,
    found: Vec<Arc<str>>,
}

impl<'a> Look<'a> {
    fn at(edges: &'a [Arc<Edge>]) -> Self {
        Self { edges, way: Vec::new(), found: Vec::new() }
    }

    /// The loop a wait is stuck in.
    fn stuck(mut self, edge: &Edge) -> Option<Vec<Arc<str>>> {
        let edge = self.edges.iter().find(|other| std::ptr::eq(&***other, edge))?;
        self.is_stuck(edge).then_some(self.found)
    }

    /// The newest wait that is stuck, and its loop.
    fn newest(self) -> Option<(usize, Vec<Arc<str>>)> {
        let edges = self.edges;
        let newest_first = edges.iter().enumerate().rev();
        newest_first
            .map(|(at, edge)| (at, Look::at(edges).stuck(edge)))
            .find_map(|(at, path)| Some((at, path?)))
    }

    fn is_stuck(&mut self, edge: &'a Edge) -> bool {
        let here = |(other, _): &(Option<&Edge>, _)| other.is_some_and(|other| std::ptr::eq(other, edge));
        if let Some(at) = self.way.iter().position(here) {
            let mut names: Vec<_> = self.way[at..].iter().map(|(_, name)| Arc::clone(name)).collect();
            names.dedup();
            if names.len() > 1 && names.first() == names.last() {
                names.pop();
            }
            self.found = names;
            return true;
        }
        self.way.push((Some(edge), Arc::clone(&edge.subscriber.name)));
        let stuck = self.waits_in_vain(&edge.on);
        self.way.pop();
        stuck
    }

    fn waits_in_vain(&mut self, on: &On) -> bool {
        let waits = |(subscriber, ticket): &&(Arc<Subscriber>, Option<Ticket>)| {
            ticket.is_none_or(|ticket| subscriber.mailbox.still_waits(ticket))
        };
        if let Some(answer) = &on.answer {
            if answer.is_over() {
                return false;
            }
            if answer.one_will_do() {
                return self.asks_in_vain(on);
            }
        }
        if on.rooms.iter().filter(waits).any(|(subscriber, _)| self.stands_still(subscriber, None, false)) {
            return true;
        }
        if on.coming.iter().any(|subscriber| self.stands_still(subscriber, Some(&on.key), true)) {
            return true;
        }
        let pending = on.tracker.iter().flat_map(|tracker| tracker.pending());
        pending.into_iter().any(|pending| self.pending_is_stuck(&pending, &on.key))
    }

    /// Whether nobody is left who could answer.
    fn asks_in_vain(&mut self, on: &On) -> bool {
        let pending: Vec<_> = on.tracker.iter().flat_map(|tracker| tracker.pending()).collect();
        // Where there is nobody at all, the request ends by itself.
        !(on.coming.is_empty() && pending.is_empty())
            && on.coming.iter().all(|subscriber| self.stands_still(subscriber, Some(&on.key), true))
            && pending.iter().all(|pending| self.pending_is_stuck(pending, &on.key))
    }

    fn pending_is_stuck(&mut self, pending: &Pending, key: &str) -> bool {
        match pending {
            Pending::Waiting(subscriber) => self.stands_still(subscriber, Some(key), false),
            Pending::Running(runner) => self.worker_is_stuck(runner),
        }
    }

    /// Whether a worker waits in vain.
    fn worker_is_stuck(&mut self, runner: &Runner) -> bool {
        let edges = self.edges;
        let its =
            |edge: &&Arc<Edge>| edge.subscriber.id == runner.subscriber.id && edge.worker == runner.worker;
        edges.iter().filter(its).any(|edge| self.is_stuck(edge))
    }

    /// Whether nothing will happen in a mailbox, for an event of that key, be it inside or still to come.
    fn stands_still(&mut self, subscriber: &Arc<Subscriber>, key: Option<&str>, coming: bool) -> bool {
        let edges = self.edges;
        let its = |edge: &&Arc<Edge>| edge.subscriber.id == subscriber.id;
        if let Some(key) = key.filter(|key| subscriber.mailbox.by_key() && subscriber.mailbox.runs(key)) {
            let holds = |edge: &&Arc<Edge>| its(edge) && edge.key.as_deref() == Some(key);
            return edges.iter().filter(holds).any(|edge| self.is_stuck(edge));
        }
        let Some(standing) = subscriber.mailbox.standing() else { return false };
        let mut waiting: Vec<usize> = edges.iter().filter(its).map(|edge| edge.worker).collect();
        waiting.sort_unstable();
        waiting.dedup();
        let goes_on = (waiting.len() as u64) < standing.running;
        // A worker may wait that has settled its delivery, and tells of its failure.
        let free = standing.free && (waiting.len() as u64) < standing.workers;
        let can_start = free && (standing.startable || coming);
        // Where nobody waits and nothing is held back, what is waited for has just come about.
        if goes_on || can_start || (waiting.is_empty() && standing.held.is_empty()) {
            return false;
        }
        self.way.push((None, Arc::clone(&subscriber.name)));
        let runner = |worker| Runner { subscriber: Arc::clone(subscriber), worker };
        let stuck = waiting.into_iter().all(|worker| self.worker_is_stuck(&runner(worker)))
            && (!free
                || standing.held.iter().all(|runners| runners.iter().any(|one| self.worker_is_stuck(one))));
        self.way.pop();
        stuck
    }
}
