//! What failed for good is kept, as much as there is room for: it can be found, looked at, let go of, and sent again, as it
//! was or edited, in order, to the subscription it failed in and to no other.

mod common;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::{Duration, SystemTime},
};

use common::{Door, Notes, assert_conserved, end, event, n, number, quiet, stats_of};
use owlbus::{
    Bus, Delivery, Event, HandlerError, Outcome, Overflow, Pattern, Priority,
    settle::{DeadLetterQuery, ErrorKind, RedriveError, Retry},
};
use serde::{Deserialize, Serialize};
use tokio::time::advance;

const MILLI: Duration = Duration::from_millis(1);

/// A subscription that fails until it is well, with what it handled when it was.
async fn sick(bus: &Bus, name: &str, overflow: (usize, Overflow)) -> (Notes<(u64, u32)>, Arc<AtomicBool>) {
    let ((seen, noted), well) = (Notes::pair(), Arc::new(AtomicBool::new(false)));
    let is_well = well.clone();
    bus.on("test.*")
        .name(name)
        .mailbox(overflow.0, overflow.1)
        .handle(move |event: Delivery| {
            let well = is_well.load(SeqCst);
            if well {
                noted.add((n(&event), event.attempt()));
            }
            async move { if well { Ok(()) } else { Err(HandlerError::permanent("it is sick")) } }
        })
        .await
        .expect("the options are right");
    (seen, well)
}

const ROOM: (usize, Overflow) = (100, Overflow::Reject);

fn all() -> DeadLetterQuery {
    DeadLetterQuery::all()
}

/// The numbers of the letters that are meant, in their order.
fn numbers(bus: &Bus, query: &DeadLetterQuery) -> Vec<u64> {
    bus.dead_letters().list(query).iter().map(|letter| n(&letter.event)).collect()
}

async fn publish(bus: &Bus, numbers: impl IntoIterator<Item = u64>) {
    for n in numbers {
        bus.publish(number(n)).await.expect("it is accepted");
    }
    quiet().await;
}

