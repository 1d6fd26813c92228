//! No more events come in a time than are allowed, all together or of each source or topic; what is too much is refused and told how
//! long to wait, or waits; and however many sources and topics there are, what is remembered of them is bounded.
#![cfg(feature = "rate-limit")]

mod common;

use std::time::Duration;

use common::{end, event, quiet};
use owlbus::{Bus, Event, PublishError, Receipt, config::ConfigError, middleware::RateLimit};
use tokio::time::{Instant, advance};

const SECOND: Duration = Duration::from_secs(1);

fn ten_a_second() -> RateLimit {
    RateLimit::new(10, SECOND).expect("it is a limit")
}

fn bus(limit: RateLimit) -> Bus {
    Bus::builder().middleware(limit).build().expect("its name is alone")
}

fn from(source: &str, topic: &str) -> Event {
    Event::builder(event(topic, 1)).source(source).build().expect("the fields are right")
}

/// How many of 100 events come through at once.
async fn through(bus: &Bus, event: impl Fn(usize) -> Event) -> usize {
    let mut through = 0;
    for n in 0..100 {
        through += usize::from(bus.publish(event(n)).await.is_ok());
    }
    through
}

fn refused(result: Result<Receipt, PublishError>) -> String {
    match result {
        Err(PublishError::Rejected { by, reason, .. }) if &*by == "rate_limit" => reason.to_string(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_too_much_is_refused_and_told_how_long_to_wait() {
    let bus = bus(ten_a_second());
    assert_eq!(through(&bus, |_| event("a", 1)).await, 10);
    assert_eq!(
        refused(bus.publish(event("b", 1)).await),
        "more than 10 events in 1s; publish it again in 100 ms"
    );
    advance(Duration::from_millis(60)).await;
    assert!(refused(bus.try_publish(event("b", 1))).ends_with("in 40 ms"));
    advance(Duration::from_millis(40)).await;
    assert_eq!(through(&bus, |_| event("a", 1)).await, 1);
    advance(3 * SECOND).await;
    assert_eq!(
        through(&bus, |_| event("a", 1)).await,
        10,
        "what nobody used is not saved up beyond the limit"
    );
    assert_eq!(bus.middleware()[0].refused, 100 - 10 + 2 + 99 + 90);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn the_burst_is_what_may_come_at_once() {
    let bus = bus(ten_a_second().burst(3));
    assert_eq!(through(&bus, |_| event("a", 1)).await, 3);
    let mut all = 0;
    for _ in 0..100 {
        advance(Duration::from_millis(100)).await;
        all += through(&bus, |_| event("a", 1)).await;
    }
    assert_eq!(all, 100);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn each_source_or_topic_can_have_a_limit_of_its_own() {
    let sources = bus(ten_a_second().by_source());
    let topics = bus(ten_a_second().by_topic());
    let both = bus(ten_a_second().by_source().by_topic());
    let keys = bus(ten_a_second().by(|event| event.has_key().then(|| event.key().to_owned())));
    for (bus, same_source, same_topic, another) in
        [(&sources, 0, 10, 10), (&topics, 10, 0, 10), (&both, 10, 10, 10)]
    {
        assert_eq!(through(bus, |_| from("a", "x")).await, 10);
        assert_eq!(through(bus, |_| from("a", "x")).await, 0);
        assert_eq!(through(bus, |_| from("a", "y")).await, same_source);
        assert_eq!(through(bus, |_| from("b", "x")).await, same_topic);
        assert_eq!(through(bus, |_| from("c", "z")).await, another);
    }
    assert_eq!(through(&keys, |_| from("a", "x")).await, 100);
    assert_eq!(
        through(&keys, |n| Event::builder(from("a", "x"))
            .key(if n % 2 == 0 { "k" } else { "l" })
            .build()
            .unwrap())
        .await,
        20
    );

    let under = bus(ten_a_second().on("hook.**").unwrap());
    assert_eq!(through(&under, |_| event("other", 1)).await, 100);
    assert_eq!(through(&under, |n| event(if n % 2 == 0 { "hook.a" } else { "hook.b" }, 1)).await, 10);
    for bus in [sources, topics, both, keys, under] {
        end(bus).await;
    }
}

#[tokio::test(start_paused = true)]
async fn who_has_patience_waits() {
    let bus = bus(ten_a_second().burst(1).wait(SECOND));
    let begun = Instant::now();
    for _ in 0..31 {
        bus.publish(event("a", 1)).await.unwrap();
    }
    let took = begun.elapsed();
    assert!((3 * SECOND..Duration::from_millis(3_100)).contains(&took), "{took:?}");
    // Thirty at once: those whose turn comes within a second wait, and the others are told, in the end or at once.
    let publishes: Vec<_> = (0..30)
        .map(|_| {
            let bus = bus.clone();
            tokio::spawn(async move { bus.publish(event("a", 1)).await.is_ok() })
        })
        .collect();
    let begun = Instant::now();
    let mut through = 0;
    for publish in publishes {
        through += usize::from(publish.await.unwrap());
    }
    assert!((9..=11).contains(&through), "{through}");
    assert!(begun.elapsed() <= SECOND, "{:?}", begun.elapsed());
    // Who does not wait is told so.
    bus.publish(event("a", 1)).await.unwrap();
    assert!(refused(bus.try_publish(event("a", 1))).contains("it waits"));
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn who_gives_up_waiting_publishes_nothing() {
    let bus = bus(ten_a_second().burst(1).wait(SECOND));
    let heard = common::listen(&bus, "**").await;
    bus.publish(event("a", 1)).await.unwrap();
    let waits = tokio::spawn({
        let bus = bus.clone();
        async move { bus.publish(event("a", 2)).await }
    });
    quiet().await;
    waits.abort();
    advance(SECOND).await;
    quiet().await;
    assert_eq!(heard.all().len(), 1);
    end(bus).await;
}

#[test]
fn a_thread_waits_without_a_runtime() {
    let limit = RateLimit::new(1_000, SECOND).unwrap().burst(1).wait(60 * SECOND);
    let bus = bus(limit);
    for _ in 0..20 {
        bus.publish_blocking(event("a", 1)).unwrap();
    }
    assert_eq!(bus.middleware()[0].refused, 0);
}

#[tokio::test(start_paused = true)]
async fn those_without_a_place_share_one() {
    let bus = bus(ten_a_second().by_source().keys(3));
    let of = |prefix: &str, n: usize| from(&format!("{prefix}{n}"), "x");
    for n in 0..3 {
        assert_eq!(through(&bus, |_| of("first", n)).await, 10);
    }
    // A hundred others, each with one event: together they have one limit.
    assert_eq!(through(&bus, |n| of("second", n)).await, 10);
    // Whoever has a place is not touched by what the others do.
    advance(Duration::from_millis(500)).await;
    assert_eq!(through(&bus, |_| of("first", 1)).await, 5);
    assert_eq!(through(&bus, |n| of("third", n)).await, 5);
    // Those that have not come for long make room.
    advance(2 * SECOND).await;
    assert_eq!(through(&bus, |_| of("fourth", 1)).await, 10);
    assert_eq!(through(&bus, |_| of("fifth", 1)).await, 10);
    assert_eq!(through(&bus, |_| of("fourth", 1)).await, 0);
    end(bus).await;
}

#[test]
fn a_limit_that_is_none_is_told_at_once() {
    let problem = |limit: Result<RateLimit, ConfigError>| limit.unwrap_err().to_string();
    assert!(problem(RateLimit::new(0, SECOND)).contains("allow at least 1"));
    assert!(problem(RateLimit::new(1, Duration::ZERO)).contains("choose a longer time"));
    assert!(problem(RateLimit::new(u32::MAX, SECOND)).contains("choose a longer time"));
    assert!(problem(RateLimit::new(1, Duration::MAX)).contains("choose a shorter time"));
    assert!(ten_a_second().on("a..b").is_err());
    // The longest that can be.
    let bus = bus(RateLimit::new(u32::MAX, 366 * 24 * 3600 * SECOND).unwrap().burst(u32::MAX));
    assert!(bus.publish_blocking(event("a", 1)).is_ok());
}
