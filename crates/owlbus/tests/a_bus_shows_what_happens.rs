//! What happened can be seen: events by topic, every subscription's counts, how full the mailboxes are; and the bus
//! says by itself when a mailbox fills, when events are missed, and when it starts and stops.

mod common;

use std::time::Duration;

use common::{Door, Notes, end, event, number, quiet, stats_of};
use owlbus::{Bus, Delivery, Overflow, PublishError, SubscribeError, handle::Level};

async fn held(bus: &Bus, name: &str, room: usize, overflow: Overflow) -> Door {
    let door = Door::closed();
    let waits = door.clone();
    bus.on("test.**")
        .name(name)
        .mailbox(room, overflow)
        .handle(move |_: Delivery| {
            let door = waits.clone();
            async move { door.pass().await }
        })
        .await
        .expect("the options are right");
    door
}

/// What the bus itself says, as topic and subscription.
async fn hear(bus: &Bus) -> Notes<String> {
    let heard = Notes::new();
    let noted = heard.clone();
    bus.on("owlbus.**")
        .name("hears")
        .handle(move |event: Delivery| {
            let noted = noted.clone();
            async move {
                let field =
                    |name| event.get::<String>(name).map(|text| format!(" {text}")).unwrap_or_default();
                let text =
                    [event.topic().to_string(), field("/subscription"), field("/level"), field("/reason")];
                noted.add(text.concat());
            }
        })
        .await
        .expect("the options are right");
    heard
}

