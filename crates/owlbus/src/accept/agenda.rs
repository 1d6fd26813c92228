//! Events that are to be published later.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::SystemTime,
};

use tokio::{
    runtime::Handle,
    sync::Notify,
    time::{Instant, timeout_at},
};

use super::{PublishError, Receipt, check, publish_due};
use crate::{
    bus::Core,
    event::{Escaped, Event, EventId},
    handle::Load,
    journal::Seq,
    memory::Grant,
};

/// The events of a bus that are not due yet. Their place in the journal and their subscriptions are decided when they are.
pub(crate) struct Agenda {
    entries: Mutex<Entries>,
    /// Told when something is due earlier than before, or nothing is due any more.
    changed: Notify,
}

struct Entries {
    /// By when they are due, and in the order they came.
    events: BTreeMap<(Instant, u64), (Event, Load)>,
    came: u64,
    bytes: u64,
    grant: Grant,
    /// Whether a task minds the time.
    minded: bool,
    closed: bool,
}

impl Agenda {
    pub(crate) fn new(grant: Grant) -> Self {
        let entries =
            Entries { events: BTreeMap::new(), came: 0, bytes: 0, grant, minded: false, closed: false };
        Self { entries: Mutex::new(entries), changed: Notify::new() }
    }

    /// Takes an event that is due later. Whatever is wrong with it now is told now.
    pub(crate) fn add(core: &Arc<Core>, event: Event, due: Instant) -> Result<Receipt, PublishError> {
        let bytes = event.bytes_of_it();
        check(core, &event, bytes).inspect_err(|_| core.count_refused())?;
        let Some(runtime) = Handle::try_current().ok().or_else(|| core.runtime.clone()) else {
            core.count_refused();
            let reason =
                "there is no tokio runtime to mind the time; publish it, or build the bus, inside of one";
            return Err(PublishError::rejected(event, "delay", reason));
        };
        let (id, load) = (event.id(), Load::of(event.weight(bytes)));
        let mut entries = core.agenda.lock();
        if entries.closed {
            core.count_refused();
            return Err(PublishError::Closed { event });
        }
        entries.came += 1;
        let number = entries.came;
        entries.events.insert((due, number), (event, load));
        entries.bytes += load.bytes();
        let bytes = entries.bytes;
        entries.grant.cover(bytes);
        let first = !std::mem::replace(&mut entries.minded, true);
        drop(entries);
        match first {
            true => drop(runtime.spawn(mind(Arc::clone(core)))),
            false => core.agenda.changed.notify_one(),
        }
        let after = due.saturating_duration_since(Instant::now());
        Ok(Receipt {
            id,
            seq: Seq::NONE,
            matched: None,
            dropped: None,
            unfinished: Vec::new(),
            due: SystemTime::now().checked_add(after),
            duplicate: false,
            discarded_by: None,
        })
    }

    /// Takes an event back that is not due yet.
    pub(crate) fn cancel(&self, id: &EventId) -> Option<Event> {
        let mut entries = self.lock();
        let key = entries.events.iter().find(|(_, (event, _))| event.id() == *id).map(|(key, _)| *key)?;
        let event = entries.remove(key);
        drop(entries);
        self.changed.notify_one();
        event
    }

    /// How many events are not due yet.
    pub(crate) fn len(&self) -> usize {
        self.lock().events.len()
    }

    /// Takes no more, and gives back what is not due yet, in the order it would have been.
    pub(crate) fn close(&self) -> Vec<Event> {
        let mut entries = self.lock();
        entries.closed = true;
        let left = std::mem::take(&mut entries.events);
        entries.forget_bytes();
        drop(entries);
        self.changed.notify_one();
        left.into_values().map(|(event, _)| event).collect()
    }

    /// The next event if it is due, else when it will be.
    fn next(&self) -> Next {
        let mut entries = self.lock();
        let Some((key, _)) = entries.events.first_key_value() else {
            entries.minded = false;
            return Next::Nothing;
        };
        let key = *key;
        if key.0 > Instant::now() {
            return Next::Later(key.0);
        }
        entries.remove(key).map_or(Next::Nothing, Next::Due)
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Next {
    Due(Event),
    Later(Instant),
    Nothing,
}

impl Entries {
    fn remove(&mut self, key: (Instant, u64)) -> Option<Event> {
        let (event, load) = self.events.remove(&key)?;
        self.bytes -= load.bytes();
        if self.events.is_empty() {
            self.forget_bytes();
        }
        Some(event)
    }

    fn forget_bytes(&mut self) {
        self.bytes = self.events.values().map(|(_, load)| load.bytes()).sum();
        let bytes = self.bytes;
        self.grant.settle(bytes);
    }
}

/// Publishes what is due, in order, until nothing is left. Holds the core only: it keeps no bus alive.
async fn mind(core: Arc<Core>) {
    let mut minder = Minder { core, ended: false };
    loop {
        let core = &minder.core;
        let change = core.agenda.changed.notified();
        match core.agenda.next() {
            Next::Due(event) => publish_in_order(core, event),
            Next::Later(due) => _ = timeout_at(due, change).await,
            Next::Nothing => break,
        }
    }
    minder.ended = true;
}

/// The task that minds the time. Where its runtime ends before the bus does, the next delay starts another.
struct Minder {
    core: Arc<Core>,
    /// Whether it ended by itself, and said so.
    ended: bool,
}

impl Drop for Minder {
    fn drop(&mut self) {
        if !self.ended {
            self.core.agenda.lock().minded = false;
        }
    }
}

/// Publishes an event; what it has to wait for holds up nobody else.
fn publish_in_order(core: &Arc<Core>, event: Event) {
    let core = Arc::clone(core);
    let mut publish = Box::pin(async move {
        if let Err(error) = publish_due(&core, event).await {
            tracing::warn!(error = %Escaped(&error), "a delayed event could not be published when it was due");
        }
    });
    // Up to where it waits a publish runs here, so that what is due first comes first.
    let begun = publish.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    if begun == Poll::Pending {
        drop(tokio::spawn(publish));
    }
}
