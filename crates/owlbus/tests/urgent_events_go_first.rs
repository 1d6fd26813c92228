//! How urgent an event is decides when it starts, not whether: `Immediate` goes before all else, and `High`, `Normal`
//! and `Deferred` share the starts of a subscription 8 to 4 to 1, so that none of them waits for ever. Within a lane
//! and within a key the order stays. The publisher of an `Immediate` event is told when everybody has tried it.

mod common;

use std::time::Duration;

use common::{Door, Notes, end, event, n, quiet};
use owlbus::{
    Bus, Delivery, Overflow, Priority,
    Priority::{Deferred, High, Immediate, Normal},
    Receipt, Received, Subscription,
};

const BLOCK: Overflow = Overflow::Block { timeout: Duration::from_secs(60) };

fn held() -> Bus {
    Bus::builder().paused().build().expect("the settings are right")
}

/// Publishes an event of a lane, without waiting for anything.
fn put(bus: &Bus, priority: Priority, number: u64) -> Receipt {
    bus.event(event("test.lane", number)).priority(priority).try_publish().expect("it is accepted")
}

fn put_keyed(bus: &Bus, priority: Priority, key: &str, number: u64) {
    let event = bus.event(event("test.lane", number)).priority(priority).key(key);
    event.try_publish().expect("it is accepted");
}

/// A subscription that notes the numbers it starts with, each before it waits at the door.
async fn starts(bus: &Bus, name: &str, door: &Door) -> (Subscription, Notes<u64>) {
    let (seen, noted) = Notes::pair();
    let door = door.clone();
    let handler = move |event: Delivery| {
        let (noted, door) = (noted.clone(), door.clone());
        async move {
            noted.add(n(&event));
            door.pass().await;
        }
    };
    let subscription = bus.on("test.**").name(name).mailbox(10_000, BLOCK).handle(handler).await;
    (subscription.expect("the options are right"), seen)
}

