//! An event that breaks a rule is refused before anybody gets it, and its publisher is told every violation: a topic that is not
//! among those published here, a field that is not there, what the program's own rules say. A rule that panics refuses.

mod common;

use std::time::Duration;

use common::{end, event, listen, quiet};
use owlbus::{
    Bus, Event, PublishError, Topics,
    middleware::{Middleware, Validate},
};
use serde_json::{Value, json};

/// What a publisher is told, with the name of who refused it before it.
async fn told(bus: &Bus, event: Event) -> Result<(), String> {
    match bus.publish(event).await {
        Ok(_) => Ok(()),
        Err(PublishError::Rejected { by, reason, .. }) => Err(format!("{by}: {reason}")),
        Err(other) => panic!("{other}"),
    }
}

fn refused(text: &str) -> Result<(), String> {
    Err(text.to_owned())
}

fn order(data: Value) -> Event {
    Event::json("orders.placed", data).expect("the topic is one")
}

fn bus(validate: Validate) -> Bus {
    Bus::builder().middleware(validate).build().expect("its name is alone")
}

#[tokio::test(start_paused = true)]
async fn only_topics_of_the_set_are_published() {
    #[derive(Clone, Copy, Topics)]
    #[topics(prefix = "user")]
    enum Known {
        Joined,
        Left,
    }

    let bus = bus(Validate::new().topics(Known::ALL).unwrap().topics("orders.**").unwrap());
    let heard = listen(&bus, "**").await;
    for known in [Known::Joined, Known::Left] {
        assert_eq!(told(&bus, event(known.topic().as_str(), 1)).await, Ok(()));
    }
    assert_eq!(told(&bus, event("orders.eu.placed", 1)).await, Ok(()));
    for unknown in ["user.lost", "user", "order.placed"] {
        assert_eq!(
            told(&bus, event(unknown, 1)).await,
            refused("validate: topics: the topic is none of those that are published here")
        );
    }
    quiet().await;
    assert_eq!((heard.all().len(), bus.middleware()[0].refused), (3, 3));
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn answers_are_always_among_the_topics() {
    let bus = bus(Validate::new().topics("ask").unwrap());
    bus.on("ask").handle(|_: owlbus::Delivery| async { Ok(common::number(3)) }).await.unwrap();
    let answer: common::Number = bus.request(event("ask", 1), Duration::from_secs(1)).await.unwrap();
    assert_eq!(answer.n, 3);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn every_field_that_is_missing_is_named() {
    let validate = Validate::new()
        .require("orders.**", ["/id", "/customer/email", "/lines/0"])
        .unwrap()
        .require("orders.paid", ["/paid~1at"])
        .unwrap();
    let bus = bus(validate);
    let whole = json!({ "id": 0, "customer": { "email": "" }, "lines": [false] });
    assert_eq!(told(&bus, order(whole.clone())).await, Ok(()));
    assert_eq!(
        told(&bus, Event::json("orders.paid", whole).unwrap()).await,
        refused("validate: at `/paid~1at`: it is missing")
    );
    assert_eq!(
        told(&bus, order(json!({ "id": null, "customer": [], "lines": [1] }))).await,
        refused("validate: at `/id`: it is missing; at `/customer/email`: it is missing")
    );
    // Without data, or with data that is none of JSON, nothing is there.
    for empty in [Event::signal("orders.placed"), Event::binary("orders.placed", "image/png", &b"{}"[..])] {
        let reason = told(&bus, empty.unwrap()).await.unwrap_err();
        assert_eq!(reason.matches("it is missing").count(), 3, "{reason}");
    }
    assert_eq!(told(&bus, event("other", 1)).await, Ok(()));
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn rust_values_are_looked_at_as_json() {
    let bus = bus(Validate::new().require("**", ["/n"]).unwrap());
    assert!(bus.publish(common::number(1)).await.is_ok());
    assert!(bus.publish(common::Text { text: "a".into() }).await.is_err());
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn every_rule_that_is_broken_is_told_with_its_name() {
    let validate = Validate::new()
        .named("shop")
        .priority(7)
        .rule("key", |event: &Event| if event.has_key() { Ok(()) } else { Err("an order has a key") })
        .rule("total", |event: &Event| match event.get::<i64>("/total") {
            Some(total) if total < 0 => Err(format!("{total} is negative")),
            _ => Ok(()),
        });
    let bus = bus(validate.clone());
    assert_eq!((validate.name(), bus.middleware()[0].priority), ("shop".into(), 7));
    let bad = order(json!({ "total": -5 }));
    assert_eq!(
        told(&bus, bad.clone()).await,
        refused("shop: key: an order has a key; total: -5 is negative")
    );
    let keyed = Event::builder(bad).key("a").build().unwrap();
    assert_eq!(told(&bus, keyed).await, refused("shop: total: -5 is negative"));

    // The same without a bus.
    let found = validate.violations(&order(json!({ "total": -1 })));
    let each: Vec<_> = found.iter().map(|one| (&*one.by, one.place.as_deref(), &*one.problem)).collect();
    assert_eq!(each, [("key", None, "an order has a key"), ("total", None, "-1 is negative")]);
    assert_eq!((found.len(), found.is_empty()), (2, false));
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn a_rule_that_panics_refuses() {
    let bus = bus(Validate::new().rule("odd", |_: &Event| -> Result<(), String> { panic!("oh") }));
    let heard = listen(&bus, "**").await;
    assert_eq!(told(&bus, event("a", 1)).await, refused("validate: panicked: oh"));
    quiet().await;
    assert!(heard.all().is_empty());
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_told_stays_short_and_fit_for_a_log() {
    let many = (0..150).fold(Validate::new(), |validate, n| {
        validate.rule(format!("r{n}"), move |_: &Event| Err::<(), _>(format!("\u{1b}[2J{}", "x".repeat(400))))
    });
    let found = many.violations(&event("a", 1));
    assert_eq!((found.len(), found.iter().count()), (150, 100));
    let text = found.to_string();
    assert!(text.ends_with("…; and 50 more"), "{text}");
    assert!(text.starts_with("r0: \\u{1b}[2Jxxx") && text.len() < 100 * 320, "{}", text.len());
    let reason = told(&bus(many), event("a", 1)).await.unwrap_err();
    assert_eq!(reason, format!("validate: {text}"));
}

#[test]
fn wrong_settings_are_told_at_once() {
    assert!(Validate::new().topics("a..b").is_err());
    let error = Validate::new().require("a..b", ["/a"]).unwrap_err().to_string();
    assert!(error.starts_with("`require` has a wrong pattern: "), "{error}");
    let error = Validate::new().require("a", ["/a", "customer/id"]).unwrap_err().to_string();
    assert_eq!(
        error,
        "`require` names the field `customer/id`, which is no JSON pointer; write `/customer/id`"
    );
}
