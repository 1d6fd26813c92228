//! A schema from somebody one does not trust opens no connection and no file, and takes neither stack nor time without end: what would
//! is refused when the schema is read, with the reason. Nor does data from a stranger, held to a schema that multiplies with its depth.

use std::{net::TcpListener, thread};

use owlbus::{
    Event,
    middleware::{Schemas, Validate},
};
use serde_json::{Map, Value, json};

/// Why a schema is refused; on a thread with as little stack as the workers of a runtime have.
fn refused(schema: Value) -> Option<String> {
    let read = move || {
        let alone = Schemas::new().topic("a", schema.clone()).err().map(|error| error.to_string());
        // The same as a document, where it is a topic's by reference.
        let mut document = schema;
        document["topics"] = json!({ "a": "#" });
        let of_document = Schemas::read(document.to_string()).err().map(|error| error.to_string());
        assert_eq!(alone.is_some(), of_document.is_some());
        alone
    };
    on_a_small_stack(read)
}

fn on_a_small_stack<R: Send + 'static>(run: impl FnOnce() -> R + Send + 'static) -> R {
    thread::Builder::new()
        .stack_size(2 << 20)
        .spawn(run)
        .expect("a thread")
        .join()
        .expect("it panics in no test that passes")
}

/// What is wrong with data.
fn found(schema: &Value, data: &Value) -> String {
    let schemas =
        Schemas::new().topic("a", schema.clone()).unwrap_or_else(|error| panic!("{error}: {schema}"));
    let event = Event::json("a", data).expect("the topic is one");
    Validate::new().schemas(schemas).violations(&event).to_string()
}

fn assert_refused(schema: Value, because: &str) {
    let text: String = schema.to_string().chars().take(200).collect();
    let reason = refused(schema).unwrap_or_else(|| panic!("taken: {text}"));
    assert!(reason.contains(because), "{text}: {reason}");
}

#[test]
fn nothing_is_fetched_and_no_file_is_read() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    server.set_nonblocking(true).unwrap();
    let port = server.local_addr().unwrap().port();
    // A file that would do, were it read.
    let file = std::env::temp_dir().join(format!("owlbus-schema-{}.json", std::process::id()));
    std::fs::write(&file, "true").unwrap();
    let file = file.display().to_string();

    let remote = |reference: &str| {
        let reference = reference.replace("PORT", &port.to_string()).replace("FILE", &file);
        [
            json!({ "$ref": reference }),
            json!({ "$dynamicRef": reference }),
            json!({ "properties": { "a": { "allOf": [{ "$ref": reference }] } } }),
            json!({ "$defs": { "nobody asks for it": { "$ref": reference } } }),
            json!({ "$schema": "http://json-schema.org/draft-07/schema#", "$ref": reference }),
            json!({ "$schema": "http://json-schema.org/draft-04/schema#", "items": { "$ref": reference } }),
        ]
    };
    for reference in
        ["http://127.0.0.1:PORT/a", "https://127.0.0.1:PORT/a#/b", "file://FILE", "ftp://127.0.0.1:PORT/a"]
    {
        for schema in remote(reference) {
            assert_refused(schema, "is not in the document");
        }
    }
    let base = format!("file://{file}");
    assert_refused(json!({ "$id": "file:///tmp/", "$ref": base }), "no schema is fetched or read");
    assert_refused(json!({ "$ref": "other.json" }), "no schema is fetched or read");
    assert_refused(json!({ "$ref": file }), "no schema is fetched or read");
    let dialect = format!("http://127.0.0.1:{port}/schema");
    assert_refused(json!({ "$schema": dialect }), "its `$schema` is none of the drafts");

    let nobody = server.accept().unwrap_err();
    assert_eq!(nobody.kind(), std::io::ErrorKind::WouldBlock);
    std::fs::remove_file(file).unwrap();
}

#[test]
fn references_that_lead_back_to_themselves_are_refused() {
    for schema in [
        json!({ "$ref": "#" }),
        json!({ "allOf": [{ "$ref": "#" }] }),
        json!({ "not": { "$ref": "#" } }),
        json!({ "if": true, "then": { "anyOf": [false, { "oneOf": [{ "$ref": "#" }] }] } }),
        json!({ "dependentSchemas": { "a": { "$ref": "#" } } }),
        json!({ "$dynamicAnchor": "me", "allOf": [{ "$dynamicRef": "#me" }] }),
        json!({ "$id": "https://x.example/a", "allOf": [{ "$ref": "a" }] }),
        json!({ "$ref": "#/$defs/a", "$defs": { "a": { "$ref": "#/$defs/b" }, "b": { "$ref": "#/$defs/a" } } }),
        json!({ "properties": { "x": { "$ref": "#/$defs/a" } }, "$defs": { "a": { "else": { "$ref": "#/$defs/a" } } } }),
    ] {
        assert_refused(schema, "leads back to itself without going into the data");
    }
    let two = json!({ "$ref": "#/$defs/a", "$defs": { "a": { "$ref": "#/$defs/b" }, "b": { "$ref": "#/$defs/a" } } });
    let reason = refused(two).unwrap();
    assert!(reason.contains("`#/$defs/a`") && reason.contains("`#/$defs/b`"), "{reason}");
}

