//! An event that comes twice is published once, also where both come at once; and what was not published the first time is no
//! duplicate the second.

mod common;

use std::{sync::Arc, time::Duration};

use common::{Door, end, event, listen, n, quiet};
use owlbus::{
    Bus, Delivery, Event, Overflow, PublishError, Receipt,
    middleware::{AcceptNext, Dedup, Filter, around_accept, before_accept},
};

fn bus(dedup: Dedup) -> Bus {
    Bus::builder().source("here").middleware(dedup).build().expect("its name is alone")
}

/// An event with an id of its own.
fn event_of(id: &str, topic: &str, n: u64) -> Event {
    Event::builder(event(topic, n)).id(id).build().expect("the fields are right")
}

fn keyed(key: &str, topic: &str, n: u64) -> Event {
    Event::builder(event(topic, n)).key(key).build().expect("the fields are right")
}

async fn is_duplicate(bus: &Bus, event: Event) -> bool {
    bus.publish(event).await.expect("nothing is refused").duplicate
}

/// A middleware further in at which every event waits for the door, and is refused where its number is 0.
fn gate(bus: &Bus, door: &Door) {
    let door = door.clone();
    let gate = around_accept("gate", move |event: Event, next: AcceptNext| {
        let door = door.clone();
        async move {
            door.pass().await;
            match n(&event) {
                0 => next.refuse(event, "none"),
                _ => next.run(event).await,
            }
        }
    });
    bus.add_middleware(gate.priority(-1)).expect("its name is alone");
}

