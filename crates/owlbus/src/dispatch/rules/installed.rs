//! The rules a bus has, and what each did.

use std::sync::{
    Arc, PoisonError, RwLock,
    atomic::{
        AtomicBool, AtomicU64,
        Ordering::{Acquire, Relaxed, Release},
    },
};

use super::{Rule, Rules};

/// The rules of a bus as they are now.
#[derive(Default)]
pub(crate) struct Installed {
    /// Spares a bus without any the lock.
    any: AtomicBool,
    now: RwLock<Arc<Counted>>,
}

/// Rules, and what each did since the bus was given them. They never change.
#[derive(Default)]
pub(crate) struct Counted {
    pub(super) rules: Vec<(Rule, Counts)>,
}

#[derive(Default)]
pub(super) struct Counts {
    pub(super) matched: AtomicU64,
    pub(super) forwarded: AtomicU64,
    pub(super) copied: AtomicU64,
    pub(super) dropped: AtomicU64,
    pub(super) refused: AtomicU64,
}

impl Installed {
    pub(crate) fn new(rules: Rules) -> Self {
        let installed = Self::default();
        installed.set(rules);
        installed
    }

    /// The rules for an event that is published now.
    pub(crate) fn now(&self) -> Option<Arc<Counted>> {
        self.any.load(Acquire).then(|| Arc::clone(&self.now.read().unwrap_or_else(PoisonError::into_inner)))
    }

    /// Puts these in the place of those there are. A publish that has begun keeps the ones it began with.
    pub(crate) fn set(&self, rules: Rules) {
        let rules: Vec<_> = rules.all.into_iter().map(|rule| (rule, Counts::default())).collect();
        let mut now = self.now.write().unwrap_or_else(PoisonError::into_inner);
        self.any.store(!rules.is_empty(), Release);
        *now = Arc::new(Counted { rules });
    }

    pub(crate) fn list(&self) -> Vec<RuleInfo> {
        let now = Arc::clone(&self.now.read().unwrap_or_else(PoisonError::into_inner));
        let info = |(rule, counts): &(Rule, Counts)| RuleInfo {
            rule: rule.clone(),
            matched: counts.matched.load(Relaxed),
            forwarded: counts.forwarded.load(Relaxed),
            copied: counts.copied.load(Relaxed),
            dropped: counts.dropped.load(Relaxed),
            refused: counts.refused.load(Relaxed),
        };
        now.rules.iter().map(info).collect()
    }
}

/// A rule of a bus, and what it did since the bus was given it.
///
/// A publish that was refused, by a rule or for another reason, counts in nothing but `refused`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RuleInfo {
    /// The rule.
    pub rule: Rule,
    /// Events it was for, copies among them. An event that came to it under several topics counts for each.
    pub matched: u64,
    /// Events it sent on under another topic.
    pub forwarded: u64,
    /// Copies it made.
    pub copied: u64,
    /// Events it dropped.
    pub dropped: u64,
    /// Events it had refused: one hop too many, a copy too many, or an event it could not do its work on.
    pub refused: u64,
}
