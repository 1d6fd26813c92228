//! A subscription that fails again and again is left alone for a while: its attempts fail at once, until a probe goes well. A probe
//! that never returns keeps nobody out, and what the bus says of it never feeds back on itself.

mod common;

use std::{
    future::pending,
    sync::{Arc, Mutex, mpsc},
    time::Duration,
};

use common::{Door, Notes, end, event, listen, n, quiet, stats_of};
use owlbus::{
    Bus, Delivery, Event, HandlerError, Outcome, Topic,
    middleware::{CircuitBreaker, CircuitInfo, CircuitOpen, CircuitState},
    settle::{Failure, Next, Retry},
    stats::SubscriptionStats,
};
use tokio::time::advance;

const SECOND: Duration = Duration::from_secs(1);

/// What becomes of an attempt at the event of that number.
const WELL: u64 = 0;
const FAILS: u64 = 1;
const FAILS_FOR_GOOD: u64 = 2;
const HANGS: u64 = 3;
const PANICS: u64 = 4;
const ASKS_FOR_MORE: u64 = 5;
const IS_DEAD: u64 = 6;
const SAYS_NOTHING: u64 = 7;
const SKIPS: u64 = 8;

async fn attempt(delivery: Delivery) -> Result<Outcome, HandlerError> {
    match n(&delivery) {
        WELL => Ok(Outcome::Done),
        FAILS => Err(HandlerError::temporary("busy")),
        FAILS_FOR_GOOD => Err(HandlerError::permanent("wrong")),
        HANGS => pending().await,
        PANICS => panic!("on purpose"),
        ASKS_FOR_MORE => Ok(Outcome::Retry { after: None }),
        IS_DEAD => Ok(Outcome::Dead { reason: "wrong".into() }),
        SAYS_NOTHING => Err(std::fmt::Error.into()),
        SKIPS => Ok(Outcome::Skipped),
        other => panic!("there is no {other}"),
    }
}

/// A bus with a breaker, a subscription `it` to `x`, and what failed in it.
struct Scene {
    bus: Bus,
    breaker: CircuitBreaker,
    called: Notes<u64>,
    failures: Notes<Failure>,
}

impl Scene {
    async fn of(breaker: CircuitBreaker) -> Self {
        Self::retrying(breaker, Retry::none()).await
    }

    async fn retrying(breaker: CircuitBreaker, retry: Retry) -> Self {
        let bus = Bus::builder().middleware(breaker.clone()).build().expect("its name is alone");
        let (called, calls) = Notes::pair();
        let (failures, failed) = Notes::pair();
        let handler = move |delivery: Delivery| {
            calls.add(n(&delivery));
            attempt(delivery)
        };
        bus.on("x")
            .name("it")
            .retry(retry)
            .on_error(move |failure: Failure| failed.add(failure))
            .handle(handler)
            .await
            .expect("it is accepted");
        Self { bus, breaker, called, failures }
    }

    /// Lets the handler have events of these numbers.
    async fn gets(&self, numbers: impl IntoIterator<Item = u64>) {
        for n in numbers {
            self.bus.publish(event("x", n)).await.expect("it is accepted");
        }
        quiet().await;
    }

    fn circuit(&self) -> CircuitInfo {
        self.breaker.circuits().into_iter().find(|one| &*one.subscription == "it").expect("it had an attempt")
    }

    fn state(&self) -> CircuitState {
        self.circuit().state
    }

    fn stats(&self) -> SubscriptionStats {
        stats_of(&self.bus, "it")
    }
}

/// Opens when 4 attempts had half of them fail, for 30 s.
fn breaker() -> CircuitBreaker {
    CircuitBreaker::new().window(4, 60 * SECOND).expect("it is a window")
}

fn is_open(failure: &Failure) -> Option<&CircuitOpen> {
    failure.error.source().downcast_ref()
}

fn topics(events: &Notes<Event>) -> Vec<Topic> {
    events.all().iter().map(|event| event.topic().clone()).collect()
}

