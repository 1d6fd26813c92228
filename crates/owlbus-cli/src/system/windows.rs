//! Windows: `cmd /C`, trees of processes, Ctrl-C.

use std::{
    fs::File,
    future::ready,
    io,
    process::{self, ExitStatus, Stdio},
};

use tokio::{process::Command, signal::windows};

/// What asks this process to end.
pub(crate) struct Signals(windows::CtrlC);

impl Signals {
    /// Catches them from here on.
    pub(crate) fn catch() -> io::Result<Self> {
        windows::ctrl_c().map(Self)
    }

    /// Waits for the next one; `None` where none can come any more.
    pub(crate) async fn next(&mut self) -> Option<()> {
        self.0.recv().await
    }
}

/// CREATE_NEW_PROCESS_GROUP.
const NEW_GROUP: u32 = 0x200;

/// A command as a user writes it in a shell. It leads a process group, so that Ctrl-C does not reach it.
pub(crate) fn shell(command: &str) -> Command {
    let mut shell = Command::new("cmd");
    // As it is written: `cmd` has quotes of its own, and reads none of anybody else's.
    shell.arg("/C").raw_arg(command).creation_flags(NEW_GROUP);
    shell
}

/// A command without a window cannot be asked: nothing happens until it is ended.
pub(crate) fn ask_to_end(_process: u32) {}

/// Ends the process and those it started.
pub(crate) fn kill(process: u32) {
    let mut kill = process::Command::new("taskkill");
    kill.args(["/T", "/F", "/PID", &process.to_string()]);
    // Where there is no such process any more, that is all that was wanted.
    _ = kill.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
}

/// Whether a shell says that there was nothing to run.
pub(crate) fn was_not_found(status: ExitStatus) -> bool {
    status.code() == Some(9009)
}

/// Whether the file is what comes in on standard input, which cannot be known here.
pub(crate) fn is_standard_input(_file: &File) -> bool {
    false
}

/// What can be known to be wrong with a command before it runs, which is nothing here.
pub(crate) fn problem_of(_command: &str) -> impl Future<Output = io::Result<Option<String>>> {
    ready(Ok(None))
}
