//! From the syntax of a fieldless enum, and its attributes, to its [`Set`]; all mistakes are told at once.

use std::collections::HashMap;

use darling::{Error, FromAttributes, Result, error::Accumulator};
use proc_macro2::Span;
use syn::{Data, DataEnum, DeriveInput, Fields, Meta, Variant, ext::IdentExt, spanned::Spanned};

use super::{Member, Set};
use crate::{attributes, literal::Text, topic, words};

/// What may be written in the `#[topics(…)]` of the enum.
#[derive(FromAttributes)]
#[darling(attributes(topics))]
struct OnEnum {
    #[darling(default)]
    prefix: Option<Text>,
    #[darling(default, rename = "name", with = belongs_on_a_variant)]
    _name: (),
}

/// What may be written in the `#[topics(…)]` of a variant.
#[derive(FromAttributes)]
#[darling(attributes(topics))]
struct OnVariant {
    #[darling(default)]
    name: Option<Text>,
    #[darling(default, rename = "prefix", with = belongs_on_the_enum)]
    _prefix: (),
}

fn belongs_on_a_variant(item: &Meta) -> Result<()> {
    let message =
        "`name` belongs on a variant: on the enum write `prefix = \"…\"`, the beginning of every topic";
    Err(Error::custom(message).with_span(item))
}

fn belongs_on_the_enum(item: &Meta) -> Result<()> {
    let message =
        "`prefix` holds for all variants: write it in the `#[topics(…)]` of the enum, or `name` here";
    Err(Error::custom(message).with_span(item))
}

pub(super) fn set(input: &DeriveInput) -> Result<Set> {
    if !input.generics.params.is_empty() {
        let message = "a set of topics cannot be generic: its variants are its topics";
        return Err(Error::custom(message).with_span(&input.generics));
    }
    let keyword = match &input.data {
        Data::Enum(data) => return of_enum(input, data),
        Data::Struct(data) => data.struct_token.span(),
        Data::Union(data) => data.union_token.span(),
    };
    let message = "a set of topics is an enum without fields: write one variant for each topic";
    Err(Error::custom(message).with_span(&keyword))
}

fn of_enum(input: &DeriveInput, data: &DataEnum) -> Result<Set> {
    let mut errors = Error::accumulator();
    if data.variants.is_empty() {
        let message = "a set of topics cannot be empty: write one variant for each topic";
        errors.push(Error::custom(message).with_span(&input.ident));
    }
    let on = errors.handle(attributes::read::<OnEnum>("topics", "prefix", &input.attrs));
    let prefix = match on {
        Some(OnEnum { prefix: Some(prefix), .. }) => {
            errors.handle(check(&prefix.value, prefix.span)).map(|()| Some(prefix.value))
        }
        Some(_) => Some(None),
        None => None,
    };

    let mut members = Vec::new();
    let mut owners = HashMap::new();
    for variant in &data.variants {
        let Some(name) = name_of(variant, &mut errors) else { continue };
        // Topics cannot be made from a prefix that is wrong itself; that has been said once already.
        let Some(prefix) = &prefix else { continue };
        let Some(member) = errors.handle(member(prefix.as_deref(), variant, &name)) else { continue };
        if let Some(owner) = owners.get(&member.topic) {
            let message = format!(
                "`{owner}` has the topic {:?} already: name this one with `#[topics(name = \"…\")]`, or remove it",
                member.topic
            );
            errors.push(Error::custom(message).with_span(&name.span));
        } else {
            owners.insert(member.topic.clone(), variant.ident.to_string());
        }
        members.push(member);
    }
    errors.finish_with(Set { members })
}

/// The part of the topic after the prefix, and where it is written.
fn name_of(variant: &Variant, errors: &mut Accumulator) -> Option<Text> {
    if !matches!(variant.fields, Fields::Unit) {
        let message = "a topic carries no data: remove the fields, or derive `Event` instead";
        errors.push(Error::custom(message).with_span(&variant.fields));
    }
    let on = errors.handle(attributes::read::<OnVariant>("topics", "name", &variant.attrs))?;
    Some(on.name.unwrap_or_else(|| Text {
        value: words::tokens(&variant.ident.unraw().to_string()),
        span: variant.ident.span(),
    }))
}

fn member(prefix: Option<&str>, variant: &Variant, name: &Text) -> Result<Member> {
    let topic = match prefix {
        Some(prefix) => format!("{prefix}.{}", name.value),
        None => name.value.clone(),
    };
    check(&topic, name.span)?;
    Ok(Member { variant: variant.ident.clone(), topic })
}

/// Topics of the bus itself may be listed in a set: they are subscribed to, only publishing there is refused.
fn check(topic: &str, span: Span) -> Result<()> {
    topic::check(topic).map_err(|message| Error::custom(message).with_span(&span))
}
