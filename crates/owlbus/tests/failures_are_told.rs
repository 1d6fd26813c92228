//! Whoever asked for it is told of every attempt that failed: of the event, the error, the attempt and what happens next; the
//! subscription first, then the bus. What goes wrong in the telling changes nothing.

mod common;

use std::{error::Error, fmt, sync::Arc, thread, time::Duration};

use common::{Door, Notes, assert_conserved, end, event, n, number, quiet, stats_of};
use owlbus::{
    Bus, Delivery, Event, HandlerError, Outcome,
    settle::{DeadLetterQuery, ErrorKind, Failure, Next, Retry},
};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, advance, sleep}; // sleeps: what holds up its thread, or waits on the paused clock, says so where it does.

const MILLI: Duration = Duration::from_millis(1);

/// What is told of a failure, in short: who, which event, which attempt, which error, what next.
type Told = (String, u64, u32, String, Next);

fn short(failure: &Failure) -> Told {
    let errors = failure.attempt.errors.join(": ");
    (failure.subscription.to_string(), n(&failure.event), failure.attempt.number, errors, failure.next)
}

/// A bus that notes every failure, with what it noted.
fn telling() -> (Bus, Notes<Told>) {
    let (told, noted) = Notes::pair();
    let bus = Bus::builder().on_error(move |failure| noted.add(short(&failure))).build();
    (bus.expect("the settings are right"), told)
}

async fn fails(_: Delivery) -> Result<(), HandlerError> {
    Err(HandlerError::temporary("not now"))
}