#[tokio::test(start_paused = true)]
async fn three_lanes_that_are_full_share_eight_to_four_to_one() {
    let bus = held();
    let (_, seen) = starts(&bus, "all", &Door::opened()).await;
    for n in 0..26 {
        for (lane, priority) in [(300, Deferred), (200, Normal), (100, High)] {
            put(&bus, priority, lane + n);
        }
    }
    bus.resume();
    let seen = seen.once_there_are(78).await;
    let letters: String = seen[..26].iter().map(|n| [' ', 'H', 'N', 'D'][*n as usize / 100]).collect();
    assert_eq!(letters, "HNHHNHDHNHHNH".repeat(2));
    for lane in 1..=3 {
        let of_it = seen.iter().filter(|n| **n / 100 == lane).copied();
        assert!(of_it.eq(lane * 100..lane * 100 + 26), "lane {lane} keeps its order: {seen:?}");
    }
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn whenever_it_comes_a_lane_is_served_within_thirteen_starts() {
    for (flood, comes) in
        [(vec![High, Normal], Deferred), (vec![High], Deferred), (vec![High, Deferred], Normal)]
    {
        for before in 0..30 {
            for by_key in [false, true] {
                let found = starts_until_served(&flood, comes, before, by_key).await;
                assert!(found <= 13, "{comes} among {flood:?}, {before} before, by key: {by_key}: {found}");
            }
        }
    }
}

/// How many starts it takes until an event of a lane has started that comes after so many starts of others.
async fn starts_until_served(flood: &[Priority], comes: Priority, before: usize, by_key: bool) -> usize {
    const LAST: u64 = 1_000;
    let (bus, door, (seen, noted)) = (Bus::in_memory(), Door::closed(), Notes::pair());
    let waits = door.clone();
    let handler = move |event: Delivery| {
        let (noted, door) = (noted.clone(), waits.clone());
        async move {
            noted.add(n(&event));
            door.pass().await;
        }
    };
    let on = bus.on("test.**").concurrency(1);
    let on = if by_key { on.ordered_by_key() } else { on };
    on.handle(handler).await.expect("the options are right");
    for n in 0..60 {
        flood.iter().for_each(|priority| put_keyed(&bus, *priority, &format!("{priority}{n}"), n));
    }
    for _ in 0..before {
        quiet().await;
        door.let_through(1);
    }
    quiet().await;
    let started = seen.all().len();
    put_keyed(&bus, comes, "last", LAST);
    door.open();
    end(bus).await;
    let served = seen.all()[started..].iter().position(|n| *n == LAST);
    served.expect("it is served") + 1
}

#[tokio::test(start_paused = true)]
async fn where_one_lane_is_alone_nobody_waits_and_no_turn_is_used_up() {
    let bus = Bus::in_memory();
    let (_, seen) = starts(&bus, "all", &Door::opened()).await;
    for priority in [Deferred, Normal, High] {
        (0..7).for_each(|n| _ = put(&bus, priority, n));
        quiet().await;
    }
    assert_eq!(seen.all().len(), 21);
    // All lanes again: the turn of `High` is still the first.
    for (priority, n) in [(Deferred, 300), (Normal, 200), (High, 100), (High, 101)] {
        put(&bus, priority, n);
    }
    assert_eq!(seen.once_there_are(25).await[21..], [100, 200, 101, 300]);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn immediate_overtakes_all_that_has_not_started_and_takes_nobodys_turn() {
    let (bus, door) = (Bus::in_memory(), Door::closed());
    let (_, seen) = starts(&bus, "all", &door).await;
    put(&bus, Normal, 0);
    quiet().await;
    for n in 1..=6 {
        put(&bus, High, 100 + n);
        put(&bus, Normal, 200 + n);
        put(&bus, Deferred, 300 + n);
    }
    for n in 1..=7 {
        // Two of them before every other start.
        put(&bus, Immediate, n);
        put(&bus, Immediate, n);
        for _ in 0..3 {
            door.let_through(1);
            quiet().await;
        }
    }
    let seen = seen.all();
    let urgent: Vec<u64> = seen[1..].iter().copied().filter(|n| *n < 100).collect();
    assert_eq!(urgent, [1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7]);
    assert_eq!(seen[..7], [0, 1, 1, 101, 2, 2, 201]);
    let others: Vec<u64> = seen[1..].iter().copied().filter(|n| *n >= 100).collect();
    assert_eq!(others, [101, 201, 102, 103, 202, 104, 301]);
    door.open();
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn streams_and_several_workers_start_in_the_same_order() {
    let bus = held();
    let (seen, noted) = Notes::pair();
    let handler = move |event: Delivery| {
        noted.add(n(&event));
        async {}
    };
    bus.on("test.**").concurrency(4).handle(handler).await.expect("the options are right");
    let mut stream = bus.on("test.**").stream().await.expect("the options are right");
    for (priority, n) in [(Deferred, 6), (Normal, 4), (High, 3), (Immediate, 1), (High, 5), (Immediate, 2)] {
        put(&bus, priority, n);
    }
    bus.resume();
    assert_eq!(seen.once_there_are(6).await, [1, 2, 3, 4, 5, 6]);
    for expected in 1..=6 {
        let received = stream.next().await.and_then(Received::into_event).expect("an event came");
        assert_eq!(n(&received), expected);
    }
    drop(stream);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn an_event_joins_the_lane_its_key_is_in_and_keeps_its_own_when_the_key_is_free() {
    let bus = held();
    let (seen, noted) = Notes::pair();
    let handler = move |event: Delivery| {
        noted.add(n(&event));
        async {}
    };
    bus.on("test.**").ordered_by_key().concurrency(1).handle(handler).await.expect("the options are right");
    put_keyed(&bus, Deferred, "a", 1);
    put_keyed(&bus, High, "a", 2);
    put_keyed(&bus, Immediate, "a", 3);
    put_keyed(&bus, High, "b", 10);
    put_keyed(&bus, Deferred, "b", 11);
    put_keyed(&bus, Normal, "c", 20);
    bus.resume();
    // `b` is served in the lane of its first event to its end, and `a` where it began.
    assert_eq!(seen.once_there_are(6).await, [10, 20, 11, 1, 2, 3]);
    put_keyed(&bus, Normal, "d", 30);
    put_keyed(&bus, Deferred, "b", 12);
    put_keyed(&bus, High, "a", 4);
    assert_eq!(seen.once_there_are(9).await[6..], [4, 30, 12]);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn a_running_key_holds_up_its_own_only_and_keeps_its_order() {
    let (bus, door) = (Bus::in_memory(), Door::closed());
    let (seen, noted) = Notes::pair();
    let waits = door.clone();
    let handler = move |event: Delivery| {
        let (noted, door) = (noted.clone(), waits.clone());
        async move {
            noted.add(n(&event));
            door.pass().await;
        }
    };
    bus.on("test.**").ordered_by_key().concurrency(2).handle(handler).await.expect("the options are right");
    for (priority, key, n) in [(Deferred, "a", 1), (Normal, "b", 2)] {
        put_keyed(&bus, priority, key, n);
        quiet().await;
    }
    put_keyed(&bus, High, "a", 3);
    put_keyed(&bus, Deferred, "b", 4);
    put_keyed(&bus, Immediate, "c", 5);
    for _ in 0..3 {
        door.let_through(1);
        quiet().await;
    }
    // `c` goes first of those that can start. When a worker first looked, `a` was free and `b` was not: so 3 kept its
    // own lane, and 4 is `Normal` with the rest of its key.
    assert_eq!(seen.all(), [1, 2, 5, 3, 4]);
    door.open();
    end(bus).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn publishers_of_all_lanes_on_many_threads_lose_nothing_and_keep_their_order() {
    const LANES: [Priority; 4] = [Immediate, High, Normal, Deferred];
    let (bus, seen) = (Bus::in_memory(), Notes::new());
    let noted = seen.clone();
    let handler = move |event: Delivery| {
        noted.add((event.priority(), event.source().to_owned(), n(&event)));
        async {}
    };
    bus.on("test.**").name("all").mailbox(32, BLOCK).handle(handler).await.expect("the options are right");
    let publishers: Vec<_> = (0..4)
        .map(|publisher: u64| {
            let bus = bus.clone();
            tokio::spawn(async move {
                for n in 0..1_000 {
                    let event = bus.event(event("test.lane", n)).source(publisher.to_string());
                    let priority = LANES[((n * 7 + publisher) % 4) as usize];
                    let receipt = event.priority(priority).publish().await.expect("it is accepted");
                    assert_eq!((receipt.dropped, receipt.unfinished), (Some(vec![]), vec![]));
                }
            })
        })
        .collect();
    for publisher in publishers {
        publisher.await.expect("no panic");
    }
    let seen = seen.once_there_are(4_000).await;
    for lane in LANES {
        for publisher in 0..4 {
            let of_it = |one: &&(Priority, String, u64)| one.0 == lane && one.1 == publisher.to_string();
            let numbers: Vec<u64> = seen.iter().filter(of_it).map(|one| one.2).collect();
            assert!(numbers.is_sorted() && numbers.len() == 250, "{lane} of {publisher}: {numbers:?}");
        }
    }
    end(bus).await;
}
