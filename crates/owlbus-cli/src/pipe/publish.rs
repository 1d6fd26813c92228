//! From standard input onto the bus.

use std::{io, sync::Arc};

use anyhow::Context as _;
use owlbus::{Bus, Event};
use tokio::sync::mpsc;

use super::{
    form::{BadLine, Form},
    interrupt::Interrupt,
    report::Report,
    tally::Tally,
};
use crate::lines::{Line, Lines};

/// Publishes the lines of the input.
pub(super) struct Publisher {
    pub(super) bus: Bus,
    pub(super) form: Form,
    /// The most bytes of a line.
    pub(super) longest: usize,
    /// Whether the first bad line ends it.
    pub(super) strict: bool,
    pub(super) tally: Arc<Tally>,
    pub(super) report: Arc<Report>,
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

impl Publisher {
    /// Publishes every line until the input ends, Ctrl-C ends it, or a bad line does.
    ///
    /// It waits for the bus as long as the bus takes, and drops no publish that it began.
    pub(super) async fn run(
        self,
        mut input: mpsc::Receiver<io::Result<Vec<u8>>>,
        interrupt: Interrupt,
    ) -> anyhow::Result<()> {
        let mut lines = Lines::new(self.longest);
        let mut batch = Batch::with_capacity(BATCH);
        loop {
            let chunk = tokio::select! {
                biased;
                () = interrupt.told() => return Ok(()),
                chunk = input.recv() => chunk,
            };
            let Some(chunk) = chunk else { break };
            lines.feed(chunk.context("standard input cannot be read")?);
            // Of what has arrived nothing is held back, however little it is.
            while self.read(&mut lines, &mut batch) {
                if self.publish(&mut batch).await == Next::Stop {
                    return Ok(());
                }
            }
        }
        batch.extend(lines.last().and_then(|line| self.read_line(&line)));
        self.publish(&mut batch).await;
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
            Some(text) => self.form.read(text),
        };
        Some((line.number, read))
    }

    async fn publish(&self, batch: &mut Batch) -> Next {
        for (number, read) in batch.drain(..) {
            let published = match read {
                Ok(event) => self.bus.publish(event).await.map_err(BadLine::from),
                Err(reason) => Err(reason),
            };
            match published {
                Ok(_) => self.tally.accepted(),
                Err(reason) => {
                    self.tally.refused();
                    self.report.bad_line(number, &reason);
                    if self.strict {
                        return Next::Stop;
                    }
                }
            }
        }
        Next::GoOn
    }
}
