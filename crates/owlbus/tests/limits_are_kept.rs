//! The promise: no event and no number of events is more than the bus was built to hold.
//!
//! An event that is too large, too deep, too decorated, or addressed where it may not go is refused before anybody
//! gets it, and so is every event while those that wait hold all the memory there is. A refusal says what is wrong
//! and what to do, is counted, and gives the event back.

#![expect(clippy::unwrap_used, reason = "a test that unwraps the wrong thing fails, as it should")]

mod common;

use std::collections::BTreeMap;

use common::{Door, Number, end, event, listen, n, number, quiet};
use owlbus::{Bus, Delivery, Event, Overflow, PublishError, config::BusBuilder, event::IntoEvent};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// An event whose data has that many bytes.
fn of_bytes(bytes: usize) -> Event {
    Event::json_bytes("large", format!("\"{}\"", "x".repeat(bytes - 2))).unwrap()
}

/// An event whose data is that deep.
fn of_depth(depth: usize) -> Event {
    Event::json_bytes("deep", format!("{}{}", "[".repeat(depth), "]".repeat(depth))).unwrap()
}

/// An event with that many entries of metadata.
fn of_entries(entries: usize) -> Event {
    let builder =
        (0..entries).fold(Event::builder(number(1)), |builder, i| builder.metadata(format!("m{i}"), i));
    builder.build().unwrap()
}

/// An event with one entry of metadata, which has that many bytes.
fn of_metadata_bytes(bytes: usize) -> Event {
    Event::builder(number(1)).metadata("m", "x".repeat(bytes - 3)).build().unwrap()
}

/// Publishes an event that is at a limit, and one that is over it; gives the reason for the refusal.
async fn at_and_over(bus: BusBuilder, make: fn(usize) -> Event, limit: usize) -> String {
    let bus = bus.build().unwrap();
    let heard = listen(&bus, "**").await;
    bus.publish(make(limit)).await.unwrap();
    let refused = bus.publish(make(limit + 1)).await.unwrap_err();
    let PublishError::Rejected { by, reason, .. } = &refused else { panic!("{refused:?}") };
    assert_eq!(&**by, "limits");
    assert_eq!((bus.stats().accepted, bus.stats().refused), (1, 1));
    end(bus).await;
    assert_eq!(heard.all().len(), 1);
    reason.to_string()
}

#[tokio::test(start_paused = true)]
async fn an_event_over_a_limit_is_refused_and_one_at_it_is_not() {
    for (make, limit, reason) in [
        (
            of_bytes as fn(usize) -> Event,
            1 << 20,
            "1048577 bytes, and at most 1048576 are accepted; make it smaller, or raise `event_bytes`",
        ),
        (
            of_depth,
            128,
            "129 levels of nested JSON, and at most 128 are accepted; make it smaller, or raise `json_depth`",
        ),
        (
            of_entries,
            64,
            "65 entries of metadata, and at most 64 are accepted; make it smaller, or raise `metadata_entries`",
        ),
        (
            of_metadata_bytes,
            8 << 10,
            "8193 bytes of metadata, and at most 8192 are accepted; make it smaller, or raise `metadata_bytes`",
        ),
    ] {
        assert_eq!(at_and_over(Bus::builder(), make, limit).await, reason);
    }
}

#[tokio::test(start_paused = true)]
async fn limits_can_be_raised_and_lowered() {
    let reason = at_and_over(Bus::builder().event_bytes(3 << 20), of_bytes, 3 << 20).await;
    assert!(reason.contains("at most 3145728 are accepted"), "{reason}");
    let reason = at_and_over(Bus::builder().json_depth(1_000), of_depth, 1_000).await;
    assert!(reason.contains("1001 levels of nested JSON"), "{reason}");
    let reason = at_and_over(Bus::builder().metadata_entries(100), of_entries, 100).await;
    assert!(reason.contains("101 entries"), "{reason}");
    let reason = at_and_over(Bus::builder().metadata_bytes(10_000), of_metadata_bytes, 10_000).await;
    assert!(reason.contains("10001 bytes of metadata"), "{reason}");
    let reason = at_and_over(Bus::builder().event_bytes(10), of_bytes, 10).await;
    assert!(reason.contains("11 bytes"), "{reason}");
    let reason = at_and_over(Bus::builder().json_depth(1), of_depth, 1).await;
    assert!(reason.contains("2 levels of nested JSON"), "{reason}");
}

