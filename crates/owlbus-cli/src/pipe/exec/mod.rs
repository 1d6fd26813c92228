//! Commands as handlers: each event the subscription gets is handed to a command instead of being printed.
//!
//! The publisher lets so many events on their way as may be handled at once, and reads on when one has ended. The bus hands
//! them to its workers, each of which runs the command; tries again what failed for now; and tells what became of each
//! event to the bookkeeper, on the main thread, who counts it, and keeps it where it failed.

// What it is told.
mod arguments;
// The way of an event: let in, handed over, entered in the books.
mod bookkeeper;
mod handler;
mod under_way;
// The two ways to run a command.
mod answer;
mod conversation;
mod each;
mod lines;
// The command itself.
mod failed;
mod output;
mod process;
mod shell;

use std::{
    pin::pin,
    sync::{Arc, Mutex, OnceLock, atomic::AtomicBool},
    time::Duration,
};

use anyhow::{Context as _, bail};
use owlbus::{
    Bus, Delivery, Overflow, Pattern, Subscription,
    settle::{Next, Retry},
};

pub(crate) use arguments::Arguments;

use super::{End, dead_letters::DeadLetters, read::Reader};
use crate::system;
use arguments::Manner;
use bookkeeper::Bookkeeper;
use each::Each;
use handler::{Handler, Runs};
use lines::{Lines, Rest};
use output::Output;
use process::Patience;
use shell::Shell;
use under_way::UnderWay;

/// A command that may be run.
pub(super) struct Execution {
    command: String,
    manner: Manner,
    arguments: Arguments,
}

/// Events on their way for each that is handled, where those of one key wait for each other: so that there are others.
const KEYS: usize = 16;

impl Execution {
    /// What was asked for; `None` where no command was named.
    ///
    /// # Errors
    ///
    /// What would fail with every event.
    pub(super) async fn prepare(arguments: Arguments) -> anyhow::Result<Option<Self>> {
        let Some((command, manner)) = arguments.command() else { return Ok(None) };
        let command = command.to_owned();
        let problem = system::problem_of(&command).await.context("no shell can be started")?;
        if let Some(problem) = problem {
            bail!(problem);
        }
        Ok(Some(Self { command, manner, arguments }))
    }

    /// Handles what is read until there is no more, and everything that was accepted has ended.
    pub(super) async fn run(
        self,
        bus: &Bus,
        patterns: Vec<Pattern>,
        reader: Reader,
        dead_letters: Arc<DeadLetters>,
    ) -> anyhow::Result<End> {
        let (interrupt, report) = (reader.interrupt.clone(), Arc::clone(&reader.report));
        let output = Arc::new(Output::new(Arc::clone(&report), interrupt.clone()));
        let handler = Arc::new(self.handler(&reader, &output));
        let subscription = self.subscribe(bus, patterns, &reader, &handler).await?;
        let bookkeeper = Bookkeeper {
            bus: bus.clone(),
            subscription: subscription.name().into(),
            dead_letters,
            tally: Arc::clone(&reader.tally),
            report,
            interrupt: interrupt.clone(),
        };
        let places = places(&self.arguments);
        let (under_way, has_ended) = UnderWay::new(bus, subscription.clone(), places, interrupt.clone());

        let reading = tokio::spawn(reader.publish_to(under_way));
        let mut keeping = pin!(bookkeeper.keep(has_ended));
        let kept = tokio::select! {
            kept = &mut keeping => kept,
            () = interrupt.insisted() => {
                // What runs is ended by its handler. What waits for its retry is let go of, and entered as that.
                subscription.unsubscribe();
                keeping.await
            }
        };
        let read = reading.await.context("the publisher failed")?;
        let ended = handler.end().await;
        bus.shutdown().await;
        read.and(kept).and(ended).and(output.end())
    }

    fn handler(&self, reader: &Reader, output: &Arc<Output>) -> Handler {
        let shell = Shell(self.command.clone());
        let interrupt = reader.interrupt.clone();
        let patience = Patience { limit: self.arguments.timeout.0, interrupt: interrupt.clone() };
        let output = Arc::clone(output);
        let runs = match self.manner {
            Manner::Each => Runs::Each(Each { shell, patience, output }),
            Manner::Lines => Runs::Lines(Lines {
                shell,
                patience,
                output,
                report: Arc::clone(&reader.report),
                idle: Mutex::default(),
                rest: Mutex::new(Rest::default()),
            }),
        };
        Handler { runs, interrupt, was_done: AtomicBool::new(false), broken: OnceLock::new() }
    }

    async fn subscribe(
        &self,
        bus: &Bus,
        patterns: Vec<Pattern>,
        reader: &Reader,
        handler: &Arc<Handler>,
    ) -> anyhow::Result<Subscription> {
        let Arguments { retries, retry_delay, concurrency, ordered_by_key, .. } = self.arguments;
        let (tally, report) = (Arc::clone(&reader.tally), Arc::clone(&reader.report));
        let mut on = bus
            .on(patterns)
            .name(&self.command)
            .mailbox(places(&self.arguments), Overflow::Block { timeout: Duration::MAX })
            .concurrency(concurrency.into())
            // The handler minds the time itself, because it waits for what it ends.
            .timeout(None)
            .retry(Retry::exponential(retry_delay).max_retries(retries))
            .on_error(move |failure| {
                if let Next::Retry { .. } = failure.next {
                    tally.retried();
                }
                report.attempt_failed(&failure);
            });
        if ordered_by_key {
            on = on.ordered_by_key();
        }
        let handler = Arc::clone(handler);
        let subscription = on
            .handle(move |delivery: Delivery| {
                let handler = Arc::clone(&handler);
                async move { handler.handle(delivery).await }
            })
            .await?;
        Ok(subscription)
    }
}

/// How many events may be on their way.
fn places(arguments: &Arguments) -> usize {
    usize::from(arguments.concurrency) * if arguments.ordered_by_key { KEYS } else { 1 }
}
