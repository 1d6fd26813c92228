//! Unix: `sh -c`, process groups, SIGINT and SIGTERM.

use std::{
    fs::File,
    io,
    os::{fd::AsFd as _, unix::fs::MetadataExt as _},
    process::{ExitStatus, Stdio},
};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    process::Command,
    signal::unix::{self, SignalKind},
};

/// What asks this process to end.
pub(crate) struct Signals {
    interrupt: unix::Signal,
    terminate: unix::Signal,
}

impl Signals {
    /// Catches them from here on.
    pub(crate) fn catch() -> io::Result<Self> {
        Ok(Self {
            interrupt: unix::signal(SignalKind::interrupt())?,
            terminate: unix::signal(SignalKind::terminate())?,
        })
    }

    /// Waits for the next one; `None` where none can come any more.
    pub(crate) async fn next(&mut self) -> Option<()> {
        tokio::select! {
            told = self.interrupt.recv() => told,
            told = self.terminate.recv() => told,
        }
    }
}

/// A command as a user writes it in a shell. It leads a process group, so that Ctrl-C does not reach it, and so that
/// what it starts ends with it where it is ended.
pub(crate) fn shell(command: &str) -> Command {
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(command).process_group(0);
    shell
}

/// Asks the process group that this process leads to end.
pub(crate) fn ask_to_end(process: u32) {
    signal(process, Signal::TERM);
}

/// Ends the process group that this process leads, or led.
pub(crate) fn kill(process: u32) {
    signal(process, Signal::KILL);
}

fn signal(process: u32, signal: Signal) {
    // Where there is no such group any more, that is all that was wanted.
    if let Some(group) = i32::try_from(process).ok().and_then(Pid::from_raw) {
        _ = kill_process_group(group, signal);
    }
}

/// Whether a shell says that there was nothing to run: no such command, or one that is not executable.
pub(crate) fn was_not_found(status: ExitStatus) -> bool {
    matches!(status.code(), Some(126 | 127))
}

/// Whether the file is what comes in on standard input.
pub(crate) fn is_standard_input(file: &File) -> bool {
    let input = io::stdin().as_fd().try_clone_to_owned().and_then(|input| File::from(input).metadata());
    let (Ok(input), Ok(file)) = (input, file.metadata()) else { return false };
    file.is_file() && (input.dev(), input.ino()) == (file.dev(), file.ino())
}

/// What can be known to be wrong with a command before it runs: its syntax, or that there is no such program.
pub(crate) async fn problem_of(command: &str) -> io::Result<Option<String>> {
    let read = quiet().args(["-n", "-c", command]).output().await?;
    if !read.status.success() {
        let said = String::from_utf8_lossy(&read.stderr);
        return Ok(Some(format!("the shell cannot read the command: {}", said.trim())));
    }
    let Some(program) = program(command) else { return Ok(None) };
    let found = quiet().args(["-c", "command -v \"$1\"", "sh", program]).output().await?;
    let problem = || {
        format!(
            "there is no command `{program}`, or it is not executable; write what you would write in a shell"
        )
    };
    Ok((!found.status.success()).then(problem))
}

fn quiet() -> Command {
    let mut shell = Command::new("sh");
    shell.stdin(Stdio::null()).kill_on_drop(true);
    shell
}

/// The program a command begins with, where that is plain to see: no quotes, no expansion, no assignment, no function.
fn program(command: &str) -> Option<&str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-+./".contains(&byte);
    let command = command.trim_start();
    let end = command.bytes().position(|byte| !plain(byte)).unwrap_or(command.len());
    let (word, rest) = command.split_at(end);
    let ends = rest.is_empty() || rest.starts_with([' ', '\t', '\n', ';', '|', '&', '<', '>']);
    let is_function = rest.trim_start().starts_with('(');
    (ends && !is_function && !word.is_empty() && !word.starts_with(['-', '+'])).then_some(word)
}

#[cfg(test)]
mod tests {
    use super::program;

    #[test]
    fn a_program_is_named_where_it_is_plain_to_see() {
        let plain = [
            ("cat", "cat"),
            ("  ./bill.sh --now", "./bill.sh"),
            ("jq .data|tee x", "jq"),
            ("exit 75; x", "exit"),
            ("true&", "true"),
            ("/usr/bin/env\nx", "/usr/bin/env"),
        ];
        for (command, word) in plain {
            assert_eq!(program(command), Some(word), "{command}");
        }
        for command in
            ["", "\"my tool\"", "$TOOL x", "A=1 x", "f() { x; }; f", "f () { x; }", "( x )", "-x", "~/x"]
        {
            assert_eq!(program(command), None, "{command}");
        }
    }
}
