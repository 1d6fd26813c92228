//! `transform`: renames, drops and changes fields of the data on its way in.

use std::{borrow::Cow, fmt, sync::Arc};

use serde_json::Value;

use super::{AcceptNext, Middleware, Stages};
use crate::{
    accept::{PublishError, Receipt},
    event::Event,
    topic::{IntoPatterns, Pattern, TopicError},
};

/// Renames, drops and changes fields of the data before the event is anywhere: for everybody, unlike
/// [`map`](crate::handle::On::map), which is a subscription's own.
///
/// Fields are named by JSON pointers (`/user/name`). An event without the field, and one whose data is not JSON, goes on as it
/// is; one that is changed has JSON for data from then on. The changes are made in the order they were given.
///
/// ```
/// use owlbus::{Bus, middleware::Transform};
///
/// let transform = Transform::new()
///     .on("user.**")?
///     .rename("/mail", "/contact/email")
///     .drop_field("/password")
///     .map("/name", |name| name.as_str().unwrap_or_default().trim().into());
/// let bus = Bus::builder().middleware(transform).build()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "it changes nothing until a bus is given it"]
#[derive(Clone)]
pub struct Transform {
    name: Cow<'static, str>,
    priority: i32,
    patterns: Vec<Pattern>,
    changes: Vec<Change>,
}

#[derive(Clone)]
enum Change {
    Rename { from: String, to: String },
    Drop(String),
    Map(String, Arc<dyn Fn(Value) -> Value + Send + Sync>),
}

impl Transform {
    /// One that changes nothing.
    pub fn new() -> Self {
        Self { name: "transform".into(), priority: 0, patterns: Vec::new(), changes: Vec::new() }
    }

    /// Its name. Default: `transform`.
    pub fn named(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.name = name.into();
        self
    }

    /// Those with a higher one are further out. Default: 0.
    pub fn priority(mut self, priority: i32) -> Self {
        self.priority = priority;
        self
    }

    /// Changes only what is under these topics. Default: every topic.
    ///
    /// # Errors
    ///
    /// [`TopicError`] where a pattern is none.
    pub fn on(mut self, patterns: impl IntoPatterns) -> Result<Self, TopicError> {
        self.patterns.append(&mut patterns.into_patterns()?);
        Ok(self)
    }

    /// Moves a field to another place; what is there goes. Objects on the way are made. Where that place cannot be (it is inside
    /// of something that is no object), the event is refused.
    pub fn rename(mut self, from: impl Into<String>, to: impl Into<String>) -> Self {
        self.changes.push(Change::Rename { from: from.into(), to: to.into() });
        self
    }

    /// Leaves a field out.
    pub fn drop_field(mut self, field: impl Into<String>) -> Self {
        self.changes.push(Change::Drop(field.into()));
        self
    }

    /// Makes another value of a field; the empty pointer is the whole data. Its panic refuses the event.
    pub fn map(
        mut self,
        field: impl Into<String>,
        function: impl Fn(Value) -> Value + Send + Sync + 'static,
    ) -> Self {
        self.changes.push(Change::Map(field.into(), Arc::new(function)));
        self
    }

    /// The data as it is to be; `None` where it stays as it is.
    fn changed(&self, data: &Value) -> Result<Option<Value>, String> {
        let mut data = Cow::Borrowed(data);
        for change in &self.changes {
            let field = change.field();
            if data.pointer(field).is_none() {
                continue;
            }
            match change {
                Change::Drop(_) => _ = take(data.to_mut(), field),
                Change::Rename { to, .. } => {
                    if let Some(value) = take(data.to_mut(), field) {
                        put(data.to_mut(), to, value)?;
                    }
                }
                Change::Map(_, function) => {
                    if let Some(value) = data.to_mut().pointer_mut(field) {
                        *value = function(value.take());
                    }
                }
            }
        }
        Ok(match data {
            Cow::Borrowed(_) => None,
            Cow::Owned(data) => Some(data),
        })
    }
}

impl Change {
    fn field(&self) -> &str {
        match self {
            Change::Rename { from: field, .. } | Change::Drop(field) | Change::Map(field, _) => field,
        }
    }
}

/// Takes a value out of its place.
fn take(data: &mut Value, field: &str) -> Option<Value> {
    let Some((parent, last)) = field.rsplit_once('/') else { return Some(data.take()) };
    match data.pointer_mut(parent)? {
        Value::Object(object) => object.remove(&token(last)),
        Value::Array(array) => {
            let at = last.parse().ok().filter(|at| *at < array.len())?;
            Some(array.remove(at))
        }
        _ => None,
    }
}

/// Puts a value into its place.
fn put(data: &mut Value, field: &str, value: Value) -> Result<(), String> {
    let mut place = data;
    for part in field.split('/').skip(1) {
        if place.is_null() {
            *place = Value::Object(serde_json::Map::new());
        }
        let Value::Object(object) = place else {
            return Err(format!("`{field}` cannot be set: it is inside of what is no object"));
        };
        place = object.entry(token(part)).or_insert(Value::Null);
    }
    *place = value;
    Ok(())
}

/// A part of a pointer, without its escapes.
fn token(part: &str) -> String {
    part.replace("~1", "/").replace("~0", "~")
}

impl Default for Transform {
    fn default() -> Self {
        Self::new()
    }
}

impl Middleware for Transform {
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
        let meant = self.patterns.is_empty() || self.patterns.iter().any(|one| one.matches(event.topic()));
        let Some(data) = event.as_json().ok().filter(|_| meant) else { return next.run(event).await };
        match self.changed(data) {
            Ok(None) => next.run(event).await,
            Ok(Some(data)) => match Event::builder(event.clone()).data(data).build() {
                Ok(changed) => next.run(changed).await,
                Err(error) => next.refuse(event, error),
            },
            Err(reason) => next.refuse(event, reason),
        }
    }
}

impl fmt::Debug for Transform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields: Vec<_> = self.changes.iter().map(Change::field).collect();
        f.debug_struct("Transform")
            .field("patterns", &self.patterns)
            .field("fields", &fields)
            .finish_non_exhaustive()
    }
}
