//! Who has an identity does what is allowed to him and nothing else: publish, subscribe, wait, look at dead letters and redrive them. What is
//! denied is never delivered to him, also where a wider pattern was allowed; and the rules say what a slow, obvious reading of them says.

mod common;

use std::time::Duration;

use common::{end, event, n, quiet};
use owlbus::{
    Bus, Delivery, Event, HandlerError, Pattern, PublishError, SubscribeError,
    middleware::{Access, Act, Identity, MiddlewareError, Transform, Who, before_accept},
    request::WaitError,
    settle::DeadLetterQuery,
};
use proptest::prelude::*;

fn plugins() -> Access {
    let role = || Who::Role("plugin".into());
    let both = [Act::Publish, Act::Subscribe];
    let access = Access::new().allow(role(), both, ["plugin.**", "shared.*"]);
    let access = access.and_then(|access| access.deny(Who::Anyone, [Act::Subscribe], "plugin.*.secret"));
    let access = access.and_then(|access| access.allow(Who::Named("boss".into()), both, "**"));
    access.expect("the patterns are some")
}

fn guarded() -> (Bus, Bus) {
    let bus = Bus::builder().middleware(plugins()).build().expect("it is alone");
    let plugin = bus.scoped(Identity::new("weather").role("plugin"));
    (bus, plugin)
}

fn refused_by_access(result: Result<owlbus::Receipt, PublishError>) -> bool {
    matches!(result, Err(PublishError::Rejected { by, .. }) if &*by == "access")
}

