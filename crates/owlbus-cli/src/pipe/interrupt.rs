//! What ends the reading before the input does: Ctrl-C, or an output that takes no more.

use std::{future::poll_fn, pin::Pin, process, sync::Arc, task::Poll};

use tokio::{signal, sync::Notify};

/// Tells the publisher to end. The first Ctrl-C does; the second one ends the process.
#[derive(Clone)]
pub(super) struct Interrupt(Arc<Notify>);

/// The exit status of a process that Ctrl-C ended.
const INTERRUPTED: i32 = 130;

impl Interrupt {
    /// Catches Ctrl-C from here on. Where the system refuses that, Ctrl-C ends the process as it always does.
    pub(super) async fn catch() -> Self {
        let interrupt = Self(Arc::default());
        let caught = interrupt.clone();
        let mut first = Box::pin(signal::ctrl_c());
        // The first poll installs the handler, so it must not be left to a task that starts when it likes.
        let early = poll_fn(|cx| Poll::Ready(Pin::new(&mut first).poll(cx))).await;
        tokio::spawn(async move {
            let first = match early {
                Poll::Ready(first) => first,
                Poll::Pending => first.await,
            };
            if first.is_ok() {
                caught.tell();
                if signal::ctrl_c().await.is_ok() {
                    process::exit(INTERRUPTED);
                }
            }
        });
        interrupt
    }

    /// Tells it.
    pub(super) fn tell(&self) {
        self.0.notify_one();
    }

    /// Waits until it is told. Cancel safe.
    pub(super) async fn told(&self) {
        self.0.notified().await;
    }
}
