//! A subscription ends when its owner says so: from outside, from inside its own handler, when a guard is dropped, or
//! after one event. Nothing more starts, what waited is counted as dropped, and what the handler held is let go of.

mod common;

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
};

use common::{Door, Notes, end, event, n, number, quiet, stats_of};
use owlbus::{Bus, Delivery, Outcome, Overflow, Subscription};

#[tokio::test(start_paused = true)]
async fn what_waited_is_dropped_and_counted_and_what_ran_may_finish() {
    let (bus, door, seen) = (Bus::in_memory(), Door::closed(), Notes::new());
    let (waits, noted) = (door.clone(), seen.clone());
    let subscription = bus
        .on("test.**")
        .handle(move |event: Delivery| {
            let (door, noted) = (waits.clone(), noted.clone());
            async move {
                door.pass().await;
                noted.add(n(&event));
            }
        })
        .await
        .expect("the options are right");
    for n in 1..=5 {
        bus.publish(event("test.number", n)).await.expect("there is room");
    }
    quiet().await;
    assert_eq!(subscription.unsubscribe(), 4);
    assert_eq!(subscription.unsubscribe(), 0);
    door.open();
    quiet().await;
    assert_eq!(seen.all(), [1]);
    let stats = subscription.stats();
    assert_eq!((stats.matched, stats.done, stats.dropped.unsubscribed), (5, 1, 4));
    assert!(stats.is_conserved());
    let receipt = bus.publish(event("test.number", 6)).await.expect("it is accepted");
    assert_eq!(receipt.matched, Some(0));
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn a_handler_ends_its_own_subscription() {
    let (bus, seen) = (Bus::in_memory(), Notes::new());
    let own: Arc<Mutex<Option<Subscription>>> = Arc::default();
    let (mine, noted) = (own.clone(), seen.clone());
    let subscription = bus
        .on("test.**")
        .handle(move |event: Delivery| {
            let (mine, noted) = (mine.clone(), noted.clone());
            async move {
                noted.add(n(&event));
                if n(&event) == 2 {
                    let subscription = mine.lock().expect("nobody panics").take();
                    subscription.expect("it was put there").unsubscribe();
                }
            }
        })
        .await
        .expect("the options are right");
    *own.lock().expect("nobody panics") = Some(subscription.clone());
    for n in 1..=5 {
        bus.publish(event("test.number", n)).await.expect("there is room");
    }
    quiet().await;
    assert_eq!(seen.all(), [1, 2]);
    assert_eq!(subscription.stats().dropped.unsubscribed, 3);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn dropping_the_handle_changes_nothing_unless_it_was_asked_to() {
    let bus = Bus::in_memory();
    drop(
        bus.on("test.**").name("stays").handle(|_: Delivery| async {}).await.expect("the options are right"),
    );
    let goes =
        bus.on("test.**").name("goes").handle(|_: Delivery| async {}).await.expect("the options are right");
    let guard = goes.unsubscribe_on_drop();
    assert_eq!(guard.name(), "goes");
    assert_eq!(bus.publish(number(1)).await.expect("it is accepted").matched, Some(2));
    drop(guard);
    assert_eq!(bus.publish(number(2)).await.expect("it is accepted").matched, Some(1));
    assert_eq!(stats_of(&bus, "stays").matched, 2);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn what_the_handler_and_the_filter_held_is_let_go_of_at_once() {
    struct Held(Arc<AtomicUsize>);
    impl Drop for Held {
        fn drop(&mut self) {
            self.0.fetch_add(1, SeqCst);
        }
    }
    let (bus, dropped) = (Bus::in_memory(), Arc::new(AtomicUsize::new(0)));
    let [in_handler, in_filter, in_map, in_gap] = [(); 4].map(|()| Held(dropped.clone()));
    let subscription = bus
        .on("test.**")
        .filter(move |_| in_filter.0.load(SeqCst) < 10)
        .map(move |event| if in_map.0.load(SeqCst) < 10 { event } else { event.clone() })
        .on_gap(move |_| _ = in_gap.0.load(SeqCst))
        .handle(move |_: Delivery| {
            let calm = in_handler.0.load(SeqCst) < 10;
            async move { assert!(calm) }
        })
        .await
        .expect("the options are right");
    // The publisher remembers the route, and forgets nothing by itself.
    bus.publish(number(1)).await.expect("it is accepted");
    quiet().await;
    subscription.unsubscribe();
    quiet().await;
    assert_eq!(dropped.load(SeqCst), 4);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn once_takes_the_first_event_that_passes_the_filter() {
    let (bus, seen) = (Bus::in_memory(), Notes::new());
    let noted = seen.clone();
    bus.on("test.**")
        .name("once")
        .filter(|event| n(event) > 2)
        .once()
        .handle(move |event: Delivery| {
            let noted = noted.clone();
            async move { noted.add(n(&event)) }
        })
        .await
        .expect("the options are right");
    for n in 1..=5 {
        bus.publish(event("test.number", n)).await.expect("it is accepted");
    }
    quiet().await;
    assert_eq!(seen.all(), [3]);
    assert!(bus.stats().subscriptions.is_empty(), "it has ended");
    end(bus).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn once_is_claimed_by_one_of_many_publishers() {
    for _ in 0..200 {
        let (bus, calls) = (Bus::in_memory(), Arc::new(AtomicUsize::new(0)));
        let counted = calls.clone();
        let once = bus
            .once(move |_: Delivery<common::Number>| {
                let counted = counted.clone();
                async move { _ = counted.fetch_add(1, SeqCst) }
            })
            .await
            .expect("the options are right");
        let publishers = (0..4).map(|n| {
            let bus = bus.clone();
            tokio::spawn(async move { bus.publish(number(n)).await.expect("it is accepted").matched })
        });
        let mut matched = 0;
        for publisher in publishers.collect::<Vec<_>>() {
            matched += publisher.await.expect("no panic").expect("the bus routes itself");
        }
        assert_eq!(matched, 1);
        assert!(bus.shutdown().await.is_clean());
        assert_eq!(calls.load(SeqCst), 1);
        assert!(once.stats().is_conserved(), "{:?}", once.stats());
    }
}

#[tokio::test(start_paused = true)]
async fn once_waits_on_when_its_event_was_refused_elsewhere() {
    let (bus, door, seen) = (Bus::in_memory(), Door::closed(), Notes::new());
    let noted = seen.clone();
    bus.on("test.**")
        .once()
        .mailbox(1, Overflow::Reject)
        .handle(move |event: Delivery| {
            let noted = noted.clone();
            async move { noted.add(n(&event)) }
        })
        .await
        .expect("the options are right");
    let waits = door.clone();
    let full = bus
        .on("**")
        .mailbox(1, Overflow::Reject)
        .handle(move |_: Delivery| {
            let door = waits.clone();
            async move { door.pass().await }
        })
        .await
        .expect("the options are right");
    bus.publish(event("other", 0)).await.expect("there is room");
    assert!(bus.publish(event("test.number", 1)).await.is_err());
    full.unsubscribe();
    bus.publish(event("test.number", 2)).await.expect("nobody refuses");
    assert_eq!(seen.once_there_are(1).await, [2]);
    door.open();
    end(bus).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn unsubscribing_while_others_publish_loses_no_count() {
    for _ in 0..100 {
        let (bus, ended) = (Bus::in_memory(), Arc::new(AtomicBool::new(false)));
        let subscription =
            bus.on("test.**").handle(|_: Delivery| async {}).await.expect("the options are right");
        let publisher = tokio::spawn({
            let (bus, ended) = (bus.clone(), ended.clone());
            async move {
                let mut matched = 0;
                for n in 0.. {
                    matched +=
                        bus.publish(number(n)).await.expect("it is accepted").matched.expect("it routes")
                            as u64;
                    if ended.load(SeqCst) {
                        return matched;
                    }
                }
                matched
            }
        });
        tokio::task::yield_now().await;
        subscription.unsubscribe();
        ended.store(true, SeqCst);
        let matched = publisher.await.expect("no panic");
        bus.shutdown().await;
        let stats = subscription.stats();
        assert!(stats.is_conserved(), "{stats:?}");
        assert_eq!(stats.matched, matched);
        assert_eq!(stats.pending(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_handler_ends_its_subscription_by_its_delivery() {
    let (bus, seen) = (Bus::in_memory(), Notes::new());
    let noted = seen.clone();
    let subscription = bus
        .on("test.**")
        .handle(move |event: Delivery| {
            let noted = noted.clone();
            async move {
                noted.add(n(&event));
                event.unsubscribe();
                Ok(Outcome::Done)
            }
        })
        .await
        .expect("the options are right");
    for n in 1..=3 {
        bus.publish(event("test.number", n)).await.expect("there is room");
    }
    quiet().await;
    assert_eq!(seen.all(), [1]);
    let stats = subscription.stats();
    assert_eq!((stats.done, stats.dropped.unsubscribed), (1, 2));
    end(bus).await;
}
