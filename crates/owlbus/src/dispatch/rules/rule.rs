//! One rule.

use std::sync::Arc;

use serde::Serialize;

use super::{Action, Condition, Template};
use crate::{
    event::{Event, Priority},
    topic::{IntoPatterns, Pattern, TopicError},
};

/// One rule: which events it is for, and what it does with them.
///
/// It is for every topic, until [`on`](Self::on) says which. Its actions are done in the order they are given; nothing comes after a
/// forward or a drop. A wrong value is told when the rules are put together, by [`Rules::new`](super::Rules::new).
///
/// ```
/// use owlbus::rules::{Condition, Rule};
///
/// let rule = Rule::new("european orders")
///     .on("order.*")
///     .except("order.test")
///     .when(Condition::one_of("/country", ["fr", "de", "it"]))
///     .set_key("{/customer/id}")
///     .forward("eu.{topic}");
/// ```
#[derive(Clone, Debug)]
#[must_use = "a rule does nothing until a bus has it"]
pub struct Rule {
    name: Arc<str>,
    /// None: every topic.
    patterns: Vec<Pattern>,
    except: Vec<Pattern>,
    conditions: Vec<Condition>,
    actions: Vec<Action>,
    /// The first wrong value that was given.
    wrong: Option<String>,
}

/// Who refuses events where no middleware and no rule does.
const TAKEN: [&str; 4] = ["event", "limits", "topics", "delay"];

impl Rule {
    /// A rule by its name, which is in lists, receipts and errors.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        let name = name.into();

        Self {
            name,
            patterns: Vec::new(),
            except: Vec::new(),
            conditions: Vec::new(),
            actions: Vec::new(),
            wrong: None,
        }
    }

    /// The topics it is for: a pattern, or several of them. Default: every topic.
    pub fn on(mut self, patterns: impl IntoPatterns) -> Self {
        let patterns = self.read(patterns.into_patterns());
        self.patterns.extend(patterns.unwrap_or_default());
        self
    }

    /// Topics it leaves alone, although it is for them. Default: none.
    pub fn except(mut self, patterns: impl IntoPatterns) -> Self {
        let patterns = self.read(patterns.into_patterns());
        self.except.extend(patterns.unwrap_or_default());
        self
    }

    /// What an event must be like; several must all hold. Default: nothing.
    pub fn when(mut self, condition: Condition) -> Self {
        match condition.problem() {
            Some(problem) => self.wrong(problem.to_owned()),
            None => self.conditions.push(condition),
        }
        self
    }

    /// Sends the event on under another topic, which may be made of the event: see [`Template`].
    pub fn forward(self, to: impl AsRef<str>) -> Self {
        let to = Template::of_topic(to.as_ref()).map(Action::ForwardTo);
        self.then(to.map_err(|problem| format!("`forward`: {problem}")))
    }

    /// Publishes a second event with the same content under another topic, which may be made of the event: see [`Template`].
    pub fn copy(self, to: impl AsRef<str>) -> Self {
        let to = Template::of_topic(to.as_ref()).map(Action::CopyTo);
        self.then(to.map_err(|problem| format!("`copy`: {problem}")))
    }

    /// Drops the event: nobody gets it, its publisher goes on, and the receipt names this rule.
    pub fn drop_event(self) -> Self {
        self.then(Ok(Action::DropEvent))
    }

    /// Gives the event another priority.
    pub fn set_priority(self, priority: Priority) -> Self {
        self.then(Ok(Action::SetPriority(priority)))
    }

    /// Gives the event another key, which may be made of the event: see [`Template`].
    pub fn set_key(self, key: impl AsRef<str>) -> Self {
        let key = Template::of_key(key.as_ref()).map(Action::SetKey);
        self.then(key.map_err(|problem| format!("`key`: {problem}")))
    }

    /// Sets an entry of metadata, to any value that can be written as JSON.
    pub fn set_metadata(self, name: impl Into<String>, value: impl Serialize) -> Self {
        let name = name.into();
        let value = serde_json::to_value(value).map_err(|error| error.to_string());
        // The builder of events knows which names there may be.
        let tried = Event::signal("x").map(Event::builder).map_err(|error| error.to_string());
        let tried = tried.and_then(|builder| {
            let built = builder.metadata(&name, ()).build();
            built.map_err(|error| error.to_string())
        });
        let action = tried.and(value).map(|value| Action::SetMetadata { name, value });
        self.then(action.map_err(|problem| format!("`metadata`: {problem}")))
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The topics it is for; none stands for every topic.
    #[must_use]
    pub fn patterns(&self) -> &[Pattern] {
        &self.patterns
    }

    /// The topics it leaves alone.
    #[must_use]
    pub fn exceptions(&self) -> &[Pattern] {
        &self.except
    }

    /// What an event must be like.
    pub fn conditions(&self) -> &[Condition] {
        &self.conditions
    }

    /// What it does, in order.
    #[must_use]
    pub fn actions(&self) -> &[Action] {
        &self.actions
    }

    pub(super) fn shared_name(&self) -> Arc<str> {
        Arc::clone(&self.name)
    }

    /// Whether it is for this event; an error where nobody can say.
    pub(super) fn asks_for(&self, event: &Event) -> Result<bool, String> {
        let under = |patterns: &[Pattern]| patterns.iter().any(|pattern| pattern.matches(event.topic()));
        if !(self.patterns.is_empty() || under(&self.patterns)) || under(&self.except) {
            return Ok(false);
        }
        for condition in &self.conditions {
            if !condition.holds(event)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether it can be one of a bus's rules, or what is wrong with it.
    pub(super) fn check(&self) -> Result<(), String> {
        if let Some(wrong) = &self.wrong {
            return Err(wrong.clone());
        }
        if self.name.trim().is_empty() {
            return Err("the name is empty; receipts and errors are to name the rule".into());
        }
        if TAKEN.contains(&&*self.name) {
            return Err("by that name the bus itself refuses events; give the rule another".into());
        }
        if let Some(own) = self.patterns.iter().find(|pattern| pattern.is_reserved()) {
            return Err(format!("`{own}` asks for what the bus itself says, which passes no rules"));
        }
        let Some((_, before)) = self.actions.split_last() else {
            return Err("it does nothing; say where its events go, or what is set: \
                        forward, copy, drop, priority, key, metadata"
                .into());
        };
        match before.iter().any(Action::is_last) {
            true => {
                Err("after a forward or a drop nothing is done any more; put it last, and only one of them"
                    .into())
            }
            false => Ok(()),
        }
    }

    fn then(mut self, action: Result<Action, String>) -> Self {
        match action {
            Ok(action) => self.actions.push(action),
            Err(problem) => self.wrong(problem),
        }
        self
    }

    fn read(&mut self, patterns: Result<Vec<Pattern>, TopicError>) -> Option<Vec<Pattern>> {
        patterns.map_err(|error| self.wrong(error.to_string())).ok()
    }

    /// The first wrong value that was given.
    #[cfg(feature = "rules-file")]
    pub(super) fn problem(&self) -> Option<&str> {
        self.wrong.as_deref()
    }

    fn wrong(&mut self, problem: String) {
        self.wrong.get_or_insert(problem);
    }
}
