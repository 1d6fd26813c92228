//! A handler fails. Its event is tried again when the policy says so, as often as the policy says so, unless the error says
//! that it makes no sense; a retry holds no worker, and is lost to nobody: not to lanes, bands, keys or workers that sleep.

mod common;

use std::{error::Error, fmt, io, time::Duration};

use common::{Door, Notes, assert_conserved, end, event, n, number, quiet, stats_of};
use owlbus::{
    Bus, Delivery, HandlerError, Outcome, Priority, SubscribeError, Subscription,
    handle::{Band, On},
    settle::{ErrorKind, Retry, Settlement, Unknown},
};
use tokio::time::{Instant, advance};

/// An attempt: the number in its event, its own number, and when it began in milliseconds.
type Tried = (u64, u32, u64);

const MILLI: Duration = Duration::from_millis(1);

/// A subscription that fails as often as the test says, with what it tried.
async fn flaky(
    on: On<'_>,
    fails: impl Fn(u64, u32) -> bool + Clone + Send + Sync + 'static,
) -> (Subscription, Notes<Tried>) {
    let (seen, noted) = Notes::pair();
    let since = Instant::now();
    let handler = move |event: Delivery| {
        let (n, attempt) = (n(&event), event.attempt());
        noted.add((n, attempt, since.elapsed().as_millis() as u64));
        let fails = fails(n, attempt);
        async move { if fails { Err(HandlerError::temporary("not now")) } else { Ok(()) } }
    };
    (on.handle(handler).await.expect("the options are right"), seen)
}

async fn publish(bus: &Bus, numbers: impl IntoIterator<Item = u64>) {
    for n in numbers {
        bus.publish(event("test.number", n)).await.expect("it is accepted");
    }
}

/// When each attempt at one event began under a policy, where all of them fail.
async fn times(retry: Retry) -> Vec<u64> {
    let bus = Bus::in_memory();
    let (_, seen) = flaky(bus.on("test.*").name("flaky").retry(retry), |_, _| true).await;
    publish(&bus, [1]).await;
    bus.shutdown_within(Duration::from_secs(3_600)).await;
    let stats = bus.stats();
    assert!(stats.subscriptions.iter().all(|one| one.dead == 1 && one.is_conserved()), "{stats:?}");
    seen.all().into_iter().map(|(_, _, began)| began).collect()
}

#[tokio::test(start_paused = true)]
async fn the_policy_says_when_and_how_often() {
    let exponential = Retry::exponential(MILLI * 100).jitter(0.0);
    assert_eq!(times(Retry::none()).await, [0]);
    assert_eq!(times(Retry::fixed(MILLI * 50).max_retries(2)).await, [0, 50, 100]);
    assert_eq!(times(Retry::fixed(Duration::ZERO).max(3)).await, [0, 0, 0]);
    assert_eq!(times(exponential.clone()).await, [0, 100, 300, 700, 1_500]);
    assert_eq!(times(exponential.clone().factor(3.0).max(4)).await, [0, 100, 400, 1_300]);
    assert_eq!(times(exponential.clone().cap(MILLI * 150).max(4)).await, [0, 100, 250, 400]);
    assert_eq!(times(exponential.max_elapsed(MILLI * 700)).await, [0, 100, 300, 700]);
    assert_eq!(times(Retry::fixed(MILLI * 10).max(1)).await, [0]);
}

