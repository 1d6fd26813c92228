//! The tasks that handle deliveries.

use std::sync::{Mutex, PoisonError};

use tokio::task::JoinHandle;

/// The tasks of one bus that handle deliveries, so that a shutdown can wait for them and, in the end, cancel them.
#[derive(Default)]
pub(crate) struct Workers(Mutex<Vec<JoinHandle<()>>>);

impl Workers {
    pub(crate) fn add(&self, tasks: impl IntoIterator<Item = JoinHandle<()>>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Tasks of subscriptions that ended are forgotten when the list would grow else.
        if all.len() == all.capacity() {
            all.retain(|task| !task.is_finished());
        }
        all.extend(tasks);
    }

    /// Waits until every task has ended. Cancel safe: who waits again waits for those that are left.
    pub(crate) async fn wait(&self) {
        std::future::poll_fn(|cx| {
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            all.retain_mut(|task| std::pin::Pin::new(task).poll(cx).is_pending());
            if all.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
        })
        .await;
    }

    /// Cancels the tasks that are left, each at its next await.
    pub(crate) fn cancel(&self) {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().for_each(JoinHandle::abort);
    }
}