#[test]
fn references_that_go_into_the_data_are_fine() {
    let tree = json!({
        "$ref": "#/$defs/tree",
        "$defs": { "tree": {
            "type": "object",
            "properties": { "n": { "type": "number" }, "left": { "$ref": "#/$defs/tree" }, "right": { "$ref": "#/$defs/tree" } },
            "additionalProperties": false,
        } },
    });
    assert_eq!(refused(tree.clone()), None);
    assert_eq!(found(&tree, &json!({ "left": { "right": { "left": { "n": 1 } } } })), "");
    assert_eq!(
        found(&tree, &json!({ "left": { "right": { "left": { "n": "x" } } }, "right": 1 })),
        "at `/left/right/left/n`: it is not of type \"number\"; at `/right`: it is not of type \"object\""
    );
    // A schema of schemas refers to itself in every way there is.
    let of_schemas = json!({ "$ref": "https://json-schema.org/draft/2020-12/schema" });
    assert_eq!(found(&of_schemas, &json!({ "properties": { "a": { "items": { "not": {} } } } })), "");
    assert_ne!(found(&of_schemas, &json!({ "properties": { "a": { "items": { "type": 1 } } } })), "");
}

#[test]
fn evil_patterns_are_refused_and_bad_ones_take_no_time() {
    for pattern in [
        r"^(a+)\1+$",
        r"^(?=(a+)+)b$",
        r"(?<!a)b",
        r"((a{1,1000}){1,1000}){1,1000}",
        r"(\p{L}{1,1000}){1,1000}",
        "(",
        "[z-a]",
    ] {
        assert_refused(json!({ "pattern": pattern }), "cannot be used");
        assert_refused(json!({ "patternProperties": { pattern: true } }), "");
        assert_refused(
            json!({ "$defs": { "a": { "pattern": pattern } }, "$ref": "#/$defs/a" }),
            "cannot be used",
        );
    }
    // Each of them would take an engine that tries one way after the other longer than anybody lives.
    let text = format!("{}!", "a".repeat(50_000));
    for pattern in ["^(a+)+$", "^(a|a)*$", "^(a*)*b?$", "^(a|aa)+$", "^([a-z]+)*[0-9]$"] {
        assert_ne!(found(&json!({ "pattern": pattern }), &json!(text)), "", "{pattern}");
    }
}

#[test]
fn what_makes_much_of_little_is_refused() {
    // Twice the next, thirty times.
    let doubled = |applied: fn(Value) -> Value| {
        let mut defs: Map<String, Value> = (0..30)
            .map(|n| (format!("d{n}"), applied(json!({ "$ref": format!("#/$defs/d{}", n + 1) }))))
            .collect();
        defs.insert("d30".into(), json!({ "type": "string" }));
        json!({ "$ref": "#/$defs/d0", "$defs": defs })
    };
    for applied in [
        |next: Value| json!({ "allOf": [next, next] }),
        |next| json!({ "anyOf": [next, next] }),
        |next| json!({ "not": next, "if": next }),
        |next| json!({ "dependentSchemas": { "a": next, "b": next } }),
    ] {
        assert_refused(doubled(applied), "applies more than 10000 schemas to one value");
        let below = json!({ "items": doubled(applied) });
        assert_refused(
            json!({ "properties": { "a": below["items"] }, "$defs": below["items"]["$defs"] }),
            "more than 10000",
        );
    }
    // A row of references as long as a book.
    let mut defs: Map<String, Value> =
        (0..20_000).map(|n| (format!("d{n}"), json!({ "$ref": format!("#/$defs/d{}", n + 1) }))).collect();
    defs.insert("d20000".into(), json!(true));
    assert_refused(json!({ "$ref": "#/$defs/d0", "$defs": defs }), "more than 10000");
}

#[test]
fn deep_schemas_are_refused_and_those_that_are_not_take_no_more_stack_than_there_is() {
    let deep =
        |levels: usize| (0..levels).fold(json!({ "type": "string" }), |schema, _| json!({ "not": schema }));
    assert_eq!(refused(deep(120)), None);
    assert_refused(deep(130), "nested deeper than 128 levels");
}

#[test]
fn deep_data_takes_no_more_stack_than_there_is() {
    // Five schemas inside one another, a level of the data.
    let schema = json!({
        "$ref": "#/$defs/n",
        "$defs": { "n": {
            "type": "object",
            "properties": { "c": { "allOf": [{ "anyOf": [{ "$ref": "#/$defs/n" }, { "not": { "$ref": "#/$defs/n" } }] }] } },
            "unevaluatedProperties": false,
        } },
    });
    let deep = |levels: usize| (0..levels).fold(json!({ "x": 1 }), |data, _| json!({ "c": data }));
    on_a_small_stack(move || {
        assert_eq!(found(&schema, &deep(120)), "");
        for levels in [128, 500, 990] {
            assert_eq!(
                found(&schema, &deep(levels)),
                "the data: it is nested too deep to be held to its schema"
            );
        }
        // A schema that does not look there does not mind.
        assert_eq!(found(&json!({ "type": "object" }), &deep(990)), "");
    });
}

#[test]
fn what_multiplies_with_the_depth_of_the_data_takes_no_time() {
    // Two ways to look at each level: a list of all that is wrong would double with each.
    let schema = json!({
        "$ref": "#/$defs/n",
        "$defs": { "n": { "anyOf": [
            { "properties": { "c": { "$ref": "#/$defs/n" } }, "required": ["a"] },
            { "properties": { "c": { "$ref": "#/$defs/n" } }, "required": ["b"] },
        ] } },
    });
    let deep =
        |levels: usize, last: Value| (0..levels).fold(last, |data, _| json!({ "a": 1, "b": 1, "c": data }));
    assert_eq!(found(&schema, &deep(100, json!({ "b": 1 }))), "");
    assert_eq!(
        found(&schema, &deep(100, json!({}))),
        "the data: it does not satisfy its schema, and is too large for all that is wrong to be listed"
    );
    assert_ne!(found(&schema, &deep(5, json!({}))), "");
}
