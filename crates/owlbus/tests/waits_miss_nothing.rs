//! Whoever waits for an event gets the first that matches of all that are published after the wait was made: however fast it
//! comes, and although nobody subscribes to it. Waits end: with the event, with the time, with the bus, or by being dropped.

mod common;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use common::{Number, end, event, n, number, quiet};
use owlbus::{Bus, Event, PublishError, request::WaitError};
use tokio::time::Instant;

const A_SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn what_is_published_before_the_await_is_found() {
    let bus = Bus::in_memory();
    let answer = bus.wait_for("door.*");
    let receipt = bus.publish(event("door.opened", 1)).await.unwrap();
    assert_eq!(receipt.matched, Some(0), "a wait is no subscription");
    bus.publish(event("door.closed", 2)).await.unwrap();
    let answer = answer.await.unwrap();
    assert_eq!((answer.topic().as_str(), n(&answer), answer.id()), ("door.opened", 1, receipt.id));
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn what_was_published_before_the_wait_is_not() {
    let bus = Bus::in_memory();
    bus.publish(event("door.opened", 1)).await.unwrap();
    let next = bus.wait_for("door.opened").timeout(A_SECOND);
    let begun = Instant::now();
    assert_eq!(next.await.unwrap_err(), WaitError::TimedOut { after: A_SECOND });
    assert_eq!(begun.elapsed(), A_SECOND);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_is_awaited_already_is_woken() {
    let bus = Bus::in_memory();
    let waiting = tokio::spawn(bus.wait_for(["door.opened", "window.opened"]).timeout(A_SECOND));
    quiet().await;
    bus.publish(event("door.closed", 1)).await.unwrap();
    bus.publish(event("window.opened", 2)).await.unwrap();
    bus.publish(event("door.opened", 3)).await.unwrap();
    assert_eq!(n(&waiting.await.unwrap().unwrap()), 2);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn a_filter_passes_over_what_it_does_not_want() {
    let bus = Bus::in_memory();
    let third = bus.wait_for("n").filter(|event| n(event) >= 3).filter(|event| n(event) % 2 == 1);
    for number in 1..=100 {
        bus.publish(event("n", number)).await.unwrap();
    }
    assert_eq!(n(&third.await.unwrap()), 3);

    // A filter that comes later looks at what has come meanwhile.
    let later = bus.wait_for("n");
    for number in 1..=9 {
        bus.publish(event("n", number)).await.unwrap();
    }
    assert_eq!(n(&later.filter(|event| n(event) == 7).await.unwrap()), 7);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn a_filter_that_panics_hurts_nobody() {
    let bus = Bus::in_memory();
    let wait = bus.wait_for("n").filter(|event| {
        assert!(n(event) != 1, "it dislikes the first");
        true
    });
    assert!(bus.publish(event("n", 1)).await.is_ok());
    bus.publish(event("n", 2)).await.unwrap();
    assert_eq!(n(&wait.await.unwrap()), 2);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn a_filter_that_publishes_what_it_waits_for_is_stopped() {
    let (bus, depth) = (Bus::in_memory(), Arc::new(AtomicUsize::new(0)));
    let (inside, deepest) = (bus.clone(), Arc::clone(&depth));
    let wait = bus.wait_for("n").filter(move |_| {
        deepest.fetch_add(1, SeqCst);
        let error = inside.try_publish(event("n", 1)).err();
        assert!(error.is_none_or(|error| matches!(error, PublishError::Cycle { .. })));
        false
    });
    bus.publish(event("n", 1)).await.unwrap();
    assert_eq!(depth.load(SeqCst), 16);
    drop(wait);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn a_wait_for_a_type_takes_values_and_json_of_it_on_any_topic() {
    let bus = Bus::in_memory();
    let (value, json) = (bus.wait_for_type::<Number>(), bus.wait_for_type::<Number>().filter(|it| it.n > 1));
    bus.publish(event("test.number.like", 9)).await.unwrap();
    let odd = Event::builder(Event::json("odd", "no number").unwrap()).event_type("test.number");
    bus.publish(odd.build().unwrap()).await.unwrap();
    bus.publish(number(1)).await.unwrap();
    let elsewhere = Event::builder(event("elsewhere", 2)).event_type("test.number");
    bus.publish(elsewhere.build().unwrap()).await.unwrap();
    assert_eq!(value.await.unwrap().view::<Number>().unwrap().n, 1);
    let json = json.await.unwrap();
    assert_eq!((json.topic().as_str(), json.view::<Number>().unwrap().n), ("elsewhere", 2));
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn what_the_bus_says_itself_can_be_waited_for() {
    let bus = Bus::in_memory();
    let (anything, stopped) = (bus.wait_for("**"), bus.wait_for("owlbus.stopped"));
    bus.shutdown().await;
    assert_eq!(stopped.await.unwrap().topic().as_str(), "owlbus.stopped");
    assert_eq!(anything.await.unwrap_err(), WaitError::Closed, "it speaks to those who ask for it");
}

#[tokio::test(start_paused = true)]
async fn waits_end_with_the_bus() {
    let bus = Bus::in_memory();
    let (found, mut none, polled) = (bus.wait_for("n"), bus.wait_for("other"), bus.wait_for("other"));
    let polled = tokio::spawn(polled);
    bus.publish(event("n", 1)).await.unwrap();
    quiet().await;
    bus.shutdown().await;
    assert_eq!(n(&found.await.unwrap()), 1, "what was there is given");
    assert_eq!((&mut none).await.unwrap_err(), WaitError::Closed);
    assert_eq!(polled.await.unwrap().unwrap_err(), WaitError::Closed);
    assert_eq!(bus.wait_for("n").await.unwrap_err(), WaitError::Closed);

    // A wait does not keep the bus.
    let wait = Bus::in_memory().wait_for("n");
    assert_eq!(wait.await.unwrap_err(), WaitError::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_wrong_pattern_is_told_to_who_awaits() {
    let bus = Bus::in_memory();
    let error = bus.wait_for("door.open*").await.unwrap_err();
    assert!(matches!(error, WaitError::Topic(_)), "{error}");
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_is_dropped_runs_and_holds_nothing() {
    let (bus, asked) = (Bus::in_memory(), Arc::new(AtomicUsize::new(0)));
    let counts = Arc::clone(&asked);
    let wait = bus.wait_for("n").filter(move |_| counts.fetch_add(1, SeqCst) < usize::MAX);
    bus.publish(event("n", 1)).await.unwrap();
    assert_eq!((asked.load(SeqCst), Arc::strong_count(&asked)), (1, 2));
    drop(wait);
    bus.publish(event("n", 2)).await.unwrap();
    assert_eq!((asked.load(SeqCst), Arc::strong_count(&asked)), (1, 1));
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn an_event_that_is_there_is_given_however_late_it_is_awaited() {
    let bus = Bus::in_memory();
    let wait = bus.wait_for("n").timeout(A_SECOND);
    bus.publish(event("n", 1)).await.unwrap();
    tokio::time::advance(A_SECOND * 5).await;
    assert_eq!(n(&wait.await.unwrap()), 1);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_waits_holds_nobody_else() {
    let bus = Bus::in_memory();
    let (told, notes) = common::Notes::pair();
    let handler = move |delivery: owlbus::Delivery| {
        let (notes, bus) = (notes.clone(), delivery.bus());
        async move {
            let effect = bus.unwrap().wait_for("effect");
            delivery.publish(event("cause.of.it", n(&delivery))).await.unwrap();
            notes.add(n(&effect.await.unwrap()));
        }
    };
    bus.on("begin").handle(handler).await.unwrap();
    bus.on("cause.of.it")
        .handle(|cause: owlbus::Delivery| async move {
            cause.publish(event("effect", n(&cause) + 1)).await?;
            Ok(())
        })
        .await
        .unwrap();
    bus.publish(event("begin", 1)).await.unwrap();
    assert_eq!(told.once_there_are(1).await, [2]);
    end(bus).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_missed_when_threads_publish_at_once() {
    let bus = Bus::in_memory();
    for round in 0..200 {
        let waits: Vec<_> = (0..4)
            .map(|number| {
                let wanted = round * 4 + number;
                bus.wait_for("n").filter(move |event| n(event) == wanted).timeout(A_SECOND * 60)
            })
            .collect();
        let publishers: Vec<_> = (0..4)
            .map(|number| {
                let bus = bus.clone();
                tokio::spawn(async move { bus.publish(event("n", round * 4 + number)).await.unwrap() })
            })
            .collect();
        for (number, wait) in waits.into_iter().enumerate() {
            assert_eq!(n(&wait.await.unwrap()), round * 4 + number as u64);
        }
        for publisher in publishers {
            publisher.await.unwrap();
        }
    }
    end(bus).await;
}
