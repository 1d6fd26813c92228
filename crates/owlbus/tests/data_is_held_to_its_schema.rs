//! Data is held to JSON Schemas, by topic or by type and version. What does not satisfy them is refused with every violation and its
//! place in the data, and without the values found there; what no schema is for goes on or is refused, as one likes.

mod common;

use std::{collections::BTreeMap, path::Path, time::Duration};

use common::{Number, Text, end, event, number, quiet};
use owlbus::{
    Bus, Delivery, Event, PublishError,
    middleware::{SchemaError, Schemas, Unknown, Validate, Violations},
};
use serde_json::{Value, json};

fn validate(schemas: Schemas) -> Validate {
    Validate::new().schemas(schemas)
}

fn found(schemas: Schemas, event: &Event) -> Violations {
    validate(schemas).violations(event)
}

/// What one schema says of one value.
fn says(schema: Value, data: Value) -> String {
    let schemas = Schemas::new().topic("a", schema).expect("the schema is one");
    found(schemas, &Event::json("a", data).expect("the topic is one")).to_string()
}

fn order_schema() -> Value {
    json!({
        "type": "object",
        "required": ["id", "lines"],
        "properties": {
            "id": { "type": "string", "pattern": "^o-[0-9]+$" },
            "lines": { "type": "array", "items": { "properties": { "price": { "minimum": 0 } } } },
        },
        "additionalProperties": false,
    })
}

#[tokio::test(start_paused = true)]
async fn every_violation_is_told_with_its_place_and_without_the_value() {
    let schemas = Schemas::new().topic("orders.*", order_schema()).unwrap();
    let bus = Bus::builder().middleware(validate(schemas)).build().unwrap();
    let heard = common::listen(&bus, "**").await;
    let good = json!({ "id": "o-1", "lines": [{ "price": 5 }] });
    assert!(bus.publish(Event::json("orders.placed", good).unwrap()).await.is_ok());
    let bad = json!({ "id": "hidden", "lines": [{ "price": 5 }, { "price": -77 }], "no/te": true });
    let refused = bus.publish(Event::json("orders.placed", bad.clone()).unwrap()).await.unwrap_err();
    let PublishError::Rejected { by, reason, .. } = &refused else { panic!("{refused:?}") };
    assert_eq!(&**by, "validate");
    let mut each: Vec<_> = reason.split("; ").collect();
    each.sort_unstable();
    assert_eq!(
        each,
        [
            "at `/id`: it does not match \"^o-[0-9]+$\"",
            "at `/lines/1/price`: it is less than the minimum of 0",
            "the data: Additional properties are not allowed ('no/te' was unexpected)",
        ]
    );
    assert!(!format!("{refused} {refused:?}").contains("hidden"));
    // What is on no topic with a schema is nobody's business.
    assert!(bus.publish(Event::json("orders", bad).unwrap()).await.is_ok());
    quiet().await;
    assert_eq!(heard.all().len(), 2);
    end(bus).await;
}

#[test]
fn a_schema_of_a_type_holds_for_one_version() {
    let schemas = || {
        let one = json!({ "required": ["to"] });
        let two = json!({ "required": ["from", "to"] });
        Schemas::new().version("user.renamed", 1, one).unwrap().version("user.renamed", 2, two).unwrap()
    };
    let renamed = |version: u32| {
        let event = Event::builder(Event::json("u.1", json!({ "to": "b" })).unwrap());
        event.event_type("user.renamed").version(version).build().unwrap()
    };
    assert!(found(schemas(), &renamed(1)).is_empty());
    assert_eq!(found(schemas(), &renamed(2)).to_string(), "the data: \"from\" is a required property");
    assert!(found(schemas(), &renamed(3)).is_empty());
    let unknown = found(schemas().unknown(Unknown::Refuse), &renamed(3)).to_string();
    assert_eq!(unknown, "schema: none is for its topic, nor for version 3 of its type");
}

