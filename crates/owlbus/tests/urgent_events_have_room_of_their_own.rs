//! In a full mailbox there is room for 64 `Immediate` events all the same, whatever the policy. Between the other lanes
//! the policy decides who goes: the least urgent first, nothing more urgent than what comes, and nothing in vain.
//! Whoever missed something is told where it would have been.

mod common;

use std::{sync::Arc, time::Duration};

use common::{Door, Notes, assert_conserved, end, event, n, quiet, stats_of};
use owlbus::{
    Bus, Delivery, Event, Overflow, Priority,
    Priority::{Deferred, High, Immediate, Normal},
    PublishError, Receipt,
};
use tokio::time::Instant;

const BLOCK: Overflow = Overflow::Block { timeout: Duration::from_secs(2) };

fn held() -> Bus {
    Bus::builder().paused().build().expect("the settings are right")
}

/// What a subscription saw: an event's number, or a gap of so many with its first and last place.
#[derive(Clone, Debug, PartialEq)]
enum Seen {
    Event(u64),
    Gap(u64),
}
use Seen::{Event as Got, Gap as Missed};

/// A subscription of that room; by key where `by_key` says so.
async fn room(bus: &Bus, events: usize, overflow: Overflow, by_key: bool, door: &Door) -> Notes<Seen> {
    let (seen, noted) = Notes::pair();
    let (missed, door) = (noted.clone(), door.clone());
    let handler = move |event: Delivery| {
        let (noted, door) = (noted.clone(), door.clone());
        async move {
            noted.add(Got(n(&event)));
            door.pass().await;
        }
    };
    let on = bus.on("test.**").name("full").mailbox(events, overflow);
    let on = if by_key { on.ordered_by_key() } else { on };
    on.on_gap(move |gap| missed.add(Missed(gap.missed)))
        .handle(handler)
        .await
        .expect("the options are right");
    seen
}

fn of(priority: Priority, number: u64) -> Event {
    Event::builder(event("test.lane", number)).priority(priority).build().expect("the fields are right")
}

fn keyed(priority: Priority, key: &str, number: u64) -> Event {
    Event::builder(of(priority, number)).key(key).build().expect("the fields are right")
}

/// Publishes without waiting, and says how many subscriptions dropped something for it.
fn put(bus: &Bus, event: Event) -> usize {
    let receipt = bus.try_publish(event).expect("it is accepted");
    dropped(&receipt)
}

fn dropped(receipt: &Receipt) -> usize {
    receipt.dropped.as_ref().expect("the bus routes itself").len()
}

fn is_full(result: Result<Receipt, PublishError>, number: u64) {
    let error = result.expect_err("there is no room");
    assert!(
        matches!(&error, PublishError::Full { subscription, .. } if &**subscription == "full"),
        "{error}"
    );
    assert_eq!(n(error.event()), number);
}

/// A mailbox full of one `Normal` event and 64 `Immediate` ones, of a bus that is held.
async fn full_of_both(overflow: Overflow) -> (Bus, Notes<Seen>) {
    let bus = held();
    let seen = room(&bus, 1, overflow, false, &Door::opened()).await;
    assert_eq!(put(&bus, of(Normal, 1_000)), 0);
    for n in 1..=64 {
        assert_eq!(put(&bus, of(Immediate, n)), 0, "Immediate {n} with {overflow:?}");
    }
    assert_eq!(stats_of(&bus, "full").queued, 65);
    (bus, seen)
}

fn events(numbers: impl IntoIterator<Item = u64>) -> Vec<Seen> {
    numbers.into_iter().map(Got).collect()
}

