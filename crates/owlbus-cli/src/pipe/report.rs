//! What `pipe` says on standard error: refused lines, a progress line, the summary.

use std::{
    fmt,
    io::{self, IsTerminal as _, Write as _},
    sync::Arc,
    time::Duration,
};

use indicatif::{ProgressBar, ProgressStyle};
use owlbus::{
    Event,
    settle::{Failure, Next},
};
use serde::Serialize;
use tokio::{task::AbortHandle, time};

use super::{
    form::BadLine,
    rules::Counts,
    tally::{Summary, Tally},
};
use crate::shown::Shown;

/// Standard error, shared by the progress line and everything else.
pub(super) struct Report {
    json: bool,
    /// Draws nothing where there is no terminal for it.
    progress: ProgressBar,
    /// Keeps the progress line up to date.
    drawing: Option<AbortHandle>,
}

/// The summary as one object.
#[derive(Serialize)]
struct Told<'a> {
    #[serde(flatten)]
    summary: &'a Summary,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    rules: Vec<Counts>,
}

/// How often the progress line may change.
const DRAW_EVERY: Duration = Duration::from_millis(200);

impl Report {
    /// Needs a runtime to draw in, where it draws.
    pub(super) fn begin(tally: &Arc<Tally>, json: bool) -> Self {
        // Events on the same terminal show the progress themselves, and would be written into the line.
        let draws = !json && io::stderr().is_terminal() && !io::stdout().is_terminal();
        if !draws {
            return Self { json, progress: ProgressBar::hidden(), drawing: None };
        }
        let style =
            ProgressStyle::with_template("{msg}").unwrap_or_else(|_| ProgressStyle::default_spinner());
        let progress = ProgressBar::new_spinner().with_style(style);
        let drawing = tokio::spawn(draw(progress.clone(), Arc::clone(tally))).abort_handle();
        Self { json, progress, drawing: Some(drawing) }
    }

    /// Names a line that was refused, and why.
    pub(super) fn bad_line(&self, number: u64, reason: &BadLine) {
        self.say(format_args!("line {number}: {}", Shown(reason)));
    }

    /// Tells of an attempt of a command that failed. What the command said of it has been passed on already.
    pub(super) fn attempt_failed(&self, failure: &Failure) {
        let (event, number) = (&failure.event, failure.attempt.number);
        let error = Shown(failure.attempt.errors.first().map_or("", String::as_str));
        match failure.next {
            Next::Retry { after } if after < Duration::from_millis(1) => {
                self.say(format_args!("{event}: attempt {number}: {error}; again at once"));
            }
            Next::Retry { after } => {
                let after = Duration::from_millis(after.as_millis() as u64);
                self.say(format_args!("{event}: attempt {number}: {error}; again in {after:?}"));
            }
            _ => self.say(format_args!("{event}: attempt {number}: {error}; dead")),
        }
    }

    /// Tells of an event that failed without an attempt.
    pub(super) fn not_handled(&self, event: &Event, reason: &str) {
        self.say(format_args!("{event}: {reason}; dead"));
    }

    /// Tells of a dead letter that is not where it belongs.
    pub(super) fn not_kept(&self, event: &Event, error: &anyhow::Error) {
        self.say(format_args!("{event}: lost: {}", Shown(format_args!("{error:#}"))));
    }

    /// Passes on what a command wrote on standard error, as it wrote it.
    pub(super) fn pass_on(&self, text: &[u8]) {
        let line_break: &[u8] = if text.ends_with(b"\n") { b"" } else { b"\n" };
        let text = [text, line_break].concat();
        self.progress.suspend(|| _ = io::stderr().write_all(&text));
    }

    /// Tells what a user may want to know.
    pub(super) fn note(&self, note: &str) {
        self.say(format_args!("owlbus: {note}"));
    }

    /// Ends the progress line.
    pub(super) fn end(&self) {
        self.drawing.iter().for_each(AbortHandle::abort);
        self.progress.finish_and_clear();
    }

    /// Says why it all ended early.
    pub(super) fn failure(&self, error: &anyhow::Error) {
        self.say(format_args!("owlbus: {}", Shown(format_args!("{error:#}"))));
    }

    /// The summary, in the form that was asked for, with what the rules did.
    pub(super) fn summary(&self, summary: &Summary, rules: Vec<Counts>) -> anyhow::Result<()> {
        if self.json {
            self.say(serde_json::to_string(&Told { summary, rules })?);
        } else {
            rules.iter().for_each(|rule| self.say(rule));
            self.say(summary);
        }
        Ok(())
    }

    /// Writes a line at once and in one piece. Where standard error is closed, nobody is there to be told.
    fn say(&self, line: impl fmt::Display) {
        let line = format!("{line}\n");
        self.progress.suspend(|| _ = io::stderr().write_all(line.as_bytes()));
    }
}

async fn draw(progress: ProgressBar, tally: Arc<Tally>) {
    let mut times = time::interval(DRAW_EVERY);
    let mut drawn = None;
    loop {
        times.tick().await;
        let summary = tally.summary();
        let now = summary.counts();
        if drawn.as_ref() != Some(&now) {
            drawn = Some(now);
            progress.set_message(summary.to_string());
        }
    }
}
