//! Data that is too much is refused, and what should be in no text is refused or replaced: nothing else of the data changes, not a
//! byte. JSON text and Rust values are looked at alike.

mod common;

use common::{Text, end, listen, quiet};
use owlbus::{
    Bus, Event, PublishError,
    middleware::{Sanitize, Unclean},
};
use proptest::prelude::*;
use serde_json::{Value, json};

/// What becomes of an event: what its handlers get, or why it is refused.
fn sanitized(sanitize: Sanitize, event: Event) -> Result<Event, String> {
    let bus = Bus::builder().middleware(sanitize).json_depth(10_000).build().expect("its name is alone");
    let got = std::sync::Arc::new(std::sync::Mutex::new(None));
    let place = std::sync::Arc::clone(&got);
    bus.on("**")
        .inline_now(move |event: &Event| *place.lock().expect("nobody panics in here") = Some(event.clone()))
        .expect("the pattern is one");
    match bus.try_publish(event) {
        Ok(_) => Ok(got.lock().expect("nobody panics in here").take().expect("it was delivered")),
        Err(PublishError::Rejected { reason, .. }) => Err(reason.to_string()),
        Err(other) => panic!("{other}"),
    }
}

/// The same for JSON text.
fn text(sanitize: Sanitize, text: &str) -> Result<String, String> {
    let event = Event::json_bytes("a", text.to_owned()).expect("the text is JSON");
    let event = sanitized(sanitize, event)?;
    Ok(String::from_utf8(event.json_text().expect("it is JSON still").to_vec()).expect("it is UTF-8"))
}

fn replacing() -> Sanitize {
    Sanitize::new().control_characters(Unclean::Replace).surrogates(Unclean::Replace)
}

fn keeping() -> Sanitize {
    Sanitize::new().control_characters(Unclean::Keep).surrogates(Unclean::Keep)
}

#[test]
fn what_is_clean_stays_byte_for_byte() {
    for clean in [
        " { \"a\" : [ 1.10 , \"\\u00e9\\/\\n\\t\\r\" , {} ] }\n",
        r#"{"a":1,"a":2,"\ud83e\udd89":"🦉 �"}"#,
        "\"\u{a0}\u{2028}\u{fffd}\\ufffd\"",
        "null",
        "[]",
        "123456789012345678901234567890.50",
    ] {
        for sanitize in [Sanitize::new(), replacing(), keeping()] {
            assert_eq!(text(sanitize, clean).as_deref(), Ok(clean));
        }
    }
}

