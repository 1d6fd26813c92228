//! An inline handler has had the event before its publish returns, and before any mailbox has it. It may fail, panic,
//! publish, or end its own subscription: the publisher notices nothing but the time it takes.

mod common;

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use common::{Door, Notes, Number, end, event, n, number, quiet, stats_of};
use owlbus::{
    Bus, Delivery, Event, HandlerError, Outcome, Overflow, Priority, PublishError, SubscribeError,
    Subscription, config::ConfigError, handle::On,
};
use serde_json::Value;

/// Ends the making of a subscription with an inline handler that notes the numbers.
fn notes(on: On<'_>) -> (Subscription, Notes<u64>) {
    let (seen, noted) = Notes::pair();
    (on.inline_now(move |event: &Event| noted.add(n(event))).expect("the options are right"), seen)
}

#[tokio::test(start_paused = true)]
async fn it_has_ended_before_the_publish_returns_and_before_any_mailbox_has_the_event() {
    let (bus, order) = (Bus::in_memory(), Notes::new());
    let (queued, first, second) = (order.clone(), order.clone(), order.clone());
    let handler = move |event: Delivery| {
        queued.add(("queued", n(&event)));
        async {}
    };
    let watched =
        bus.on("test.**").name("queued").priority(1_000).handle(handler).await.expect("it is right");
    let inline = move |event: &Event| {
        assert_eq!(watched.stats().matched, n(event) - 1);
        first.add(("inline", n(event)));
    };
    bus.on("test.**").priority(-1_000).inline(inline).await.expect("the options are right");
    bus.on("test.**")
        .inline(move |event: &Event| second.add(("earlier", n(event))))
        .await
        .expect("it is right");
    for n in 1..=2 {
        let receipt = bus.publish(number(n)).await.expect("it is accepted");
        assert_eq!(receipt.matched, Some(3));
        // Nothing else has run since: there is one thread, and this test has it.
        assert_eq!(order.all().last(), Some(&("inline", n)));
    }
    quiet().await;
    let order = order.all();
    assert_eq!(order[..4], [("earlier", 1), ("inline", 1), ("earlier", 2), ("inline", 2)]);
    assert_eq!(order[4..], [("queued", 1), ("queued", 2)]);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn it_gets_the_event_its_json_or_its_value_from_whatever_was_published() {
    let (bus, seen) = (Bus::in_memory(), Notes::new());
    let (plain, json, typed) = (seen.clone(), seen.clone(), seen.clone());
    bus.on("test.**")
        .inline(move |event: &Event| {
            assert!(!event.source().is_empty(), "it is stamped");
            plain.add(("event", n(event)));
        })
        .await
        .expect("the options are right");
    let json = move |data: &Value| json.add(("json", data["n"].as_u64().expect("a number")));
    bus.on("test.**").inline(json).await.expect("the options are right");
    // A type in the handler does not choose among the topics; `typed` does.
    let typed = move |number: &Number| typed.add(("typed", number.n));
    bus.on("test.**").typed::<Number>().inline(typed).await.expect("the options are right");
    let as_json =
        Event::builder(event("test.other", 2)).event_type("test.number").build().expect("it is right");
    for event in [Event::new(number(1)), as_json, event("test.other", 3)] {
        bus.publish(event).await.expect("it is accepted");
    }
    assert_eq!(
        seen.all(),
        [
            ("event", 1),
            ("json", 1),
            ("typed", 1),
            ("event", 2),
            ("json", 2),
            ("typed", 2),
            ("event", 3),
            ("json", 3)
        ]
    );
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn what_it_says_or_fails_with_is_counted_and_hurts_nobody() {
    let bus = Bus::in_memory();
    let bad = |event: &Event| match n(event) {
        1 => Err(HandlerError::temporary("not now")),
        2 => Err("no number".parse::<u64>().map(drop).expect_err("it is none").into()),
        3 => Ok(Outcome::Dead { reason: "never".into() }),
        4 => Ok(Outcome::Skipped),
        5 => panic!("five is too many"),
        6 => std::panic::panic_any(6),
        _ => Ok(Outcome::Done),
    };
    bus.on("test.**").name("bad").inline(bad).await.expect("the options are right");
    bus.on("test.**").name("typed").inline(|_: &common::Text| {}).await.expect("the options are right");
    let maps = bus.on("test.**").name("maps").map(|_| panic!("transforms may"));
    maps.inline(|_: &Event| {}).await.expect("the options are right");
    let filters = bus.on("test.**").name("filters").filter(|_| panic!("filters may"));
    filters.inline(|_: &Event| {}).await.expect("the options are right");
    let (_, after) = notes(bus.on("test.**").name("after"));
    let queued = common::listen(&bus, "test.**").await;
    for n in 1..=7 {
        let receipt = bus.publish(event("test.other", n)).await.expect("nothing is the publisher's business");
        assert_eq!((receipt.matched, receipt.dropped), (Some(6), Some(vec![])));
    }
    assert_eq!(after.all(), [1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(queued.once_there_are(7).await.len(), 7);
    let counted = ["bad", "typed", "maps", "filters", "after"].map(|name| {
        let stats = stats_of(&bus, name);
        assert_eq!((stats.matched, stats.pending(), stats.capacity, stats.bytes), (7, 0, 0, 0), "{name}");
        (stats.done, stats.skipped, stats.dead)
    });
    // Nobody but the handler asked for a type: what it cannot read has failed.
    assert_eq!(counted, [(1, 1, 5), (0, 0, 7), (0, 0, 7), (0, 7, 0), (7, 0, 0)]);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn what_needs_a_mailbox_is_refused_by_its_name() {
    let bus = Bus::in_memory();
    let block = Overflow::default();
    let wait = std::time::Duration::from_secs(1);
    for (setting, on) in [
        ("concurrency", bus.on("a").concurrency(1)),
        ("ordered_by_key", bus.on("a").ordered_by_key()),
        ("mailbox", bus.on("a").mailbox(10, block)),
        ("mailbox_bytes", bus.on("a").mailbox_bytes(10)),
        ("slow_from", bus.on("a").slow_from(0.5, wait)),
        ("on_gap", bus.on("a").on_gap(|_| {})),
        ("band_wait", bus.on("a").band_wait(wait)),
    ] {
        let refused = on.inline(|_: &Event| {}).await.map(drop).expect_err("it has no mailbox");
        let SubscribeError::Config(ConfigError { setting: named, problem, .. }) = &refused else {
            panic!("{refused}");
        };
        assert_eq!(*named, setting);
        assert!(problem.contains("inline") && refused.to_string().contains(setting), "{refused}");
    }
    assert!(bus.stats().subscriptions.is_empty());
    // What is wrong for everybody is wrong here too, and what is left may be given.
    assert!(bus.on("a..b").inline(|_: &Event| {}).await.is_err());
    assert!(bus.on("a").name("").inline(|_: &Event| {}).await.is_err());
    let fine =
        bus.on("a").name("fine").priority(1).typed::<Number>().filter(|_| true).map(|event| event).once();
    assert_eq!(fine.inline(|_: &Event| {}).await.expect("the options are right").name(), "fine");
    let taken = bus.on("a").name("fine").inline(|_: &Event| {}).await.map(drop);
    assert_eq!(taken, Err(SubscribeError::NameTaken { name: "fine".into() }));
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn filters_transforms_and_once_work_as_they_do_elsewhere() {
    let bus = Bus::in_memory();
    let (even, evens) = notes(bus.on("test.**").filter(|event| n(event).is_multiple_of(2)));
    let (_, mapped) = notes(bus.on("test.**").map(|event| common::event("test.mapped", n(&event) * 10)));
    let (once, first) = notes(bus.on("test.**").name("once").filter(|event| n(event) > 2).once());
    for n in 1..=4 {
        bus.publish(number(n)).await.expect("it is accepted");
    }
    assert_eq!((evens.all(), mapped.all(), first.all()), (vec![2, 4], vec![10, 20, 30, 40], vec![3]));
    assert_eq!((even.stats().matched, even.stats().filtered), (2, 2));
    assert_eq!((once.stats().matched, once.stats().done), (1, 1));
    assert!(bus.stats().subscriptions.iter().all(|one| one.name != "once"), "it has ended");
    assert!(bus.on("test.**").name("once").inline(|_: &Event| {}).await.is_ok(), "its name is free");
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn they_run_by_priority_and_then_in_the_order_they_came() {
    let (bus, order) = (Bus::in_memory(), Notes::new());
    for (place, priority) in [(3, 0), (5, -50), (1, 100), (4, 0), (2, 7)] {
        let noted = order.clone();
        bus.on("**").priority(priority).inline(move |_: &Event| noted.add(place)).await.expect("it is right");
    }
    bus.publish(number(1)).await.expect("it is accepted");
    assert_eq!(order.all(), [1, 2, 3, 4, 5]);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn a_filter_that_panics_claims_nothing_for_one_that_is_for_one_event() {
    let bus = Bus::in_memory();
    let picky = |event: &Event| {
        assert!(n(event) != 1, "filters may");
        n(event) != 2
    };
    let (once, first) = notes(bus.on("test.**").filter(picky).once());
    let (queued, noted) = Notes::pair();
    let handler = move |event: Delivery| {
        noted.add(n(&event));
        async {}
    };
    bus.on("test.**").filter(picky).once().handle(handler).await.expect("the options are right");
    for n in 1..=4 {
        bus.publish(number(n)).await.expect("it is accepted");
    }
    assert_eq!(queued.once_there_are(1).await, [3], "one with a mailbox waits for an event that passes");
    assert_eq!(
        (first.all(), once.stats().skipped, once.stats().done),
        (vec![3], 1, 1),
        "and so does an inline one"
    );
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn it_runs_on_a_bus_that_is_held_and_not_on_one_that_has_ended() {
    let bus = Bus::builder().paused().build().expect("the settings are right");
    let (_, seen) = notes(bus.on("test.**"));
    let queued = common::listen(&bus, "test.**").await;
    bus.publish(number(1)).await.expect("it is accepted");
    quiet().await;
    assert_eq!((seen.all(), queued.all().len()), (vec![1], 0));
    bus.resume();
    end(bus.clone()).await;
    assert!(matches!(bus.publish(number(2)).await, Err(PublishError::Closed { .. })));
    assert_eq!((seen.all(), queued.all().len()), (vec![1], 1));
    let late = bus.on("test.**").inline(|_: &Event| {}).await.map(drop);
    assert_eq!(late, Err(SubscribeError::Closed));
}

#[tokio::test(start_paused = true)]
async fn a_publish_that_is_refused_runs_none() {
    let bus = Bus::builder().event_bytes(200).build().expect("the settings are right");
    let (inline, seen) = notes(bus.on("**").once());
    let door = Door::closed();
    let waits = door.clone();
    let stuck = move |_: Delivery| {
        let door = waits.clone();
        async move { door.pass().await }
    };
    bus.on("full").mailbox(1, Overflow::Reject).handle(stuck).await.expect("the options are right");
    let warms_up = bus.on("warm.up").mailbox(1, Overflow::default());
    warms_up.handle(|_: Delivery| async {}).await.expect("the options are right");
    let other =
        bus.on("full").filter(|event| n(event) == 0).inline(|_: &Event| {}).await.expect("it is right");
    bus.try_publish(event("owlbus.own", 1)).expect_err("the topic is the bus's own");
    bus.try_publish(Event::json("large", "x".repeat(300)).expect("the topic is one"))
        .expect_err("it is large");
    assert_eq!(inline.stats().matched, 0);
    bus.publish(event("full", 0)).await.expect("there is room");
    for n in 1..=2 {
        assert!(matches!(bus.publish(event("full", n)).await, Err(PublishError::Full { .. })));
    }
    // It was for one event, and had it; nothing it could have had since was counted.
    assert_eq!((seen.all(), inline.stats().matched), (vec![0], 1));
    assert_eq!((other.stats().matched, other.stats().filtered), (1, 0));
    door.open();
    end(bus).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn several_publishers_are_in_it_at_once_and_every_event_is_counted() {
    const PUBLISHERS: u64 = 4;
    let (bus, inside, most) =
        (Bus::in_memory(), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let meet = Arc::new(std::sync::Barrier::new(2));
    let (within, at_most, meets) = (inside.clone(), most.clone(), meet.clone());
    let inline = move |event: &Event| {
        at_most.fetch_max(within.fetch_add(1, SeqCst) + 1, SeqCst);
        if event.topic() == "test.meet" {
            // Nobody gets past here alone.
            meets.wait();
        }
        within.fetch_sub(1, SeqCst);
        match n(event) % 3 {
            0 => Outcome::Done,
            1 => Outcome::Skipped,
            _ => panic!("every third one is too much"),
        }
    };
    let counted = bus.on("test.**").inline(inline).await.expect("the options are right");
    let once = bus.on("test.**").once().inline(|_: &Event| {}).await.expect("the options are right");
    let publishers: Vec<_> = (0..PUBLISHERS)
        .map(|publisher| {
            let bus = bus.clone();
            std::thread::spawn(move || {
                if publisher < 2 {
                    bus.publish_blocking(event("test.meet", 0)).expect("it is accepted");
                }
                for n in 0..3_000 {
                    bus.try_publish(number(n)).expect("it is accepted");
                }
            })
        })
        .collect();
    for publisher in publishers {
        publisher.join().expect("no panic");
    }
    let (stats, each) = (counted.stats(), PUBLISHERS * 1_000);
    assert_eq!((stats.matched, stats.done, stats.skipped, stats.dead), (3 * each + 2, each + 2, each, each));
    assert_eq!((once.stats().matched, once.stats().done), (1, 1));
    assert!((2..=PUBLISHERS as usize).contains(&most.load(SeqCst)));
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn an_urgent_event_waits_for_none_and_counts_it_as_tried() {
    let bus = Bus::in_memory();
    let (_, seen) = notes(bus.on("test.**"));
    let receipt = bus.event(number(1)).priority(Priority::Immediate).publish().await.expect("it is accepted");
    assert_eq!((receipt.unfinished, receipt.matched, seen.all()), (vec![], Some(1), vec![1]));
    end(bus).await;
}
