//! `#[derive(Event)]`: read the attributes into [`Schema`], then write the impl of `TypedEvent`.

mod attributes;
mod read;

use darling::Result;
use proc_macro2::TokenStream;
use quote::quote;
use syn::{DeriveInput, Ident};

/// What the attributes say: the version and every kind of event the Rust type can be.
struct Schema {
    version: u32,
    /// One for a struct, one a variant for an enum; never empty.
    kinds: Vec<Kind>,
}

/// One `type` of event: a struct, or one variant of an enum.
struct Kind {
    /// What `self` is matched against.
    pattern: TokenStream,
    type_name: String,
    topic: Option<String>,
}

/// An impl that says nothing, beside the errors of one that could not be made: without it every use of the type as an
/// event would be one more error, and a misleading one.
pub(crate) fn stand_in(input: &DeriveInput) -> TokenStream {
    let ident = &input.ident;
    if !input.generics.params.is_empty() || matches!(input.data, syn::Data::Union(_)) {
        return TokenStream::new();
    }
    quote! {
        impl ::owlbus::TypedEvent for #ident
        {
            const TYPES: &'static [&'static str] = &[];

            fn event_type(&self) -> &'static str {
                ""
            }

            fn topic(&self) -> ::core::option::Option<&'static ::owlbus::Topic> {
                ::core::option::Option::None
            }
        }
    }
}

pub(crate) fn derive(input: &DeriveInput) -> Result<TokenStream> {
    Ok(read::schema(input)?.implement(&input.ident))
}

impl Schema {
    fn implement(&self, ident: &Ident) -> TokenStream {
        let version = self.version;
        let patterns: Vec<_> = self.kinds.iter().map(|kind| &kind.pattern).collect();
        let types: Vec<_> = self.kinds.iter().map(|kind| &kind.type_name).collect();
        let topics = self.kinds.iter().map(Kind::topic);
        quote! {
            #[automatically_derived]
            #[allow(deprecated, reason = "the item it is derived for may be deprecated")]
            impl ::owlbus::TypedEvent for #ident {
                const TYPES: &'static [&'static str] = &[#(#types),*];
                const VERSION: u32 = #version;

                fn event_type(&self) -> &'static str {
                    match self {
                        #(#patterns => #types,)*
                    }
                }

                fn topic(&self) -> ::core::option::Option<&'static ::owlbus::Topic> {
                    match self {
                        #(#patterns => #topics,)*
                    }
                }
            }
        }
    }
}

impl Kind {
    /// The expression for the topic of this kind.
    fn topic(&self) -> TokenStream {
        match &self.topic {
            Some(topic) => {
                let topic = crate::topic::static_topic(topic);
                quote!(::core::option::Option::Some(#topic))
            }
            None => quote!(::core::option::Option::None),
        }
    }
}
