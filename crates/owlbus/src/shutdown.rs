//! The end of a bus: nothing more comes in, what is there is handled, and what could not be is named.

use std::{sync::Arc, time::Duration};

use tokio::{
    runtime::Handle,
    sync::watch,
    time::{Instant, timeout_at},
};

use crate::{bus::Core, clock, dispatch::Subscriber, event::Event, handle::DropReason};

/// How a bus ended.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ShutdownReport {
    /// What was accepted and not handled, by subscription, in the order it waited. A delivery whose handler was
    /// cancelled is counted in [`cancelled`](Self::cancelled) instead.
    pub undelivered: Vec<Undelivered>,
    /// Events whose delay was not over, in the order they would have been published.
    pub delayed: Vec<Event>,
    /// Deliveries whose handlers were cancelled at the deadline.
    pub cancelled: u64,
    /// Deliveries that failed while the bus ended. A handler that publishes then is refused, for one.
    pub failed: u64,
}

/// An event that a subscription did not get.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Undelivered {
    /// Name of the subscription.
    pub subscription: Arc<str>,
    /// The event.
    pub event: Event,
}

impl ShutdownReport {
    /// Whether everything that still waited was handled, and nothing of it failed. What failed before the bus began
    /// to end is in [`Stats`](crate::stats::Stats); the last event a stream gave out counts as handled.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.undelivered.is_empty() && self.delayed.is_empty() && self.cancelled == 0 && self.failed == 0
    }
}

/// How long cancelled handlers have to reach their next await.
const GRACE: Duration = Duration::from_secs(1);

/// How a bus ended, for everybody who asks; `None` until it has.
pub(crate) struct Ending(watch::Sender<Option<ShutdownReport>>);

impl Default for Ending {
    fn default() -> Self {
        Self(watch::Sender::new(None))
    }
}

/// Ends the bus, or waits for the end somebody else began.
pub(crate) async fn run(core: &Arc<Core>, deadline: Duration) -> ShutdownReport {
    let all = core.routes.all_that_run();
    let failed_before = failed(&all);
    if let Some(came) = core.close() {
        let last_word = LastWord(Arc::clone(core));
        match Handle::try_current().ok().or_else(|| core.runtime.clone()) {
            // A task of its own, so that whoever asked for the end may go away without stopping it.
            Some(runtime) => {
                let deadline = clock::deadline(deadline);
                runtime.spawn(async move {
                    let mut report = end(&last_word.0, came, deadline).await;
                    report.failed = failed(&all) - failed_before;
                    last_word.0.ending.0.send_replace(Some(report));
                });
            }
            // Without a runtime nothing was ever handled, and there is nothing to wait for.
            None => drop(last_word),
        }
    }
    let mut ending = core.ending.0.subscribe();
    match ending.wait_for(Option::is_some).await {
        Ok(report) => report.clone().unwrap_or_default(),
        Err(_) => ShutdownReport::default(),
    }
}

/// However the shutdown goes, those who wait for it get a report.
struct LastWord(Arc<Core>);

impl Drop for LastWord {
    fn drop(&mut self) {
        if self.0.ending.0.borrow().is_none() {
            let (delayed, undelivered) = (self.0.agenda.close(), close_all(&self.0));
            let report = ShutdownReport { undelivered, delayed, ..Default::default() };
            self.0.ending.0.send_replace(Some(report));
        }
    }
}

async fn end(core: &Core, came: u64, deadline: Instant) -> ShutdownReport {
    let delayed = core.agenda.close();
    // Publishes that were let in are waited for, so that every event they put into a mailbox is drained.
    let drained = timeout_at(deadline, async {
        core.turnstile.wait_for(came).await;
        core.routes.all().iter().for_each(|subscriber| subscriber.mailbox.drain());
        core.workers.wait().await;
        until_given_out(core).await;
    });
    let in_time = drained.await.is_ok();
    let mut report = ShutdownReport { undelivered: close_all(core), delayed, ..Default::default() };
    if !in_time {
        report.cancelled = running(&core.routes.all_that_run());
        core.workers.cancel();
        // A handler that blocks its thread cannot be cancelled, and is not waited for any longer.
        _ = timeout_at(clock::deadline(GRACE), core.workers.wait()).await;
    }
    report
}

/// Waits until every stream has given out what was in its mailbox, or is gone.
async fn until_given_out(core: &Core) {
    loop {
        let more = core.given_out.notified();
        let held = |one: &Arc<Subscriber>| {
            one.streamed && !one.mailbox.is_paused() && one.mailbox.figures().queued > 0
        };
        if !core.routes.all().iter().any(held) {
            return;
        }
        more.await;
    }
}

/// The last handle is gone: nothing more is accepted or started, and what runs may end.
pub(crate) fn abandon(core: &Core) {
    if core.close().is_none() {
        return;
    }
    let (delayed, undelivered) = (core.agenda.close(), close_all(core));
    if !undelivered.is_empty() || !delayed.is_empty() {
        tracing::warn!(
            events = undelivered.len() + delayed.len(),
            "a bus was dropped with events that were not delivered; call `shutdown` before its last handle goes",
        );
    }
    core.ending.0.send_replace(Some(ShutdownReport { undelivered, delayed, ..Default::default() }));
}

/// Deliveries whose handlers run.
fn running(all: &[Arc<Subscriber>]) -> u64 {
    all.iter().filter(|one| !one.streamed).map(|one| one.mailbox.figures().running).sum()
}

/// Deliveries that failed for good.
fn failed(all: &[Arc<Subscriber>]) -> u64 {
    let inline = |one: &Subscriber| one.inline.as_ref().map_or(0, |inline| inline.handled().dead);
    all.iter().map(|one| one.mailbox.figures().dead + inline(one)).sum()
}

/// Closes every mailbox, and gives what was left in them.
fn close_all(core: &Core) -> Vec<Undelivered> {
    let mut undelivered = Vec::new();
    for subscriber in core.routes.all() {
        let left = subscriber.end(DropReason::Shutdown);
        let of_it = |event| Undelivered { subscription: Arc::clone(&subscriber.name), event };
        undelivered.extend(left.into_iter().map(of_it));
    }
    undelivered
}

impl Core {
    /// Stops accepting; gives the number of publishes that were let in, to the first who asks.
    fn close(&self) -> Option<u64> {
        self.announce_end();
        let came = self.turnstile.close();
        // Nothing is published any more that could answer or be waited for.
        self.awaited.close();
        self.schedules.close();
        came
    }
}
