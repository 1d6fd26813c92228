//! Routing rules: an ordered list that says, by topic and by what is in an event, where else it goes, and with what.
//!
//! A rule asks for topics and for [`Condition`]s on the fields and the data of an event. What it asks for it sends on under another
//! topic, copies, drops, or gives another priority, key or metadata. A bus is given its rules by
//! [`BusBuilder::rules`](crate::config::BusBuilder::rules), and others while it runs by [`Bus::set_rules`](crate::Bus::set_rules);
//! [`Bus::rules`](crate::Bus::rules) lists them with what each did.
//!
//! ```
//! use owlbus::{Bus, Priority, rules::{Condition, Rule, Rules}};
//!
//! let rules = Rules::new([
//!     Rule::new("test orders").on("order.**").when(Condition::equals("/test", true)).drop_event(),
//!     Rule::new("large orders")
//!         .on("order.placed")
//!         .when(Condition::range("/total", 1_000..))
//!         .set_priority(Priority::High)
//!         .forward("order.large.{1}"),
//!     Rule::new("audit").on("order.**").copy("audit.{topic}"),
//! ])?;
//! let bus = Bus::builder().rules(rules).build()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The way of an event through the rules
//!
//! - An event comes to the rules behind the middlewares around accept, before it has its place in the journal. The rules are asked
//!   from the first to the last, and each that asks for the event acts on what those before it made of it.
//! - A rule that forwards ends the pass: the event has another topic, and all rules are asked again for that topic. A copy is an
//!   event of its own, with an id of its own, caused by the first, and all rules are asked for it too. Both are a hop; the 17th
//!   since the publish is refused, with the path of topics, and so is the 65th copy of one event.
//! - A rule whose target is the topic the event has already does not forward or copy it.
//! - An event and its copies are published together or not at all: where one of them cannot be, nobody gets any. The publisher
//!   learns how many subscriptions its own event matched, and which dropped it or a copy; it waits for room for all of them, and
//!   for the first attempts only of its own.
//! - A forwarded event is the same event: its id, type and data stay. A copy asks for no reply.
//! - What the bus itself says, and answers to requests, pass no rules.

mod action;
mod condition;
mod error;
mod field;
#[cfg(feature = "rules-file")]
mod file;
mod follow;
mod glob;
mod installed;
mod rule;
mod template;

pub use action::Action;
pub use condition::Condition;
pub use error::RulesError;
pub(crate) use follow::{Followed, Refusal};
pub use installed::RuleInfo;
pub(crate) use installed::{Counted, Installed};
pub use rule::Rule;
pub use template::Template;

/// Rules in their order. Checked when they are put together, so that a bus takes whatever is one of these.
///
/// Default: none.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    all: Vec<Rule>,
}

impl Rules {
    /// Puts rules together, in the order they are asked.
    ///
    /// # Errors
    ///
    /// [`RulesError`] for the first that is wrong, or has the name of one before it.
    pub fn new(rules: impl IntoIterator<Item = Rule>) -> Result<Self, RulesError> {
        let mut all = Self::default();
        for rule in rules {
            let name = rule.name().to_owned();
            all.push(rule).map_err(|problem| RulesError::of_rule(name, problem))?;
        }
        Ok(all)
    }

    /// The rules of a file in TOML, from its text.
    ///
    /// One table `[[rule]]` a rule. `name` and at least one action are needed; everything else may be left out.
    ///
    /// ```
    /// let rules = owlbus::rules::Rules::from_toml(r#"
    ///     [[rule]]
    ///     name = "large orders"
    ///     on = "order.placed"                 # a pattern, or a list of them; default: every topic
    ///     except = ["order.test.**"]          # topics it leaves alone
    ///     when = [                            # all of them must hold
    ///         { field = "/total", range = { min = 1000 } },
    ///         { field = "source", in = ["shop", "app"] },
    ///         { field = "/customer/mail", matches = "*@example.com" },
    ///         { field = "metadata.trial", exists = false },
    ///     ]
    ///     priority = "high"
    ///     key = "{/customer/id}"
    ///     metadata = { region = "eu" }
    ///     copy = ["audit.{topic}"]
    ///     forward = "order.large.{1}"         # or: drop = true
    /// "#)?;
    /// assert_eq!(rules.iter().count(), 1);
    /// # Ok::<(), owlbus::rules::RulesError>(())
    /// ```
    ///
    /// Fields are named as for a [`Condition`]; `equals`, `in`, `range` (with `min`, `max`, `above`, `below`), `exists` and `matches`
    /// are its tests. Whatever the order of the keys: priority, key and metadata are set first, then come the copies, then `forward` or
    /// `drop`. Dates and times are text. Needs the feature `rules-file`.
    ///
    /// # Errors
    ///
    /// [`RulesError`] with line and column: what is no TOML, a key that is not known, with the one that may be meant, or a wrong rule.
    #[cfg(feature = "rules-file")]
    pub fn from_toml(text: &str) -> Result<Self, RulesError> {
        file::read(text)
    }

    /// The rules, in their order.
    pub fn iter(&self) -> impl Iterator<Item = &Rule> {
        self.all.iter()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Adds a rule behind the others, or says what is wrong with it.
    fn push(&mut self, rule: Rule) -> Result<(), String> {
        rule.check()?;
        if self.all.iter().any(|other| other.name() == rule.name()) {
            return Err("there is a rule of that name before it; give this one another".into());
        }
        self.all.push(rule);
        Ok(())
    }
}
