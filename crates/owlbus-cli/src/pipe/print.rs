//! From the subscription to standard output.

use std::{
    future::ready,
    io::{self, Write},
    sync::Arc,
};

use anyhow::Context as _;
use owlbus::{Received, handle::EventStream};
use tokio::task::JoinHandle;

use super::{End, tally::Tally};

/// Prints events, many at a time while they come fast.
pub(super) struct Printer<W> {
    output: W,
    /// Whole lines that are not written yet.
    lines: Vec<u8>,
    /// How many.
    events: u64,
    tally: Arc<Tally>,
}

/// Bytes that are written at once.
const FULL: usize = 256 << 10;

impl<W: Write> Printer<W> {
    pub(super) fn new(output: W, tally: Arc<Tally>) -> Self {
        Self { output, lines: Vec::with_capacity(FULL), events: 0, tally }
    }

    /// Prints what the subscription receives until the publisher has ended and nothing is left. Where it ends earlier,
    /// so does the subscription, and the publisher waits for it no more.
    ///
    /// # Errors
    ///
    /// That of the publisher, after what it published was printed; or the output cannot be written.
    pub(super) async fn run(
        mut self,
        mut events: EventStream,
        publisher: &mut JoinHandle<anyhow::Result<()>>,
    ) -> anyhow::Result<End> {
        let mut published = None;
        loop {
            // In this order: what is there is taken, then what was taken is written, and only then is waited. A
            // publish that returned is in the mailbox, so once the publisher has ended an empty mailbox is the end.
            tokio::select! {
                biased;
                Some(received) = events.next() => self.take(received)?,
                () = ready(()), if self.events > 0 => {
                    if self.write()? == End::OutputClosed {
                        return Ok(End::OutputClosed);
                    }
                }
                ended = &mut *publisher, if published.is_none() => published = Some(ended),
                () = ready(()), if published.is_some() => break,
            }
            if self.lines.len() >= FULL && self.write()? == End::OutputClosed {
                return Ok(End::OutputClosed);
            }
        }
        published.transpose().context("the publisher failed")?.transpose()?;
        Ok(End::Complete)
    }

    fn take(&mut self, received: Received) -> anyhow::Result<()> {
        match received {
            Received::Event(event) => {
                event.write_cloudevent(&mut self.lines)?;
                self.lines.push(b'\n');
                self.events += 1;
            }
            Received::Gap(gap) => self.tally.lost(gap.missed),
            _ => {}
        }
        Ok(())
    }

    /// Writes the lines that are held.
    fn write(&mut self) -> anyhow::Result<End> {
        let mut written = 0;
        let result = loop {
            if written == self.lines.len() {
                break self.output.flush();
            }
            match self.output.write(&self.lines[written..]) {
                Ok(0) => break Err(io::ErrorKind::WriteZero.into()),
                Ok(bytes) => written += bytes,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => break Err(error),
            }
        };
        // Of a write that failed half-way, whole lines count.
        let delivered = if result.is_ok() { self.events } else { line_breaks(&self.lines[..written]) };
        self.tally.delivered(delivered);
        (self.events, _) = (0, self.lines.clear());
        match result {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(End::OutputClosed),
            other => other.map(|()| End::Complete).context("standard output cannot be written"),
        }
    }
}

fn line_breaks(text: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', text).count() as u64
}
