//! A rule that could never do what it says is told when the rules are put together, by its name and with what to do. Conditions hold of
//! what they say, and of nothing else.

mod common;

use common::end;
use owlbus::{
    Bus, Event, Priority, PublishError,
    rules::{Condition, Rule, Rules},
};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// Whether a condition holds of an event.
async fn holds(condition: Condition, event: &Event) -> bool {
    let rules = Rules::new([Rule::new("it").when(condition).drop_event()]).expect("the condition is right");
    let bus = Bus::builder().rules(rules).build().expect("the defaults are right");
    let receipt = bus.publish(event.clone()).await.expect("it can be told");
    let dropped = receipt.discarded_by.is_some();
    assert_eq!(bus.rules()[0].dropped, u64::from(dropped));
    end(bus).await;
    dropped
}

fn order() -> Event {
    let data = json!({
        "total": 100, "ratio": 0.5, "plan": "pro", "paid": true, "none": null, "big": u64::MAX, "tags": ["a", "b"],
        "user": { "age": 30, "mail": "ann@example.com", "a/b": 1 },
    });
    let order =
        Event::builder(Event::json("order.placed", data).expect("it is an event")).source("shop").key("ann");
    let order = order.id("17").priority(Priority::High).correlation_id("c").causation_id("b").version(3);
    order
        .metadata("tenant", "acme")
        .metadata("retries", 2)
        .reply_to("order.replies")
        .build()
        .expect("it is an event")
}

#[tokio::test(start_paused = true)]
async fn conditions_hold_of_what_they_say() {
    let order = order();
    let yes = [
        Condition::equals("/plan", "pro"),
        Condition::equals("/total", 100),
        Condition::equals("/total", 100.0),
        Condition::equals("/paid", true),
        Condition::equals("/none", json!(null)),
        Condition::equals("/tags", json!(["a", "b"])),
        Condition::equals("/tags/1", "b"),
        Condition::equals("/user/a~1b", 1),
        Condition::equals("/big", u64::MAX),
        Condition::equals("id", "17"),
        Condition::equals("topic", "order.placed"),
        Condition::equals("type", "order.placed"),
        Condition::equals("source", "shop"),
        Condition::equals("key", "ann"),
        Condition::equals("priority", "high"),
        Condition::equals("correlation_id", "c"),
        Condition::equals("causation_id", "b"),
        Condition::equals("version", 3),
        Condition::equals("reply_to", "order.replies"),
        Condition::equals("content_type", "application/json"),
        Condition::equals("metadata.tenant", "acme"),
        Condition::range("metadata.retries", 1..3),
        Condition::range("time", 1_700_000_000..),
        Condition::one_of("/plan", ["free", "pro"]),
        Condition::one_of("priority", ["high", "immediate"]),
        Condition::range("/total", 100..),
        Condition::range("/total", ..=100),
        Condition::range("/total", 99.5..100.5),
        Condition::range("/ratio", 0.5..=0.5),
        Condition::range("/big", u64::MAX..),
        Condition::exists("/none"),
        Condition::exists("/user/age"),
        Condition::exists("key"),
        Condition::missing("/nothing"),
        Condition::missing("/plan/deeper"),
        Condition::missing("expires_at"),
        Condition::missing("metadata.nothing"),
        Condition::matches("/user/mail", "*@example.com"),
        Condition::matches("/user/mail", "ann@*.com"),
        Condition::matches("/plan", "pro"),
        Condition::matches("source", "*"),
        Condition::matches("topic", "order.*"),
        Condition::matches("reply_to", "**.replies"),
    ];
    for condition in yes {
        assert!(holds(condition.clone(), &order).await, "{condition}");
    }
    let no = [
        Condition::equals("/plan", "PRO"),
        Condition::equals("/total", "100"),
        Condition::equals("/none", 0),
        Condition::equals("/big", u64::MAX - 1),
        Condition::equals("/nothing", json!(null)),
        Condition::equals("version", 1),
        Condition::one_of("/plan", ["free", "trial"]),
        Condition::range("/total", 101..),
        Condition::range("/total", ..100),
        Condition::range("/plan", 0..),
        Condition::range("/nothing", 0..),
        Condition::exists("/nothing"),
        Condition::exists("expires_at"),
        Condition::missing("/none"),
        Condition::missing("source"),
        Condition::matches("/user/mail", "example.com"),
        Condition::matches("/total", "*"),
        Condition::matches("/nothing", "*"),
        Condition::matches("topic", "order"),
        Condition::matches("topic", "*"),
    ];
    for condition in no {
        assert!(!holds(condition.clone(), &order).await, "{condition}");
    }
}

#[tokio::test(start_paused = true)]
async fn data_that_is_not_json_has_no_fields() {
    let empty = Event::signal("a").unwrap();
    let bytes = Event::binary("a", "image/png", vec![1, 2, 3]).unwrap();
    for event in [empty, bytes] {
        assert!(!holds(Condition::exists("/a"), &event).await, "{event}");
        assert!(holds(Condition::missing("/a"), &event).await, "{event}");
        assert!(!holds(Condition::exists("key"), &event).await, "the topic is no key that was set");
    }
}

