//! Cron expressions, read by the clock on the wall.

use std::{
    str::FromStr,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use jiff::{Timestamp, Zoned, tz::TimeZone};

use super::super::{builder::ScheduleBuilder, rhythm::Rhythm};
use crate::{clock, config::ConfigError, event::Escaped};

impl ScheduleBuilder<'_> {
    /// One tick whenever the clock on the wall reads as a cron expression says: minute, hour, day of the month, month, day of the
    /// week. `30 7 * * MON-FRI` is half past seven on working days. Needs the feature `cron`.
    ///
    /// A field before these is seconds, one behind them years. Lists, ranges, steps, names, `L`, `W`, `#` and words such as
    /// `@daily` are understood as the crate `croner` does. The zone is UTC, unless [`zone`](Self::zone) says otherwise.
    ///
    /// Where summer time begins, a tick of one time of the day that the clocks leap over comes right after; where it ends, such a
    /// tick comes once. A clock that is set back lets no tick come again, unless it is by more than three hours; one that
    /// is set, or a machine that slept, is noticed within a minute.
    ///
    /// ```
    /// # async fn example(bus: owlbus::Bus) -> Result<(), Box<dyn std::error::Error>> {
    /// use owlbus::Event;
    ///
    /// bus.schedule("report").cron("0 3 * * *").zone("Europe/Berlin").publish(Event::signal("report.due")?)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn cron(mut self, expression: impl Into<String>) -> Self {
        self.cron = Some(expression.into());
        self
    }

    /// The time zone of [`cron`](Self::cron), by its name in the IANA database: `Europe/Berlin`. Default: UTC, whatever the machine's
    /// own zone is. The database of the system is used, or where it has none, the one built in. Needs the feature `cron`.
    pub fn zone(mut self, name: impl Into<String>) -> Self {
        self.zone = Some(name.into());
        self
    }
}

/// How many missed ticks are counted one by one.
const MOST_MISSED: u64 = 10_000;

struct Cron {
    cron: croner::Cron,
    zone: TimeZone,
}

pub(in super::super) fn rhythm(expression: &str, zone: Option<&str>) -> Result<Box<dyn Rhythm>, ConfigError> {
    let cron = croner::Cron::from_str(expression).map_err(|error| {
        let (expression, error) = (Escaped(expression), Escaped(error));
        ConfigError::new("cron", format!("is `{expression}`, which cannot be read: {error}"))
    })?;
    let zone = match zone {
        None => TimeZone::UTC,
        Some(name) => TimeZone::get(name).map_err(|_| {
            let problem = "which no zone is called; use a name of the IANA database, such as Europe/Berlin";
            ConfigError::new("zone", format!("is `{}`, {problem}", Escaped(name)))
        })?,
    };
    Ok(Box::new(Cron { cron, zone }))
}

impl Cron {
    fn zoned(&self, time: Duration) -> Option<Zoned> {
        let time = Timestamp::from_nanosecond(i128::try_from(time.as_nanos()).ok()?).ok()?;
        Some(time.to_zoned(self.zone.clone()))
    }

    fn last_by(&self, time: Duration) -> Option<Duration> {
        since_epoch(&self.cron.find_previous_occurrence(&self.zoned(time)?, true).ok()?)
    }
}

fn since_epoch(time: &Zoned) -> Option<Duration> {
    Duration::try_from(time.timestamp().as_duration()).ok()
}

impl Rhythm for Cron {
    fn now(&self) -> Duration {
        clock::calendar().duration_since(UNIX_EPOCH).unwrap_or_default()
    }

    fn first(&self) -> Option<Duration> {
        self.after(self.now())
    }

    fn after(&self, time: Duration) -> Option<Duration> {
        let next = self.cron.find_next_occurrence(&self.zoned(time)?, false).ok()?;
        since_epoch(&next).filter(|next| *next > time)
    }

    fn latest(&self, due: Duration, now: Duration) -> (Duration, u64) {
        let (mut last, mut missed) = (due, 0);
        while let Some(next) = self.after(last).filter(|next| *next <= now) {
            (last, missed) = (next, missed + 1);
            // A clock that was years behind would else be made up for tick by tick.
            if missed == MOST_MISSED {
                return (self.last_by(now).unwrap_or(last).max(last), missed);
            }
        }
        (last, missed)
    }