#[tokio::test(start_paused = true)]
async fn metadata_counts_to_the_bytes_of_an_event_as_json_text() {
    let bus = Bus::builder().event_bytes(1_000).build().unwrap();
    let with = |data, metadata: usize| {
        Event::builder(of_bytes(data)).metadata("m", "x".repeat(metadata)).build().unwrap()
    };
    bus.publish(with(900, 97)).await.unwrap();
    assert!(bus.publish(with(900, 98)).await.is_err());

    let bus = Bus::builder().metadata_bytes(100).build().unwrap();
    for value in [
        json!(null),
        json!(true),
        json!(-1.25e3),
        json!("é\n\"\\"),
        json!([1, [2, {}]]),
        json!({"a": {"b": "c"}}),
    ] {
        let padding = 100 - value.to_string().len() - "vpxx".len();
        let event = |padding| {
            Event::builder(number(1))
                .metadata("v", &value)
                .metadata("p", "x".repeat(padding))
                .build()
                .unwrap()
        };
        assert!(bus.publish(event(padding + 1)).await.is_err(), "{value} is counted short");
        assert!(bus.publish(event(padding - 10)).await.is_ok(), "{value} is counted far too long");
    }
}

#[tokio::test(start_paused = true)]
async fn a_rust_value_counts_its_own_size_until_it_is_json() {
    #[derive(Serialize, Deserialize, owlbus::Event)]
    #[event(topic = "test.large")]
    struct Large {
        text: String,
    }
    let bus = Bus::builder().event_bytes(1_000).build().unwrap();
    let event = Large { text: "x".repeat(2_000) }.into_event();
    bus.publish(event.clone()).await.unwrap();
    assert_eq!(event.as_json().unwrap()["text"].as_str().map(str::len), Some(2_000));
    assert!(bus.publish(event).await.is_err(), "now the text is there to be counted");
    end(bus).await;
}

#[test]
fn what_is_deep_can_be_read() {
    let event = of_depth(127);
    let mut json = event.as_json().unwrap();
    for _ in 1..127 {
        json = &json[0];
    }
    assert_eq!(json, &json!([]));
}

#[tokio::test(start_paused = true)]
async fn topics_of_the_bus_itself_are_refused() {
    let bus = Bus::in_memory();
    let own = listen(&bus, "owlbus.**").await;
    for topic in ["owlbus", "owlbus.started", "owlbus.anything.at.all"] {
        let refused = bus.publish(event(topic, 1)).await.unwrap_err();
        let PublishError::Rejected { by, reason, event } = &refused else { panic!("{refused:?}") };
        assert_eq!(&**by, "topics");
        assert_eq!(&**reason, "topics that begin with `owlbus` are the bus's own; choose another");
        assert_eq!(event.topic(), topic);
    }
    for topic in ["owlbuster", "owlbus_x", "an.owlbus", "Owlbus"] {
        bus.publish(event(topic, 1)).await.unwrap();
    }
    let typed = bus.event(number(1)).topic("owlbus.number").publish().await;
    assert!(matches!(typed, Err(PublishError::Rejected { .. })));
    // Beside the four accepted, the bus's own word that it started counts.
    assert_eq!((bus.stats().topics.len(), bus.stats().refused), (5, 4));
    quiet().await;
    assert!(own.all().iter().all(|event| event.topic() == "owlbus.started"), "{:?}", own.all());
    bus.shutdown().await;
    common::assert_conserved(&bus);
}

