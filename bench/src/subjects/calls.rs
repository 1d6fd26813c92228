//! Functions in a list, called one after the other: what any way to run handlers in the publisher comes down to.

use std::{ops::Range, sync::Arc, time::Instant};

use anyhow::Result;

use super::Shape;
use crate::{
    runtime,
    tick::{self, Tick},
};

type Handlers = Arc<Vec<Box<dyn Fn(&Tick) + Send + Sync>>>;

/// Deliveries a second.
pub(crate) fn one_by_one(shape: Shape) -> Result<f64> {
    runtime::run(async move {
        let handlers: Handlers = Arc::new((0..shape.handlers).map(|_| Box::new(tick::handle) as _).collect());
        let begun = Instant::now();
        let callers: Vec<_> =
            shape.shares().map(|share| tokio::spawn(call(Arc::clone(&handlers), share))).collect();
        for caller in callers {
            caller.await?;
        }
        let rate = runtime::rate(shape.deliveries(), begun);
        tick::check(shape.ticks, shape.handlers)?;
        Ok(rate)
    })
}

async fn call(handlers: Handlers, numbers: Range<u64>) {
    for number in numbers {
        // Shared, as events are, though nobody keeps it here.
        let tick = Arc::new(Tick::numbered(number));
        for handler in &*handlers {
            handler(&tick);
        }
    }
}
