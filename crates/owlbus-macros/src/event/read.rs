//! From the syntax of a struct or enum, and its attributes, to its [`Schema`]; all mistakes are told at once.

use std::collections::HashMap;

use darling::{Error, Result, error::Accumulator};
use proc_macro2::Span;
use quote::quote;
use syn::{Data, DataEnum, DeriveInput, Fields, Variant, ext::IdentExt, spanned::Spanned};

use super::{
    Kind, Schema,
    attributes::{OnEnum, OnStruct, OnVariant},
};
use crate::{
    attributes,
    literal::{Text, Version},
    topic, words,
};

pub(super) fn schema(input: &DeriveInput) -> Result<Schema> {
    refuse_generics(input)?;
    match &input.data {
        Data::Struct(data) => of_struct(input, &data.fields),
        Data::Enum(data) => of_enum(input, data),
        Data::Union(data) => {
            let message =
                "an event cannot be a union: nothing says which of its fields is the data. Use an enum";
            Err(Error::custom(message).with_span(&data.union_token))
        }
    }
}

/// An event type has one `type` for one shape of data, while a generic Rust type has as many shapes as it has
/// arguments; and borrowed data could not outlive its publisher.
fn refuse_generics(input: &DeriveInput) -> Result<()> {
    if input.generics.params.is_empty() {
        return Ok(());
    }
    let message = "an event cannot be generic: its `type` names one shape of owned data. \
                   Derive `Event` for a struct that wraps the concrete type, such as `struct UserChanged(Changed<User>);`";
    Err(Error::custom(message).with_span(&input.generics))
}

fn of_struct(input: &DeriveInput, fields: &Fields) -> Result<Schema> {
    let mut errors = Error::accumulator();
    refuse_on_fields(fields, &mut errors);
    let Some(on) = errors.handle(attributes::read::<OnStruct>("event", "topic", &input.attrs)) else {
        return Err(Error::multiple(errors.into_inner()));
    };
    if on.topic.is_none() && on.type_name.is_none() {
        let message = "this event has neither topic nor type: write `#[event(topic = \"domain.action.state\")]`, \
                       or `#[event(type = \"…\")]` where each publisher names the topic";
        errors.push(Error::custom(message).with_span(&input.ident));
    }
    check_texts(on.topic.as_ref(), on.type_name.as_ref(), &mut errors);
    errors.finish()?;

    let topic = on.topic.map(|topic| topic.value);
    let type_name = on.type_name.map(|name| name.value).or_else(|| topic.clone()).unwrap_or_default();
    let kind = Kind { pattern: quote!(Self { .. }), type_name, topic };
    Ok(Schema { version: version(on.version), kinds: vec![kind] })
}

fn of_enum(input: &DeriveInput, data: &DataEnum) -> Result<Schema> {
    let mut errors = Error::accumulator();
    if data.variants.is_empty() {
        let message = "an empty enum has no value to publish: add a variant, each is one type of event";
        errors.push(Error::custom(message).with_span(&input.ident));
    }
    let on = errors.handle(attributes::read::<OnEnum>("event", "prefix", &input.attrs));
    let prefix = Prefix::of(on.as_ref(), &mut errors);

    let mut kinds = Vec::new();
    let mut owners = HashMap::new();
    for variant in &data.variants {
        if let Some((kind, written)) = of_variant(variant, &prefix, &mut errors) {
            let name = variant.ident.to_string();
            if let Some(owner) = owners.get(&kind.type_name) {
                let message = format!(
                    "`{owner}` has the type {:?} already: give `{name}` another topic, or a type of its own with \
                     `type = \"…\"`",
                    kind.type_name
                );
                errors.push(Error::custom(message).with_span(&written));
            } else {
                owners.insert(kind.type_name.clone(), name);
            }
            kinds.push(kind);
        }
    }
    errors.finish_with(Schema { version: version(on.and_then(|on| on.version)), kinds })
}

