//! The derive macros of owlbus: `Event` for what is published, `Topics` for where.
//!
//! Use them through the crate `owlbus`, which exports both; what they generate names its types by paths that begin with
//! `::owlbus`. Whatever is wrong with an attribute is an error of the compiler at the place where it is written, never a
//! failure at run time, and all mistakes of a type are told at once.

// What is derived.
mod event;
mod topics;

// What both read and check.
mod attributes;
mod literal;
mod topic;
mod words;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

/// Makes a struct or an enum an event that can be published and subscribed to as it is: implements `TypedEvent`.
///
/// The type must also be `Serialize`, `Deserialize` (with owned data), `Send`, `Sync` and `'static`.
///
/// # A struct
///
/// It is one type of event.
///
/// ```
/// use owlbus::{Event, TypedEvent};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize, Event)]
/// #[event(topic = "user.logged_in", version = 2)]
/// struct UserLoggedIn {
///     user_id: u64,
/// }
///
/// let event = UserLoggedIn { user_id: 7 };
/// assert_eq!(event.topic().map(|topic| topic.as_str()), Some("user.logged_in"));
/// assert_eq!(event.event_type(), "user.logged_in");
/// assert_eq!(UserLoggedIn::VERSION, 2);
/// ```
///
/// # An enum
///
/// Each of its variants is one type of event; a subscription by type gets them all.
///
/// ```
/// use owlbus::{Event, TypedEvent};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize, Event)]
/// #[event(prefix = "audio")]
/// enum Audio {
///     Started,
///     WakeWordDetected { confidence: f32 },
///     #[event(topic = "microphone.failed")]
///     Failed(String),
/// }
///
/// assert_eq!(Audio::TYPES, ["audio.started", "audio.wake.word.detected", "microphone.failed"]);
/// ```
///
/// # Attributes
///
/// | `#[event(…)]` | on a | is | default |
/// |---|---|---|---|
/// | `topic = "…"` | struct, variant | the topic it is published under unless the publisher names another | of a struct: none, the publisher must name one; of a variant: made from the prefix |
/// | `type = "…"` | struct, variant | the `type` of the event: any text without control characters | the topic |
/// | `prefix = "…"` | enum | what the topic of a variant begins with; the words of the variant's name follow, in lower case | none, then every variant needs a topic |
/// | `version = 1` | struct, enum | the version of the schema of the data, at least 1 | 1 |
///
/// In the name of a variant a run of capitals is one word and digits belong to the word before them: with the prefix
/// `scan`, `OCRDone` is `scan.ocr.done` and `Stage2Done` is `scan.stage2.done`.
///
/// # Errors
///
/// Refused by the compiler are: a topic that breaks the rules of `owlbus::Topic` or begins with `owlbus`, under which
/// only the bus itself speaks; a struct with neither topic nor type; a variant with neither topic nor prefix; two
/// variants with one type; unions and empty enums; and generic types and types with lifetimes, for a `type` names one
/// shape of owned data. Wrap the concrete type instead:
///
/// ```
/// use owlbus::Event;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// struct Changed<T> {
///     from: T,
///     to: T,
/// }
///
/// #[derive(Serialize, Deserialize, Event)]
/// #[event(topic = "user.name.changed")]
/// struct NameChanged(Changed<String>);
/// ```
#[proc_macro_derive(Event, attributes(event))]
pub fn derive_event(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    event::derive(&input)
        .unwrap_or_else(|error| [error.write_errors(), event::stand_in(&input)].into_iter().collect())
        .into()
}

/// Makes an enum without fields a closed set of topics: implements `owlbus::Topics`.
///
/// A value is accepted wherever a topic or a pattern is, so that a program names each of its topics once and a misspelt
/// one does not compile. The enum must also derive `Clone` and `Copy`.
///
/// ```
/// use owlbus::{Pattern, Topic, Topics};
///
/// #[derive(Clone, Copy, Debug, PartialEq, Topics)]
/// #[topics(prefix = "document")]
/// enum DocumentTopic {
///     Uploaded,
///     ProcessingStarted,
///     #[topics(name = "validation_required")]
///     NeedsValidation,
/// }
///
/// assert_eq!(DocumentTopic::ALL.len(), 3);
/// assert_eq!(DocumentTopic::ProcessingStarted.topic().as_str(), "document.processing.started");
/// assert_eq!(DocumentTopic::NeedsValidation.to_string(), "document.validation_required");
///
/// // From a topic or a text back to the variant.
/// let topic = Topic::new("document.uploaded")?;
/// assert_eq!(DocumentTopic::try_from(&topic)?, DocumentTopic::Uploaded);
/// assert!("document.lost".parse::<DocumentTopic>().is_err());
///
/// // Every topic of the set lies under its prefix.
/// let all = Pattern::new("document.**")?;
/// assert!(DocumentTopic::ALL.iter().all(|topic| all.matches(topic.topic())));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # What it gives
///
/// - the constant `ALL`, every variant in order, and the method `topic()`, as visible as the enum, without an import;
///   the trait `owlbus::Topics` has the same for generic code
/// - `Display`, the text of the topic, and `FromStr`, its inverse
/// - `From` into `Topic` and `Pattern`, and `TryFrom<&Topic>`; this and `FromStr` fail with `owlbus::topic::UnknownTopic`
/// - `IntoTopic` and `IntoPatterns`, so a value, or `ALL`, goes where a topic or patterns are asked for
///
/// # Attributes
///
/// | `#[topics(…)]` | on | is | default |
/// |---|---|---|---|
/// | `prefix = "…"` | the enum | what every topic begins with | none: the names alone are the topics |
/// | `name = "…"` | a variant | the rest of its topic, one token or several | the words of its name in lower case, as tokens |
///
/// In the name of a variant a run of capitals is one word and digits belong to the word before them: `OCRDone` is
/// `ocr.done` and `Stage2Done` is `stage2.done`.
///
/// # Errors
///
/// Refused by the compiler are: a topic that breaks the rules of `owlbus::Topic`, two variants with one topic, variants
/// with fields, and anything but an enum with at least one variant. Topics under `owlbus` are allowed, to subscribe to
/// what the bus itself says; publishing there is refused when it is tried.
#[proc_macro_derive(Topics, attributes(topics))]
pub fn derive_topics(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    topics::derive(&input).unwrap_or_else(darling::Error::write_errors).into()
}
