//! Functions as middlewares: around, before and after, for those who need no type of their own.

use std::{borrow::Cow, fmt, future::Future, sync::Arc};

use super::{AcceptNext, Boxed, Duty, HandleNext, Middleware, Stages};
use crate::{
    accept::{PublishError, Receipt},
    event::Event,
    handle::Delivery,
    settle::{HandlerError, Outcome, Settled},
};

type Said = Result<Outcome, HandlerError>;
type Published = Result<Receipt, PublishError>;
type AroundAccept = dyn Fn(Event, AcceptNext) -> Boxed<Published> + Send + Sync;
type AroundHandle = dyn Fn(Delivery, HandleNext) -> Boxed<Said> + Send + Sync;
type OnSettled = dyn Fn(&Event, &[Settled]) -> Option<Boxed<()>> + Send + Sync;

/// A function as a middleware. From [`around_accept`] and its like.
#[must_use = "it does nothing until a bus is given it"]
#[derive(Clone)]
pub struct Hook {
    name: Cow<'static, str>,
    priority: i32,
    duty: Duty,
    code: Code,
}

#[derive(Clone)]
enum Code {
    Accept(Arc<AroundAccept>),
    Handle(Arc<AroundHandle>),
    Settled(Arc<OnSettled>),
}

impl Hook {
    fn new(name: impl Into<Cow<'static, str>>, code: Code) -> Self {
        Self { name: name.into(), priority: 0, duty: Duty::Guards, code }
    }

    /// Those with a higher one are further out. Default: 0.
    pub fn priority(mut self, priority: i32) -> Self {
        self.priority = priority;
        self
    }

    /// What becomes of an event where it fails. Default: [`Duty::Guards`].
    pub fn duty(mut self, duty: Duty) -> Self {
        self.duty = duty;
        self
    }
}

impl Middleware for Hook {
    fn name(&self) -> Cow<'static, str> {
        self.name.clone()
    }

    fn priority(&self) -> i32 {
        self.priority
    }

    fn duty(&self) -> Duty {
        self.duty
    }

    fn stages(&self) -> Stages {
        match self.code {
            Code::Accept(_) => Stages::ACCEPT,
            Code::Handle(_) => Stages::HANDLE,
            Code::Settled(_) => Stages::SETTLED,
        }
    }

    async fn accept(&self, event: Event, next: AcceptNext) -> Published {
        match &self.code {
            Code::Accept(code) => code(event, next).await,
            _ => next.run(event).await,
        }
    }

    async fn handle(&self, delivery: Delivery, next: HandleNext) -> Said {
        match &self.code {
            Code::Handle(code) => code(delivery, next).await,
            _ => next.run(delivery).await,
        }
    }

    async fn settled(&self, event: &Event, outcomes: &[Settled]) {
        if let Code::Settled(code) = &self.code
            && let Some(rest) = code(event, outcomes)
        {
            rest.await;
        }
    }
}

impl fmt::Debug for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hook")
            .field("name", &self.name)
            .field("priority", &self.priority)
            .finish_non_exhaustive()
    }
}

