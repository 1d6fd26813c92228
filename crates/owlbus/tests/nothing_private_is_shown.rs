//! The promise: what an event carries does not end up in a log by accident.
//!
//! Events, deliveries and errors show the id and the topic, in `Display` and in `Debug`; never data, metadata, keys or
//! sources. Text of an event may come from anybody, so its control characters are escaped wherever it is shown: it
//! can neither end a line of a log nor colour a terminal. Who wants to see it all asks for `pretty()`.

#![expect(clippy::unwrap_used, reason = "a test that unwraps the wrong thing fails, as it should")]

mod common;

use common::{Log, Notes, Number, end, number, quiet};
use owlbus::{
    Bus, Delivery, Event, Outcome, PublishError, Received, event::ContentError, event::EventError,
    event::EventId, event::IntoEvent,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What no text may contain.
const SECRET: &str = "hunter2";

/// An event that carries the secret everywhere but in its id and its topic.
fn secretive() -> Event {
    let data = Login { user: SECRET.into(), pin: Some(SECRET.into()) };
    let builder = Event::builder(data).id("e-1").topic("user.logged_in").key(SECRET).source(SECRET);
    builder
        .correlation_id(SECRET)
        .causation_id(SECRET)
        .metadata("token", SECRET)
        .metadata(SECRET, 1)
        .build()
        .unwrap()
}

#[derive(Clone, Debug, Serialize, Deserialize, owlbus::Event)]
#[event(topic = "user.logged_in")]
struct Login {
    user: String,
    pin: Option<String>,
}

/// The id and the topic are shown, and neither the secret nor a control character is.
fn assert_discreet(shown: &str) {
    assert!(shown.contains("user.logged_in e-1"), "{shown}");
    assert!(!shown.contains(SECRET), "{shown}");
    assert!(!shown.chars().any(char::is_control), "{shown:?}");
}

#[test]
fn an_event_shows_its_topic_and_id_and_nothing_else() {
    let typed = secretive();
    let json = Event::from_cloudevent(typed.to_cloudevent().unwrap()).unwrap();
    let _ = (typed.as_json().unwrap(), json.view::<Login>().unwrap());
    for event in [typed, json] {
        assert_eq!(event.to_string(), "user.logged_in e-1");
        assert_eq!(format!("{event:?}"), "Event(user.logged_in e-1)");
        assert_eq!(format!("{event:#?}"), "Event(user.logged_in e-1)");
        assert_eq!(format!("{:?}", Received::Event(event)), "Event(Event(user.logged_in e-1))");
    }
}

#[tokio::test(start_paused = true)]
async fn a_delivery_shows_its_event_its_subscription_and_its_attempt() {
    let bus = Bus::in_memory();
    let (shown, notes) = Notes::pair();
    let typed = {
        let notes = notes.clone();
        move |login: Delivery<Login>| {
            notes.add((login.to_string(), format!("{login:?}")));
            async {}
        }
    };
    bus.on("user.**").name("audit").handle(typed).await.unwrap();
    let any = move |event: Delivery| {
        notes.add((event.to_string(), format!("{event:?}")));
        async {}
    };
    bus.on("user.**").name("audit 2").handle(any).await.unwrap();
    let receipt = bus.publish(secretive()).await.unwrap();
    assert!(!format!("{receipt:?}").contains(SECRET));
    end(bus).await;
    let expected = ["audit", "audit 2"].map(|name| {
        ("user.logged_in e-1".to_owned(), format!("Delivery(user.logged_in e-1 to {name}, attempt 1)"))
    });
    assert_eq!(shown.all(), expected);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_shows_the_event_that_was_refused_and_why() {
    let bus = Bus::builder().metadata_entries(1).build().unwrap();
    let limits = bus.publish(secretive()).await.unwrap_err();
    let field = bus.event(secretive()).topic("a b").publish().await.unwrap_err();
    bus.shutdown().await;
    let closed = bus.publish(secretive()).await.unwrap_err();
    for refused in [limits, field, closed.clone()] {
        assert_discreet(&refused.to_string());
        assert_discreet(&format!("{refused:?}"));
        assert_discreet(&format!("{refused:#?}"));
        assert!(std::error::Error::source(&refused).is_none());
    }
    assert_eq!(closed.to_string(), "user.logged_in e-1 was not published: the bus is closed");
    assert_eq!(
        format!("{closed:?}"),
        "PublishError(user.logged_in e-1 was not published: the bus is closed)"
    );
}

#[test]
fn an_error_about_data_does_not_show_the_data() {
    let wrong = Event::json("user.logged_in", json!({"user": [SECRET], "pin": SECRET})).unwrap();
    let not_a_number = Event::json("user.logged_in", json!({"n": SECRET})).unwrap();
    let no_object = Event::json("user.logged_in", SECRET).unwrap();
    let binary = Event::binary("user.logged_in", "text/plain", SECRET).unwrap();
    for error in [
        wrong.view::<Login>().unwrap_err(),
        not_a_number.view::<Number>().unwrap_err(),
        no_object.decode::<Number>().unwrap_err(),
        binary.as_json().unwrap_err(),
        Event::from_cloudevent(format!("{{\"data\":{SECRET}}}"))
            .map_err(|error| ContentError::Syntax(error.to_string()))
            .unwrap_err(),
        Event::from_cloudevent(json!(SECRET).to_string())
            .map_err(|error| ContentError::Syntax(error.to_string()))
            .unwrap_err(),
    ] {
        assert!(!format!("{error} {error:?} {error:#?}").contains(SECRET), "{error:?}");
    }
}

#[test]
fn control_characters_of_an_event_are_escaped_wherever_it_is_shown() {
    let evil = "a\n\u{1b}[31m\u{7f}\u{9b}2J\r\0";
    let escaped = r"a\n\u{1b}[31m\u{7f}\u{9b}2J\r\u{0}";
    let event = Event::builder(number(1)).id(evil).event_type(evil).metadata(evil, evil).build().unwrap();
    assert_eq!(event.to_string(), format!("test.number {escaped}"));
    assert_eq!(format!("{event:?}"), format!("Event(test.number {escaped})"));
    assert_eq!(format!("{:?}", EventId::new(evil).unwrap()), format!("EventId({escaped})"));
    assert_eq!(event.id().to_string(), evil, "an id by itself is text for programs, not for logs");

    let data = json!({"n": {evil: 1}});
    let field: ContentError = Event::json("a", data)
        .unwrap()
        .decode::<std::collections::BTreeMap<String, std::collections::BTreeMap<String, bool>>>()
        .unwrap_err();
    let type_name = EventError::NoTopic(evil.into());
    let metadata = EventError::MetadataName(evil.into());
    let content = Event::binary("a", evil, "x").unwrap().as_json().unwrap_err();
    let topic = Event::signal(evil).unwrap_err();
    let twice = json!(evil).to_string();
    let twice = Event::from_cloudevent(format!("{{{twice}:1,{twice}:2}}")).unwrap_err();
    let version = json!({"specversion": evil}).to_string();
    let version = Event::from_cloudevent(version).unwrap_err();
    for told in [
        field.to_string(),
        type_name.to_string(),
        metadata.to_string(),
        content.to_string(),
        topic.to_string(),
        twice.to_string(),
        version.to_string(),
    ] {
        assert!(!told.chars().any(char::is_control), "{told:?}");
        assert!(
            told.contains(r"\u{1b}") || told.contains(r"a\n"),
            "what was there can still be told: {told}"
        );
    }
}

#[test]
fn pretty_shows_all_of_it() {
    let shown = secretive().pretty();
    let value: Value = serde_json::from_str(&shown).unwrap();
    for (name, expected) in [
        ("id", "e-1"),
        ("type", "user.logged_in"),
        ("source", SECRET),
        ("subject", SECRET),
        ("correlationid", SECRET),
        ("causationid", SECRET),
        ("token", SECRET),
    ] {
        assert_eq!(value[name], expected, "{shown}");
    }
    assert_eq!(value["data"], json!({"user": SECRET, "pin": SECRET}));
    assert_eq!(value[SECRET], 1);
    assert!(shown.lines().count() > 10, "it is laid out for people: {shown}");
}

#[test]
fn pretty_escapes_control_characters_and_loses_none() {
    let evil = "a\n\u{1b}[31m\u{7f}\u{9b}2J\r\0\t🦉";
    let typed = Event::builder(Login { user: evil.into(), pin: None }).id(evil).build().unwrap();
    let raw = Event::json_bytes("user.logged_in", "{\r\n\"user\":\"\u{9b}2J\",\"pin\":1e999}").unwrap();
    for event in [&typed, &raw] {
        let shown = event.pretty();
        assert!(!shown.chars().any(|c| c.is_control() && c != '\n'), "{shown:?}");
    }
    let value: Value = serde_json::from_str(&typed.pretty()).unwrap();
    assert_eq!((&value["id"], &value["data"]["user"]), (&json!(evil), &json!(evil)));
    assert!(raw.pretty().contains("1e999") && raw.pretty().contains(r"\u009b2J"), "{}", raw.pretty());
}

#[test]
fn pretty_says_so_where_a_value_cannot_be_shown() {
    #[derive(Deserialize, owlbus::Event)]
    #[event(topic = "user.logged_in")]
    struct Sealed;
    impl Serialize for Sealed {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("no key is loaded"))
        }
    }
    let event = Event::builder(Sealed).id("e-1").build().unwrap();
    let shown = event.pretty();
    assert!(shown.starts_with("user.logged_in e-1: the value of type"), "{shown}");
    assert!(shown.ends_with("cannot be written as JSON: no key is loaded"), "{shown}");
    assert_eq!(number(1).into_event().pretty().matches("test.number").count(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_logged_of_a_failed_delivery_is_its_event_its_subscription_and_the_error() {
    let (log, notes) = Notes::pair();
    let _logging = tracing::subscriber::set_default(Log(notes));
    let bus = Bus::in_memory();
    let dead = |_: Delivery| async { Outcome::Dead { reason: "no\nsuch user".into() } };
    bus.on("user.**").name("dead").handle(dead).await.unwrap();
    bus.on("user.**").name("decoding").handle(|_: Delivery<Number>| async {}).await.unwrap();
    bus.on("user.**")
        .name("panicking")
        .filter(|_| panic!("out of\norder"))
        .handle(|_: Delivery| async {})
        .await
        .unwrap();
    let event = Event::builder(Event::json("user.logged_in", json!({"n": SECRET})).unwrap());
    let event = event
        .id("e\u{1b}1")
        .correlation_id("c\u{1b}1")
        .key(SECRET)
        .metadata("token", SECRET)
        .build()
        .unwrap();
    bus.publish(event).await.unwrap();
    quiet().await;
    bus.shutdown().await;

    let lines = log.all();
    assert_eq!(lines.len(), 3, "{lines:#?}");
    for line in &lines {
        assert!(line.contains("user.logged_in") && line.contains(r"e\u{1b}1"), "{line}");
        assert!(!line.contains(SECRET) && !line.chars().any(char::is_control), "{line:?}");
    }
    let of = |name: &str| lines.iter().find(|line| line.contains(name)).unwrap().clone();
    assert!(of("dead").contains(r"no\nsuch user"), "{}", of("dead"));
    assert!(of("decoding").contains("expected u64"), "{}", of("decoding"));
    assert!(of("panicking").contains(r"out of\norder"), "{}", of("panicking"));
    assert!(matches!(bus.publish(number(1)).await, Err(PublishError::Closed { .. })));
    common::assert_conserved(&bus);
}
