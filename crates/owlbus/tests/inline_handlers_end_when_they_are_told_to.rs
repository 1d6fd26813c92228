//! An inline handler whose subscription ends is called no more, whoever ends it and whoever publishes meanwhile. What it
//! holds is let go of then, and as long as it is called, it is called by its rules.

mod common;

use std::sync::{
    Arc, Mutex, Weak,
    atomic::{AtomicU64, Ordering::SeqCst},
    mpsc,
};

use common::{Notes, assert_conserved, end, n, number};
use owlbus::{Bus, Delivery, Event, Subscription, handle::On};

/// Ends the making of a subscription with an inline handler that notes the numbers.
fn notes(on: On<'_>) -> (Subscription, Notes<u64>) {
    let (seen, noted) = Notes::pair();
    (on.inline_now(move |event: &Event| noted.add(n(event))).expect("the options are right"), seen)
}

/// Tells whether the captured value of a handler is still there.
fn captured() -> (Arc<()>, Weak<()>) {
    let value = Arc::new(());
    let weak = Arc::downgrade(&value);
    (value, weak)
}

#[tokio::test(start_paused = true)]
async fn what_it_holds_is_let_go_of_when_its_subscription_ends() {
    let bus = Bus::in_memory();
    let seen = Arc::new(AtomicU64::new(0));
    let (holds, calls) = (captured(), seen.clone());
    let value = holds.0;
    let counts = move |_: &Event| {
        let _held = &value;
        calls.fetch_add(1, SeqCst);
    };
    let subscription = bus.on("test.**").inline(counts).await.expect("the options are right");
    bus.publish(number(1)).await.expect("it is accepted");
    assert_eq!(subscription.unsubscribe(), 0);
    // The handle, and what this thread remembers of the routes, hold the subscription, but nothing of the user.
    assert!(holds.1.upgrade().is_none());
    bus.publish(number(2)).await.expect("it is accepted");
    assert_eq!((seen.load(SeqCst), subscription.stats().matched), (1, 1));

    let ends = captured();
    let value = ends.0;
    bus.on("test.**").inline(move |_: &Event| _ = &value).await.expect("the options are right");
    bus.publish(number(3)).await.expect("it is accepted");
    end(bus).await;
    assert!(ends.1.upgrade().is_none(), "so does the end of the bus");

    let (bus, goes) = (Bus::in_memory(), captured());
    let value = goes.0;
    bus.on("test.**").inline(move |_: &Event| _ = &value).await.expect("the options are right");
    bus.publish(number(4)).await.expect("it is accepted");
    drop(bus);
    assert!(goes.1.upgrade().is_none(), "and that of its last handle");
}

