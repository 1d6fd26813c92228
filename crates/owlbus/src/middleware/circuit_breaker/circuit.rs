//! One circuit: when it opens, who may try it, and when it is closed again. It knows no clock and tells nobody.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

/// When a circuit opens and closes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    /// The share of attempts that fail from which on it opens.
    pub(super) failure_rate: f64,
    /// The attempts that are looked at: so many of the last, none older than this.
    pub(super) attempts: usize,
    pub(super) time: Duration,
    /// The fewest of them from which anything follows.
    pub(super) minimum: usize,
    pub(super) open_for: Duration,
    /// How many probes run at once, and have to go well.
    pub(super) probes: usize,
    /// After which a probe's place is another's; `None` is as long as it stays open.
    pub(super) probe_time: Option<Duration>,
}

/// What a circuit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CircuitState {
    /// Attempts go through, and their failures are counted.
    Closed,
    /// Attempts fail at once.
    Open,
    /// A few attempts go through, and what comes of them decides; the others fail at once.
    HalfOpen,
}

/// A circuit is not what it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    Opened { failed: usize, of: usize, for_so_long: Duration },
    HalfOpen,
    Closed,
}

/// What came of an attempt that went through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Went {
    Well,
    Wrong,
    /// It says nothing of what is behind the circuit.
    Neither,
}

/// An attempt on its way through.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pass {
    number: u64,
    /// How often the circuit had turned when it went in.
    turns: u64,
}

/// An attempt may not go through; it makes sense again after so long, where that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) after: Option<Duration>,
}

pub(super) struct Circuit {
    state: State,
    turns: u64,
    passes: u64,
    refused: u64,
}

enum State {
    /// The last attempts: when they ended, and whether they failed.
    Closed {
        ended: VecDeque<(Instant, bool)>,
        failed: usize,
    },
    Open {
        until: Instant,
    },
    /// The probes that run, and since when; and how many went well.
    HalfOpen {
        running: Vec<(u64, Instant)>,
        well: usize,
    },
}

impl State {
    fn closed() -> Self {
        State::Closed { ended: VecDeque::new(), failed: 0 }
    }
}

impl Circuit {
    pub(super) fn new() -> Self {
        Self { state: State::closed(), turns: 0, passes: 0, refused: 0 }
    }

    /// An attempt wants to go through. What turned is to be told, whether it may or not.
    pub(super) fn enter(
        &mut self,
        now: Instant,
        settings: &Settings,
    ) -> (Result<Pass, Refused>, Option<Turn>) {
        let mut turn = None;
        if let State::Open { until } = self.state {
            if now < until {
                self.refused += 1;
                return (Err(Refused { after: Some(until - now) }), None);
            }
            turn = Some(self.turn(State::HalfOpen { running: Vec::new(), well: 0 }, Turn::HalfOpen));
        }
        let number = self.passes;
        if let State::HalfOpen { running, well } = &mut self.state {
            // Whoever does not come back keeps nobody out.
            let longest = settings.probe_time.unwrap_or(settings.open_for);
            running.retain(|(_, since)| now.saturating_duration_since(*since) < longest);
            if running.len() + *well >= settings.probes {
                self.refused += 1;
                return (Err(Refused { after: None }), turn);
            }
            running.push((number, now));
        }
        self.passes += 1;
        (Ok(Pass { number, turns: self.turns }), turn)
    }

    /// An attempt that went through has ended.
    pub(super) fn leave(
        &mut self,
        pass: Pass,
        went: Went,
        now: Instant,
        settings: &Settings,
    ) -> Option<Turn> {
        // What began before the circuit turned says nothing of how things are now.
        if pass.turns != self.turns {
            return None;
        }
        match &mut self.state {
            State::Closed { ended, failed } => {
                if went == Went::Neither {
                    return None;
                }
                ended.push_back((now, went == Went::Wrong));
                *failed += usize::from(went == Went::Wrong);
                forget(ended, failed, now, settings);
                let (failed, of) = (*failed, ended.len());
                let enough = of >= settings.minimum.min(settings.attempts);
                let opens =
                    went == Went::Wrong && enough && failed as f64 >= settings.failure_rate * of as f64;
                opens.then(|| self.open(failed, of, now, settings))
            }
            State::HalfOpen { running, well } => {
                let place = running.iter().position(|(number, _)| *number == pass.number)?;
                running.swap_remove(place);
                match went {
                    Went::Neither => None,
                    Went::Wrong => {
                        let of = *well + 1;
                        Some(self.open(1, of, now, settings))
                    }
                    Went::Well => {
                        *well += 1;
                        let closes = *well >= settings.probes;
                        closes.then(|| self.turn(State::closed(), Turn::Closed))
                    }
                }
            }
            State::Open { .. } => None,
        }
    }

    fn open(&mut self, failed: usize, of: usize, now: Instant, settings: &Settings) -> Turn {
        let for_so_long = settings.open_for;
        self.turn(State::Open { until: now + for_so_long }, Turn::Opened { failed, of, for_so_long })
    }

    fn turn(&mut self, state: State, turn: Turn) -> Turn {
        self.state = state;
        self.turns += 1;
        turn
    }

    pub(super) fn state(&self) -> CircuitState {
        match self.state {
            State::Closed { .. } => CircuitState::Closed,
            State::Open { .. } => CircuitState::Open,
            State::HalfOpen { .. } => CircuitState::HalfOpen,
        }
    }

    /// How many of the attempts that are looked at failed, and how many there are.
    pub(super) fn failed(&mut self, now: Instant, settings: &Settings) -> (usize, usize) {
        match &mut self.state {
            State::Closed { ended, failed } => {
                forget(ended, failed, now, settings);
                (*failed, ended.len())
            }
            State::Open { .. } | State::HalfOpen { .. } => (0, 0),
        }
    }

    /// How many attempts could not go through.
    pub(super) fn refused(&self) -> u64 {
        self.refused
    }
}

/// Lets go of the attempts that are not looked at any more.
fn forget(ended: &mut VecDeque<(Instant, bool)>, failed: &mut usize, now: Instant, settings: &Settings) {
    while let Some((when, wrong)) = ended.front() {
        if ended.len() <= settings.attempts && now.saturating_duration_since(*when) < settings.time {
            break;
        }
        *failed -= usize::from(*wrong);
        ended.pop_front();
    }
}