    fn calendar(&self, time: Duration) -> SystemTime {
        UNIX_EPOCH + time
    }

    fn unwatched(&self) -> Duration {
        Duration::from_secs(60)
    }
}

#[cfg(test)]
mod tests {

    use super::*;

    /// The ticks after a time, as they are written in their zone.
    fn ticks(expression: &str, zone: &str, after: &str, count: usize) -> Vec<String> {
        let rhythm = rhythm(expression, Some(zone)).unwrap();
        let mut time = since_epoch(&after.parse::<Zoned>().unwrap()).unwrap();
        let zone = TimeZone::get(zone).unwrap();
        let mut tick = || {
            time = rhythm.after(time).unwrap();
            let shown = Timestamp::try_from(UNIX_EPOCH + time).unwrap().to_zoned(zone.clone());
            shown.strftime("%d. %H:%M:%S %Z").to_string()
        };
        (0..count).map(|_| tick()).collect()
    }

    #[test]
    fn ticks_stand_where_the_expression_says() {
        let shown = ticks("30 7 * * MON-FRI", "UTC", "2026-05-01T07:30:00Z[UTC]", 2);
        assert_eq!(shown, ["04. 07:30:00 UTC", "05. 07:30:00 UTC"]);
        let shown = ticks("*/20 * * * * *", "UTC", "2026-05-01T07:30:00.5Z[UTC]", 2);
        assert_eq!(shown, ["01. 07:30:20 UTC", "01. 07:30:40 UTC"]);
        let shown = ticks("0 12 L * *", "Asia/Tokyo", "2026-02-01T00:00:00+09:00[Asia/Tokyo]", 2);
        assert_eq!(shown, ["28. 12:00:00 JST", "31. 12:00:00 JST"]);
    }

    #[test]
    fn a_time_that_summer_time_leaps_over_comes_right_after() {
        let shown = ticks("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00+01:00[Europe/Berlin]", 2);
        assert_eq!(shown, ["29. 03:00:00 CEST", "30. 02:30:00 CEST"]);
    }

    #[test]
    fn a_time_that_comes_twice_is_taken_once_unless_it_is_of_every_hour() {
        let before = "2026-10-25T01:15:00+02:00[Europe/Berlin]";
        let shown = ticks("30 2 * * *", "Europe/Berlin", before, 2);
        assert_eq!(shown, ["25. 02:30:00 CEST", "26. 02:30:00 CET"]);
        let shown = ticks("30 * * * *", "Europe/Berlin", before, 4);
        assert_eq!(shown, ["25. 01:30:00 CEST", "25. 02:30:00 CEST", "25. 02:30:00 CET", "25. 03:30:00 CET"]);
    }

    #[test]
    fn a_clock_that_was_years_behind_is_not_made_up_for_tick_by_tick() {
        let rhythm = rhythm("* * * * *", None).unwrap();
        let minute = |minutes: u64| Duration::from_secs(minutes * 60);
        assert_eq!(rhythm.latest(minute(1), minute(5) + Duration::from_secs(1)), (minute(5), 4));
        let years = minute(60 * 24 * 365 * 50);
        assert_eq!(rhythm.latest(minute(1), years + Duration::from_secs(59)), (years, MOST_MISSED));
    }

    #[test]
    fn what_cannot_be_read_is_refused_in_words() {
        let told = |expression, zone| rhythm(expression, zone).map(drop).unwrap_err().to_string();
        assert!(told("* * *", None).starts_with("`cron` is `* * *`, which cannot be read: "));
        assert!(told("61 * * * *", None).starts_with("`cron` is `61 * * * *`, which cannot be read: "));
        assert!(
            told("* * * * *", Some("Middle/Earth")).starts_with("`zone` is `Middle/Earth`, which no zone")
        );
        assert_eq!(rhythm("0 0 30 2 *", None).unwrap().first(), None);
    }
}
