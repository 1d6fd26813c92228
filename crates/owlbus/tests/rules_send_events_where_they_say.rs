//! Rules are asked in their order for every event that is published, and do with it what they say: send it on under another topic,
//! publish a copy, drop it, give it another priority, key or metadata. The publisher learns what became of its event.

mod common;

use std::time::Duration;

use common::{Notes, Number, end, event, listen, n, number, quiet, stats_of};
use owlbus::{
    Bus, Delivery, Event, Priority, PublishError,
    middleware::{Access, Act, Filter, Identity, Who, on_settled},
    request::RequestError,
    rules::{Condition, Rule, RuleInfo, Rules},
};
use serde_json::json;

fn bus(rules: impl IntoIterator<Item = Rule>) -> Bus {
    let rules = Rules::new(rules).expect("the rules are right");
    Bus::builder().rules(rules).build().expect("the defaults are right")
}

/// What came, as topics and numbers.
fn seen(heard: &Notes<Event>) -> Vec<(String, u64)> {
    heard.all().iter().map(|event| (event.topic().to_string(), n(event))).collect()
}

/// `matched`, `forwarded`, `copied`, `dropped` and `refused` of each rule.
fn counts(bus: &Bus) -> Vec<[u64; 5]> {
    let counts = |info: RuleInfo| [info.matched, info.forwarded, info.copied, info.dropped, info.refused];
    bus.rules().into_iter().map(counts).collect()
}

