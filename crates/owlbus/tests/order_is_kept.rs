//! One publisher's events come in the order they were published. A subscription that asks for more at once loses that
//! order, unless it asks for order by key: then every key keeps its own, and different keys run side by side.

mod common;

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use common::{Door, Notes, end, event, n, number, quiet, stats_of};
use owlbus::{Bus, Delivery, Overflow};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_publisher_keeps_its_own_order() {
    let (bus, seen) = (Bus::in_memory(), Notes::new());
    let noted = seen.clone();
    bus.on("test.*")
        .mailbox(64, Overflow::default())
        .handle(move |event: Delivery| {
            let noted = noted.clone();
            async move { noted.add((event.topic().to_string(), n(&event))) }
        })
        .await
        .expect("the options are right");
    let publishers: Vec<_> = (0..4)
        .map(|publisher| {
            let bus = bus.clone();
            tokio::spawn(async move {
                for n in 0..2_000 {
                    let receipt =
                        bus.publish(event(&format!("test.p{publisher}"), n)).await.expect("it is accepted");
                    assert_eq!(receipt.dropped, Some(vec![]));
                }
            })
        })
        .collect();
    for publisher in publishers {
        publisher.await.expect("no panic");
    }
    let seen = seen.once_there_are(8_000).await;
    for publisher in 0..4 {
        let topic = format!("test.p{publisher}");
        let own = seen.iter().filter(|(seen, _)| *seen == topic).map(|(_, n)| *n);
        assert_eq!(own.collect::<Vec<_>>(), (0..2_000).collect::<Vec<_>>(), "{topic}");
    }
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn one_at_a_time_unless_it_says_more() {
    for (wanted, expected) in [(None, 1), (Some(1), 1), (Some(4), 4)] {
        let (bus, door) = (Bus::in_memory(), Door::closed());
        let waits = door.clone();
        let mut on = bus.on("test.**").name("some");
        if let Some(deliveries) = wanted {
            on = on.concurrency(deliveries);
        }
        on.handle(move |_: Delivery| {
            let door = waits.clone();
            async move { door.pass().await }
        })
        .await
        .expect("the options are right");
        for n in 0..10 {
            bus.publish(number(n)).await.expect("it is accepted");
        }
        quiet().await;
        assert_eq!((door.came(), stats_of(&bus, "some").running), (expected, expected as u64));
        door.open();
        end(bus).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_busy_key_holds_up_only_itself() {
    let (bus, door, seen) = (Bus::in_memory(), Door::closed(), Notes::new());
    let (waits, noted) = (door.clone(), seen.clone());
    bus.on("test.**")
        .name("keyed")
        .ordered_by_key()
        .handle(move |event: Delivery| {
            let (door, noted) = (waits.clone(), noted.clone());
            async move {
                if event.key() == "slow" {
                    door.pass().await;
                }
                noted.add((event.key().to_owned(), n(&event)));
            }
        })
        .await
        .expect("the options are right");
    for (key, n) in [("slow", 1), ("slow", 2), ("quick", 3), ("slow", 4), ("quick", 5)] {
        bus.event(number(n)).key(key).publish().await.expect("it is accepted");
    }
    quiet().await;
    assert_eq!(seen.all(), [("quick".into(), 3), ("quick".into(), 5)]);
    assert_eq!((stats_of(&bus, "keyed").running, stats_of(&bus, "keyed").queued), (1, 2));
    door.open();
    let seen = seen.once_there_are(5).await;
    assert_eq!(seen[2..], [("slow".into(), 1), ("slow".into(), 2), ("slow".into(), 4)]);
    end(bus).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn keys_keep_their_order_and_run_one_at_a_time_on_many_threads() {
    const KEYS: u64 = 7;
    let bus = Bus::in_memory();
    let last: Arc<Mutex<HashMap<String, u64>>> = Arc::default();
    let running: Arc<Vec<AtomicUsize>> = Arc::new((0..KEYS).map(|_| AtomicUsize::new(0)).collect());
    let (most_at_once, at_once) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (handled, most) = (Notes::new(), most_at_once.clone());
    let noted = handled.clone();
    bus.on("test.**")
        .ordered_by_key()
        .concurrency(4)
        .handle(move |event: Delivery| {
            let (last, running, noted) = (last.clone(), running.clone(), noted.clone());
            let (most, at_once) = (most.clone(), at_once.clone());
            async move {
                most.fetch_max(at_once.fetch_add(1, SeqCst) + 1, SeqCst);
                let key: usize = event.key().parse().expect("keys are numbers");
                assert_eq!(running[key].fetch_add(1, SeqCst), 0, "two deliveries of key {key} at once");
                tokio::task::yield_now().await;
                let before = last.lock().expect("nobody panics").insert(event.key().to_owned(), n(&event));
                assert!(before < Some(n(&event)), "key {key}: {} after {before:?}", n(&event));
                running[key].fetch_sub(1, SeqCst);
                at_once.fetch_sub(1, SeqCst);
                noted.add(());
            }
        })
        .await
        .expect("the options are right");
    for n in 1..=5_000 {
        bus.event(number(n)).key((n % KEYS).to_string()).publish().await.expect("it is accepted");
    }
    handled.once_there_are(5_000).await;
    assert!((2..=4).contains(&most_at_once.load(SeqCst)), "{most_at_once:?} at once");
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn an_event_without_a_key_is_ordered_by_its_topic() {
    let (bus, door) = (Bus::in_memory(), Door::closed());
    let waits = door.clone();
    bus.on("test.**")
        .name("keyed")
        .ordered_by_key()
        .handle(move |_: Delivery| {
            let door = waits.clone();
            async move { door.pass().await }
        })
        .await
        .expect("the options are right");
    for topic in ["test.a", "test.b", "test.a", "test.b"] {
        bus.publish(event(topic, 0)).await.expect("it is accepted");
    }
    quiet().await;
    assert_eq!((stats_of(&bus, "keyed").running, stats_of(&bus, "keyed").queued), (2, 2));
    door.open();
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn dropping_the_oldest_drops_it_behind_a_busy_key_too() {
    let (bus, door, seen) = (Bus::in_memory(), Door::closed(), Notes::new());
    let (waits, noted) = (door.clone(), seen.clone());
    bus.on("test.**")
        .ordered_by_key()
        .mailbox(3, Overflow::DropOldest)
        .handle(move |event: Delivery| {
            let (door, noted) = (waits.clone(), noted.clone());
            async move {
                noted.add(n(&event));
                door.pass().await;
            }
        })
        .await
        .expect("the options are right");
    for n in 1..=5 {
        bus.event(number(n)).key("one").publish().await.expect("dropping is no error");
        quiet().await;
    }
    door.open();
    assert_eq!(seen.once_there_are(3).await, [1, 4, 5]);
    end(bus).await;
}
