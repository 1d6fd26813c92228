//! The promise: everyone who asked for an event gets it, once, and nobody else gets it.
//!
//! A subscription asks in one of three ways: by Rust type, on whatever topic; by topics, whatever the type; or for
//! one type on some topics. It does not matter whether the publisher handed over a Rust value or JSON, nor how many
//! of a subscription's patterns match: it gets the event in the form it asked for, one time.

#![expect(clippy::unwrap_used, reason = "a test that unwraps the wrong thing fails, as it should")]

mod common;

use std::collections::BTreeSet;

use common::{Notes, Number, end, event, listen, n, number, quiet, stats_of};
use owlbus::{Bus, Delivery, Event, Received, SubscribeError, Topics, event::IntoEvent};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The topics of events, in the order they came.
fn topics(heard: &Notes<Event>) -> Vec<String> {
    heard.all().iter().map(|event| event.topic().to_string()).collect()
}

/// The numbers in events, in the order they came.
fn numbers(heard: &Notes<Event>) -> Vec<u64> {
    heard.all().iter().map(n).collect()
}

/// Subscribes to a type and notes the numbers that come.
async fn listen_to_numbers(bus: &Bus) -> Notes<u64> {
    let (heard, notes) = Notes::pair();
    let handler = move |number: Delivery<Number>| {
        notes.add(number.n);
        async {}
    };
    bus.subscribe(handler).await.unwrap();
    heard
}

#[tokio::test(start_paused = true)]
async fn a_type_is_heard_on_whatever_topic_as_a_rust_value_and_as_json() {
    let bus = Bus::in_memory();
    let heard = listen_to_numbers(&bus).await;

    let json_elsewhere = Event::builder(event("some.place", 4)).event_type("test.number").build().unwrap();
    let foreign = r#"{"specversion":"1.0","id":"1","source":"/x","type":"test.number","topic":"far.away","data":{"n":5}}"#;
    for (event, wanted) in [
        (number(1).into_event(), 1),
        (Event::builder(number(2)).topic("some.place").build().unwrap(), 1),
        (event("test.number", 3), 1),
        (json_elsewhere, 1),
        (Event::from_cloudevent(foreign).unwrap(), 1),
        (event("test.letter", 6), 0),
        (Event::builder(number(7)).event_type("test.letter").build().unwrap(), 0),
    ] {
        let receipt = bus.publish(event.clone()).await.unwrap();
        assert_eq!(receipt.matched, Some(wanted), "{}", event.pretty());
    }
    assert_eq!(heard.once_there_are(5).await, [1, 2, 3, 4, 5]);
    end(bus).await;
    assert_eq!(heard.all(), [1, 2, 3, 4, 5]);
}

#[tokio::test(start_paused = true)]
async fn patterns_hear_the_topics_they_match_and_no_others() {
    let bus = Bus::in_memory();
    let (one, many, exact) =
        (listen(&bus, "hook.*").await, listen(&bus, "hook.**").await, listen(&bus, "hook.tool").await);
    let ends = listen(&bus, "**.usage").await;

    for topic in ["hook", "hook.tool", "hook.tool.usage", "hooks.tool", "usage"] {
        bus.publish(event(topic, 0)).await.unwrap();
    }
    end(bus).await;
    assert_eq!(topics(&one), ["hook.tool"]);
    assert_eq!(topics(&many), ["hook", "hook.tool", "hook.tool.usage"]);
    assert_eq!(topics(&exact), ["hook.tool"]);
    assert_eq!(topics(&ends), ["hook.tool.usage", "usage"]);
}

#[tokio::test(start_paused = true)]
async fn overlapping_patterns_of_one_subscription_give_one_delivery() {
    let bus = Bus::in_memory();
    let heard = listen(&bus, ["**", "hook.**", "hook.tool.*", "hook.tool.usage", "hook.**", "other"]).await;
    let typed = Notes::new();
    let notes = typed.clone();
    let handler = move |number: Delivery<Number>| {
        notes.add(number.n);
        async {}
    };
    bus.on(["hook.**", "**"]).typed::<Number>().handle(handler).await.unwrap();

    let untyped = bus.publish(event("hook.tool.usage", 1)).await.unwrap();
    let number = bus.event(number(2)).topic("hook.tool.usage").publish().await.unwrap();
    assert_eq!((untyped.matched, number.matched), (Some(1), Some(2)));
    end(bus).await;
    assert_eq!(numbers(&heard), [1, 2]);
    assert_eq!(typed.all(), [2]);
}

