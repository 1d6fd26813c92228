//! The promise: a schedule with a cron expression publishes when the clock on the wall says so, in the zone it was told; and
//! tokio's clock drives it, so that a test with a paused one sees a week go by in no time.

#![cfg(feature = "cron")]
#![expect(clippy::unwrap_used, reason = "a test that unwraps the wrong thing fails, as it should")]

mod common;

use std::time::{Duration, UNIX_EPOCH};

use common::{Notes, end, number};
use owlbus::{
    Bus,
    schedule::{ScheduleBuilder, Tick},
};
use tokio::time::Instant;

const HOUR: u64 = 3600;

/// The first ticks of a schedule, each with the time that went by since the one before.
async fn ticks(bus: &Bus, builder: ScheduleBuilder<'_>, count: usize) -> Vec<(Tick, Duration)> {
    let (ticks, notes) = Notes::pair();
    let mut before = Instant::now();
    let make = move |tick| {
        notes.add((tick, before.elapsed()));
        before = Instant::now();
        number(0)
    };
    let schedule = builder.publish_with(make).unwrap();
    let ticks = ticks.once_there_are(count).await;
    schedule.cancel();
    assert!(bus.schedules().is_empty());
    ticks
}

/// The second of the day, in UTC.
fn second_of_day(tick: &Tick) -> u64 {
    tick.due.duration_since(UNIX_EPOCH).unwrap().as_secs() % (24 * HOUR)
}

#[tokio::test(start_paused = true)]
async fn a_tick_comes_when_the_clock_says_so() {
    let bus = Bus::in_memory();
    let daily = ticks(&bus, bus.schedule("daily").cron("30 7 * * *"), 8).await;
    for (number, (tick, after)) in daily.iter().enumerate() {
        assert_eq!((tick.number, tick.missed, second_of_day(tick)), (number as u64 + 1, 0, 7 * HOUR + 1800));
        let day = Duration::from_secs(24 * HOUR);
        let a_day_later = after.abs_diff(day) < Duration::from_secs(1);
        assert!(a_day_later || number == 0 && *after <= day, "{after:?}");
    }
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn every_second_is_a_tick_where_that_is_asked_for() {
    let bus = Bus::in_memory();
    let seconds = ticks(&bus, bus.schedule("seconds").cron("* * * * * *"), 100).await;
    let due: Vec<_> = seconds.iter().map(|(tick, _)| second_of_day(tick)).collect();
    assert!(due.windows(2).all(|pair| pair[1] == (pair[0] + 1) % (24 * HOUR)), "{due:?}");
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn the_zone_is_that_which_was_named() {
    let bus = Bus::in_memory();
    // Five and a half hours ahead, all year round.
    let kolkata = bus.schedule("kolkata").cron("0 9 * * *").zone("Asia/Kolkata");
    for (tick, _) in ticks(&bus, kolkata, 2).await {
        assert_eq!(second_of_day(&tick), 3 * HOUR + 1800);
    }
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn a_schedule_that_has_no_more_ticks_ends() {
    let bus = Bus::in_memory();
    let heard = common::listen(&bus, "test.number").await;
    let year = 1970 + UNIX_EPOCH.elapsed().unwrap().as_secs() / (8766 * HOUR);
    let last = bus.schedule("last").cron(format!("0 0 0 1 1 * {}", year + 2)).publish(number(1)).unwrap();
    common::quiet().await;
    tokio::time::advance(Duration::from_secs(3 * 8766 * HOUR)).await;
    assert_eq!(heard.once_there_are(1).await.len(), 1, "it is late, and comes");
    common::quiet().await;
    assert_eq!((last.next(), last.stats().published, bus.schedules().len()), (None, 1, 0));
    end(bus).await;
}

#[tokio::test]
async fn what_cannot_be_is_refused_in_words() {
    let bus = Bus::in_memory();
    let begun = || bus.schedule("a");
    let minute = Duration::from_secs(60);
    let cases = [
        (begun().cron("often"), "`cron` is `often`, which cannot be read: "),
        (begun().cron("0 0 30 2 *"), "`cron` names a time that never comes"),
        (begun().cron("0 0 * * * * 1999"), "`cron` names a time that never comes"),
        (begun().cron("* * * * *").zone("Berlin"), "`zone` is `Berlin`, which no zone is called"),
        (begun().cron("* * * * *").every(minute), "`cron` does not go with `every`"),
        (begun().cron("* * * * *").first_after(minute), "`first_after` is for `every`"),
        (begun().every(minute).zone("Europe/Berlin"), "`zone` is for `cron`"),
    ];
    for (builder, reason) in cases {
        let told = builder.publish(number(1)).map(drop).unwrap_err().to_string();
        assert!(told.starts_with(reason), "{told}");
    }
    end(bus).await;
}
