//! Around the event: code that sees it on its way in, around each attempt of a handler, and when all is settled.
//!
//! A [`Middleware`] is given to the builder of a bus, or added to a bus that runs. Those with a higher priority are further
//! out; an event keeps the chain that was there when it was published. Where none is installed, a publish reads one flag.

mod accept;
mod access;
mod batch;
mod chain;
mod circuit_breaker;
mod dedup;
mod faults;
mod filter;
mod handle;
mod hooks;
mod logging;
mod metrics;
mod place;
#[cfg(feature = "rate-limit")]
mod rate_limit;
mod sanitize;
mod scope;
mod seen;
mod settled;
#[cfg(feature = "tower")]
mod tower;
mod transform;
mod validate;

use std::{any::type_name, borrow::Cow, future::Future, pin::Pin};

pub use accept::AcceptNext;
pub(crate) use accept::{Way, publish_here, publish_now, walk};
pub use access::{Access, Act, Identity, Who};
pub(crate) use batch::Together;
pub(crate) use chain::{Chain, Chains, Layered};
pub use chain::{MiddlewareError, MiddlewareInfo};
pub(crate) use circuit_breaker::Turn;
pub use circuit_breaker::{CircuitBreaker, CircuitInfo, CircuitOpen, CircuitState};
pub use dedup::Dedup;
pub use faults::{Fault, delay, duplicate, random_fail, random_panic};
pub use filter::Filter;
pub use handle::HandleNext;
pub(crate) use handle::{End, Typed, attempt};
pub use hooks::{
    Hook, after_handle, after_handle_async, around_accept, around_handle, before_accept, before_accept_async,
    before_handle, before_handle_async, on_settled, on_settled_async,
};
pub use logging::Logging;
pub use metrics::{Durations, Metrics, MetricsSnapshot};
#[cfg(feature = "rate-limit")]
pub use rate_limit::RateLimit;
pub use sanitize::{Sanitize, Unclean};
pub(crate) use scope::{Denied, Scope};
pub(crate) use settled::tell_settled;
#[cfg(feature = "tower")]
pub use tower::{
    AcceptRequest, HandleRequest, HandlerFailed, Rest, TowerAccept, TowerHandle, TowerHandler, tower_accept,
    tower_handle, tower_handler,
};
pub use transform::Transform;
#[cfg(feature = "digest")]
pub use validate::{DigestError, check_digest};
#[cfg(feature = "schema")]
pub use validate::{SchemaError, Schemas, Unknown};
pub use validate::{Validate, Violation, Violations};

use crate::{
    accept::{PublishError, Receipt},
    event::Event,
    handle::Delivery,
    settle::{HandlerError, Outcome, Settled},
    topic::Pattern,
};

/// A future that is owned, so that whoever cannot wait for it can leave it to others.
pub(crate) type Boxed<R> = Pin<Box<dyn Future<Output = R> + Send>>;

/// Code around the event: on its way in, around each attempt of a handler, and when every handler is through with it.
///
/// It may change an event, refuse it, drop it, or only look at it. Its panic is its error: what [guards](Duty::Guards) has
/// then refused, what [observes](Duty::Observes) is passed over.
///
/// ```
/// use owlbus::{Event, PublishError, Receipt, middleware::{AcceptNext, Middleware, Stages}};
///
/// struct OfficeHours;
///
/// impl Middleware for OfficeHours {
///     fn stages(&self) -> Stages {
///         Stages::ACCEPT
///     }
///
///     async fn accept(&self, event: Event, next: AcceptNext) -> Result<Receipt, PublishError> {
///         match event.topic().as_str().starts_with("office.") {
///             true => next.run(event).await,
///             false => next.refuse(event, "only what concerns the office"),
///         }
///     }
/// }
///
/// let bus = owlbus::Bus::builder().middleware(OfficeHours).build()?;
/// # Ok::<(), owlbus::config::ConfigError>(())
/// ```
pub trait Middleware: Send + Sync + 'static {
    /// Its name, in errors and lists; one a bus. Default: the name of the type.
    fn name(&self) -> Cow<'static, str> {
        let name = type_name::<Self>();
        let path = name.split_once('<').map_or(name, |(path, _)| path);
        Cow::Borrowed(path.rsplit("::").next().unwrap_or(path))
    }

    /// Those with a higher one are further out: first on the way in, last on the way back. Among equals, who came first.
    /// Default: 0.
    fn priority(&self) -> i32 {
        0
    }

    /// Where it takes part. An event goes through the others as if it were not there. Default: everywhere.
    fn stages(&self) -> Stages {
        Stages::ALL
    }

    /// What becomes of an event where this fails. Default: [`Duty::Guards`].
    fn duty(&self) -> Duty {
        Duty::Guards
    }

    /// Around accept: before the event is anywhere, and after its publish. `next` is the rest of the way.
    ///
    /// A publish that does not wait, such as `try_publish`, is refused where this awaits something before it goes on.
    fn accept(
        &self,
        event: Event,
        next: AcceptNext,
    ) -> impl Future<Output = Result<Receipt, PublishError>> + Send {
        next.run(event)
    }

    /// Around one attempt of a handler, its timeout included. `next` is the rest of the way.
    ///
    /// What it returns is what the handler said. Inline handlers, which are called by the publisher, and streams are not among
    /// what it is around.
    fn handle(
        &self,
        delivery: Delivery,
        next: HandleNext,
    ) -> impl Future<Output = Result<Outcome, HandlerError>> + Send {
        next.run(delivery)
    }

    /// Whether somebody may do something with all events under these topics; an error says why not. Asked for handles that have
    /// an identity: before they publish, subscribe and so on, and before each event is delivered to what they subscribed.
    ///
    /// # Errors
    ///
    /// Why it is not permitted. A panic is one, too.
    fn permits(&self, _identity: &Identity, _act: Act, _topics: &Pattern) -> Result<(), String> {
        Ok(())
    }

    /// Once an event, when the last of its deliveries is settled, with what became of each; at once where nobody asked for it.
    /// A shutdown waits for it.
    fn settled(&self, _event: &Event, _outcomes: &[Settled]) -> impl Future<Output = ()> + Send {
        async {}
    }
}

/// Where a middleware takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stages {
    pub(crate) accept: bool,
    pub(crate) handle: bool,
    pub(crate) settled: bool,
    pub(crate) access: bool,
}

impl Stages {
    /// Everywhere.
    pub const ALL: Stages = Stages { accept: true, handle: true, settled: true, access: true };
    /// Around accept.
    pub const ACCEPT: Stages = Stages { accept: true, handle: false, settled: false, access: false };
    /// Around each attempt of a handler.
    pub const HANDLE: Stages = Stages { accept: false, handle: true, settled: false, access: false };
    /// When all is settled.
    pub const SETTLED: Stages = Stages { accept: false, handle: false, settled: true, access: false };

    /// Where somebody who has an identity wants something.
    pub const ACCESS: Stages = Stages { accept: false, handle: false, settled: false, access: true };

    /// Both where this and where the other takes part.
    #[must_use]
    pub const fn and(self, other: Stages) -> Stages {
        Stages {
            accept: self.accept || other.accept,
            handle: self.handle || other.handle,
            settled: self.settled || other.settled,
            access: self.access || other.access,
        }
    }
}

/// What becomes of an event where a middleware panics, or an observing one fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duty {
    /// The event is refused, or the attempt has failed: nobody gets what could not be checked.
    Guards,
    /// The event goes on as if the middleware were not there.
    Observes,
}
