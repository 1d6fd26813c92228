//! The promise: a wait inside a handler that could only end when that handler has ended is refused, with the names of
//! those that would wait for each other; a wait that can end is left alone.
//!
//! Time is paused, and stands still as long as anything can go on: a test that would have to wait for a timeout shows by
//! the time it took.

#![expect(clippy::unwrap_used, reason = "a test that unwraps the wrong thing fails, as it should")]

mod common;

use std::{sync::Arc, time::Duration};

use common::{Door, Notes, end, event, n, quiet, stats_of};
use owlbus::{
    Bus, Delivery, Overflow, Priority, PublishError,
    settle::{Cycle, Settled},
};
use tokio::time::Instant;

const BLOCK: Overflow = Overflow::Block { timeout: Duration::from_secs(5) };

/// What a handler was told of its publish.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Told {
    Published { matched: usize, dropped: Vec<String>, unfinished: Vec<String> },
    Cycle(Vec<String>),
    Other(String),
}

fn published(matched: usize) -> Told {
    Told::Published { matched, dropped: Vec::new(), unfinished: Vec::new() }
}

fn names(names: &[Arc<str>]) -> Vec<String> {
    names.iter().map(|name| name.to_string()).collect()
}

fn told(result: Result<owlbus::Receipt, PublishError>) -> Told {
    match result {
        Ok(receipt) => Told::Published {
            matched: receipt.matched.unwrap(),
            dropped: names(&receipt.dropped.unwrap()),
            unfinished: names(&receipt.unfinished),
        },
        Err(PublishError::Cycle { path, .. }) => Told::Cycle(names(&path)),
        Err(error) => Told::Other(error.to_string()),
    }
}

fn cycle(path: &[&str]) -> Told {
    Told::Cycle(path.iter().map(|name| (*name).to_owned()).collect())
}