#[tokio::test(start_paused = true)]
async fn an_event_without_a_topic_is_refused_and_says_how_to_give_it_one() {
    #[derive(Clone, Serialize, Deserialize, owlbus::Event)]
    #[event(type = "tick")]
    struct Tick;

    let bus = Bus::in_memory();
    let heard = listen(&bus, "**").await;
    let refused = bus.publish(Tick).await.unwrap_err();
    let PublishError::Rejected { by, reason, .. } = &refused else { panic!("{refused:?}") };
    let told = "events of type `tick` have no topic of their own; name one with `.topic(…)`";
    assert_eq!((&**by, &**reason), ("event", told));
    let by_builder = bus.event(Tick).publish().await.unwrap_err();
    assert!(by_builder.to_string().ends_with(told), "{by_builder}");
    assert_eq!(Event::builder(Tick).build().unwrap_err().to_string(), told);
    bus.event(Tick).topic("clock.tick").publish().await.unwrap();
    end(bus).await;
    assert_eq!(heard.all()[0].event_type(), "tick");
}

#[tokio::test(start_paused = true)]
async fn a_full_memory_refuses_until_there_is_room_again() {
    let bus = Bus::builder().memory(200_000).paused().build().unwrap();
    let (one, two) = (listen(&bus, "large").await, listen(&bus, "**").await);
    let mut accepted = 0;
    let refused = loop {
        match bus.publish(of_bytes(10_000)).await {
            Ok(receipt) => assert_eq!(receipt.matched, Some(2)),
            Err(refused) => break refused,
        }
        accepted += 1;
    };
    // The bus may think that a mailbox holds up to twice as much as it does, and never less.
    assert!((5..=11).contains(&accepted), "two mailboxes with {accepted} events each make 200,000 bytes");
    let PublishError::Overloaded { event, held, limit } = &refused else { panic!("{refused:?}") };
    assert!(held >= limit && *limit == 200_000, "{refused}");
    assert_eq!(event.content_type(), "application/json");
    let told = refused.to_string();
    assert!(told.contains("events that wait hold") && told.ends_with("raise `memory` of the bus"), "{told}");
    assert!(bus.pressure().memory >= 1.0);
    assert!(
        matches!(bus.publish(number(1)).await, Err(PublishError::Overloaded { .. })),
        "nobody gets past it"
    );
    assert_eq!((bus.stats().accepted, bus.stats().refused), (accepted, 2));

    bus.resume();
    quiet().await;
    assert_eq!(bus.stats().bytes, 0);
    let receipt = bus.publish(refused.into_event()).await.unwrap();
    assert_eq!((receipt.matched, bus.pressure().memory < 0.5), (Some(2), true));
    end(bus).await;
    assert_eq!((one.all().len(), two.all().len()), (accepted as usize + 1, accepted as usize + 1));
}

