//! The promise: a CloudEvent comes out as it went in.
//!
//! On a wire every event is a CloudEvents 1.0 JSON object. A foreign event leaves with the attributes it came with,
//! those nobody here knows and those nobody should have among them, and with its data byte for byte; only a line
//! break between two tokens of the data becomes a space, because an event is one line. Our own fields travel as
//! extension attributes and are there again on the other side. What is no CloudEvent is refused in words that say
//! why.

#![expect(clippy::unwrap_used, reason = "a test that unwraps the wrong thing fails, as it should")]

mod common;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use common::{end, listen, number};
use jiff::Timestamp;
use owlbus::{Bus, Event, Priority, event::CloudEventError, event::IntoEvent};
use proptest::{collection::vec, option, prelude::*, sample::select};
use serde_json::{Value, json, value::RawValue};

/// An event on a wire, read by nothing of ours: the attributes, and the text of the data.
fn read(text: &[u8]) -> (BTreeMap<String, Value>, Option<String>) {
    let mut members: BTreeMap<String, Box<RawValue>> =
        serde_json::from_slice(text).expect("the output is an object");
    let data = members.remove("data").map(|data| data.get().to_owned());
    let attributes =
        members.into_iter().map(|(name, value)| (name, serde_json::from_str(value.get()).unwrap()));
    (attributes.collect(), data)
}