#[derive(Debug, thiserror::Error)]
#[error("the service is away")]
struct Away(#[source] std::num::ParseIntError);

#[tokio::test(start_paused = true)]
async fn after_every_failed_attempt_with_everything_there_is_to_know() {
    let (bus, told) = (Bus::in_memory(), Notes::new());
    let noted = told.clone();
    bus.on("test.*")
        .name("flaky")
        .retry(Retry::exponential(MILLI * 100).jitter(0.0).max(4))
        .on_error(move |failure| {
            let away = failure.error.source().downcast_ref::<Away>().is_some();
            assert_eq!(failure.error.kind(), failure.attempt.kind);
            noted.add((short(&failure), failure.attempt.kind, failure.attempt.duration, away));
        })
        .handle(|event: Delivery| async move {
            sleep(MILLI * 5).await; // sleeps: on the paused clock.
            match event.attempt() {
                1 => Err(Away("x".parse::<u8>().map(drop).expect_err("no number")).into()),
                2 => Ok(Outcome::Retry { after: Some(MILLI * 7) }),
                3 => Err(HandlerError::temporary("not yet")),
                _ => Ok(Outcome::Dead { reason: "enough".into() }),
            }
        })
        .await
        .expect("the options are right");
    bus.publish(number(1)).await.expect("it is accepted");
    let told = told.once_there_are(4).await;
    let line = |number: u32, error: &str, next| ("flaky".to_string(), 1, number, error.to_string(), next);
    let retry = |after| Next::Retry { after: MILLI * after };
    let (temporary, asked) = (ErrorKind::Temporary, "the handler asked for another attempt");
    let source = "the service is away: invalid digit found in string";
    assert_eq!(told[0], (line(1, source, retry(100)), ErrorKind::Unknown, MILLI * 5, true));
    assert_eq!(told[1], (line(2, asked, retry(7)), temporary, MILLI * 5, false));
    assert_eq!(told[2], (line(3, "not yet", retry(400)), temporary, MILLI * 5, false));
    assert_eq!(told[3], (line(4, "enough", Next::Dead), ErrorKind::Permanent, MILLI * 5, false));
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn the_subscription_first_and_then_the_bus_which_hears_of_all() {
    let (told, noted) = Notes::pair();
    let (of_bus, of_one) = (noted.clone(), noted);
    let bus = Bus::builder().on_error(move |failure| of_bus.add(format!("bus: {}", failure.subscription)));
    let bus = bus.build().expect("the settings are right");
    let on =
        bus.on("test.*").name("one").on_error(move |failure| of_one.add(failure.subscription.to_string()));
    on.handle(fails).await.expect("the options are right");
    bus.publish(number(1)).await.expect("it is accepted");
    assert_eq!(told.once_there_are(2).await, ["one", "bus: one"]);
    bus.on("test.*")
        .name("two")
        .handle_blocking(|_: Delivery| -> () { panic!("too much") })
        .await
        .expect("it is right");
    bus.on("test.*")
        .name("three")
        .inline(|_: &Event| Outcome::Retry { after: None })
        .await
        .expect("it is right");
    bus.on("test.*")
        .name("good")
        .handle(|_: Delivery| async { Outcome::Skipped })
        .await
        .expect("it is right");
    bus.publish(number(2)).await.expect("it is accepted");
    let mut rest = told.once_there_are(6).await.split_off(2);
    rest.sort_unstable();
    assert_eq!(rest, ["bus: one", "bus: three", "bus: two", "one"]);
    end(bus).await;
}

/// What the events of the tests are not.
#[derive(Debug, Serialize, Deserialize, Event)]
#[event(topic = "test.word")]
struct Word {
    word: String,
}

#[tokio::test(start_paused = true)]
async fn a_type_and_a_map_that_fail_are_told_and_make_no_other_attempt() {
    let (bus, told) = telling();
    let typed = bus.on("test.*").name("typed").retry(Retry::fixed(MILLI));
    typed.handle(|_: Delivery<Word>| async {}).await.expect("it is right");
    let mapped = bus.on("test.*").name("mapped").map(|_| panic!("no map")).retry(Retry::fixed(MILLI));
    mapped.handle(|_: Delivery| async {}).await.expect("it is right");
    bus.publish(event("test.number", 7)).await.expect("it is accepted");
    let mut told = told.once_there_are(2).await;
    told.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(told[0], ("mapped".into(), 7, 1, "panicked: no map".into(), Next::Dead));
    assert_eq!((told[1].0.as_str(), told[1].2, told[1].4), ("typed", 1, Next::Dead));
    assert!(told[1].3.contains("missing field `word`"), "{}", told[1].3);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn one_that_awaits_holds_up_its_worker_and_no_other() {
    for of_bus in [false, true] {
        let (door, told, seen) = (Door::closed(), Notes::new(), Notes::new());
        let (passes, noted, comes) = (door.clone(), told.clone(), seen.clone());
        let on_error = move |failure: Failure| {
            let (door, noted) = (passes.clone(), noted.clone());
            async move {
                door.pass().await;
                noted.add(n(&failure.event));
            }
        };
        let bus = Bus::builder();
        let bus = if of_bus { bus.on_error_async(on_error.clone()) } else { bus };
        let bus = bus.build().expect("the settings are right");
        let on = bus.on("test.*").name("fails");
        let on = if of_bus { on } else { on.on_error_async(on_error) };
        on.handle(move |event: Delivery| {
            comes.add(n(&event));
            fails(event)
        })
        .await
        .expect("the options are right");
        let others = common::listen(&bus, "test.*").await;
        bus.publish(number(1)).await.expect("it is accepted");
        bus.publish(number(2)).await.expect("it is accepted");
        assert_eq!(others.once_there_are(2).await.len(), 2);
        quiet().await;
        assert_eq!((seen.all(), told.all()), (vec![1], vec![]));
        // The delivery itself waits for nothing.
        assert_eq!((stats_of(&bus, "fails").dead, bus.dead_letters().len()), (1, 1));
        door.let_through(1);
        assert_eq!(seen.once_there_are(2).await, [1, 2]);
        assert_eq!(told.all(), [1]);
        door.open();
        end(bus).await;
        assert_eq!(told.all(), [1, 2], "a shutdown waits for what is told");
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_awaits_has_as_long_as_an_attempt() {
    let (bus, seen, since) = (Bus::in_memory(), Notes::new(), Instant::now());
    let noted = seen.clone();
    bus.on("test.*")
        .timeout(MILLI * 50)
        .on_error_async(|_| std::future::pending::<()>())
        .handle(move |event: Delivery| {
            noted.add((n(&event), since.elapsed()));
            fails(event)
        })
        .await
        .expect("the options are right");
    bus.publish(number(1)).await.expect("it is accepted");
    bus.publish(number(2)).await.expect("it is accepted");
    assert_eq!(seen.once_there_are(2).await, [(1, Duration::ZERO), (2, MILLI * 50)]);
    advance(MILLI * 50).await;
    end(bus).await;
}

/// Goes wrong after an await.
async fn late(_: Failure) {
    tokio::task::yield_now().await;
    panic!("too much")
}

/// Says nothing of itself, loudly.
#[derive(Debug)]
struct Unspeakable;

impl fmt::Display for Unspeakable {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("not in words")
    }
}

impl Error for Unspeakable {}

#[tokio::test(start_paused = true)]
async fn what_goes_wrong_in_the_telling_changes_nothing() {
    let (bus, told) = telling();
    let retry = || Retry::fixed(MILLI).max(2);
    let on = |name: &str| bus.on("test.*").name(name).retry(retry());
    let unspeakable = || Err::<(), HandlerError>(Unspeakable.into());
    on("panics").on_error(|_| -> () { panic!("too much") }).handle(fails).await.expect("it is right");
    on("fails").on_error(move |_| unspeakable()).handle(fails).await.expect("it is right");
    on("asks").on_error(|_| Outcome::Retry { after: None }).handle(fails).await.expect("it is right");
    on("early")
        .on_error_async(|failure| {
            assert!(failure.attempt.number > 9, "not even a future");
            async {}
        })
        .handle(fails)
        .await
        .expect("it is right");
    on("late").on_error_async(late).handle(fails).await.expect("it is right");
    on("silent")
        .on_error_async(move |_| async move { unspeakable() })
        .handle(fails)
        .await
        .expect("it is right");
    bus.publish(number(1)).await.expect("it is accepted");
    bus.publish(number(2)).await.expect("it is accepted");
    let told = told.once_there_are(24).await;
    for name in ["panics", "fails", "asks", "early", "late", "silent"] {
        let of_it = told.iter().filter(|one| one.0 == name).map(|one| (one.1, one.2, one.4));
        let mut of_it: Vec<_> = of_it.collect();
        of_it.sort_unstable_by_key(|one| (one.0, one.1));
        let again = Next::Retry { after: MILLI };
        assert_eq!(of_it, [(1, 1, again), (1, 2, Next::Dead), (2, 1, again), (2, 2, Next::Dead)], "{name}");
    }
    quiet().await;
    assert!(bus.stats().subscriptions.iter().all(|one| one.dead == 2));
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn an_error_without_words_is_told_all_the_same() {
    let (bus, told) = telling();
    let unspeakable = |_: Delivery| async { Err::<(), HandlerError>(Unspeakable.into()) };
    bus.on("test.*").name("silent").handle(unspeakable).await.expect("it is right");
    bus.publish(number(1)).await.expect("it is accepted");
    let told = told.once_there_are(1).await;
    assert_eq!((told[0].0.as_str(), told[0].4), ("silent", Next::Dead));
    assert!(told[0].3.contains("cannot be shown"), "{}", told[0].3);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn inline_handlers_are_told_of_too_and_the_publisher_does_not_wait() {
    let (bus, told, door) = (Bus::in_memory(), Notes::new(), Door::closed());
    let (noted, passes) = (told.clone(), door.clone());
    bus.on("test.*")
        .on_error_async(move |failure| {
            let (noted, door) = (noted.clone(), passes.clone());
            async move {
                door.pass().await;
                noted.add(short(&failure));
            }
        })
        .name("inline")
        .inline(|_: &Event| Err::<(), _>(HandlerError::temporary("not now")))
        .await
        .expect("the options are right");
    bus.publish(number(1)).await.expect("it is accepted");
    door.open();
    assert_eq!(told.once_there_are(1).await, [("inline".into(), 1, 1, "not now".into(), Next::Dead)]);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn a_stream_whose_map_panics_is_told_of_too() {
    for awaits in [false, true] {
        let (told, noted) = Notes::pair();
        let bus = Bus::builder();
        let bus = match awaits {
            false => bus.on_error(move |failure| noted.add(short(&failure))),
            true => bus.on_error_async(move |failure| {
                let noted = noted.clone();
                async move { noted.add(short(&failure)) }
            }),
        };
        let bus = bus.build().expect("the settings are right");
        let on = bus
            .on("test.*")
            .name("stream")
            .map(|event| if n(&event) == 1 { panic!("no map") } else { event });
        let mut events = on.stream().await.expect("the options are right");
        bus.publish(number(1)).await.expect("it is accepted");
        bus.publish(number(2)).await.expect("it is accepted");
        let event = events.next().await.and_then(owlbus::Received::into_event);
        assert_eq!(event.map(|event| n(&event)), Some(2));
        quiet().await;
        let line = ("stream".to_string(), 1, 1, "panicked: no map".to_string(), Next::Dead);
        assert_eq!(told.all(), [line], "a function that awaits: {awaits}");
        drop(events);
        end(bus).await;
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_is_told_may_use_the_bus() {
    let bus = Bus::in_memory();
    let seen = common::listen(&bus, "alarm").await;
    let publisher = bus.clone();
    bus.on("test.*")
        .name("fails")
        .retry(Retry::fixed(MILLI).max(2))
        .on_error(move |failure| {
            publisher.try_publish(event("alarm", n(&failure.event)))?;
            assert_conserved(&publisher);
            publisher.dead_letters().discard(&DeadLetterQuery::all());
            Ok(())
        })
        .handle(fails)
        .await
        .expect("the options are right");
    bus.publish(number(1)).await.expect("it is accepted");
    assert_eq!(seen.once_there_are(2).await.len(), 2);
    let report = bus.shutdown().await;
    assert!(report.undelivered.is_empty());
    assert_conserved(&bus);
}

#[tokio::test(start_paused = true)]
async fn whoever_is_told_may_end_the_subscription() {
    let (bus, seen) = (Bus::in_memory(), Notes::new());
    let (noted, own) = (seen.clone(), Arc::new(std::sync::OnceLock::<owlbus::Subscription>::new()));
    let its = own.clone();
    let on = bus.on("test.*").retry(Retry::fixed(MILLI)).on_error(move |_| {
        its.get().expect("it is set").unsubscribe();
    });
    let handler = move |event: Delivery| {
        noted.add(event.attempt());
        fails(event)
    };
    let subscription = on.handle(handler).await.expect("the options are right");
    own.set(subscription.clone()).expect("it is set once");
    bus.publish(number(1)).await.expect("it is accepted");
    quiet().await;
    advance(MILLI * 10).await;
    quiet().await;
    assert_eq!((seen.all(), subscription.stats().dropped.unsubscribed), (vec![1], 1));
    assert!(subscription.stats().is_conserved());
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn whoever_is_told_and_waits_for_the_worker_that_tells_does_not_wait_for_ever() {
    let (bus, told) = (Bus::in_memory(), Notes::new());
    let (noted, publisher) = (told.clone(), bus.clone());
    let on_error = move |failure: Failure| {
        let (noted, bus) = (noted.clone(), publisher.clone());
        async move {
            if n(&failure.event) == 1 {
                let alarm = bus.event(number(2)).tracked().publish().await?;
                noted.add(alarm.settled().await.is_err());
            }
            Ok(())
        }
    };
    let on = bus.on("test.*").name("fails").timeout(None).on_error_async(on_error);
    on.handle(fails).await.expect("the options are right");
    bus.publish(number(1)).await.expect("it is accepted");
    let told = tokio::time::timeout(Duration::from_secs(600), told.once_there_are(1)).await;
    assert_eq!(told.expect("a loop of waits is a `Cycle`, and does not hang"), [true]);
    end(bus).await;
}

#[tokio::test]
async fn how_long_an_attempt_took_is_right_whoever_asks() {
    for hook in ["subscription", "bus", "nobody"] {
        let (told, noted) = Notes::pair();
        let on_error = move |failure: Failure| noted.add(failure.attempt.duration);
        let bus = Bus::builder();
        let bus = if hook == "bus" { bus.on_error(on_error.clone()) } else { bus };
        let bus = bus.build().expect("the settings are right");
        let on = bus.on("test.*");
        let on = if hook == "subscription" { on.on_error(on_error) } else { on };
        on.handle(|_: Delivery| async {
            thread::sleep(MILLI * 20); // sleeps: what holds up its thread does so in real time.
            Err::<(), _>(HandlerError::temporary("not now"))
        })
        .await
        .expect("the options are right");
        bus.publish(number(1)).await.expect("it is accepted");
        bus.shutdown().await;
        let kept = bus.dead_letters().list(&DeadLetterQuery::all())[0].attempts[0].duration;
        let told = told.all().first().copied().unwrap_or(kept);
        assert!(told >= MILLI * 20 && kept >= MILLI * 20, "{hook} asks: told {told:?}, kept {kept:?}");
    }
}
