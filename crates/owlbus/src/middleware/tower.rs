//! `tower`: its layers as middlewares, a bus as one of its services, and its services as handlers.

use std::{
    borrow::Cow,
    fmt,
    future::poll_fn,
    task::{Context, Poll},
};

use tower_layer::Layer;
use tower_service::Service;

use super::{AcceptNext, Boxed, HandleNext, Middleware, Stages};
use crate::{
    accept::{PublishError, Receipt},
    bus::Bus,
    event::Event,
    handle::{Content, Delivery, Handler},
    settle::{HandlerError, Outcome},
};

/// An event on its way in, as a request of a tower service.
pub struct AcceptRequest {
    /// The event, which may be changed.
    pub event: Event,
    next: AcceptNext,
}

/// A delivery on its way to its handler, as a request of a tower service.
pub struct HandleRequest {
    /// The delivery, which may be changed.
    pub delivery: Delivery,
    next: HandleNext,
}

/// The rest of the way, as the service that layers are put around.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rest(());

impl Service<AcceptRequest> for Rest {
    type Response = Receipt;
    type Error = PublishError;
    type Future = Boxed<Result<Receipt, PublishError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), PublishError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: AcceptRequest) -> Self::Future {
        Box::pin(request.next.run(request.event))
    }
}

impl Service<HandleRequest> for Rest {
    type Response = Outcome;
    type Error = HandlerFailed;
    type Future = Boxed<Result<Outcome, HandlerFailed>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), HandlerFailed>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: HandleRequest) -> Self::Future {
        Box::pin(async move { request.next.run(request.delivery).await.map_err(HandlerFailed) })
    }
}

/// What a handler failed with, as an error that tower's layers can pass on. Its kind is kept.
#[derive(Debug)]
pub struct HandlerFailed(pub HandlerError);

impl fmt::Display for HandlerFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for HandlerFailed {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(self.0.source())
    }
}

/// The error of a tower service, or the handler's own where it is in there.
fn failed(error: BoxError) -> HandlerError {
    match error.downcast::<HandlerFailed>() {
        Ok(failed) => failed.0,
        Err(other) => HandlerError::temporary(other),
    }
}

/// What tower's layers make of all errors.
type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A tower layer around accept. It is put around the rest of the way once, so that what its service holds is held for all events;
/// each event is called on a clone. An error of the layer itself refuses the event.
///
/// ```
/// use owlbus::{Bus, middleware::tower_accept};
///
/// # fn example() -> Result<(), owlbus::config::ConfigError> {
/// // Any layer does: `tower::timeout::TimeoutLayer`, `tower::limit::GlobalConcurrencyLimitLayer`, one of your own.
/// let bus = Bus::builder().middleware(tower_accept("layered", tower_layer::Identity::new())).build()?;
/// # Ok(())
/// # }
/// ```
pub fn tower_accept<L, S>(name: impl Into<Cow<'static, str>>, layer: L) -> TowerAccept<S>
where
    L: Layer<Rest, Service = S>,
{
    TowerAccept { name: name.into(), priority: 0, service: layer.layer(Rest(())) }
}

/// A tower layer around each attempt of a handler, as [`tower_accept`]. An error of the layer itself is a temporary failure.
pub fn tower_handle<L, S>(name: impl Into<Cow<'static, str>>, layer: L) -> TowerHandle<S>
where
    L: Layer<Rest, Service = S>,
{
    TowerHandle { name: name.into(), priority: 0, service: layer.layer(Rest(())) }
}

/// From [`tower_accept`].
#[must_use = "it does nothing until a bus is given it"]
#[derive(Clone, Debug)]
pub struct TowerAccept<S> {
    name: Cow<'static, str>,
    priority: i32,
    service: S,
}

/// From [`tower_handle`].
#[must_use = "it does nothing until a bus is given it"]
#[derive(Clone, Debug)]
pub struct TowerHandle<S> {
    name: Cow<'static, str>,
    priority: i32,
    service: S,
}

impl<S> TowerAccept<S> {
    /// Those with a higher one are further out. Default: 0.
    pub fn priority(mut self, priority: i32) -> Self {
        self.priority = priority;
        self
    }
}

impl<S> TowerHandle<S> {
    /// Those with a higher one are further out. Default: 0.
    pub fn priority(mut self, priority: i32) -> Self {
        self.priority = priority;
        self
    }
}

impl<S> Middleware for TowerAccept<S>
where
    S: Service<AcceptRequest, Response = Receipt> + Clone + Send + Sync + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
{
    fn name(&self) -> Cow<'static, str> {
        self.name.clone()
    }

    fn priority(&self) -> i32 {
        self.priority
    }

    fn stages(&self) -> Stages {
        Stages::ACCEPT
    }

    async fn accept(&self, event: Event, next: AcceptNext) -> Result<Receipt, PublishError> {
        let (mut service, kept) = (self.service.clone(), event.clone());
        let called = async {
            poll_fn(|cx| service.poll_ready(cx)).await?;
            service.call(AcceptRequest { event, next }).await
        };
        called.await.map_err(|error: S::Error| match error.into().downcast::<PublishError>() {
            Ok(refused) => *refused,
            Err(other) => PublishError::rejected(kept, &self.name, other),
        })
    }
}

impl<S> Middleware for TowerHandle<S>
where
    S: Service<HandleRequest, Response = Outcome> + Clone + Send + Sync + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
{
    fn name(&self) -> Cow<'static, str> {
        self.name.clone()
    }

    fn priority(&self) -> i32 {
        self.priority
    }

    fn stages(&self) -> Stages {
        Stages::HANDLE
    }

    async fn handle(&self, delivery: Delivery, next: HandleNext) -> Result<Outcome, HandlerError> {
        let mut service = self.service.clone();
        let called = async {
            poll_fn(|cx| service.poll_ready(cx)).await?;
            service.call(HandleRequest { delivery, next }).await
        };
        called.await.map_err(|error: S::Error| failed(error.into()))
    }
}

/// A bus is a service that publishes what it is called with.
impl Service<Event> for Bus {
    type Response = Receipt;
    type Error = PublishError;
    type Future = Boxed<Result<Receipt, PublishError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), PublishError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, event: Event) -> Self::Future {
        let bus = self.clone();
        Box::pin(async move { bus.publish(event).await })
    }
}

/// A tower service as a handler: each delivery is called on a clone. From [`tower_handler`].
#[derive(Clone, Debug)]
pub struct TowerHandler<S>(S);

/// A tower service as a handler; what it responds with is let go of.
///
/// ```
/// # async fn example(bus: owlbus::Bus, service: impl tower_service::Service<owlbus::Delivery, Response = (), Error = std::io::Error, Future: Send> + Clone + Send + Sync + 'static)
/// # -> Result<(), owlbus::SubscribeError> {
/// use owlbus::middleware::tower_handler;
///
/// bus.on("hook.**").handle(tower_handler(service)).await?;
/// # Ok(())
/// # }
/// ```
pub fn tower_handler<S>(service: S) -> TowerHandler<S> {
    TowerHandler(service)
}

impl<T, S> Handler<T> for TowerHandler<S>
where
    T: Content,
    S: Service<Delivery<T>> + Clone + Send + Sync + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    S::Response: Send,
{
    async fn handle(&self, delivery: Delivery<T>) -> Result<Outcome, HandlerError> {
        let mut service = self.0.clone();
        let called = async {
            poll_fn(|cx| service.poll_ready(cx)).await?;
            service.call(delivery).await
        };
        called.await.map(|_| Outcome::Done).map_err(|error: S::Error| failed(error.into()))
    }
}