fn parse(text: &str) -> Event {
    Event::from_cloudevent(text.to_owned()).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// What comes out when the text goes in.
fn through(text: &str) -> Vec<u8> {
    parse(text).to_cloudevent().unwrap()
}

/// The text goes in, and everything comes out, whether it is passed on here or was on a bus before.
fn assert_unaltered(text: &str) {
    let out = through(text);
    assert_eq!(read(&out), read(text.as_bytes()), "{text}\ncame out as {}", String::from_utf8_lossy(&out));
    assert_eq!(through(std::str::from_utf8(&out).unwrap()), out, "and the second time as the first");
    assert!(!out.contains(&b'\n') && !out.contains(&b'\r'), "an event is one line");
}

/// An event with the attributes that are required, and more.
fn with(more: &str) -> String {
    let comma = if more.is_empty() { "" } else { "," };
    format!(r#"{{"specversion":"1.0","id":"1","source":"/x","type":"a.b"{comma}{more}}}"#)
}

// In and out.

#[test]
fn these_come_out_as_they_went_in() {
    for more in [
        "",
        r#""data":null"#,
        "\"data\":{\"b\" : 1.0, \"a\":[ 1e2,\t-0 ],\"b\":\"\\u00e9\\/\",\"big\":123456789012345678901234567890}",
        r#""data":"text","datacontenttype":"text/plain""#,
        r#""data_base64":"iVBORwD/","datacontenttype":"image/png""#,
        r#""data_base64":"""#,
        r#""subject":"octo/repo","dataschema":"https://example.org/schema","datacontenttype":"application/json""#,
        r#""subject":"""#,
        r#""topic":"a.b""#,
        r#""topic":"elsewhere""#,
        r#""priority":"normal""#,
        r#""priority":"high""#,
        r#""priority":5"#,
        r#""priority":"urgent""#,
        r#""schemaversion":1"#,
        r#""schemaversion":7"#,
        r#""schemaversion":0"#,
        r#""schemaversion":"1.2""#,
        r#""correlationid":"c","causationid":"d","replyto":"a.reply""#,
        r#""correlationid":5,"causationid":"","replyto":"no topic at all""#,
        r#""expirytime":"2030-01-01T00:00:00.000+02:00""#,
        r#""expirytime":"tomorrow""#,
        r#""metadata":"{\"a b\":{\"c\":[null]}}""#,
        r#""metadata":"{ \"a b\" : {}, \"Z\":1 }","other":"x""#,
        r#""metadata":"{\"scalar\":1}""#,
        r#""metadata":"{\"id\":\"2\",\"data\":3}""#,
        r#""metadata":"{\"other\":{}}","other":"x""#,
        r#""metadata":"{}""#,
        r#""metadata":"no object","other":"x""#,
        r#""metadata":5"#,
        r#""metadata":"{\"a b\":{}}","Odd-Name":[1]"#,
        r#""traceparent":"00-1-2-03","flag":true,"count":-2147483648,"big":18446744073709551615"#,
        r#""Odd-Name":"x","übung":1,"":false,"nested":{"a":[1,null]},"list":[],"nothing":null"#,
    ] {
        assert_unaltered(&with(more));
    }
}

#[test]
fn times_of_every_precision_and_offset_come_out_as_they_went_in() {
    for (time, nanos) in [
        ("2025-01-01T00:00:00Z", 1_735_689_600_000_000_000),
        ("2025-01-01T00:00:00.000Z", 1_735_689_600_000_000_000),
        ("2025-01-01T00:00:00.1Z", 1_735_689_600_100_000_000),
        ("2025-01-01T00:00:00.123456789Z", 1_735_689_600_123_456_789),
        ("2025-01-01T00:00:00.1234567899999999Z", 1_735_689_600_123_456_789),
        ("2025-01-01T02:00:00.50+02:00", 1_735_689_600_500_000_000),
        ("2024-12-31T18:30:00-05:30", 1_735_689_600_000_000_000),
        ("2025-01-01T00:00:00-00:00", 1_735_689_600_000_000_000),
        ("2025-01-01t00:00:00z", 1_735_689_600_000_000_000),
        ("2016-12-31T23:59:60Z", 1_483_228_799_000_000_000),
        ("1969-07-20T20:17:40Z", 0),
        ("0000-01-01T00:00:00Z", 0),
        ("9999-12-31T23:59:59.999999999Z", 253_402_300_799_999_999_999),
    ] {
        let text = with(&format!(r#""time":"{time}","expirytime":"{time}""#));
        let then = UNIX_EPOCH + Duration::from_nanos_u128(nanos);
        assert_eq!((parse(&text).time(), parse(&text).expires_at()), (then, Some(then)), "{time}");
        assert_unaltered(&text);
    }
}

#[test]
fn an_event_without_a_time_leaves_without_one() {
    let event = parse(&with(""));
    assert!(event.time().elapsed().unwrap() < Duration::from_secs(60), "for us it happened when it came");
    assert!(!read(&event.to_cloudevent().unwrap()).0.contains_key("time"));
}

#[test]
fn line_breaks_in_data_become_spaces_on_the_wire_and_stay_in_the_event() {
    let text = with("\"data\":{\n  \"a\": \"\\n\",\r\n\t\"b\": 1\n}");
    let event = parse(&text);
    assert_eq!(event.json_text().unwrap(), "{\n  \"a\": \"\\n\",\r\n\t\"b\": 1\n}");
    let out = event.to_cloudevent().unwrap();
    assert_eq!(read(&out).1.unwrap(), "{   \"a\": \"\\n\",  \t\"b\": 1 }");
}

#[test]
fn foreign_attributes_are_read_as_what_they_are_here() {
    let more = r#""subject":"k","time":"2025-01-01T00:00:00Z","topic":"t","schemaversion":3,"priority":"high",
        "correlationid":"c","causationid":"d","replyto":"r","expirytime":"2030-01-01T00:00:00Z","datacontenttype":"x/y",
        "metadata":"{\"a b\":[1]}","traceparent":"00","data_base64":"/w==""#;
    let event = parse(&with(more));
    assert_eq!((event.topic().as_str(), event.event_type(), event.version()), ("t", "a.b", 3));
    assert_eq!((event.id().to_string(), event.source(), event.key()), ("1".into(), "/x", "k"));
    assert_eq!(
        (event.correlation_id().to_string(), event.causation_id().unwrap().to_string()),
        ("c".into(), "d".into())
    );
    assert_eq!((event.priority(), event.reply_to().unwrap().as_str()), (Priority::High, "r"));
    assert_eq!(event.expires_at(), Some(UNIX_EPOCH + Duration::from_secs(1_893_456_000)));
    let metadata: Vec<_> = event.metadata().iter().collect();
    assert_eq!(metadata, [("a b", &json!([1])), ("traceparent", &json!("00"))]);
    assert_eq!((event.content_type(), event.bytes().unwrap().as_ref()), ("x/y", &b"\xff"[..]));
    assert_eq!(parse(&with(r#""data_base64":"/w==""#)).content_type(), "application/octet-stream");
    assert_eq!(parse(&with(r#""data":1"#)).content_type(), "application/json");
}

#[tokio::test(start_paused = true)]
async fn a_field_that_is_set_here_takes_the_place_of_what_a_stranger_meant_by_its_name() {
    let more = r#""priority":5,"schemaversion":"x","correlationid":1,"causationid":2,"replyto":3,"expirytime":4,
        "subject":"","metadata":"mine","other":"y","data":1"#;
    let foreign = parse(&with(more));
    let changed =
        Event::builder(foreign).priority(Priority::High).version(2).correlation_id("c").causation_id("d");
    let changed = changed
        .reply_to("r")
        .key("k")
        .expires_at(UNIX_EPOCH)
        .metadata("a b", json!({"c": 1}))
        .build()
        .unwrap();
    let out = changed.to_cloudevent().unwrap();
    let again = Event::from_cloudevent(out.clone()).expect("no attribute stands in it twice");
    assert_eq!((again.priority(), again.version(), again.key()), (Priority::High, 2, "k"));
    assert_eq!(
        (again.correlation_id().to_string(), again.causation_id().unwrap().to_string()),
        ("c".into(), "d".into())
    );
    assert_eq!((again.reply_to().unwrap().as_str(), again.expires_at()), ("r", Some(UNIX_EPOCH)));
    assert_eq!(again.metadata().get("a b"), Some(&json!({"c": 1})));
    assert_eq!(
        (read(&out).0["metadata"].as_str(), read(&out).0["other"].as_str()),
        (Some("mine"), Some("y"))
    );
}

#[test]
fn metadata_that_is_set_here_joins_what_came() {
    let foreign = parse(&with(r#""metadata":"{ \"a b\" : 1 }","other":"x""#));
    let changed =
        Event::builder(foreign).metadata("a b", 2).metadata("c d", 3).metadata("ef", 4).build().unwrap();
    let (attributes, _) = read(&changed.to_cloudevent().unwrap());
    assert_eq!(attributes["metadata"], json!(r#"{"a b":2,"c d":3}"#));
    assert_eq!((&attributes["other"], &attributes["ef"]), (&json!("x"), &json!(4)));
}

// Anything anybody might send.

const WHITE: [&str; 5] = ["", "", " ", "\t", "   "];

/// JSON text of any kind, with white space anywhere.
fn any_json() -> impl Strategy<Value = String> {
    let numbers = ["0", "-0", "1.0", "1e5", "-2.50E-3", "123456789012345678901234567890", "1e999", "0.1"];
    let strings =
        [r#""""#, r#""\u00e9\/\n\"\\""#, r#""\ud83e\udd89""#, r#""\ud800""#, "\"🦉\u{2028}\u{7f}\""];
    let scalar = prop_oneof![
        select(vec!["null", "true", "false"]).prop_map(String::from),
        select(numbers.to_vec()).prop_map(String::from),
        select(strings.to_vec()).prop_map(String::from),
        any::<String>().prop_map(|text| json!(text).to_string()),
    ];
    let white = || select(WHITE.to_vec());
    scalar.prop_recursive(4, 24, 5, move |inner| {
        let item = (white(), inner.clone(), white())
            .prop_map(|(before, item, after)| format!("{before}{item}{after}"));
        let field = (white(), select(vec!["a", "b", r"\u0061", ""]), white(), item.clone())
            .prop_map(|(before, name, after, value)| format!("{before}\"{name}\"{after}:{value}"));
        prop_oneof![
            vec(item, 1..5).prop_map(|items| format!("[{}]", items.join(","))),
            vec(field, 1..5).prop_map(|fields| format!("{{{}}}", fields.join(","))),
            white().prop_map(|white| format!("[{white}]")),
            white().prop_map(|white| format!("{{{white}}}")),
        ]
    })
}

fn text(strategy: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    strategy.prop_map(|text| json!(text).to_string())
}

/// A text with at least one character.
fn some_text() -> impl Strategy<Value = String> {
    text(any::<String>().prop_filter("not empty", |text| !text.is_empty()))
}

fn any_time() -> impl Strategy<Value = String> {
    let date =
        (0..10_000, 1..13, 1..29).prop_map(|(year, month, day)| format!("{year:04}-{month:02}-{day:02}"));
    let time =
        (0..24, 0..60, 0..60).prop_map(|(hour, minute, second)| format!("{hour:02}:{minute:02}:{second:02}"));
    let fraction = option::of("[0-9]{1,14}")
        .prop_map(|digits| digits.map_or(String::new(), |digits| format!(".{digits}")));
    let offset = prop_oneof![
        Just("Z".to_owned()),
        ("[+-]", 0..24, 0..60).prop_map(|(s, h, m)| format!("{s}{h:02}:{m:02}"))
    ];
    (date, select(vec!['T', 't']), time, fraction, offset)
        .prop_map(|(d, t, time, f, o)| format!("{d}{t}{time}{f}{o}"))
}

/// The value of an attribute that anybody may have invented.
fn any_attribute() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => text(any::<String>()),
        2 => any::<i64>().prop_map(|number| number.to_string()),
        2 => any::<bool>().prop_map(|flag| flag.to_string()),
        1 => select(vec!["1.5", "-0.25", "1e3", "null", "{}", "[]", r#"{"a":[1]}"#, r#"["x",null]"#]).prop_map(String::from),
    ]
}

/// Everything but the data, as names and JSON text.
fn any_attributes() -> impl Strategy<Value = Vec<(String, String)>> {
    let topic =
        || select(vec!["a", "orders.eu.placed", "größe.🦉", "com.example.shop/v1"]).prop_map(String::from);
    let invented = |name: &'static str, ours: BoxedStrategy<String>| {
        option::weighted(0.4, prop_oneof![2 => ours, 1 => any_attribute()])
            .prop_map(move |value| value.map(|value| (name.to_owned(), value)))
    };
    let known = |name: &'static str, value: BoxedStrategy<String>| {
        option::weighted(0.4, value).prop_map(move |value| value.map(|value| (name.to_owned(), value)))
    };
    let required = (some_text(), some_text(), text(topic())).prop_map(|(id, source, event_type)| {
        vec![
            ("specversion".to_owned(), "\"1.0\"".to_owned()),
            ("id".to_owned(), id),
            ("source".to_owned(), source),
            ("type".to_owned(), event_type),
        ]
    });
    let optional = (
        known("time", text(any_time()).boxed()),
        known("subject", text(any::<String>()).boxed()),
        known("datacontenttype", text(any::<String>()).boxed()),
        known("dataschema", text(any::<String>()).boxed()),
        known("topic", text(topic()).boxed()),
    );
    let ours = (
        invented("schemaversion", (0..4_u64).prop_map(|version| version.to_string()).boxed()),
        invented(
            "priority",
            text(select(vec!["immediate", "high", "normal", "deferred"]).prop_map(String::from)).boxed(),
        ),
        invented("correlationid", text(any::<String>()).boxed()),
        invented("causationid", text(any::<String>()).boxed()),
        invented("replyto", text(topic()).boxed()),
        invented("expirytime", text(any_time()).boxed()),
        invented("metadata", text(any_json()).boxed()),
    );
    let name = prop_oneof![3 => "[a-z0-9]{1,20}", 1 => any::<String>(), 1 => select(vec!["a", "b"]).prop_map(String::from)];
    let unknown = vec((name, any_attribute()), 0..6);
    (required, optional, ours, unknown).prop_map(
        |(mut all, (a, b, c, d, e), (f, g, h, i, j, k, l), unknown)| {
            all.extend([a, b, c, d, e, f, g, h, i, j, k, l].into_iter().flatten());
            for (name, value) in unknown {
                let ours = [
                    "data",
                    "data_base64",
                    "expirytime",
                    "metadata",
                    "schemaversion",
                    "time",
                    "topic",
                    "priority",
                ];
                if !ours.contains(&name.as_str()) && all.iter().all(|(known, _)| *known != name) {
                    all.push((name, value));
                }
            }
            // Null is a way to say that a known attribute is absent, so it is not one that could come out.
            all.retain(|(name, value)| {
                value != "null" || !["time", "subject", "topic"].contains(&name.as_str())
            });
            all
        },
    )
}

/// A CloudEvent, its attributes in any order and white space between them.
fn any_cloudevent() -> impl Strategy<Value = String> {
    let data = prop_oneof![
        4 => any_json().prop_map(|json| Some(("data".to_owned(), json))),
        1 => text(prop_oneof![Just(""), Just("AA=="), Just("iVBORwD/")].prop_map(String::from))
            .prop_map(|base64| Some(("data_base64".to_owned(), base64))),
        1 => Just(None),
    ];
    let members = (any_attributes(), data).prop_map(|(mut attributes, data)| {
        attributes.extend(data);
        attributes
    });
    (members.prop_shuffle(), select(WHITE.to_vec()), select(WHITE.to_vec())).prop_map(
        |(members, before, after)| {
            let members = members
                .iter()
                .map(|(name, value)| format!("{before}{}{after}:{before}{value}{after}", json!(name)));
            format!("{before}{{{}}}{after}", members.collect::<Vec<_>>().join(","))
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1024) })]

    #[test]
    fn whatever_cloudevent_goes_in_comes_out(text in any_cloudevent()) {
        assert_unaltered(&text);
    }

    #[test]
    fn whatever_is_published_here_is_read_the_same_there(
        metadata in vec((prop_oneof!["[a-z0-9]{1,8}", any::<String>()], any_json()), 0..6),
        seconds in 0..253_402_200_000_u64,
        nanos in 0..1_000_000_000_u32,
    ) {
        let mut builder = Event::builder(number(1)).time(UNIX_EPOCH + Duration::new(seconds, nanos));
        for (name, json) in metadata {
            // What a parser of JSON cannot represent cannot be set to begin with.
            if let Ok(value) = serde_json::from_str::<Value>(&json) {
                builder = builder.metadata(name, value);
            }
        }
        // Names that belong to fields are refused, and then there is nothing to be read.
        if let Ok(event) = builder.build() {
            let there = Event::from_cloudevent(event.to_cloudevent().unwrap()).unwrap();
            assert_same(&event, &there);
        }
    }
}

/// Every field and the data are the same.
fn assert_same(here: &Event, there: &Event) {
    let fields = |event: &Event| {
        let metadata: BTreeMap<_, _> =
            event.metadata().iter().map(|(name, value)| (name.to_owned(), value.clone())).collect();
        (
            (event.id(), event.topic().clone(), event.event_type().to_owned(), event.version(), event.time()),
            (event.source().to_owned(), event.key().to_owned(), event.has_key(), event.priority()),
            (event.correlation_id(), event.causation_id(), event.reply_to().cloned(), event.expires_at()),
            (metadata, event.content_type().to_owned(), event.bytes().unwrap()),
        )
    };
    assert_eq!(fields(here), fields(there), "{}", here.pretty());
}

// Our own fields.

#[test]
fn every_field_the_builder_sets_is_there_on_the_other_side() {
    let time = |seconds, nanos| -> SystemTime { UNIX_EPOCH + Duration::new(seconds, nanos) };
    let builder =
        Event::builder(number(1)).topic("orders.eu").event_type("order placed!").version(3).id("order\n1");
    let builder = builder
        .time(time(1_700_000_000, 1))
        .source("/till 3")
        .key("customer \"9\"")
        .priority(Priority::Immediate);
    let builder = builder.correlation_id("case-7").causation_id("mail-1").reply_to("answers.here");
    let builder = builder.expires_at(time(1_800_000_000, 120_000_000)).metadata("traceparent", "00-1-2-03");
    let builder =
        builder.metadata("text", "é\n").metadata("flag", false).metadata("count", -5).metadata("half", 0.5);
    let builder = builder
        .metadata("none", Value::Null)
        .metadata("list", [1, 2])
        .metadata("map", json!({"a": {"b": null}}));
    let builder = builder.metadata("Odd Name", "x").metadata("übung", 1).metadata("under_score", true);
    let event = builder.build().unwrap();
    let out = event.to_cloudevent().unwrap();
    assert_same(&event, &Event::from_cloudevent(out.clone()).unwrap());

    let (attributes, data) = read(&out);
    let expected = json!({
        "specversion": "1.0", "id": "order\n1", "source": "/till 3", "type": "order placed!", "subject": "customer \"9\"",
        "time": "2023-11-14T22:13:20.000000001Z", "topic": "orders.eu", "schemaversion": 3, "priority": "immediate",
        "correlationid": "case-7", "causationid": "mail-1", "replyto": "answers.here",
        "expirytime": "2027-01-15T08:00:00.12Z", "traceparent": "00-1-2-03", "text": "é\n", "flag": false, "count": -5,
        "half": 0.5,
        "metadata": r#"{"Odd Name":"x","list":[1,2],"map":{"a":{"b":null}},"none":null,"under_score":true,"übung":1}"#,
    });
    assert_eq!(json!(attributes), expected);
    assert_eq!(data.as_deref(), Some(r#"{"n":1}"#));
}

#[test]
fn what_was_not_set_is_not_written() {
    let event = Event::json("order.placed", 1).unwrap();
    let (attributes, data) = read(&event.to_cloudevent().unwrap());
    let names: Vec<_> = attributes.keys().map(String::as_str).collect();
    assert_eq!(names, ["id", "source", "specversion", "time", "type"]);
    assert_eq!((attributes["type"].as_str(), data.as_deref()), (Some("order.placed"), Some("1")));
    let time: Timestamp = attributes["time"].as_str().unwrap().parse().unwrap();
    assert_eq!(SystemTime::from(time), event.time());
}

#[test]
fn every_kind_of_data_is_there_on_the_other_side() {
    let events = [
        number(1).into_event(),
        Event::json_bytes("a", " [1 ,2.0] ").unwrap(),
        Event::json("a", Value::Null).unwrap(),
        Event::binary("a", "image/png", &b"\x89PNG\x00\xff"[..]).unwrap(),
        Event::binary("a", "text/plain", "").unwrap(),
        Event::signal("a").unwrap(),
    ];
    for event in events {
        let there = Event::from_cloudevent(event.to_cloudevent().unwrap()).unwrap();
        assert_eq!(there.bytes().unwrap(), event.bytes().unwrap().trim_ascii());
        assert_eq!(
            (there.content_type(), there.as_json().is_ok()),
            (event.content_type(), event.as_json().is_ok())
        );
        assert_eq!(there.json_text().is_ok(), event.json_text().is_ok());
    }
}

// What is refused.

fn refusal(text: impl Into<Bytes>) -> CloudEventError {
    Event::from_cloudevent(text).expect_err("this is no CloudEvent")
}

#[test]
fn what_is_not_json_is_refused() {
    for text in
        ["", " ", "hello", "{", &with("\"a\":"), &with("\"data\":{]"), &(with("") + "x"), "\u{feff}{}"]
    {
        let error = refusal(text.to_owned());
        assert!(matches!(error, CloudEventError::Syntax(_)), "{text}: {error:?}");
        assert!(error.to_string().starts_with("not JSON: "), "{error}");
    }
    assert!(matches!(refusal(&b"{\"id\":\"\xff\"}"[..]), CloudEventError::Syntax(_)));
    assert!(matches!(refusal(with(r#""id2":"\ud800""#)), CloudEventError::Syntax(_)));
}

#[test]
fn what_is_json_but_no_event_is_refused() {
    for (text, kind) in [
        ("[]", "sequence"),
        ("\"hunter2\"", "string"),
        ("5", "integer"),
        ("null", "null"),
        ("true", "boolean"),
    ] {
        let error = refusal(text);
        assert!(matches!(error, CloudEventError::Shape(_)), "{text}: {error:?}");
        let told = error.to_string();
        let expected = format!(
            "no CloudEvent: invalid type: {kind}, expected a JSON object with the attributes of one event"
        );
        assert!(told.starts_with(&expected), "{told}");
    }
}

#[test]
fn an_event_without_a_required_attribute_is_refused() {
    let whole = json!({"specversion": "1.0", "id": "1", "source": "/x", "type": "a.b"});
    for name in ["specversion", "id", "source", "type"] {
        let mut absent = whole.clone();
        absent.as_object_mut().unwrap().remove(name);
        assert_eq!(refusal(absent.to_string()).to_string(), format!("no CloudEvent: `{name}` is missing"));
        for (value, problem) in [
            (Value::Null, "is missing"),
            (json!(""), "is empty"),
            (json!(1), "is not a string"),
            (json!(["1"]), "is not a string"),
        ] {
            let mut wrong = whole.clone();
            wrong[name] = value;
            assert_eq!(refusal(wrong.to_string()).to_string(), format!("no CloudEvent: `{name}` {problem}"));
        }
    }
    assert_eq!(refusal("{}"), CloudEventError::Missing("specversion"));
}

#[test]
fn an_event_with_a_wrong_attribute_is_refused_by_name() {
    let rfc3339 = "is not an RFC 3339 time such as 2026-11-20T21:40:00Z";
    for (more, told) in [
        (r#""data":1,"data_base64":"AA==""#, "no CloudEvent: it has both `data` and `data_base64`"),
        (r#""data":null,"data_base64":"""#, "no CloudEvent: it has both `data` and `data_base64`"),
        (r#""data_base64":"AA=""#, "no CloudEvent: `data_base64` is wrong: Invalid padding"),
        (r#""data_base64":"A-__""#, "no CloudEvent: `data_base64` is wrong: Invalid symbol 45, offset 1."),
        (r#""data_base64":5"#, "no CloudEvent: `data_base64` is not a string"),
        (r#""topic":"a b""#, "bad topic: `a b` has the white space character U+0020 at byte 1"),
        (r#""topic":"a.*""#, "bad topic: `a.*` has a wildcard at byte 2, and a topic is always literal"),
        (r#""topic":"""#, "bad topic: a topic or pattern must not be empty"),
        (r#""topic":5"#, "no CloudEvent: `topic` is not a string"),
        (r#""time":"yesterday""#, &format!("no CloudEvent: `time` {rfc3339}")),
        (r#""time":"2025-02-30T00:00:00Z""#, &format!("no CloudEvent: `time` {rfc3339}")),
        (r#""time":"2025-01-01T00:00:00""#, &format!("no CloudEvent: `time` {rfc3339}")),
        (r#""time":"2025-01-01""#, &format!("no CloudEvent: `time` {rfc3339}")),
        (r#""time":"""#, &format!("no CloudEvent: `time` {rfc3339}")),
        (r#""time":1735689600"#, "no CloudEvent: `time` is not a string"),
        (r#""subject":5"#, "no CloudEvent: `subject` is not a string"),
        (r#""datacontenttype":{}"#, "no CloudEvent: `datacontenttype` is not a string"),
        (r#""dataschema":false"#, "no CloudEvent: `dataschema` is not a string"),
        (r#""id":"2""#, "no CloudEvent: `id` stands in it twice"),
        (r#""x":1,"y":2,"x":1"#, "no CloudEvent: `x` stands in it twice"),
        (r#""data":1,"d\u0061ta":1"#, "no CloudEvent: `data` stands in it twice"),
        ("\"\\u001b[31m\":1,\"\\u001b[31m\":1", "no CloudEvent: `\\u{1b}[31m` stands in it twice"),
    ] {
        let error = refusal(with(more)).to_string();
        assert!(error.starts_with(told), "{error}");
    }
    let version = with("").replace("1.0", "0.3\\u001b");
    assert_eq!(
        refusal(version).to_string(),
        "no CloudEvent: `specversion` is `0.3\\u{1b}`, and 1.0 is what can be read"
    );
    let spaced = with("").replace("a.b", "a b");
    assert!(
        refusal(spaced).to_string().starts_with("bad topic: `a b` has the white space"),
        "the type stands for the topic"
    );
    assert_eq!(
        parse(&with(r#""topic":"t""#).replace("a.b", "a b")).event_type(),
        "a b",
        "unless there is a topic"
    );
}

#[test]
fn data_is_not_copied_and_yet_holds_no_text_that_is_mostly_something_else() {
    let mostly_data = Bytes::from(with(&format!("\"data\":\"{}\"", "x".repeat(10_000))));
    let event = Event::from_cloudevent(mostly_data.clone()).unwrap();
    assert!(mostly_data.as_ptr_range().contains(&event.json_text().unwrap().as_ptr()));

    let mostly_space = Bytes::from(with(&format!("{}\"data\":1", " ".repeat(10_000))));
    let event = Event::from_cloudevent(mostly_space.clone()).unwrap();
    assert_eq!(event.json_text().unwrap(), "1");
    assert!(mostly_space.is_unique(), "an event that counts for a byte holds no more than it counts for");
}

#[test]
fn a_megabyte_of_attributes_is_read_in_no_time() {
    let attributes: Vec<_> = (0..80_000).map(|number| format!("\"a{number}\":1")).collect();
    let text = with(&attributes.join(","));
    let begun = Instant::now();
    assert_eq!(parse(&text).metadata().len(), 80_000);
    let twice = refusal(with(&(attributes.join(",") + ",\"a7\":1")));
    assert!(twice.to_string().starts_with("no CloudEvent: `a7` stands in it twice"));
    assert!(begun.elapsed() < Duration::from_secs(5), "comparing each with each would take a minute");
}

// Real ones.

#[tokio::test(start_paused = true)]
async fn real_webhooks_come_out_as_they_went_in() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/github-webhooks.ndjson");
    let Ok(text) = std::fs::read_to_string(&path) else {
        println!("left out: the webhooks are not at ../shared/data/github-webhooks.ndjson");
        return;
    };
    let bus = Bus::in_memory();
    let heard = listen(&bus, "github.**").await;
    for line in text.lines() {
        assert_eq!(bus.publish(parse(line)).await.unwrap().matched, Some(1));
    }
    end(bus).await;

    let heard = heard.all();
    assert_eq!(heard.len(), 329);
    assert_eq!(heard.iter().map(|event| event.topic().as_str()).collect::<BTreeSet<_>>().len(), 161);
    for (event, line) in heard.iter().zip(text.lines()) {
        assert_unaltered(line);
        assert_eq!(read(&event.to_cloudevent().unwrap()), read(line.as_bytes()));
        assert_eq!(event.as_json().unwrap(), &serde_json::from_str::<Value>(line).unwrap()["data"]);
    }
}
