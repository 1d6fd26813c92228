//! A bus in memory is subscribed to from anywhere: from code that cannot await, and from threads no runtime knows. A
//! subscription can be asked whether it would want an event.

mod common;

use common::{Notes, end, event, n, number};
use owlbus::{Bus, Delivery, SubscribeError};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thread_outside_the_runtime_subscribes() {
    let (bus, seen) = (Bus::in_memory(), Notes::new());
    let (outside, every, first) = (bus.clone(), seen.clone(), seen.clone());
    let outside = std::thread::spawn(move || {
        outside.subscribe_now(move |number: Delivery<common::Number>| {
            let every = every.clone();
            async move { every.add(number.n) }
        })?;
        outside.once_now(move |number: Delivery<common::Number>| {
            let first = first.clone();
            async move { first.add(number.n + 100) }
        })?;
        outside.on("test.**").name("by topic").handle_now(|_: Delivery| async {})
    });
    let by_topic = outside.join().expect("no panic").expect("the bus knows its runtime");
    for n in 1..=2 {
        bus.publish(number(n)).await.expect("it is accepted");
    }
    let mut seen = seen.once_there_are(3).await;
    seen.sort_unstable();
    assert_eq!(seen, [1, 2, 101]);
    assert_eq!(by_topic.stats().matched, 2);
    end(bus).await;
}

#[test]
fn a_bus_that_knows_no_runtime_says_so() {
    let bus = Bus::in_memory();
    let refused = bus.subscribe_now(|_: Delivery| async {});
    assert_eq!(refused.map(drop), Err(SubscribeError::NoRuntime));
    assert!(bus.stats().subscriptions.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_subscription_says_which_events_it_wants() {
    let bus = Bus::in_memory();
    let never = |_: Delivery| async {};
    let large =
        bus.on(["test.*", "other"]).filter(|event| n(event) > 2).handle(never).await.expect("it is right");
    let typed = bus.subscribe(|_: Delivery<common::Number>| async {}).await.expect("it is right");
    let panics = bus.on("**").filter(|_| panic!("filters may")).handle(never).await.expect("it is right");
    for (event, wanted) in [
        (event("test.a", 3), (true, false)),
        (event("test.a", 2), (false, false)),
        (event("other", 3), (true, false)),
        (event("elsewhere", 3), (false, false)),
        (owlbus::Event::new(number(3)), (true, true)),
    ] {
        assert_eq!((large.matches(&event), typed.matches(&event)), wanted, "{event}");
        assert!(!panics.matches(&event));
    }
    // Asking is not publishing: nothing was counted.
    assert!([large, typed, panics].iter().all(|one| one.stats().matched == 0 && one.stats().filtered == 0));
    end(bus).await;
}
