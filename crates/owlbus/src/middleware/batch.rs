//! The deliveries of a batch on their ways: each goes through its middlewares by itself, and they are handled together.

use std::{
    future::poll_fn,
    sync::{Arc, Mutex, PoisonError},
    task::Poll,
};

use tokio::sync::oneshot;

use super::{Boxed, End, attempt};
use crate::{
    handle::{BatchHandler, Content, Delivery, caught},
    settle::{HandlerError, Outcome, Outcomes},
};

type Said = Result<Outcome, HandlerError>;

/// Where the deliveries of a batch meet before they are handled.
#[derive(Default)]
pub(crate) struct Together(Mutex<Vec<Option<Arrived>>>);

/// A delivery that came to the end of its way, and who waits there for what its handler says.
struct Arrived {
    delivery: Delivery,
    told: oneshot::Sender<Said>,
}

/// The end of the way of one of them.
struct Place {
    together: Arc<Together>,
    number: usize,
}

impl Together {
    pub(crate) fn of(deliveries: usize) -> Arc<Self> {
        Arc::new(Self(Mutex::new((0..deliveries).map(|_| None).collect())))
    }

    /// The ways of the deliveries to here.
    pub(crate) fn ways(self: &Arc<Self>, deliveries: Vec<Delivery>) -> Vec<Boxed<Said>> {
        let way = |(number, delivery): (usize, Delivery)| {
            let place: Arc<dyn End> = Arc::new(Place { together: Arc::clone(self), number });
            match delivery.event().chain().cloned() {
                Some(chain) => attempt(chain, 0, place, delivery),
                None => place.handle(delivery),
            }
        };
        deliveries.into_iter().enumerate().map(way).collect()
    }

    /// Walks all ways; once each delivery has come to the end of its own or was turned back, handles those that came.
    pub(crate) async fn handle<T: Content, H: BatchHandler<T>>(
        &self,
        handler: &H,
        ways: Vec<Boxed<Said>>,
    ) -> Outcomes {
        let mut ways: Vec<Way> = ways.into_iter().map(|walking| Way { walking, said: None }).collect();
        poll_fn(|cx| {
            ways.iter_mut().for_each(|way| way.poll(cx));
            let there = self.lock();
            let met =
                ways.iter().zip(there.iter()).all(|(way, arrived)| way.said.is_some() || arrived.is_some());
            if met { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        let arrived: Vec<_> = self.lock().iter_mut().filter_map(Option::take).collect();
        let mut handling = Box::pin(handle_all(handler, arrived));
        let mut handled = false;
        poll_fn(|cx| {
            handled = handled || handling.as_mut().poll(cx).is_ready();
            ways.iter_mut().for_each(|way| way.poll(cx));
            if ways.iter().all(|way| way.said.is_some()) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        Outcomes::each(ways.into_iter().filter_map(|way| way.said).collect())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Option<Arrived>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One of the ways, and what came of it.
struct Way {
    walking: Boxed<Said>,
    said: Option<Said>,
}

impl Way {
    fn poll(&mut self, cx: &mut std::task::Context<'_>) {
        if self.said.is_none()
            && let Poll::Ready(said) = self.walking.as_mut().poll(cx)
        {
            self.said = Some(said);
        }
    }
}

/// Has them handled, and tells each what was said of it.
async fn handle_all<T: Content, H: BatchHandler<T>>(handler: &H, arrived: Vec<Arrived>) {
    let (mut batch, mut waiting) = (Vec::new(), Vec::new());
    for Arrived { delivery, told } in arrived {
        match delivery.read_as::<T>() {
            Ok(delivery) => {
                batch.push(delivery);
                waiting.push(told);
            }
            Err(unfit) => _ = told.send(Err(HandlerError::permanent(unfit))),
        }
    }
    if batch.is_empty() {
        return;
    }
    let outcomes = caught(async { handler.handle(batch).await }).await;
    let outcomes = outcomes.unwrap_or_else(|panic| HandlerError::permanent(panic).into());
    for (said, told) in outcomes.each_of(waiting.len()).into_iter().zip(waiting) {
        // Who waited may have gone: a middleware that lost patience.
        _ = told.send(said);
    }
}

impl End for Place {
    fn handle(self: Arc<Self>, delivery: Delivery) -> Boxed<Said> {
        Box::pin(async move {
            let (told, said) = oneshot::channel();
            self.together.lock()[self.number] = Some(Arrived { delivery, told });
            said.await.unwrap_or_else(|_| Err(HandlerError::temporary("the batch was given up")))
        })
    }
}