#[tokio::test(start_paused = true)]
async fn it_opens_is_tried_and_closes() {
    let scene = Scene::of(breaker()).await;
    let told = listen(&scene.bus, "owlbus.circuit.*").await;
    scene.gets([WELL, FAILS, WELL]).await;
    assert_eq!(
        (scene.state(), scene.circuit().failed, scene.circuit().attempts),
        (CircuitState::Closed, 1, 3)
    );
    scene.gets([FAILS]).await;
    assert_eq!(scene.state(), CircuitState::Open);

    // While it is open nobody calls the handler, and each attempt says when it makes sense again.
    advance(10 * SECOND).await;
    scene.gets([WELL, WELL]).await;
    assert_eq!(scene.called.all().len(), 4);
    let failures = scene.failures.all();
    let last = failures.last().unwrap();
    let after = 20 * SECOND;
    let open = CircuitOpen::Open { subscription: "it".into(), after };
    assert!(
        matches!(is_open(last), Some(CircuitOpen::Open { after: said, .. }) if *said == after),
        "{last:?}"
    );
    assert_eq!(open.to_string(), "the circuit of `it` is open; it is tried again in 20000 ms");
    assert_eq!(last.attempt.kind, owlbus::settle::ErrorKind::Temporary);
    assert_eq!((scene.circuit().refused, scene.stats().dead), (2, 4));

    // The first attempt afterwards is a probe.
    advance(20 * SECOND).await;
    scene.gets([WELL]).await;
    assert_eq!((scene.state(), scene.called.all().len()), (CircuitState::Closed, 5));
    assert_eq!((scene.circuit().failed, scene.circuit().attempts), (0, 0), "it begins anew");

    let data: Vec<_> = told.all().iter().map(|event| event.as_json().unwrap().clone()).collect();
    assert_eq!(topics(&told), ["owlbus.circuit.opened", "owlbus.circuit.half_open", "owlbus.circuit.closed"]);
    let opened = serde_json::json!({ "subscription": "it", "failed": 2, "of": 4, "open_for_ms": 30_000 });
    assert_eq!(data[0], opened);
    assert!(data[1..].iter().all(|data| *data == serde_json::json!({ "subscription": "it" })));
    end(scene.bus).await;
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_fails_opens_it_anew() {
    let scene = Scene::of(breaker().open_for(5 * SECOND)).await;
    let told = listen(&scene.bus, "owlbus.circuit.*").await;
    scene.gets([FAILS; 4]).await;
    for _ in 0..3 {
        advance(5 * SECOND).await;
        scene.gets([FAILS, WELL]).await;
        assert_eq!(scene.state(), CircuitState::Open);
    }
    assert_eq!(scene.called.all(), [FAILS; 7]);
    assert_eq!(told.all().len(), 1 + 3 * 2);
    // One that says nothing of the service leaves the place to the next.
    advance(5 * SECOND).await;
    scene.gets([FAILS_FOR_GOOD]).await;
    assert_eq!(scene.state(), CircuitState::HalfOpen);
    scene.gets([WELL]).await;
    assert_eq!(scene.state(), CircuitState::Closed);
    end(scene.bus).await;
}

#[tokio::test(start_paused = true)]
async fn what_counts_is_what_tells_of_the_service() {
    for (n, counts) in [
        (WELL, Some(false)),
        (SKIPS, Some(false)),
        (FAILS, Some(true)),
        (SAYS_NOTHING, Some(true)),
        (ASKS_FOR_MORE, Some(true)),
        (FAILS_FOR_GOOD, None),
        (IS_DEAD, None),
        (PANICS, None),
    ] {
        let scene = Scene::of(breaker()).await;
        scene.gets([n]).await;
        let wanted = (counts.map_or(0, usize::from), usize::from(counts.is_some()));
        assert_eq!((scene.circuit().failed, scene.circuit().attempts), wanted, "{n}");
        end(scene.bus).await;
    }
    // What takes too long fails.
    let scene = Scene::of(breaker()).await;
    scene.gets([HANGS]).await;
    assert_eq!(scene.circuit().failed, 0);
    advance(5 * SECOND).await;
    quiet().await;
    assert_eq!((scene.circuit().failed, scene.stats().dead), (1, 1));
    end(scene.bus).await;
    // Who knows better says so.
    let scene = Scene::of(breaker().counts(|error| error.to_string() == "wrong")).await;
    scene.gets([FAILS, FAILS_FOR_GOOD]).await;
    assert_eq!((scene.circuit().failed, scene.circuit().attempts), (1, 1));
    end(scene.bus).await;
}

#[tokio::test(start_paused = true)]
async fn what_a_thread_says_after_its_time_is_no_success() {
    let breaker = breaker();
    let bus = Bus::builder().middleware(breaker.clone()).build().unwrap();
    let (go, gone) = mpsc::channel::<()>();
    let gone = Mutex::new(gone);
    let handler = move |_: Delivery| {
        gone.lock().expect("nobody panics here").recv().expect("the test lets it go");
    };
    let (failures, failed) = Notes::pair();
    let on_error = move |failure: Failure| failed.add(failure);
    bus.on("x").name("it").on_error(on_error).handle_blocking(handler).await.unwrap();
    bus.publish(event("x", WELL)).await.unwrap();
    quiet().await;
    advance(6 * SECOND).await;
    quiet().await;
    go.send(()).unwrap();
    failures.once_there_are(1).await;
    assert_eq!((breaker.circuits()[0].failed, breaker.circuits()[0].attempts), (1, 1));
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_looked_at_is_bounded_by_count_and_by_time() {
    // By count: failures that are further back than four attempts are forgotten.
    let scene = Scene::of(breaker().failure_rate(0.75).unwrap()).await;
    scene.gets([FAILS, FAILS, WELL, WELL, FAILS, FAILS]).await;
    assert_eq!((scene.circuit().failed, scene.circuit().attempts), (2, 4));
    scene.gets([FAILS]).await;
    assert_eq!(scene.state(), CircuitState::Open);
    end(scene.bus).await;

    // By time.
    let scene = Scene::of(breaker()).await;
    scene.gets([FAILS, FAILS, FAILS]).await;
    advance(59 * SECOND).await;
    assert_eq!(scene.circuit().failed, 3);
    advance(SECOND).await;
    assert_eq!(scene.circuit().failed, 0);
    scene.gets([FAILS, FAILS, FAILS]).await;
    assert_eq!(scene.state(), CircuitState::Closed);
    end(scene.bus).await;

    // Nothing follows from a few.
    let scene = Scene::of(CircuitBreaker::new().minimum(6)).await;
    scene.gets([FAILS; 5]).await;
    assert_eq!(scene.state(), CircuitState::Closed);
    scene.gets([FAILS]).await;
    assert_eq!(scene.state(), CircuitState::Open);
    end(scene.bus).await;
}

/// A subscription `it` with four workers and all the time they like, whose attempts wait for the door of their number.
async fn at_doors(breaker: &CircuitBreaker, doors: &[Door]) -> Bus {
    let bus = Bus::builder().middleware(breaker.clone()).timeout(None).build().expect("its name is alone");
    let doors: Arc<[Door]> = doors.into();
    let handler = move |delivery: Delivery| {
        let door = doors.get(n(&delivery) as usize).cloned();
        async move {
            match door {
                Some(door) => {
                    door.pass().await;
                    Ok(())
                }
                None => Err(HandlerError::temporary("busy")),
            }
        }
    };
    bus.on("x").name("it").concurrency(4).handle(handler).await.expect("it is accepted");
    // Open it, and let its time pass.
    for _ in 0..4 {
        bus.publish(event("x", 99)).await.expect("it is accepted");
    }
    quiet().await;
    assert_eq!(breaker.circuits()[0].state, CircuitState::Open);
    advance(30 * SECOND).await;
    bus
}

#[tokio::test(start_paused = true)]
async fn no_more_probes_run_at_once_than_are_allowed() {
    let breaker = breaker().probes(2);
    let doors = [Door::closed(), Door::closed(), Door::closed()];
    let bus = at_doors(&breaker, &doors).await;
    for n in [0, 1, 2] {
        bus.publish(event("x", n)).await.unwrap();
        quiet().await;
    }
    assert_eq!(doors.each_ref().map(Door::came), [1, 1, 0]);
    let letters = bus.dead_letters().list(&owlbus::settle::DeadLetterQuery::all());
    assert!(letters.iter().any(|letter| letter.reason.contains("half open")), "{letters:?}");
    // One that went well is not enough, and its place is nobody's.
    doors[0].open();
    quiet().await;
    bus.publish(event("x", 2)).await.unwrap();
    quiet().await;
    assert_eq!((breaker.circuits()[0].state, doors[2].came()), (CircuitState::HalfOpen, 0));
    doors[1].open();
    quiet().await;
    assert_eq!(breaker.circuits()[0].state, CircuitState::Closed);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_never_returns_gives_its_place_to_another() {
    let breaker = breaker().probe_time(10 * SECOND);
    let doors = [Door::closed(), Door::closed(), Door::closed()];
    let bus = at_doors(&breaker, &doors).await;
    bus.publish(event("x", 0)).await.unwrap();
    quiet().await;
    advance(9 * SECOND).await;
    bus.publish(event("x", 1)).await.unwrap();
    quiet().await;
    assert_eq!(doors[1].came(), 0, "the probe has its place");
    advance(SECOND).await;
    bus.publish(event("x", 1)).await.unwrap();
    quiet().await;
    assert_eq!(doors[1].came(), 1, "it had it for long enough");
    // What it says in the end is nobody's probe any more.
    doors[0].open();
    quiet().await;
    assert_eq!(breaker.circuits()[0].state, CircuitState::HalfOpen);
    doors[1].open();
    quiet().await;
    assert_eq!(breaker.circuits()[0].state, CircuitState::Closed);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn what_began_before_it_opened_says_nothing() {
    let breaker = breaker();
    let doors = [Door::closed(), Door::opened()];
    let bus = at_doors(&breaker, &doors).await;
    let circuit = || breaker.circuits().remove(0);
    let publish = async |numbers: &[u64]| {
        for n in numbers {
            bus.publish(event("x", *n)).await.expect("it is accepted");
        }
        quiet().await;
    };
    // Closed, with an attempt under way at the first door; then open.
    publish(&[1]).await;
    assert_eq!(circuit().state, CircuitState::Closed);
    publish(&[0, 0, 99, 99, 99, 99]).await;
    assert_eq!(circuit().state, CircuitState::Open);
    doors[0].let_through(1);
    quiet().await;
    assert_eq!(circuit().state, CircuitState::Open);
    // The other one ends when it is closed again.
    advance(30 * SECOND).await;
    publish(&[1]).await;
    assert_eq!((circuit().state, circuit().attempts), (CircuitState::Closed, 0));
    doors[0].open();
    quiet().await;
    assert_eq!((stats_of(&bus, "it").running, circuit().attempts), (0, 0));
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn retries_come_when_it_makes_sense() {
    let retry = Retry::fixed(Duration::from_millis(100)).max(2);
    let scene = Scene::retrying(breaker(), retry).await;
    scene.gets([FAILS; 4]).await;
    advance(Duration::from_millis(100)).await;
    quiet().await;
    // Their second attempts were in vain: nobody was called for them.
    assert_eq!((scene.called.all().len(), scene.stats().dead), (4, 4));
    scene.gets([WELL]).await;
    let failure = scene.failures.all().pop().unwrap();
    // It is tried when the circuit is, whatever the policy says of delays.
    let after = Duration::from_millis(29_900);
    assert_eq!((failure.attempt.number, failure.next), (1, Next::Retry { after }));
    advance(after).await;
    quiet().await;
    assert_eq!((scene.state(), scene.stats().done), (CircuitState::Closed, 1));
    end(scene.bus).await;
}

#[tokio::test(start_paused = true)]
async fn each_subscription_has_its_own_and_names_say_which() {
    let breaker = breaker().subscription("mail-*").subscription("sms");
    let bus = Bus::builder().middleware(breaker.clone()).build().unwrap();
    for name in ["mail-a", "mail-b", "sms", "other"] {
        let fails = name != "mail-b";
        let handler = move |_: Delivery| async move {
            if fails { Err(HandlerError::temporary("busy")) } else { Ok(()) }
        };
        bus.on("x").name(name).handle(handler).await.unwrap();
    }
    for _ in 0..6 {
        bus.publish(event("x", WELL)).await.unwrap();
        quiet().await;
    }
    let circuits: Vec<_> = breaker.circuits();
    let states: Vec<_> = circuits.iter().map(|one| (&*one.subscription, one.state, one.refused)).collect();
    assert_eq!(
        states,
        [
            ("mail-a", CircuitState::Open, 2),
            ("mail-b", CircuitState::Closed, 0),
            ("sms", CircuitState::Open, 2)
        ]
    );
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn of_a_batch_one_is_the_probe() {
    let breaker = breaker();
    let bus = Bus::builder().middleware(breaker.clone()).build().unwrap();
    let (batches, noted) = Notes::pair();
    let handler = move |batch: Vec<Delivery>| {
        noted.add(batch.len());
        let each = batch.iter().map(|delivery| match n(delivery) {
            WELL => Ok(Outcome::Done),
            _ => Err(HandlerError::temporary("busy")),
        });
        let outcomes = owlbus::settle::Outcomes::each(each.collect());
        async { outcomes }
    };
    bus.on("x").name("it").batch(4, SECOND).handle_batch(handler).await.unwrap();
    for (numbers, after) in [([FAILS; 4], 30 * SECOND), ([WELL; 4], Duration::ZERO), ([WELL; 4], SECOND)] {
        for n in numbers {
            bus.publish(event("x", n)).await.unwrap();
        }
        quiet().await;
        advance(after).await;
    }
    assert_eq!(batches.all(), [4, 1, 4]);
    assert_eq!((stats_of(&bus, "it").done, stats_of(&bus, "it").dead), (5, 7));
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_told_of_it_never_feeds_back() {
    let scene = Scene::of(breaker()).await;
    let (told, notes) = Notes::pair();
    let handler = move |delivery: Delivery| {
        notes.add(delivery.topic().clone());
        async { Err::<(), _>(HandlerError::temporary("deaf")) }
    };
    scene.bus.on("owlbus.circuit.**").name("deaf").handle(handler).await.unwrap();
    scene.gets([FAILS; 4]).await;
    for _ in 0..10 {
        advance(30 * SECOND).await;
        scene.gets([FAILS]).await;
    }
    // It fails at every one of them, and is called for the next all the same; nobody tells of that.
    assert_eq!(told.all().len(), 1 + 10 * 2);
    assert_eq!(scene.breaker.circuits().len(), 1);
    end(scene.bus).await;
}

#[tokio::test(start_paused = true)]
async fn circuits_end_with_their_subscriptions() {
    let breaker = breaker();
    let bus = Bus::builder().middleware(breaker.clone()).build().unwrap();
    for round in 0..100 {
        let subscription =
            bus.on("x").name(format!("it-{round}")).handle(|_: Delivery| async {}).await.unwrap();
        bus.publish(event("x", WELL)).await.unwrap();
        quiet().await;
        assert_eq!(breaker.circuits().len(), 1, "{round}");
        subscription.unsubscribe();
        quiet().await;
    }
    assert!(breaker.circuits().is_empty());
    end(bus).await;
}

#[test]
fn settings_that_make_no_sense_are_told_at_once() {
    for share in [0.0, -1.0, 1.01, f64::NAN, f64::INFINITY] {
        let error = CircuitBreaker::new().failure_rate(share).unwrap_err().to_string();
        assert!(error.contains("above 0 and at most 1"), "{error}");
    }
    for (attempts, time) in [(0, SECOND), (1_000_001, SECOND), (1, Duration::ZERO)] {
        let error = CircuitBreaker::new().window(attempts, time).unwrap_err().to_string();
        assert!(error.contains("has to be 1 to 1,000,000"), "{error}");
    }
}
