//! A running command, and all that it started.

use std::{io, process::ExitStatus, process::Stdio, time::Duration};

use tokio::{
    process::{Child, ChildStderr, ChildStdin, ChildStdout, Command},
    time::timeout,
};

use super::{super::interrupt::Interrupt, failed::Why};
use crate::system;

/// A process with pipes on all sides, and the group it leads. Where this is dropped before the process has ended, both
/// are killed.
pub(super) struct Process(Child);

/// Our ends of its pipes.
pub(super) struct Pipes {
    pub(super) stdin: ChildStdin,
    pub(super) stdout: ChildStdout,
    pub(super) stderr: ChildStderr,
}

/// How long a process that was asked to end has for that.
const GRACE: Duration = Duration::from_secs(1);

impl Process {
    pub(super) fn start(mut command: Command) -> io::Result<(Self, Pipes)> {
        // Killed by `Drop`, which knows the group; this has the runtime wait for it then.
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn()?;
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let process = Self(child);
        match pipes {
            (Some(stdin), Some(stdout), Some(stderr)) => Ok((process, Pipes { stdin, stdout, stderr })),
            _ => Err(io::Error::other("the process has no pipes")),
        }
    }

    /// Waits for its end, but not for the end of what it started. Cancel safe.
    pub(super) async fn ended(&mut self) -> io::Result<ExitStatus> {
        self.0.wait().await
    }

    /// Whether it has ended.
    pub(super) fn has_ended(&mut self) -> bool {
        !matches!(self.0.try_wait(), Ok(None))
    }

    /// Ends it and what it started: asks first, kills then, and waits.
    pub(super) async fn end(&mut self) {
        let Some(id) = self.0.id() else { return };
        system::ask_to_end(id);
        let asked = timeout(GRACE, self.0.wait()).await;
        // Others in the group may not have listened. As long as one of them is there, nobody else gets its number.
        system::kill(id);
        if asked.is_err() {
            // What cannot be waited for is not there.
            _ = self.0.wait().await;
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.0.id().into_iter().for_each(system::kill);
    }
}

/// How long commands are waited for.
#[derive(Clone)]
pub(super) struct Patience {
    pub(super) limit: Option<Duration>,
    pub(super) interrupt: Interrupt,
}

impl Patience {
    /// Waits until the work is done, its time is over, or nothing is to be waited for any more.
    ///
    /// The time is minded here and not by the subscription: that would let go of a process at once, and start the next
    /// one while this one still ends.
    pub(super) async fn wait<T>(&self, work: impl Future<Output = T>) -> Result<T, Why> {
        let limit = self.limit.unwrap_or(Duration::MAX);
        tokio::select! {
            biased;
            () = self.interrupt.insisted() => Err(Why::Interrupted),
            done = timeout(limit, work) => done.map_err(|_| Why::TookTooLong(limit)),
        }
    }
}