#[tokio::test(start_paused = true)]
async fn running_events_count_to_the_memory_until_they_are_done() {
    let bus = Bus::builder().memory(20_000).build().unwrap();
    let door = Door::closed();
    let at = door.clone();
    let handler = move |_: Delivery| {
        let door = at.clone();
        async move { door.pass().await }
    };
    bus.on("**").handle(handler).await.unwrap();
    bus.publish(of_bytes(20_000)).await.unwrap();
    quiet().await;
    assert_eq!(door.came(), 1);
    assert!(matches!(bus.publish(number(1)).await, Err(PublishError::Overloaded { .. })));
    door.open();
    quiet().await;
    bus.publish(number(1)).await.unwrap();
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn long_names_count_to_the_memory_like_data_does() {
    let long = || "x".repeat(50_000);
    let events: [(&str, Event); 6] = [
        ("id", Event::builder(number(1)).id(long()).build().unwrap()),
        ("key", Event::builder(number(1)).key(long()).build().unwrap()),
        ("source", Event::builder(number(1)).source(long()).build().unwrap()),
        ("type", Event::builder(number(1)).event_type(long()).build().unwrap()),
        ("correlation", Event::builder(number(1)).correlation_id(long()).build().unwrap()),
        ("content type", Event::binary("a", long(), "x").unwrap()),
    ];
    for (field, event) in events {
        let bus = Bus::builder().memory(50_000).paused().build().unwrap();
        let heard = listen(&bus, "**").await;
        bus.publish(event).await.unwrap();
        let next = bus.publish(number(2)).await;
        assert!(matches!(next, Err(PublishError::Overloaded { .. })), "{field}");
        bus.resume();
        end(bus).await;
        assert_eq!(heard.all().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn every_refusal_gives_the_event_back() {
    let published = || Event::builder(number(7)).key("k").metadata("m", 1).build().unwrap();
    let refused_by = |bus: Bus| async move {
        let event = published();
        let refused = bus.publish(event.clone()).await.unwrap_err();
        assert_eq!(refused.event().id(), event.id());
        let back = refused.clone().into_event();
        assert_eq!(
            (back.id(), n(&back), back.key(), back.metadata()),
            (event.id(), 7, "k", event.metadata())
        );
        assert_eq!(back.view::<Number>().unwrap(), event.view::<Number>().unwrap());
        assert_eq!(bus.stats().refused, 1);
        Bus::in_memory().publish(back).await.expect("elsewhere it is welcome");
        refused
    };

    let closed = Bus::in_memory();
    closed.shutdown().await;
    assert!(matches!(refused_by(closed).await, PublishError::Closed { .. }));

    let strict = Bus::builder().metadata_entries(0).build().unwrap();
    assert!(matches!(refused_by(strict).await, PublishError::Rejected { .. }));

    let full = Bus::builder().paused().build().unwrap();
    let rejecting = full.on("**").name("small").mailbox(1, Overflow::Reject).handle(|_: Delivery| async {});
    rejecting.await.unwrap();
    let others = listen(&full, "**").await;
    full.publish(number(0)).await.unwrap();
    let refused = refused_by(full.clone()).await;
    let PublishError::Full { subscription, .. } = &refused else { panic!("{refused:?}") };
    assert_eq!(&**subscription, "small");
    full.resume();
    end(full).await;
    assert_eq!(others.all().len(), 1, "nobody at all got what one refused");
}

#[tokio::test(start_paused = true)]
async fn a_batch_has_one_result_an_event_and_one_refusal_stops_nothing() {
    let bus = Bus::builder().event_bytes(100).build().unwrap();
    let heard = listen(&bus, "**").await;
    let batch =
        vec![event("a", 0), of_bytes(101), event("owlbus.mine", 2), event("a", 3), event("nobody", 4)];
    let ids: Vec<_> = batch.iter().map(Event::id).collect();
    let results = bus.publish_batch(batch).await;

    assert_eq!(results.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, false, true, true]);
    let named = results.iter().map(|result| match result {
        Ok(receipt) => receipt.id.clone(),
        Err(refused) => refused.event().id(),
    });
    assert_eq!(named.collect::<Vec<_>>(), ids);
    assert!(results.iter().flatten().map(|receipt| receipt.seq).is_sorted_by(|a, b| a < b));
    assert_eq!((bus.stats().accepted, bus.stats().refused), (3, 2));

    let typed = bus.publish_batch((0..3).map(number)).await;
    assert_eq!(typed.iter().filter(|result| result.is_ok()).count(), 3);
    assert_eq!(bus.publish_batch(Vec::<Event>::new()).await.len(), 0);
    end(bus).await;
    assert_eq!(heard.all().iter().map(n).collect::<Vec<_>>(), [0, 3, 4, 0, 1, 2]);
}

#[tokio::test(start_paused = true)]
async fn refused_events_are_counted_and_nothing_else_of_them_is_kept() {
    let bus = Bus::builder().event_bytes(100).build().unwrap();
    for i in 0..10 {
        let refused = bus.publish(Event::json(format!("large.{i}"), "x".repeat(200)).unwrap()).await;
        assert!(refused.is_err());
    }
    bus.publish(event("small", 1)).await.unwrap();
    let stats = bus.stats();
    assert_eq!((stats.accepted, stats.refused), (1, 10));
    let topics: BTreeMap<_, _> =
        stats.topics.iter().map(|topic| (topic.topic.as_str(), topic.published)).collect();
    assert_eq!(topics, BTreeMap::from([("small", 1)]));
    assert_eq!(stats.bytes, 0);
    end(bus).await;
}
