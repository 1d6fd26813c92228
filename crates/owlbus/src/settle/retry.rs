//! Whether a delivery that failed is tried again, and when.

use std::time::Duration;

use super::ErrorKind;

/// Whether a delivery that failed is tried again, when, and how often.
///
/// ```
/// use std::time::Duration;
///
/// use owlbus::settle::Retry;
///
/// // 100 ms, 200 ms, 400 ms, 800 ms, each a quarter more or less; after the fifth attempt the event is a dead letter.
/// let retry = Retry::exponential(Duration::from_millis(100)).max(5);
/// # let _ = retry;
/// ```
#[derive(Clone, Debug, PartialEq)]
#[must_use = "it does nothing until a subscription is given it"]
pub struct Retry {
    first: Duration,
    factor: f64,
    cap: Duration,
    jitter: f64,
    attempts: u32,
    elapsed: Option<Duration>,
    unknown: Unknown,
}

/// What becomes of a delivery whose error says neither that it is temporary nor that it is permanent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Unknown {
    /// It is tried again. The default.
    #[default]
    Retry,
    /// It is a dead letter at once.
    Dead,
}

/// The most a retry waits, unless it is told otherwise.
const CAP: Duration = Duration::from_secs(60);

/// The attempts there are unless the policy says otherwise.
const ATTEMPTS: u32 = 5;

impl Retry {
    /// One attempt, and no other.
    pub fn none() -> Self {
        Self::fixed(Duration::ZERO).max(1)
    }

    /// The same delay before each retry, without jitter. Five attempts in all.
    pub fn fixed(delay: Duration) -> Self {
        Self {
            first: delay,
            factor: 1.0,
            cap: Duration::MAX,
            jitter: 0.0,
            attempts: ATTEMPTS,
            elapsed: None,
            unknown: Unknown::Retry,
        }
    }

    /// Delays that grow from `first` on, by a factor of 2, to 60 s at most, each up to a quarter more or less. Five attempts in
    /// all.
    pub fn exponential(first: Duration) -> Self {
        Self { factor: 2.0, cap: CAP, jitter: 0.25, ..Self::fixed(first) }
    }

    /// By what each delay is longer than the one before. Default: 2.0 where delays grow. At least 1.
    pub fn factor(mut self, factor: f64) -> Self {
        self.factor = factor;
        self
    }

    /// The longest delay, before jitter. Default: 60 s where delays grow.
    pub fn cap(mut self, cap: Duration) -> Self {
        self.cap = cap;
        self
    }

    /// By what share a delay may be longer or shorter, from 0 to 1, so that what failed together is not tried again
    /// together. Default: 0.25 where delays grow, else 0.
    pub fn jitter(mut self, share: f64) -> Self {
        self.jitter = share;
        self
    }

    /// The attempts in all, the first among them. Default: 5.
    pub fn max(mut self, attempts: u32) -> Self {
        self.attempts = attempts;
        self
    }

    /// The retries, not counting the first attempt. Default: 4.
    pub fn max_retries(self, retries: u32) -> Self {
        self.max(retries.saturating_add(1))
    }

    /// No retry is planned for later than this after the first attempt did. Default: none.
    pub fn max_elapsed(mut self, elapsed: Duration) -> Self {
        self.elapsed = Some(elapsed);
        self
    }

    /// What becomes of errors that say nothing of themselves. Default: they are retried.
    pub fn unknown(mut self, unknown: Unknown) -> Self {
        self.unknown = unknown;
        self
    }

    /// What is wrong with the policy.
    pub(crate) fn problem(&self) -> Option<&'static str> {
        if !(self.factor >= 1.0 && self.factor.is_finite()) {
            return Some("has a factor below 1; 2.0 doubles the delay each time");
        }
        if !(0.0..=1.0).contains(&self.jitter) {
            return Some("has a jitter that is not a share from 0 to 1; 0.25 is a quarter more or less");
        }
        (self.attempts == 0).then_some("allows no attempt at all; `max` counts the first one")
    }

    /// How long to wait after an attempt of that number, counted from 1, failed; `None` where it was the last.
    ///
    /// `since` is how long ago the first attempt began, and `asked` what the handler itself asked for.
    pub(crate) fn after(
        &self,
        attempt: u32,
        kind: ErrorKind,
        since: Duration,
        asked: Option<Duration>,
    ) -> Option<Duration> {
        let worth_it = match kind {
            ErrorKind::Temporary => true,
            ErrorKind::Permanent => false,
            ErrorKind::Unknown => self.unknown == Unknown::Retry,
        };
        if !worth_it || attempt >= self.attempts {
            return None;
        }
        let delay = asked.unwrap_or_else(|| self.delay(attempt));
        self.elapsed.is_none_or(|most| since.saturating_add(delay) <= most).then_some(delay)
    }

    fn delay(&self, attempt: u32) -> Duration {
        let grown =
            self.first.as_secs_f64() * self.factor.powi(i32::try_from(attempt - 1).unwrap_or(i32::MAX));
        let delay = Duration::try_from_secs_f64(grown).unwrap_or(Duration::MAX).min(self.cap);
        if self.jitter == 0.0 {
            return delay;
        }
        let share = 1.0 + self.jitter * (2.0 * fastrand::f64() - 1.0);
        Duration::try_from_secs_f64(delay.as_secs_f64() * share).unwrap_or(delay)
    }
}

impl Default for Retry {
    /// No retry.
    fn default() -> Self {
        Self::none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delays(retry: &Retry, kind: ErrorKind) -> Vec<Option<u128>> {
        let after = |attempt| retry.after(attempt, kind, Duration::ZERO, None);
        (1..8).map(|attempt| after(attempt).map(|delay| delay.as_millis())).collect()
    }

    const MILLI: Duration = Duration::from_millis(100);

    #[test]
    fn delays_grow_to_the_cap_and_end_with_the_attempts() {
        let retry = Retry::exponential(MILLI).jitter(0.0).cap(Duration::from_millis(500));
        let wanted = [Some(100), Some(200), Some(400), Some(500), None, None, None];
        assert_eq!(delays(&retry, ErrorKind::Temporary), wanted);
        assert_eq!(delays(&retry.clone().max_retries(1), ErrorKind::Unknown)[..2], [Some(100), None]);
        assert_eq!(delays(&retry, ErrorKind::Permanent), [None; 7]);
        assert_eq!(delays(&retry.unknown(Unknown::Dead), ErrorKind::Unknown), [None; 7]);
    }

    #[test]
    fn jitter_stays_within_its_share() {
        let retry = Retry::fixed(MILLI).jitter(0.5);
        for _ in 0..1_000 {
            let delay = retry.delay(1);
            assert!(delay >= MILLI / 2 && delay <= MILLI * 3 / 2, "{delay:?}");
        }
    }

    #[test]
    fn no_retry_begins_after_the_longest_time() {
        let retry = Retry::fixed(MILLI).max_elapsed(Duration::from_millis(250));
        let after = |since| retry.after(1, ErrorKind::Temporary, Duration::from_millis(since), None);
        assert_eq!((after(150), after(151)), (Some(MILLI), None));
    }

    #[test]
    fn a_delay_no_clock_can_count_is_the_cap() {
        let retry = Retry::exponential(Duration::from_secs(1 << 40)).factor(1e300).jitter(0.0).max(u32::MAX);
        assert_eq!(retry.after(1 << 30, ErrorKind::Temporary, Duration::ZERO, None), Some(CAP));
    }
}