fn is_refused(result: Result<Receipt, PublishError>, by: &str, reason: &str) {
    match result {
        Err(PublishError::Rejected { by: who, reason: why, .. }) => {
            assert_eq!(&*who, by);
            assert!(why.contains(reason), "{why}");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn the_second_is_dropped_and_its_publisher_knows_the_first() {
    let bus = bus(Dedup::new());
    let heard = listen(&bus, "**").await;
    let first = bus.publish(event_of("a", "order.paid", 1)).await.unwrap();
    assert!(!first.duplicate && first.matched == Some(1));
    let second = bus.publish(event_of("a", "order.paid", 2)).await.unwrap();
    assert_eq!((second.duplicate, second.seq, second.matched), (true, first.seq, Some(0)));
    assert_eq!(second.discarded_by.as_deref(), Some("dedup"));
    // Another id, and the same id of another source.
    assert!(!is_duplicate(&bus, event_of("b", "order.paid", 3)).await);
    let elsewhere = Event::builder(event_of("a", "order.paid", 4)).source("there").build().unwrap();
    assert!(!is_duplicate(&bus, elsewhere.clone()).await);
    assert!(is_duplicate(&bus, elsewhere).await);
    quiet().await;
    assert_eq!(heard.all().iter().map(n).collect::<Vec<_>>(), [1, 3, 4]);
    assert_eq!(bus.middleware()[0].dropped, 2);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_the_same_can_be_said() {
    let keys = bus(Dedup::new().by_key().on("order.*").unwrap());
    assert!(!is_duplicate(&keys, keyed("7", "order.paid", 1)).await);
    assert!(is_duplicate(&keys, keyed("7", "order.paid", 2)).await);
    assert!(!is_duplicate(&keys, keyed("7", "order.sent", 1)).await);
    // Without a key of its own no event is another's duplicate, and other topics are none of its business.
    for topic in ["order.paid", "user.left"] {
        assert!(!is_duplicate(&keys, event(topic, 1)).await && !is_duplicate(&keys, event(topic, 1)).await);
    }
    assert!(!is_duplicate(&keys, keyed("7", "user.left", 1)).await);
    assert!(!is_duplicate(&keys, keyed("7", "user.left", 1)).await);
    end(keys).await;

    let function = |event: &Event| (n(event) > 0).then(|| n(event).to_string());
    let function = bus(Dedup::new().by(function));
    for (n, duplicate) in [(1, false), (2, false), (1, true), (0, false), (0, false)] {
        assert_eq!(is_duplicate(&function, event("a", n)).await, duplicate);
    }
    end(function).await;
}

#[tokio::test(start_paused = true)]
async fn it_remembers_so_many_in_so_many_bytes_for_so_long() {
    let counted = bus(Dedup::new().events(3).time(None));
    for id in ["a", "b", "c"] {
        assert!(!is_duplicate(&counted, event_of(id, "x", 1)).await);
    }
    assert!(is_duplicate(&counted, event_of("a", "x", 1)).await, "the third has still room");
    assert!(!is_duplicate(&counted, event_of("d", "x", 1)).await);
    assert!(
        !is_duplicate(&counted, event_of("a", "x", 1)).await,
        "it was the oldest, and `d` took its place"
    );
    assert!(is_duplicate(&counted, event_of("c", "x", 1)).await);
    end(counted).await;

    let timed = bus(Dedup::new().time(Duration::from_secs(10)));
    assert!(!is_duplicate(&timed, event_of("a", "x", 1)).await);
    for _ in 0..3 {
        tokio::time::advance(Duration::from_secs(3)).await;
        assert!(is_duplicate(&timed, event_of("a", "x", 1)).await);
    }
    tokio::time::advance(Duration::from_secs(1)).await;
    assert!(!is_duplicate(&timed, event_of("a", "x", 1)).await, "duplicates prolong nothing");
    end(timed).await;

    let long = "l".repeat(1_000);
    let small = bus(Dedup::new().bytes(2_500));
    assert!(!is_duplicate(&small, event_of(&format!("{long}1"), "x", 1)).await);
    assert!(!is_duplicate(&small, event_of(&format!("{long}2"), "x", 1)).await);
    assert!(is_duplicate(&small, event_of(&format!("{long}1"), "x", 1)).await);
    assert!(!is_duplicate(&small, event_of(&format!("{long}3"), "x", 1)).await);
    assert!(!is_duplicate(&small, event_of(&format!("{long}1"), "x", 1)).await);
    end(small).await;
}

#[tokio::test(start_paused = true)]
async fn what_was_not_published_may_come_again() {
    let bus = bus(Dedup::new());
    let door = Door::closed();
    let wait = door.clone();
    let handler = move |_: Delivery| {
        let wait = wait.clone();
        async move { wait.pass().await }
    };
    bus.on("full").name("full").mailbox(1, Overflow::Reject).handle(handler).await.unwrap();
    bus.publish(event_of("a", "full", 1)).await.unwrap();
    // Refused by the bus.
    assert!(matches!(bus.publish(event_of("b", "full", 2)).await, Err(PublishError::Full { .. })));
    door.open();
    quiet().await;
    assert!(!is_duplicate(&bus, event_of("b", "full", 2)).await);
    assert!(is_duplicate(&bus, event_of("b", "full", 2)).await);

    // Refused by another middleware, and dropped by one: nobody got it.
    let refuses = before_accept("no", |_: Event| Err::<Event, _>("no")).priority(-1);
    bus.add_middleware(refuses).unwrap();
    is_refused(bus.publish(event_of("c", "x", 1)).await, "no", "no");
    assert!(bus.remove_middleware("no"));
    bus.add_middleware(Filter::new().deny("x").unwrap().priority(-1)).unwrap();
    assert_eq!(bus.publish(event_of("c", "x", 1)).await.unwrap().discarded_by.as_deref(), Some("filter"));
    assert!(bus.remove_middleware("filter"));
    assert!(!is_duplicate(&bus, event_of("c", "x", 1)).await);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn where_two_come_at_once_the_first_decides() {
    let bus = bus(Dedup::new());
    let heard = listen(&bus, "**").await;
    let door = Door::closed();
    gate(&bus, &door);
    let publish = |event: Event| {
        let bus = bus.clone();
        tokio::spawn(async move { bus.publish(event).await })
    };
    // The first comes through.
    let (first, second) = (publish(event_of("a", "x", 1)), publish(event_of("a", "x", 2)));
    quiet().await;
    assert_eq!(door.came(), 1, "the second waits for the first");
    door.let_through(1);
    let first = first.await.unwrap().unwrap();
    let second = second.await.unwrap().unwrap();
    assert_eq!((first.duplicate, second.duplicate, second.seq), (false, true, first.seq));
    // The first is refused, so the second goes on, and is the first of the third.
    let (first, second) = (publish(event_of("b", "x", 0)), publish(event_of("b", "x", 3)));
    quiet().await;
    let third = publish(event_of("b", "x", 4));
    quiet().await;
    door.let_through(2);
    is_refused(first.await.unwrap(), "gate", "none");
    let (second, third) = (second.await.unwrap().unwrap(), third.await.unwrap().unwrap());
    assert_eq!((second.duplicate, third.duplicate, third.seq), (false, true, second.seq));
    // The first is given up.
    let (first, second) = (publish(event_of("c", "x", 5)), publish(event_of("c", "x", 6)));
    quiet().await;
    first.abort();
    quiet().await;
    door.let_through(1);
    assert!(!second.await.unwrap().unwrap().duplicate);
    quiet().await;
    assert_eq!(heard.all().iter().map(n).collect::<Vec<_>>(), [1, 3, 6]);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn a_publisher_that_waits_for_room_keeps_no_duplicate_waiting() {
    let bus = bus(Dedup::new());
    let door = Door::closed();
    let wait = door.clone();
    let handler = move |_: Delivery| {
        let wait = wait.clone();
        async move { wait.pass().await }
    };
    let block = Overflow::Block { timeout: Duration::from_secs(60) };
    bus.on("x").name("slow").mailbox(1, block).timeout(None).handle(handler).await.unwrap();
    bus.publish(event_of("a", "x", 1)).await.unwrap();
    let waits = tokio::spawn({
        let bus = bus.clone();
        async move { bus.publish(event_of("b", "x", 2)).await }
    });
    quiet().await;
    assert!(!waits.is_finished());
    let begun = tokio::time::Instant::now();
    assert!(is_duplicate(&bus, event_of("b", "x", 3)).await);
    assert_eq!(begun.elapsed(), Duration::ZERO);
    door.open();
    assert!(!waits.await.unwrap().unwrap().duplicate);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_forgotten_while_its_publisher_waits_is_the_next_ones() {
    // It remembers nothing, so only what is on its way is known.
    let bus = bus(Dedup::new().events(0));
    let (handled, gated) = (Door::closed(), Door::closed());
    let wait = handled.clone();
    let handler = move |_: Delivery| {
        let wait = wait.clone();
        async move { wait.pass().await }
    };
    bus.on("x").mailbox(1, Overflow::default()).timeout(None).handle(handler).await.unwrap();
    bus.publish(event_of("a", "x", 1)).await.unwrap();
    let publish = |n| {
        let bus = bus.clone();
        tokio::spawn(
            async move { bus.publish(event_of("b", "x", n)).await.expect("it is accepted").duplicate },
        )
    };
    let first = publish(1);
    quiet().await;
    gate(&bus, &gated);
    // The second has the place of the first, which has not ended; and keeps it when that ends.
    let second = publish(2);
    quiet().await;
    handled.open();
    assert!(!first.await.unwrap());
    let third = publish(3);
    quiet().await;
    assert_eq!(gated.came(), 1, "the third waits for the second");
    gated.open();
    assert!(!second.await.unwrap() && !third.await.unwrap());
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_ever() {
    let bus = bus(Dedup::new());
    let door = Door::closed();
    gate(&bus, &door);
    let first = tokio::spawn({
        let bus = bus.clone();
        async move { bus.publish(event_of("a", "x", 1)).await }
    });
    quiet().await;
    let begun = tokio::time::Instant::now();
    is_refused(bus.publish(event_of("a", "x", 2)).await, "dedup", "is still being published");
    assert_eq!(begun.elapsed(), Duration::from_secs(5));
    // Who does not wait is told that he would have to.
    is_refused(bus.try_publish(event_of("a", "x", 3)), "dedup", "it waits");
    door.open();
    assert!(!first.await.unwrap().unwrap().duplicate);
    assert!(bus.try_publish(event_of("a", "x", 4)).unwrap().duplicate);
    end(bus).await;
}

#[test]
fn who_publishes_an_event_again_while_it_is_published_is_told_at_once() {
    // No runtime is there, so whoever waited here would wait for himself.
    let bus = bus(Dedup::new());
    let (told, receipts) = common::Notes::pair();
    let again = Arc::new(std::sync::OnceLock::<Bus>::new());
    let handle = Arc::clone(&again);
    bus.on("x")
        .inline_now(move |event: &Event| {
            let bus = handle.get().expect("it is there before the event is");
            receipts.add(bus.publish_blocking(event.clone()).expect("it is a duplicate"));
        })
        .unwrap();
    assert!(again.set(bus.clone()).is_ok());
    let first = bus.publish_blocking(event_of("a", "x", 1)).unwrap();
    assert_eq!((first.duplicate, first.matched), (false, Some(1)));
    let second = told.all().remove(0);
    assert_eq!((second.duplicate, second.seq), (true, first.seq));
}

#[test]
fn a_thread_that_is_held_up_hears_of_the_first_too() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("it is one");
    let bus = bus(Dedup::new());
    let door = Door::closed();
    gate(&bus, &door);
    let first = runtime.spawn({
        let bus = bus.clone();
        async move { bus.publish(event_of("a", "x", 1)).await }
    });
    // The first is under way, and nothing moves it: no runtime runs.
    runtime.block_on(quiet());
    let second = std::thread::spawn({
        let bus = bus.clone();
        move || bus.publish_blocking(event_of("a", "x", 2))
    });
    door.open();
    let first = runtime.block_on(first).unwrap().unwrap();
    let second = second.join().unwrap().unwrap();
    assert_eq!((first.duplicate, second.duplicate, second.seq), (false, true, first.seq));
}

#[tokio::test(start_paused = true)]
async fn what_is_planned_is_known_from_then_on() {
    let bus = bus(Dedup::new());
    let heard = listen(&bus, "x").await;
    let later = |n| bus.event(event_of("a", "x", n)).delay(Duration::from_secs(60)).publish();
    assert!(!later(1).await.unwrap().duplicate);
    assert!(later(2).await.unwrap().duplicate);
    assert!(is_duplicate(&bus, event_of("a", "x", 3)).await);
    tokio::time::advance(Duration::from_secs(61)).await;
    quiet().await;
    assert_eq!(heard.all().iter().map(n).collect::<Vec<_>>(), [1]);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn what_answers_nothing_of_identity_refuses_and_shows_nothing() {
    let dedup = Dedup::new().by(|event| match n(event) {
        13 => panic!("unlucky"),
        n => Some(format!("secret {n}")),
    });
    let bus = bus(dedup);
    is_refused(bus.publish(event("x", 13)).await, "dedup", "panicked: unlucky");
    assert!(!is_duplicate(&bus, event("x", 1)).await && is_duplicate(&bus, event("x", 1)).await);
    assert!(!format!("{:?}", Dedup::new().by(|_| Some("secret".into()))).contains("secret"));
    end(bus).await;
}
