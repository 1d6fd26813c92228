//! From standard input to events.

use std::{io, sync::Arc};

use anyhow::Context as _;
use owlbus::{Event, PublishError};
use tokio::sync::mpsc;

use super::{
    form::{BadLine, Form},
    interrupt::Interrupt,
    letter,
    refusals::Refusals,
    report::Report,
    tally::Tally,
};
use crate::lines::{Line, Lines};

/// Reads the lines of the input, and publishes those that are events.
pub(super) struct Reader {
    pub(super) input: mpsc::Receiver<io::Result<Vec<u8>>>,
    pub(super) form: Form,
    /// The most bytes of an event.
    pub(super) longest: usize,
    /// Whether the first bad line ends it.
    pub(super) strict: bool,
    pub(super) interrupt: Interrupt,
    pub(super) refusals: Refusals,
    pub(super) tally: Arc<Tally>,
    pub(super) report: Arc<Report>,
}

/// Where events are published.
pub(super) trait Destination: Send {
    /// Publishes one, and waits for as long as that takes.
    fn publish(&mut self, event: Event) -> impl Future<Output = Result<Published, PublishError>> + Send;
}

/// What became of an event that was not refused.
#[derive(PartialEq, Eq)]
pub(super) enum Published {
    Accepted,
    /// It was interrupted before there was room for the event, which nobody got.
    NotAnyMore,
}

/// Lines that are read before any of them is published. The printer, which is faster, would else be woken for every
/// single event; this way it is woken once for many.
const BATCH: usize = 256;

/// Lines that were read, with their numbers.
type Batch = Vec<(u64, Result<Event, BadLine>)>;

/// Whether there is reason to go on.
#[derive(PartialEq, Eq)]
enum Next {
    GoOn,
    Stop,
}

impl Reader {
    /// Publishes every line until the input ends, Ctrl-C ends it, or a bad line does.
    ///
    /// It waits for the destination as long as that takes, and drops no publish that it began.
    ///
    /// # Errors
    ///
    /// The input cannot be read, or an event that was refused not be kept.
    pub(super) async fn publish_to(mut self, mut destination: impl Destination) -> anyhow::Result<()> {
        let mut lines = Lines::new(self.longest.saturating_add(letter::MOST));
        let mut batch = Batch::with_capacity(BATCH);
        loop {
            let chunk = tokio::select! {
                biased;
                () = self.interrupt.told() => return Ok(()),
                chunk = self.input.recv() => chunk,
            };
            let Some(chunk) = chunk else { break };
            lines.feed(chunk.context("standard input cannot be read")?);
            // Of what has arrived nothing is held back, however little it is.
            while self.read(&mut lines, &mut batch) {
                if self.publish(&mut batch, &mut destination).await? == Next::Stop {
                    return Ok(());
                }
            }
        }
        batch.extend(lines.last().and_then(|line| self.read_line(&line)));
        self.publish(&mut batch, &mut destination).await?;
        Ok(())
    }

    /// Reads the next lines; `false` where the chunk has none any more.
    fn read(&self, lines: &mut Lines, batch: &mut Batch) -> bool {
        while batch.len() < BATCH
            && let Some(line) = lines.next()
        {
            batch.extend(self.read_line(&line));
        }
        !batch.is_empty()
    }

    /// Reads a line; `None` where it is empty.
    fn read_line(&self, line: &Line<'_>) -> Option<(u64, Result<Event, BadLine>)> {
        let read = match line.text {
            None => Err(BadLine::TooLong { longest: self.longest }),
            Some(text) if text.trim_ascii().is_empty() => return None,
            Some(text) => self.form.read(text, self.longest),
        };
        Some((line.number, read))
    }

    async fn publish(&self, batch: &mut Batch, destination: &mut impl Destination) -> anyhow::Result<Next> {
        for (number, read) in batch.drain(..) {
            if self.interrupt.is_told() {
                return Ok(Next::Stop);
            }
            let (reason, kept) = match read {
                Err(reason) => (reason, Ok(())),
                Ok(event) => match destination.publish(event).await {
                    Ok(Published::Accepted) => {
                        self.tally.accepted();
                        continue;
                    }
                    Ok(Published::NotAnyMore) => return Ok(Next::Stop),
                    Err(error) => {
                        let kept = self.refusals.keep(&error);
                        (BadLine::from(error), kept)
                    }
                },
            };
            self.tally.refused();
            self.report.bad_line(number, &reason);
            kept?;
            if self.strict {
                return Ok(Next::Stop);
            }
        }
        Ok(Next::GoOn)
    }
}
