//! The lines people read: a heading a step, what it had to say, a table of durations, the closing line.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::steps::{Step, Verdict};

const GREEN: &str = "32";
const RED: &str = "31";
const YELLOW: &str = "33";
const BOLD: &str = "1";

/// Prints one round of steps as it goes, and remembers how long each took.
pub(crate) struct Report<W> {
    out: W,
    /// Whether escape sequences are welcome; decided once, by whoever knows what `out` is.
    coloured: bool,
    /// When the step that is running began; the table's durations come from here.
    began: Instant,
    rows: Vec<Row>,
}

struct Row {
    name: &'static str,
    mark: Mark,
    took: Duration,
}

#[derive(Clone, Copy, PartialEq)]
enum Mark {
    Passed,
    LeftOut,
    Failed,
}

impl Mark {
    fn word(self) -> (&'static str, &'static str) {
        match self {
            Mark::Passed => ("passed", GREEN),
            Mark::LeftOut => ("left out", YELLOW),
            Mark::Failed => ("failed", RED),
        }
    }
}

impl<W: Write> Report<W> {
    pub(crate) fn new(out: W, coloured: bool) -> Self {
        Self { out, coloured, began: Instant::now(), rows: Vec::new() }
    }

    /// The heading, before anything the step itself prints.
    pub(crate) fn begin(&mut self, step: &Step) -> io::Result<()> {
        self.began = Instant::now();
        let name = self.paint(BOLD, step.name);
        writeln!(self.out, "=== {name}: {}", step.about)?;
        self.out.flush()
    }

    /// What the step had to say, and its duration.
    pub(crate) fn end(&mut self, step: &Step, result: &Result<Verdict>) -> io::Result<()> {
        let took = self.began.elapsed();
        let mark = match result {
            Ok(Verdict::Passed) => Mark::Passed,
            Ok(Verdict::Noted(note)) => {
                writeln!(self.out, "{note}")?;
                Mark::Passed
            }
            Ok(Verdict::LeftOut(reason)) => {
                writeln!(self.out, "left out: {reason}")?;
                Mark::LeftOut
            }
            Err(error) => {
                writeln!(self.out, "{error:#}")?;
                Mark::Failed
            }
        };
        let (word, colour) = mark.word();
        let word = self.paint(colour, word);
        writeln!(self.out, "{} {word} after {}\n", step.name, seconds(took))?;
        self.rows.push(Row { name: step.name, mark, took });
        self.out.flush()
    }

    /// How to run a failed step alone.
    pub(crate) fn hint(&mut self, step: &Step, full: bool) -> io::Result<()> {
        let full = if full { " --full" } else { "" };
        writeln!(self.out, "hint: `cargo xtask test --only {}{full}` runs this step alone.\n", step.name)
    }

    /// The table and the closing line; true if nothing failed.
    pub(crate) fn close(mut self) -> io::Result<bool> {
        for row in &self.rows {
            let (word, colour) = row.mark.word();
            let word = self.paint(colour, &format!("{word:<8}"));
            writeln!(self.out, "{:<10} {word} {:>9}", row.name, seconds(row.took))?;
        }
        let total = self.rows.iter().map(|row| row.took).sum();
        writeln!(self.out, "{:<19} {:>9}\n", "total", seconds(total))?;
        let count = |mark| self.rows.iter().filter(|row| row.mark == mark).count();
        let failed = count(Mark::Failed);
        writeln!(self.out, "{} passed, {failed} failed", count(Mark::Passed))?;
        self.out.flush()?;
        Ok(failed == 0)
    }

    fn paint(&self, colour: &str, text: &str) -> String {
        if self.coloured { format!("\u{1b}[{colour}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}
