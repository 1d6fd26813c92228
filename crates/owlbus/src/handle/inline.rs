//! Handlers that run in the publisher.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use super::{
    attempt::{let_go, panicked},
    content::Content,
};
use crate::{
    accept::answer_now,
    bus::Core,
    dispatch::{Closable, Subscriber, transformed},
    event::Event,
    settle::{HandlerError, IntoOutcome, Outcome, Settlement, settle_inline},
};

type Code = dyn Fn(&Event) -> Result<Said, HandlerError> + Send + Sync;

/// What a handler said, and the reply it returned where one was wanted.
type Said = (Outcome, Option<Event>);

/// A function that publishers call, from as many threads as they are, and what came of that.
pub(crate) struct Inline {
    /// Let go of when the subscription ends.
    code: Closable<Arc<Code>>,
    /// What is called: gone as soon as the code is.
    call: Weak<Code>,
    done: AtomicU64,
    skipped: AtomicU64,
    dead: AtomicU64,
    expired: AtomicU64,
}

/// How many events an inline handler got, by what became of them.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Handled {
    pub(crate) done: u64,
    pub(crate) skipped: u64,
    pub(crate) dead: u64,
    pub(crate) expired: u64,
}

impl Inline {
    pub(crate) fn new<T, F, R>(function: F) -> Self
    where
        T: Content,
        F: Fn(&T) -> R + Send + Sync + 'static,
        R: IntoOutcome,
    {
        let code: Arc<Code> = Arc::new(move |event: &Event| {
            let content = T::of(event).map_err(HandlerError::permanent)?;
            let (said, reply) = function(content).into_answer(event.reply_to().is_some());
            Ok((said?, reply))
        });
        Self {
            call: Arc::downgrade(&code),
            code: Closable::new(Some(code)),
            done: AtomicU64::new(0),
            skipped: AtomicU64::new(0),
            dead: AtomicU64::new(0),
            expired: AtomicU64::new(0),
        }
    }

    /// Runs it for an event; `None` where the subscription has ended.
    pub(crate) fn handle(&self, core: &Core, subscriber: &Subscriber, event: &Event) -> Option<Settlement> {
        let code = self.call.upgrade()?;
        if event.is_expired() {
            self.expired.fetch_add(1, Relaxed);
            return Some(Settlement::Expired);
        }
        let transform = subscriber.transform.open();
        if transform.is_none() && subscriber.transform.is_some() {
            return None;
        }
        let call = || match &transform {
            Some(_) => code(&transformed(transform.as_ref(), event.clone())),
            None => code(event),
        };
        let said = catch_unwind(AssertUnwindSafe(call));
        // This may be the last hold of it, and what it holds is of the user.
        let_go(code);
        let said = said.unwrap_or_else(|panic| Err(HandlerError::permanent(panicked(panic))));
        let said = said.and_then(|(outcome, reply)| {
            let reply = reply.map(|reply| event.reply(reply)).transpose()?;
            reply.map(|reply| answer_now(core, reply)).transpose()?;
            Ok(outcome)
        });
        let settlement = settle_inline(core, subscriber, event, said.into());
        let counter = match settlement {
            Settlement::Done => &self.done,
            Settlement::Skipped => &self.skipped,
            Settlement::Expired => &self.expired,
            Settlement::Dead { .. } | Settlement::Dropped { .. } | Settlement::Coalesced => &self.dead,
        };
        counter.fetch_add(1, Relaxed);
        Some(settlement)
    }

    pub(crate) fn handled(&self) -> Handled {
        Handled {
            done: self.done.load(Relaxed),
            skipped: self.skipped.load(Relaxed),
            dead: self.dead.load(Relaxed),
            expired: self.expired.load(Relaxed),
        }
    }

    /// Lets go of the code: no call starts any more.
    pub(crate) fn close(&self) {
        self.code.close();
    }
}
