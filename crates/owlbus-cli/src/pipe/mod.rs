//! `owlbus pipe`: events from standard input over a bus to standard output.
//!
//! A thread reads standard input ahead in chunks; the publisher, a task, cuts them into lines, reads each as an event
//! and publishes it; the printer, on the main thread, takes from the subscription and writes. Between them stand a
//! few chunks and one mailbox, and whoever is faster waits for the other: memory is bounded and nothing is dropped.

// What it is told.
mod arguments;
mod pointer;
mod size;
// The way of a line.
mod form;
mod print;
mod publish;
// What ends it early.
mod interrupt;
// What it tells.
mod report;
mod tally;

use std::{io, process::ExitCode, sync::Arc, time::Duration};

use owlbus::{Bus, Overflow, config::ConfigError};
use tokio::runtime;

pub(crate) use arguments::Arguments;

use crate::input::stdin_in_chunks;
use interrupt::Interrupt;
use print::{End, Printer};
use publish::Publisher;
use report::Report;
use tally::Tally;

/// The source of events that are made from plain JSON lines.
const SOURCE: &str = "pipe";

/// Events between publisher and printer; beside it, the mailbox holds 16 MiB at most, or else one event.
const MAILBOX: usize = 1024;

/// Runs until the input ends.
pub(crate) fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    // Two, so that one is free for Ctrl-C and the progress line while the publisher never pauses.
    let runtime = runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let done = runtime.block_on(pipe(arguments));
    runtime.shutdown_background();
    done
}

async fn pipe(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let tally = Arc::new(Tally::new());
    // The one mailbox bounds the memory. The limit of the whole bus would refuse events where the mailbox lets the
    // publisher wait.
    let bus = limited_by_bytes_alone(arguments.max_event_size)?;
    let wait = Overflow::Block { timeout: Duration::MAX };
    let events = bus.on(arguments.patterns()).name("pipe").mailbox(MAILBOX, wait).stream().await?;

    let interrupt = Interrupt::catch().await;
    let report = Arc::new(Report::begin(&tally, arguments.json));
    // A clone, because a bus whose last handle is gone closes its mailboxes, and this one is still to be emptied.
    let publisher = Publisher {
        bus: bus.clone(),
        form: arguments.form(),
        longest: arguments.max_event_size,
        strict: arguments.strict,
        tally: Arc::clone(&tally),
        report: Arc::clone(&report),
    };
    let mut publisher = tokio::spawn(publisher.run(stdin_in_chunks(), interrupt.clone()));
    let ended = Printer::new(io::stdout().lock(), Arc::clone(&tally)).run(events, &mut publisher).await;
    if !publisher.is_finished() {
        // The output takes no more. What is being published is waited for, so that the numbers agree.
        interrupt.tell();
        _ = publisher.await;
    }

    report.end();
    let summary = tally.summary();
    let (silent, failed) = match &ended {
        Ok(End::OutputClosed) => (!arguments.json, false),
        Ok(End::Complete) => (false, summary.refused > 0 || summary.lost > 0),
        Err(error) => {
            report.failure(error);
            (false, true)
        }
    };
    if !silent {
        report.summary(&summary)?;
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// A bus that takes events of so many bytes, however many attributes they have.
fn limited_by_bytes_alone(bytes: usize) -> Result<Bus, ConfigError> {
    Bus::builder()
        .source(SOURCE)
        .memory(usize::MAX)
        .event_bytes(bytes)
        .metadata_bytes(bytes)
        .metadata_entries(usize::MAX)
        .build()
}
