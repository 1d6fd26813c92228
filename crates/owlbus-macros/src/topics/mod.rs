//! `#[derive(Topics)]`: read the attributes into a [`Set`], then write its impls.

mod read;

use darling::Result;
use proc_macro2::TokenStream;
use quote::quote;
use syn::{DeriveInput, Ident, Visibility, ext::IdentExt};

/// What the attributes say: every topic of the enum.
struct Set {
    /// In the order of the variants; never empty.
    members: Vec<Member>,
}

/// One topic, and the variant that stands for it.
struct Member {
    variant: Ident,
    topic: String,
}

pub(crate) fn derive(input: &DeriveInput) -> Result<TokenStream> {
    let set = read::set(input)?;
    let ident = &input.ident;
    let parts = [
        set.inherent(ident, &input.vis),
        set.text(ident),
        set.topics(ident),
        from_topic(ident),
        into_topic_and_pattern(ident),
    ];
    Ok(parts.into_iter().collect())
}

impl Set {
    /// What users reach without importing the trait.
    ///
    /// The topics stand here, and the other impls ask for them with the method: an enum that forgot `Copy` then gives
    /// one error, at the impl of `Topics`, instead of one for each use of that trait.
    fn inherent(&self, ident: &Ident, vis: &Visibility) -> TokenStream {
        let variants = self.variants();
        let topics = self.members.iter().map(|member| crate::topic::static_topic(&member.topic));
        quote! {
            #[allow(dead_code, deprecated, reason = "a set need not be used up, and may be deprecated")]
            impl #ident {
                /// Every topic of the set, in the order of the variants.
                #vis const ALL: &'static [Self] = &[#(Self::#variants),*];

                /// The topic of this variant.
                #[must_use]
                #vis fn topic(self) -> &'static ::owlbus::Topic {
                    match self {
                        #(Self::#variants => #topics,)*
                    }
                }
            }
        }
    }

    /// `Display` and `FromStr`, which are each other's inverse.
    ///
    /// They name the error type in full, for `Self::Err` could be a variant.
    fn text(&self, ident: &Ident) -> TokenStream {
        let variants = self.variants();
        let topics: Vec<_> = self.members.iter().map(|member| &member.topic).collect();
        let name = ident.unraw().to_string();
        quote! {
            #[automatically_derived]
            #[allow(deprecated, reason = "the item it is derived for may be deprecated")]
            impl ::core::fmt::Display for #ident {
                fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                    f.pad(match self {
                        #(Self::#variants => #topics,)*
                    })
                }
            }

            #[automatically_derived]
            #[allow(deprecated, reason = "the item it is derived for may be deprecated")]
            impl ::core::str::FromStr for #ident {
                type Err = ::owlbus::topic::UnknownTopic;

                fn from_str(topic: &str) -> ::core::result::Result<Self, ::owlbus::topic::UnknownTopic> {
                    match topic {
                        #(#topics => ::core::result::Result::Ok(Self::#variants),)*
                        _ => ::core::result::Result::Err(::owlbus::topic::UnknownTopic::new(topic, #name)),
                    }
                }
            }
        }
    }

    /// The trait `Topics`; it lists the variants anew, for `Self::ALL` could be one of them.
    fn topics(&self, ident: &Ident) -> TokenStream {
        let variants = self.variants();
        quote! {
            #[automatically_derived]
            #[allow(deprecated, reason = "the item it is derived for may be deprecated")]
            impl ::owlbus::Topics for #ident {
                const ALL: &'static [Self] = &[#(Self::#variants),*];

                fn topic(self) -> &'static ::owlbus::Topic {
                    self.topic()
                }

                fn from_topic(topic: &::owlbus::Topic) -> ::core::option::Option<Self> {
                    ::core::str::FromStr::from_str(topic.as_str()).ok()
                }
            }
        }
    }

    fn variants(&self) -> Vec<&Ident> {
        self.members.iter().map(|member| &member.variant).collect()
    }
}

/// What makes a value acceptable wherever a topic or a pattern is.
fn into_topic_and_pattern(ident: &Ident) -> TokenStream {
    quote! {
        #[automatically_derived]
        impl ::core::convert::From<#ident> for ::owlbus::Topic {
            fn from(topic: #ident) -> Self {
                ::core::clone::Clone::clone(topic.topic())
            }
        }

        #[automatically_derived]
        impl ::core::convert::From<#ident> for ::owlbus::Pattern {
            fn from(topic: #ident) -> Self {
                ::core::convert::From::from(topic.topic())
            }
        }

        #[automatically_derived]
        impl ::owlbus::topic::IntoTopic for #ident {
            fn into_topic(self) -> ::core::result::Result<::owlbus::Topic, ::owlbus::topic::TopicError> {
                ::core::result::Result::Ok(::core::convert::Into::into(self))
            }
        }

        #[automatically_derived]
        impl ::owlbus::topic::IntoPatterns for #ident {
            fn into_patterns(
                self,
            ) -> ::core::result::Result<::std::vec::Vec<::owlbus::Pattern>, ::owlbus::topic::TopicError> {
                ::core::result::Result::Ok(::std::vec![::core::convert::Into::into(self)])
            }
        }
    }
}

/// The way back from a checked topic.
fn from_topic(ident: &Ident) -> TokenStream {
    quote! {
        #[automatically_derived]
        impl ::core::convert::TryFrom<&::owlbus::Topic> for #ident {
            type Error = ::owlbus::topic::UnknownTopic;

            fn try_from(
                topic: &::owlbus::Topic,
            ) -> ::core::result::Result<Self, ::owlbus::topic::UnknownTopic> {
                ::core::str::FromStr::from_str(topic.as_str())
            }
        }
    }
}
