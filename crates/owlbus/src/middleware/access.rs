//! `access`: who may publish, subscribe, query, replay and redrive what.

use std::{borrow::Cow, fmt, sync::Arc};

use super::{Middleware, Stages};
use crate::topic::{IntoPatterns, Pattern, TopicError};

/// Who holds a handle: given by [`Bus::scoped`](crate::Bus::scoped) to a plugin, a client or a part of the program. It is known by
/// the handle alone; what an event says of its source proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    name: Arc<str>,
    roles: Vec<Arc<str>>,
}

impl Identity {
    /// An identity without roles.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self { name: name.into(), roles: Vec::new() }
    }

    /// Gives it a role.
    #[must_use]
    pub fn role(mut self, role: impl Into<Arc<str>>) -> Self {
        self.roles.push(role.into());
        self
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its roles.
    pub fn roles(&self) -> impl Iterator<Item = &str> {
        self.roles.iter().map(|role| &**role)
    }
}

/// What somebody wants to do with the events under some topics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Act {
    /// Publish them.
    Publish,
    /// Get them: subscribe, or wait for one.
    Subscribe,
    /// Look at those that were: dead letters, history.
    Query,
    /// Have them delivered once more.
    Replay,
    /// Send dead letters again, or let go of them.
    Redrive,
    /// Change what stands around all events.
    Administer,
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Act::Publish => "publish",
            Act::Subscribe => "subscribe to",
            Act::Query => "query",
            Act::Replay => "replay",
            Act::Redrive => "redrive",
            Act::Administer => "administer",
        })
    }
}

/// Whom a rule is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// Everybody who has an identity.
    Anyone,
    /// The identity of this name.
    Named(String),
    /// Everybody who has this role.
    Role(String),
}

impl Who {
    fn is(&self, identity: &Identity) -> bool {
        match self {
            Who::Anyone => true,
            Who::Named(name) => identity.name() == name,
            Who::Role(role) => identity.roles().any(|one| one == role),
        }
    }
}

/// Says who may do what with the events under which topics. Nobody who has an identity may do what no rule allows; what a rule
/// denies stays denied, whatever allows it. A handle without identity is the program itself, and may do everything.
///
/// What is asked for is contained in what is allowed, or refused: who may subscribe to `hook.**` may ask for `hook.*.failed`, and
/// not for `**`. What is denied is never delivered, also where a wider pattern was allowed.
///
/// ```
/// use owlbus::{Bus, middleware::{Access, Act, Identity, Who}};
///
/// let access = Access::new()
///     .allow(Who::Role("plugin".into()), [Act::Publish, Act::Subscribe], "plugin.**")?
///     .deny(Who::Anyone, [Act::Subscribe], "plugin.*.secret")?;
/// let bus = Bus::builder().middleware(access).build()?;
/// let plugin = bus.scoped(Identity::new("weather").role("plugin"));
/// # drop(plugin);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "it allows and denies nothing until a bus is given it"]
#[derive(Clone)]
pub struct Access {
    name: Cow<'static, str>,
    priority: i32,
    rules: Vec<Rule>,
}

#[derive(Clone)]
struct Rule {
    allows: bool,
    who: Who,
    acts: Vec<Act>,
    topics: Vec<Pattern>,
}

impl Access {
    /// One that allows nobody anything.
    pub fn new() -> Self {
        Self { name: "access".into(), priority: 0, rules: Vec::new() }
    }

    /// Its name. Default: `access`.
    pub fn named(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.name = name.into();
        self
    }

    /// Its place in the list of middlewares; it is asked last, whatever that is: when the topic is what it will be. Default: 0.
    pub fn priority(mut self, priority: i32) -> Self {
        self.priority = priority;
        self
    }

    /// Allows somebody something.
    ///
    /// # Errors
    ///
    /// [`TopicError`] where a pattern is none.
    pub fn allow(
        self,
        who: Who,
        acts: impl IntoIterator<Item = Act>,
        topics: impl IntoPatterns,
    ) -> Result<Self, TopicError> {
        self.rule(true, who, acts, topics)
    }

    /// Denies somebody something, whatever allows it.
    ///
    /// # Errors
    ///
    /// [`TopicError`] where a pattern is none.
    pub fn deny(
        self,
        who: Who,
        acts: impl IntoIterator<Item = Act>,
        topics: impl IntoPatterns,
    ) -> Result<Self, TopicError> {
        self.rule(false, who, acts, topics)
    }

    fn rule(
        mut self,
        allows: bool,
        who: Who,
        acts: impl IntoIterator<Item = Act>,
        topics: impl IntoPatterns,
    ) -> Result<Self, TopicError> {
        let (acts, topics) = (acts.into_iter().collect(), topics.into_patterns()?);
        self.rules.push(Rule { allows, who, acts, topics });
        Ok(self)
    }

    /// Whether an identity may do something with all events under these topics.
    #[must_use]
    pub fn allows(&self, identity: &Identity, act: Act, topics: &Pattern) -> bool {
        let about = |allows: bool| {
            let of_kind = self.rules.iter().filter(move |rule| rule.allows == allows);
            let meant = of_kind.filter(|rule| rule.acts.contains(&act) && rule.who.is(identity));
            meant.flat_map(|rule| &rule.topics).any(|pattern| pattern.contains(topics))
        };
        about(true) && !about(false)
    }
}

impl Default for Access {
    fn default() -> Self {
        Self::new()
    }
}

impl Middleware for Access {
    fn name(&self) -> Cow<'static, str> {
        self.name.clone()
    }

    fn priority(&self) -> i32 {
        self.priority
    }

    fn stages(&self) -> Stages {
        Stages::ACCESS
    }

    fn permits(&self, identity: &Identity, act: Act, topics: &Pattern) -> Result<(), String> {
        match self.allows(identity, act, topics) {
            true => Ok(()),
            false => Err(format!("{} may not {act} {topics}", identity.name())),
        }
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access").field("name", &self.name).field("rules", &self.rules.len()).finish()
    }
}