#[test]
fn what_should_be_in_no_text_is_refused_with_its_place() {
    for (unclean, reason) in [
        (
            r#""\u0000""#,
            "the data: the string has the control character U+0000; leave it out, or have it replaced",
        ),
        (
            r#"{"a":{"b/~":[0,"x\b"]}}"#,
            "at `/a/b~1~0/1`: the string has the control character U+0008; leave it out, or have it replaced",
        ),
        (
            "[\"\u{9b}2J\"]",
            "at `/0`: the string has the control character U+009B; leave it out, or have it replaced",
        ),
        (
            "[[1],\"\u{7f}\"]",
            "at `/1`: the string has the control character U+007F; leave it out, or have it replaced",
        ),
        (
            r#"{"a":[1],"b":"\ud800x"}"#,
            "at `/b`: the string has half a surrogate pair, U+D800; leave it out, or have it replaced",
        ),
        (
            r#"{"a":{"x\u001b":1}}"#,
            "at `/a`: the name of a field has the control character U+001B; leave it out, or have it replaced",
        ),
        (
            r#"{"\udc00":1}"#,
            "the data: the name of a field has half a surrogate pair, U+DC00; leave it out, or have it replaced",
        ),
    ] {
        assert_eq!(text(Sanitize::new(), unclean), Err(reason.to_owned()), "{unclean}");
        assert_eq!(text(keeping(), unclean).as_deref(), Ok(unclean));
        assert!(text(replacing(), unclean).is_ok());
    }
    // One may be refused, and the other not.
    let both = r#"["\u0000\ud800"]"#;
    let one = Sanitize::new().control_characters(Unclean::Keep);
    assert!(text(one, both).unwrap_err().contains("U+D800"));
    let other = Sanitize::new().surrogates(Unclean::Keep).control_characters(Unclean::Replace);
    assert_eq!(text(other, both).as_deref(), Ok(r#"["\ufffd\ud800"]"#));
}

#[test]
fn what_is_replaced_is_replaced_and_nothing_else() {
    for (unclean, cleaned) in [
        (
            r#" { "a" : "x\u0000y\b\u001B" , "b\ud800" : 1.10 }  "#,
            r#" { "a" : "x\ufffdy\ufffd\ufffd" , "b\ufffd" : 1.10 }  "#,
        ),
        (
            "[\"\u{7f}\u{9b}é\",\"\\ud83e\\udd89\\ud83e\"]",
            "[\"\u{fffd}\u{fffd}é\",\"\\ud83e\\udd89\\ufffd\"]",
        ),
        (r#"{"a\u0001":{"a\u0002":1},"a\u00e9":2}"#, r#"{"a\ufffd":{"a\ufffd":1},"a\u00e9":2}"#),
    ] {
        let got = text(replacing(), unclean).unwrap();
        assert_eq!(got, cleaned);
        assert!(serde_json::from_str::<Value>(&got).is_ok());
    }
}

#[test]
fn no_field_is_lost_because_two_names_became_one() {
    for clash in [
        r#"{"a\u0001":1,"a\u0002":2}"#,
        r#"{"a\ufffd":1,"a\u0002":2}"#,
        "{\"\\ud800\":1,\"x\":[{}],\"\u{fffd}\":2}",
    ] {
        let reason = text(replacing(), &format!("[{clash}]")).unwrap_err();
        assert_eq!(
            reason,
            "at `/0`: the name of a field becomes the same as another when characters are replaced; rename it"
        );
    }
    // Twins that came as such are the publisher's own.
    let twins = r#"{"a\ufffd":1,"a\ufffd":2}"#;
    assert_eq!(text(replacing(), twins).as_deref(), Ok(twins));
}

#[test]
fn what_is_too_much_is_refused_and_what_just_fits_is_not() {
    type Limit = fn(Sanitize, usize) -> Sanitize;
    for (limit, most, json, reason) in [
        (
            Sanitize::bytes as Limit,
            9,
            r#"{"a":"é"}"#,
            "the data has 10 bytes, and at most 9 are accepted; make it smaller",
        ),
        (
            Sanitize::depth,
            2,
            r#"{"a":[0,{"b":0}]}"#,
            "at `/a/1`: it is nested deeper than 2 levels; make it flatter",
        ),
        (Sanitize::entries, 2, r#"{"a":[1,[0],{}]}"#, "at `/a`: it has more than 2 entries; split it"),
        (Sanitize::entries, 2, r#"[{"a":0,"b":[0],"c":0}]"#, "at `/0`: it has more than 2 entries; split it"),
        (
            Sanitize::string_length,
            3,
            r#"["é\n\ud83e\udd89\u0041"]"#,
            "at `/0`: the string has 4 characters, and at most 3 are accepted; shorten it",
        ),
        (
            Sanitize::string_length,
            3,
            r#"{"a":{"🦉bcd":1}}"#,
            "at `/a`: the name of a field has 4 characters, and at most 3 are accepted; shorten it",
        ),
    ] {
        assert_eq!(text(limit(keeping(), most), json), Err(reason.to_owned()));
        assert_eq!(text(limit(keeping(), most + 1), json).as_deref(), Ok(json));
    }
    assert!(text(Sanitize::new().depth(0), "[]").is_err());
    assert!(text(Sanitize::new().depth(0), "1").is_ok());
    // However deep it is: nothing here takes stack.
    let deep = format!("{}{}", "[".repeat(9_000), "]".repeat(9_000));
    assert_eq!(text(replacing(), &deep).as_deref(), Ok(&*deep));
    assert!(
        text(Sanitize::new().depth(8_999), &deep)
            .unwrap_err()
            .ends_with("…`: it is nested deeper than 8999 levels; make it flatter")
    );
}

#[test]
fn rust_values_are_looked_at_as_json_and_keep_what_they_are() {
    let clean = sanitized(replacing(), Event::new(Text { text: "a\n🦉".into() })).unwrap();
    assert_eq!(clean.view::<Text>().unwrap().text, "a\n🦉");
    let value =
        || Event::builder(Text { text: "a\u{0}\u{9b}b".into() }).key("k").metadata("m", 1).build().unwrap();
    let cleaned = sanitized(replacing(), value()).unwrap();
    assert_eq!(cleaned.view::<Text>().unwrap().text, "a\u{fffd}\u{fffd}b");
    let sent = value();
    assert_eq!(
        (cleaned.topic(), cleaned.event_type(), cleaned.version(), cleaned.key(), cleaned.metadata()),
        (sent.topic(), sent.event_type(), sent.version(), sent.key(), sent.metadata())
    );
    let reason = sanitized(Sanitize::new(), value()).unwrap_err();
    assert!(reason.starts_with("at `/text`: the string has the control character U+0000"), "{reason}");
    assert!(sanitized(Sanitize::new().string_length(2), Event::new(Text { text: "abc".into() })).is_err());
    assert!(sanitized(Sanitize::new().bytes(13), Event::new(Text { text: "abc".into() })).is_err());
}

#[test]
fn of_other_data_the_size_is_minded() {
    let bytes = |n: usize, content_type: &str| Event::binary("a", content_type, vec![0; n]).unwrap();
    assert_eq!(sanitized(Sanitize::new().bytes(3), bytes(3, "image/png")).unwrap().bytes().unwrap().len(), 3);
    assert!(sanitized(Sanitize::new().bytes(3), bytes(4, "image/png")).is_err());
    assert!(sanitized(Sanitize::new().bytes(0), Event::signal("a").unwrap()).is_ok());
    // What is said to be JSON has to be some, and stays what it is said to be.
    assert_eq!(
        sanitized(Sanitize::new(), bytes(3, "application/json")).unwrap_err().split(':').next(),
        Some("the data is not JSON")
    );
    let problem = Event::binary("a", "application/problem+json", &br#"["\ud800"]"#[..]).unwrap();
    let cleaned = sanitized(replacing(), problem).unwrap();
    assert_eq!(
        (cleaned.content_type(), cleaned.json_text().unwrap().as_ref()),
        ("application/problem+json", &br#"["\ufffd"]"#[..])
    );
    // Text of another type that travels as a JSON string is a string.
    let line = r#"{"specversion":"1.0","id":"1","source":"s","type":"a","datacontenttype":"text/plain","data":"x\u0007"}"#;
    let cleaned = sanitized(replacing(), line.parse().unwrap()).unwrap();
    assert_eq!(cleaned.bytes().unwrap(), "x\u{fffd}");
}

#[tokio::test(start_paused = true)]
async fn only_the_topics_that_are_meant_are_looked_at() {
    let sanitize = Sanitize::new().on("in.**").unwrap().on("other").unwrap();
    let bus = Bus::builder().middleware(sanitize.named("clean").priority(4)).build().unwrap();
    let heard = listen(&bus, "**").await;
    let unclean = |topic: &str| Event::json(topic, json!("\u{1}")).unwrap();
    for (topic, goes) in [("in", false), ("in.a.b", false), ("other", false), ("out", true)] {
        assert_eq!(bus.publish(unclean(topic)).await.is_ok(), goes, "{topic}");
    }
    quiet().await;
    let info = &bus.middleware()[0];
    assert_eq!((&*info.name, info.priority, info.refused, heard.all().len()), ("clean", 4, 3, 1));
    end(bus).await;
    assert!(Sanitize::new().on("a..b").is_err());
}

/// What a string should be afterwards.
fn cleaned(text: &str) -> String {
    let unclean = |c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r');
    text.chars().map(|c| if unclean(c) { '\u{fffd}' } else { c }).collect()
}

/// A JSON value, and the same with its strings cleaned.
fn model(value: &Value) -> Value {
    match value {
        Value::String(text) => cleaned(text).into(),
        Value::Array(values) => values.iter().map(model).collect(),
        Value::Object(fields) => fields.iter().map(|(name, value)| (cleaned(name), model(value))).collect(),
        other => other.clone(),
    }
}

fn any_text() -> impl Strategy<Value = String> {
    proptest::collection::vec(
        prop_oneof![any::<char>(), (0u8..0xa0).prop_map(char::from), Just('"'), Just('\\'), Just('\u{fffd}')],
        0..6,
    )
    .prop_map(|characters| characters.into_iter().collect())
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf =
        prop_oneof![any_text().prop_map(Value::from), any::<i32>().prop_map(Value::from), Just(Value::Null)];
    leaf.prop_recursive(4, 30, 5, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            // Names that stay apart when they are cleaned.
            proptest::collection::vec((any_text(), inner), 0..5).prop_map(|fields| {
                fields
                    .into_iter()
                    .enumerate()
                    .map(|(n, (name, value))| (format!("{n}{name}"), value))
                    .collect()
            }),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1024) })]

    #[test]
    fn any_value_comes_out_cleaned_and_a_clean_one_as_it_was(value in any_json(), pretty: bool) {
        let json = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();
        let got = text(replacing(), &json).unwrap();
        let expected = model(&value);
        prop_assert_eq!(serde_json::from_str::<Value>(&got).unwrap(), expected.clone());
        // Once is enough, and what was clean is untouched.
        prop_assert_eq!(&text(replacing(), &got).unwrap(), &got);
        prop_assert_eq!(got == json, expected == value);
        prop_assert_eq!(text(Sanitize::new(), &json).is_ok(), expected == value);
    }
}
