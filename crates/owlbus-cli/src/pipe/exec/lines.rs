//! Long-lived processes, as many as events are handled at once.

use std::{
    mem,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, sleep_until}; // sleeps: so that a command that always ends is not started all the time.

use super::{
    super::report::Report,
    answer::Answer,
    conversation::Conversation,
    failed::{Failed, Why},
    output::Output,
    process::Patience,
    shell::Shell,
};

/// Runs the command once, and again where it ended.
pub(super) struct Lines {
    pub(super) shell: Shell,
    pub(super) patience: Patience,
    pub(super) output: Arc<Output>,
    pub(super) report: Arc<Report>,
    /// Those that wait for an event. There are never more than events were handled at once.
    pub(super) idle: Mutex<Vec<Conversation>>,
    pub(super) rest: Mutex<Rest>,
}

/// Keeps a command that never answers from being started all the time.
#[derive(Default)]
pub(super) struct Rest {
    /// Processes in a row that ended without an answer.
    failures: u32,
    /// None is started before.
    until: Option<Instant>,
}

/// How long nothing is started after the first of them; after each further one it is twice as long.
const SHORTEST: Duration = Duration::from_millis(100);

/// But never longer than this.
const LONGEST: Duration = Duration::from_secs(10);

impl Lines {
    pub(super) async fn handle(&self, line: Vec<u8>) -> Result<(), Failed> {
        let mut conversation = self.conversation().await?;
        let asked = self.patience.wait(conversation.ask(&line)).await;
        let why = match asked.flatten() {
            Ok(answer) => {
                *lock(&self.rest) = Rest::default();
                lock(&self.idle).push(conversation);
                return match answer {
                    Answer::Done => Ok(()),
                    Answer::Failed { again, reason } => Err(Why::Answered(again, reason).into()),
                };
            }
            Err(why) => why,
        };
        if !conversation.has_answered {
            lock(&self.rest).lengthen();
        }
        Err(Failed::new(why, conversation.end().await))
    }

    /// A process that waits for an event: one that is there, or a new one.
    async fn conversation(&self) -> Result<Conversation, Why> {
        while let Some(mut idle) = { lock(&self.idle).pop() } {
            if idle.is_ready().await {
                return Ok(idle);
            }
            self.report
                .note("the command ended, or said something, while it had no event; it is started again");
            idle.end().await;
        }
        let until = lock(&self.rest).until;
        if let Some(until) = until {
            tokio::select! {
                () = self.patience.interrupt.insisted() => return Err(Why::Interrupted),
                () = sleep_until(until) => {}
            }
        }
        Conversation::start(self.shell.command(), &self.output).map_err(Why::NotStarted)
    }

    /// Lets the processes end; says what went wrong, if anything did.
    pub(super) async fn end(&self) -> Option<String> {
        let mut idle = mem::take(&mut *lock(&self.idle));
        idle.iter_mut().for_each(Conversation::close);
        let mut problem = None;
        for conversation in idle {
            let last = conversation.finish(&self.patience).await;
            problem = problem.or(last);
        }
        problem
    }
}

impl Rest {
    /// After one more process that ended without an answer.
    fn lengthen(&mut self) {
        let rest = SHORTEST.saturating_mul(1 << self.failures.min(16)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        self.until = Some(Instant::now() + rest);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_rest_grows_up_to_ten_seconds() {
        let mut rest = Rest::default();
        let rests: Vec<_> = std::iter::repeat_with(|| {
            rest.lengthen();
            rest.until.map(|until| (until - Instant::now()).as_millis())
        })
        .take(9)
        .flatten()
        .collect();
        assert_eq!(rests, [100, 200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000]);
        rest.failures = u32::MAX;
        rest.lengthen();
        assert_eq!(rest.until, Some(Instant::now() + LONGEST));
    }
}