#[tokio::test(start_paused = true)]
async fn jitter_spreads_what_failed_together_within_its_bounds() {
    let bus = Bus::in_memory();
    let retry = Retry::fixed(MILLI * 100).jitter(0.5);
    let (_, seen) = flaky(bus.on("test.*").concurrency(100).retry(retry), |_, attempt| attempt == 1).await;
    publish(&bus, 0..100).await;
    let seen = seen.once_there_are(200).await;
    let again: Vec<_> = seen.iter().filter(|tried| tried.1 == 2).map(|tried| tried.2).collect();
    assert!(again.iter().all(|began| (50..=151).contains(began)), "{again:?}");
    assert!(again.iter().min() < Some(&75) && again.iter().max() > Some(&125), "{again:?}");
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn policies_that_make_no_sense_are_refused_by_name() {
    let bus = Bus::in_memory();
    let fixed = || Retry::fixed(MILLI);
    let wrong = [
        fixed().factor(0.9),
        fixed().factor(f64::NAN),
        fixed().factor(f64::INFINITY),
        fixed().jitter(-0.1),
        fixed().jitter(1.1),
        fixed().jitter(f64::NAN),
        fixed().max(0),
    ];
    for retry in wrong {
        let refused = bus.on("test.*").retry(retry.clone()).handle(|_: Delivery| async {}).await;
        let Err(SubscribeError::Config(error)) = refused else { panic!("{retry:?} is no policy") };
        assert_eq!(error.setting, "retry");
    }
    let fine = [fixed().max_retries(u32::MAX), Retry::exponential(Duration::MAX), Retry::none()];
    for retry in fine {
        assert!(bus.on("test.*").retry(retry).handle(|_: Delivery| async {}).await.is_ok());
    }
    let inline = bus.on("test.*").retry(fixed()).inline(|_: &owlbus::Event| {}).await;
    assert!(matches!(inline, Err(SubscribeError::Config(_))), "an inline handler has one attempt");
    assert!(matches!(bus.on("test.*").retry(fixed()).stream().await, Err(SubscribeError::Config(_))));
    end(bus).await;
}

/// Attempts that an error gets under a policy of three.
async fn attempts(
    on: fn(On<'_>) -> On<'_>,
    fail: impl Fn() -> Result<Outcome, HandlerError> + Clone + Send + Sync + 'static,
) -> usize {
    let (bus, seen) = (Bus::in_memory(), Notes::new());
    let noted = seen.clone();
    let handler = move |event: Delivery| {
        noted.add(event.attempt());
        let said = fail();
        async move { said }
    };
    on(bus.on("test.*").retry(Retry::fixed(MILLI).max(3)))
        .handle(handler)
        .await
        .expect("the options are right");
    publish(&bus, [1]).await;
    end(bus).await;
    let seen = seen.all();
    assert!(seen.iter().copied().eq(1..=seen.len() as u32), "attempts are counted from 1: {seen:?}");
    seen.len()
}

fn lax(on: On<'_>) -> On<'_> {
    on
}

fn strict(on: On<'_>) -> On<'_> {
    on.retry(Retry::fixed(MILLI).max(3).unknown(Unknown::Dead))
}

fn none(on: On<'_>) -> On<'_> {
    on.retry(Retry::none())
}

fn lax_by_lost(on: On<'_>) -> On<'_> {
    on.classify(lost)
}

fn strict_by_lost(on: On<'_>) -> On<'_> {
    strict(on).classify(lost)
}

fn panics(on: On<'_>) -> On<'_> {
    on.classify(|_| panic!("who knows"))
}

#[tokio::test(start_paused = true)]
async fn an_error_says_whether_another_attempt_makes_sense() {
    let unknown = || Ok(io::Error::from(io::ErrorKind::NotFound)).and_then(|error| Err(error)?);
    let temporary = || Err(HandlerError::temporary("later"));
    let permanent = || Err(HandlerError::permanent("never"));
    assert_eq!(attempts(lax, unknown).await, 3);
    assert_eq!(attempts(lax, temporary).await, 3);
    assert_eq!(attempts(lax, permanent).await, 1);
    assert_eq!(attempts(lax, || panic!("never")).await, 1);
    assert_eq!(attempts(lax, || Ok(Outcome::Retry { after: None })).await, 3);
    assert_eq!(attempts(lax, || Ok(Outcome::Dead { reason: "never".into() })).await, 1);
    assert_eq!(attempts(lax, || Ok(Outcome::Skipped)).await, 1);

    assert_eq!((attempts(strict, unknown).await, attempts(strict, temporary).await), (1, 3));
    assert_eq!(attempts(none, || Ok(Outcome::Retry { after: Some(MILLI) })).await, 1);
}

/// Whether it is the one that is not there.
fn lost(error: &(dyn Error + 'static)) -> ErrorKind {
    match error.downcast_ref::<io::Error>().map(io::Error::kind) {
        Some(io::ErrorKind::NotFound) => ErrorKind::Permanent,
        Some(io::ErrorKind::TimedOut) => ErrorKind::Temporary,
        _ => ErrorKind::Unknown,
    }
}

#[tokio::test(start_paused = true)]
async fn classify_speaks_for_errors_that_say_nothing_and_for_no_others() {
    let io = |kind: io::ErrorKind| move || Err(io::Error::from(kind).into());
    assert_eq!(attempts(lax_by_lost, io(io::ErrorKind::NotFound)).await, 1);
    assert_eq!(attempts(lax_by_lost, io(io::ErrorKind::Other)).await, 3);
    assert_eq!(attempts(strict_by_lost, io(io::ErrorKind::TimedOut)).await, 3);
    assert_eq!(attempts(strict_by_lost, io(io::ErrorKind::Other)).await, 1);
    let away = || Err(HandlerError::temporary(io::Error::from(io::ErrorKind::NotFound)));
    assert_eq!(attempts(lax_by_lost, away).await, 3);
    assert_eq!(attempts(panics, io(io::ErrorKind::Other)).await, 3);
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
async fn an_error_that_cannot_be_shown_is_an_error() {
    assert_eq!(attempts(lax, || Err(Unspeakable.into())).await, 3);
}

/// Leaves loudly.
#[derive(Debug, thiserror::Error)]
#[error("it left")]
struct LeavesLoudly;

impl Drop for LeavesLoudly {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic!("not without a word");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_that_panics_when_it_is_dropped_is_an_error() {
    assert_eq!(attempts(lax, || Err(LeavesLoudly.into())).await, 3);
}

#[tokio::test(start_paused = true)]
async fn a_handler_says_itself_when_to_come_again() {
    let (bus, seen) = (Bus::in_memory(), Notes::new());
    let (noted, since) = (seen.clone(), Instant::now());
    let handler = move |event: Delivery| {
        noted.add(since.elapsed().as_millis() as u64);
        let after = Some(MILLI * 70 * event.attempt());
        async move { Outcome::Retry { after } }
    };
    let retry = Retry::exponential(Duration::from_secs(9)).max(4).max_elapsed(MILLI * 250);
    bus.on("test.*").name("asks").retry(retry).handle(handler).await.expect("the options are right");
    publish(&bus, [1]).await;
    // The next would be at 420 ms, and that is too late.
    assert_eq!(seen.once_there_are(3).await, [0, 70, 210]);
    quiet().await;
    assert_eq!(stats_of(&bus, "asks").dead, 1);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn an_error_says_when_another_attempt_makes_sense() {
    let bus = Bus::in_memory();
    let (seen, noted) = Notes::pair();
    let since = Instant::now();
    let handler = move |event: Delivery| {
        noted.add(since.elapsed().as_millis() as u64);
        let again = match event.attempt() {
            1 => HandlerError::temporary("busy").retry_after(MILLI * 300),
            2 => HandlerError::from(io::Error::other("busy")).retry_after(Duration::ZERO),
            3 => HandlerError::temporary("busy"),
            // There is none, whenever it were.
            _ => HandlerError::permanent("wrong").retry_after(MILLI),
        };
        async { Err::<(), _>(again) }
    };
    let retry = Retry::fixed(MILLI * 50);
    bus.on("test.*").name("it").retry(retry).handle(handler).await.unwrap();
    publish(&bus, [1]).await;
    assert_eq!(seen.once_there_are(4).await, [0, 300, 300, 350]);
    quiet().await;
    assert_eq!(stats_of(&bus, "it").dead, 1);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn later_events_overtake_what_waits_and_the_worker_is_free() {
    let bus = Bus::in_memory();
    let on = bus.on("test.*").name("flaky").retry(Retry::fixed(MILLI * 100));
    let (_, seen) = flaky(on, |n, attempt| n <= 2 && attempt == 1).await;
    publish(&bus, 1..=4).await;
    quiet().await;
    let stats = stats_of(&bus, "flaky");
    assert_eq!((stats.waiting, stats.queued, stats.running, stats.done), (2, 0, 0, 2));
    assert_conserved(&bus);
    assert_eq!(
        seen.once_there_are(6).await,
        [(1, 1, 0), (2, 1, 0), (3, 1, 0), (4, 1, 0), (1, 2, 100), (2, 2, 100)]
    );
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn many_that_are_due_at_once_come_in_the_order_they_were_published() {
    let bus = Bus::in_memory();
    // What was published last is due first, and nobody is there before all of them are.
    let (door, waits) = (Door::closed(), Notes::new());
    let (passes, noted) = (door.clone(), waits.clone());
    let handler = move |event: Delivery| {
        let (n, attempt, door, noted) = (n(&event), event.attempt(), passes.clone(), noted.clone());
        async move {
            if n == 9 {
                door.pass().await;
            } else if attempt == 1 {
                return Outcome::Retry { after: Some(MILLI * (100 - n as u32)) };
            }
            noted.add(n);
            Outcome::Done
        }
    };
    bus.on("test.*")
        .timeout(None)
        .retry(Retry::fixed(MILLI))
        .handle(handler)
        .await
        .expect("the options are right");
    publish(&bus, [1, 2, 3, 4, 9]).await;
    quiet().await;
    advance(Duration::from_secs(1)).await;
    publish(&bus, [9]).await;
    door.open();
    // What was tried before goes before what was not.
    assert_eq!(waits.once_there_are(6).await, [9, 1, 2, 3, 4, 9]);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_due_wakes_a_worker_and_waits_for_one_where_all_are_busy() {
    let (bus, door) = (Bus::in_memory(), Door::closed());
    let (seen, noted) = Notes::pair();
    let (passes, since) = (door.clone(), Instant::now());
    let handler = move |event: Delivery| {
        let (n, attempt, door, noted) = (n(&event), event.attempt(), passes.clone(), noted.clone());
        async move {
            if n >= 10 {
                door.pass().await;
            } else if attempt == 1 {
                return Err(HandlerError::temporary("not now"));
            }
            noted.add((n, attempt, since.elapsed().as_millis() as u64));
            Ok(())
        }
    };
    let on = bus.on("test.*").name("some").concurrency(3).timeout(None).retry(Retry::fixed(MILLI * 100));
    on.handle(handler).await.expect("the options are right");
    // Every worker sleeps when these are due.
    publish(&bus, 1..=5).await;
    assert_eq!(
        seen.once_there_are(5).await,
        [(1, 2, 100), (2, 2, 100), (3, 2, 100), (4, 2, 100), (5, 2, 100)]
    );
    // And every one is busy here.
    publish(&bus, [6, 10, 11, 12]).await;
    quiet().await;
    advance(Duration::from_secs(1)).await;
    quiet().await;
    let stats = stats_of(&bus, "some");
    assert_eq!((stats.waiting, stats.running, stats.queued), (1, 3, 0));
    assert_conserved(&bus);
    door.let_through(1);
    assert_eq!(seen.once_there_are(7).await[5..], [(10, 1, 1_100), (6, 2, 1_100)]);
    door.open();
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn a_key_waits_for_its_retry_and_the_others_go_on() {
    for workers in [1, 2, 16] {
        let bus = Bus::in_memory();
        let on = bus.on("test.*").ordered_by_key().concurrency(workers).retry(Retry::fixed(MILLI * 100));
        let (_, seen) = flaky(on, |n, attempt| n < 20 && attempt <= 2).await;
        for n in [10, 20, 11, 21, 30, 12, 22] {
            let event = bus.event(event("test.number", n)).key((n / 10).to_string());
            event.publish().await.expect("it is accepted");
        }
        let seen = seen.once_there_are(13).await;
        let of_key =
            |key| seen.iter().filter(move |tried| tried.0 / 10 == key).map(|tried| (tried.0, tried.1));
        let failing: Vec<_> = (10..=12).flat_map(|n| (1..=3).map(move |attempt| (n, attempt))).collect();
        assert_eq!(of_key(1).collect::<Vec<_>>(), failing, "{workers} workers");
        assert_eq!(of_key(2).collect::<Vec<_>>(), [(20, 1), (21, 1), (22, 1)]);
        assert!(seen.iter().all(|tried| tried.0 < 20 || tried.2 == 0), "others wait for nobody: {seen:?}");
        assert_eq!(seen.last(), Some(&(12, 3, 600)));
        end(bus).await;
    }
}

#[tokio::test(start_paused = true)]
async fn every_lane_gets_its_retries() {
    for priority in [Priority::Immediate, Priority::High, Priority::Normal, Priority::Deferred] {
        for by_key in [false, true] {
            let bus = Bus::in_memory();
            let on = bus.on("test.*").name("flaky").retry(Retry::fixed(MILLI * 100));
            let on = if by_key { on.ordered_by_key() } else { on };
            let (subscription, seen) = flaky(on, |_, attempt| attempt == 1).await;
            let receipt = bus.event(event("test.number", 1)).priority(priority).publish().await;
            assert_eq!(receipt.expect("it is accepted").unfinished, Vec::<std::sync::Arc<str>>::new());
            if priority == Priority::Immediate {
                assert_eq!(seen.all(), [(1, 1, 0)], "publish returns after the first attempt");
            }
            quiet().await;
            assert_eq!(subscription.stats().waiting, 1);
            let report = bus.shutdown().await;
            assert!(report.is_clean(), "{priority:?}, by key: {by_key}: {report:?}");
            assert_eq!(seen.all(), [(1, 1, 0), (1, 2, 100)], "{priority:?}");
            assert_conserved(&bus);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_lower_band_waits_for_the_first_attempt_and_not_for_the_retries() {
    for workers in [1, 3] {
        let bus = Bus::in_memory();
        let retry = Retry::fixed(MILLI * 100);
        let guard = bus.on("test.*").name("guard").priority(Band::HIGH).concurrency(workers);
        let (_, high) = flaky(guard.retry(retry.clone()), |_, attempt| attempt == 1).await;
        let desk = bus.on("test.*").name("desk").concurrency(workers).retry(retry);
        let (_, low) = flaky(desk, |_, attempt| attempt == 1).await;
        publish(&bus, [1, 2]).await;
        assert_eq!(low.once_there_are(2).await, [(1, 1, 0), (2, 1, 0)]);
        assert_eq!(high.all(), [(1, 1, 0), (2, 1, 0)]);
        assert_eq!(low.once_there_are(4).await[2..], [(1, 2, 100), (2, 2, 100)]);
        assert_eq!(stats_of(&bus, "desk").band_timeouts, 0);
        end(bus).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_tracked_event_is_settled_at_the_end_and_a_handler_may_wait_for_that() {
    let bus = Bus::in_memory();
    let retry = Retry::fixed(MILLI * 100);
    let (_, _) =
        flaky(bus.on("inner").name("inner").retry(retry.clone()).ordered_by_key(), |_, at| at <= 2).await;
    let outer = |outer: Delivery| async move {
        let bus = outer.bus().ok_or_else(|| HandlerError::permanent("the bus is gone"))?;
        let inner = bus.event(event("inner", 2)).tracked().publish().await?;
        let settled = inner.settled().await?;
        assert_eq!(settled[0].settlement, Settlement::Done);
        Ok(())
    };
    bus.on("test.*").name("outer").retry(retry).handle(outer).await.expect("the options are right");
    let since = Instant::now();
    let tracked = bus.event(number(1)).tracked().publish().await.expect("it is accepted");
    let settled = tracked.settled().await.expect("nobody waits for this test");
    assert_eq!((settled[0].settlement.clone(), since.elapsed().as_millis()), (Settlement::Done, 200));
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn a_handler_may_wait_for_another_key_of_its_own_subscription_that_waits_for_its_retry() {
    let bus = Bus::in_memory();
    let (seen, noted) = Notes::pair();
    let handler = move |event: Delivery| {
        let noted = noted.clone();
        async move {
            if n(&event) == 2 {
                let fails = event.attempt() == 1;
                return if fails { Err(HandlerError::temporary("not now")) } else { Ok(()) };
            }
            let bus = event.bus().ok_or_else(|| HandlerError::permanent("the bus is gone"))?;
            let other = bus.event(common::event("test.number", 2)).key("other").tracked().publish().await?;
            noted.add(other.settled().await.map(|settled| settled[0].settlement.clone()));
            Ok(())
        }
    };
    let on = bus.on("test.*").ordered_by_key().concurrency(2).retry(Retry::fixed(MILLI * 100));
    on.handle(handler).await.expect("the options are right");
    bus.event(event("test.number", 1)).key("own").publish().await.expect("it is accepted");
    assert_eq!(seen.once_there_are(1).await, [Ok(Settlement::Done)]);
    end(bus).await;
}
