//! The promise: a schedule publishes an event whenever it is due, each with an id and a time of its own; it says what came too
//! late or was refused, goes on all the same, and ends when it is told to, or with the bus.

#![expect(clippy::unwrap_used, reason = "a test that unwraps the wrong thing fails, as it should")]

mod common;

use std::{
    sync::{Arc, OnceLock},
    time::{Duration, SystemTime},
};

use common::{Door, Notes, assert_conserved, end, event, listen, n, number, patient_bus, quiet, stats_of};
use owlbus::{
    Bus, Delivery, Event, Overflow, PublishError,
    middleware::{AcceptNext, Access, Act, Identity, Who, around_accept},
    schedule::{Missed, Schedule, ScheduleBuilder, ScheduleError, Tick},
};
use tokio::time::Instant;

const SECOND: Duration = Duration::from_secs(1);

async fn later(seconds: u32) {
    tokio::time::sleep(SECOND * seconds).await; // sleeps: on the paused clock.
}

/// Subscribes to `test.number`, and notes numbers and the second they came in.
async fn clocked(bus: &Bus) -> Notes<(u64, u64)> {
    let ((heard, notes), begun) = (Notes::pair(), Instant::now());
    let handler = move |delivery: Delivery| {
        notes.add((n(&delivery), begun.elapsed().as_secs()));
        async {}
    };
    bus.on("test.number").name("clocked").handle(handler).await.unwrap();
    heard
}

fn published(schedule: &Schedule) -> (u64, u64, u64) {
    let stats = schedule.stats();
    (stats.published, stats.refused, stats.missed)
}