#[tokio::test(start_paused = true)]
async fn events_are_counted_by_topic_most_first() {
    let bus = Bus::in_memory();
    for topic in ["test.b", "test.a", "test.b", "test.c", "test.b", "test.c"] {
        bus.publish(event(topic, 0)).await.expect("it is accepted");
    }
    let stats = bus.stats();
    let topics: Vec<_> = stats.topics.iter().map(|one| (one.topic.as_str(), one.published)).collect();
    assert_eq!(topics, [("test.b", 3), ("test.c", 2), ("test.a", 1)]);
    assert_eq!((stats.accepted, stats.refused, stats.other), (6, 0, 0));
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn topics_beyond_ten_thousand_are_counted_together() {
    let bus = Bus::in_memory();
    for n in 0..10_050 {
        bus.publish(event(&format!("test.t{n}"), 0)).await.expect("it is accepted");
    }
    let stats = bus.stats();
    assert_eq!((stats.topics.len(), stats.other, stats.accepted), (10_000, 50, 10_050));
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn a_subscription_shows_its_queue_and_how_long_the_oldest_waits() {
    let bus = Bus::in_memory();
    let door = held(&bus, "slow", 10, Overflow::default()).await;
    for n in 1..=3 {
        bus.publish(number(n)).await.expect("there is room");
        quiet().await;
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    let stats = stats_of(&bus, "slow");
    assert_eq!((stats.matched, stats.running, stats.queued, stats.capacity), (3, 1, 2, 10));
    assert_eq!(stats.oldest, Some(Duration::from_secs(2)));
    assert!(stats.bytes > 0 && bus.stats().bytes >= stats.bytes);
    door.open();
    quiet().await;
    let stats = stats_of(&bus, "slow");
    assert_eq!((stats.done, stats.pending(), stats.bytes, stats.oldest), (3, 0, 0, None));
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn pressure_names_the_fullest_mailbox() {
    let bus = Bus::in_memory();
    let pressure = bus.pressure();
    assert_eq!((pressure.level, pressure.subscription), (Level::Normal, None));
    let door = held(&bus, "roomy", 100, Overflow::DropNewest).await;
    let narrow = held(&bus, "narrow", 10, Overflow::DropNewest).await;
    for (published, level, ratio) in
        [(0, Level::Normal, 0.0), (7, Level::Normal, 0.7), (1, Level::High, 0.8), (2, Level::Full, 1.0)]
    {
        for n in 0..published {
            bus.publish(number(n)).await.expect("dropping is no error");
        }
        let pressure = bus.pressure();
        assert_eq!((pressure.level, pressure.ratio), (level, ratio));
        assert!(pressure.ratio == 0.0 || pressure.subscription.as_deref() == Some("narrow"));
    }
    narrow.let_through(4);
    quiet().await;
    assert_eq!(bus.pressure().level, Level::High, "what was full is high until half of it is free");
    narrow.open();
    quiet().await;
    assert_eq!(bus.pressure().level, Level::Normal);
    door.open();
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn the_bus_says_when_a_mailbox_fills_and_when_events_are_missed() {
    let bus = Bus::in_memory();
    let heard = hear(&bus).await;
    let door = held(&bus, "slow", 10, Overflow::DropNewest).await;
    for n in 1..=12 {
        bus.publish(number(n)).await.expect("dropping is no error");
    }
    let expected = [
        "owlbus.started",
        "owlbus.backpressure slow high",
        "owlbus.backpressure slow full",
        "owlbus.gap slow overflow",
        "owlbus.gap slow overflow",
    ];
    assert_eq!(heard.once_there_are(5).await, expected);
    door.open();
    quiet().await;
    bus.shutdown().await;
    assert_eq!(heard.all()[5..], ["owlbus.stopped"]);
    common::assert_conserved(&bus);
}

#[tokio::test(start_paused = true)]
async fn what_the_bus_says_is_never_said_of_itself() {
    let bus = Bus::in_memory();
    let door = Door::closed();
    let waits = door.clone();
    bus.on("owlbus.**")
        .name("deaf")
        .mailbox(1, Overflow::DropNewest)
        .handle(move |_: Delivery| {
            let door = waits.clone();
            async move { door.pass().await }
        })
        .await
        .expect("the options are right");
    let slow = held(&bus, "slow", 1, Overflow::DropNewest).await;
    for n in 1..=50 {
        bus.publish(number(n)).await.expect("dropping is no error");
    }
    let deaf = stats_of(&bus, "deaf");
    assert!(deaf.matched < 110 && deaf.dropped.overflow == deaf.matched - 1, "{deaf:?}");
    door.open();
    slow.open();
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn wildcards_do_not_hear_the_bus_and_nobody_speaks_for_it() {
    let bus = Bus::in_memory();
    let all = bus.on("**").handle(|_: Delivery| async {}).await.expect("the options are right");
    let untyped = bus.subscribe(|_: Delivery| async {}).await.expect("the options are right");
    let heard = hear(&bus).await;
    assert_eq!(heard.once_there_are(1).await, ["owlbus.started"]);
    quiet().await;
    assert_eq!((all.stats().matched, untyped.stats().matched), (0, 0));
    let error = bus.publish(event("owlbus.gap", 1)).await.expect_err("it is the bus's own");
    assert!(matches!(error, PublishError::Rejected { .. }), "{error}");
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn names_are_unique_and_made_where_none_is_given() {
    async fn indexer(_: Delivery) {}
    let bus = Bus::in_memory();
    let first = bus.on("a").handle(indexer).await.expect("the options are right");
    let second = bus.on("a").handle(indexer).await.expect("the options are right");
    assert!(first.name().ends_with("indexer"), "{}", first.name());
    assert_eq!(second.name(), format!("{}#2", first.name()));
    let named = bus.on("a").name("mine").handle(indexer).await.expect("the options are right");
    let taken = bus.on("a").name("mine").handle(indexer).await;
    assert_eq!(taken.map(drop), Err(SubscribeError::NameTaken { name: "mine".into() }));
    named.unsubscribe();
    bus.on("a").name("mine").handle(indexer).await.expect("the name is free again");
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn wrong_settings_are_named() {
    let bus = Bus::in_memory();
    let never = |_: Delivery| async {};
    let wrong = [
        bus.on("a b").handle(never).await,
        bus.on("a").concurrency(0).handle(never).await,
        bus.on("a").name("").handle(never).await,
        bus.on("a").mailbox(0, Overflow::Reject).handle(never).await,
        bus.on("a").mailbox_bytes(0).handle(never).await,
        bus.on(Vec::<&str>::new()).handle(never).await,
    ];
    let messages = wrong.map(|result| result.expect_err("it is wrong").to_string());
    for (message, part) in
        messages.iter().zip(["white space", "concurrency", "name", "mailbox", "mailbox_bytes", "pattern"])
    {
        assert!(message.contains(part), "{message}");
    }
    assert!(bus.on("a").ordered_by_key().stream().await.is_err());
    assert!(Bus::builder().source("").build().is_err());
    assert!(Bus::builder().memory(0).build().is_err());
    assert!(Bus::builder().mailbox(usize::MAX, Overflow::Reject).build().is_err());
    end(bus).await;
}

#[test]
fn without_a_runtime_there_is_no_handler_but_there_is_a_bus() {
    let bus = Bus::in_memory();
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    let mut subscribing = std::pin::pin!(bus.on("a").handle(|_: Delivery| async {}));
    let std::task::Poll::Ready(result) = subscribing.as_mut().poll(&mut cx) else {
        panic!("nothing to wait for")
    };
    assert_eq!(result.map(drop), Err(SubscribeError::NoRuntime));
    let mut publishing = std::pin::pin!(bus.publish(number(1)));
    assert!(publishing.as_mut().poll(&mut cx).is_ready());
}

#[test]
fn the_bus_of_the_program_can_be_set_once() {
    let bus = Bus::builder().source("program").build().expect("the settings are right");
    Bus::set_global(bus).expect("there is none before");
    assert_eq!(format!("{:?}", Bus::global()), "Bus { source: \"program\", .. }");
    assert!(Bus::set_global(Bus::in_memory()).is_err());
}