#[tokio::test(start_paused = true)]
async fn it_may_end_its_own_subscription_and_others_that_would_come_next() {
    let bus = Bus::in_memory();
    let itself: Arc<Mutex<Option<Subscription>>> = Arc::default();
    let (knows, (value, weak)) = (itself.clone(), captured());
    let (other, others) = notes(bus.on("test.**").priority(-1));
    let queued = bus.on("test.**").name("queued").handle(|_: Delivery| async {}).await.expect("it is right");
    let ends = other.clone();
    let inline = move |_: &Event| {
        let own = knows.lock().expect("nobody panics").take().expect("it is called once");
        own.unsubscribe();
        assert!(Arc::strong_count(&value) > 0, "what it holds is there until it returns");
        ends.unsubscribe();
        queued.unsubscribe();
    };
    *itself.lock().expect("nobody panics") =
        Some(bus.on("test.**").inline(inline).await.expect("it is right"));
    for n in 1..=2 {
        let receipt = bus.publish(number(n)).await.expect("it is accepted");
        assert_eq!(receipt.matched, Some(usize::from(n == 1)), "the others had ended when it was their turn");
    }
    assert!(weak.upgrade().is_none());
    assert_eq!((others.all().len(), other.stats().matched), (0, 0));
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn a_value_that_panics_when_it_is_let_go_of_hurts_no_publisher() {
    struct Loud;
    impl Drop for Loud {
        fn drop(&mut self) {
            assert!(std::thread::panicking(), "dropping may panic");
        }
    }
    let bus = Bus::in_memory();
    let itself: Arc<Mutex<Option<Subscription>>> = Arc::default();
    let (knows, loud) = (itself.clone(), Loud);
    let inline = move |_: &Event| {
        let _held = &loud;
        knows.lock().expect("nobody panics").take().expect("it is called once").unsubscribe();
    };
    *itself.lock().expect("nobody panics") =
        Some(bus.on("test.**").inline(inline).await.expect("it is right"));
    let (_, after) = notes(bus.on("test.**"));
    let published = tokio::spawn({
        let bus = bus.clone();
        async move { bus.publish(number(1)).await.map(|receipt| receipt.matched) }
    });
    let published = published.await.expect("the publisher sees no panic");
    assert_eq!((published.expect("it is accepted"), after.all()), (Some(2), vec![1]));
    end(bus).await;
}

/// Lets a publisher go on when it is dropped, and waits until that publisher is through.
struct LetsThrough(mpsc::Sender<()>, Mutex<mpsc::Receiver<()>>);

impl Drop for LetsThrough {
    fn drop(&mut self) {
        _ = self.0.send(());
        _ = self.1.get_mut().expect("nobody panics").recv();
    }
}

/// What an inline handler saw of event 1, whose publisher was under way when the subscription ended. `rules` gets what
/// lets the publisher through, for the filter or the transform to hold.
async fn saw_at_its_end(rules: impl FnOnce(On<'_>, LetsThrough) -> On<'_>) -> Vec<u64> {
    let bus = Bus::in_memory();
    let ((go_on, may_go_on), (through, is_through)) = (mpsc::channel(), mpsc::channel());
    let (arrives, arrived) = mpsc::channel();
    let (may_go_on, arrives) = (Mutex::new(may_go_on), Mutex::new(arrives));
    let waits = move |_: &Event| {
        arrives.lock().expect("nobody panics").send(()).expect("the test waits");
        may_go_on.lock().expect("nobody panics").recv().expect("the test lets it go on");
    };
    bus.on("test.**").priority(1).inline(waits).await.expect("the options are right");
    let (ends, seen) = notes(rules(bus.on("test.**"), LetsThrough(go_on, Mutex::new(is_through))));
    let publisher = std::thread::spawn({
        let bus = bus.clone();
        move || {
            bus.try_publish(number(1)).expect("it is accepted");
            drop(through);
        }
    });
    arrived.recv().expect("the publisher comes");
    ends.unsubscribe();
    publisher.join().expect("no panic");
    end(bus).await;
    seen.all()
}

#[tokio::test]
async fn a_publisher_under_way_when_it_ends_asks_its_filter_or_does_not_call_it() {
    fn filters(on: On<'_>, held: LetsThrough) -> On<'_> {
        on.filter(move |_| {
            let _held = &held;
            false
        })
    }
    assert_eq!(saw_at_its_end(filters).await, [0; 0]);
}

#[tokio::test]
async fn a_publisher_under_way_when_it_ends_applies_its_transform_or_does_not_call_it() {
    fn maps(on: On<'_>, held: LetsThrough) -> On<'_> {
        on.map(move |event| {
            let _held = &held;
            common::event("test.mapped", n(&event) + 100)
        })
    }
    let seen = saw_at_its_end(maps).await;
    assert!(seen.is_empty() || seen == [101], "it saw {seen:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_is_called_after_unsubscribe_returned_but_what_had_begun() {
    for _ in 0..300 {
        let bus = Bus::in_memory();
        let (ended, late) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let (has_ended, too_late) = (ended.clone(), late.clone());
        let inline = move |event: &Event| {
            // The publisher noted before its publish whether the end had come.
            if n(event) == 1 {
                too_late.fetch_add(1, SeqCst);
            }
        };
        let subscription = bus.on("test.**").inline(inline).await.expect("the options are right");
        let publisher = std::thread::spawn({
            let bus = bus.clone();
            move || {
                for _ in 0..200 {
                    bus.try_publish(number(has_ended.load(SeqCst))).expect("it is accepted");
                }
            }
        });
        tokio::task::yield_now().await;
        subscription.unsubscribe();
        ended.store(1, SeqCst);
        publisher.join().expect("no panic");
        assert_eq!(late.load(SeqCst), 0);
        assert_conserved(&bus);
    }
}
