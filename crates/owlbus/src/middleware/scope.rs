//! Whose handle it is, and what he may do.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, atomic::Ordering::Relaxed},
};

use super::{Act, Chain, Chains, Identity};
use crate::{handle::panicked, topic::Pattern};

/// The identities of a handle: each of them must be permitted what it does, so that nobody gets more by one more.
#[derive(Clone)]
pub(crate) struct Scope(Arc<[Identity]>);

/// Who said that something is not permitted, and why.
pub(crate) struct Denied {
    pub(crate) by: Arc<str>,
    pub(crate) reason: String,
}

impl Scope {
    pub(crate) fn of(outer: Option<&Scope>, identity: Identity) -> Self {
        let before = outer.into_iter().flat_map(|scope| scope.0.iter().cloned());
        Self(before.chain([identity]).collect())
    }
}

impl Chain {
    /// Whether every middleware that says who may do what permits it.
    pub(crate) fn permits(&self, scope: &Scope, act: Act, topics: &Pattern) -> Result<(), Denied> {
        for me in &self.access {
            for identity in scope.0.iter() {
                let asked = || me.layer.permits(identity, act, topics);
                // What cannot be asked is denied.
                let said = catch_unwind(AssertUnwindSafe(asked)).unwrap_or_else(|panic| Err(panicked(panic)));
                if let Err(reason) = said {
                    me.refused.fetch_add(1, Relaxed);
                    return Err(Denied { by: Arc::clone(&me.name), reason });
                }
            }
        }
        Ok(())
    }
}

impl Chains {
    /// Whether what the bus has around it now permits somebody something. Without a scope it is the program itself that asks.
    pub(crate) fn permits(&self, scope: Option<&Scope>, act: Act, topics: &Pattern) -> Result<(), Denied> {
        match (scope, self.now()) {
            (Some(scope), Some(chain)) => chain.permits(scope, act, topics),
            _ => Ok(()),
        }
    }
}