/// An async function around accept: see [`Middleware::accept`].
///
/// ```
/// use owlbus::{Bus, Event, middleware::{AcceptNext, around_accept}};
///
/// let bus = Bus::builder()
///     .middleware(around_accept("stopwatch", |event: Event, next: AcceptNext| async move {
///         let begun = std::time::Instant::now();
///         let receipt = next.run(event).await?;
///         println!("{} took {:?}", receipt.id, begun.elapsed());
///         Ok(receipt)
///     }))
///     .build()?;
/// # Ok::<(), owlbus::config::ConfigError>(())
/// ```
pub fn around_accept<F, R>(name: impl Into<Cow<'static, str>>, function: F) -> Hook
where
    F: Fn(Event, AcceptNext) -> R + Send + Sync + 'static,
    R: Future<Output = Result<Receipt, PublishError>> + Send + 'static,
{
    Hook::new(name, Code::Accept(Arc::new(move |event, next| Box::pin(function(event, next)))))
}

/// An async function around each attempt of a handler: see [`Middleware::handle`].
pub fn around_handle<F, R>(name: impl Into<Cow<'static, str>>, function: F) -> Hook
where
    F: Fn(Delivery, HandleNext) -> R + Send + Sync + 'static,
    R: Future<Output = Result<Outcome, HandlerError>> + Send + 'static,
{
    Hook::new(name, Code::Handle(Arc::new(move |delivery, next| Box::pin(function(delivery, next)))))
}

/// A function before accept: it gives the event that goes on, or an error, which refuses it.
///
/// ```
/// use owlbus::{Bus, middleware::before_accept};
///
/// let bus = Bus::builder()
///     .middleware(before_accept("keyed", |event| match event.has_key() {
///         true => Ok(event),
///         false => Err("every event here has a key"),
///     }))
///     .build()?;
/// # Ok::<(), owlbus::config::ConfigError>(())
/// ```
pub fn before_accept<E: fmt::Display>(
    name: impl Into<Cow<'static, str>>,
    function: impl Fn(Event) -> Result<Event, E> + Send + Sync + 'static,
) -> Hook {
    let function = move |event: Event, next: AcceptNext| -> Boxed<Published> {
        match function(event.clone()) {
            Ok(event) => Box::pin(next.run(event)),
            Err(reason) => Box::pin(std::future::ready(next.refuse(event, reason))),
        }
    };
    Hook::new(name, Code::Accept(Arc::new(function)))
}

/// As [`before_accept`], for a function that awaits.
pub fn before_accept_async<F, R, E>(name: impl Into<Cow<'static, str>>, function: F) -> Hook
where
    F: Fn(Event) -> R + Send + Sync + 'static,
    R: Future<Output = Result<Event, E>> + Send + 'static,
    E: fmt::Display + Send,
{
    let function = move |event: Event, next: AcceptNext| -> Boxed<Published> {
        let asked = function(event.clone());
        Box::pin(async move {
            match asked.await {
                Ok(event) => next.run(event).await,
                Err(reason) => next.refuse(event, reason),
            }
        })
    };
    Hook::new(name, Code::Accept(Arc::new(function)))
}

/// A function before each attempt of a handler: it gives the delivery that goes on, or an error, which fails the attempt.
pub fn before_handle(
    name: impl Into<Cow<'static, str>>,
    function: impl Fn(Delivery) -> Result<Delivery, HandlerError> + Send + Sync + 'static,
) -> Hook {
    let function = move |delivery: Delivery, next: HandleNext| -> Boxed<Said> {
        match function(delivery) {
            Ok(delivery) => Box::pin(next.run(delivery)),
            Err(error) => Box::pin(std::future::ready(Err(error))),
        }
    };
    Hook::new(name, Code::Handle(Arc::new(function)))
}

/// As [`before_handle`], for a function that awaits.
pub fn before_handle_async<F, R>(name: impl Into<Cow<'static, str>>, function: F) -> Hook
where
    F: Fn(Delivery) -> R + Send + Sync + 'static,
    R: Future<Output = Result<Delivery, HandlerError>> + Send + 'static,
{
    let function = move |delivery: Delivery, next: HandleNext| -> Boxed<Said> {
        let asked = function(delivery);
        Box::pin(async move { next.run(asked.await?).await })
    };
    Hook::new(name, Code::Handle(Arc::new(function)))
}

/// A function after each attempt of a handler, which sees the event and what the handler said. It observes, and changes
/// nothing.
pub fn after_handle(
    name: impl Into<Cow<'static, str>>,
    function: impl Fn(&Event, &Result<Outcome, HandlerError>) + Send + Sync + 'static,
) -> Hook {
    let function = Arc::new(function);
    let around = move |delivery: Delivery, next: HandleNext| -> Boxed<Said> {
        let (function, event) = (Arc::clone(&function), delivery.event().clone());
        Box::pin(async move {
            let said = next.run(delivery).await;
            function(&event, &said);
            said
        })
    };
    Hook::new(name, Code::Handle(Arc::new(around))).duty(Duty::Observes)
}

/// As [`after_handle`], for a function that awaits; it gets clones.
pub fn after_handle_async<F, R>(name: impl Into<Cow<'static, str>>, function: F) -> Hook
where
    F: Fn(Event, Result<Outcome, HandlerError>) -> R + Send + Sync + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    let function = Arc::new(function);
    let around = move |delivery: Delivery, next: HandleNext| -> Boxed<Said> {
        let (function, event) = (Arc::clone(&function), delivery.event().clone());
        Box::pin(async move {
            let said = next.run(delivery).await;
            function(event, said.clone()).await;
            said
        })
    };
    Hook::new(name, Code::Handle(Arc::new(around))).duty(Duty::Observes)
}

/// A function that is told once an event, when the last of its deliveries is settled: see [`Middleware::settled`].
pub fn on_settled(
    name: impl Into<Cow<'static, str>>,
    function: impl Fn(&Event, &[Settled]) + Send + Sync + 'static,
) -> Hook {
    let function = move |event: &Event, outcomes: &[Settled]| {
        function(event, outcomes);
        None
    };
    Hook::new(name, Code::Settled(Arc::new(function))).duty(Duty::Observes)
}

/// As [`on_settled`], for a function that awaits; it gets clones.
pub fn on_settled_async<F, R>(name: impl Into<Cow<'static, str>>, function: F) -> Hook
where
    F: Fn(Event, Vec<Settled>) -> R + Send + Sync + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    let function = move |event: &Event, outcomes: &[Settled]| -> Option<Boxed<()>> {
        Some(Box::pin(function(event.clone(), outcomes.to_vec())))
    };
    Hook::new(name, Code::Settled(Arc::new(function))).duty(Duty::Observes)
}
