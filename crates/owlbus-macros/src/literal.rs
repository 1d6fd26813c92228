//! The values attributes take, each with the place it was written, so that an error can point there.

use darling::{Error, FromMeta, Result};
use proc_macro2::Span;
use syn::{Expr, Lit, Meta, spanned::Spanned};

/// A text in quotes: a topic, a prefix, a name or a type.
pub(crate) struct Text {
    pub(crate) value: String,
    pub(crate) span: Span,
}

impl FromMeta for Text {
    fn from_meta(item: &Meta) -> Result<Self> {
        match literal(item) {
            Some(Lit::Str(text)) => Ok(Self { value: text.value(), span: text.span() }),
            _ => {
                let key = key(item);
                Err(wrong_value(item, format!("`{key}` takes a text in quotes: write `{key} = \"…\"`")))
            }
        }
    }
}

/// The version of a schema: a whole number from 1 on.
pub(crate) struct Version(pub(crate) u32);

impl FromMeta for Version {
    fn from_meta(item: &Meta) -> Result<Self> {
        // Versions count from 1, so that 0 can never be mistaken for "none given" on a wire.
        let number = match literal(item) {
            Some(Lit::Int(number)) => number.base10_parse().ok().filter(|version| *version >= 1),
            _ => None,
        };
        let key = key(item);
        number.map(Self).ok_or_else(|| {
            let expected = format!("`{key}` takes a whole number from 1 to {}: write `{key} = 1`", u32::MAX);
            wrong_value(item, expected)
        })
    }
}

fn key(item: &Meta) -> String {
    item.path().get_ident().map_or_else(String::new, ToString::to_string)
}

/// The literal to the right of the `=`, also where a `macro_rules!` wrapped it in an invisible group.
fn literal(item: &Meta) -> Option<&Lit> {
    let Meta::NameValue(pair) = item else { return None };
    let mut value = &pair.value;
    while let Expr::Group(group) = value {
        value = &group.expr;
    }
    match value {
        Expr::Lit(literal) => Some(&literal.lit),
        _ => None,
    }
}

/// Points at the value if there is one, else at the key.
fn wrong_value(item: &Meta, message: String) -> Error {
    let span = match item {
        Meta::NameValue(pair) => pair.value.span(),
        _ => item.span(),
    };
    Error::custom(message).with_span(&span)
}
