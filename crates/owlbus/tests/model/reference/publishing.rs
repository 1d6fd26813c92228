//! How an event gets into mailboxes, and what its publisher is told.

use owlbus::{Overflow, handle::DropReason};

use super::{Accepted, Answer, Call, End, Fate, IMMEDIATE, Model, Phase, Time, subscriber::events};
use crate::model::story::{Filter, How, Sent};

/// Places of `Immediate` in a mailbox.
const IMMEDIATE_ROOM: usize = 64;

/// How long a publish of an `Immediate` event waits for its first attempts.
const IMMEDIATE_WAIT: Time = 5_000;

impl Model {
    pub fn publish(&mut self, sent: Sent, how: How) {
        let mut call = Call { how, number: None, answer: None, given_up: false };
        let who = 0..self.subscribers.len();
        let mut wanting: Vec<usize> = who.filter(|who| self.subscribers[*who].wants(&sent)).collect();
        wanting.sort_by_key(|who| self.subscribers[*who].order());
        let full: Vec<usize> = wanting.iter().copied().filter(|who| self.refuses(*who, &sent, how)).collect();
        if !matches!(self.phase, Phase::Open) {
            call.answer = Some(Answer::Closed);
        } else if !full.is_empty() {
            call.answer = Some(Answer::Full(full));
        } else {
            call.number = Some(self.accept(sent, wanting));
        }
        self.calls.push(call);
        self.answer();
    }

    /// Whether an event cannot be published for want of room there.
    fn refuses(&self, who: usize, sent: &Sent, how: How) -> bool {
        let subscriber = &self.subscribers[who];
        let takes_place_first = match subscriber.asks.overflow {
            Overflow::Reject => true,
            Overflow::Block { .. } => how == How::Try,
            _ => false,
        };
        takes_place_first
            && subscriber.asks.inline.is_none()
            && subscriber.asks.at(sent) == Filter::TakesIt
            && !subscriber.is_claimed()
            && !self.has_room(who, sent.lane as usize == IMMEDIATE)
    }

    /// Brings an event to everybody who wants it: to inline handlers first.
    fn accept(&mut self, sent: Sent, wanting: Vec<usize>) -> u64 {
        self.events.push(Accepted { sent, at: self.now, fates: Vec::new(), dropped: Vec::new() });
        let number = self.accepted();
        for who in wanting {
            let subscriber = &mut self.subscribers[who];
            match subscriber.asks.at(&sent) {
                Filter::RefusesIt => subscriber.filtered += 1,
                Filter::Panics => self.set(number, who, Fate::Ended(End::Skipped)),
                Filter::TakesIt if subscriber.is_claimed() => {}
                Filter::TakesIt => {
                    subscriber.had_one = true;
                    match subscriber.asks.inline {
                        Some(says) => {
                            self.inline.push((who, self.calls.len()));
                            self.ended(number, who, says.into());
                        }
                        None => self.offer(number, who),
                    }
                }
            }
        }
        number
    }

    /// An event comes to a mailbox.
    fn offer(&mut self, number: u64, who: usize) {
        let immediate = self.is_immediate(number);
        if self.has_room(who, immediate) {
            return self.enter(number, who);
        }
        let overflow = self.subscribers[who].asks.overflow;
        if let Overflow::Block { .. } = overflow {
            self.set(number, who, Fate::Waits);
            return self.subscribers[who].lines[usize::from(!immediate)].push(number);
        }
        self.event_mut(number).dropped.push(who);
        let Some((lane, victim)) = self.gives_way(number, who) else {
            return self.miss(number, who, DropReason::Overflow);
        };
        self.set(victim, who, Fate::Ended(End::Dropped(DropReason::Overflow)));
        match overflow {
            Overflow::DropOldest => self.subscribers[who].displace(victim),
            _ => self.subscribers[who].leave_gap(victim, lane),
        }
        self.enter(number, who);
    }

    /// Whom a mailbox that drops gives up for an event, if it is not that event itself, and in which lane that is.
    fn gives_way(&mut self, number: u64, who: usize) -> Option<(usize, u64)> {
        let (lane, overflow) = (self.lane(number), self.subscribers[who].asks.overflow);
        // What is as urgent stays, also where its key took it to a lower lane.
        if overflow == Overflow::DropNewest && lane == IMMEDIATE {
            return None;
        }
        self.look(who);
        let same_place = |number: &u64| self.is_immediate(*number) == (lane == IMMEDIATE);
        let lanes = self.subscribers[who].lanes.iter();
        let lanes: Vec<Vec<u64>> = lanes.map(|items| events(items).filter(same_place).collect()).collect();
        let lowest = lanes.iter().rposition(|events| !events.is_empty())?;
        let victim = match overflow {
            Overflow::DropOldest if lowest >= lane => lanes[lowest].first(),
            Overflow::DropNewest if lowest > lane => lanes[lowest].last(),
            _ => None,
        };
        victim.map(|victim| (lowest, *victim))
    }

