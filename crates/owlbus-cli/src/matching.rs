//! `owlbus match`: whether a pattern matches a topic.

use std::{
    io::{self, Write},
    process::ExitCode,
    str,
};

use anyhow::Context as _;
use owlbus::{Pattern, Topic};

use crate::{
    input::read_chunk,
    lines::{Line, Lines},
    shown::Shown,
};

/// Say whether a pattern matches a topic
///
/// With arguments: prints `yes` or `no`.
///
/// Without arguments: reads lines of a pattern, a tab and a topic from standard input, and prints one line for each:
/// `yes`, `no`, or `error: …` with the reason.
#[derive(clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Which topics are asked for: `*` is exactly one token, `**` any number of them, also none
    #[arg(requires = "topic")]
    pattern: Option<String>,
    /// The topic: tokens separated by dots, without wildcards
    topic: Option<String>,
}

const EXAMPLES: &str = "\
Examples:
  owlbus match 'hook.*' hook.tool                    # yes
  owlbus match 'hook.*' hook.tool.usage              # no
  owlbus match 'hook.**' hook                        # yes
  printf 'a.*\\ta.b\\na.*\\ta\\n' | owlbus match         # yes, then no

Topics that begin with `owlbus` are the bus's own; a pattern that begins with a wildcard does not match them.

Exit status:
  0  With arguments: the pattern matches.
     Without: all of standard input was read, whatever the answers were.
  1  With arguments: the pattern does not match.
     Without: standard input could not be read, or standard output not be written. A closed output is no error.
  2  An argument is missing, or no pattern or no topic; the reason is on standard error.";

/// The most bytes of a line; the longest pattern and the longest topic are far below it.
const LONGEST_LINE: usize = 64 << 10;

/// Answers the arguments, or else every line of standard input.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let mut output = io::stdout().lock();
    let answered = match (&arguments.pattern, &arguments.topic) {
        (Some(pattern), Some(topic)) => match answer(pattern, topic) {
            Ok(yes) => writeln!(output, "{}", word(yes)).map(|()| ExitCode::from(u8::from(!yes))),
            Err(reason) => {
                _ = writeln!(io::stderr(), "owlbus: {}", Shown(reason));
                return Ok(ExitCode::from(2));
            }
        },
        _ => return answer_lines(&mut output),
    };
    quiet_when_closed(answered)
}

/// Whether the pattern matches, or why one of the two is none.
fn answer(pattern: &str, topic: &str) -> Result<bool, String> {
    let pattern = Pattern::new(pattern).map_err(|error| format!("no pattern: {error}"))?;
    let topic = Topic::new(topic).map_err(|error| format!("no topic: {error}"))?;
    Ok(pattern.matches(&topic))
}

fn word(yes: bool) -> &'static str {
    if yes { "yes" } else { "no" }
}

fn answer_lines(output: &mut impl Write) -> anyhow::Result<ExitCode> {
    let mut input = io::stdin().lock();
    let mut lines = Lines::new(LONGEST_LINE);
    let mut answers = Vec::new();
    while let Some(chunk) = read_chunk(&mut input).context("standard input cannot be read")? {
        lines.feed(chunk);
        while let Some(line) = lines.next() {
            answer_line(&line, &mut answers);
        }
        // What was asked so far is answered before more is waited for.
        if let Err(error) = output.write_all(&answers).and_then(|()| output.flush()) {
            return quiet_when_closed(Err(error));
        }
        answers.clear();
    }
    if let Some(line) = lines.last() {
        answer_line(&line, &mut answers);
    }
    quiet_when_closed(output.write_all(&answers).and_then(|()| output.flush()).map(|()| ExitCode::SUCCESS))
}

fn answer_line(line: &Line<'_>, answers: &mut Vec<u8>) {
    let answer = read_line(line).and_then(|(pattern, topic)| answer(pattern, topic));
    let written = match answer {
        Ok(yes) => writeln!(answers, "{}", word(yes)),
        Err(reason) => writeln!(answers, "error: {}", Shown(reason)),
    };
    written.expect("a Vec takes everything");
}

fn read_line<'a>(line: &Line<'a>) -> Result<(&'a str, &'a str), String> {
    let text = line.text.ok_or_else(|| format!("the line is longer than {LONGEST_LINE} bytes"))?;
    let text = str::from_utf8(text).map_err(|error| {
        format!("the line is not UTF-8: a wrong byte at column {}", error.valid_up_to() + 1)
    })?;
    text.split_once('\t').ok_or_else(|| "no tab in the line; write a pattern, a tab and a topic".to_owned())
}

/// A closed output says that the reader has read enough.
fn quiet_when_closed(written: io::Result<ExitCode>) -> anyhow::Result<ExitCode> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
        other => other.context("standard output cannot be written"),
    }
}
