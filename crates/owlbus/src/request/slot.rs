//! One place in the table: what somebody waits for, and what has come of it.

use std::{
    collections::VecDeque,
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    task::{Context, Poll, Waker},
};

use crate::{event::Event, sync::Mutex, topic::Pattern};

/// What somebody waits for. Held by the table, and by who waits.
pub(crate) struct Slot {
    asks: Asks,
    state: Mutex<State>,
}

/// Which events are meant.
pub(super) enum Asks {
    /// Those under a topic the table knows; whether the first of them is enough.
    Reply { one: bool },
    /// Those under these topics.
    Topics(Vec<Pattern>),
    /// Those of these types.
    Types(&'static [&'static str]),
}

pub(super) type Predicate = Arc<dyn Fn(&Event) -> bool + Send + Sync>;

struct State {
    /// All of them must agree.
    predicates: Vec<Predicate>,
    /// What came and was not taken yet.
    came: VecDeque<Event>,
    /// How many more it takes, those that came among them.
    room: usize,
    closed: bool,
    waker: Option<Waker>,
}

/// Nothing more will come: the bus is closed.
#[derive(Debug)]
pub(super) struct Closed;

impl Slot {
    pub(super) fn new(asks: Asks, most: usize, closed: bool) -> Arc<Self> {
        let (predicates, came) = (Vec::new(), VecDeque::new());
        let state = State { predicates, came, room: most, closed, waker: None };
        Arc::new(Self { asks, state: Mutex::new(state) })
    }

    /// Whether an event is one of those that are meant, but for the predicates.
    pub(super) fn asks_for(&self, event: &Event) -> bool {
        match &self.asks {
            Asks::Reply { .. } => false,
            Asks::Topics(patterns) => patterns.iter().any(|pattern| pattern.matches(event.topic())),
            Asks::Types(types) => !event.topic().is_reserved() && types.contains(&event.event_type()),
        }
    }

    /// Whether what the bus itself has to say may be meant.
    pub(super) fn hears_own(&self) -> bool {
        matches!(&self.asks, Asks::Topics(patterns) if patterns.iter().any(Pattern::is_reserved))
    }

    /// Whether the first answer ends the wait.
    pub(crate) fn one_will_do(&self) -> bool {
        matches!(self.asks, Asks::Reply { one: true })
    }

    /// Whether whoever waits has something to go on with.
    pub(crate) fn is_over(&self) -> bool {
        let state = self.state.lock();
        state.closed || !state.came.is_empty()
    }

    /// Gives it an event; says whether it was taken.
    pub(super) fn offer(&self, event: &Event) -> bool {
        let mut agreed = 0;
        loop {
            let mut state = self.state.lock();
            if state.closed || state.room == 0 {
                return false;
            }
            let unasked = state.predicates[agreed..].to_vec();
            if unasked.is_empty() {
                state.came.push_back(event.clone());
                state.room -= 1;
                let waker = state.waker.take();
                drop(state);
                waker.into_iter().for_each(Waker::wake);
                return true;
            }
            drop(state);
            // Predicates are code of users, and may be added meanwhile.
            if !unasked.iter().all(|predicate| agrees(predicate, event)) {
                return false;
            }
            agreed += unasked.len();
        }
    }

    /// From now on it takes only what this agrees with too; so it does with what came before.
    pub(super) fn narrow(&self, predicate: Predicate) {
        let mut state = self.state.lock();
        state.predicates.push(Arc::clone(&predicate));
        let came = mem::take(&mut state.came);
        drop(state);
        let before = came.len();
        let mut kept: VecDeque<_> = came.into_iter().filter(|event| agrees(&predicate, event)).collect();
        let mut state = self.state.lock();
        state.room += before - kept.len();
        // What came meanwhile came later.
        kept.append(&mut state.came);
        state.came = kept;
    }

    /// The first of these events that it takes, where nothing came before that.
    pub(super) fn first_of(&self, events: Vec<Event>) -> Option<Event> {
        let predicates = self.state.lock().predicates.clone();
        let taken = |event: &Event| self.asks_for(event) && predicates.iter().all(|one| agrees(one, event));
        let first = events.into_iter().find(taken)?;
        let came = self.state.lock().came.front().map(Event::seq);
        came.is_none_or(|came| first.seq() < came).then_some(first)
    }

    /// From now on one is enough, if none is there yet.
    pub(super) fn settle_for_one(&self) {
        let mut state = self.state.lock();
        state.room = usize::from(state.came.is_empty()).min(state.room);
    }

    /// What came first, or that nothing will.
    pub(super) fn poll(&self, cx: &mut Context<'_>) -> Poll<Result<Event, Closed>> {
        let mut state = self.state.lock();
        if let Some(event) = state.came.pop_front() {
            return Poll::Ready(Ok(event));
        }
        if state.closed {
            return Poll::Ready(Err(Closed));
        }
        let former = match &state.waker {
            Some(waker) if waker.will_wake(cx.waker()) => None,
            _ => state.waker.replace(cx.waker().clone()),
        };
        drop(state);
        // It may be the last to hold a task.
        drop(former);
        Poll::Pending
    }

    /// Nothing more will come.
    pub(super) fn close(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        let waker = state.waker.take();
        drop(state);
        waker.into_iter().for_each(Waker::wake);
    }
}

fn agrees(predicate: &Predicate, event: &Event) -> bool {
    catch_unwind(AssertUnwindSafe(|| predicate(event))).unwrap_or_else(|_| {
        tracing::warn!(topic = %event.topic(), "a filter of `wait_for` panicked; the event was passed over");
        false
    })
}