#[tokio::test(start_paused = true)]
async fn a_forwarded_event_is_the_same_event_elsewhere() {
    let bus = bus([Rule::new("move").on("a.*").forward("b.{1}.c")]);
    let (here, there) = (listen(&bus, "a.**").await, listen(&bus, "b.**").await);
    let published = event("a.x", 7);
    let receipt = bus.publish(published.clone()).await.unwrap();
    quiet().await;
    assert_eq!((receipt.matched, receipt.id, receipt.discarded_by), (Some(1), published.id(), None));
    assert!(here.all().is_empty());
    let came = &there.all()[0];
    assert_eq!((came.topic().as_str(), came.event_type(), came.key()), ("b.x.c", "a.x", "b.x.c"));
    assert_eq!((came.id(), came.causation_id(), came.time()), (published.id(), None, published.time()));
    assert_eq!((came.json_text(), bus.stats().accepted), (published.json_text(), 1));
    assert_eq!(counts(&bus), [[1, 1, 0, 0, 0]]);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn a_value_stays_a_value() {
    let bus = bus([Rule::new("large")
        .on("test.number")
        .when(Condition::range("/n", 10..))
        .forward("large.number")]);
    let (by_type, by_topic) = (Notes::new(), listen(&bus, "large.*").await);
    let notes = by_type.clone();
    bus.subscribe(move |number: Delivery<Number>| {
        notes.add((number.event().topic().to_string(), number.n));
        async {}
    })
    .await
    .unwrap();
    for n in [9, 10] {
        bus.publish(number(n)).await.unwrap();
    }
    quiet().await;
    assert_eq!(by_type.all(), [("test.number".to_owned(), 9), ("large.number".to_owned(), 10)]);
    assert_eq!(seen(&by_topic), [("large.number".to_owned(), 10)]);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn a_copy_is_an_event_of_its_own_caused_by_the_first() {
    let bus = bus([Rule::new("audit").on("a").copy("audit.{topic}")]);
    let heard = listen(&bus, "**").await;
    let published = Event::builder(event("a", 1)).key("k").reply_to("back").priority(Priority::High);
    let published = published.metadata("m", 1).source("me").build().unwrap();
    let receipt = bus.publish(published.clone()).await.unwrap();
    quiet().await;
    let all = heard.all();
    let [first, copy] = &all[..] else { panic!("{all:?}") };
    assert_eq!((receipt.matched, receipt.id, first.id()), (Some(1), published.id(), published.id()));
    assert_eq!(first.reply_to().map(|topic| topic.as_str()), Some("back"));
    assert_eq!((copy.topic().as_str(), copy.event_type(), copy.reply_to()), ("audit.a", "a", None));
    assert_ne!(copy.id(), first.id());
    assert_eq!((copy.causation_id(), copy.correlation_id()), (Some(first.id()), first.correlation_id()));
    assert_eq!((copy.key(), copy.priority(), copy.source()), ("k", Priority::High, "me"));
    assert_eq!((copy.metadata(), copy.json_text()), (first.metadata(), first.json_text()));
    assert_eq!((bus.stats().accepted, counts(&bus)), (2, vec![[1, 0, 1, 0, 0]]));
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn a_dropped_event_is_nowhere_and_its_receipt_says_so() {
    let bus = bus([
        Rule::new("keep a copy").on("a").copy("kept"),
        Rule::new("sieve").on("a").when(Condition::equals("/n", 2)).drop_event(),
        Rule::new("after").on("a").copy("after"),
    ]);
    let heard = listen(&bus, ["a", "kept", "after"]).await;
    let went = bus.publish(event("a", 1)).await.unwrap();
    let dropped = bus.publish(event("a", 2)).await.unwrap();
    quiet().await;
    assert_eq!((went.matched, went.discarded_by), (Some(1), None));
    assert_eq!((dropped.matched, dropped.discarded_by.as_deref()), (Some(0), Some("sieve")));
    let expected = [("a", 1), ("kept", 1), ("after", 1), ("kept", 2)];
    assert_eq!(seen(&heard), expected.map(|(topic, n)| (topic.to_owned(), n)));
    assert_eq!(counts(&bus), [[2, 0, 2, 0, 0], [1, 0, 0, 1, 0], [1, 0, 1, 0, 0]]);
    assert_eq!((bus.stats().accepted, bus.stats().refused), (4, 0));
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn each_rule_sees_what_those_before_it_made() {
    let bus = bus([
        Rule::new("urgent")
            .on("a")
            .set_priority(Priority::High)
            .set_key("k-{/n}")
            .set_metadata("seen", [1, 2]),
        Rule::new("on").when(Condition::equals("key", "k-5")).forward("b"),
        Rule::new("not any more").on("a").drop_event(),
        Rule::new("again").on("b").when(Condition::exists("metadata.seen")).set_metadata("seen", "twice"),
    ]);
    let heard = listen(&bus, "**").await;
    let published = Event::builder(event("a", 5)).metadata("other", true).build().unwrap();
    bus.publish(published.clone()).await.unwrap();
    let dropped = bus.publish(event("a", 6)).await.unwrap();
    quiet().await;
    let all = heard.all();
    let [came] = &all[..] else { panic!("{all:?}") };
    assert_eq!((came.topic().as_str(), came.priority(), came.key()), ("b", Priority::High, "k-5"));
    assert_eq!(came.metadata().get("seen"), Some(&json!("twice")));
    assert_eq!(came.metadata().get("other"), Some(&json!(true)));
    assert_eq!(dropped.discarded_by.as_deref(), Some("not any more"));
    assert_eq!(
        (published.priority(), published.has_key()),
        (Priority::Normal, false),
        "nobody changes an event"
    );
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn a_rule_leaves_alone_what_it_is_not_for_and_what_is_there_already() {
    let bus = bus([
        Rule::new("all").except(["quiet.**", "x"]).copy("log"),
        Rule::new("home").on("home").forward("home"),
    ]);
    let heard = listen(&bus, "**").await;
    for topic in ["a", "quiet", "quiet.a", "x", "log", "home"] {
        bus.publish(event(topic, 0)).await.unwrap();
    }
    bus.publish(event("home", 1)).await.unwrap();
    quiet().await;
    let expected = [
        ("a", 0),
        ("log", 0),
        ("quiet", 0),
        ("quiet.a", 0),
        ("x", 0),
        ("log", 0),
        ("home", 0),
        ("log", 0),
        ("home", 1),
        ("log", 1),
    ];
    assert_eq!(seen(&heard), expected.map(|(topic, n)| (topic.to_owned(), n)));
    assert_eq!(counts(&bus), [[7, 0, 3, 0, 0], [2, 0, 0, 0, 0]]);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn rules_are_replaced_while_the_bus_runs() {
    let bus = Bus::in_memory();
    let heard = listen(&bus, "**").await;
    assert!(bus.rules().is_empty());
    bus.publish(event("a", 1)).await.unwrap();
    bus.set_rules(Rules::new([Rule::new("on").on("a").forward("b")]).unwrap()).unwrap();
    bus.publish(event("a", 2)).await.unwrap();
    assert_eq!(counts(&bus), [[1, 1, 0, 0, 0]]);
    bus.set_rules(
        Rules::new([Rule::new("on").on("a").forward("c"), Rule::new("no").on("d").drop_event()]).unwrap(),
    )
    .unwrap();
    assert_eq!(counts(&bus), [[0; 5]; 2], "they count from zero");
    bus.publish(event("a", 3)).await.unwrap();
    let listed: Vec<_> = bus.rules().iter().map(|info| info.rule.actions()[0].to_string()).collect();
    assert_eq!(listed, ["forward to c", "drop"]);
    bus.set_rules(Rules::default()).unwrap();
    bus.publish(event("a", 4)).await.unwrap();
    quiet().await;
    let expected = [("a", 1), ("b", 2), ("c", 3), ("a", 4)];
    assert_eq!(seen(&heard), expected.map(|(topic, n)| (topic.to_owned(), n)));
    assert!(bus.rules().is_empty());
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn every_way_to_publish_goes_by_the_rules() {
    let bus = bus([Rule::new("on").on("a").forward("b")]);
    let heard = listen(&bus, "b").await;
    let inner = bus.clone();
    bus.on("start")
        .handle(move |_: Delivery| {
            let bus = inner.clone();
            async move {
                bus.publish(event("a", 4)).await?;
                Ok(())
            }
        })
        .await
        .unwrap();
    let inner = bus.clone();
    bus.on("inline")
        .inline(move |_: &Event| {
            inner.try_publish(event("a", 5))?;
            Ok(())
        })
        .await
        .unwrap();

    bus.publish(event("a", 1)).await.unwrap();
    bus.try_publish(event("a", 2)).unwrap();
    let settled = bus.event(event("a", 3)).tracked().publish().await.unwrap().settled().await.unwrap();
    assert_eq!(settled.len(), 1);
    bus.publish(event("start", 0)).await.unwrap();
    quiet().await;
    bus.publish(event("inline", 0)).await.unwrap();
    for one in bus.publish_batch([event("a", 6), event("a", 7)]).await {
        assert_eq!(one.unwrap().matched, Some(1));
    }
    let thread = bus.clone();
    tokio::task::spawn_blocking(move || thread.publish_blocking(event("a", 8)).unwrap()).await.unwrap();
    // What is due later goes by the rules there are then.
    bus.event(event("a", 9)).delay(Duration::from_secs(1)).publish().await.unwrap();
    bus.event(event("c", 10)).delay(Duration::from_secs(2)).publish().await.unwrap();
    tokio::time::advance(Duration::from_secs(1)).await;
    heard.once_there_are(9).await;
    bus.set_rules(Rules::new([Rule::new("late").on("c").forward("b")]).unwrap()).unwrap();
    tokio::time::advance(Duration::from_secs(1)).await;
    heard.once_there_are(10).await;
    assert_eq!(heard.all().iter().map(n).collect::<Vec<_>>(), (1..=10).collect::<Vec<_>>());
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn answers_and_what_the_bus_says_pass_no_rules() {
    let bus = bus([
        Rule::new("nothing").except("question").when(Condition::missing("metadata.let")).drop_event(),
        Rule::new("elsewhere").on("question").forward("asked"),
        Rule::new("let").on("asked").set_metadata("let", true),
    ]);
    let own = bus.wait_for("owlbus.**");
    bus.on("asked")
        .handle(|question: Delivery| async move {
            question.reply(event("x", 2)).await?;
            Ok(())
        })
        .await
        .unwrap();
    // The rules drop it once it is under `asked`: nobody is there to answer.
    let asked = bus.request::<Number>(event("question", 1), Duration::from_secs(1)).await;
    assert!(matches!(asked, Err(RequestError::NoHandler { .. })), "{asked:?}");
    let question = Event::builder(event("question", 1)).metadata("let", 1).build().unwrap();
    let answer: Number = bus.request(question, Duration::from_secs(1)).await.unwrap();
    assert_eq!(answer, number(2));
    bus.shutdown().await;
    assert_eq!(own.await.unwrap().topic(), "owlbus.stopped");
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn middlewares_have_an_event_before_the_rules_do() {
    let (ended, notes) = Notes::pair();
    let told = on_settled("told", move |event: &Event, _: &[_]| notes.add(event.topic().to_string()));
    let rules = Rules::new([Rule::new("on").on("a").copy("denied").forward("b")]).unwrap();
    let filter = Filter::new().deny(["denied", "b"]).unwrap();
    let bus = Bus::builder().middleware(filter).middleware(told).rules(rules).build().unwrap();
    let heard = listen(&bus, "**").await;
    bus.publish(event("a", 1)).await.unwrap();
    quiet().await;
    assert_eq!(seen(&heard), [("b".to_owned(), 1), ("denied".to_owned(), 1)]);
    let mut ended = ended.once_there_are(2).await;
    ended.sort();
    assert_eq!(ended, ["b", "denied"]);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn a_priority_that_a_rule_gives_is_obeyed() {
    let bus = bus([Rule::new("now").on("a").set_priority(Priority::Immediate)]);
    let (done, notes) = Notes::pair();
    bus.on("a")
        .name("slow")
        .handle(move |_: Delivery| {
            let notes = notes.clone();
            async move {
                tokio::task::yield_now().await;
                notes.add(());
            }
        })
        .await
        .unwrap();
    let receipt = bus.publish(event("a", 1)).await.unwrap();
    assert_eq!(
        (done.all().len(), receipt.unfinished.len()),
        (1, 0),
        "its publish waits for the first attempts"
    );
    assert_eq!(stats_of(&bus, "slow").done, 1);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn what_a_rule_needs_of_an_event_must_be_there() {
    let bus = bus([
        Rule::new("tenant").on("t.**").forward("tenant.{/tenant}.{1}"),
        Rule::new("key").on("k").set_key("{/key}"),
        Rule::new("long").on("l.**").forward("{topic}.{topic}.x"),
    ]);
    let heard = listen(&bus, "**").await;
    let ok = [
        Event::json("t.x", json!({ "tenant": "acme" })),
        Event::json("t.x", json!({ "tenant": 5 })),
        Event::json("k", json!({ "key": "any thing" })),
    ];
    for event in ok {
        bus.publish(event.unwrap()).await.unwrap();
    }
    quiet().await;
    let topics: Vec<_> = heard.all().iter().map(|event| event.topic().to_string()).collect();
    assert_eq!(topics, ["tenant.acme.x", "tenant.5.x", "k"]);
    assert_eq!(heard.all()[2].key(), "any thing");
    let wrong = [
        (Event::json("t", json!({ "tenant": "acme" })), "tenant", "`{1}`"),
        (Event::json("t.x", json!({})), "tenant", "ask for it with a condition"),
        (Event::json("t.x", json!({ "tenant": null })), "tenant", "ask for it with a condition"),
        (Event::json("t.x", json!({ "tenant": "sec.ret" })), "tenant", "cannot be a token"),
        (Event::json("t.x", json!({ "tenant": "sec*" })), "tenant", "cannot be a token"),
        (Event::json("t.x", json!({ "tenant": "" })), "tenant", "cannot be a token"),
        (Event::json("k", json!({ "key": "" })), "key", "no key"),
        (Event::json(["l"; 9].join("."), json!({})), "long", "16 tokens"),
    ];
    let count = wrong.len();
    for (event, rule, why) in wrong {
        let (event, accepted) = (event.unwrap(), bus.stats().accepted);
        match bus.publish(event.clone()).await {
            Err(PublishError::Rejected { event: back, by, reason }) => {
                assert_eq!((&*by, back.topic(), back.id()), (rule, event.topic(), event.id()));
                assert!(reason.contains(why) && !reason.contains("sec"), "{reason}");
            }
            other => panic!("{event}: {other:?}"),
        }
        assert_eq!(bus.stats().accepted, accepted);
    }
    let refused: u64 = bus.rules().iter().map(|info| info.refused).sum();
    assert_eq!((refused as usize, bus.stats().refused as usize), (count, count));
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn who_may_publish_is_asked_before_the_rules_and_who_may_change_them_too() {
    let access = Access::new().allow(Who::Anyone, [Act::Publish], "a").unwrap();
    let rules = Rules::new([Rule::new("on").on("a").forward("b")]).unwrap();
    let bus = Bus::builder().middleware(access).rules(rules).build().unwrap();
    let somebody = bus.scoped(Identity::new("somebody"));
    let heard = listen(&bus, "b").await;
    somebody.publish(event("a", 1)).await.unwrap();
    let refused = somebody.publish(event("b", 2)).await.unwrap_err();
    assert!(matches!(&refused, PublishError::Rejected { by, .. } if &**by == "access"), "{refused}");
    let denied = somebody.set_rules(Rules::default()).unwrap_err();
    assert!(denied.to_string().starts_with("access: "), "{denied}");
    bus.publish(event("a", 3)).await.unwrap();
    quiet().await;
    assert_eq!(heard.all().iter().map(n).collect::<Vec<_>>(), [1, 3]);
    end(bus).await;
}