    /// Whether an event that comes now need not wait.
    fn has_room(&self, who: usize, immediate: bool) -> bool {
        self.subscribers[who].lines[usize::from(!immediate)].is_empty() && self.has_place(who, immediate)
    }

    pub(super) fn has_place(&self, who: usize, immediate: bool) -> bool {
        let subscriber = &self.subscribers[who];
        let running = subscriber.running.iter().map(|(number, _)| *number);
        let inside = subscriber.queued().chain(running);
        let taken = inside.filter(|number| self.is_immediate(*number) == immediate).count();
        taken < if immediate { IMMEDIATE_ROOM } else { subscriber.asks.room as usize }
    }

    pub(super) fn enter(&mut self, number: u64, who: usize) {
        self.set(number, who, Fate::Queued);
        self.subscribers[who].arrive(number);
    }

    fn miss(&mut self, number: u64, who: usize, reason: DropReason) {
        self.set(number, who, Fate::Ended(End::Dropped(reason)));
        self.subscribers[who].miss(number, reason);
    }

    /// A publisher waits for room no longer.
    fn leave(&mut self, number: u64, who: usize) {
        let immediate = self.is_immediate(number);
        self.subscribers[who].lines[usize::from(!immediate)].retain(|other| *other != number);
        self.event_mut(number).dropped.push(who);
        self.miss(number, who, DropReason::BlockTimeout);
    }

    /// A publish is given up: what it waits for counts as over.
    pub fn give_up(&mut self, call: usize) {
        self.calls[call].given_up = true;
        let Some(number) = self.calls[call].number else { return };
        for (who, waiting) in self.waiting() {
            if waiting == number {
                self.leave(number, who);
            }
        }
    }

    /// Those who waited as long as they were told to wait no longer.
    pub(super) fn lose_patience(&mut self) {
        for (who, number) in self.waiting() {
            if self.patience(number, who) <= self.now {
                self.leave(number, who);
            }
        }
    }

    /// Events whose publishers wait for room, and where.
    pub(super) fn waiting(&self) -> Vec<(usize, u64)> {
        let lines = self.subscribers.iter().enumerate();
        lines.flat_map(|(who, one)| one.lines.concat().into_iter().map(move |number| (who, number))).collect()
    }

    /// Until when a publisher waits for room there.
    pub(super) fn patience(&self, number: u64, who: usize) -> Time {
        let waits = match self.subscribers[who].asks.overflow {
            Overflow::Block { timeout } => timeout.as_millis() as Time,
            _ => 0,
        };
        self.event(number).at + waits
    }

    /// Until when a publish waits for the first attempts of its event.
    pub(super) fn until(&self, call: &Call) -> Option<Time> {
        let number = call.number.filter(|number| self.is_immediate(*number) && call.how != How::Try)?;
        Some(self.event(number).at + IMMEDIATE_WAIT)
    }

    /// Answers the publishes that have nothing to wait for any more.
    pub(super) fn answer(&mut self) {
        for at in 0..self.calls.len() {
            let call = &self.calls[at];
            let Some(number) = call.number.filter(|_| call.is_open()) else { continue };
            let attempts = self.until(call).is_some_and(|until| self.now < until) && !self.has_ended(number);
            if attempts || self.fates(number).any(|(_, fate)| fate == Fate::Waits) {
                continue;
            }
            let mut dropped = self.event(number).dropped.clone();
            dropped.sort_unstable();
            let open = self.fates(number).filter(|(_, fate)| !matches!(fate, Fate::Ended(_)));
            let unfinished = open.filter(|_| self.is_immediate(number)).map(|(who, _)| who).collect();
            let matched = self.fates(number).count();
            self.calls[at].answer = Some(Answer::Ok { matched, dropped, unfinished });
        }
    }
}

impl Call {
    /// Whether its publisher waits.
    pub(super) fn is_open(&self) -> bool {
        self.answer.is_none() && !self.given_up
    }
}
