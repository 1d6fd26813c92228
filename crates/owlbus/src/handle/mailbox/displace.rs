//! Making room in a full mailbox by dropping what has not started.

use super::{
    DropReason, Gap, Intake, Lane, Level, Load, Mailbox, Offer, Overflow, Queued, State, Victim, Work,
    lanes::LANES,
};
use crate::{journal::Seq, sync::atomic::Ordering::SeqCst};

impl Mailbox {
    /// Whether the policy might drop something else for an event of that lane, rather than the event itself.
    pub(super) fn may_displace(&self, overflow: Overflow, lane: Lane) -> bool {
        let anything_below = lane < Lane::Normal || self.mixed.load(SeqCst);
        match overflow {
            Overflow::DropOldest => true,
            Overflow::DropNewest => anything_below && lane != Lane::Immediate,
            Overflow::Block { .. } | Overflow::Reject => false,
        }
    }

    /// Makes room for an event by dropping others, of the lowest lane first; or drops the event, where that alone
    /// would not make room.
    pub(super) fn displace(
        &self,
        seq: Seq,
        load: Load,
        lane: Lane,
        give: impl FnOnce() -> Queued,
    ) -> (Offer, Option<Level>) {
        let mut work = self.work.0.lock();
        let mut intake = self.intake.0.lock();
        if matches!(intake.state, State::Closed(_)) {
            return (Offer::Closed, None);
        }
        // What is kept may have to go like everything else.
        self.let_in_kept(&mut intake, None);
        work.line.refill(&mut intake.entries, !self.mixed.load(SeqCst));
        let mut victims = Vec::new();
        if self.fits_without(&work, &mut intake, load, lane) {
            while !self.has_room(&mut intake, load, lane) {
                let Some(victim) = self.drop_one(&mut work, &mut intake, lane) else { break };
                victims.push(victim);
            }
        }
        let missed = victims.len() as u64;
        let offer = match self.has_room(&mut intake, load, lane) {
            true => {
                self.append(&mut intake, give());
                *intake.counted(lane) += load;
                if missed == 0 { Offer::Queued } else { Offer::Displaced { missed } }
            }
            false => {
                self.miss(&mut intake, lane, Gap::one(DropReason::Overflow, seq));
                Offer::Dropped
            }
        };
        let risen = self.risen(&mut intake);
        drop(work);
        self.unlock_and_wake(intake);
        // Events hold values of users, which are dropped after the locks.
        victims.into_iter().for_each(|victim| drop(victim.dropped(DropReason::Overflow)));
        (offer, risen)
    }

    /// Whether the event would have room if everything were gone that may go for it.
    fn fits_without(&self, work: &Work, intake: &mut Intake, load: Load, lane: Lane) -> bool {
        let mut stays = match lane {
            Lane::Immediate => intake.urgent,
            _ => self.load(intake),
        };
        let fits = |stays: Load| match lane {
            Lane::Immediate => stays.events() < super::URGENT_PLACES,
            _ => self.marks.room(stays, load),
        };
        let lanes = self.lanes_of_victims(lane);
        let victims = lanes.flat_map(|victim| work.line.victims(victim, self.victim()));
        // As a rule the first is enough.
        for victim in victims.filter(|queued| queued.may_go(lane == Lane::Immediate)) {
            if fits(stays) {
                return true;
            }
            stays -= victim.load;
        }
        fits(stays)
    }

    /// Drops an event of the lowest lane that has one.
    fn drop_one(&self, work: &mut Work, intake: &mut Intake, lane: Lane) -> Option<Queued> {
        let (which, urgent) = (self.victim(), lane == Lane::Immediate);
        let remove = |victim: Lane| work.line.remove(victim, which, urgent).map(|queued| (victim, queued));
        let (lane_of_it, victim) = self.lanes_of_victims(lane).find_map(remove)?;
        *intake.counted(lane) -= victim.load;
        intake.dropped.count(DropReason::Overflow, 1);
        let gap = Gap::one(DropReason::Overflow, victim.event.seq());
        match which {
            Victim::Newest => work.line.miss(lane_of_it, gap),
            Victim::Oldest => work.displaced = Some(work.displaced.map_or(gap, |before| before.and(gap))),
        }
        Some(victim)
    }

    /// The lanes whose events may be dropped for one of this lane, the lowest first.
    fn lanes_of_victims(&self, lane: Lane) -> impl Iterator<Item = Lane> + use<> {
        let same_goes = self.victim() == Victim::Oldest;
        let goes = move |victim: &Lane| match lane {
            // Its own kind only, wherever their keys took them.
            Lane::Immediate => same_goes,
            _ => *victim > lane || (same_goes && *victim == lane),
        };
        LANES.into_iter().rev().filter(goes)
    }

    fn victim(&self) -> Victim {
        match self.overflow {
            Overflow::DropOldest => Victim::Oldest,
            _ => Victim::Newest,
        }
    }
}