#[test]
fn rust_values_are_held_to_the_schema_of_their_type() {
    let schemas =
        || Schemas::new().typed::<Number>(&json!({ "properties": { "n": { "maximum": 9 } } })).unwrap();
    assert!(found(schemas(), &Event::new(number(9))).is_empty());
    assert_eq!(
        found(schemas(), &Event::new(number(10))).to_string(),
        "at `/n`: it is greater than the maximum of 9"
    );
    assert!(found(schemas(), &Event::new(Text { text: "any".into() })).is_empty());
}

#[test]
fn all_schemas_that_are_for_an_event_have_to_be_satisfied() {
    let schemas = Schemas::new()
        .topic("**", json!({ "required": ["a"] }))
        .unwrap()
        .topic(["x.*", "x.y"], json!({ "required": ["b"] }))
        .unwrap()
        .version("x.y", 1, json!({ "required": ["c"] }))
        .unwrap();
    let found = found(schemas, &Event::json("x.y", json!({})).unwrap());
    let missing: Vec<_> = found.iter().map(|one| one.problem.chars().nth(1).unwrap()).collect();
    assert_eq!(missing, ['a', 'b', 'c']);
}

#[tokio::test(start_paused = true)]
async fn what_no_schema_is_for_is_refused_where_one_likes_and_answers_are_not() {
    let schemas = Schemas::new().topic("ask", json!(true)).unwrap().unknown(Unknown::Refuse);
    let bus = Bus::builder().middleware(validate(schemas)).build().unwrap();
    bus.on("ask").handle(|_: Delivery| async { Ok(number(3)) }).await.unwrap();
    let answer: Number = bus.request(event("ask", 1), Duration::from_secs(1)).await.unwrap();
    assert_eq!(answer.n, 3);
    let refused = bus.publish(event("other", 1)).await.unwrap_err().to_string();
    assert!(
        refused.ends_with("validate: schema: none is for its topic, nor for version 1 of its type"),
        "{refused}"
    );
    end(bus).await;
}

#[test]
fn data_that_is_no_json_satisfies_no_schema_and_no_data_is_null() {
    let schemas = || Schemas::new().topic("a", json!({ "type": ["null", "object"] })).unwrap();
    assert!(found(schemas(), &Event::signal("a").unwrap()).is_empty());
    let strings = Schemas::new().topic("a", json!({ "type": "string" })).unwrap();
    assert_eq!(
        found(strings, &Event::signal("a").unwrap()).to_string(),
        "the data: it is not of type \"string\""
    );
    for event in [
        Event::binary("a", "image/png", &b"{}"[..]),
        Event::binary("a", "application/json", &b"{"[..]),
        Event::json_bytes("a", &br#"{"a":"\ud800"}"#[..]),
    ] {
        let found = found(schemas(), &event.unwrap()).to_string();
        assert_eq!(found, "schema: the data is not JSON that can be read, as its schema asks for");
    }
    let json = Event::binary("a", "application/problem+json", &b"{}"[..]).unwrap();
    assert!(found(schemas(), &json).is_empty());
}

#[test]
fn the_draft_is_what_the_schema_says() {
    // In draft 7 what stands beside a `$ref` does not count, and `items` may be a list.
    let in_7 = json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "definitions": { "any": true },
        "properties": { "a": { "$ref": "#/definitions/any", "type": "string" } },
    });
    assert_eq!(says(in_7.clone(), json!({ "a": 1 })), "");
    let mut in_2020 = in_7;
    in_2020.as_object_mut().unwrap().remove("$schema");
    assert_eq!(says(in_2020, json!({ "a": 1 })), "at `/a`: it is not of type \"string\"");
    let in_4 = json!({
        "$schema": "http://json-schema.org/draft-04/schema#", "maximum": 5, "exclusiveMaximum": true
    });
    assert_eq!(says(in_4, json!(5)), "the data: it is greater than or equal to the maximum of 5");
    assert_eq!(says(json!({ "prefixItems": [true, false] }), json!([1, 2])), "at `/1`: nothing may be there");
}