#[tokio::test(start_paused = true)]
async fn what_is_not_allowed_is_not_published_whichever_way() {
    let (bus, plugin) = guarded();
    assert!(plugin.publish(event("plugin.a", 1)).await.is_ok());
    assert!(plugin.try_publish(event("shared.a", 1)).is_ok());
    let other = || event("other", 1);
    assert!(refused_by_access(plugin.publish(other()).await));
    assert!(refused_by_access(plugin.try_publish(other())));
    assert!(refused_by_access(plugin.event(other()).delay(Duration::from_secs(1)).publish().await));
    assert!(refused_by_access(
        plugin.event(other()).tracked().publish().await.map(owlbus::Tracked::into_receipt)
    ));
    assert!(plugin.publish_batch([other()]).await.into_iter().all(refused_by_access));
    let blocking = plugin.clone();
    let refused = tokio::task::spawn_blocking(move || blocking.publish_blocking(other())).await.unwrap();
    assert!(refused_by_access(refused));
    let message = plugin.publish(other()).await.unwrap_err().to_string();
    assert!(message.ends_with("access: weather may not publish other"), "{message}");
    // A source that is named proves nothing, and the program itself may do everything.
    assert!(refused_by_access(plugin.event(other()).source("boss").publish().await));
    assert!(bus.publish(other()).await.is_ok());
    assert!(bus.scoped(Identity::new("boss")).publish(other()).await.is_ok());
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn it_is_the_topic_in_the_end_that_counts() {
    let moves = before_accept("moves", |event: Event| Event::builder(event).topic("other").build());
    let bus = Bus::builder().middleware(plugins().priority(9)).middleware(moves).build().unwrap();
    let plugin = bus.scoped(Identity::new("weather").role("plugin"));
    assert!(refused_by_access(plugin.publish(event("plugin.a", 1)).await));
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_asked_for_is_contained_in_what_is_allowed() {
    let (bus, plugin) = guarded();
    let none = |_: Delivery| async {};
    for pattern in ["plugin.**", "plugin.*.x", "shared.*"] {
        assert!(plugin.on(pattern).handle(none).await.is_ok(), "{pattern}");
    }
    for pattern in ["**", "*.a", "shared.**", "plugin.*.secret", "owlbus.**"] {
        let denied = plugin.on(pattern).handle(none).await.unwrap_err();
        assert!(matches!(denied, SubscribeError::Denied { .. }), "{pattern}: {denied}");
    }
    assert!(plugin.on(["plugin.a", "other"]).stream().await.is_err());
    assert!(plugin.on("other").inline(|_: &Event| {}).await.is_err());
    let typed = plugin.subscribe(|_: Delivery<common::Number>| async {}).await;
    assert!(matches!(typed, Err(SubscribeError::Denied { .. })), "a type may be under any topic");
    assert!(matches!(plugin.wait_for("other").await, Err(WaitError::Denied { .. })));
    assert!(matches!(plugin.wait_for_type::<common::Number>().await, Err(WaitError::Denied { .. })));
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn a_wide_pattern_never_yields_what_is_denied() {
    let (bus, plugin) = guarded();
    let seen = common::listen(&plugin, "plugin.**").await;
    let (inline, noted) = common::Notes::pair();
    plugin
        .on("plugin.**")
        .filter(|event| n(event) != 3)
        .inline(move |event: &Event| noted.add(n(event)))
        .await
        .unwrap();
    let waits = plugin.wait_for("plugin.**");
    bus.publish(event("plugin.a.secret", 1)).await.unwrap();
    bus.publish(event("plugin.a.open", 2)).await.unwrap();
    quiet().await;
    assert_eq!(seen.all().iter().map(n).collect::<Vec<_>>(), [2]);
    assert_eq!((inline.all(), n(&waits.await.unwrap())), (vec![2], 2));
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn rules_that_change_hold_for_what_is_subscribed_already() {
    let (bus, plugin) = guarded();
    let seen = common::listen(&plugin, "plugin.**").await;
    bus.publish(event("plugin.a", 1)).await.unwrap();
    quiet().await;
    bus.add_middleware(Access::new().named("stricter")).unwrap();
    bus.publish(event("plugin.a", 2)).await.unwrap();
    bus.remove_middleware("stricter");
    bus.publish(event("plugin.a", 3)).await.unwrap();
    assert_eq!(seen.once_there_are(2).await.iter().map(n).collect::<Vec<_>>(), [1, 3]);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn nobody_gets_out_of_his_scope() {
    let (bus, plugin) = guarded();
    let narrower = plugin.scoped(Identity::new("boss"));
    assert!(refused_by_access(narrower.publish(event("other", 1)).await), "both must be allowed");
    assert!(matches!(plugin.add_middleware(Transform::new()), Err(MiddlewareError::Denied { .. })));
    assert!(!plugin.remove_middleware("access"));
    let (seen, noted) = common::Notes::pair();
    let handler = move |delivery: Delivery| {
        let noted = noted.clone();
        async move {
            noted.add(refused_by_access(delivery.publish(event("other", 1)).await));
            let bus = delivery.bus().expect("it is there");
            noted.add(refused_by_access(bus.publish(event("other", 1)).await));
        }
    };
    plugin.on("plugin.a").handle(handler).await.unwrap();
    bus.publish(event("plugin.a", 1)).await.unwrap();
    assert_eq!(seen.once_there_are(2).await, [true, true]);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn dead_letters_are_there_for_those_who_may_have_them() {
    let access = plugins().allow(Who::Named("nurse".into()), [Act::Query], "plugin.**").unwrap();
    let access = access.allow(Who::Named("nurse".into()), [Act::Redrive], "plugin.a").unwrap();
    let bus = Bus::builder().middleware(access).build().unwrap();
    bus.on("**").handle(|_: Delivery| async { Err::<(), _>(HandlerError::permanent("no")) }).await.unwrap();
    for topic in ["plugin.a", "plugin.b", "other"] {
        bus.publish(event(topic, 1)).await.unwrap();
    }
    quiet().await;
    let (nurse, plugin) = (bus.scoped(Identity::new("nurse")), bus.scoped(Identity::new("x").role("plugin")));
    let all = DeadLetterQuery::all();
    let seen = |bus: &Bus| bus.dead_letters().list(&all).len();
    assert_eq!((seen(&bus), seen(&nurse), seen(&plugin)), (3, 2, 0));
    assert_eq!(plugin.dead_letters().discard(&all), 0);
    assert_eq!(nurse.dead_letters().redrive(&all), Ok(1));
    quiet().await;
    assert_eq!(seen(&bus), 3, "it failed again");
    assert_eq!(nurse.dead_letters().discard(&all), 1);
    assert_eq!(seen(&bus), 2);
    end(bus).await;
}

/// A rule in the words of a slow reader: whether it allows, whom (0 is anyone), what, and under which topics.
type Rule = (bool, u8, u8, String);

fn texts() -> impl Strategy<Value = String> {
    let token = prop_oneof!["a", "b", "\\*", "\\*\\*"];
    proptest::collection::vec(token, 1..4).prop_map(|tokens| tokens.join("."))
}

const ACTS: [Act; 3] = [Act::Publish, Act::Subscribe, Act::Redrive];

#[test]
fn the_rules_say_what_a_slow_reading_of_them_says() {
    // Every topic of up to four tokens: what a pattern of three can tell apart.
    let mut topics = vec![String::new()];
    for length in 0..4 {
        let longer: Vec<_> = topics
            .iter()
            .filter(|topic| topic.split('.').filter(|it| !it.is_empty()).count() == length)
            .cloned()
            .collect();
        topics
            .extend(longer.iter().flat_map(|start| ["a", "b", "c"].map(|token| format!("{start}.{token}"))));
    }
    let topics: Vec<_> =
        topics.iter().filter_map(|text| owlbus::Topic::new(text.trim_start_matches('.')).ok()).collect();
    let rules = proptest::collection::vec((any::<bool>(), 0..3_u8, 0..3_u8, texts()), 0..6);
    let config =
        ProptestConfig { cases: 100_000 / 25, failure_persistence: None, ..ProptestConfig::default() };
    let asked = proptest::collection::vec((1..3_u8, 0..3_u8, texts()), 25);
    proptest!(config, |(rules in rules, asked in asked)| {
        let access = rules.iter().try_fold(Access::new(), |access, (allows, who, act, topics): &Rule| {
            let who = match who { 0 => Who::Anyone, 1 => Who::Named("1".into()), _ => Who::Role("2".into()) };
            let acts = [ACTS[usize::from(*act)]];
            if *allows { access.allow(who, acts, topics.as_str()) } else { access.deny(who, acts, topics.as_str()) }
        }).expect("the patterns are some");
        for (who, act, text) in asked {
            let wanted = Pattern::new(&text).expect("it is one");
            let identity = if who == 1 { Identity::new("1") } else { Identity::new("x").role("2") };
            let within = |wide: &str| {
                let wide = Pattern::new(wide).expect("it is one");
                topics.iter().all(|topic| !wanted.matches(topic) || wide.matches(topic))
            };
            let any = |kind: bool| rules.iter().any(|(allows, whom, what, topics)| {
                *allows == kind && (*whom == 0 || *whom == who) && *what == act && within(topics)
            });
            prop_assert_eq!(access.allows(&identity, ACTS[usize::from(act)], &wanted), any(true) && !any(false), "{}", text);
        }
    });
}
