//! Whoever publishes an event as tracked is told what became of it in every subscription, once it is settled in all of
//! them: handled, skipped, failed and why, or dropped and why. However a subscription, a handler or the bus ends, the
//! answer comes.

mod common;

use std::{sync::Arc, time::Duration};

use common::{Door, Notes, end, event, n, number, quiet, stats_of};
use owlbus::{
    Bus, Delivery, Event, HandlerError, Outcome, Overflow, Priority, PublishError, Subscription, Tracked,
    handle::{DropReason, On},
    settle::{Settled, Settlement},
};
use tokio::time::{Instant, timeout};

const BLOCK: Overflow = Overflow::Block { timeout: Duration::from_secs(60) };

async fn track(bus: &Bus, event: Event) -> Tracked {
    bus.event(event).tracked().publish().await.expect("it is accepted")
}

/// The outcomes, which must be there by now.
async fn settled(tracked: &Tracked) -> Vec<(String, Settlement)> {
    quiet().await;
    in_words(timeout(Duration::ZERO, tracked.settled()).await.expect("all is settled").expect("no cycle"))
}

fn in_words(settled: Vec<Settled>) -> Vec<(String, Settlement)> {
    settled.into_iter().map(|one| (one.subscription.to_string(), one.settlement)).collect()
}

async fn is_pending(tracked: &Tracked) -> bool {
    quiet().await;
    timeout(Duration::ZERO, tracked.settled()).await.is_err()
}

fn done(name: &str) -> (String, Settlement) {
    (name.into(), Settlement::Done)
}

fn dead(name: &str, reason: &str) -> (String, Settlement) {
    (name.into(), Settlement::Dead { reason: reason.into() })
}

fn dropped(name: &str, reason: DropReason) -> (String, Settlement) {
    (name.into(), Settlement::Dropped { reason })
}

/// Ends the making of a subscription with a handler that waits at the door.
async fn waits(on: On<'_>, door: &Door) -> Subscription {
    let door = door.clone();
    let handler = move |_: Delivery| {
        let door = door.clone();
        async move { door.pass().await }
    };
    on.handle(handler).await.expect("the options are right")
}

