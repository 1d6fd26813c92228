//! The transform middleware renames, drops and changes fields before anybody gets the event; type, topic and all that it is not told
//! to change stay.

mod common;

use common::{end, listen, number, quiet};
use owlbus::{Bus, Event, PublishError, middleware::Transform};
use serde_json::{Value, json};

/// What comes out of an event of this data.
async fn changed(transform: Transform, data: Value) -> Value {
    let bus = Bus::builder().middleware(transform).build().expect("it is alone");
    let heard = listen(&bus, "**").await;
    bus.publish(Event::json("user.login", data).expect("the topic is one")).await.expect("it is accepted");
    let event = heard.once_there_are(1).await.remove(0);
    end(bus).await;
    event.as_json().expect("it is JSON").clone()
}

#[tokio::test(start_paused = true)]
async fn fields_are_renamed_dropped_and_changed_in_that_order() {
    let transform = Transform::new()
        .rename("/mail", "/contact/email/first")
        .map("/contact/email/first", |mail| json!(mail.as_str().unwrap().to_lowercase()))
        .drop_field("/password")
        .drop_field("/list/1")
        .rename("/a~1b", "/c~0d");
    let data = json!({ "mail": "ANN@OWL", "password": "x", "list": [1, 2, 3], "a/b": 7, "kept": null });
    let expected =
        json!({ "contact": { "email": { "first": "ann@owl" } }, "list": [1, 3], "c~d": 7, "kept": null });
    assert_eq!(changed(transform, data).await, expected);
    assert_eq!(changed(Transform::new().map("", |all| json!([all])), json!(1)).await, json!([1]));
    assert_eq!(changed(Transform::new().rename("/a", ""), json!({ "a": 5 })).await, json!(5));
}

#[tokio::test(start_paused = true)]
async fn what_has_nothing_to_change_stays_byte_for_byte() {
    let transform = Transform::new().on("user.*").unwrap().drop_field("/password").rename("/x/y", "/z");
    let bus = Bus::builder().middleware(transform).build().unwrap();
    let heard = listen(&bus, "**").await;
    let text = br#"{ "a" : 1.0, "a":2 }"#;
    bus.publish(Event::json_bytes("user.login", &text[..]).unwrap()).await.unwrap();
    bus.publish(Event::json("other", json!({ "password": 1 })).unwrap()).await.unwrap();
    bus.publish(Event::signal("user.gone").unwrap()).await.unwrap();
    let heard = heard.once_there_are(3).await;
    assert_eq!(&heard[0].bytes().unwrap()[..], text);
    assert_eq!(heard[1].get::<u32>("/password"), Some(1), "its topic is not meant");
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn a_rust_value_that_is_changed_is_json_of_its_type() {
    let transform = Transform::new().map("/n", |n| json!(n.as_u64().unwrap() + 1));
    let bus = Bus::builder().middleware(transform).build().unwrap();
    let (seen, noted) = common::Notes::pair();
    bus.subscribe(move |number: owlbus::Delivery<common::Number>| {
        noted.add((number.n, number.event().event_type().to_owned(), number.event().topic().to_string()));
        async {}
    })
    .await
    .unwrap();
    bus.publish(number(1)).await.unwrap();
    let plain = Event::new(number(0));
    let expected = (2, plain.event_type().to_owned(), "test.number".to_owned());
    assert_eq!(seen.once_there_are(1).await, [expected]);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_placed_is_refused() {
    let transform = Transform::new().rename("/a", "/b/c");
    let bus = Bus::builder().middleware(transform).build().unwrap();
    let refused = bus.publish(Event::json("t", json!({ "a": 1, "b": "text" })).unwrap()).await.unwrap_err();
    let PublishError::Rejected { by, reason, .. } = &refused else { panic!("{refused}") };
    assert_eq!((&**by, &**reason), ("transform", "`/b/c` cannot be set: it is inside of what is no object"));
    quiet().await;
    end(bus).await;
}
