//! Values that travel with one delivery, by their type.

use std::{
    any::{Any, TypeId},
    collections::HashMap,
    fmt,
};

use foldhash::fast::FixedState;

/// Values that code around a handler attaches to a delivery for the handler to find: at most one of each type.
///
/// They belong to one attempt in one subscription; nobody else sees them, and they are never written anywhere. What cannot be
/// cloned goes into an `Arc`.
#[derive(Clone, Default)]
pub struct Extensions(Option<Box<Values>>);

type Values = HashMap<TypeId, Box<dyn Value>, FixedState>;

/// A value of any type that can be cloned.
trait Value: Any + Send + Sync {
    fn boxed(&self) -> Box<dyn Value>;

    fn any(&self) -> &dyn Any;

    fn any_mut(&mut self) -> &mut dyn Any;

    fn into_any(self: Box<Self>) -> Box<dyn Any>;
}

impl<V: Clone + Send + Sync + 'static> Value for V {
    fn boxed(&self) -> Box<dyn Value> {
        Box::new(self.clone())
    }

    fn any(&self) -> &dyn Any {
        self
    }

    fn any_mut(&mut self) -> &mut dyn Any {
        self
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

impl Clone for Box<dyn Value> {
    fn clone(&self) -> Self {
        (**self).boxed()
    }
}

impl Extensions {
    /// Attaches a value; gives the one of the same type that was there.
    pub fn insert<V: Clone + Send + Sync + 'static>(&mut self, value: V) -> Option<V> {
        let before = self.0.get_or_insert_default().insert(TypeId::of::<V>(), Box::new(value))?;
        before.into_any().downcast().ok().map(|value| *value)
    }

    /// The value of a type.
    #[must_use]
    pub fn get<V: Send + Sync + 'static>(&self) -> Option<&V> {
        self.0.as_ref()?.get(&TypeId::of::<V>())?.as_ref().any().downcast_ref()
    }

    /// The value of a type, to be changed.
    pub fn get_mut<V: Send + Sync + 'static>(&mut self) -> Option<&mut V> {
        self.0.as_mut()?.get_mut(&TypeId::of::<V>())?.as_mut().any_mut().downcast_mut()
    }

    /// Takes the value of a type away.
    pub fn remove<V: Send + Sync + 'static>(&mut self) -> Option<V> {
        let removed = self.0.as_mut()?.remove(&TypeId::of::<V>())?;
        removed.into_any().downcast().ok().map(|value| *value)
    }
}

impl fmt::Debug for Extensions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Whatever they hold is nobody's business.
        write!(f, "Extensions({})", self.0.as_ref().map_or(0, |values| values.len()))
    }
}