#[tokio::test(start_paused = true)]
async fn a_type_on_a_pattern_skips_other_types_and_other_topics() {
    let bus = Bus::in_memory();
    let (heard, notes) = Notes::pair();
    let handler = move |number: Delivery<Number>| {
        notes.add(number.n);
        async {}
    };
    bus.on("shop.**").typed::<Number>().name("numbers").handle(handler).await.unwrap();
    let (plain, notes) = Notes::pair();
    let handler = move |event: Delivery| {
        notes.add(n(&event));
        async {}
    };
    bus.on("shop.**").typed::<Number>().handle(handler).await.unwrap();

    bus.event(number(1)).topic("shop.till").publish().await.unwrap();
    bus.publish(event("shop.till", 2)).await.unwrap();
    bus.publish(Event::json("shop.letter", "no number at all").unwrap()).await.unwrap();
    bus.publish(number(3)).await.unwrap();
    quiet().await;

    assert_eq!((heard.all(), plain.all()), (vec![1], vec![1]));
    let stats = stats_of(&bus, "numbers");
    assert_eq!((stats.matched, stats.done, stats.dead, stats.filtered), (1, 1, 0, 0));
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn a_pattern_alone_goes_by_topic_whatever_the_type() {
    let bus = Bus::in_memory();
    let (heard, notes) = Notes::pair();
    let handler = move |number: Delivery<Number>| {
        notes.add(number.n);
        async {}
    };
    bus.on("shop.**").name("by topic").handle(handler).await.unwrap();

    bus.publish(event("shop.till", 1)).await.unwrap();
    bus.publish(Event::json("shop.letter", "no number at all").unwrap()).await.unwrap();
    bus.publish(number(2)).await.unwrap();
    bus.publish(event("shop.till", 3)).await.unwrap();
    quiet().await;

    assert_eq!(heard.all(), [1, 3], "the topic decides, and what reads as a number is one");
    let stats = stats_of(&bus, "by topic");
    assert_eq!(
        (stats.matched, stats.done, stats.dead),
        (3, 2, 1),
        "what cannot be read has failed, and is not lost"
    );
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn a_json_handler_gets_json_whatever_was_published() {
    let bus = Bus::in_memory();
    let (all, notes) = Notes::pair();
    let handler = move |json: Delivery<Value>| {
        notes.add(json.data().clone());
        async {}
    };
    bus.subscribe(handler.clone()).await.unwrap();
    bus.on("test.*").handle(handler).await.unwrap();

    bus.publish(number(1)).await.unwrap();
    bus.publish(event("test.json", 2)).await.unwrap();
    bus.publish(Event::json("elsewhere", [3]).unwrap()).await.unwrap();
    end(bus).await;
    let mut all = all.all();
    all.sort_by_key(Value::to_string);
    assert_eq!(all, [json!([3]), json!({"n": 1}), json!({"n": 1}), json!({"n": 2}), json!({"n": 2})]);
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Topics)]
#[topics(prefix = "document")]
enum DocumentTopic {
    Uploaded,
    ProcessingStarted,
    Exported,
}

#[tokio::test(start_paused = true)]
async fn a_set_of_topics_is_published_under_and_subscribed_to() {
    let bus = Bus::in_memory();
    let one = listen(&bus, DocumentTopic::ProcessingStarted).await;
    let two = listen(&bus, [DocumentTopic::Uploaded, DocumentTopic::Exported]).await;
    let all = listen(&bus, DocumentTopic::ALL).await;
    let typed = listen_to_numbers(&bus).await;

    bus.event(number(1)).topic(DocumentTopic::Uploaded).publish().await.unwrap();
    bus.event(number(2)).topic(DocumentTopic::ProcessingStarted).publish().await.unwrap();
    bus.publish(Event::json(DocumentTopic::Exported, number(3)).unwrap()).await.unwrap();
    bus.publish(event("document.lost", 4)).await.unwrap();
    end(bus).await;

    assert_eq!(numbers(&one), [2]);
    assert_eq!(numbers(&two), [1, 3]);
    assert_eq!(numbers(&all), [1, 2, 3]);
    let back: Vec<_> =
        all.all().iter().map(|event| DocumentTopic::try_from(event.topic()).unwrap()).collect();
    assert_eq!(back, DocumentTopic::ALL);
    assert_eq!(typed.all(), [1, 2], "one type under several topics is still heard as that type");
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Event)]
#[event(prefix = "audio")]
enum AudioEvent {
    Started,
    WakeWordDetected { confidence: u8 },
    Failed(String),
}

