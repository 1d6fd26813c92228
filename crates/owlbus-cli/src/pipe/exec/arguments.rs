//! Which command handles the events, and how.

use std::time::Duration;

use super::super::duration::{Limit, duration};

/// What handles the events, where they are not printed.
#[derive(clap::Args)]
#[group(skip)]
#[command(next_help_heading = "Commands as handlers")]
pub(crate) struct Arguments {
    /// Hand each event to this command instead of printing it, one process an event
    ///
    /// The command is what you would write in a shell, and is run by `sh -c`, on Windows by `cmd /C`. On its standard
    /// input it gets the event, one CloudEvents JSON object on one line, and then the end; it need not read it. In its
    /// environment are OWLBUS_ID, OWLBUS_TOPIC, OWLBUS_TYPE, OWLBUS_SOURCE, OWLBUS_KEY and OWLBUS_ATTEMPT, counted from
    /// 1; a value over 8 KiB is left out.
    ///
    /// Exit status 0: the event is done. 75 (EX_TEMPFAIL): it failed for now, and is tried again where --retries
    /// allows it. Any other status, and death by a signal: it failed for good, and is a dead letter. That the command
    /// cannot be started, or takes longer than --timeout, is a failure for now. A command that was not found ends it
    /// all at once.
    ///
    /// What the command writes on standard output and standard error goes to those of owlbus as it comes, whole lines
    /// at a time; the last 2 KiB of standard error are the reason in a dead letter. What it leaves running in the
    /// background is not waited for, nor is what that writes.
    #[arg(long, value_name = "COMMAND", value_parser = command, group = "handler")]
    exec: Option<String>,

    /// Hand each event to this command instead of printing it, in one process that answers a line each
    ///
    /// The command is run as with --exec, once, and again where it ended; with --concurrency N there are up to N of
    /// it. It gets one event a line, and writes exactly one line for each before it gets the next: `ok`, `retry
    /// [REASON]` or `dead [REASON]`, in the sense of the exit statuses 0, 75 and any other. It has to flush its output
    /// after each line; empty lines are passed over. At the end of its input it is to end too, with exit status 0.
    ///
    /// Where it ends before it answered, takes longer than --timeout, or says anything else, the event failed for now,
    /// and the command is ended and started again for the next: after 100 ms where it has never answered, and twice as
    /// long each time, up to 10 s.
    #[arg(long, value_name = "COMMAND", value_parser = command, group = "handler")]
    exec_lines: Option<String>,

    /// How often an event is tried again that failed for now
    #[arg(long, value_name = "N", default_value_t = 0, requires = "handler")]
    pub(super) retries: u32,

    /// How long the first retry waits; each further one waits twice as long, up to a minute
    ///
    /// Up to a quarter more or less, so that what failed together is not tried again together. A number with ms, s, m
    /// or h; alone it is seconds.
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "100ms", requires = "handler")]
    pub(super) retry_delay: Duration,

    /// How long a command may take for an event; `none` is as long as it likes
    ///
    /// Then it and everything it started, its process group, is asked to end (SIGTERM), is ended a second later
    /// (SIGKILL), and is waited for; on Windows it is ended at once.
    #[arg(long, value_name = "TIME", default_value = "30s", requires = "handler")]
    pub(super) timeout: Limit,

    /// How many events are handled at once
    ///
    /// With 1 one event is handled after the other, in order, its retries included. With more they overtake each
    /// other. Input is read no faster than events are handled.
    #[arg(long, value_name = "N", default_value_t = 1, requires = "handler",
        value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(super) concurrency: u16,

    /// Handle events of the same key in order, and only others at once
    ///
    /// The key is the attribute `subject`, or else the topic. For --concurrency above 1; an event that waits for its
    /// retry lets others pass, but none of its key.
    #[arg(long, requires = "handler")]
    pub(super) ordered_by_key: bool,
}

/// How a command gets its events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// Each in a process of its own.
    Each,
    /// As lines, each of which it answers with one.
    Lines,
}

impl Arguments {
    /// Whether events go to a command.
    pub(in super::super) fn names_a_command(&self) -> bool {
        self.command().is_some()
    }

    /// The command, where there is one.
    pub(super) fn command(&self) -> Option<(&str, Manner)> {
        let each = self.exec.as_deref().map(|command| (command, Manner::Each));
        each.or_else(|| self.exec_lines.as_deref().map(|command| (command, Manner::Lines)))
    }
}

/// An empty command would be done with every event.
fn command(text: &str) -> Result<String, &'static str> {
    if text.trim().is_empty() {
        Err("is empty; write what you would write in a shell")
    } else {
        Ok(text.into())
    }
}
