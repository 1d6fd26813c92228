//! The promise: an event with a delay is published when it is due and not before; who gets it is decided then; until then
//! it can be taken back, and no end of the bus loses it without saying so.

#![expect(clippy::unwrap_used, reason = "a test that unwraps the wrong thing fails, as it should")]

mod common;

use std::time::{Duration, SystemTime};

use common::{Door, Notes, assert_conserved, end, event, listen, n, quiet, stats_of};
use owlbus::{Bus, Delivery, Event, Overflow, PublishError};
use tokio::time::Instant;

const SECOND: Duration = Duration::from_secs(1);

/// Subscribes to everything under `delayed`, and notes numbers and when they came.
async fn clocked(bus: &Bus) -> Notes<(u64, Duration)> {
    let ((heard, notes), begun) = (Notes::pair(), Instant::now());
    let handler = move |delivery: Delivery| {
        notes.add((n(&delivery), begun.elapsed()));
        async {}
    };
    bus.on("delayed").handle(handler).await.unwrap();
    heard
}

#[tokio::test(start_paused = true)]
async fn events_come_in_the_order_they_are_due() {
    let bus = Bus::in_memory();
    let heard = clocked(&bus).await;
    for (number, delay) in [(1, 3), (2, 1), (3, 2), (4, 2)] {
        let receipt = bus.event(event("delayed", number)).delay(SECOND * delay).publish().await.unwrap();
        assert_eq!((receipt.matched, receipt.dropped.clone()), (None, None), "nobody knows yet");
        assert!(receipt.due.unwrap() > SystemTime::now());
    }
    assert_eq!(bus.delayed(), 4);
    let wanted = [(2, SECOND), (3, SECOND * 2), (4, SECOND * 2), (1, SECOND * 3)];
    assert_eq!(heard.once_there_are(4).await, wanted);
    assert_eq!(bus.delayed(), 0);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn who_gets_it_is_decided_when_it_is_due() {
    let bus = Bus::in_memory();
    let early = bus.on("delayed").name("early").handle(|_: Delivery| async {}).await.unwrap();
    bus.event(event("delayed", 1)).delay(SECOND).publish().await.unwrap();
    early.unsubscribe();
    let heard = clocked(&bus).await;
    assert_eq!(heard.once_there_are(1).await, [(1, SECOND)]);
    assert_eq!(early.stats().matched, 0);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn its_place_in_the_journal_is_that_of_the_time_it_is_due() {
    let bus = Bus::in_memory();
    let heard = listen(&bus, "**").await;
    let receipt = bus.event(event("delayed", 1)).delay(SECOND).publish().await.unwrap();
    let other = bus.publish(event("other", 2)).await.unwrap();
    assert!(receipt.seq < other.seq);
    let heard = heard.once_there_are(2).await;
    assert_eq!(heard.iter().map(n).collect::<Vec<_>>(), [2, 1]);
    assert_eq!(heard[1].id(), receipt.id);
    assert_eq!(bus.stats().accepted, 2);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn a_time_that_has_passed_is_now() {
    let bus = Bus::in_memory();
    let heard = clocked(&bus).await;
    bus.event(event("delayed", 1)).at(SystemTime::UNIX_EPOCH).publish().await.unwrap();
    bus.event(event("delayed", 2)).at(SystemTime::now() + SECOND).publish().await.unwrap();
    let heard = heard.once_there_are(2).await;
    assert_eq!(heard[0], (1, Duration::ZERO));
    assert!(heard[1].1 > SECOND / 2 && heard[1].1 <= SECOND, "{heard:?}");
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn an_event_can_be_taken_back_until_it_is_due() {
    let bus = Bus::in_memory();
    let heard = clocked(&bus).await;
    let first = bus.event(event("delayed", 1)).delay(SECOND).publish().await.unwrap();
    let second = bus.event(event("delayed", 2)).delay(SECOND * 2).try_publish().unwrap();
    assert_eq!(bus.cancel(&first.id).map(|event| n(&event)), Some(1));
    assert!(bus.cancel(&first.id).is_none());
    assert_eq!(heard.once_there_are(1).await, [(2, SECOND * 2)]);
    assert!(bus.cancel(&second.id).is_none(), "it was published");
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_with_it_is_told_at_once() {
    let bus = Bus::builder().event_bytes(10).build().unwrap();
    let delayed = |event: Event| bus.event(event).delay(SECOND);
    let large = Event::json("delayed", "more than ten bytes of text").unwrap();
    assert!(
        matches!(delayed(large).publish().await, Err(PublishError::Rejected { by, .. }) if &*by == "limits")
    );
    let own = Event::signal("owlbus.started").unwrap();
    assert!(matches!(delayed(own).try_publish(), Err(PublishError::Rejected { by, .. }) if &*by == "topics"));
    let tracked = delayed(Event::signal("delayed").unwrap()).tracked().publish().await.map(drop);
    assert!(matches!(tracked, Err(PublishError::Rejected { by, .. }) if &*by == "delay"));
    assert_eq!((bus.delayed(), bus.stats().refused), (0, 3));
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn one_that_waits_for_room_holds_up_no_other() {
    let (bus, door) = (common::patient_bus(), Door::closed());
    let busy = door.clone();
    let slow = move |_: Delivery| {
        let door = busy.clone();
        async move { door.pass().await }
    };
    let block = Overflow::Block { timeout: SECOND * 60 };
    bus.on("slow").name("slow").mailbox(1, block).handle(slow).await.unwrap();
    let heard = clocked(&bus).await;
    bus.publish(event("slow", 0)).await.unwrap();
    for (topic, number) in [("slow", 1), ("delayed", 2)] {
        bus.event(event(topic, number)).delay(SECOND).publish().await.unwrap();
    }
    assert_eq!(heard.once_there_are(1).await, [(2, SECOND)]);
    door.open();
    quiet().await;
    assert_eq!(stats_of(&bus, "slow").done, 2);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_gives_back_what_is_not_due() {
    let bus = Bus::in_memory();
    for (number, delay) in [(1, 20), (2, 10)] {
        bus.event(event("delayed", number)).delay(SECOND * delay).publish().await.unwrap();
    }
    assert!(bus.stats().bytes > 0, "it takes memory");
    let begun = Instant::now();
    let report = bus.shutdown().await;
    assert_eq!(begun.elapsed(), Duration::ZERO, "nobody waits for what is not due");
    assert_eq!(report.delayed.iter().map(n).collect::<Vec<_>>(), [2, 1]);
    assert!(!report.is_clean());
    let late = bus.event(event("delayed", 3)).delay(SECOND).publish().await;
    assert!(matches!(late, Err(PublishError::Closed { .. })));
    assert_eq!(bus.stats().bytes, 0);
    assert_conserved(&bus);
}

#[tokio::test(start_paused = true)]
async fn many_delays_take_memory_until_they_are_due() {
    let bus = Bus::builder().memory(20_000).build().unwrap();
    let mut refused = 0;
    for number in 0..200 {
        match bus.event(event("delayed", number)).delay(SECOND).publish().await {
            Ok(_) => {}
            Err(PublishError::Overloaded { .. }) => refused += 1,
            Err(error) => panic!("{error}"),
        }
    }
    assert!(refused > 0 && bus.delayed() + refused == 200);
    tokio::time::sleep(SECOND * 2).await; // sleeps: on the paused clock.
    assert_eq!((bus.delayed(), bus.stats().bytes), (0, 0));
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn no_task_is_left_when_nothing_is_due() {
    let bus = Bus::in_memory();
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let before = tasks();
    for round in 0..3 {
        bus.event(event("delayed", round)).delay(SECOND).publish().await.unwrap();
        tokio::time::sleep(SECOND * 2).await; // sleeps: on the paused clock.
        assert_eq!((tasks(), bus.delayed()), (before, 0), "round {round}");
    }
    end(bus).await;
}
