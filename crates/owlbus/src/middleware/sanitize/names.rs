//! The names in an object, as far as replacing characters could make one of two.

use std::collections::HashMap;

/// Names that have the replacement character, and whether it came to them here.
#[derive(Default)]
pub(super) struct Names(HashMap<String, bool>);

impl Names {
    /// Adds a name, as JSON text; false where it is the same as another only since characters were replaced.
    pub(super) fn add(&mut self, name: &[u8], replaced: bool) -> bool {
        // A half pair that was told to stay makes a name that nobody can read, so it is the same as none.
        let Ok(name) = serde_json::from_slice::<String>(name) else { return true };
        match self.0.insert(name, replaced) {
            None => true,
            Some(other) => !replaced && !other,
        }
    }
}
