//! tokio's channel for many senders and one receiver, a channel each handler, carrying shared ticks: allocated once,
//! then passed on by reference count, as an event is.

use std::{ops::Range, sync::Arc, time::Instant};

use anyhow::Result;
use tokio::sync::mpsc::{self, Receiver, Sender};

use super::{ROOM, Shape};
use crate::{
    runtime,
    tick::{self, Tick},
};

type Shared = Arc<Tick>;

/// Deliveries a second, received one by one.
pub(crate) fn one_by_one(shape: Shape) -> Result<f64> {
    carry(shape, receive)
}

/// Deliveries a second, received as many at a time as there are.
pub(crate) fn many_at_once(shape: Shape) -> Result<f64> {
    carry(shape, receive_many)
}

fn carry<F>(shape: Shape, receive: fn(Receiver<Shared>) -> F) -> Result<f64>
where
    F: Future<Output = ()> + Send + 'static,
{
    runtime::run(async move {
        let (senders, receivers): (Vec<_>, Vec<_>) = (0..shape.handlers).map(|_| mpsc::channel(ROOM)).unzip();
        let receivers: Vec<_> =
            receivers.into_iter().map(|receiver| tokio::spawn(receive(receiver))).collect();
        let begun = Instant::now();
        for share in shape.shares() {
            tokio::spawn(send(senders.clone(), share));
        }
        // The publishers hold the only senders now, and the receivers end when the last publisher has.
        drop(senders);
        for receiver in receivers {
            receiver.await?;
        }
        let rate = runtime::rate(shape.deliveries(), begun);
        tick::check(shape.ticks, shape.handlers)?;
        Ok(rate)
    })
}

async fn send(senders: Vec<Sender<Shared>>, numbers: Range<u64>) {
    let Some((last, others)) = senders.split_last() else { return };
    for number in numbers {
        let tick = Arc::new(Tick::numbered(number));
        for sender in others {
            if sender.send(Arc::clone(&tick)).await.is_err() {
                return;
            }
        }
        if last.send(tick).await.is_err() {
            return;
        }
    }
}

async fn receive(mut receiver: Receiver<Shared>) {
    while let Some(tick) = receiver.recv().await {
        tick::handle(&tick);
    }
}

async fn receive_many(mut receiver: Receiver<Shared>) {
    let mut ticks = Vec::with_capacity(ROOM);
    while receiver.recv_many(&mut ticks, ROOM).await > 0 {
        for tick in ticks.drain(..) {
            tick::handle(&tick);
        }
    }
}
