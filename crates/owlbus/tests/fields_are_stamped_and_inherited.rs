//! The promise: an event has every field when it arrives, whoever filled it in.
//!
//! What the publisher says holds. What it leaves out, the bus stamps: its own source, a fresh id, and, for what is
//! published inside a handler, the correlation and the cause, so that every event of a chain can be traced back to
//! the first one. An event that was published never changes again: publishing it a second time, or on a second bus,
//! is a second event with the same id.

#![expect(clippy::unwrap_used, reason = "a test that unwraps the wrong thing fails, as it should")]

mod common;

use std::{
    collections::HashSet,
    sync::{Arc, Barrier},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use common::{Notes, Number, end, event, listen, n, number, quiet};
use owlbus::{
    Bus, Delivery, Event, Priority, PublishError, event::EventError, event::EventId, event::IntoEvent,
    journal::Seq,
};
use serde_json::json;
use tokio::runtime::Handle;
use uuid::Uuid;

fn id(text: &str) -> EventId {
    EventId::new(text).unwrap()
}

/// A foreign event: its source is there already, so there is nothing for a bus to fill in.
fn foreign(topic: &str) -> Event {
    let text = json!({"specversion": "1.0", "id": "f-1", "source": "/far", "type": topic, "data": {"n": 1}});
    Event::from_cloudevent(text.to_string()).unwrap()
}

/// Subscribes to a topic, and publishes what `answer` makes of each event from inside the handler.
async fn answer<F>(bus: &Bus, topic: &str, answer: F)
where
    F: Fn(&Event) -> Event + Send + Sync + 'static,
{
    let handler = move |cause: Delivery| {
        let answer = answer(&cause);
        async move { cause.bus().unwrap().publish(answer).await.map(drop).map_err(Into::into) }
    };
    bus.on(topic).handle(handler).await.unwrap();
}

// The source.

#[tokio::test(start_paused = true)]
async fn the_source_is_the_publishers_else_that_of_the_bus_else_the_executable() {
    let executable = std::env::current_exe().unwrap().file_stem().unwrap().to_string_lossy().into_owned();
    let (unnamed, shop) = (Bus::in_memory(), Bus::builder().source("shop").build().unwrap());
    let (at_unnamed, at_shop) = (listen(&unnamed, "**").await, listen(&shop, "**").await);

    unnamed.publish(number(1)).await.unwrap();
    shop.publish(number(1)).await.unwrap();
    shop.event(number(1)).source("/till/3").publish().await.unwrap();
    shop.publish(foreign("order.placed")).await.unwrap();
    end(unnamed).await;
    end(shop).await;

    let sources =
        |heard: &Notes<Event>| heard.all().iter().map(|event| event.source().to_owned()).collect::<Vec<_>>();
    assert_eq!(sources(&at_unnamed), [executable]);
    assert_eq!(sources(&at_shop), ["shop", "/till/3", "/far"]);
}

// The identity.

#[tokio::test(start_paused = true)]
async fn ids_are_unique_uuids_of_version_7() {
    let threads =
        (0..4).map(|_| std::thread::spawn(|| (0..2_000).map(|i| number(i).into_event().id()).collect()));
    let threads: Vec<_> = threads.collect();
    let ids: Vec<EventId> =
        threads.into_iter().flat_map(|thread| -> Vec<_> { thread.join().unwrap() }).collect();
    assert_eq!(ids.iter().collect::<HashSet<_>>().len(), 8_000);
    for id in ids {
        let uuid = Uuid::parse_str(&id.to_string()).unwrap();
        assert_eq!((uuid.get_version_num(), uuid.get_variant()), (7, uuid::Variant::RFC4122), "{id}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_receipt_names_the_event_that_arrives() {
    let bus = Bus::in_memory();
    let heard = listen(&bus, "**").await;
    let made = bus.publish(number(1)).await.unwrap().id;
    let given = bus.event(number(2)).id("order-2").publish().await.unwrap().id;
    end(bus).await;
    assert_eq!(given, "order-2");
    assert_eq!(heard.all().iter().map(Event::id).collect::<Vec<_>>(), [made, given]);
}

#[tokio::test(start_paused = true)]
async fn the_time_is_when_the_event_was_made_unless_the_publisher_says_otherwise() {
    let bus = Bus::in_memory();
    let heard = listen(&bus, "**").await;
    let before = SystemTime::now();
    let event = number(1).into_event();
    let after = SystemTime::now();
    tokio::time::advance(Duration::from_secs(90)).await;
    bus.publish(event.clone()).await.unwrap();
    let then = UNIX_EPOCH + Duration::from_nanos(1_234_567_890_123_456_789);
    bus.event(number(2)).time(then).publish().await.unwrap();
    bus.event(number(3)).time(UNIX_EPOCH - Duration::from_secs(1)).publish().await.unwrap();
    end(bus).await;

    let times: Vec<_> = heard.all().iter().map(Event::time).collect();
    // The calendar stands still with tokio's clock, from when that was paused.
    let begun = before - Duration::from_secs(60);
    assert!(begun <= event.time() && event.time() <= after, "{:?}", event.time());
    assert_eq!(times, [event.time(), then, UNIX_EPOCH]);
}

#[tokio::test(start_paused = true)]
async fn the_age_counts_from_when_the_bus_accepted_the_event() {
    let bus = Bus::builder().paused().build().unwrap();
    let (ages, notes) = Notes::pair();
    let handler = move |delivery: Delivery| {
        notes.add(delivery.elapsed());
        async {}
    };
    bus.on("**").handle(handler).await.unwrap();

    let (unstamped, stamped) = (event("tick", 1), foreign("tick"));
    tokio::time::advance(Duration::from_secs(60)).await;
    bus.publish(unstamped).await.unwrap();
    bus.publish(stamped).await.unwrap();
    tokio::time::advance(Duration::from_secs(2)).await;
    bus.resume();
    end(bus).await;
    assert_eq!(ages.all(), [Duration::from_secs(2); 2]);
}

// Correlation and cause.

#[tokio::test(start_paused = true)]
async fn an_event_nobody_caused_is_its_own_correlation() {
    let bus = Bus::in_memory();
    let heard = listen(&bus, "**").await;
    bus.publish(number(1)).await.unwrap();
    bus.event(number(2)).id("order-2").publish().await.unwrap();
    bus.event(number(3)).correlation_id("case-7").causation_id("mail-1").publish().await.unwrap();
    end(bus).await;

    let events = heard.all();
    assert_eq!((events[0].correlation_id(), events[0].causation_id()), (events[0].id(), None));
    assert_eq!((events[1].correlation_id(), events[1].causation_id()), (id("order-2"), None));
    assert_eq!((events[2].correlation_id(), events[2].causation_id()), (id("case-7"), Some(id("mail-1"))));
}

#[tokio::test(start_paused = true)]
async fn what_a_handler_publishes_inherits_the_correlation_and_names_its_cause() {
    let bus = Bus::in_memory();
    answer(&bus, "first", |_| event("second", 2)).await;
    answer(&bus, "second", |_| number(3).into_event()).await;
    let heard = listen(&bus, "**").await;

    bus.publish(event("first", 1)).await.unwrap();
    let all = heard.once_there_are(3).await;
    bus.publish(event("unrelated", 4)).await.unwrap();
    end(bus).await;

    let [first, second, third] = &all[..] else { panic!("{all:?}") };
    assert_eq!(second.correlation_id(), first.id());
    assert_eq!(second.causation_id(), Some(first.id()));
    assert_eq!(third.correlation_id(), first.id());
    assert_eq!(third.causation_id(), Some(second.id()));
    let unrelated = &heard.all()[3];
    assert_eq!((unrelated.correlation_id(), unrelated.causation_id()), (unrelated.id(), None));
}

#[tokio::test(start_paused = true)]
async fn what_a_handler_says_itself_is_not_overwritten() {
    let bus = Bus::in_memory();
    answer(&bus, "ask", |_| Event::builder(event("a", 1)).correlation_id("case-7").build().unwrap()).await;
    answer(&bus, "ask", |_| Event::builder(event("b", 2)).causation_id("mail-1").build().unwrap()).await;
    answer(&bus, "ask", |_| event("other", 0).child(event("c", 3))).await;
    let heard = listen(&bus, ["a", "b", "c"]).await;

    let asked = bus.publish(event("ask", 0)).await.unwrap().id;
    end(bus).await;
    let by_topic = |topic: &str| heard.all().into_iter().find(|event| event.topic() == topic).unwrap();
    assert_eq!(
        (by_topic("a").correlation_id(), by_topic("a").causation_id()),
        (id("case-7"), Some(asked.clone()))
    );
    assert_eq!(
        (by_topic("b").correlation_id(), by_topic("b").causation_id()),
        (asked.clone(), Some(id("mail-1")))
    );
    assert_ne!(by_topic("c").correlation_id(), asked);
    assert_ne!(by_topic("c").causation_id(), Some(asked));
}

#[tokio::test(start_paused = true)]
async fn handlers_that_run_at_once_do_not_mix_their_causes_up() {
    let bus = Bus::in_memory();
    let handler = |cause: Delivery| async move {
        tokio::time::sleep(Duration::from_millis(10 - n(&cause))).await; // sleeps: on the paused clock.
        let effect = event("effect", n(&cause));
        cause.bus().unwrap().publish(effect).await.map(drop).map_err(Into::into)
    };
    bus.on("cause").concurrency(4).handle(handler).await.unwrap();
    let (causes, effects) = (listen(&bus, "cause").await, listen(&bus, "effect").await);
    for i in 0..8 {
        bus.publish(event("cause", i)).await.unwrap();
    }
    let effects = effects.once_there_are(8).await;
    end(bus).await;
    let causes = causes.all();
    for effect in effects {
        assert_eq!(effect.causation_id(), Some(causes[n(&effect) as usize].id()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_task_that_a_handler_spawns_is_a_publisher_like_any_other() {
    let bus = Bus::in_memory();
    let publisher = bus.clone();
    let handler = move |_: Delivery| {
        let bus = publisher.clone();
        async move { drop(tokio::spawn(async move { bus.publish(event("spawned", 1)).await.map(drop) })) }
    };
    bus.on("cause").handle(handler).await.unwrap();
    let spawned = listen(&bus, "spawned").await;
    bus.publish(event("cause", 0)).await.unwrap();
    let spawned = spawned.once_there_are(1).await;
    assert_eq!((spawned[0].correlation_id(), spawned[0].causation_id()), (spawned[0].id(), None));
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn the_handle_a_delivery_gives_knows_its_event_in_any_task() {
    let bus = Bus::in_memory();
    let handler = |cause: Delivery| async move {
        let bus = cause.bus().unwrap();
        tokio::spawn(async move { bus.publish(event("spawned", 1)).await.map(drop) });
    };
    bus.on("cause").handle(handler).await.unwrap();
    let spawned = listen(&bus, "spawned").await;
    let cause = bus.publish(event("cause", 0)).await.unwrap().id;
    let spawned = spawned.once_there_are(1).await;
    assert_eq!((spawned[0].correlation_id(), spawned[0].causation_id()), (cause.clone(), Some(cause)));
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn an_event_that_is_passed_on_is_not_its_own_cause() {
    let (inner, outer) = (Bus::in_memory(), Bus::in_memory());
    let to = outer.clone();
    let handler = move |delivery: Delivery| {
        let outer = to.clone();
        async move { outer.publish(delivery.into_event()).await.map(drop).map_err(Into::into) }
    };
    inner.on("**").handle(handler).await.unwrap();
    let heard = listen(&outer, "**").await;
    let published = inner.publish(number(1)).await.unwrap().id;
    let passed_on = heard.once_there_are(1).await.remove(0);
    assert_eq!((passed_on.id(), passed_on.correlation_id()), (published.clone(), published));
    assert_eq!(passed_on.causation_id(), None);
    end(inner).await;
    end(outer).await;
}

#[test]
fn a_child_and_a_reply_name_their_parent() {
    let asked = Event::builder(number(1)).reply_to("answers.here").correlation_id("case-7").build().unwrap();
    let child = asked.child(number(2));
    assert_eq!((child.correlation_id(), child.causation_id()), (id("case-7"), Some(asked.id())));
    assert_eq!((child.topic().as_str(), child.reply_to()), ("test.number", None));

    let reply = asked.reply(event("ignored", 3)).unwrap();
    assert_eq!((reply.correlation_id(), reply.causation_id()), (id("case-7"), Some(asked.id())));
    assert_eq!((reply.topic().as_str(), n(&reply)), ("answers.here", 3));

    let none = child.reply(number(4)).unwrap_err();
    assert_eq!(none, EventError::NoReplyTo);
    assert_eq!(none.to_string(), "the event has no `reply_to`, so nobody waits for a reply to it");

    let built = Event::builder(number(5)).child_of(&asked).build().unwrap();
    assert_eq!((built.correlation_id(), built.causation_id()), (id("case-7"), Some(asked.id())));
}

// The builder.

#[tokio::test(start_paused = true)]
async fn the_builder_sets_every_field_and_each_arrives() {
    let (happened, expires) =
        (UNIX_EPOCH + Duration::new(1_700_000_000, 1), UNIX_EPOCH + Duration::from_secs(1_800_000_000));
    let bus = Bus::in_memory();
    let heard = listen(&bus, "**").await;
    let typed = Notes::new();
    let notes = typed.clone();
    let handler = move |number: Delivery<Number>| {
        notes.add(number.event().topic().to_string());
        async {}
    };
    bus.subscribe(handler).await.unwrap();

    let built = bus.event(number(1)).topic("orders.eu").event_type("order.placed").version(3).id("order-1");
    let built = built.time(happened).source("/till").key("customer-9").priority(Priority::High);
    let built =
        built.correlation_id("case-7").causation_id("mail-1").reply_to("answers.here").expires_at(expires);
    built
        .metadata("traceparent", "00-1-2-03")
        .metadata("retries", json!({"left": [1, null]}))
        .publish()
        .await
        .unwrap();
    bus.publish(number(2)).await.unwrap();
    end(bus).await;

    let [set, unset] = &heard.all()[..] else { panic!("{:?}", heard.all()) };
    assert_eq!((set.topic().as_str(), set.event_type(), set.version()), ("orders.eu", "order.placed", 3));
    assert_eq!((set.id(), set.time(), set.source()), (id("order-1"), happened, "/till"));
    assert_eq!((set.key(), set.has_key(), set.priority()), ("customer-9", true, Priority::High));
    assert_eq!((set.correlation_id(), set.causation_id()), (id("case-7"), Some(id("mail-1"))));
    assert_eq!((set.reply_to().unwrap().as_str(), set.expires_at()), ("answers.here", Some(expires)));
    let metadata: Vec<_> = set.metadata().iter().map(|(name, value)| (name, value.clone())).collect();
    assert_eq!(metadata, [("traceparent", json!("00-1-2-03")), ("retries", json!({"left": [1, null]}))]);
    assert_eq!(n(set), 1);

    assert_eq!(
        (unset.topic().as_str(), unset.event_type(), unset.version()),
        ("test.number", "test.number", 1)
    );
    assert_eq!((unset.key(), unset.has_key(), unset.priority()), ("test.number", false, Priority::Normal));
    assert_eq!((unset.reply_to(), unset.expires_at(), unset.metadata().len()), (None, None, 0));
    assert_eq!(typed.all(), ["test.number"], "the type was set to another one");
}

#[test]
fn the_builder_reports_the_first_wrong_value() {
    let wrong = |error: Result<Event, EventError>| error.unwrap_err();
    let builder = || Event::builder(number(1));
    assert!(matches!(wrong(builder().topic("a..b").build()), EventError::Topic(_)));
    assert!(matches!(wrong(builder().reply_to("a b").build()), EventError::Topic(_)));
    assert_eq!(wrong(builder().event_type("").build()), EventError::EmptyType);
    assert_eq!(wrong(builder().version(0).build()), EventError::ZeroVersion);
    assert_eq!(wrong(builder().id("").build()), EventError::EmptyId);
    assert_eq!(wrong(builder().source("").build()), EventError::EmptySource);
    assert_eq!(wrong(builder().key("").build()), EventError::EmptyKey);
    assert_eq!(wrong(builder().correlation_id("").build()), EventError::EmptyId);
    assert_eq!(wrong(builder().causation_id("").build()), EventError::EmptyId);
    for name in ["", "id", "data", "metadata", "correlationid"] {
        assert_eq!(wrong(builder().metadata(name, 1).build()), EventError::MetadataName(name.into()));
    }
    let keyed_by_pairs = std::collections::HashMap::from([((1, 2), 3)]);
    assert!(matches!(wrong(builder().metadata("pairs", keyed_by_pairs).build()), EventError::Content(_)));

    let first = builder().key("").version(0).topic("fine").id("").build();
    assert_eq!(wrong(first), EventError::EmptyKey);
}

#[tokio::test(start_paused = true)]
async fn a_wrong_value_is_reported_by_publish_and_nothing_is_published() {
    let bus = Bus::in_memory();
    let heard = listen(&bus, "**").await;
    let error = bus.event(number(1)).key("").topic("a b").publish().await.unwrap_err();
    let PublishError::Rejected { event, by, reason } = error else { panic!("{error:?}") };
    assert_eq!((&*by, &*reason), ("event", EventError::EmptyKey.to_string().as_str()));
    assert_eq!(n(&event), 1);
    assert_eq!((bus.stats().accepted, bus.stats().refused), (0, 1));
    end(bus).await;
    assert_eq!(heard.all().len(), 0);
}

#[test]
fn a_builder_of_an_event_changes_a_copy() {
    let original = Event::builder(number(1)).key("k").metadata("m", 1).build().unwrap();
    let copy = Event::builder(original.clone()).topic("elsewhere").key("l").metadata("m", 2).build().unwrap();
    assert_eq!(
        (original.topic().as_str(), original.key(), original.metadata().get("m")),
        ("test.number", "k", Some(&json!(1)))
    );
    assert_eq!(
        (copy.topic().as_str(), copy.key(), copy.metadata().get("m")),
        ("elsewhere", "l", Some(&json!(2)))
    );
    assert_eq!((copy.id(), copy.event_type(), n(&copy)), (original.id(), "test.number", 1));
}

#[test]
fn a_foreign_event_under_another_topic_is_still_of_its_type() {
    let moved = Event::builder(foreign("order.placed")).topic("orders.eu").build().unwrap();
    assert_eq!((moved.topic().as_str(), moved.event_type()), ("orders.eu", "order.placed"));
    let asked = Event::builder(number(1)).reply_to("answers.here").build().unwrap();
    assert_eq!(asked.reply(foreign("order.placed")).unwrap().event_type(), "order.placed");
}

// Again, and elsewhere.

/// Subscribes to everything, and notes the place in the journal of each delivery beside its event.
async fn listen_with_seqs(bus: &Bus) -> Notes<(Seq, Event)> {
    let (heard, notes) = Notes::pair();
    let handler = move |delivery: Delivery| {
        notes.add((delivery.seq(), delivery.into_event()));
        async {}
    };
    bus.on("**").handle(handler).await.unwrap();
    heard
}

#[tokio::test(start_paused = true)]
async fn the_same_event_published_twice_has_two_places_in_the_journal() {
    for event in [event("tick", 1), foreign("tick"), number(1).into_event()] {
        // On a paused bus both wait together, so the second publish could change the first.
        let bus = Bus::builder().paused().build().unwrap();
        let heard = listen_with_seqs(&bus).await;
        let first = bus.publish(event.clone()).await.unwrap();
        let second = bus.publish(event.clone()).await.unwrap();
        bus.resume();
        quiet().await;

        assert_eq!((&first.id, &second.id), (&event.id(), &event.id()));
        assert!(first.seq < second.seq);
        let seqs: Vec<_> = heard.all().iter().map(|(seq, _)| *seq).collect();
        assert_eq!(seqs, [first.seq, second.seq]);
        end(bus).await;
    }
}

#[tokio::test(start_paused = true)]
async fn publishing_leaves_the_publishers_own_clone_unchanged() {
    let kept = event("tick", 1);
    let before = (kept.source().to_owned(), kept.correlation_id(), kept.causation_id(), kept.pretty());
    let bus = Bus::builder().source("shop").build().unwrap();
    let again = kept.clone();
    answer(&bus, "cause", move |_| again.clone()).await;
    let heard = listen(&bus, "tick").await;
    bus.publish(kept.clone()).await.unwrap();
    bus.publish(event("cause", 0)).await.unwrap();
    let heard = heard.once_there_are(2).await;

    assert_eq!((kept.source().to_owned(), kept.correlation_id(), kept.causation_id(), kept.pretty()), before);
    assert_eq!((heard[0].source(), heard[0].causation_id()), ("shop", None));
    assert_eq!(heard[1].source(), "shop");
    assert!(heard[1].causation_id().is_some());
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn an_event_published_on_two_buses_belongs_to_both() {
    for event in [event("tick", 1), foreign("tick")] {
        let buses = ["east", "west"].map(|source| Bus::builder().source(source).paused().build().unwrap());
        let mut heard = Vec::new();
        for bus in &buses {
            heard.push(listen_with_seqs(bus).await);
        }
        buses[1].publish(number(0)).await.unwrap();
        let east = buses[0].publish(event.clone()).await.unwrap();
        let west = buses[1].publish(event.clone()).await.unwrap();
        buses.iter().for_each(Bus::resume);
        quiet().await;

        let (east_seq, in_east) = heard[0].all().remove(0);
        let (west_seq, in_west) = heard[1].all().remove(1);
        assert_eq!((east_seq, west_seq), (east.seq, west.seq));
        assert!(east_seq < west_seq);
        assert_eq!((in_east.id(), in_west.id()), (event.id(), event.id()));
        if event.source() != "/far" {
            assert_eq!((in_east.source(), in_west.source()), ("east", "west"));
        }
        for bus in buses {
            end(bus).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_published_from_several_threads_at_once_has_as_many_places() {
    const THREADS: usize = 4;
    for _ in 0..200 {
        let bus = Bus::builder().paused().build().unwrap();
        let heard = listen_with_seqs(&bus).await;
        let (event, together) = (foreign("tick"), Arc::new(Barrier::new(THREADS)));
        let threads = (0..THREADS).map(|_| {
            let (bus, event, together) = (bus.clone(), event.clone(), Arc::clone(&together));
            let runtime = Handle::current();
            std::thread::spawn(move || {
                together.wait();
                runtime.block_on(bus.publish(event)).unwrap().seq
            })
        });
        let threads: Vec<_> = threads.collect();
        let receipts: HashSet<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        bus.resume();
        let heard: HashSet<_> = heard.once_there_are(THREADS).await.into_iter().map(|(seq, _)| seq).collect();
        assert_eq!((heard.len(), &heard), (THREADS, &receipts));
        end(bus).await;
    }
}
