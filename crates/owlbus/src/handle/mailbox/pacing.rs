//! The publishers' side of a mailbox that paces: events of a key that are left out, or kept until their time has come.
//!
//! What is kept holds its place in the room from when it is kept, so it goes in without asking for one. Workers let it in
//! when they come to take, and mind the time while they sleep.

mod kept;
mod windows;

use std::time::Duration;

use smol_str::SmolStr;
use tokio::time::Instant;

use self::{kept::Kept, windows::Windows};
use super::{Intake, Lane, Level, Load, Mailbox, Offer, Queued, State};
use crate::{
    clock,
    handle::{let_go, pace::Pace},
    journal::Seq,
    settle::Settlement,
    sync::{MutexGuard, atomic::Ordering::SeqCst},
};

/// What is to be known of the keys of a mailbox that paces.
pub(super) enum Pacing {
    First(Windows),
    Latest(Kept),
}

/// What a publisher has in a mailbox for an event that it is about to put in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    None,
    /// A place it has reserved.
    Reserved,
    /// None, and it was told that it needs none.
    Needless,
}

/// That instant so much later; a time nobody will see where it is further than the clock can count.
fn later(now: Instant, by: Duration) -> Instant {
    now.checked_add(by).unwrap_or_else(|| clock::deadline(by))
}

impl Pacing {
    pub(super) fn new(pace: Pace) -> Self {
        match pace {
            Pace::First { within } => Self::First(Windows::new(within)),
            Pace::Latest { quiet, longest } => Self::Latest(Kept::new(quiet, longest)),
        }
    }

    fn kept(&mut self) -> Option<&mut Kept> {
        match self {
            Self::First(_) => None,
            Self::Latest(kept) => Some(kept),
        }
    }
}

impl Queued {
    /// Another one of its key stands for it. Called without locks: its event holds values of users.
    fn coalesced(mut self) {
        if let Some(watched) = self.take_watched() {
            watched.over(Settlement::Coalesced);
        }
        let_go(self);
    }
}

impl Mailbox {
    /// Whether events go in by way of [`pace`](Self::pace).
    pub(crate) fn is_paced(&self) -> bool {
        self.paced
    }

    /// Whether an event of this key would take no room: it would be left out, or stand for one that is kept.
    pub(crate) fn needs_no_place(&self, key: &str, lane: Lane) -> bool {
        if !self.paced || lane == Lane::Immediate {
            return false;
        }
        match self.intake.0.lock().pacing.as_deref() {
            Some(Pacing::First(windows)) => windows.is_open(key, Instant::now()),
            Some(Pacing::Latest(kept)) => kept.has(key),
            None => false,
        }
    }

    /// Offers an event of a key: it is left out, kept, or goes in as [`offer`](Self::offer) and
    /// [`redeem`](Self::redeem) say.
    ///
    /// `Immediate` events go in at once; such an event stands for the one of its key that was kept.
    pub(crate) fn pace(
        &self,
        key: SmolStr,
        seq: Seq,
        load: Load,
        lane: Lane,
        place: Place,
        give: impl FnOnce() -> Queued,
    ) -> (Offer, Option<Level>) {
        let (now, urgent) = (Instant::now(), lane == Lane::Immediate);
        let mut intake = self.intake.0.lock();
        let open = intake.state == State::Open;
        match intake.pacing.as_deref_mut() {
            Some(Pacing::First(windows)) if open && !urgent => {
                if windows.is_open(&key, now) {
                    return self.leave_out(intake, load, lane, place);
                }
                windows.open(key.clone(), now);
                let offered = self.go_in(intake, seq, load, lane, place, give);
                if offered.0 == Offer::Dropped {
                    self.close_window(&key);
                }
                offered
            }
            Some(Pacing::Latest(kept)) if open && !urgent => {
                let has_place = kept.has(&key) || place != Place::None;
                match has_place || self.has_room(&mut intake, load, lane) {
                    true => self.keep(intake, key, place, give(), now),
                    false => self.go_in(intake, seq, load, lane, place, give),
                }
            }
            Some(Pacing::Latest(_)) if open => {
                let gets_in = place != Place::None || self.has_room(&mut intake, load, lane);
                let before = if gets_in { intake.kept().and_then(|kept| kept.take(&key)) } else { None };
                self.replaced(&mut intake, before.as_ref());
                let offered = self.go_in(intake, seq, load, lane, place, give);
                before.into_iter().for_each(Queued::coalesced);
                offered
            }
            _ => self.go_in(intake, seq, load, lane, place, give),
        }
    }

