//! The promise: a subscription can have the events of a key thinned out, to the latest once the key is quiet, or to one in a
//! time; what is left out is counted, and whoever tracks it is told.

#![expect(clippy::unwrap_used, reason = "a test that unwraps the wrong thing fails, as it should")]

mod common;

use std::time::Duration;

use common::{Door, Notes, end, event, n, patient_bus, quiet, stats_of};
use owlbus::{
    Bus, Delivery, Event, Overflow, Priority, Received, SubscribeError,
    handle::{Band, Keep, On},
    settle::{HandlerError, Retry, Settlement},
};
use tokio::time::Instant;

const SECOND: Duration = Duration::from_secs(1);

/// The key of an event, its number, and the second it was handled in.
type Heard = Notes<(String, u64, u64)>;

async fn after(seconds: u64) {
    tokio::time::sleep(SECOND * seconds as u32).await; // sleeps: on the paused clock.
}

/// Subscribes as `on` says under the name `paced`, and notes what comes.
async fn hear(on: On<'_>) -> Heard {
    let ((heard, notes), begun) = (Notes::pair(), Instant::now());
    let handler = move |delivery: Delivery| {
        notes.add((delivery.key().to_owned(), n(&delivery), begun.elapsed().as_secs()));
        async {}
    };
    on.name("paced").handle(handler).await.unwrap();
    heard
}

async fn publish(bus: &Bus, key: &str, number: u64) {
    let receipt = bus.event(event("a", number)).key(key).publish().await.unwrap();
    assert_eq!((receipt.matched, receipt.dropped.map(|names| names.len())), (Some(1), Some(0)));
}

fn heard(key: &str, number: u64, second: u64) -> (String, u64, u64) {
    (key.to_owned(), number, second)
}

