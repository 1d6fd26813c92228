//! In a full mailbox the policy decides who goes: the least urgent first, nothing more urgent than what comes, and nothing in
//! vain. Whoever missed something is told where it would have been.

mod common;

use std::time::Duration;

use common::{Door, Notes, end, event, n, quiet, stats_of};
use owlbus::{
    Bus, Delivery, Event, Overflow, Priority,
    Priority::{Deferred, High, Normal},
    PublishError, Receipt,
    handle::DropReason,
};

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

fn events(numbers: impl IntoIterator<Item = u64>) -> Vec<Seen> {
    numbers.into_iter().map(Got).collect()
}

#[tokio::test(start_paused = true)]
async fn the_oldest_of_the_least_urgent_goes_and_nothing_more_urgent_than_what_comes() {
    let bus = held();
    let seen = room(&bus, 4, Overflow::DropOldest, false, &Door::opened()).await;
    for (priority, n) in [(High, 1), (Normal, 2), (Deferred, 3), (Deferred, 4)] {
        assert_eq!(put(&bus, of(priority, n)), 0);
    }
    // 3 goes for a `High` one, 4 for one of its own, 6 and 2 for `High` ones; then only `High` ones are left.
    for (priority, n) in [(High, 5), (Deferred, 6), (High, 7), (High, 8)] {
        assert_eq!(put(&bus, of(priority, n)), 1, "{n}");
    }
    for (priority, n) in [(Normal, 9), (Deferred, 10), (Normal, 11)] {
        assert_eq!(put(&bus, of(priority, n)), 1, "{n}");
    }
    assert_eq!(stats_of(&bus, "full").dropped.overflow, 7);
    // And the first of them for one more.
    assert_eq!(put(&bus, of(High, 12)), 1);
    bus.resume();
    quiet().await;
    let seen = seen.all();
    assert_eq!(seen[0], Missed(5), "what gave way is told first: {seen:?}");
    let gaps: Vec<_> = seen[1..].iter().filter(|one| matches!(one, Missed(_))).collect();
    assert_eq!(gaps, [&Missed(2), &Missed(1)], "{seen:?}");
    let got: Vec<_> = seen.iter().filter(|one| matches!(one, Got(_))).cloned().collect();
    assert_eq!(got, events([5, 7, 8, 12]));
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn the_newest_of_the_least_urgent_goes_for_what_is_more_urgent() {
    let bus = held();
    let seen = room(&bus, 4, Overflow::DropNewest, false, &Door::opened()).await;
    for (priority, n) in [(Normal, 1), (Deferred, 2), (Deferred, 3), (Normal, 4)] {
        assert_eq!(put(&bus, of(priority, n)), 0);
    }
    // One of the lowest lane gives way to nobody of its own; 3 goes for 6, 2 for 7; then 7 and 4 for `High` ones.
    for (priority, n) in [(Deferred, 5), (Normal, 6), (Normal, 7), (Normal, 8), (High, 9), (High, 10)] {
        assert_eq!(put(&bus, of(priority, n)), 1, "{n}");
    }
    bus.resume();
    quiet().await;
    let got: Vec<_> = seen.all().into_iter().filter(|one| matches!(one, Got(_))).collect();
    assert_eq!(got, events([9, 1, 10, 4]));
    assert_eq!(stats_of(&bus, "full").dropped.overflow, 6);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn a_gap_lies_behind_what_came_before_it_in_its_lane() {
    let (bus, door) = (Bus::in_memory(), Door::closed());
    let seen = room(&bus, 3, Overflow::DropNewest, false, &door).await;
    put(&bus, of(Normal, 1));
    quiet().await;
    for (priority, n) in [(Deferred, 2), (Deferred, 3), (Deferred, 4), (High, 5), (Deferred, 6)] {
        put(&bus, of(priority, n));
    }
    // 4 found no room; 3 gave way to 5; 6 found no room. All of them were `Deferred`, and 2 is before them.
    door.let_through(1);
    quiet().await;
    assert_eq!(seen.all(), [Got(1), Got(5)]);
    door.open();
    assert_eq!(seen.once_there_are(4).await, [Got(1), Got(5), Got(2), Missed(3)]);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn a_gap_waits_for_no_key_that_is_busy() {
    let (bus, door) = (Bus::in_memory(), Door::closed());
    let seen = room(&bus, 3, Overflow::DropNewest, true, &door).await;
    for n in 1..=4 {
        put(&bus, keyed(Normal, "a", n));
        quiet().await;
    }
    // Nothing before it can start, and the other workers have nothing else to do.
    assert_eq!(seen.once_there_are(2).await, [Got(1), Missed(1)]);
    door.open();
    assert_eq!(seen.once_there_are(4).await, [Got(1), Missed(1), Got(2), Got(3)]);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn who_waits_or_is_refused_takes_nothing_away() {
    for overflow in [BLOCK, Overflow::Reject] {
        let (bus, door) = (Bus::in_memory(), Door::closed());
        let seen = room(&bus, 2, overflow, false, &door).await;
        (1..=2).for_each(|n| _ = put(&bus, of(Deferred, n)));
        quiet().await;
        is_full(bus.try_publish(of(High, 3)), 3);
        match bus.publish(of(High, 4)).await {
            Ok(receipt) => assert_eq!((overflow, dropped(&receipt)), (BLOCK, 1)),
            refused => is_full(refused, 4),
        }
        assert_eq!((stats_of(&bus, "full").queued, stats_of(&bus, "full").running), (1, 1));
        door.open();
        quiet().await;
        let got: Vec<_> = seen.all().into_iter().filter(|one| matches!(one, Got(_))).collect();
        assert_eq!(got, events([1, 2]));
        end(bus).await;
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_taken_in_vain() {
    let large = |priority, n: u64| {
        let data = serde_json::json!({ "n": n, "padding": "x".repeat(4_000) });
        let event = Event::json("test.lane", data).expect("the topic is one");
        Event::builder(event).priority(priority).build().expect("the fields are right")
    };
    for overflow in [Overflow::DropOldest, Overflow::DropNewest] {
        let (bus, door, seen) = (Bus::in_memory(), Door::closed(), Notes::new());
        let (noted, waits) = (seen.clone(), door.clone());
        let handler = move |event: Delivery| {
            let (noted, door) = (noted.clone(), waits.clone());
            async move {
                noted.add(n(&event));
                door.pass().await;
            }
        };
        let on = bus.on("test.**").name("full").mailbox(100, overflow).mailbox_bytes(10_000);
        on.handle(handler).await.expect("the options are right");
        put(&bus, large(Normal, 1));
        quiet().await;
        put(&bus, large(High, 2));
        (3..=5).for_each(|n| _ = put(&bus, of(Deferred, n)));
        // One runs and one is more urgent: without every `Deferred` one there were no room either.
        assert_eq!((put(&bus, large(Normal, 6)), stats_of(&bus, "full").queued), (1, 4), "{overflow:?}");
        door.open();
        assert_eq!(seen.once_there_are(5).await, [1, 2, 3, 4, 5]);
        // Two of them have room beside one another, and the small ones go for the second.
        end(bus).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_gave_way_is_counted_by_reason_and_told_to_those_who_watch_the_bus() {
    let bus = held();
    let gaps = common::listen(&bus, "owlbus.gap").await;
    room(&bus, 2, Overflow::DropOldest, false, &Door::opened()).await;
    for (priority, n) in [(Deferred, 1), (Deferred, 2), (High, 3)] {
        put(&bus, of(priority, n));
    }
    bus.resume();
    let gap = &gaps.once_there_are(1).await[0];
    let told = |field| gap.get::<serde_json::Value>(field).expect("it is there");
    assert_eq!((told("/subscription"), told("/missed")), ("full".into(), 1.into()));
    assert_eq!(told("/reason"), DropReason::Overflow.as_str());
    end(bus).await;
}