#[test]
fn formats_and_encodings_are_not_asserted() {
    for draft in ["http://json-schema.org/draft-07/schema#", "https://json-schema.org/draft/2020-12/schema"] {
        for keywords in [
            json!({ "format": "email" }),
            json!({ "format": "date-time" }),
            json!({ "contentEncoding": "base64" }),
            json!({ "contentMediaType": "application/json" }),
        ] {
            let mut schema = keywords;
            schema["$schema"] = draft.into();
            assert_eq!(says(schema.clone(), json!("{ no \u{e9}")), "", "{schema}");
        }
    }
}

#[test]
fn names_of_schemas_lead_where_they_say() {
    for id in ["https://shop.example/schemas/order.json", "order.json", "/order.json", "urn:x:order"] {
        let schema = json!({
            "$id": id,
            "$defs": { "n": { "$anchor": "number", "type": "number" }, "m": { "$ref": "#number" } },
            "properties": {
                "a": { "$ref": "#/$defs/n" },
                "b": { "$ref": "#number" },
                "c": { "$ref": format!("{id}#/$defs/m") },
            },
        });
        let found = says(schema, json!({ "a": "", "b": "", "c": "" }));
        assert_eq!(found.matches("it is not of type \"number\"").count(), 3, "{id}: {found}");
    }
}

#[test]
fn a_document_holds_schemas_by_topic_and_by_type_and_version() {
    let schemas = || {
        Schemas::read(
            r##"{
                "$schema": "http://json-schema.org/draft-07/schema#",
                "topics": {
                    "orders.placed": "#/definitions/order",
                    "odd.to~ken/%25é.*": { "allOf": [{ "$ref": "#/definitions/order" }, { "required": ["b"] }] },
                    "never": false
                },
                "types": { "user renamed": { "1": "#/definitions/order", "2": { "maxProperties": 0 } } },
                "definitions": { "order": { "required": ["a"] } }
            }"##,
        )
        .unwrap()
    };
    for (topic, event_type, version, expected) in [
        ("orders.placed", "x", 1, vec!["\"a\" is a required property"]),
        ("odd.to~ken/%25é.y", "x", 1, vec!["\"a\" is a required property", "\"b\" is a required property"]),
        ("never", "x", 1, vec!["nothing may be there"]),
        ("x", "user renamed", 1, vec!["\"a\" is a required property"]),
        ("x", "user renamed", 2, vec!["it has more than 0 properties"]),
        ("x", "user renamed", 3, vec![]),
        ("x", "x", 1, vec![]),
    ] {
        let event = Event::builder(Event::json(topic, json!({ "c": 1 })).unwrap());
        let event = event.event_type(event_type).version(version).build().unwrap();
        let found = found(schemas(), &event);
        let problems: Vec<_> = found.iter().map(|one| &*one.problem).collect();
        assert_eq!(problems, expected, "{topic} {event_type} {version}");
    }
}

