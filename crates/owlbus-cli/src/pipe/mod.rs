//! `owlbus pipe`: events from standard input over a bus to standard output, or to commands.
//!
//! A thread reads standard input ahead in chunks; the publisher, a task, cuts them into lines, reads each as an event
//! and publishes it; the printer, on the main thread, takes from the subscription and writes. Between them stand a
//! few chunks and one mailbox, and whoever is faster waits for the other: memory is bounded and nothing is dropped.
//! Where commands handle the events, `exec` stands in the place of the printer.

// What it is told.
mod arguments;
mod duration;
mod pointer;
mod rules;
mod size;
// The way of a line: read, and printed or handed to a command.
mod exec;
mod form;
mod print;
mod read;
// What becomes of an event that failed.
mod dead_letters;
mod letter;
mod refusals;
// What ends it early.
mod interrupt;
// What it tells.
mod report;
mod tally;

use std::{io, process::ExitCode, sync::Arc, time::Duration};

use owlbus::{
    Bus, Event, Overflow, Pattern, PublishError, config::ConfigError, middleware::Validate, rules::Rules,
};
use tokio::runtime;

pub(crate) use arguments::Arguments;

use crate::input::stdin_in_chunks;
use dead_letters::DeadLetters;
use exec::Execution;
use interrupt::{INTERRUPTED, Interrupt};
use print::Printer;
use read::{Destination, Published, Reader};
use refusals::Refusals;
use report::Report;
use rules::Counts;
use tally::Tally;

/// The source of events that are made from plain JSON lines.
const SOURCE: &str = "pipe";

/// Events between publisher and printer; beside it, the mailbox holds 16 MiB at most, or else one event.
const MAILBOX: usize = 1024;

/// The exit status where what was asked for cannot be begun, which is that of wrong arguments.
const WRONG: u8 = 2;

/// How it ended, when it did not fail.
#[derive(PartialEq, Eq)]
enum End {
    /// Everything was printed, or handled.
    Complete,
    /// Whoever reads the output has read enough.
    OutputClosed,
}

/// Runs until the input ends.
pub(crate) fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    // Two, so that one is free for Ctrl-C and the progress line while the publisher never pauses.
    let runtime = runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let done = runtime.block_on(pipe(arguments));
    runtime.shutdown_background();
    done
}

async fn pipe(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let (patterns, form, rules) = (arguments.patterns(), arguments.form(), arguments.rules());
    let Arguments { json, strict, max_event_size: longest, schemas, dead_letters, exec, .. } = arguments;
    let tally = Arc::new(Tally::new(exec.names_a_command()));
    let report = Arc::new(Report::begin(&tally, json));
    let prepare = async {
        let validate = schemas.as_deref().map(refusals::read).transpose()?;
        let execution = Execution::prepare(exec).await?;
        anyhow::Ok((validate, execution, DeadLetters::open(dead_letters.as_deref(), &tally, &report)?))
    };
    let (validate, execution, dead_letters) = match prepare.await {
        Ok(prepared) => prepared,
        Err(error) => {
            report.end();
            report.failure(&error);
            return Ok(ExitCode::from(WRONG));
        }
    };
    // With a command the first Ctrl-C waits for it, and the second ends it.
    let interrupt = Interrupt::catch(if execution.is_some() { 2 } else { 1 });
    let bus = limited_by_lines_alone(rules, validate.clone())?;
    let reader = Reader {
        input: stdin_in_chunks(),
        form,
        longest,
        strict,
        interrupt: interrupt.clone(),
        refusals: Refusals::new(validate, Arc::clone(&dead_letters)),
        tally: Arc::clone(&tally),
        report: Arc::clone(&report),
    };
    let ended = match execution {
        Some(execution) => execution.run(&bus, patterns, reader, dead_letters).await,
        None => print(&bus, patterns, reader).await,
    };

    report.end();
    let summary = tally.summary();
    let (silent, failed) = match &ended {
        Ok(End::OutputClosed) => (!json && summary.is_clean(), !summary.is_clean()),
        Ok(End::Complete) => (false, !summary.is_clean()),
        Err(error) => {
            report.failure(error);
            (false, true)
        }
    };
    if !silent {
        report.summary(&summary, bus.rules().into_iter().map(Counts::from).collect())?;
    }
    Ok(match failed {
        _ if interrupt.insists() => ExitCode::from(INTERRUPTED),
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    })
}

/// Prints what is read until there is no more.
async fn print(bus: &Bus, patterns: Vec<Pattern>, reader: Reader) -> anyhow::Result<End> {
    let wait = Overflow::Block { timeout: Duration::MAX };
    let events = bus.on(patterns).name("pipe").mailbox(MAILBOX, wait).stream().await?;
    let (interrupt, tally) = (reader.interrupt.clone(), Arc::clone(&reader.tally));
    // A clone, because a bus whose last handle is gone closes its mailboxes, and this one is still to be emptied.
    let mut publisher = tokio::spawn(reader.publish_to(bus.clone()));
    let ended = Printer::new(io::stdout().lock(), tally).run(events, &mut publisher).await;
    if !publisher.is_finished() {
        // The output takes no more. What is being published is waited for, so that the numbers agree.
        interrupt.tell();
        _ = publisher.await;
    }
    ended
}

impl Destination for Bus {
    async fn publish(&mut self, event: Event) -> Result<Published, PublishError> {
        Bus::publish(self, event).await.map(|_| Published::Accepted)
    }
}

/// A bus that takes what was read. The reader bounds the events, and one mailbox the memory; the limit of the whole bus
/// would refuse events where the mailbox lets the publisher wait. Dead letters are kept until they are written, and of
/// what went by nothing is.
fn limited_by_lines_alone(rules: Rules, validate: Option<Validate>) -> Result<Bus, ConfigError> {
    let bus = Bus::builder().rules(rules);
    let bus = match validate {
        Some(validate) => bus.middleware(validate),
        None => bus,
    };
    bus.source(SOURCE)
        .memory(usize::MAX)
        .event_bytes(usize::MAX)
        .metadata_bytes(usize::MAX)
        .metadata_entries(usize::MAX)
        .dead_letters(usize::MAX, usize::MAX)
        .history(0, 0)
        .build()
}