#[derive(Serialize, Deserialize, Event)]
#[event(topic = "bad")]
struct Bad {
    #[serde(serialize_with = "fail")]
    how: bool,
}

fn fail<S: serde::Serializer>(panics: &bool, _: S) -> Result<S::Ok, S::Error> {
    assert!(!panics, "no JSON of this");
    Err(serde::ser::Error::custom("no"))
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_looked_into_is_refused() {
    let looks = || Rule::new("looks").on("bad").when(Condition::equals("/secret", true)).drop_event();
    let bus = Bus::builder().rules(Rules::new([looks()]).unwrap()).build().unwrap();
    let heard = common::listen(&bus, "**").await;
    let published = [
        bus.publish(Bad { how: false }).await,
        bus.publish(Bad { how: true }).await,
        bus.publish(Event::json_bytes("bad", r#"{"secret":true,"n":1e999}"#).unwrap()).await,
    ];
    for published in published {
        match published {
            Err(PublishError::Rejected { by, .. }) => assert_eq!(&*by, "looks"),
            other => panic!("{other:?}"),
        }
    }
    // Where nobody looks, nothing is wrong.
    bus.publish(Event::json_bytes("good", r#"{"n":1e999}"#).unwrap()).await.unwrap();
    common::quiet().await;
    assert_eq!((heard.all().len(), bus.rules()[0].refused), (1, 3));
    end(bus).await;
}

#[test]
fn a_wrong_rule_is_told_by_name() {
    let on = || Rule::new("r").on("a");
    let wrong = [
        (on(), "does nothing"),
        (Rule::new(" ").drop_event(), "the name is empty"),
        (Rule::new("limits").drop_event(), "give the rule another"),
        (on().on("a..b").drop_event(), "empty token"),
        (on().except("a*").drop_event(), "`*` beside other characters"),
        (Rule::new("r").on("owlbus.**").drop_event(), "passes no rules"),
        (on().forward("owlbus.x"), "the bus's own"),
        (on().forward("a.*"), "wildcard"),
        (on().forward("a b"), "white space"),
        (on().copy("a.{0"), "brace"),
        (on().copy("a.{b}"), "is no field"),
        (on().set_key(""), "the key is empty"),
        (on().set_metadata("source", 1), "cannot be named"),
        (on().drop_event().copy("b"), "put it last"),
        (on().forward("b").drop_event(), "put it last"),
        (on().when(Condition::exists("user/age")).drop_event(), "`user/age` is no field"),
        (on().when(Condition::equals("priority", "hihg")).drop_event(), "one of immediate, high"),
        (on().when(Condition::range("/a", f64::NAN..)).drop_event(), "no number"),
        (on().when(Condition::range("/a", "a"..)).drop_event(), "no number"),
        (on().when(Condition::range::<i32>("/a", ..)).drop_event(), "no end"),
        (on().when(Condition::one_of("/a", Vec::<i32>::new())).drop_event(), "at least one"),
        (on().when(Condition::matches("topic", "a*")).drop_event(), "`*` beside other characters"),
    ];
    for (rule, why) in wrong {
        let name = rule.name().to_owned();
        let error = Rules::new([Rule::new("right").copy("x"), rule]).unwrap_err();
        assert_eq!(error.rule, Some(name));
        assert!(error.to_string().contains(why), "{error}");
    }
    let twice = Rules::new([Rule::new("r").copy("x"), Rule::new("r").copy("y")]).unwrap_err();
    assert!(twice.to_string().contains("rule `r`: there is a rule of that name"), "{twice}");
}

#[test]
fn a_rule_shows_what_it_asks_and_does() {
    let rule = Rule::new("all of it")
        .on(["a.*", "b"])
        .except("a.x")
        .when(Condition::range("/n", 1..=5))
        .when(Condition::one_of("source", ["x", "y"]))
        .set_priority(Priority::Deferred)
        .set_key("{/n}")
        .set_metadata("m", [1])
        .copy("c.{0}")
        .forward("{{d}}");
    let rules = Rules::new([rule]).unwrap();
    let rule = rules.iter().next().unwrap();
    let shown: Vec<_> = rule.conditions().iter().map(ToString::to_string).collect();
    assert_eq!(shown, ["/n >= 1 and /n <= 5", r#"source in ["x", "y"]"#]);
    let done: Vec<_> = rule.actions().iter().map(ToString::to_string).collect();
    let expected = [
        "set priority deferred",
        "set key {/n}",
        "set metadata m to [1]",
        "copy to c.{0}",
        "forward to {{d}}",
    ];
    assert_eq!(done, expected);
    assert_eq!((rule.patterns().len(), rule.exceptions().len()), (2, 1));
}
