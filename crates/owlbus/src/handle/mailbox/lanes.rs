//! Which lane is served next.

pub(super) use crate::event::Priority as Lane;

/// The lanes, the most urgent first; a lane's place here is its number.
pub(super) const LANES: [Lane; 4] = [Lane::Immediate, Lane::High, Lane::Normal, Lane::Deferred];

/// The lanes that share: eight, four and one start in thirteen.
const WHEEL: [Lane; 13] = {
    use Lane::{Deferred as D, High as H, Normal as N};
    [H, N, H, H, N, H, D, H, N, H, H, N, H]
};

/// Shares the starts among the lanes that are not `Immediate`.
///
/// Each start leaves it behind the slot that was served, so a lane that can be served is, within one turn.
#[derive(Default)]
pub(super) struct Wheel {
    at: usize,
}

impl Wheel {
    /// The lane to serve among those that can be; `None` where none can. `Immediate` comes first and is not counted,
    /// and where one lane is alone the wheel stands still.
    pub(super) fn turn(&mut self, can: impl Fn(Lane) -> bool) -> Option<Lane> {
        if can(Lane::Immediate) {
            return Some(Lane::Immediate);
        }
        let mut sharing = LANES.into_iter().filter(|lane| *lane != Lane::Immediate && can(*lane));
        let alone = sharing.next()?;
        if sharing.next().is_none() {
            return Some(alone);
        }
        let slots = (0..WHEEL.len()).map(|ahead| (self.at + ahead) % WHEEL.len());
        let slot = slots.into_iter().find(|slot| can(WHEEL[*slot]))?;
        self.at = (slot + 1) % WHEEL.len();
        Some(WHEEL[slot])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn served(wheel: &mut Wheel, starts: usize, can: impl Fn(Lane) -> bool) -> [usize; 4] {
        let mut served = [0; 4];
        for _ in 0..starts {
            served[wheel.turn(&can).expect("some lane can be served") as usize] += 1;
        }
        served
    }

    #[test]
    fn lanes_that_are_never_empty_share_eight_to_four_to_one() {
        let mut wheel = Wheel::default();
        assert_eq!(served(&mut wheel, 13_000, |lane| lane != Lane::Immediate), [0, 8_000, 4_000, 1_000]);
        assert_eq!(served(&mut wheel, 12_000, |lane| matches!(lane, Lane::High | Lane::Normal))[1], 8_000);
    }

    #[test]
    fn immediate_comes_first_and_takes_no_slot() {
        let mut wheel = Wheel::default();
        assert_eq!(served(&mut wheel, 5, |_| true), [5, 0, 0, 0]);
        assert_eq!(served(&mut wheel, 13, |lane| lane != Lane::Immediate), [0, 8, 4, 1]);
        assert_eq!(wheel.turn(|_| false), None);
    }
}
