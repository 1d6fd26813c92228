//! A schema that data is held to.

use jsonschema::{ValidationError, Validator, error::ValidationErrorKind};
use serde_json::Value;

use super::{super::Violations, weight::Weight};

/// How many looks at values listing all violations may take. Each may be a violation, all of which are in memory at once.
const MOST_LOOKS: u64 = 200_000;

/// How many schemas inside one another may be looked at: each takes stack.
const HIGHEST: u32 = 1000;

/// A schema that data is held to.
pub(super) struct Schema {
    validator: Validator,
    weight: Weight,
}

impl Schema {
    pub(super) fn new(validator: Validator, weight: Weight) -> Self {
        Self { validator, weight }
    }

    /// Adds every violation.
    pub(super) fn look_at(&self, data: &Value, found: &mut Violations) {
        let size = Size::of(data);
        if self.weight.height(size.depth).is_none_or(|height| height > HIGHEST) {
            return found.add_at("schema", "", "it is nested too deep to be held to its schema");
        }
        if self.validator.is_valid(data) {
            return;
        }
        let before = found.len();
        if self.weight.looks(size.depth).saturating_mul(size.values) <= MOST_LOOKS {
            for error in self.validator.iter_errors(data) {
                found.add_at("schema", error.instance_path(), problem(&error));
            }
        }
        if found.len() == before {
            let problem =
                "it does not satisfy its schema, and is too large for all that is wrong to be listed";
            found.add_at("schema", "", problem);
        }
    }
}

/// What is wrong, without the value it is wrong of.
fn problem(error: &ValidationError<'_>) -> String {
    match error.kind() {
        ValidationErrorKind::PropertyNames { error } => error.masked_with("a name in it").to_string(),
        ValidationErrorKind::FalseSchema => "nothing may be there".to_owned(),
        _ => error.masked_with("it").to_string(),
    }
}

/// How large data is.
struct Size {
    values: u64,
    /// A scalar has depth 0.
    depth: usize,
}

impl Size {
    fn of(data: &Value) -> Self {
        let below = |values: &mut dyn Iterator<Item = &Value>| {
            values.map(Self::of).fold(Self { values: 1, depth: 1 }, |all, one| Self {
                values: all.values + one.values,
                depth: all.depth.max(one.depth + 1),
            })
        };
        match data {
            Value::Array(values) => below(&mut values.iter()),
            Value::Object(values) => below(&mut values.values()),
            _ => Self { values: 1, depth: 0 },
        }
    }
}