#[derive(Debug, thiserror::Error)]
#[error("the service is away")]
struct Away(#[source] std::num::ParseIntError);

#[tokio::test(start_paused = true)]
async fn a_letter_tells_the_whole_story() {
    let bus = Bus::in_memory();
    bus.on("test.*")
        .name("flaky")
        .retry(Retry::fixed(MILLI * 10).max(3))
        .handle(|event: Delivery| async move {
            tokio::time::sleep(MILLI * 5).await; // sleeps: on the paused clock.
            match event.attempt() {
                1 => Err(Away("x".parse::<u8>().map(drop).expect_err("no number")).into()),
                2 => Err(HandlerError::temporary("not now")),
                _ => Err::<(), _>(HandlerError::permanent("never")),
            }
        })
        .await
        .expect("the options are right");
    let before = SystemTime::now();
    let cause = Event::new(number(1));
    bus.event(cause.clone())
        .tracked()
        .publish()
        .await
        .expect("it is accepted")
        .settled()
        .await
        .expect("no loop");
    let letter = bus.dead_letters().list(&all()).pop().expect("there is one");
    assert_eq!(
        (letter.event.id(), &*letter.subscription, letter.reason.as_str()),
        (cause.id(), "flaky", "never")
    );
    assert!(letter.died >= before && letter.died <= SystemTime::now());
    let told: Vec<_> = letter
        .attempts
        .iter()
        .map(|one| (one.number, one.kind, one.duration, one.errors.join(": ")))
        .collect();
    let line = |number, kind, errors: &str| (number, kind, MILLI * 5, errors.to_string());
    let wanted = [
        line(1, ErrorKind::Unknown, "the service is away: invalid digit found in string"),
        line(2, ErrorKind::Temporary, "not now"),
        line(3, ErrorKind::Permanent, "never"),
    ];
    assert_eq!(told, wanted);
    assert!(letter.attempts.iter().all(|one| one.started <= letter.died));
    assert_eq!(bus.dead_letters().get(letter.id).map(|one| one.event.id()), Some(cause.id()));
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn letters_are_found_by_what_is_known_of_them() {
    let bus = Bus::in_memory();
    for name in ["one", "two"] {
        bus.on("test.**")
            .name(name)
            .handle(move |event: Delivery| async move {
                Outcome::Dead { reason: format!("{name} timed out at {}", n(&event)) }
            })
            .await
            .expect("the options are right");
    }
    for (topic, n) in [("test.a", 1), ("test.b", 2), ("test.b.c", 3)] {
        bus.publish(event(topic, n)).await.expect("it is accepted");
        quiet().await;
    }
    let pattern = |text: &str| text.parse::<Pattern>().expect("it is a pattern");
    assert_eq!(numbers(&bus, &all()), [1, 1, 2, 2, 3, 3]);
    assert_eq!(numbers(&bus, &all().subscription("two")), [1, 2, 3]);
    assert_eq!(numbers(&bus, &all().subscription("tw")), [0_u64; 0]);
    assert_eq!(numbers(&bus, &all().topic(pattern("test.*")).subscription("one")), [1, 2]);
    assert_eq!(
        numbers(&bus, &all().topic(pattern("test.a")).topic(pattern("test.b.c")).subscription("one")),
        [1, 3]
    );
    assert_eq!(numbers(&bus, &all().error("two timed out at 3")), [3]);
    let letters = bus.dead_letters().list(&all());
    let (first, last) = (letters[0].died, letters[5].died);
    assert_eq!(numbers(&bus, &all().since(first)).len(), 6);
    assert_eq!(numbers(&bus, &all().before(first)).len(), 0);
    assert_eq!(numbers(&bus, &all().since(last + MILLI)).len(), 0);
    assert_eq!(numbers(&bus, &DeadLetterQuery::id(letters[4].id)), [3]);

    assert_eq!(bus.dead_letters().discard(&all().subscription("one")), 3);
    assert_eq!(bus.dead_letters().discard(&all().subscription("one")), 0);
    assert_eq!((numbers(&bus, &all()), bus.dead_letters().len()), (vec![1, 2, 3], 3));
    let gone = letters.iter().filter(|letter| bus.dead_letters().get(letter.id).is_none());
    assert!(gone.map(|letter| &*letter.subscription).eq(["one"; 3]));
    assert_eq!(bus.dead_letters().evicted(), 0);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn a_redrive_goes_to_the_one_that_failed_in_order_as_a_new_delivery() {
    let bus = Bus::in_memory();
    let others = common::listen(&bus, "test.*").await;
    let (seen, well) = sick(&bus, "sick", ROOM).await;
    publish(&bus, 1..=4).await;
    well.store(true, SeqCst);
    let letters = bus.dead_letters().list(&all());
    assert_eq!(bus.dead_letters().redrive(&DeadLetterQuery::id(letters[2].id)), Ok(1));
    assert_eq!(seen.once_there_are(1).await, [(3, 1)]);
    assert_eq!(numbers(&bus, &all()), [1, 2, 4]);
    assert_eq!(bus.dead_letters().redrive(&all().subscription("sick")), Ok(3));
    publish(&bus, [5]).await;
    assert_eq!(seen.once_there_are(5).await, [(3, 1), (1, 1), (2, 1), (4, 1), (5, 1)]);
    assert_eq!(bus.dead_letters().redrive(&all()), Ok(0));
    let stats = stats_of(&bus, "sick");
    assert_eq!((stats.matched, stats.done, stats.dead), (9, 5, 4));
    assert_eq!((others.all().len(), bus.stats().accepted), (5, 5));
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn what_fails_again_is_a_new_letter_with_all_its_attempts() {
    let (bus, seen) = (Bus::in_memory(), Notes::new());
    let noted = seen.clone();
    bus.on("test.*")
        .retry(Retry::fixed(MILLI).max(2))
        .handle(move |event: Delivery| {
            noted.add(event.attempt());
            async { Err::<(), _>(HandlerError::temporary("not now")) }
        })
        .await
        .expect("the options are right");
    bus.event(number(1)).priority(Priority::Immediate).publish().await.expect("it is accepted");
    bus.publish(number(2)).await.expect("it is accepted");
    advance(MILLI * 5).await;
    let mut attempts = seen.once_there_are(4).await;
    attempts.sort_unstable();
    assert_eq!(attempts, [1, 1, 2, 2]);
    quiet().await;
    let before = bus.dead_letters().list(&all()).pop().expect("there is one");
    assert_eq!(bus.dead_letters().redrive(&DeadLetterQuery::id(before.id)), Ok(1));
    quiet().await;
    advance(MILLI * 5).await;
    quiet().await;
    let after = bus.dead_letters().list(&all()).pop().expect("there is one");
    assert!(after.id > before.id && after.event.id() == before.event.id());
    assert_eq!((before.attempts.len(), after.attempts.len()), (2, 2));
    assert!(bus.dead_letters().get(before.id).is_none());
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn a_redrive_keeps_the_order_of_keys_and_lanes() {
    let bus = Bus::in_memory();
    let ((seen, noted), well) = (Notes::pair(), Arc::new(AtomicBool::new(false)));
    let is_well = well.clone();
    let handler = move |event: Delivery| {
        let well = is_well.load(SeqCst);
        if well {
            noted.add(n(&event));
        }
        async move { if well { Ok(()) } else { Err(HandlerError::permanent("it is sick")) } }
    };
    bus.on("test.*").ordered_by_key().handle(handler).await.expect("the options are right");
    for n in [10, 20, 11, 21, 12] {
        let event = bus.event(event("test.number", n)).key((n / 10).to_string()).priority(Priority::High);
        event.publish().await.expect("it is accepted");
    }
    quiet().await;
    well.store(true, SeqCst);
    assert_eq!(bus.dead_letters().redrive(&all()), Ok(5));
    let seen = seen.once_there_are(5).await;
    let of_key = |key| seen.iter().copied().filter(move |n| n / 10 == key).collect::<Vec<_>>();
    assert_eq!((of_key(1), of_key(2)), (vec![10, 11, 12], vec![20, 21]));
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn a_letter_can_be_edited_and_is_kept_where_that_goes_wrong() {
    let bus = Bus::in_memory();
    let (seen, well) = sick(&bus, "sick", ROOM).await;
    let (ids, noted) = Notes::pair();
    publish(&bus, 1..=3).await;
    well.store(true, SeqCst);
    let panics = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        bus.dead_letters().redrive_edited(&all(), |event| match n(&event) {
            2 => panic!("two is too much"),
            n => common::event("test.number", n * 10),
        })
    }));
    assert!(panics.is_err());
    assert_eq!((numbers(&bus, &all()), seen.once_there_are(1).await), (vec![2, 3], vec![(10, 1)]));
    let edit = |event: Event| {
        let edited = common::event("test.other", n(&event) * 100);
        let edited = Event::builder(edited).id(event.id().to_string()).build().expect("it is an event");
        noted.add(edited.id());
        edited
    };
    let kept: Vec<_> = bus.dead_letters().list(&all()).iter().map(|letter| letter.event.id()).collect();
    assert_eq!(bus.dead_letters().redrive_edited(&all(), edit), Ok(2));
    assert_eq!(seen.once_there_are(3).await, [(10, 1), (200, 1), (300, 1)]);
    assert!(bus.dead_letters().is_empty() && ids.all() == kept, "what is edited may keep its id");
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn what_a_letter_is_edited_to_is_no_larger_than_what_is_published() {
    let bus = Bus::builder().event_bytes(1_000).build().expect("the settings are right");
    let (seen, well) = sick(&bus, "sick", ROOM).await;
    publish(&bus, [1]).await;
    well.store(true, SeqCst);
    let large = |_: Event| Event::json("test.large", "x".repeat(10_000)).expect("the topic is one");
    assert!(bus.publish(large(event("test.number", 1))).await.is_err(), "nobody could publish that");
    let sent = bus.dead_letters().redrive_edited(&all(), large);
    assert!(sent.is_err(), "nor can it be sent by way of a dead letter");
    assert_eq!((bus.dead_letters().len(), seen.all().len()), (1, 0));
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn letters_of_a_subscription_that_is_gone_are_kept_for_who_takes_its_name() {
    let bus = Bus::in_memory();
    let on = bus.on("test.*").name("sick");
    let gone =
        on.handle(|_: Delivery| async { Outcome::Dead { reason: "no".into() } }).await.expect("it is right");
    publish(&bus, 1..=2).await;
    gone.unsubscribe();
    let error = bus.dead_letters().redrive(&all()).expect_err("nobody is there");
    assert_eq!(error, RedriveError::NoSubscription { name: "sick".into() });
    assert_eq!(numbers(&bus, &all()), [1, 2]);
    let (seen, well) = sick(&bus, "sick", ROOM).await;
    well.store(true, SeqCst);
    assert_eq!(bus.dead_letters().redrive(&all()), Ok(2));
    assert_eq!(seen.once_there_are(2).await, [(1, 1), (2, 1)]);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn an_inline_handler_has_letters_and_is_not_called_gone() {
    let bus = Bus::in_memory();
    let fails = |_: &Event| Err::<(), _>(HandlerError::temporary("not now"));
    bus.on("test.*").name("inline").inline(fails).await.expect("the options are right");
    publish(&bus, 1..=2).await;
    let letters = bus.dead_letters().list(&all().subscription("inline"));
    assert_eq!((letters.len(), letters[0].reason.as_str(), letters[0].attempts.len()), (2, "not now", 1));
    let error = bus.dead_letters().redrive(&all()).expect_err("it runs in publishers only");
    assert_eq!(bus.dead_letters().len(), 2);
    assert!(!error.to_string().contains("is gone"), "{error}");
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn what_a_full_mailbox_has_no_room_for_is_kept() {
    for overflow in [Overflow::Reject, Overflow::default(), Overflow::DropOldest, Overflow::DropNewest] {
        let bus = Bus::in_memory();
        let (seen, well) = sick(&bus, "sick", (2, overflow)).await;
        for n in 1..=4 {
            publish(&bus, [n]).await;
        }
        well.store(true, SeqCst);
        let error = bus.dead_letters().redrive(&all()).expect_err("there is room for two");
        assert_eq!(error, RedriveError::Full { name: "sick".into() });
        assert_eq!(numbers(&bus, &all()), [3, 4]);
        assert_eq!(seen.once_there_are(2).await, [(1, 1), (2, 1)]);
        assert_eq!(bus.dead_letters().redrive(&all()), Ok(2));
        assert_eq!(seen.once_there_are(4).await[2..], [(3, 1), (4, 1)]);
        let stats = stats_of(&bus, "sick");
        assert_eq!((stats.matched, stats.dead, stats.dropped.total()), (8, 4, 0));
        end(bus).await;
    }
}

#[tokio::test(start_paused = true)]
async fn there_is_room_for_so_many_and_the_oldest_go() {
    let weight = {
        let bus = Bus::in_memory();
        let door = Door::closed();
        let waits = door.clone();
        let handler = move |_: Delivery| {
            let door = waits.clone();
            async move { door.pass().await }
        };
        bus.on("test.*").name("weighs").handle(handler).await.expect("the options are right");
        publish(&bus, [1]).await;
        // What is said of it counts as well: as its reason, and as the error of its attempt.
        stats_of(&bus, "weighs").bytes as usize + 2 * "it is sick".len()
    };
    let none: [u64; 0] = [];
    let cases: [(usize, usize, &[u64], u64); 5] = [
        (2, usize::MAX, &[4, 5], 3),
        (0, usize::MAX, &none, 5),
        (9, 0, &none, 5),
        (9, weight * 3, &[3, 4, 5], 2),
        (9, weight * 3 - 1, &[4, 5], 3),
    ];
    for (letters, bytes, kept, evicted) in cases {
        let bus = Bus::builder().dead_letters(letters, bytes).build().expect("the settings are right");
        sick(&bus, "sick", ROOM).await;
        publish(&bus, 1..=5).await;
        assert_eq!((numbers(&bus, &all()), bus.dead_letters().evicted()), (kept.to_vec(), evicted));
        assert_eq!((bus.dead_letters().len(), stats_of(&bus, "sick").dead), (kept.len(), 5));
        end(bus).await;
    }
}

#[tokio::test(start_paused = true)]
async fn there_is_no_more_room_because_some_were_to_be_sent() {
    let bus = Bus::builder().dead_letters(2, 1 << 20).build().expect("the settings are right");
    let gone =
        bus.on("test.*").name("gone").handle(|_: Delivery| async { Outcome::Dead { reason: "no".into() } });
    let gone = gone.await.expect("the options are right");
    publish(&bus, 1..=2).await;
    gone.unsubscribe();
    sick(&bus, "sick", ROOM).await;
    // While two are on their way to nobody, two others die.
    let fails = |_: &Event| Err::<(), _>(HandlerError::permanent("no"));
    bus.on("other").name("inline").inline(fails).await.expect("the options are right");
    let sent = bus.dead_letters().redrive_edited(&all(), |letter| {
        for n in 3..=4 {
            bus.try_publish(event("other", n)).expect("it is accepted");
        }
        letter
    });
    assert!(sent.is_err());
    assert_eq!((numbers(&bus, &all()), bus.dead_letters().evicted()), (vec![3, 4], 2));
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_said_of_a_letter_takes_up_room_too() {
    let bus = Bus::builder().dead_letters(1_000, 64 << 10).build().expect("the settings are right");
    let on = bus.on("test.*").mailbox(1_000, Overflow::Reject);
    on.handle(|_: Delivery| async { Outcome::Dead { reason: "x".repeat(32 << 10) } })
        .await
        .expect("it is right");
    publish(&bus, 1..=100).await;
    let letters = bus.dead_letters().list(&all());
    let bytes: usize = letters.iter().map(|letter| letter.reason.len()).sum();
    assert!(bytes <= 64 << 10, "{} letters hold {bytes} bytes of errors", letters.len());
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn letters_expire() {
    let bus =
        Bus::builder().dead_letter_age(Duration::from_secs(10)).build().expect("the settings are right");
    let (seen, well) = sick(&bus, "sick", ROOM).await;
    publish(&bus, [1]).await;
    advance(Duration::from_secs(6)).await;
    publish(&bus, [2]).await;
    let id = bus.dead_letters().list(&all())[0].id;
    advance(Duration::from_secs(4)).await;
    well.store(true, SeqCst);
    assert_eq!((numbers(&bus, &all()), bus.dead_letters().expired()), (vec![2], 1));
    assert_eq!(bus.dead_letters().redrive(&DeadLetterQuery::id(id)), Ok(0));
    assert_eq!(bus.dead_letters().redrive(&all()), Ok(1));
    assert_eq!(seen.once_there_are(1).await, [(2, 1)]);
    advance(Duration::from_secs(60)).await;
    assert_eq!((bus.dead_letters().len(), bus.dead_letters().evicted()), (0, 0));
    end(bus).await;
}

/// A value that leaves loudly.
#[derive(Serialize, Deserialize, Event)]
#[event(topic = "test.loud")]
struct Loud {
    n: u64,
}

impl Drop for Loud {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic!("{} does not leave without a word", self.n);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_letter_that_panics_when_it_goes_hurts_nobody() {
    let bus = Bus::builder().dead_letters(0, 0).build().expect("the settings are right");
    sick(&bus, "sick", ROOM).await;
    for n in 1..=2 {
        bus.publish(Loud { n }).await.expect("it is accepted");
    }
    quiet().await;
    let stats = stats_of(&bus, "sick");
    assert_eq!((stats.dead, stats.pending()), (2, 0), "{stats:?}");
    end(bus).await;

    let bus = Bus::builder().dead_letters(1, 1 << 20).build().expect("the settings are right");
    sick(&bus, "sick", ROOM).await;
    for n in 1..=2 {
        bus.publish(Loud { n }).await.expect("it is accepted");
    }
    quiet().await;
    let stats = stats_of(&bus, "sick");
    assert_eq!((stats.dead, stats.pending()), (2, 0), "{stats:?}");
    // The last one would leave with the bus, and take the test along.
    std::mem::forget(bus.dead_letters().list(&all()));
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn the_bus_tells_of_them_and_not_of_its_own() {
    let bus = Bus::in_memory();
    let (heard, noted) = Notes::pair();
    bus.on("owlbus.dead_letter")
        .name("hears")
        .handle(move |event: Delivery| {
            let text = |name| event.get::<String>(name).expect("it is there");
            noted.add((
                text("/subscription"),
                text("/event_id"),
                text("/topic"),
                text("/error"),
                text("/id"),
            ));
            async { Err::<(), _>(HandlerError::permanent("too much")) }
        })
        .await
        .expect("the options are right");
    sick(&bus, "sick", ROOM).await;
    let event = Event::new(number(1));
    bus.publish(event.clone()).await.expect("it is accepted");
    quiet().await;
    let letters = bus.dead_letters().list(&all());
    let told = |letter: &owlbus::settle::DeadLetter| {
        let (name, topic) = (letter.subscription.to_string(), letter.event.topic().to_string());
        (name, letter.event.id().to_string(), topic, letter.reason.clone(), letter.id.to_string())
    };
    assert_eq!((letters.len(), heard.all()), (2, vec![told(&letters[0])]));
    assert_eq!(&*letters[1].subscription, "hears");
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_on_a_bus_that_ended_and_the_letters_stay() {
    let bus = Bus::in_memory();
    sick(&bus, "sick", ROOM).await;
    publish(&bus, 1..=2).await;
    bus.shutdown().await;
    assert!(bus.dead_letters().redrive(&all()).is_err());
    assert_eq!(numbers(&bus, &all()), [1, 2]);
    assert_conserved(&bus);
}