#[tokio::test(start_paused = true)]
async fn every_variant_of_an_enum_reaches_those_who_asked_for_the_enum() {
    let bus = Bus::in_memory();
    let (by_type, notes) = Notes::pair();
    let handler = move |audio: Delivery<AudioEvent>| {
        notes.add(audio.data().clone());
        async {}
    };
    bus.subscribe(handler).await.unwrap();
    let one_variant = listen(&bus, "audio.wake.word.detected").await;

    let published = [
        AudioEvent::Started,
        AudioEvent::WakeWordDetected { confidence: 9 },
        AudioEvent::Failed("unplugged".into()),
    ];
    for audio in &published {
        assert!(bus.publish(audio.clone()).await.unwrap().matched > Some(0), "{audio:?}");
    }
    let json = json!({"WakeWordDetected": {"confidence": 7}});
    bus.publish(Event::json("audio.wake.word.detected", json).unwrap()).await.unwrap();
    bus.publish(Event::json("audio.unknown", json!("Started")).unwrap()).await.unwrap();
    end(bus).await;

    let mut expected = published.to_vec();
    expected.push(AudioEvent::WakeWordDetected { confidence: 7 });
    assert_eq!(by_type.all(), expected);
    assert_eq!(topics(&one_variant), ["audio.wake.word.detected"; 2]);
}

