//! A publisher that waits for room in one mailbox.

use std::{
    sync::Arc,
    task::{Context, Poll, Waker},
};

use tokio::time::Instant;

use super::subscriber::Subscriber;
use crate::{
    clock,
    handle::{DropReason, Entered, Queued, Ticket},
    journal::Seq,
};

/// A publisher's wait for room in one mailbox. Dropped before its end, it counts as timed out.
pub(crate) struct Wait {
    pub(crate) subscriber: Arc<Subscriber>,
    /// The event's place in the journal.
    pub(crate) seq: Seq,
    state: Entered,
    deadline: Instant,
}

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waited {
    Inside,
    Dropped(DropReason),
    /// The subscription ended meanwhile: it never matched.
    Gone,
}

impl Wait {
    /// Stands in line.
    pub(crate) fn new(subscriber: Arc<Subscriber>, queued: Queued) -> Self {
        let seq = queued.event.seq();
        let state = subscriber.mailbox.enter(queued, Waker::noop());
        let deadline = clock::deadline(subscriber.mailbox.patience());
        Self { subscriber, seq, state, deadline }
    }

    /// When the publisher loses patience.
    pub(crate) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Its place in the line, while it stands there.
    pub(crate) fn ticket(&self) -> Option<Ticket> {
        match self.state {
            Entered::Waiting(ticket) => Some(ticket),
            _ => None,
        }
    }

    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Waited> {
        if let Entered::Waiting(ticket) = self.state
            && let Poll::Ready(entered) = self.subscriber.mailbox.poll_entered(ticket, cx.waker())
        {
            self.state = entered;
        }
        match self.state {
            Entered::Waiting(_) => Poll::Pending,
            Entered::Inside => Poll::Ready(Waited::Inside),
            Entered::Dropped(reason) => Poll::Ready(Waited::Dropped(reason)),
            Entered::Closed => Poll::Ready(Waited::Gone),
        }
    }

    /// Gives up, unless something else became of the event at the last moment.
    pub(crate) fn give_up(&mut self) -> Waited {
        self.leave();
        match self.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(waited) => waited,
            Poll::Pending => Waited::Dropped(DropReason::BlockTimeout),
        }
    }

    /// Leaves the line.
    fn leave(&mut self) {
        if let Entered::Waiting(ticket) = self.state {
            self.state = self.subscriber.mailbox.leave(ticket);
        }
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        self.leave();
    }
}
