//! A length of time, as people write it.

use std::{str::FromStr, time::Duration};

/// Reads a length of time such as `250ms`, `1.5s`, `2m` or `1h`; a number alone is seconds, as `sleep` and `timeout`
/// take it.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let digits = |character: char| character.is_ascii_digit() || character == '.';
    let end = text.find(|character| !digits(character)).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let unit = match unit.trim_start() {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3_600.0,
        _ => return Err("is no length of time; write a number with ms, s, m or h, such as 30s".into()),
    };
    let number: f64 = number.parse().map_err(|_| "has no number that can be used; write one, such as 30s")?;
    Duration::try_from_secs_f64(number * unit).map_err(|_| "is longer than any clock can count".into())
}

/// How long something may take; `None` is as long as it likes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limit(pub(super) Option<Duration>);

impl FromStr for Limit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "none" {
            return Ok(Self(None));
        }
        match duration(text)? {
            Duration::ZERO => Err("leaves no time at all; write `none` where there is to be no limit".into()),
            limit => Ok(Self(Some(limit))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_as_people_write_them() {
        let times =
            [("250ms", 250), ("1.5s", 1_500), ("30", 30_000), ("2m", 120_000), ("1 h", 3_600_000), ("0", 0)];
        for (text, millis) in times {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        assert_eq!("none".parse(), Ok(Limit(None)));
        assert_eq!("1s".parse(), Ok(Limit(Some(Duration::from_secs(1)))));
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in ["", "s", "-1s", "1.2.3s", "5 apples", "1e3", "99999999999999999999h"] {
            assert!(duration(text).is_err(), "{text}");
        }
        assert!("0s".parse::<Limit>().is_err());
    }
}