    /// Lets in everything that is kept, for a worker that has no clock. Says whether there was anything.
    pub(crate) fn hurry(&self) -> bool {
        if !self.keeping.load(SeqCst) {
            return false;
        }
        let mut intake = self.intake.0.lock();
        let any = intake.kept_events() > 0;
        self.let_in_kept(&mut intake, None);
        any
    }

    /// Lets in what is kept and whose time has come. Gives when that of the next comes.
    pub(super) fn let_in_due(&self, intake: &mut Intake) -> Option<Instant> {
        let next = intake.kept()?.next()?;
        let now = Instant::now();
        if next <= now {
            self.let_in_kept(intake, Some(now));
        }
        intake.kept()?.next()
    }

    /// Lets in what is kept and whose time has come by then; all of it where there is no such time.
    pub(super) fn let_in_kept(&self, intake: &mut Intake, by: Option<Instant>) {
        while let Some(queued) = intake.kept().and_then(|kept| kept.take_due(by)) {
            self.push(intake, queued);
        }
        self.note_kept(intake);
    }

    /// Takes everything that is kept out of the mailbox.
    pub(super) fn take_kept(&self, intake: &mut Intake) -> Vec<Queued> {
        let kept = std::iter::from_fn(|| intake.kept()?.take_due(None)).collect();
        self.note_kept(intake);
        kept
    }

    fn keep(
        &self,
        mut intake: MutexGuard<'_, Intake>,
        key: SmolStr,
        place: Place,
        queued: Queued,
        now: Instant,
    ) -> (Offer, Option<Level>) {
        match place {
            Place::Reserved => intake.reserved -= 1,
            Place::None | Place::Needless => intake.admitted += queued.load,
        }
        intake.matched += 1;
        let next = intake.kept().and_then(|kept| kept.next());
        let before = intake.kept().and_then(|kept| kept.keep(key, queued, now));
        let is_first = next.is_none_or(|next| intake.kept().and_then(|kept| kept.next()) < Some(next));
        self.replaced(&mut intake, before.as_ref());
        self.note_kept(&mut intake);
        let risen = self.risen(&mut intake);
        // Somebody has to mind the time, and whoever does so already would come too late.
        let minder = if is_first { self.rouse(&mut intake) } else { None };
        self.unlock_and_wake(intake);
        minder.into_iter().for_each(std::task::Waker::wake);
        before.into_iter().for_each(Queued::coalesced);
        (Offer::Kept, risen)
    }

    fn leave_out(
        &self,
        mut intake: MutexGuard<'_, Intake>,
        load: Load,
        lane: Lane,
        place: Place,
    ) -> (Offer, Option<Level>) {
        intake.matched += 1;
        intake.coalesced += 1;
        if place == Place::Reserved {
            self.give_back(&mut intake, load, lane);
        }
        self.unlock_and_wake(intake);
        (Offer::Coalesced, None)
    }

    /// An event takes the way of those that are not paced.
    fn go_in(
        &self,
        mut intake: MutexGuard<'_, Intake>,
        seq: Seq,
        load: Load,
        lane: Lane,
        place: Place,
        give: impl FnOnce() -> Queued,
    ) -> (Offer, Option<Level>) {
        match place {
            Place::None => self.offer_in(intake, seq, load, lane, give),
            Place::Reserved => self.redeem_in(intake, load, lane, give),
            // What it was to stand for has gone in since: the place of that is its own, be there room or not.
            Place::Needless => {
                *intake.counted(lane) += load;
                intake.reserved += 1;
                self.redeem_in(intake, load, lane, give)
            }
        }
    }

    /// Counts an event another one stands for, which leaves its place.
    fn replaced(&self, intake: &mut Intake, before: Option<&Queued>) {
        let Some(before) = before else { return };
        intake.coalesced += 1;
        intake.admitted -= before.load;
        if !intake.nobody_waits() {
            self.let_in(intake);
        }
        self.note_kept(intake);
    }

    fn close_window(&self, key: &str) {
        if let Some(Pacing::First(windows)) = self.intake.0.lock().pacing.as_deref_mut() {
            windows.close(key);
        }
    }

    /// Lets workers that take know without this lock whether somebody has to mind the time.
    fn note_kept(&self, intake: &mut Intake) {
        if self.paced {
            self.keeping.store(intake.kept_events() > 0, SeqCst);
        }
    }
}

impl Intake {
    fn kept(&mut self) -> Option<&mut Kept> {
        self.pacing.as_deref_mut().and_then(Pacing::kept)
    }

    /// How many events are kept until their time has come.
    pub(super) fn kept_events(&self) -> u64 {
        match self.pacing.as_deref() {
            Some(Pacing::Latest(kept)) => kept.len() as u64,
            Some(Pacing::First(_)) | None => 0,
        }
    }
}