#[test]
fn a_document_that_cannot_be_used_says_why() {
    for (text, expected) in [
        ("{", "the schemas are not JSON: EOF while parsing an object at line 1 column 1"),
        (
            "[]",
            "the schemas are not laid out as they should be: there are neither `topics` nor `types` with schemas",
        ),
        (
            r#"{"topics":{}}"#,
            "the schemas are not laid out as they should be: there are neither `topics` nor `types` with schemas",
        ),
        (r#"{"topics":[]}"#, "the schemas are not laid out as they should be: `topics` is no object"),
        (
            r#"{"types":{"a":[]}}"#,
            "the schemas are not laid out as they should be: type `a` is no object of versions and schemas",
        ),
        (
            r#"{"types":{"a":{"0":true}}}"#,
            "the schemas are not laid out as they should be: `0` of type `a` is not a version, which is a whole number from 1",
        ),
        (
            r##"{"topics":{"a":"#/definitions/b"}}"##,
            "the schema of `a` cannot be used: nothing stands at `/definitions/b` of the document",
        ),
        (
            r#"{"topics":{"a":5}}"#,
            "the schema of `a` cannot be used: at `/topics/a`: 5 is not of types \"boolean\", \"object\"",
        ),
        (
            r#"{"topics":{"a":{"properties":{"x":{"type":"strin"}}}}}"#,
            "the schema of `a` cannot be used: at `/topics/a/properties/x/type`: \"strin\" is not valid under any of the schemas listed in the 'anyOf' keyword",
        ),
        (
            r##"{"types":{"a":{"1":"#/$defs/b"}},"$defs":{"b":{"minLength":-1}}}"##,
            "the schema of `a 1` cannot be used: at `/$defs/b/minLength`: -1 is less than the minimum of 0",
        ),
        (
            r##"{"topics":{"a":"#/x"},"x":{"properties":{"y":{"$ref":"#/nowhere"}}}}"##,
            "the schema of `a` cannot be used: nothing stands at `/nowhere` of the document",
        ),
        (
            r#"{"topics":{"a":{"pattern":"("}}}"#,
            "the schema of `a` cannot be used: at `/topics/a/pattern`: the pattern \"(\" cannot be used: it is wrong, has look-around or back references, or takes more than 1048576 bytes when compiled",
        ),
    ] {
        let error = Schemas::read(text).err().unwrap_or_else(|| panic!("{text}"));
        assert_eq!(error.to_string(), expected, "{text}");
    }
    assert!(matches!(Schemas::read(r#"{"topics":{"a..b":true}}"#), Err(SchemaError::Topic(_))));
    let error = Schemas::new().version("a", 2, json!({ "required": "x" })).err().unwrap();
    assert!(error.to_string().starts_with("the schema of `a 2` cannot be used: at `/required`: "), "{error}");
}

#[test]
fn a_great_many_violations_are_counted_and_too_large_data_is_refused_without_a_list() {
    let schema = || json!({ "items": { "type": "string" } });
    let some = says(schema(), json!(vec![0; 1_000]));
    assert!(some.ends_with("at `/99`: it is not of type \"string\"; and 900 more"), "{some}");
    assert_eq!(
        says(schema(), json!(vec![0; 250_000])),
        "the data: it does not satisfy its schema, and is too large for all that is wrong to be listed"
    );
    assert_eq!(says(schema(), json!(vec![""; 250_000])), "");
}

/// What a second validator, jsonschema 4.26.0 for Python, says of the payloads: which it refuses, and how many violations each has.
const REFUSED: &str = include_str!("data/github-webhooks.refused");

#[test]
fn real_payloads_are_refused_where_a_second_validator_refuses_them() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).ok();
    let (Some(events), Some(schemas)) =
        (read("github-webhooks.ndjson"), read("github-webhooks.schemas.json"))
    else {
        println!("left out: the webhooks and their schemas are not in ../shared/data");
        return;
    };
    let validate = validate(Schemas::read(schemas).unwrap());
    let mut refused = BTreeMap::new();
    for line in events.lines() {
        let event: Event = line.parse().unwrap();
        let found = validate.violations(&event);
        assert!(found.iter().all(|one| one.place.is_some()), "{found}");
        if !found.is_empty() {
            refused.insert(event.id().to_string(), found.len());
        }
    }
    let expected = REFUSED.lines().map(|line| line.split_once(' ').expect("an id and a number"));
    let expected: BTreeMap<_, _> =
        expected.map(|(id, found)| (id.to_owned(), found.parse().expect("a number"))).collect();
    assert_eq!(refused, expected);
    println!(
        "{} of {} payloads refused, {} violations",
        refused.len(),
        events.lines().count(),
        refused.values().sum::<usize>()
    );
}