#[tokio::test(start_paused = true)]
async fn all_outcomes_come_inline_ones_first_then_by_band_then_in_the_order_they_came() {
    let bus = common::patient_bus();
    let fine = |_: Delivery| async {};
    let on = |name: &str| bus.on("test.**").name(name);
    on("low").priority(-1).handle(fine).await.expect("it is right");
    on("done").handle(fine).await.expect("it is right");
    on("skips").handle(|_: Delivery| async { Outcome::Skipped }).await.expect("it is right");
    on("filters").filter(|_| false).handle(fine).await.expect("it is right");
    on("filter panics").filter(|_| panic!("filters may")).handle(fine).await.expect("it is right");
    let fails = |_: Delivery| async {
        "x".parse::<u64>()?;
        Ok(())
    };
    on("fails").handle(fails).await.expect("it is right");
    let dies = |_: Delivery| async { Outcome::Dead { reason: "never\nagain".into() } };
    on("dies").priority(3).handle(dies).await.expect("it is right");
    let late = |event: Delivery| async move {
        tokio::task::yield_now().await;
        assert!(n(&event) > 7, "at {}", 7);
    };
    on("panics").handle(late).await.expect("it is right");
    on("maps").map(|_| panic!("transforms may")).handle(fine).await.expect("it is right");
    let unread = |_: &common::Text| {};
    on("inline unread").inline(unread).await.expect("it is right");
    on("inline").priority(2).inline(|_: &Event| Outcome::Skipped).await.expect("it is right");
    on("inline filters").filter(|_| false).inline(|_: &Event| {}).await.expect("it is right");
    on("inline fails")
        .inline(|_: &Event| Err::<(), _>(HandlerError::permanent("no")))
        .await
        .expect("it is right");
    on("typed").typed::<common::Text>().handle(fine).await.expect("it is right");
    on("once").once().handle(fine).await.expect("it is right");
    bus.on("elsewhere").handle(fine).await.expect("it is right");
    let blocks = |_: Delivery| Err::<(), _>(HandlerError::temporary("not now"));
    on("blocks").priority(-2).handle_blocking(blocks).await.expect("it is right");

    let tracked = track(&bus, event("test.number", 1)).await;
    let all = in_words(tracked.settled().await.expect("no cycle"));
    let Settlement::Dead { reason } = &all[1].1 else { panic!("{all:?}") };
    assert!(reason.contains("text"), "it names the field: {reason}");
    let unread = reason.clone();
    let expected = [
        ("inline".into(), Settlement::Skipped),
        dead("inline unread", &unread),
        dead("inline fails", "no"),
        dead("dies", "never\nagain"),
        done("done"),
        ("skips".into(), Settlement::Skipped),
        ("filter panics".into(), Settlement::Skipped),
        dead("fails", "invalid digit found in string"),
        dead("panics", "panicked: at 7"),
        dead("maps", "panicked: transforms may"),
        done("once"),
        done("low"),
        dead("blocks", "not now"),
    ];
    assert_eq!(all, expected);
    assert_eq!((tracked.matched, tracked.dropped.clone()), (Some(13), Some(vec![])));
    // The second time `once` is gone.
    let again = track(&bus, event("test.number", 2)).await.settled().await.expect("no cycle");
    assert_eq!(again.len(), 12);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn where_nobody_wants_it_there_is_nothing_to_wait_for() {
    let bus = common::patient_bus();
    let tracked = track(&bus, event("test.number", 1)).await;
    assert_eq!((settled(&tracked).await, tracked.matched), (vec![], Some(0)));
    bus.on("**").filter(|_| false).handle(|_: Delivery| async {}).await.expect("the options are right");
    assert_eq!(settled(&track(&bus, Event::new(number(2))).await).await, []);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn what_was_dropped_for_want_of_room_says_so() {
    let (bus, door) = (common::patient_bus(), Door::closed());
    let on = |name: &str, overflow| bus.on("test.**").name(name).mailbox(1, overflow);
    waits(on("newest", Overflow::DropNewest), &door).await;
    waits(on("oldest", Overflow::DropOldest).concurrency(1), &door).await;
    let first = track(&bus, Event::new(number(1))).await;
    quiet().await;
    // What has started gives way to nothing.
    let second = track(&bus, Event::new(number(2))).await;
    assert_eq!(
        settled(&second).await,
        [dropped("newest", DropReason::Overflow), dropped("oldest", DropReason::Overflow)]
    );
    assert!(is_pending(&first).await);
    let block = Overflow::Block { timeout: Duration::from_secs(7) };
    let blocks = waits(on("blocks", block), &door).await;
    bus.publish(number(3)).await.expect("`blocks` has room");
    let before = Instant::now();
    let waited = track(&bus, Event::new(number(4))).await;
    assert_eq!((before.elapsed(), blocks.stats().dropped.block_timeout), (Duration::from_secs(7), 1));
    let expected = [
        ("newest", DropReason::Overflow),
        ("oldest", DropReason::Overflow),
        ("blocks", DropReason::BlockTimeout),
    ];
    assert_eq!(settled(&waited).await, expected.map(|(name, reason)| dropped(name, reason)));
    assert_eq!(waited.dropped.as_ref().expect("the bus routes itself").len(), 3);
    door.open();
    assert_eq!(settled(&first).await, [done("newest"), done("oldest")]);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn what_gave_way_after_it_was_accepted_says_so_too() {
    let (bus, door) = (common::patient_bus(), Door::closed());
    waits(bus.on("test.**").name("oldest").mailbox(2, Overflow::DropOldest), &door).await;
    bus.publish(number(0)).await.expect("there is room");
    quiet().await;
    let gives_way = track(&bus, Event::new(number(1))).await;
    assert_eq!(gives_way.dropped, Some(vec![]));
    assert!(is_pending(&gives_way).await);
    let stays = track(&bus, Event::new(number(2))).await;
    assert_eq!(settled(&gives_way).await, [dropped("oldest", DropReason::Overflow)]);
    door.open();
    assert_eq!(settled(&stays).await, [done("oldest")]);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn it_may_be_asked_often_at_once_and_given_up() {
    let (bus, door) = (common::patient_bus(), Door::closed());
    waits(bus.on("test.**").name("slow"), &door).await;
    let tracked = Arc::new(track(&bus, Event::new(number(1))).await);
    let asks = || {
        let tracked = Arc::clone(&tracked);
        tokio::spawn(async move { in_words(tracked.settled().await.expect("no cycle")) })
    };
    let (first, given_up, second) = (asks(), asks(), asks());
    quiet().await;
    given_up.abort();
    assert!(given_up.await.is_err());
    drop(tracked.settled());
    assert!(is_pending(&tracked).await);
    door.open();
    assert_eq!(
        (first.await.expect("no panic"), second.await.expect("no panic")),
        (vec![done("slow")], vec![done("slow")])
    );
    assert_eq!(settled(&tracked).await, [done("slow")]);
    assert_eq!(stats_of(&bus, "slow").done, 1, "nothing was delivered again");
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn it_is_a_receipt_and_shows_no_data() {
    let bus = common::patient_bus();
    waits(bus.on("test.**").name("slow"), &Door::closed()).await;
    let secret = Event::json("test.number", "a secret").expect("the topic is one");
    let tracked = bus.event(secret.clone()).key("k").priority(Priority::High).tracked();
    let tracked = tracked.publish().await.expect("it is accepted");
    assert_eq!((tracked.id.clone(), tracked.matched), (secret.id(), Some(1)));
    assert!(!format!("{tracked:?}").contains("a secret"));
    assert_eq!(tracked.into_receipt().unfinished, Vec::<Arc<str>>::new());
    let urgent = bus.event(number(2)).priority(Priority::Immediate).tracked().publish();
    let urgent = urgent.await.expect("it is accepted");
    assert_eq!(urgent.unfinished.iter().map(|name| &**name).collect::<Vec<_>>(), ["slow"]);
    assert!(is_pending(&urgent).await);
    bus.shutdown_within(Duration::ZERO).await;
    assert_eq!(settled(&urgent).await, [dropped("slow", DropReason::Shutdown)]);
}

#[tokio::test(start_paused = true)]
async fn a_publish_that_fails_gives_the_event_back_as_any_other() {
    let (bus, door) = (common::patient_bus(), Door::closed());
    waits(bus.on("test.**").name("full").mailbox(1, Overflow::Reject), &door).await;
    bus.publish(number(1)).await.expect("there is room");
    let error = bus.event(number(2)).tracked().publish().await.expect_err("there is no room");
    assert!(matches!(&error, PublishError::Full { event, .. } if n(event) == 2));
    let error = bus.event(number(3)).key("").tracked().publish().await.expect_err("the key is empty");
    assert!(matches!(&error, PublishError::Rejected { event, .. } if n(event) == 3));
    assert_eq!(bus.stats().refused, 2);
    door.open();
    end(bus.clone()).await;
    let error = bus.event(number(4)).tracked().publish().await.expect_err("the bus has ended");
    assert!(matches!(error, PublishError::Closed { .. }));
}

#[tokio::test(start_paused = true)]
async fn a_handler_waits_for_what_its_child_comes_to() {
    let (bus, learned) = (common::patient_bus(), Notes::new());
    let noted = learned.clone();
    bus.on("effect")
        .name("effects")
        .handle(|_: Delivery| async { Outcome::Skipped })
        .await
        .expect("it is right");
    let handler = move |number: Delivery<common::Number>| {
        let noted = noted.clone();
        async move {
            let bus = number.bus().expect("somebody holds the bus");
            let tracked = bus.event(event("effect", number.n)).tracked().publish().await?;
            noted.add((tracked.matched, in_words(tracked.settled().await?)));
            Ok(())
        }
    };
    bus.on("test.number").name("asks").handle(handler).await.expect("the options are right");
    let tracked = track(&bus, Event::new(number(1))).await;
    assert_eq!(settled(&tracked).await, [done("asks")]);
    assert_eq!(learned.all(), [(Some(1), vec![("effects".to_owned(), Settlement::Skipped)])]);
    end(bus).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_at_once_every_one_is_settled_and_the_sums_agree() {
    const EVENTS: u64 = 2_000;
    let bus = common::patient_bus();
    let odd = |event: Delivery| async move {
        tokio::task::yield_now().await;
        match n(&event) % 4 {
            0 => Ok(Outcome::Done),
            1 => Ok(Outcome::Skipped),
            2 => Err(HandlerError::temporary("two")),
            _ => panic!("three is too many"),
        }
    };
    let on = |name: &str, band: i32| bus.on("test.**").name(name).priority(band);
    on("keyed", 0).ordered_by_key().mailbox(16, BLOCK).handle(odd).await.expect("it is right");
    on("drops", 1).mailbox(8, Overflow::DropOldest).concurrency(3).handle(odd).await.expect("it is right");
    on("newest", 0).mailbox(8, Overflow::DropNewest).handle(odd).await.expect("it is right");
    on("inline", 0)
        .inline(|event: &Event| if n(event).is_multiple_of(3) { Outcome::Done } else { Outcome::Skipped })
        .await
        .expect("it is right");
    let leaves = on("leaves", 0).mailbox(64, BLOCK).handle(odd).await.expect("it is right");
    let publishers: Vec<_> = (0..4)
        .map(|publisher| {
            let bus = bus.clone();
            tokio::spawn(async move {
                let mut settled = Vec::new();
                for n in (publisher..EVENTS).step_by(4) {
                    let lanes = [Priority::Normal, Priority::High, Priority::Deferred, Priority::Immediate];
                    let event =
                        bus.event(number(n)).key((n % 5).to_string()).priority(lanes[(n / 4 % 4) as usize]);
                    settled.push(event.tracked().publish().await.expect("it is accepted"));
                }
                settled
            })
        })
        .collect();
    tokio::task::yield_now().await;
    leaves.unsubscribe();
    let mut all: Vec<(String, Settlement)> = Vec::new();
    for publisher in publishers {
        for tracked in publisher.await.expect("no panic") {
            let settled = timeout(Duration::from_secs(30), tracked.settled()).await;
            all.extend(in_words(settled.expect("every one is settled").expect("no cycle")));
        }
    }
    quiet().await;
    let mut subscriptions = bus.stats().subscriptions;
    subscriptions.push(leaves.stats());
    for stats in subscriptions {
        let count = |is: fn(&Settlement) -> bool| {
            all.iter().filter(|(name, settlement)| *name == stats.name && is(settlement)).count() as u64
        };
        let found = (
            count(|settlement| *settlement == Settlement::Done),
            count(|settlement| *settlement == Settlement::Skipped),
            count(|settlement| matches!(settlement, Settlement::Dead { .. })),
            count(|settlement| matches!(settlement, Settlement::Dropped { .. })),
        );
        assert_eq!(found, (stats.done, stats.skipped, stats.dead, stats.dropped.total()), "{}", stats.name);
        assert_eq!(count(|_| true), stats.matched, "{}", stats.name);
    }
    end(bus).await;
}