/// Ends the bus. Nothing in the test may have waited for a timeout.
async fn end_at_once(bus: Bus, begun: Instant) {
    assert_eq!(begun.elapsed(), Duration::ZERO, "somebody waited for a timeout");
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn a_serial_handler_that_publishes_to_its_own_full_mailbox_is_told() {
    let (begun, bus, (heard, notes)) = (Instant::now(), Bus::in_memory(), Notes::pair());
    let handler = move |delivery: Delivery| {
        let notes = notes.clone();
        async move {
            if n(&delivery) == 0 {
                notes.add(told(delivery.publish(event("loop", 1)).await));
            }
        }
    };
    bus.on("loop").name("own tail").mailbox(1, BLOCK).handle(handler).await.unwrap();
    bus.publish(event("loop", 0)).await.unwrap();
    assert_eq!(heard.once_there_are(1).await, [cycle(&["own tail"])]);
    quiet().await;
    assert_eq!(stats_of(&bus, "own tail").matched, 1, "what was refused matched nobody");
    end_at_once(bus, begun).await;
}

#[tokio::test(start_paused = true)]
async fn the_error_names_the_event_and_says_what_to_do() {
    let (bus, (heard, notes)) = (Bus::in_memory(), Notes::pair());
    let handler = move |delivery: Delivery| {
        let notes = notes.clone();
        async move {
            if n(&delivery) == 0 {
                let error = delivery.publish(event("loop", 1)).await.unwrap_err();
                notes.add((error.to_string(), n(error.event()), error.into_event().topic().to_string()));
            }
        }
    };
    bus.on("loop").name("own tail").mailbox(1, BLOCK).handle(handler).await.unwrap();
    bus.publish(event("loop", 0)).await.unwrap();
    let (text, number, topic) = heard.once_there_are(1).await.remove(0);
    assert_eq!((number, topic.as_str()), (1, "loop"));
    let wanted = "was not published: handlers would wait for each other: `own tail` → `own tail`; \
                  publish from a task of its own, or do not wait";
    assert!(text.contains(wanted), "{text}");
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn with_room_left_a_handler_publishes_to_itself() {
    let (begun, bus, (heard, notes)) = (Instant::now(), Bus::in_memory(), Notes::pair());
    let handler = move |delivery: Delivery| {
        let notes = notes.clone();
        async move {
            if n(&delivery) < 5 {
                notes.add(told(delivery.publish(event("loop", n(&delivery) + 1)).await));
            }
        }
    };
    bus.on("loop").mailbox(2, BLOCK).handle(handler).await.unwrap();
    bus.publish(event("loop", 0)).await.unwrap();
    assert_eq!(heard.once_there_are(5).await, vec![published(1); 5]);
    end_at_once(bus, begun).await;
}

#[tokio::test(start_paused = true)]
async fn nobody_gets_an_event_that_is_refused() {
    let (begun, bus, (heard, notes)) = (Instant::now(), Bus::in_memory(), Notes::pair());
    let handler = move |delivery: Delivery| {
        let notes = notes.clone();
        async move {
            if n(&delivery) == 0 {
                notes.add(told(delivery.publish(event("loop", 1)).await));
            }
        }
    };
    for name in ["before", "after"] {
        if name == "after" {
            bus.on("loop").name("own tail").mailbox(1, BLOCK).handle(handler.clone()).await.unwrap();
        }
        let only_refused = |event: &owlbus::Event| n(event) == 1;
        bus.on("loop").name(name).filter(only_refused).handle(|_: Delivery| async {}).await.unwrap();
    }
    let counter = |event: &owlbus::Event| assert_ne!(n(event), 1, "an inline handler got it");
    bus.on("loop").name("inline").inline(counter).await.unwrap();
    bus.on("loop")
        .name("refusing")
        .mailbox(2, Overflow::Reject)
        .handle(|_: Delivery| async {})
        .await
        .unwrap();
    bus.publish(event("loop", 0)).await.unwrap();
    assert_eq!(heard.once_there_are(1).await, [cycle(&["own tail"])]);
    quiet().await;
    for name in ["before", "after"] {
        assert_eq!(stats_of(&bus, name).matched, 0, "{name}");
    }
    assert_eq!((stats_of(&bus, "inline").matched, stats_of(&bus, "refusing").matched), (1, 1));
    end_at_once(bus, begun).await;
}

#[tokio::test(start_paused = true)]
async fn two_handlers_that_fill_each_others_mailboxes_are_told() {
    let (begun, bus, (heard, notes)) = (Instant::now(), Bus::in_memory(), Notes::pair());
    let door = Door::closed();
    for (name, other) in [("ping", "pong"), ("pong", "ping")] {
        let (notes, door) = (notes.clone(), door.clone());
        let handler = move |delivery: Delivery| {
            let (notes, door) = (notes.clone(), door.clone());
            async move {
                if n(&delivery) == 0 {
                    door.pass().await;
                    notes.add((name, told(delivery.publish(event(other, 1)).await)));
                }
            }
        };
        bus.on(name).name(name).mailbox(1, BLOCK).handle(handler).await.unwrap();
    }
    bus.publish(event("ping", 0)).await.unwrap();
    bus.publish(event("pong", 0)).await.unwrap();
    quiet().await;
    door.open();
    let mut heard = heard.once_there_are(2).await;
    heard.sort_by_key(|(_, told)| matches!(told, Told::Cycle(_)));
    // The first waits, the second would close the loop; when that has ended, there is room for the first.
    assert_eq!(heard[0].1, published(1));
    let second = heard[1].0;
    let first = heard[0].0;
    assert_eq!(heard[1].1, cycle(&[second, first]));
    end_at_once(bus, begun).await;
}

#[tokio::test(start_paused = true)]
async fn a_ring_of_three_is_told_by_its_names_in_order() {
    let (begun, bus, (heard, notes)) = (Instant::now(), Bus::in_memory(), Notes::pair());
    let door = Door::closed();
    for (name, next) in [("a", "b"), ("b", "c"), ("c", "a")] {
        let (notes, door) = (notes.clone(), door.clone());
        let handler = move |delivery: Delivery| {
            let (notes, door) = (notes.clone(), door.clone());
            async move {
                if n(&delivery) == 0 {
                    door.pass().await;
                    notes.add(told(delivery.publish(event(next, 1)).await));
                }
            }
        };
        bus.on(name).name(name).mailbox(1, BLOCK).handle(handler).await.unwrap();
        bus.publish(event(name, 0)).await.unwrap();
    }
    quiet().await;
    door.open();
    let heard = heard.once_there_are(3).await;
    let rings = [cycle(&["a", "b", "c"]), cycle(&["b", "c", "a"]), cycle(&["c", "a", "b"])];
    assert_eq!(heard.iter().filter(|told| rings.contains(told)).count(), 1, "{heard:?}");
    assert_eq!(heard.iter().filter(|told| **told == published(1)).count(), 2, "{heard:?}");
    end_at_once(bus, begun).await;
}

#[tokio::test(start_paused = true)]
async fn a_wait_for_somebody_who_works_is_left_alone() {
    let (begun, bus, (heard, notes)) = (Instant::now(), Bus::in_memory(), Notes::pair());
    let door = Door::closed();
    let busy = door.clone();
    let slow = move |_: Delivery| {
        let door = busy.clone();
        async move { door.pass().await }
    };
    bus.on("slow").name("slow").mailbox(1, BLOCK).handle(slow).await.unwrap();
    let handler = move |delivery: Delivery| {
        let notes = notes.clone();
        async move { notes.add(told(delivery.publish(event("slow", 1)).await)) }
    };
    bus.on("fast").name("fast").handle(handler).await.unwrap();
    bus.publish(event("slow", 0)).await.unwrap();
    bus.publish(event("fast", 0)).await.unwrap();
    quiet().await;
    assert_eq!(heard.all(), [], "it waits");
    door.open();
    assert_eq!(heard.once_there_are(1).await, [published(1)]);
    end_at_once(bus, begun).await;
}

#[tokio::test(start_paused = true)]
async fn another_worker_of_the_same_handler_can_make_room() {
    let (begun, bus, (heard, notes)) = (Instant::now(), Bus::in_memory(), Notes::pair());
    let door = Door::closed();
    let busy = door.clone();
    let handler = move |delivery: Delivery| {
        let (notes, door) = (notes.clone(), busy.clone());
        async move {
            match n(&delivery) {
                0 => notes.add(told(delivery.publish(event("loop", 2)).await)),
                1 => door.pass().await,
                _ => {}
            }
        }
    };
    bus.on("loop").name("pair").concurrency(2).mailbox(2, BLOCK).handle(handler).await.unwrap();
    bus.publish(event("loop", 1)).await.unwrap();
    bus.publish(event("loop", 0)).await.unwrap();
    quiet().await;
    assert_eq!(heard.all(), [], "it waits for the other worker");
    door.open();
    assert_eq!(heard.once_there_are(1).await, [published(1)]);
    end_at_once(bus, begun).await;
}

#[tokio::test(start_paused = true)]
async fn the_last_of_several_workers_to_wait_is_told() {
    let (begun, bus, (heard, notes)) = (Instant::now(), Bus::in_memory(), Notes::pair());
    let door = Door::closed();
    let all = door.clone();
    let handler = move |delivery: Delivery| {
        let (notes, door) = (notes.clone(), all.clone());
        async move {
            if n(&delivery) == 0 {
                door.pass().await;
                notes.add(told(delivery.publish(event("loop", 1)).await));
            }
        }
    };
    bus.on("loop").name("crowd").concurrency(3).mailbox(3, BLOCK).handle(handler).await.unwrap();
    for _ in 0..3 {
        bus.publish(event("loop", 0)).await.unwrap();
    }
    quiet().await;
    door.open();
    let heard = heard.once_there_are(3).await;
    // Two wait, for the third may make room; that one is told, ends, and makes it.
    assert_eq!(heard, [cycle(&["crowd"]), published(1), published(1)]);
    end_at_once(bus, begun).await;
}

#[tokio::test(start_paused = true)]
async fn an_immediate_event_to_oneself_is_refused_and_to_a_free_worker_it_is_not() {
    for (concurrency, wanted) in [(1, cycle(&["self"])), (2, published(1))] {
        let (begun, bus, (heard, notes)) = (Instant::now(), Bus::in_memory(), Notes::pair());
        let handler = move |delivery: Delivery| {
            let notes = notes.clone();
            async move {
                if n(&delivery) == 0 {
                    let bus = delivery.bus().unwrap();
                    let urgent = bus.event(event("loop", 1)).priority(Priority::Immediate);
                    notes.add(told(urgent.publish().await));
                }
            }
        };
        bus.on("loop").name("self").concurrency(concurrency).handle(handler).await.unwrap();
        bus.publish(event("loop", 0)).await.unwrap();
        assert_eq!(heard.once_there_are(1).await, [wanted]);
        end_at_once(bus, begun).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_immediate_event_that_a_filter_keeps_away_closes_no_loop() {
    let (begun, bus, (heard, notes)) = (Instant::now(), Bus::in_memory(), Notes::pair());
    let handler = move |delivery: Delivery| {
        let notes = notes.clone();
        async move {
            let bus = delivery.bus().unwrap();
            notes.add(told(bus.event(event("loop", 1)).priority(Priority::Immediate).publish().await));
        }
    };
    let filter = |event: &owlbus::Event| n(event) == 0;
    bus.on("loop").name("self").filter(filter).handle(handler).await.unwrap();
    bus.publish(event("loop", 0)).await.unwrap();
    assert_eq!(heard.once_there_are(1).await, [published(0)]);
    end_at_once(bus, begun).await;
}

#[tokio::test(start_paused = true)]
async fn an_immediate_event_of_a_busy_key_is_refused() {
    for (key, wanted) in [("a", cycle(&["keys"])), ("b", published(1))] {
        let (begun, bus, (heard, notes)) = (Instant::now(), Bus::in_memory(), Notes::pair());
        let handler = move |delivery: Delivery| {
            let notes = notes.clone();
            async move {
                if n(&delivery) == 0 {
                    let bus = delivery.bus().unwrap();
                    let urgent = bus.event(event("loop", 1)).key(key).priority(Priority::Immediate);
                    notes.add(told(urgent.publish().await));
                }
            }
        };
        bus.on("loop").name("keys").ordered_by_key().handle(handler).await.unwrap();
        bus.event(event("loop", 0)).key("a").publish().await.unwrap();
        assert_eq!(heard.once_there_are(1).await, [wanted], "key {key}");
        end_at_once(bus, begun).await;
    }
}

/// What a handler was told that waited for the outcomes of its event.
async fn settled_inside(delivery: &Delivery, topic: &str, key: &str) -> Result<Vec<Settled>, Cycle> {
    let tracked = delivery.bus().unwrap().event(event(topic, 1)).key(key).tracked().publish().await.unwrap();
    tracked.settled().await
}

#[tokio::test(start_paused = true)]
async fn waiting_for_the_outcome_of_an_event_to_oneself_is_refused() {
    let (begun, bus, (heard, notes)) = (Instant::now(), Bus::in_memory(), Notes::pair());
    let handler = move |delivery: Delivery| {
        let notes = notes.clone();
        async move {
            if n(&delivery) == 0 {
                notes.add(settled_inside(&delivery, "loop", "k").await.map_err(|cycle| names(&cycle.path)));
            }
        }
    };
    bus.on("loop").name("self").handle(handler).await.unwrap();
    bus.publish(event("loop", 0)).await.unwrap();
    assert_eq!(heard.once_there_are(1).await, [Err(vec!["self".to_owned()])]);
    quiet().await;
    assert_eq!(stats_of(&bus, "self").done, 2, "the event was published all the same");
    end_at_once(bus, begun).await;
}

#[tokio::test(start_paused = true)]
async fn a_key_waits_for_itself_however_busy_other_keys_are() {
    let (begun, bus, (heard, notes)) = (Instant::now(), Bus::in_memory(), Notes::pair());
    let door = Door::closed();
    let busy = door.clone();
    let handler = move |delivery: Delivery| {
        let (notes, door) = (notes.clone(), busy.clone());
        async move {
            match delivery.key() {
                "busy" => door.pass().await,
                key if n(&delivery) == 0 => {
                    notes.add(
                        settled_inside(&delivery, "loop", key).await.map_err(|cycle| names(&cycle.path)),
                    );
                }
                _ => {}
            }
        }
    };
    bus.on("loop").name("keys").ordered_by_key().handle(handler).await.unwrap();
    bus.event(event("loop", 0)).key("busy").publish().await.unwrap();
    bus.event(event("loop", 0)).key("k").publish().await.unwrap();
    assert_eq!(heard.once_there_are(1).await, [Err(vec!["keys".to_owned()])]);
    door.open();
    end_at_once(bus, begun).await;
}

#[tokio::test(start_paused = true)]
async fn two_handlers_that_wait_for_each_others_outcomes_are_told() {
    let (begun, bus, (heard, notes)) = (Instant::now(), Bus::in_memory(), Notes::pair());
    for (name, other) in [("ask", "answer"), ("answer", "ask")] {
        let notes = notes.clone();
        // Both have a worker to spare, and it does not help: each waits for the very delivery that waits for it.
        let handler = move |delivery: Delivery| {
            let notes = notes.clone();
            async move {
                if delivery.correlation_id() == delivery.id() || name == "answer" {
                    let settled = settled_inside(&delivery, other, "k").await;
                    notes.add((name, settled.map(|all| all.len()).map_err(|cycle| names(&cycle.path))));
                }
            }
        };
        let on = bus.on(name).name(name);
        let on = if name == "ask" { on } else { on.concurrency(2) };
        on.handle(handler).await.unwrap();
    }
    bus.publish(event("ask", 0)).await.unwrap();
    let heard = heard.once_there_are(2).await;
    assert_eq!(heard[0], ("answer", Err(vec!["answer".to_owned(), "ask".to_owned()])));
    assert_eq!(heard[1], ("ask", Ok(1)));
    end_at_once(bus, begun).await;
}

#[tokio::test(start_paused = true)]
async fn a_loop_that_closes_when_the_last_worker_is_done_is_told_then() {
    let (begun, bus, (heard, notes)) = (Instant::now(), Bus::in_memory(), Notes::pair());
    let door = Door::closed();
    let busy = door.clone();
    let handler = move |delivery: Delivery| {
        let (notes, door) = (notes.clone(), busy.clone());
        async move {
            match n(&delivery) {
                // Waits for an event of a key that only it could make free; so far another worker is busy.
                0 => notes.add(told_of(delivery.bus().unwrap(), delivery.event()).await),
                2 => door.pass().await,
                _ => {}
            }
        }
    };
    async fn told_of(bus: Bus, _: &owlbus::Event) -> Result<usize, Vec<String>> {
        let child = bus.event(event("next", 1)).tracked().publish().await.unwrap();
        child.settled().await.map(|all| all.len()).map_err(|cycle| names(&cycle.path))
    }
    bus.on("loop").name("upper").concurrency(2).priority(1).handle(handler).await.unwrap();
    bus.on("**").name("lower").handle(|_: Delivery| async {}).await.unwrap();
    bus.publish(event("loop", 2)).await.unwrap();
    bus.publish(event("loop", 0)).await.unwrap();
    quiet().await;
    // The lower band holds the first event back, whose handler works, and behind it everything else.
    assert_eq!(heard.all(), []);
    door.open();
    assert_eq!(heard.once_there_are(1).await, [Err(vec!["upper".to_owned(), "lower".to_owned()])]);
    quiet().await;
    assert_eq!(stats_of(&bus, "lower").done, 3);
    end_at_once(bus, begun).await;
}

#[tokio::test(start_paused = true)]
async fn a_higher_handler_does_not_wait_for_a_lower_one_that_waits_for_it() {
    let (begun, bus, (heard, notes)) = (Instant::now(), Bus::in_memory(), Notes::pair());
    let handler = move |delivery: Delivery| {
        let notes = notes.clone();
        async move {
            if n(&delivery) == 0 {
                notes.add(told(delivery.publish(event("loop", 1)).await));
            }
        }
    };
    bus.on("loop").name("upper").priority(1).mailbox(10, BLOCK).handle(handler).await.unwrap();
    bus.on("loop").name("lower").mailbox(1, BLOCK).handle(|_: Delivery| async {}).await.unwrap();
    bus.publish(event("loop", 0)).await.unwrap();
    assert_eq!(heard.once_there_are(1).await, [cycle(&["upper", "lower"])]);
    quiet().await;
    assert_eq!((stats_of(&bus, "upper").done, stats_of(&bus, "lower").done), (1, 1));
    end_at_once(bus, begun).await;
}

#[tokio::test(start_paused = true)]
async fn a_task_the_handler_waits_for_is_known_by_the_handle_of_the_delivery() {
    let (begun, bus, (heard, notes)) = (Instant::now(), Bus::in_memory(), Notes::pair());
    let handler = move |delivery: Delivery| {
        let notes = notes.clone();
        async move {
            if n(&delivery) == 0 {
                let bus = delivery.bus().unwrap();
                let task = tokio::spawn(async move { told(bus.publish(event("loop", 1)).await) });
                notes.add(task.await.unwrap());
            }
        }
    };
    bus.on("loop").name("self").mailbox(1, BLOCK).handle(handler).await.unwrap();
    bus.publish(event("loop", 0)).await.unwrap();
    assert_eq!(heard.once_there_are(1).await, [cycle(&["self"])]);
    end_at_once(bus, begun).await;
}

#[tokio::test(start_paused = true)]
async fn the_handle_of_a_delivery_that_is_over_is_an_ordinary_one() {
    let (begun, bus, (heard, notes)) = (Instant::now(), Bus::in_memory(), Notes::pair());
    let (over, next) = (Door::closed(), Door::closed());
    let (over_too, next_too) = (over.clone(), next.clone());
    let handler = move |delivery: Delivery| {
        let (notes, over, next) = (notes.clone(), over_too.clone(), next_too.clone());
        async move {
            match n(&delivery) {
                0 => {
                    let bus = delivery.bus().unwrap();
                    tokio::spawn(async move {
                        over.pass().await;
                        notes.add(told(bus.publish(event("loop", 2)).await));
                    });
                }
                1 => next.pass().await,
                _ => {}
            }
        }
    };
    bus.on("loop").name("self").mailbox(1, BLOCK).handle(handler).await.unwrap();
    bus.publish(event("loop", 0)).await.unwrap();
    quiet().await;
    bus.publish(event("loop", 1)).await.unwrap();
    quiet().await;
    over.open();
    quiet().await;
    assert_eq!(heard.all(), [], "it waits like anybody");
    next.open();
    assert_eq!(heard.once_there_are(1).await, [published(1)]);
    end_at_once(bus, begun).await;
}

#[tokio::test(start_paused = true)]
async fn what_a_handler_spawns_by_itself_ends_with_its_timeout() {
    let (begun, bus, (heard, notes)) = (Instant::now(), Bus::in_memory(), Notes::pair());
    let publisher = bus.clone();
    let handler = move |delivery: Delivery| {
        let (notes, bus) = (notes.clone(), publisher.clone());
        async move {
            if n(&delivery) == 0 {
                let task = tokio::spawn(async move { told(bus.publish(event("loop", 1)).await) });
                notes.add(task.await.unwrap());
            }
        }
    };
    bus.on("loop").name("self").timeout(None).mailbox(1, BLOCK).handle(handler).await.unwrap();
    bus.publish(event("loop", 0)).await.unwrap();
    let wanted = Told::Published { matched: 1, dropped: vec!["self".to_owned()], unfinished: Vec::new() };
    assert_eq!(heard.once_there_are(1).await, [wanted]);
    assert_eq!(begun.elapsed(), Duration::from_secs(5));
    assert_eq!(stats_of(&bus, "self").dropped.block_timeout, 1);
    end(bus).await;
}

#[tokio::test]
async fn a_blocking_handler_is_told_too() {
    let (bus, (heard, notes)) = (Bus::in_memory(), Notes::pair());
    let handler = move |delivery: Delivery| {
        if n(&delivery) == 0 {
            let bus = delivery.bus().unwrap();
            notes.add(told(bus.publish_blocking(event("loop", 1))));
        }
    };
    bus.on("loop").name("blocking").mailbox(1, BLOCK).handle_blocking(handler).await.unwrap();
    bus.publish(event("loop", 0)).await.unwrap();
    assert_eq!(heard.once_there_are(1).await, [cycle(&["blocking"])]);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn an_unsubscribed_loop_goes_on() {
    let (begun, bus, (heard, notes)) = (Instant::now(), Bus::in_memory(), Notes::pair());
    let busy = Door::closed();
    let door = busy.clone();
    let slow = move |_: Delivery| {
        let door = door.clone();
        async move { door.pass().await }
    };
    let slow = bus.on("slow").name("slow").mailbox(1, BLOCK).handle(slow).await.unwrap();
    let handler = move |delivery: Delivery| {
        let notes = notes.clone();
        async move { notes.add(told(delivery.publish(event("slow", 1)).await)) }
    };
    bus.on("fast").name("fast").handle(handler).await.unwrap();
    bus.publish(event("slow", 0)).await.unwrap();
    bus.publish(event("fast", 0)).await.unwrap();
    quiet().await;
    slow.unsubscribe();
    assert_eq!(heard.once_there_are(1).await, [published(0)]);
    busy.open();
    end_at_once(bus, begun).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_that_publishes_to_itself_always_comes_to_an_end() {
    let bus = Bus::in_memory();
    for name in ["a", "b", "c"] {
        let handler = move |delivery: Delivery| async move {
            let depth = n(&delivery);
            if depth > 0 {
                for topic in ["a", "b", "c"] {
                    // Whatever comes of it, it comes.
                    drop(delivery.publish(event(topic, depth - 1)).await);
                }
            }
        };
        bus.on(name).name(name).mailbox(4, BLOCK).concurrency(2).handle(handler).await.unwrap();
    }
    let begun = std::time::Instant::now();
    for round in 0..20 {
        bus.publish(event(["a", "b", "c"][round % 3], 4)).await.unwrap();
    }
    let report = bus.shutdown().await;
    common::assert_conserved(&bus);
    assert!(report.undelivered.is_empty(), "{report:?}");
    // The first timeout would have taken that long.
    assert!(begun.elapsed() < Duration::from_secs(5), "somebody waited for a timeout: {:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn however_many_wait_for_each_other_it_is_told_at_once() {
    let (begun, bus, (heard, notes)) = (Instant::now(), Bus::in_memory(), Notes::pair());
    let door = Door::closed();
    let workers = 16;
    for (name, other) in [("ping", "pong"), ("pong", "ping")] {
        let (notes, door) = (notes.clone(), door.clone());
        let handler = move |delivery: Delivery| {
            let (notes, door) = (notes.clone(), door.clone());
            async move {
                if n(&delivery) == 0 {
                    door.pass().await;
                    notes.add(matches!(told(delivery.publish(event(other, 1)).await), Told::Cycle(_)));
                }
            }
        };
        bus.on(name).name(name).concurrency(workers).mailbox(workers, BLOCK).handle(handler).await.unwrap();
        for _ in 0..workers {
            bus.publish(event(name, 0)).await.unwrap();
        }
    }
    quiet().await;
    door.open();
    let heard = heard.once_there_are(2 * workers).await;
    assert!(heard.contains(&true), "the last of them closes the loop");
    end_at_once(bus, begun).await;
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_outlives_its_delivery_is_nobodys() {
    let (bus, (heard, notes), door) = (Bus::in_memory(), Notes::pair(), Door::closed());
    let busy = door.clone();
    let first = move |delivery: Delivery| {
        let door = busy.clone();
        async move {
            if n(&delivery) == 0 {
                let bus = delivery.bus().unwrap();
                // Nobody waits for it.
                tokio::spawn(async move { bus.publish(event("full", 2)).await.map(drop) });
            } else {
                door.pass().await;
            }
        }
    };
    bus.on("first").name("first").mailbox(2, BLOCK).handle(first).await.unwrap();
    let full = move |delivery: Delivery| {
        let notes = notes.clone();
        async move {
            if n(&delivery) == 1 {
                tokio::time::sleep(Duration::from_secs(1)).await; // sleeps: on the paused clock.
                notes.add(told(delivery.publish(event("first", 3)).await));
            }
        }
    };
    bus.on("full").name("full").mailbox(1, BLOCK).handle(full).await.unwrap();
    bus.publish(event("full", 1)).await.unwrap();
    bus.publish(event("first", 0)).await.unwrap();
    quiet().await;
    for number in 1..=2 {
        bus.publish(event("first", number)).await.unwrap();
    }
    tokio::time::sleep(Duration::from_secs(2)).await; // sleeps: the same.
    assert_eq!(heard.all(), [], "`first` is busy, and will make room");
    door.open();
    assert_eq!(heard.once_there_are(1).await, [published(1)]);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn a_paused_subscription_may_be_resumed() {
    let (bus, (heard, notes)) = (common::patient_bus(), Notes::pair());
    let upper = bus.on("loop").name("upper").priority(1).handle(|_: Delivery| async {}).await.unwrap();
    let handler = move |delivery: Delivery| {
        let notes = notes.clone();
        async move {
            if n(&delivery) == 0 {
                notes.add(settled_inside(&delivery, "loop", "k").await.map(|all| all.len()));
            }
        }
    };
    let lower = bus.on("loop").name("lower").concurrency(2).handle(handler).await.unwrap();
    let door = bus.publish(event("loop", 0));
    door.await.unwrap();
    upper.pause();
    lower.pause();
    tokio::time::sleep(Duration::from_secs(9)).await; // sleeps: on the paused clock.
    upper.resume();
    lower.resume();
    assert_eq!(heard.once_there_are(1).await, [Ok(2)]);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn a_first_attempt_is_all_an_urgent_publish_waits_for() {
    let (bus, (heard, notes), door) = (Bus::in_memory(), Notes::pair(), Door::closed());
    let asks = {
        let notes = notes.clone();
        move |delivery: Delivery| {
            let notes = notes.clone();
            async move {
                if n(&delivery) == 0 {
                    let bus = delivery.bus().unwrap();
                    let urgent = bus.event(event("urgent", 1)).priority(Priority::Immediate);
                    notes.add(("asks", told(urgent.publish().await)));
                }
            }
        }
    };
    bus.on("asks").name("asks").mailbox(1, BLOCK).handle(asks).await.unwrap();
    let flaky = move |delivery: Delivery| {
        let notes = notes.clone();
        async move {
            if delivery.attempt() == 1 {
                return Err(owlbus::HandlerError::temporary("not now"));
            }
            notes.add(("flaky", told(delivery.publish(event("asks", 2)).await)));
            Ok(())
        }
    };
    let retry = owlbus::settle::Retry::fixed(Duration::from_millis(20));
    bus.on("urgent").name("flaky").retry(retry).handle(flaky).await.unwrap();
    let slow = door.clone();
    let slow = move |_: Delivery| {
        let door = slow.clone();
        async move { door.pass().await }
    };
    bus.on("urgent").name("slow").handle(slow).await.unwrap();
    bus.publish(event("asks", 0)).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await; // sleeps: on the paused clock.
    assert_eq!(heard.all(), [], "`flaky` waits for `asks`, which waits for `slow` only");
    door.open();
    assert_eq!(heard.once_there_are(2).await, [("asks", published(2)), ("flaky", published(1))]);
    end(bus).await;
}
