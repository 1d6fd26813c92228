//! One long-lived process: an event in, an answer out.

use std::{
    future::{pending, ready},
    io,
    sync::Arc,
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    process::{ChildStdin, ChildStdout, Command},
    time::timeout,
};

use super::{
    answer::Answer,
    failed::Why,
    output::{Output, Streams},
    process::{Patience, Pipes, Process},
};

/// A process that answers.
pub(super) struct Conversation {
    process: Process,
    /// Gone when the process has been told that nothing more comes.
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    streams: Streams,
    /// What has come of an answer.
    heard: Vec<u8>,
    /// Whether it ever answered.
    pub(super) has_answered: bool,
}

/// The longest answer, in bytes.
const LONGEST: u64 = 64 << 10;

/// How long, after the end of a process or of its output, is waited for the other.
const GRACE: Duration = Duration::from_millis(500);

impl Conversation {
    pub(super) fn start(command: Command, output: &Arc<Output>) -> io::Result<Self> {
        let (process, Pipes { stdin, stdout, stderr }) = Process::start(command)?;
        let streams = Streams::pass_on(output, None::<ChildStdout>, stderr);
        let (stdin, stdout) = (Some(stdin), BufReader::new(stdout));
        Ok(Self { process, stdin, stdout, streams, heard: Vec::new(), has_answered: false })
    }

    /// Whether it waits for an event: it runs, and has said nothing that could be taken for the next answer.
    pub(super) async fn is_ready(&mut self) -> bool {
        let is_silent = tokio::select! {
            biased;
            said = self.stdout.fill_buf() => {
                matches!(said, Ok(said) if !said.is_empty() && said.trim_ascii().is_empty())
            }
            () = ready(()) => true,
        };
        is_silent && !self.process.has_ended()
    }

    /// Gives it an event, and waits for its answer. After a failure the process is of no more use, and the same where
    /// this is dropped half-way.
    pub(super) async fn ask(&mut self, line: &[u8]) -> Result<Answer, Why> {
        let mut is_given = false;
        let heard = tokio::select! {
            biased;
            never = give(self.stdin.as_mut(), line, &mut is_given) => never,
            heard = next_line(&mut self.stdout, &mut self.heard) => heard,
            _ = self.process.ended() => {
                // It may have answered before it ended.
                timeout(GRACE, next_line(&mut self.stdout, &mut self.heard)).await.unwrap_or(false)
            }
        };
        if !heard {
            return Err(match timeout(GRACE, self.process.ended()).await {
                Ok(Ok(status)) => Why::EndedUnanswered(status),
                _ => Why::FellSilent,
            });
        }
        let answer = Answer::read(&self.heard)?;
        self.heard.clear();
        if !is_given {
            return Err(Why::AnsweredTooEarly);
        }
        self.has_answered = true;
        Ok(answer)
    }

    /// Ends it, and gives what it said last on standard error.
    pub(super) async fn end(mut self) -> String {
        self.process.end().await;
        self.streams.end().await
    }

    /// Tells it that nothing more comes.
    pub(super) fn close(&mut self) {
        self.stdin = None;
    }

    /// Waits until it has ended by itself; says what went wrong, if anything did.
    pub(super) async fn finish(mut self, patience: &Patience) -> Option<String> {
        self.close();
        let ended = patience
            .wait(async {
                tokio::select! {
                    ended = self.process.ended() => ended,
                    never = listen(&mut self.stdout, &mut self.heard) => never,
                }
            })
            .await;
        if ended.is_err() {
            self.process.end().await;
        }
        _ = timeout(GRACE, self.stdout.take(LONGEST).read_to_end(&mut self.heard)).await;
        self.streams.end().await;
        match ended {
            Ok(Ok(status)) if !status.success() => {
                Some(format!("ended with {status} at the end of its input"))
            }
            Ok(Err(error)) => Some(format!("cannot be waited for: {error}")),
            Err(why) => Some(format!("{why} at the end of its input")),
            Ok(Ok(_)) if !self.heard.trim_ascii().is_empty() => {
                Some("wrote more lines than it was given events".into())
            }
            Ok(Ok(_)) => None,
        }
    }
}

/// Gives the process a line, and never ends: an answer does. One that does not read shows that by its end.
async fn give(stdin: Option<&mut ChildStdin>, line: &[u8], is_given: &mut bool) -> bool {
    if let Some(stdin) = stdin {
        *is_given = stdin.write_all(line).await.is_ok();
    }
    pending().await
}

/// Reads a line that is not empty; `false` where none comes any more. Dropped half-way, it leaves what has come.
async fn next_line(stdout: &mut BufReader<ChildStdout>, heard: &mut Vec<u8>) -> bool {
    loop {
        let room = LONGEST.saturating_sub(heard.len() as u64);
        let more = stdout.take(room).read_until(b'\n', heard).await;
        let is_whole = heard.ends_with(b"\n");
        let has_words = !heard.trim_ascii().is_empty();
        // Without a line break it is the last one, or too long to be an answer.
        if !is_whole || more.is_err() || has_words {
            return has_words;
        }
        heard.clear();
    }
}

/// Hears what comes, and never ends: the process does.
async fn listen<T>(stdout: &mut BufReader<ChildStdout>, heard: &mut Vec<u8>) -> T {
    while let Ok(true) = stdout.fill_buf().await.map(|more| !more.is_empty()) {
        let more = stdout.buffer();
        let (room, length) = ((LONGEST as usize).saturating_sub(heard.len()), more.len());
        heard.extend_from_slice(&more[..length.min(room)]);
        stdout.consume(length);
    }
    pending().await
}