#[tokio::test(start_paused = true)]
async fn an_event_comes_at_each_interval() {
    let bus = Bus::in_memory();
    let heard = clocked(&bus).await;
    let schedule =
        bus.schedule("numbers").every(SECOND * 5).publish_with(|tick| number(tick.number)).unwrap();
    assert_eq!(heard.once_there_are(3).await, [(1, 5), (2, 10), (3, 15)]);
    quiet().await;
    assert_eq!(published(&schedule), (3, 0, 0));
    let left = schedule.next().unwrap().duration_since(SystemTime::now()).unwrap();
    assert!(left > SECOND * 15 && left <= SECOND * 20, "by the calendar of the paused clock: {left:?}");
    assert_eq!(bus.stats().schedules, [schedule.stats()]);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn each_has_an_id_and_a_time_of_its_own_and_the_same_data() {
    let bus = Bus::in_memory();
    let heard = listen(&bus, "a").await;
    let event = Event::builder(event("a", 7)).key("k").metadata("shelf", 3).ttl(SECOND * 60).build().unwrap();
    let first = event.clone();
    let schedule = bus.schedule("same").every(SECOND * 100).publish(event).unwrap();
    let all = heard.once_there_are(3).await;
    for (number, event) in all.iter().enumerate() {
        assert_eq!(
            (n(event), event.key(), event.metadata().get("shelf")),
            (7, "k", first.metadata().get("shelf"))
        );
        assert!(
            event.id() != first.id()
                && event.correlation_id() == event.id()
                && event.causation_id().is_none()
        );
        let lasts = event.expires_at().unwrap().duration_since(event.time()).unwrap();
        assert!(lasts > SECOND * 59 && lasts < SECOND * 61, "{lasts:?}");
        assert!(all[..number].iter().all(|before| before.id() != event.id() && before.time() < event.time()));
    }
    assert_eq!(published(&schedule), (3, 0, 0), "none had expired");
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn the_first_may_come_at_once_and_the_last_be_counted() {
    let bus = Bus::in_memory();
    let heard = clocked(&bus).await;
    let three = bus.schedule("three").every(SECOND * 5).first_after(Duration::ZERO).times(3);
    let three = three.publish_with(|tick| number(tick.number)).unwrap();
    later(60).await;
    assert_eq!(heard.all(), [(1, 0), (2, 5), (3, 10)]);
    assert_eq!((three.next(), published(&three)), (None, (3, 0, 0)));
    assert!(bus.schedules().is_empty() && bus.stats().schedules.is_empty());
    assert!(!three.cancel(), "it is over");
    bus.schedule("three").every(SECOND).publish(number(1)).unwrap();
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn a_tick_tells_its_number_and_when_it_was_due() {
    let bus = Bus::in_memory();
    let (ticks, notes) = Notes::<Tick>::pair();
    let make = move |tick| {
        notes.add(tick);
        number(0)
    };
    bus.schedule("ticks").every(SECOND * 5).publish_with(make).unwrap();
    let ticks = ticks.once_there_are(3).await;
    assert_eq!(
        ticks.iter().map(|tick| (tick.number, tick.missed)).collect::<Vec<_>>(),
        [(1, 0), (2, 0), (3, 0)]
    );
    for pair in ticks.windows(2) {
        let apart = pair[1].due.duration_since(pair[0].due).unwrap();
        assert!(apart > SECOND * 49 / 10 && apart < SECOND * 51 / 10, "{apart:?}");
    }
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn a_schedule_that_is_cancelled_publishes_nothing_more() {
    let bus = Bus::in_memory();
    let heard = clocked(&bus).await;
    drop(bus.schedule("dropped").every(SECOND * 5).publish(number(1)).unwrap());
    let cancelled = bus.schedule("cancelled").every(SECOND * 3).publish(number(2)).unwrap();
    later(7).await;
    let named = bus.schedules().into_iter().map(|one| one.name().to_owned()).collect::<Vec<_>>();
    assert_eq!(named, ["cancelled", "dropped"]);
    assert!(cancelled.cancel() && !cancelled.cancel());
    assert_eq!((cancelled.next(), bus.schedules().len()), (None, 1));
    later(6).await;
    assert_eq!(heard.all(), [(2, 3), (1, 5), (2, 6), (1, 10)], "the handle that was dropped changed nothing");
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn a_schedule_can_end_itself() {
    let bus = Bus::in_memory();
    let heard = clocked(&bus).await;
    let itself: Arc<OnceLock<Schedule>> = Arc::default();
    let own = Arc::clone(&itself);
    let schedule = bus.schedule("own").every(SECOND).publish_with(move |tick| {
        if tick.number == 2 {
            own.get().unwrap().cancel();
        }
        number(tick.number)
    });
    itself.set(schedule.unwrap()).unwrap();
    later(10).await;
    assert_eq!(heard.all(), [(1, 1), (2, 2)], "the event it was about to publish comes");
    end(bus).await;
}

/// A bus with a subscription that is busy for the first twelve seconds, and has room for one event.
async fn busy_bus() -> (Bus, Notes<(u64, u64)>) {
    let (bus, door) = (patient_bus(), Door::closed());
    let ((heard, notes), busy, begun) = (Notes::pair(), door.clone(), Instant::now());
    let handler = move |delivery: Delivery| {
        let (door, notes) = (busy.clone(), notes.clone());
        async move {
            door.pass().await;
            notes.add((n(&delivery), begun.elapsed().as_secs()));
        }
    };
    let block = Overflow::Block { timeout: SECOND * 60 };
    bus.on("test.number").name("busy").mailbox(1, block).handle(handler).await.unwrap();
    bus.publish(number(0)).await.unwrap();
    tokio::spawn(async move {
        later(12).await;
        door.open();
    });
    (bus, heard)
}

#[tokio::test(start_paused = true)]
async fn one_event_stands_for_those_that_were_missed() {
    let (bus, heard) = busy_bus().await;
    let schedule = bus.schedule("late").every(SECOND * 2);
    let schedule = schedule.publish_with(|tick| number(tick.number * 100 + tick.missed)).unwrap();
    // The first waits for room from the second second on; at the twelfth, those of the fourth to the twelfth are due.
    assert_eq!(heard.once_there_are(4).await, [(0, 12), (100, 12), (204, 12), (300, 14)]);
    quiet().await;
    assert_eq!(published(&schedule), (3, 0, 4));
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn or_each_that_was_missed_has_its_own() {
    let (bus, heard) = busy_bus().await;
    let schedule = bus.schedule("late").every(SECOND * 2).missed(Missed::All);
    let schedule = schedule.publish_with(|tick| number(tick.number * 100 + tick.missed)).unwrap();
    let wanted = [(0, 12), (100, 12), (200, 12), (300, 12), (400, 12), (500, 12), (600, 12), (700, 14)];
    assert_eq!(heard.once_there_are(8).await, wanted);
    quiet().await;
    assert_eq!(published(&schedule), (7, 0, 0));
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn others_have_their_turn_while_much_is_made_up_for() {
    let bus = Bus::in_memory();
    let schedule = bus.schedule("many").every(Duration::from_millis(1)).missed(Missed::All);
    let schedule = schedule.publish(number(1)).unwrap();
    quiet().await;
    tokio::time::advance(SECOND * 10).await;
    tokio::task::yield_now().await;
    let so_far = schedule.stats().published;
    assert!(so_far > 0 && so_far < 9_000, "{so_far} of 10,000 were published in one turn");
    schedule.cancel();
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_is_counted_and_the_schedule_goes_on() {
    let (bus, door) = (patient_bus(), Door::closed());
    let busy = door.clone();
    let handler = move |_: Delivery| {
        let door = busy.clone();
        async move { door.pass().await }
    };
    bus.on("test.number").name("full").mailbox(1, Overflow::Reject).handle(handler).await.unwrap();
    let full = bus.schedule("full").every(SECOND * 2).publish(number(1)).unwrap();
    later(7).await;
    assert_eq!((published(&full), bus.stats().refused), ((1, 2, 0), 2));
    door.open();
    later(2).await;
    assert_eq!(published(&full), (2, 2, 0));
    full.cancel();

    let make = |tick: Tick| match tick.number {
        1 => panic!("nothing to say"),
        2 => Event::json("owlbus.started", 2).unwrap(),
        number => event("other", number),
    };
    let faulty = bus.schedule("faulty").every(SECOND).publish_with(make).unwrap();
    later(4).await;
    assert_eq!(published(&faulty), (1, 2, 0));
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn middleware_stands_around_its_events_too() {
    let sieve = |event: Event, next: AcceptNext| async move {
        match n(&event) % 2 {
            0 => next.run(event).await,
            _ => next.discard(event),
        }
    };
    let bus = Bus::builder().middleware(around_accept("sieve", sieve)).build().unwrap();
    let heard = clocked(&bus).await;
    let schedule = bus.schedule("sifted").every(SECOND).times(5);
    let schedule = schedule.publish_with(|tick| number(tick.number)).unwrap();
    later(10).await;
    assert_eq!((heard.all(), published(&schedule)), (vec![(2, 2), (4, 4)], (2, 3, 0)));
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn it_publishes_what_whoever_scheduled_it_may_publish() {
    let access = Access::new().allow(Who::Anyone, [Act::Publish], "open.**").unwrap();
    let bus = Bus::builder().middleware(access).build().unwrap();
    let heard = listen(&bus, "**").await;
    let plugin = bus.scoped(Identity::new("plugin"));
    let denied = plugin.schedule("denied").every(SECOND).publish(event("secret", 1)).unwrap_err();
    assert!(matches!(denied, ScheduleError::Event(PublishError::Rejected { by, .. }) if &*by == "access"));
    let topics = |tick: Tick| event(if tick.number == 2 { "secret" } else { "open" }, tick.number);
    let schedule = plugin.schedule("made").every(SECOND).times(3).publish_with(topics).unwrap();
    assert_eq!((plugin.schedules().len(), bus.schedules().len()), (0, 1));
    later(10).await;
    assert_eq!(
        (heard.all().iter().map(n).collect::<Vec<_>>(), published(&schedule)),
        (vec![1, 3], (2, 1, 0))
    );
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_ends_it_and_waits_for_no_tick() {
    let bus = Bus::in_memory();
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let before = tasks();
    let heard = clocked(&bus).await;
    let schedule = bus.schedule("ends").every(SECOND * 5).publish(number(1)).unwrap();
    later(6).await;
    let begun = Instant::now();
    assert!(bus.shutdown().await.is_clean(), "nothing is lost");
    assert_eq!(begun.elapsed(), Duration::ZERO);
    later(20).await;
    assert_eq!((heard.all().len(), schedule.next(), tasks()), (1, None, before));
    assert_eq!((published(&schedule), bus.stats().refused), ((1, 0, 0), 0));
    let closed = bus.schedule("late").every(SECOND).publish_with(|_| number(1)).unwrap_err();
    assert!(matches!(closed, ScheduleError::Closed));
    let closed = bus.schedule("late").every(SECOND).publish(number(1)).unwrap_err();
    assert!(matches!(closed, ScheduleError::Closed));
    assert_conserved(&bus);
}

#[tokio::test(start_paused = true)]
async fn an_event_that_waits_for_room_when_the_bus_ends_is_one_like_any_other() {
    let (bus, heard) = busy_bus().await;
    let schedule = bus.schedule("waits").every(SECOND * 2).publish(number(1)).unwrap();
    later(3).await;
    assert!(bus.shutdown().await.is_clean());
    assert_eq!(heard.all(), [(0, 12), (1, 12)]);
    quiet().await;
    assert_eq!(published(&schedule), (1, 0, 0));
    assert_conserved(&bus);
}

#[tokio::test(start_paused = true)]
async fn it_does_not_keep_the_bus() {
    let bus = Bus::in_memory();
    let heard = clocked(&bus).await;
    let subscription = bus.on("test.number").handle(|_: Delivery| async {}).await.unwrap();
    let schedule = bus.schedule("alone").every(SECOND).publish(number(1)).unwrap();
    later(2).await;
    drop(bus);
    later(10).await;
    let before = heard.all().len();
    assert!((1..=2).contains(&before), "{before} events");
    assert_eq!(schedule.next(), None);
    assert!(subscription.stats().is_conserved());
}

#[tokio::test(start_paused = true)]
async fn what_a_handler_schedules_is_no_effect_of_what_it_handles() {
    let bus = Bus::in_memory();
    let heard = listen(&bus, "test.number").await;
    let handler = move |delivery: Delivery| {
        let bus = delivery.bus().unwrap();
        async move {
            bus.schedule("late").every(SECOND).publish(number(1))?;
            Ok(())
        }
    };
    bus.on("begin").name("begin").handle(handler).await.unwrap();
    bus.publish(event("begin", 1)).await.unwrap();
    let event = heard.once_there_are(1).await.remove(0);
    assert_eq!((event.causation_id(), event.correlation_id()), (None, event.id()));
    assert_eq!(stats_of(&bus, "begin").done, 1);
    end(bus).await;
}

#[test]
fn it_runs_where_the_bus_was_built_and_says_where_it_cannot() {
    let nowhere = Bus::in_memory();
    let told = nowhere.schedule("a").every(SECOND).publish(number(1)).unwrap_err();
    assert!(matches!(told, ScheduleError::NoRuntime), "{told}");

    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let bus = runtime.block_on(async { Bus::in_memory() });
    let schedule = bus.schedule("a").every(SECOND).publish(number(1)).unwrap();
    runtime.block_on(later(3));
    assert!(schedule.stats().published >= 2, "{schedule:?}");
    drop(runtime);
    assert_eq!((schedule.next(), bus.schedules().len()), (None, 0), "its runtime is gone");
}

#[tokio::test]
async fn what_is_wrong_is_said_in_words() {
    let bus = Bus::builder().event_bytes(100).build().unwrap();
    let begun = || bus.schedule("a");
    let told = |builder: ScheduleBuilder<'_>| builder.publish(number(1)).map(drop).unwrap_err().to_string();
    let cases = [
        (begun(), "`schedule` has no time; say `every`, or `cron`"),
        (bus.schedule("").every(SECOND), "`schedule` has an empty name"),
        (begun().every(Duration::ZERO), "`every` is shorter than a millisecond"),
        (begun().every(SECOND).times(0), "`times` is 0"),
    ];
    for (builder, reason) in cases {
        let told = told(builder);
        assert!(told.starts_with(reason), "{told}");
    }
    let large = begun().every(SECOND).publish(Event::json("a", "x".repeat(200)).unwrap());
    assert!(
        matches!(large, Err(ScheduleError::Event(PublishError::Rejected { by, .. })) if &*by == "limits"),
        "the event is looked at before it is due"
    );
    assert!(bus.schedules().is_empty(), "nothing of that was scheduled");
    begun().every(Duration::MAX).publish(number(1)).unwrap();
    assert_eq!(told(begun().every(SECOND)).split(';').next(), Some("there is a schedule named `a` already"));
    assert_eq!(bus.schedules().len(), 1);
    end(bus).await;
}
