//! How the attributes of a struct, an enum or a variant are read.

use darling::{Error, FromAttributes, Result, ast::NestedMeta};
use syn::{Attribute, Meta};

/// Reads every `#[name(…)]` among `attributes`; `key` is the one most often meant where someone forgot to write any.
pub(crate) fn read<T: FromAttributes>(name: &str, key: &str, attributes: &[Attribute]) -> Result<T> {
    let mut errors = Error::accumulator();
    for literal in attributes.iter().filter(|it| it.path().is_ident(name)).flat_map(bare_literals) {
        let message = format!("a value needs its key: write `#[{name}({key} = …)]`");
        errors.push(Error::custom(message).with_span(&literal));
    }
    errors.finish()?;
    T::from_attributes(attributes)
}

/// The values that stand in an attribute without a key, which would be told in words about the syntax only.
fn bare_literals(attribute: &Attribute) -> Vec<syn::Lit> {
    let Meta::List(list) = &attribute.meta else { return Vec::new() };
    // What cannot be parsed at all is told by `from_attributes`.
    let items = NestedMeta::parse_meta_list(list.tokens.clone()).unwrap_or_default();
    let literal = |item| if let NestedMeta::Lit(literal) = item { Some(literal) } else { None };
    items.into_iter().filter_map(literal).collect()
}
