//! What commands write, on its way to those who read what owlbus writes.

use std::{
    io::{self, Write as _},
    mem,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::Context as _;
use memchr::memrchr;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    sync::watch,
    task::{JoinSet, spawn_blocking},
    time::{Instant, timeout_at},
};

use super::super::{End, interrupt::Interrupt, report::Report};

/// Standard output and standard error, which all commands share.
pub(super) struct Output {
    report: Arc<Report>,
    /// Told where standard output takes no more: nobody wants what further events would give.
    interrupt: Interrupt,
    stdout: Mutex<Result<End, io::Error>>,
}

impl Output {
    pub(super) fn new(report: Arc<Report>, interrupt: Interrupt) -> Self {
        Self { report, interrupt, stdout: Mutex::new(Ok(End::Complete)) }
    }

    /// How the writing ended.
    pub(super) fn end(&self) -> anyhow::Result<End> {
        let mut stdout = self.stdout.lock().unwrap_or_else(PoisonError::into_inner);
        mem::replace(&mut *stdout, Ok(End::Complete)).context("standard output cannot be written")
    }

    /// Writes on standard output for as long as that takes what is written; the rest is let go of.
    fn write(&self, text: &[u8]) {
        let mut stdout = self.stdout.lock().unwrap_or_else(PoisonError::into_inner);
        if !matches!(*stdout, Ok(End::Complete)) {
            return;
        }
        let written = {
            let mut output = io::stdout().lock();
            output.write_all(text).and_then(|()| output.flush())
        };
        if let Err(error) = written {
            let closed = error.kind() == io::ErrorKind::BrokenPipe;
            *stdout = if closed { Ok(End::OutputClosed) } else { Err(error) };
            self.interrupt.tell();
        }
    }

    fn show(&self, text: &[u8]) {
        self.report.pass_on(text);
    }
}

/// What one process writes.
pub(super) struct Streams {
    /// Set when the process has ended.
    ended: watch::Sender<bool>,
    passing: JoinSet<()>,
    said: Arc<Mutex<Vec<u8>>>,
}

/// How much of what a process said last is remembered, in bytes; more is held meanwhile.
const SAID: usize = 2 << 10;

/// How long, after the end of a process, is waited for what others write that it left behind.
const GRACE: Duration = Duration::from_millis(100);

/// The most bytes that are read after the end of a process: as much as a pipe can hold.
const LEFT: usize = 1 << 20;

/// The longest line that is passed on as a whole, in bytes.
const LINE: usize = 64 << 10;

impl Streams {
    /// Passes on what comes on standard error, and on standard output where that is not read otherwise.
    pub(super) fn pass_on(
        output: &Arc<Output>,
        stdout: Option<impl AsyncRead + Send + Unpin + 'static>,
        stderr: impl AsyncRead + Send + Unpin + 'static,
    ) -> Self {
        let (ended, said) = (watch::Sender::new(false), Arc::new(Mutex::new(Vec::new())));
        let mut passing = JoinSet::new();
        if let Some(stdout) = stdout {
            let output = Arc::clone(output);
            let write = move |lines: &[u8]| output.write(lines);
            passing.spawn(pass(stdout, ended.subscribe(), write));
        }
        let (output, hears) = (Arc::clone(output), Arc::clone(&said));
        let show = move |lines: &[u8]| {
            remember(&mut hears.lock().unwrap_or_else(PoisonError::into_inner), lines);
            output.show(lines);
        };
        passing.spawn(pass(stderr, ended.subscribe(), show));
        Self { ended, passing, said }
    }

    /// Passes on what is left once the process has ended, and gives what it said last on standard error.
    pub(super) async fn end(mut self) -> String {
        self.ended.send_replace(true);
        while self.passing.join_next().await.is_some() {}
        let said = mem::take(&mut *self.said.lock().unwrap_or_else(PoisonError::into_inner));
        last_lines(&String::from_utf8_lossy(&said)).to_owned()
    }
}

/// As many of the last lines of a text as are remembered; of a line that is longer, its end.
fn last_lines(text: &str) -> &str {
    let text = text.trim();
    let mut start = text.len().saturating_sub(SAID);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    let end = &text[start..];
    if start == 0 { end } else { end.split_once('\n').map_or(end, |(_, lines)| lines) }
}

fn remember(said: &mut Vec<u8>, text: &[u8]) {
    said.extend_from_slice(text);
    if said.len() > 4 * SAID {
        said.drain(..said.len() - 2 * SAID);
    }
}

/// Passes on whole lines, as they come.
///
/// Whoever holds the other end may outlive the process. After its end only that is waited for that comes soon.
async fn pass<F: Fn(&[u8]) + Send + Sync + 'static>(
    mut from: impl AsyncRead + Unpin,
    mut ended: watch::Receiver<bool>,
    to: F,
) {
    let (to, mut held) = (Arc::new(to), Vec::new());
    let (mut deadline, mut left) = (None, LEFT);
    loop {
        let read = match deadline {
            Some(deadline) => timeout_at(deadline, from.read_buf(&mut held)).await.unwrap_or(Ok(0)),
            None => tokio::select! {
                biased;
                _ = ended.wait_for(|ended| *ended) => {
                    deadline = Some(Instant::now() + GRACE);
                    continue;
                }
                read = from.read_buf(&mut held) => read,
            },
        };
        let bytes = read.unwrap_or(0);
        if deadline.is_some() {
            left = left.saturating_sub(bytes);
        }
        let is_last = bytes == 0 || left == 0;
        let end = if is_last || held.len() >= LINE {
            Some(held.len())
        } else {
            memrchr(b'\n', &held).map(|at| at + 1)
        };
        if let Some(end) = end.filter(|end| *end > 0) {
            let rest = held.split_off(end);
            let (lines, to) = (mem::replace(&mut held, rest), Arc::clone(&to));
            // Who reads it may be slow.
            _ = spawn_blocking(move || to(&lines)).await;
        }
        if is_last {
            return;
        }
    }
}
