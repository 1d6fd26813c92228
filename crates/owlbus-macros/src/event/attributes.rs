//! What may be written in `#[event(…)]`, by where it stands.

use darling::{Error, FromAttributes, Result};
use syn::Meta;

use crate::literal::{Text, Version};

/// On a struct.
#[derive(FromAttributes)]
#[darling(attributes(event))]
pub(super) struct OnStruct {
    #[darling(default)]
    pub(super) topic: Option<Text>,
    #[darling(default, rename = "type")]
    pub(super) type_name: Option<Text>,
    #[darling(default)]
    pub(super) version: Option<Version>,
    #[darling(default, rename = "prefix", with = prefix_on_struct)]
    _prefix: (),
}

/// On an enum; its variants say the rest.
#[derive(FromAttributes)]
#[darling(attributes(event))]
pub(super) struct OnEnum {
    #[darling(default)]
    pub(super) prefix: Option<Text>,
    #[darling(default)]
    pub(super) version: Option<Version>,
    #[darling(default, rename = "topic", with = belongs_on_a_variant)]
    _topic: (),
    #[darling(default, rename = "type", with = belongs_on_a_variant)]
    _type: (),
}

/// On one variant of an enum.
#[derive(FromAttributes)]
#[darling(attributes(event))]
pub(super) struct OnVariant {
    #[darling(default)]
    pub(super) topic: Option<Text>,
    #[darling(default, rename = "type")]
    pub(super) type_name: Option<Text>,
    #[darling(default, rename = "prefix", with = belongs_on_the_enum)]
    _prefix: (),
    #[darling(default, rename = "version", with = belongs_on_the_enum)]
    _version: (),
}

fn prefix_on_struct(item: &Meta) -> Result<()> {
    Err(Error::custom("`prefix` is for enums: a struct has one topic, write `topic = \"…\"`").with_span(item))
}

fn belongs_on_a_variant(item: &Meta) -> Result<()> {
    let message =
        "this belongs on a variant: on the enum write `prefix = \"…\"`, the beginning of every topic";
    Err(Error::custom(message).with_span(item))
}

fn belongs_on_the_enum(item: &Meta) -> Result<()> {
    Err(Error::custom("this holds for all variants: write it in the `#[event(…)]` of the enum")
        .with_span(item))
}