#[tokio::test(start_paused = true)]
async fn where_publishers_wait_the_65th_waits_for_its_own_kind() {
    let (bus, seen) = full_of_both(BLOCK).await;
    is_full(bus.try_publish(of(Immediate, 65)), 65);
    let begun = Instant::now();
    let receipt = bus.publish(of(Immediate, 66)).await.expect("a publish is ok though it was dropped");
    // It waited for room; nothing is left whose attempt it could wait for.
    assert_eq!((begun.elapsed(), dropped(&receipt), receipt.unfinished), (Duration::from_secs(2), 1, vec![]));

    let waiting = tokio::spawn({
        let bus = bus.clone();
        async move { bus.publish(of(Immediate, 67)).await }
    });
    quiet().await;
    bus.resume();
    let receipt = waiting.await.expect("no panic").expect("it got in");
    assert_eq!((dropped(&receipt), receipt.unfinished, receipt.matched), (0, vec![], Some(1)));
    // 66 was lost when 64 of its kind were there, and is told behind them.
    let mut expected = events(1..=64);
    expected.extend([Missed(1), Got(67), Got(1_000)]);
    assert_eq!(seen.once_there_are(67).await, expected);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn where_publishers_are_refused_the_65th_is() {
    let (bus, seen) = full_of_both(Overflow::Reject).await;
    is_full(bus.try_publish(of(Immediate, 65)), 65);
    is_full(bus.publish(of(Immediate, 66)).await, 66);
    bus.resume();
    assert_eq!(seen.once_there_are(65).await, events((1..=64).chain([1_000])));
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn where_the_newest_goes_the_65th_goes() {
    let (bus, seen) = full_of_both(Overflow::DropNewest).await;
    assert_eq!((put(&bus, of(Immediate, 65)), put(&bus, of(Immediate, 66))), (1, 1));
    bus.resume();
    let mut expected = events(1..=64);
    expected.extend([Missed(2), Got(1_000)]);
    assert_eq!(seen.once_there_are(66).await, expected);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn where_the_oldest_goes_the_first_of_its_kind_goes_and_no_other() {
    let (bus, seen) = full_of_both(Overflow::DropOldest).await;
    assert_eq!((put(&bus, of(Immediate, 65)), put(&bus, of(Immediate, 66))), (1, 1));
    bus.resume();
    let mut expected = vec![Missed(2)];
    expected.extend(events((3..=66).chain([1_000])));
    assert_eq!(seen.once_there_are(66).await, expected);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn immediate_takes_no_room_of_others_and_counts_until_it_is_done() {
    let (bus, door) = (Bus::in_memory(), Door::closed());
    let seen = room(&bus, 2, Overflow::Reject, false, &door).await;
    for n in 1..=64 {
        put(&bus, of(Immediate, n));
    }
    quiet().await;
    // One of them runs, and has its place still.
    is_full(bus.try_publish(of(Immediate, 65)), 65);
    assert_eq!((put(&bus, of(Normal, 101)), put(&bus, of(Deferred, 102))), (0, 0));
    is_full(bus.try_publish(of(High, 103)), 103);
    assert_eq!((stats_of(&bus, "full").running, stats_of(&bus, "full").queued), (1, 65));
    door.let_through(1);
    quiet().await;
    assert_eq!(put(&bus, of(Immediate, 66)), 0);
    is_full(bus.try_publish(of(High, 104)), 104);
    door.open();
    seen.once_there_are(67).await;
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn its_places_are_counted_in_events_only() {
    let bus = held();
    bus.on("test.**")
        .name("full")
        .mailbox(1_000, Overflow::Reject)
        .mailbox_bytes(1)
        .handle(|_: Delivery| async {})
        .await
        .expect("the options are right");
    for n in 1..=64 {
        put(&bus, of(Immediate, n));
    }
    // As in an empty mailbox, one event gets in however large it is.
    put(&bus, of(Normal, 100));
    is_full(bus.try_publish(of(Normal, 101)), 101);
    is_full(bus.try_publish(of(Immediate, 65)), 65);
    assert!(bus.stats().bytes > 65 * 10, "the bus counts the bytes of all of them: {}", bus.stats().bytes);
    bus.resume();
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn the_two_lines_before_a_mailbox_do_not_hold_each_other_up() {
    let (bus, door) = (Bus::in_memory(), Door::closed());
    let seen = room(&bus, 1, Overflow::Block { timeout: Duration::from_secs(60) }, false, &door).await;
    put(&bus, of(Normal, 100));
    quiet().await;
    (1..=64).for_each(|n| _ = put(&bus, of(Immediate, n)));
    for event in [of(Normal, 101), of(Immediate, 65), of(High, 102), of(Immediate, 66)] {
        let bus = bus.clone();
        tokio::spawn(async move { bus.publish(event).await.expect("it is accepted") });
        quiet().await;
    }
    assert_eq!(stats_of(&bus, "full").matched, 65);
    // The `Normal` one ends, and lets the first of its line in; then one `Immediate` after the other.
    door.let_through(3);
    quiet().await;
    assert_eq!(stats_of(&bus, "full").matched, 68);
    door.open();
    // Who came first is let in first, though what it brings is less urgent.
    assert_eq!(seen.once_there_are(69).await, events([100].into_iter().chain(1..=66).chain([101, 102])));
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn the_places_go_by_what_an_event_is_not_by_the_lane_its_key_is_in() {
    let bus = held();
    let seen = room(&bus, 2, Overflow::DropOldest, true, &Door::opened()).await;
    put(&bus, keyed(Deferred, "a", 1));
    // All of them stand in the lane of 1, in places of their own.
    (2..=65).for_each(|n| assert_eq!(put(&bus, keyed(Immediate, "a", n)), 0));
    assert_eq!(put(&bus, keyed(Deferred, "b", 100)), 0);
    assert_eq!(stats_of(&bus, "full").queued, 66);
    // Each kind gives way to its own only.
    assert_eq!((put(&bus, keyed(Immediate, "c", 66)), put(&bus, keyed(Normal, "d", 101))), (1, 1));
    bus.resume();
    let seen = seen.once_there_are(67).await;
    let numbers: Vec<u64> =
        seen.iter().filter_map(|one| if let Got(n) = one { Some(*n) } else { None }).collect();
    let missing: Vec<u64> = (1..=66).chain([100, 101]).filter(|n| !numbers.contains(n)).collect();
    assert_eq!((missing, seen[0].clone()), (vec![1, 2], Missed(2)));
    assert!(
        numbers.iter().filter(|n| (3..=65).contains(*n)).is_sorted(),
        "key `a` keeps its order: {numbers:?}"
    );
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn at_the_end_what_is_left_comes_back_lane_by_lane() {
    let (bus, door) = (Bus::in_memory(), Door::closed());
    room(&bus, 6, Overflow::Block { timeout: Duration::from_secs(600) }, false, &door).await;
    put(&bus, of(Normal, 0));
    quiet().await;
    for (priority, n) in [(Deferred, 6), (Normal, 4), (High, 2), (Immediate, 1), (Normal, 5), (High, 3)] {
        put(&bus, of(priority, n));
    }
    assert_eq!(left(&bus).await, [1, 2, 3, 4, 5, 6]);

    // Those whose publishers wait for room still are left too, behind what was inside.
    let bus = held();
    room(&bus, 1, Overflow::Block { timeout: Duration::from_secs(600) }, false, &Door::opened()).await;
    put(&bus, of(Normal, 100));
    (1..=64).for_each(|n| _ = put(&bus, of(Immediate, n)));
    for event in [of(Normal, 101), of(Immediate, 65)] {
        let bus = bus.clone();
        tokio::spawn(async move { bus.publish(event).await.map(|receipt| dropped(&receipt)) });
        quiet().await;
    }
    assert_eq!(left(&bus).await, (1..=64).chain([100, 65, 101]).collect::<Vec<_>>());
}

/// Ends the bus at once, and gives the numbers of what was not delivered.
async fn left(bus: &Bus) -> Vec<u64> {
    let report = bus.shutdown_within(Duration::from_secs(1)).await;
    assert_conserved(bus);
    let names: Vec<Arc<str>> = report.undelivered.iter().map(|one| Arc::clone(&one.subscription)).collect();
    assert!(names.iter().all(|name| &**name == "full"));
    report.undelivered.iter().map(|one| n(&one.event)).collect()
}
