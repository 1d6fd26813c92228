//! The promise: data arrives as it was published, in whatever form it is asked for.
//!
//! JSON is kept byte for byte. A Rust value is handed on as it is, and written as JSON only when somebody asks for
//! JSON, and then once for all who do. JSON is decoded once for each Rust type it is asked for as. What cannot be
//! read is the failure of the delivery that asked, naming the field and what was expected there; the publisher and
//! everybody else never notice.

mod common;

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use bytes::Bytes;
use common::{Notes, Number, end, event, listen, number, quiet, stats_of};
use owlbus::{Bus, Delivery, Event, event::ContentError, event::EventError, event::IntoEvent};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Value, json};

// JSON.

/// JSON that a parser would hand back changed: white space, order, doubles, numbers, escapes.
const AWKWARD: &str =
    " {\"b\" : 1.0, \"a\":[ 1e2,\t-0 ],\r\n \"b\":\"\\u00e9\\/\",\"big\":123456789012345678901234567890}\n";

#[tokio::test(start_paused = true)]
async fn json_text_arrives_byte_for_byte() {
    let bus = Bus::in_memory();
    let heard = listen(&bus, "**").await;
    let text = Bytes::from(AWKWARD);
    bus.publish(Event::json_bytes("awkward", text.clone()).unwrap()).await.unwrap();
    bus.event(Event::json_bytes("awkward", text.clone()).unwrap())
        .key("changed beside it")
        .publish()
        .await
        .unwrap();
    end(bus).await;
    for event in heard.all() {
        assert_eq!(event.json_text().unwrap(), AWKWARD);
        assert_eq!(event.bytes().unwrap(), AWKWARD);
        assert_eq!(event.json_text().unwrap().as_ptr(), text.as_ptr(), "it was not even copied");
    }
}

#[test]
fn text_that_is_not_json_is_refused_by_the_maker() {
    for text in ["", " ", "{", "{\"a\":1,}", "1 2", "nul", "'a'", "\"\u{1}\"", "[1]\u{feff}", "NaN", "01"] {
        let error = Event::json_bytes("a", text).unwrap_err();
        assert!(matches!(error, EventError::Content(ContentError::Syntax(_))), "{text:?}: {error:?}");
        assert!(error.to_string().starts_with("the data is not JSON: "), "{error}");
    }
    assert!(Event::json_bytes("a", &b"\"\xff\""[..]).is_err(), "JSON is UTF-8");
    assert!(matches!(Event::json("a b", 1), Err(EventError::Topic(_))));
    let pairs = BTreeMap::from([((1, 2), 3)]);
    let error = Event::json("a", pairs).unwrap_err().to_string();
    assert!(error.ends_with("cannot be written as JSON: key must be a string"), "{error}");
}

/// Counts how often it is decoded.
#[derive(Debug, Serialize, owlbus::Event)]
#[event(topic = "test.counted")]
struct Decoded {
    n: u64,
}

static DECODED: AtomicUsize = AtomicUsize::new(0);

impl<'de> Deserialize<'de> for Decoded {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        DECODED.fetch_add(1, SeqCst);
        Number::deserialize(deserializer).map(|number| Decoded { n: number.n })
    }
}

#[tokio::test(start_paused = true)]
async fn json_is_decoded_once_for_each_type_it_is_asked_for_as() {
    let bus = Bus::in_memory();
    let heard = Notes::new();
    for _ in 0..3 {
        let notes = heard.clone();
        let handler = move |counted: Delivery<Decoded>| {
            notes.add(counted.n + counted.data().n);
            async {}
        };
        bus.subscribe(handler).await.unwrap();
        let notes = heard.clone();
        let handler = move |number: Delivery<Number>| {
            notes.add(number.n);
            async {}
        };
        bus.on("test.counted").handle(handler).await.unwrap();
    }
    let event = event("test.counted", 5);
    bus.publish(event.clone()).await.unwrap();
    quiet().await;
    assert_eq!(DECODED.load(SeqCst), 1);
    assert!(std::ptr::eq(event.view::<Number>().unwrap(), event.view::<Number>().unwrap()));
    assert!(std::ptr::eq(event.view::<Decoded>().unwrap(), event.clone().view::<Decoded>().unwrap()));
    assert_eq!(
        DECODED.load(SeqCst),
        1,
        "the publisher's event and the one that was published share what was decoded"
    );

    bus.publish(Decoded { n: 7 }).await.unwrap();
    end(bus).await;
    assert_eq!(DECODED.load(SeqCst), 1, "a Rust value is not decoded at all");
    let mut heard = heard.all();
    heard.sort_unstable();
    assert_eq!(heard, [5, 5, 5, 7, 7, 7, 10, 10, 10, 14, 14, 14]);
}

