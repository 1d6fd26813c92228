//! One process an event.

use std::{future::pending, io, process::ExitStatus, sync::Arc};

use owlbus::Delivery;
use tokio::{io::AsyncWriteExt as _, process::ChildStdin};

use super::{
    failed::{Failed, Why},
    output::{Output, Streams},
    process::{Patience, Pipes, Process},
    shell::Shell,
};

/// Runs the command once an event.
pub(super) struct Each {
    pub(super) shell: Shell,
    pub(super) patience: Patience,
    pub(super) output: Arc<Output>,
}

impl Each {
    pub(super) async fn handle(&self, delivery: &Delivery, line: Vec<u8>) -> Result<(), Failed> {
        let started = Process::start(self.shell.command_for(delivery));
        let (mut process, Pipes { stdin, stdout, stderr }) = started.map_err(Why::NotStarted)?;
        let streams = Streams::pass_on(&self.output, Some(stdout), stderr);
        let why = match self.patience.wait(run(&mut process, stdin, line)).await {
            Ok(Ok(status)) if status.success() => None,
            Ok(Ok(status)) => Some(Why::Ended(status)),
            Ok(Err(error)) => Some(Why::NotStarted(error)),
            Err(why) => {
                process.end().await;
                Some(why)
            }
        };
        let said = streams.end().await;
        why.map_or(Ok(()), |why| Err(Failed::new(why, said)))
    }
}

/// Gives the process its event, and waits for its end. It may end without having read.
async fn run(process: &mut Process, mut stdin: ChildStdin, line: Vec<u8>) -> io::Result<ExitStatus> {
    let feed = async move {
        _ = stdin.write_all(&line).await;
        drop(stdin);
        pending().await
    };
    tokio::select! {
        ended = process.ended() => ended,
        never = feed => never,
    }
}
