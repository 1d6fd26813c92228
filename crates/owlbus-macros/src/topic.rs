//! What a topic may be: the rules of `owlbus::Topic`, checked where the topic is written.
//!
//! `Topic::from_static` refuses the same texts, but its error would point into the generated code.

use proc_macro2::TokenStream;
use quote::quote;

/// Longest topic, in bytes.
const MAX_BYTES: usize = 256;

/// Most tokens in a topic.
const MAX_TOKENS: usize = 16;

/// The first token under which the bus itself speaks.
const RESERVED: &str = "owlbus";

/// Says what to do about a text that cannot be a topic.
pub(crate) fn check(topic: &str) -> Result<(), String> {
    if topic.is_empty() {
        return Err("a topic cannot be empty: write tokens separated by `.`, such as `user.logged_in`".into());
    }
    if topic.len() > MAX_BYTES {
        return Err(format!("this topic has {} bytes: shorten it to at most {MAX_BYTES}", topic.len()));
    }
    let tokens = topic.split('.').count();
    if tokens > MAX_TOKENS {
        return Err(format!("this topic has {tokens} tokens: shorten it to at most {MAX_TOKENS}"));
    }
    topic.split('.').try_for_each(|token| check_token(topic, token))
}

/// Says what to do about a topic that only the bus itself publishes under.
pub(crate) fn check_publishable(topic: &str) -> Result<(), String> {
    check(topic)?;
    if topic.split('.').next() == Some(RESERVED) {
        return Err(format!(
            "the bus itself speaks under `{RESERVED}`, publishing there is refused: begin {topic:?} with another token"
        ));
    }
    Ok(())
}

/// The expression for a `&'static Topic`, made once and shared by every caller.
pub(crate) fn static_topic(topic: &str) -> TokenStream {
    quote! {{
        static TOPIC: ::owlbus::Topic = ::owlbus::Topic::from_static(#topic);
        &TOPIC
    }}
}

fn check_token(topic: &str, token: &str) -> Result<(), String> {
    if token.is_empty() {
        return Err(format!(
            "the topic {topic:?} has an empty token: write something on both sides of every `.`"
        ));
    }
    if token.contains('*') {
        return Err(format!(
            "the topic {topic:?} contains `*`: name one topic in full, wildcards belong in the pattern of a subscription"
        ));
    }
    // A line break is both; as in `Topic`, it counts as white space.
    match token.chars().find(|letter| letter.is_whitespace() || letter.is_control()) {
        Some(letter) if letter.is_whitespace() => {
            Err(format!("the topic {topic:?} contains white space: write `_` or `-` instead"))
        }
        Some(letter) => {
            Err(format!("the topic {topic:?} contains the control character {letter:?}: leave it out"))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::{check, check_publishable};

    #[test]
    fn topics_that_are_accepted() {
        let longest = "x".repeat(256);
        let deepest = ["t"; 16].join(".");
        for topic in ["a", "user.logged_in", "owl", "a.owlbus", "ünï.cödé", "a-b.c:d/e", &longest, &deepest]
        {
            assert_eq!(check_publishable(topic), Ok(()), "{topic}");
        }
    }

    #[test]
    fn topics_that_are_refused() {
        let too_long = "x".repeat(257);
        let too_deep = ["t"; 17].join(".");
        let table = [
            ("", "cannot be empty"),
            (".", "empty token"),
            (".a", "empty token"),
            ("a.", "empty token"),
            ("a..b", "empty token"),
            ("*", "contains `*`"),
            ("a.**", "contains `*`"),
            ("a.b*.c", "contains `*`"),
            ("a b", "white space"),
            ("a.\u{a0}", "white space"),
            ("a\nb", "white space"),
            ("a\u{1b}b", "control character"),
            ("a\u{7f}", "control character"),
            (&too_long, "257 bytes"),
            (&too_deep, "17 tokens"),
            ("owlbus", "publishing there is refused"),
            ("owlbus.stall", "publishing there is refused"),
        ];
        for (topic, expected) in table {
            let message = check_publishable(topic).expect_err(topic);
            assert!(message.contains(expected), "{topic:?}: {message}");
        }
    }

    #[test]
    fn the_topics_of_the_bus_can_be_named_but_not_published_under() {
        assert_eq!(check("owlbus.stall"), Ok(()));
        assert!(check_publishable("owlbus.stall").is_err());
    }
}