/// The `prefix` of an enum, as far as its variants can use it.
enum Prefix<'a> {
    Given(&'a str),
    None,
    /// It is wrong, which has been said: variants that rely on it are not to blame.
    Unusable,
}

impl<'a> Prefix<'a> {
    fn of(on: Option<&'a OnEnum>, errors: &mut Accumulator) -> Self {
        let Some(on) = on else { return Prefix::Unusable };
        let Some(prefix) = &on.prefix else { return Prefix::None };
        match topic::check_publishable(&prefix.value) {
            Ok(()) => Prefix::Given(&prefix.value),
            Err(message) => {
                errors.push(Error::custom(message).with_span(&prefix.span));
                Prefix::Unusable
            }
        }
    }
}

/// The kind of event a variant is, and where its type is written; `None` if it has none or it could not be read.
fn of_variant(variant: &Variant, prefix: &Prefix<'_>, errors: &mut Accumulator) -> Option<(Kind, Span)> {
    refuse_on_fields(&variant.fields, errors);
    let on = errors.handle(attributes::read::<OnVariant>("event", "topic", &variant.attrs))?;
    check_texts(on.topic.as_ref(), on.type_name.as_ref(), errors);
    let topic = match (on.topic, prefix) {
        (Some(topic), _) => topic,
        (None, Prefix::Given(prefix)) => errors.handle(prefixed(prefix, variant))?,
        (None, Prefix::Unusable) => return None,
        (None, Prefix::None) => {
            let message = format!(
                "`{}` has no topic: write `#[event(topic = \"domain.action.state\")]` on it, or \
                 `#[event(prefix = \"domain\")]` on the enum",
                variant.ident
            );
            errors.push(Error::custom(message).with_span(&variant.ident));
            return None;
        }
    };
    let ident = &variant.ident;
    let Text { value: type_name, span } =
        on.type_name.unwrap_or_else(|| Text { value: topic.value.clone(), span: topic.span });
    Some((Kind { pattern: quote!(Self::#ident { .. }), type_name, topic: Some(topic.value) }, span))
}

/// The topic made of the prefix and the words of the variant's name.
fn prefixed(prefix: &str, variant: &Variant) -> Result<Text> {
    let tokens = words::tokens(&variant.ident.unraw().to_string());
    let value = format!("{prefix}.{tokens}");
    topic::check(&value).map_err(|message| Error::custom(message).with_span(&variant.ident))?;
    Ok(Text { value, span: variant.ident.span() })
}

fn version(given: Option<Version>) -> u32 {
    given.map_or(1, |version| version.0)
}

/// Checks the topic and the type someone wrote; topics made from a prefix are checked where they are made.
fn check_texts(topic: Option<&Text>, type_name: Option<&Text>, errors: &mut Accumulator) {
    if let Some(topic) = topic
        && let Err(message) = topic::check_publishable(&topic.value)
    {
        errors.push(Error::custom(message).with_span(&topic.span));
    }
    let Some(name) = type_name else { return };
    if name.value.is_empty() {
        let message = "a type cannot be empty: name it, or leave `type` out and the topic is the type";
        errors.push(Error::custom(message).with_span(&name.span));
    } else if let Some(letter) = name.value.chars().find(|letter| letter.is_control()) {
        let message = format!("this type contains the control character {letter:?}: remove it");
        errors.push(Error::custom(message).with_span(&name.span));
    }
}

/// The compiler lets `#[event(…)]` stand on fields as well; there it would do nothing, in silence.
fn refuse_on_fields(fields: &Fields, errors: &mut Accumulator) {
    for attribute in fields.iter().flat_map(|field| &field.attrs) {
        if attribute.path().is_ident("event") {
            let message = "a field takes no `#[event(…)]`: write it on the struct, the enum or the variant";
            errors.push(Error::custom(message).with_span(&attribute.path().span()));
        }
    }
}