// Rust values.

/// Counts how often it is written.
#[derive(Clone, Debug, Default, Deserialize, owlbus::Event)]
#[event(topic = "test.written")]
struct Written {
    n: u64,
    #[serde(skip)]
    times: Arc<AtomicUsize>,
}

impl Serialize for Written {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.times.fetch_add(1, SeqCst);
        number(self.n).serialize(serializer)
    }
}

#[tokio::test(start_paused = true)]
async fn a_rust_value_arrives_as_it_is_and_is_not_written_as_json_for_those_who_take_it_so() {
    let bus = Bus::in_memory();
    let (heard, notes) = Notes::pair();
    let handler = move |written: Delivery<Written>| {
        notes.add(std::ptr::from_ref(written.data()).addr());
        async {}
    };
    bus.subscribe(handler.clone()).await.unwrap();
    bus.on("test.**").filter(|event| event.version() == 1).handle(handler).await.unwrap();
    let any = listen(&bus, "**").await;

    let written = Written::default();
    bus.event(written.clone()).key("k").metadata("m", 1).publish().await.unwrap();
    end(bus).await;
    let heard = heard.all();
    let value = std::ptr::from_ref(any.all()[0].view::<Written>().unwrap()).addr();
    assert_eq!(heard, [value; 2], "both had the one value that was published");
    assert_eq!(written.times.load(SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn a_rust_value_is_written_once_for_all_who_want_json() {
    let bus = Bus::in_memory();
    let (heard, notes) = Notes::pair();
    let handler = move |json: Delivery<Value>| {
        notes.add(json["n"].as_u64().unwrap());
        async {}
    };
    bus.subscribe(handler.clone()).await.unwrap();
    bus.on("test.**").filter(|event| event.get::<u64>("/n") == Some(5)).handle(handler).await.unwrap();
    let any = listen(&bus, "**").await;

    let written = Written { n: 5, ..Written::default() };
    let event = written.clone().into_event();
    bus.publish(event.clone()).await.unwrap();
    end(bus).await;
    let arrived = any.all().remove(0);
    assert_eq!(heard.all(), [5, 5]);
    assert_eq!(arrived.json_text().unwrap(), r#"{"n":5}"#);
    assert_eq!(arrived.bytes().unwrap(), r#"{"n":5}"#);
    assert_eq!(arrived.as_json().unwrap(), &json!({"n": 5}));
    assert!(arrived.pretty().contains("\"n\": 5"));
    assert_eq!(arrived.view::<Number>().unwrap(), &number(5));
    assert_eq!(arrived.decode::<Number>().unwrap(), number(5));
    assert!(event.to_cloudevent().unwrap().ends_with(br#""data":{"n":5}}"#));
    assert_eq!(written.times.load(SeqCst), 1);
}

// Two types for one kind of event.

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, owlbus::Event)]
#[event(topic = "order.placed")]
struct Order {
    id: u64,
    items: Vec<Item>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Item {
    price: u32,
}

/// The same event, as another part of the program sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, owlbus::Event)]
#[event(topic = "order.placed")]
struct OrderId {
    id: u64,
}

#[tokio::test(start_paused = true)]
async fn two_rust_types_can_stand_for_the_same_events() {
    let bus = Bus::in_memory();
    let (whole, notes) = Notes::pair();
    let handler = move |order: Delivery<Order>| {
        notes.add(order.data().clone());
        async {}
    };
    bus.subscribe(handler).await.unwrap();
    let (ids, notes) = Notes::pair();
    let handler = move |order: Delivery<OrderId>| {
        notes.add(order.id);
        async {}
    };
    bus.subscribe(handler).await.unwrap();

    let order = Order { id: 1, items: vec![Item { price: 5 }] };
    bus.publish(order.clone()).await.unwrap();
    bus.publish(Event::json("order.placed", json!({"id": 2, "items": [], "more": true})).unwrap())
        .await
        .unwrap();
    end(bus).await;
    assert_eq!(whole.all(), [order, Order { id: 2, items: vec![] }]);
    assert_eq!(ids.all(), [1, 2]);
}

// What cannot be read.

#[test]
fn a_decoding_error_names_the_field_and_what_was_expected_there_but_not_what_was_found() {
    for (data, field, expected) in [
        (json!({"id": 1, "items": [{"price": 5}, {"price": "hunter2"}]}), "items[1].price", "expected u32"),
        (json!({"id": 1, "items": [{"price": 98_765_432_101_u64}]}), "items[0].price", "expected u32"),
        (json!({"id": -98765, "items": []}), "id", "expected u64"),
        (json!({"id": true, "items": []}), "id", "expected u64"),
        (json!({"id": 98765.5, "items": []}), "id", "expected u64"),
        (json!({"id": null, "items": []}), "id", "expected u64"),
        (json!({"id": "hunter2, expected nothing", "items": []}), "id", "expected u64"),
        (json!({"id": 1, "items": "hunter2"}), "items", "expected a sequence"),
        (json!({"id": 1}), ".", "missing field `items`"),
        (json!("hunter2"), ".", "expected struct Order"),
    ] {
        let event = Event::json("order.placed", &data).unwrap();
        let error = event.view::<Order>().unwrap_err();
        assert_eq!(event.decode::<Order>().unwrap_err(), error);
        let ContentError::Decode { rust_type, field: at, reason } = &error else { panic!("{error:?}") };
        assert!(rust_type.ends_with("Order"), "{rust_type}");
        assert_eq!(at, field, "{error}");
        assert!(reason.contains(expected), "{error}");
        let told = format!("{error} {error:?}");
        assert!(
            !["hunter2", "9876", "true"].iter().any(|secret| told.contains(secret)),
            "data is shown: {told}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn json_that_does_not_decode_is_dead_for_that_delivery_only() {
    let bus = Bus::in_memory();
    let (orders, notes) = Notes::pair();
    let handler = move |order: Delivery<Order>| {
        notes.add(order.id);
        async {}
    };
    bus.on("order.**").typed::<Order>().name("orders").handle(handler).await.unwrap();
    let handler = |_: Delivery<OrderId>| async {};
    bus.on("order.**").name("ids").handle(handler).await.unwrap();
    let all = listen(&bus, "**").await;

    for (id, items) in [(1, json!([])), (2, json!("none")), (3, json!([]))] {
        let receipt =
            bus.publish(Event::json("order.placed", json!({"id": id, "items": items})).unwrap()).await;
        assert_eq!(receipt.unwrap().matched, Some(3));
    }
    quiet().await;
    assert_eq!(orders.all(), [1, 3]);
    let settled = |name| (stats_of(&bus, name).done, stats_of(&bus, name).dead);
    assert_eq!((settled("orders"), settled("ids")), ((2, 1), (3, 0)));
    end(bus).await;
    assert_eq!(all.all().len(), 3);
}

/// Refuses to be written as JSON, or panics instead.
#[derive(Clone, Debug, Default, Deserialize, owlbus::Event)]
#[event(topic = "test.stubborn")]
struct Stubborn {
    panics: bool,
    #[serde(skip)]
    times: Arc<AtomicUsize>,
}

impl Serialize for Stubborn {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        self.times.fetch_add(1, SeqCst);
        assert!(!self.panics, "stubborn");
        Err(serde::ser::Error::custom("no key is loaded"))
    }
}

#[tokio::test(start_paused = true)]
async fn a_rust_value_that_cannot_be_written_hurts_only_those_who_want_json() {
    let bus = Bus::in_memory();
    let (typed, notes) = Notes::pair();
    let handler = move |stubborn: Delivery<Stubborn>| {
        notes.add(stubborn.panics);
        async {}
    };
    bus.subscribe(handler).await.unwrap();
    bus.on("**").name("json").handle(|_: Delivery<Value>| async {}).await.unwrap();
    let filter = |event: &Event| event.get::<bool>("/panics").is_some();
    bus.on("**").name("filtering").filter(filter).handle(|_: Delivery| async {}).await.unwrap();

    let (refuses, panics) = (Stubborn::default(), Stubborn { panics: true, ..Stubborn::default() });
    bus.publish(refuses.clone()).await.unwrap();
    bus.publish(panics).await.unwrap();
    bus.publish(Event::json("test.fine", json!({"panics": false})).unwrap()).await.unwrap();
    quiet().await;

    assert_eq!(typed.all(), [false, true]);
    let (json, filtering) = (stats_of(&bus, "json"), stats_of(&bus, "filtering"));
    assert_eq!((json.done, json.dead), (1, 2));
    assert_eq!((filtering.filtered, filtering.skipped, filtering.done), (1, 1, 1));
    assert_eq!(refuses.times.load(SeqCst), 1, "it was asked once, and its refusal remembered");
    end(bus).await;

    let event = refuses.into_event();
    let error = event.json_text().unwrap_err();
    assert!(error.to_string().ends_with("Stubborn` cannot be written as JSON: no key is loaded"), "{error}");
    assert_eq!(event.to_cloudevent().unwrap_err(), error);
    let mut line = b"before".to_vec();
    assert!(event.write_cloudevent(&mut line).is_err());
    assert_eq!(line, b"before", "half an event is never left behind");
}

// One field, and no JSON at all.

#[test]
fn one_field_can_be_read_from_a_rust_value_and_from_json() {
    let order = Order { id: 1, items: vec![Item { price: 5 }, Item { price: 7 }] };
    for event in [Event::json("order.placed", &order).unwrap(), order.into_event()] {
        assert_eq!(event.get("/items/1/price"), Some(7_u32));
        assert_eq!(event.get::<Vec<Item>>("/items").map(|items| items.len()), Some(2));
        assert_eq!(event.get::<Order>("").map(|order| order.id), Some(1));
        assert_eq!(event.get::<u32>("/items/2/price"), None, "there is no such field");
        assert_eq!(event.get::<String>("/items/1/price"), None, "the field is no text");
        assert_eq!(event.get::<u32>("items"), None, "no JSON pointer");
    }
    assert_eq!(Event::signal("bell").unwrap().get::<Value>(""), None);
    assert_eq!(Event::binary("img", "image/png", "x").unwrap().get::<Value>(""), None);
}

#[tokio::test(start_paused = true)]
async fn bytes_and_signals_arrive_as_what_they_are() {
    let bus = Bus::in_memory();
    let heard = listen(&bus, "**").await;
    bus.on("**").name("json").handle(|_: Delivery<Value>| async {}).await.unwrap();
    let bytes = Bytes::from_static(b"\x89PNG\x00\xff");
    bus.publish(Event::binary("image.taken", "image/png", bytes.clone()).unwrap()).await.unwrap();
    bus.publish(Event::signal("bell.rung").unwrap()).await.unwrap();
    bus.publish(Event::json("nothing.said", Value::Null).unwrap()).await.unwrap();
    quiet().await;
    let json = stats_of(&bus, "json");
    assert_eq!((json.dead, json.done), (2, 1), "null is JSON, and no data is none");
    end(bus).await;

    let [image, bell, null] = &heard.all()[..] else { panic!("{:?}", heard.all()) };
    assert_eq!((image.content_type(), image.bytes().unwrap().as_ptr()), ("image/png", bytes.as_ptr()));
    let not_json = image.json_text().unwrap_err();
    assert_eq!(not_json.to_string(), "the data is `image/png`, not JSON; read it with `bytes()`");
    assert_eq!(image.decode::<Number>().unwrap_err(), not_json);

    assert_eq!(bell.bytes().unwrap(), Bytes::new());
    assert_eq!(bell.as_json().unwrap_err(), ContentError::Empty);
    assert_eq!(bell.view::<Number>().unwrap_err().to_string(), "the event has no data");
    assert_eq!(null.as_json().unwrap(), &Value::Null);
    assert_eq!(null.json_text().unwrap(), "null");
}