#[tokio::test(start_paused = true)]
async fn a_filter_decides_what_matches_from_rust_values_and_from_json() {
    let bus = Bus::in_memory();
    let (heard, notes) = Notes::pair();
    let handler = move |event: Delivery| {
        notes.add(n(&event));
        async {}
    };
    let filtered = bus.on("test.**").name("even and small").filter(|event| n(event).is_multiple_of(2));
    filtered.filter(|event| n(event) < 6).handle(handler).await.unwrap();

    let mut matched = Vec::new();
    for i in 0..8 {
        let event = if i < 3 { number(i).into_event() } else { event("test.json", i) };
        matched.push(bus.publish(event).await.unwrap().matched.unwrap());
    }
    bus.publish(event("elsewhere", 2)).await.unwrap();
    quiet().await;

    assert_eq!(heard.all(), [0, 2, 4]);
    assert_eq!(matched, [1, 0, 1, 0, 1, 0, 0, 0], "what a filter refuses did not match");
    let stats = stats_of(&bus, "even and small");
    assert_eq!((stats.matched, stats.filtered, stats.done), (3, 5, 3));
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn a_map_changes_the_event_for_its_own_subscription_only() {
    fn plus(by: u64) -> impl Fn(Event) -> Event {
        move |event: Event| {
            Event::builder(number(n(&event) * 10 + by)).id(event.id().to_string()).build().unwrap()
        }
    }
    let bus = Bus::in_memory();
    let (changed, notes) = Notes::pair();
    let handler = move |number: Delivery<Number>| {
        notes.add(number.n);
        async {}
    };
    bus.on("test.*").map(plus(1)).map(plus(2)).handle(handler).await.unwrap();
    let mut stream = bus.on("test.*").map(plus(3)).stream().await.unwrap();
    let unchanged = listen(&bus, "test.*").await;

    let event = event("test.json", 7);
    bus.publish(event.clone()).await.unwrap();
    assert_eq!(changed.once_there_are(1).await, [712], "several maps are applied in the order given");
    let streamed = stream.next().await.and_then(Received::into_event).unwrap();
    assert_eq!((n(&streamed), n(&event)), (73, 7));
    drop(stream);
    end(bus).await;
    assert_eq!(numbers(&unchanged), [7]);
}

#[tokio::test(start_paused = true)]
async fn an_event_that_a_map_made_out_of_another_is_still_in_its_place() {
    let bus = Bus::in_memory();
    let (seqs, notes) = Notes::pair();
    let handler = move |delivery: Delivery| {
        notes.add((delivery.seq(), delivery.key().to_owned()));
        async {}
    };
    let keyed = |event| Event::builder(event).key("k").build().unwrap();
    bus.on("test.**").map(keyed).handle(handler).await.unwrap();
    let first = bus.publish(number(1)).await.unwrap();
    let second = bus.publish(event("test.json", 2)).await.unwrap();
    end(bus).await;
    assert_eq!(seqs.all(), [(first.seq, "k".into()), (second.seq, "k".into())]);
}

#[tokio::test(start_paused = true)]
async fn who_asks_for_any_event_gets_all_but_what_the_bus_itself_says() {
    let bus = Bus::in_memory();
    let (everything, notes) = Notes::pair();
    let handler = move |event: Delivery| {
        notes.add(event.event().clone());
        async {}
    };
    bus.subscribe(handler).await.unwrap();
    let wild = listen(&bus, ["**", "*", "*.*"]).await;
    let own = listen(&bus, "owlbus.**").await;

    for topic in ["a", "a.b.c", "owlbuster", "un.owlbus"] {
        bus.publish(event(topic, 0)).await.unwrap();
    }
    bus.publish(number(0)).await.unwrap();
    bus.publish(Event::signal("bell.rung").unwrap()).await.unwrap();
    quiet().await;
    bus.shutdown().await;

    let all = ["a", "a.b.c", "owlbuster", "un.owlbus", "test.number", "bell.rung"];
    assert_eq!(
        (topics(&everything), topics(&wild)),
        (all.map(String::from).to_vec(), all.map(String::from).to_vec())
    );
    assert_eq!(topics(&own), ["owlbus.started", "owlbus.stopped"]);
    common::assert_conserved(&bus);
}

#[tokio::test(start_paused = true)]
async fn an_event_nobody_asked_for_is_accepted_and_matched_nobody() {
    let bus = Bus::in_memory();
    let receipt = bus.publish(number(1)).await.unwrap();
    assert_eq!((receipt.matched, receipt.dropped.as_deref()), (Some(0), Some(&[][..])));

    let heard = listen(&bus, "somewhere.else").await;
    assert_eq!(bus.publish(number(2)).await.unwrap().matched, Some(0));
    assert_eq!(bus.stats().accepted, 2);
    end(bus).await;
    assert_eq!(heard.all().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_subscriber_sees_what_is_published_after_it_subscribed_and_nothing_from_before() {
    let bus = Bus::builder().paused().build().unwrap();
    let early = listen(&bus, "**").await;
    for i in 0..3 {
        bus.publish(event("tick", i)).await.unwrap();
    }
    // On a paused bus those three still wait, so they could be handed to a newcomer if routing came late.
    let late = listen(&bus, "**").await;
    let typed = listen_to_numbers(&bus).await;
    bus.publish(number(3)).await.unwrap();
    bus.resume();
    end(bus).await;
    assert_eq!(numbers(&early), [0, 1, 2, 3]);
    assert_eq!(numbers(&late), [3]);
    assert_eq!(typed.all(), [3]);
}

#[tokio::test(start_paused = true)]
async fn a_subscription_to_what_is_no_pattern_is_refused_in_words() {
    let bus = Bus::in_memory();
    let glued = bus.on(["fine", "hook.to*"]).handle(|_: Delivery| async {}).await.unwrap_err();
    assert!(matches!(glued, SubscribeError::Topic(_)), "{glued:?}");
    assert!(glued.to_string().contains("a wildcard is a whole token"), "{glued}");
    let empty = bus.on(Vec::<String>::new()).stream().await.unwrap_err();
    assert_eq!(
        empty.to_string(),
        "the list of patterns is empty; give at least one, or `**` for every event"
    );
    assert_eq!(bus.stats().subscriptions.len(), 0);
    end(bus).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn events_from_several_threads_reach_each_subscription_once() {
    const PUBLISHERS: u64 = 4;
    const EVENTS: u64 = 500;
    let bus = Bus::in_memory();
    let by_topic = listen(&bus, ["test.**", "**"]).await;
    let by_type = listen_to_numbers(&bus).await;

    let publishers = (0..PUBLISHERS).map(|publisher| {
        let bus = bus.clone();
        tokio::spawn(async move {
            for i in 0..EVENTS {
                let receipt = bus.publish(number(publisher * EVENTS + i)).await.unwrap();
                assert_eq!(receipt.matched, Some(2));
            }
        })
    });
    for publisher in publishers.collect::<Vec<_>>() {
        publisher.await.unwrap();
    }
    let all = (PUBLISHERS * EVENTS) as usize;
    let (topics, types) = (by_topic.once_there_are(all).await, by_type.once_there_are(all).await);
    end(bus).await;

    let expected: BTreeSet<u64> = (0..PUBLISHERS * EVENTS).collect();
    let topics: Vec<u64> = topics.iter().map(n).collect();
    for got in [&topics, &types] {
        assert_eq!(got.len(), all);
        assert_eq!(got.iter().copied().collect::<BTreeSet<_>>(), expected);
        for publisher in 0..PUBLISHERS {
            let of_one: Vec<_> = got.iter().filter(|n| *n / EVENTS == publisher).collect();
            assert!(of_one.is_sorted(), "one publisher's events keep their order");
        }
    }
    assert_eq!((by_topic.all().len(), by_type.all().len()), (all, all));
}

#[tokio::test(start_paused = true)]
async fn a_publisher_can_ask_whether_anybody_wants_an_event() {
    let bus = Bus::in_memory();
    let event = event("test.number", 1);
    assert_eq!(bus.subscriptions_for(&event), 0);
    let by_topic = bus.on("test.*").filter(|_| false).handle(|_: Delivery| async {}).await.unwrap();
    bus.subscribe(|_: Delivery| async {}).await.unwrap();
    assert_eq!(bus.subscriptions_for(&event), 2);
    by_topic.unsubscribe();
    assert_eq!(bus.subscriptions_for(&event), 1);
    end(bus).await;
}