#[tokio::test(start_paused = true)]
async fn the_latest_of_a_key_comes_once_it_is_quiet() {
    let bus = Bus::in_memory();
    let notes = hear(bus.on("a").debounce(SECOND * 3)).await;
    publish(&bus, "x", 1).await;
    after(2).await;
    publish(&bus, "x", 2).await;
    publish(&bus, "y", 3).await;
    after(2).await;
    publish(&bus, "x", 4).await;
    let stats = stats_of(&bus, "paced");
    assert_eq!((stats.matched, stats.coalesced, stats.paced, stats.queued), (4, 2, 2, 0));
    assert!(stats.is_conserved() && notes.all().is_empty());
    assert_eq!(notes.once_there_are(2).await, [heard("y", 3, 5), heard("x", 4, 7)]);
    publish(&bus, "x", 5).await;
    assert_eq!(notes.once_there_are(3).await[2], heard("x", 5, 10));
    let stats = stats_of(&bus, "paced");
    assert_eq!((stats.matched, stats.done, stats.coalesced, stats.pending()), (5, 3, 2, 0));
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_never_quiet_comes_when_it_has_waited_long_enough() {
    let bus = Bus::in_memory();
    let notes = hear(bus.on("a").debounce(SECOND * 3).debounce_at_most(SECOND * 13 / 2)).await;
    for second in 0..20 {
        publish(&bus, "x", second).await;
        after(1).await;
    }
    // It begins anew with the event after that.
    assert_eq!(notes.once_there_are(3).await, [heard("x", 6, 6), heard("x", 13, 13), heard("x", 19, 20)]);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn the_first_of_a_key_within_a_time_comes_at_once() {
    let bus = Bus::in_memory();
    let notes = hear(bus.on("a").throttle(SECOND * 5, Keep::First)).await;
    for second in 0..12 {
        publish(&bus, "x", second).await;
        publish(&bus, if second < 7 { "y" } else { "z" }, 100 + second).await;
        after(1).await;
    }
    let wanted = [("x", 0), ("y", 100), ("x", 5), ("y", 105), ("z", 107), ("x", 10)];
    let wanted = wanted.map(|(key, number)| heard(key, number, number % 100));
    assert_eq!(notes.all(), wanted);
    let stats = stats_of(&bus, "paced");
    assert_eq!((stats.matched, stats.done, stats.coalesced, stats.paced), (24, 6, 18, 0));
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn the_latest_of_a_key_within_a_time_comes_at_its_end() {
    let bus = Bus::in_memory();
    let notes = hear(bus.on("a").throttle(SECOND * 9 / 2, Keep::Latest)).await;
    for second in 0..12 {
        publish(&bus, "x", second).await;
        after(1).await;
    }
    assert_eq!(notes.once_there_are(2).await, [heard("x", 4, 4), heard("x", 9, 9)]);
    assert_eq!(notes.once_there_are(3).await[2], heard("x", 11, 14));
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn an_event_without_a_key_has_its_topic_for_one() {
    let bus = Bus::in_memory();
    let notes = hear(bus.on("*").debounce(SECOND)).await;
    for (topic, number) in [("a", 1), ("b", 2), ("a", 3)] {
        bus.publish(event(topic, number)).await.unwrap();
    }
    assert_eq!(notes.once_there_are(2).await, [heard("b", 2, 1), heard("a", 3, 1)]);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn whoever_tracks_an_event_learns_that_another_stands_for_it() {
    let bus = Bus::in_memory();
    bus.on("a").name("latest").debounce(SECOND).handle(|_: Delivery| async {}).await.unwrap();
    bus.on("a").name("first").throttle(SECOND, Keep::First).handle(|_: Delivery| async {}).await.unwrap();
    let publish = |number| bus.event(event("a", number)).tracked().publish();
    let (first, second) = (publish(1).await.unwrap(), publish(2).await.unwrap());
    let settlements = |settled: Vec<owlbus::settle::Settled>| {
        settled.into_iter().map(|one| (one.subscription.to_string(), one.settlement)).collect::<Vec<_>>()
    };
    let of = |latest, first| [("latest".to_owned(), latest), ("first".to_owned(), first)];
    let begun = Instant::now();
    assert_eq!(settlements(first.settled().await.unwrap()), of(Settlement::Coalesced, Settlement::Done));
    assert_eq!(begun.elapsed(), Duration::ZERO, "it is known at once");
    assert_eq!(settlements(second.settled().await.unwrap()), of(Settlement::Done, Settlement::Coalesced));
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn an_immediate_event_goes_at_once_and_stands_for_the_one_before() {
    let bus = Bus::in_memory();
    let notes = hear(bus.on("a").debounce(SECOND * 3)).await;
    publish(&bus, "x", 1).await;
    publish(&bus, "y", 2).await;
    let urgent = |number| bus.event(event("a", number)).key("x").priority(Priority::Immediate);
    let receipt = urgent(3).publish().await.unwrap();
    assert!(receipt.unfinished.is_empty());
    urgent(4).publish().await.unwrap();
    assert_eq!(notes.once_there_are(3).await, [heard("x", 3, 0), heard("x", 4, 0), heard("y", 2, 3)]);
    assert_eq!(stats_of(&bus, "paced").coalesced, 1);
    end(bus).await;

    let bus = Bus::in_memory();
    let notes = hear(bus.on("a").throttle(SECOND * 3, Keep::First)).await;
    publish(&bus, "x", 1).await;
    bus.event(event("a", 2)).key("x").priority(Priority::Immediate).publish().await.unwrap();
    publish(&bus, "x", 3).await;
    assert_eq!(notes.once_there_are(2).await, [heard("x", 2, 0), heard("x", 1, 0)], "it overtakes");
    assert_eq!(stats_of(&bus, "paced").coalesced, 1);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn newer_events_take_the_place_of_one_that_waits_for_a_worker() {
    let (bus, door) = (patient_bus(), Door::closed());
    let ((heard, notes), busy) = (Notes::pair(), door.clone());
    let handler = move |delivery: Delivery| {
        notes.add(n(&delivery));
        let door = busy.clone();
        async move { door.pass().await }
    };
    bus.on("a").name("paced").debounce(SECOND).handle(handler).await.unwrap();
    publish(&bus, "x", 1).await;
    after(5).await;
    publish(&bus, "y", 2).await;
    after(5).await;
    publish(&bus, "y", 3).await;
    after(5).await;
    let stats = stats_of(&bus, "paced");
    assert_eq!((stats.running, stats.paced, stats.coalesced), (1, 1, 1));
    door.open();
    assert_eq!(heard.once_there_are(2).await, [1, 3]);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn an_idle_worker_minds_the_time_while_others_are_busy() {
    let (bus, door) = (patient_bus(), Door::closed());
    let ((heard, notes), busy) = (Notes::pair(), door.clone());
    let handler = move |delivery: Delivery| {
        notes.add(n(&delivery));
        let door = busy.clone();
        async move { door.pass().await }
    };
    bus.on("a").name("paced").debounce(SECOND).concurrency(3).handle(handler).await.unwrap();
    for number in 1..=2 {
        publish(&bus, &number.to_string(), number).await;
        assert_eq!(heard.once_there_are(number as usize).await.len(), number as usize);
    }
    publish(&bus, "3", 3).await;
    // One worker is at the first event, one at the second: the third minds the time of this one.
    assert_eq!(heard.once_there_are(3).await, [1, 2, 3]);
    door.open();
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn whoever_minds_the_time_is_followed_by_another() {
    let (bus, door) = (patient_bus(), Door::closed());
    let ((heard, notes), busy) = (Notes::pair(), door.clone());
    let handler = move |delivery: Delivery| {
        notes.add(n(&delivery));
        let door = busy.clone();
        async move { door.pass().await }
    };
    bus.on("a").name("paced").debounce(SECOND).concurrency(2).handle(handler).await.unwrap();
    quiet().await;
    publish(&bus, "x", 1).await;
    quiet().await;
    bus.event(event("a", 2)).key("y").priority(Priority::Immediate).try_publish().unwrap();
    assert_eq!(heard.once_there_are(2).await, [2, 1], "one worker is busy for ever");
    door.open();
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_due_is_not_kept_out_by_those_who_wait_for_room() {
    let bus = patient_bus();
    let (heard, notes) = Notes::pair();
    let handler = move |delivery: Delivery| {
        notes.add(n(&delivery));
        after(1)
    };
    let block = Overflow::Block { timeout: SECOND * 600 };
    bus.on("a").name("paced").mailbox(3, block).debounce(SECOND).handle(handler).await.unwrap();
    publish(&bus, "x", 0).await;
    let publishers: Vec<_> = (1..=30)
        .map(|number| {
            let urgent = bus.clone();
            tokio::spawn(async move {
                let high = event("a", number);
                urgent.event(high).key(number.to_string()).priority(Priority::High).publish().await.unwrap()
            })
        })
        .collect();
    tokio::time::sleep(SECOND / 2).await; // sleeps: on the paused clock.
    publish(&bus, "x", 0).await;
    heard.once_there_are(31).await;
    let place = heard.all().iter().position(|number| *number == 0).unwrap();
    assert!(place < 13, "it is served within 13 starts, and not as number {place}");
    for publisher in publishers {
        publisher.await.unwrap();
    }
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn the_lane_the_order_of_keys_and_retries_are_as_ever() {
    let bus = Bus::builder().paused().build().unwrap();
    let (heard, notes) = Notes::pair();
    let handler = move |delivery: Delivery| {
        notes.add((n(&delivery), delivery.attempt()));
        let again = delivery.attempt() == 1 && n(&delivery) == 3;
        async move { if again { Err(HandlerError::temporary("not yet")) } else { Ok(()) } }
    };
    let on = bus.on("a").name("paced").debounce(SECOND).retry(Retry::fixed(SECOND)).ordered_by_key();
    on.concurrency(1).handle(handler).await.unwrap();
    for (number, lane) in [(1, Priority::Deferred), (2, Priority::Normal), (3, Priority::High)] {
        let key = number.to_string();
        bus.event(event("a", number)).key(key).priority(lane).publish().await.unwrap();
    }
    after(3).await;
    bus.resume();
    assert_eq!(heard.once_there_are(4).await, [(3, 1), (2, 1), (1, 1), (3, 2)]);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_due_at_once_comes_in_one_batch() {
    let bus = Bus::in_memory();
    let ((heard, notes), begun) = (Notes::pair(), Instant::now());
    let handler = move |batch: Vec<Delivery>| {
        notes.add((batch.iter().map(|delivery| n(delivery)).collect::<Vec<_>>(), begun.elapsed()));
        async {}
    };
    let on = bus.on("a").name("paced").debounce(SECOND).batch(2, SECOND / 10);
    on.handle_batch(handler).await.unwrap();
    for (key, number) in [("x", 1), ("y", 2), ("x", 3), ("z", 4)] {
        publish(&bus, key, number).await;
    }
    let wanted = [(vec![2, 3], SECOND), (vec![4], SECOND * 11 / 10)];
    assert_eq!(heard.once_there_are(2).await, wanted);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_in_a_lower_band_for_an_event_that_is_kept() {
    let bus = Bus::in_memory();
    let kept = hear(bus.on("a").priority(Band::HIGH).debounce(SECOND * 5)).await;
    let (low, notes) = Notes::pair();
    let begun = Instant::now();
    let handler = move |_: Delivery| {
        notes.add(begun.elapsed());
        async {}
    };
    bus.on("a").name("low").priority(Band::LOW).handle(handler).await.unwrap();
    bus.publish(event("a", 1)).await.unwrap();
    assert_eq!(low.once_there_are(1).await, [Duration::ZERO]);
    assert_eq!(kept.once_there_are(1).await, [heard("a", 1, 5)]);
    assert_eq!(stats_of(&bus, "low").band_timeouts, 0);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn one_that_is_kept_in_a_lower_band_still_waits_for_those_above() {
    let (bus, door) = (patient_bus(), Door::closed());
    let busy = door.clone();
    let high = move |_: Delivery| {
        let door = busy.clone();
        async move { door.pass().await }
    };
    bus.on("a").name("high").priority(Band::HIGH).handle(high).await.unwrap();
    let kept = hear(bus.on("a").debounce(SECOND)).await;
    bus.publish(event("a", 1)).await.unwrap();
    after(10).await;
    assert!(kept.all().is_empty(), "the higher band is at it");
    door.open();
    assert_eq!(kept.once_there_are(1).await, [heard("a", 1, 10)]);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn an_event_whose_time_is_over_while_it_is_kept_is_expired() {
    let bus = Bus::in_memory();
    let notes = hear(bus.on("a").debounce(SECOND * 5)).await;
    bus.event(event("a", 1)).ttl(SECOND * 2).publish().await.unwrap();
    publish(&bus, "x", 2).await;
    assert_eq!(notes.once_there_are(1).await, [heard("x", 2, 5)]);
    quiet().await;
    assert_eq!(stats_of(&bus, "paced").expired, 1);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn a_stream_gets_what_is_left() {
    let bus = Bus::in_memory();
    let mut stream = bus.on("a").name("paced").throttle(SECOND, Keep::Latest).stream().await.unwrap();
    for number in 1..=3 {
        publish(&bus, "x", number).await;
    }
    let begun = Instant::now();
    let Some(Received::Event(event)) = stream.next().await else { panic!("there is an event") };
    assert_eq!((n(&event), begun.elapsed()), (3, SECOND));
    stream.done();
    end(bus).await;
}

#[test]
fn a_stream_that_is_read_without_a_clock_gets_it_when_it_asks() {
    let bus = Bus::in_memory();
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let mut made = Box::pin(bus.on("a").name("paced").debounce(SECOND * 3600).stream());
    let std::task::Poll::Ready(stream) = made.as_mut().poll(&mut context) else { panic!("it does not wait") };
    drop(made);
    let mut stream = stream.unwrap();
    for number in 1..=3 {
        bus.try_publish(event("a", number)).unwrap();
    }
    let mut next = Box::pin(stream.next());
    let std::task::Poll::Ready(Some(Received::Event(event))) = next.as_mut().poll(&mut context) else {
        panic!("there is an event")
    };
    assert_eq!((n(&event), stats_of(&bus, "paced").coalesced), (3, 2));
}

#[tokio::test(start_paused = true)]
async fn what_is_kept_takes_room_and_what_stands_for_it_takes_none() {
    for overflow in [Overflow::default(), Overflow::Reject] {
        let bus = Bus::in_memory();
        let notes = hear(bus.on("a").mailbox(2, overflow).debounce(SECOND)).await;
        let offer = |key: &str, number| bus.event(event("a", number)).key(key).try_publish();
        offer("x", 1).unwrap();
        offer("y", 2).unwrap();
        assert!(offer("z", 3).is_err(), "there is room for two");
        offer("x", 4).unwrap();
        assert_eq!(notes.once_there_are(2).await, [heard("y", 2, 1), heard("x", 4, 1)]);
        offer("z", 5).unwrap();
        assert_eq!(notes.once_there_are(3).await[2], heard("z", 5, 2));
        let stats = stats_of(&bus, "paced");
        assert_eq!((stats.matched, stats.coalesced, stats.dropped.total()), (4, 1, 0));
        end(bus).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_publisher_waits_for_room_that_what_is_kept_takes() {
    let bus = Bus::in_memory();
    let notes = hear(bus.on("a").mailbox(1, Overflow::Block { timeout: SECOND * 10 }).debounce(SECOND)).await;
    publish(&bus, "x", 1).await;
    publish(&bus, "y", 2).await;
    // It has waited long enough.
    assert_eq!(notes.once_there_are(2).await, [heard("x", 1, 1), heard("y", 2, 1)]);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn where_the_mailbox_drops_what_is_kept_goes_like_the_rest() {
    let bus = Bus::in_memory();
    let notes = hear(bus.on("a").mailbox(2, Overflow::DropOldest).debounce(SECOND)).await;
    for (key, number) in [("x", 1), ("y", 2)] {
        publish(&bus, key, number).await;
    }
    let receipt = bus.event(event("a", 3)).key("z").publish().await.unwrap();
    assert_eq!(receipt.dropped.unwrap().len(), 1);
    assert_eq!(notes.once_there_are(2).await, [heard("y", 2, 0), heard("z", 3, 0)]);
    let stats = stats_of(&bus, "paced");
    assert_eq!((stats.matched, stats.dropped.overflow, stats.coalesced), (3, 1, 0));
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn one_that_was_dropped_at_once_stands_for_no_other() {
    let (bus, door) = (patient_bus(), Door::closed());
    let busy = door.clone();
    let handler = move |_: Delivery| {
        let door = busy.clone();
        async move { door.pass().await }
    };
    let on = bus.on("a").name("paced").mailbox(1, Overflow::DropNewest).throttle(SECOND, Keep::First);
    on.handle(handler).await.unwrap();
    bus.event(event("a", 1)).key("x").publish().await.unwrap();
    bus.event(event("a", 2)).key("y").publish().await.unwrap();
    assert_eq!(stats_of(&bus, "paced").dropped.overflow, 1);
    door.open();
    quiet().await;
    publish(&bus, "y", 3).await;
    quiet().await;
    let stats = stats_of(&bus, "paced");
    assert_eq!((stats.done, stats.coalesced), (2, 0));
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn what_does_not_go_together_is_refused_in_words() {
    let bus = Bus::in_memory();
    let on = || bus.on("a");
    let refused = |made: Result<_, SubscribeError>| made.map(drop).unwrap_err().to_string();
    let nothing = |_: Delivery| async {};
    let cases = [
        (on().debounce(SECOND).throttle(SECOND, Keep::First), "`throttle` does not go with `debounce`"),
        (on().debounce(SECOND).once(), "`debounce` does not go with `once`"),
        (on().throttle(SECOND, Keep::Latest).once(), "`throttle` does not go with `once`"),
        (on().debounce(Duration::ZERO), "`debounce` is zero"),
        (on().throttle(Duration::ZERO, Keep::First), "`throttle` is zero"),
        (on().debounce_at_most(SECOND), "`debounce_at_most` is for `debounce`"),
        (on().debounce(SECOND).debounce_at_most(SECOND / 2), "`debounce_at_most` is shorter"),
    ];
    for (on, reason) in cases {
        let told = refused(on.handle_now(nothing));
        assert!(told.starts_with(reason), "{told}");
    }
    for on in [on().debounce(SECOND), on().throttle(SECOND, Keep::First), on().debounce_at_most(SECOND)] {
        let told = refused(on.inline_now(|_: &Event| ()));
        assert!(told.contains("an inline handler runs in the publisher"), "{told}");
    }
    on().debounce(Duration::MAX).debounce_at_most(Duration::MAX).handle(nothing).await.unwrap();
    bus.publish(event("a", 1)).await.unwrap();
    end(bus).await;
}
