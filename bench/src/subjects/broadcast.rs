//! tokio's channel in which every receiver gets everything, unless it falls more than 1,024 ticks behind.
//!
//! It has no way to wait for room: a publisher that does not look loses nearly all its ticks. So this one looks once
//! every half channel, and gives way until half the channel is free; nothing is lost then.

use std::{ops::Range, sync::Arc, time::Instant};

use anyhow::Result;
use tokio::{
    sync::broadcast::{self, Receiver, Sender},
    task::yield_now,
};

use super::{ROOM, Shape};
use crate::{
    runtime,
    tick::{self, Tick},
};

/// Deliveries a second.
pub(crate) fn paced(shape: Shape) -> Result<f64> {
    runtime::run(async move {
        let (sender, _) = broadcast::channel(ROOM);
        let receivers = (0..shape.handlers).map(|_| tokio::spawn(receive(sender.subscribe())));
        let receivers: Vec<_> = receivers.collect();
        let begun = Instant::now();
        for share in shape.shares() {
            tokio::spawn(send(sender.clone(), share));
        }
        // The publishers hold the only senders now, and the receivers end when the last publisher has.
        drop(sender);
        for receiver in receivers {
            receiver.await?;
        }
        let rate = runtime::rate(shape.deliveries(), begun);
        tick::check(shape.ticks, shape.handlers)?;
        Ok(rate)
    })
}

async fn send(sender: Sender<Arc<Tick>>, numbers: Range<u64>) {
    for number in numbers {
        if number % (ROOM as u64 / 2) == 0 {
            while sender.len() > ROOM / 2 {
                yield_now().await;
            }
        }
        if sender.send(Arc::new(Tick::numbered(number))).is_err() {
            return;
        }
    }
}

async fn receive(mut receiver: Receiver<Arc<Tick>>) {
    while let Ok(tick) = receiver.recv().await {
        tick::handle(&tick);
    }
}
