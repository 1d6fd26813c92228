//! A lane's events one behind the other, as they came.

use std::collections::VecDeque;

use super::{
    super::{Entry, Gap, Lane, Queued, lanes::LANES},
    Front, Line, Victim, first_accepted,
};

/// One deque a lane: an event that is held back by its band holds back what is behind it.
#[derive(Default)]
pub(in super::super) struct Arrival {
    lanes: [VecDeque<Entry>; 4],
}

const NORMAL: usize = Lane::Normal as usize;

impl Line for Arrival {
    fn refill(&mut self, came: &mut VecDeque<Entry>, plain: bool) {
        // The usual case: a burst moves as one.
        if plain && self.lanes[NORMAL].is_empty() {
            return std::mem::swap(&mut self.lanes[NORMAL], came);
        }
        for entry in came.drain(..) {
            match entry {
                Entry::Event(queued) => self.lanes[queued.lane() as usize].push_back(Entry::Event(queued)),
                Entry::Gap(missed) => self.miss(missed.0, missed.1),
            }
        }
    }

    fn front(&mut self, lane: Lane) -> Front {
        match self.lanes[lane as usize].front() {
            None => Front::Nothing,
            Some(Entry::Gap(_)) => Front::Gap,
            Some(Entry::Event(queued)) => queued.front(),
        }
    }

    fn pop(&mut self, lane: Lane) -> Option<Entry> {
        self.lanes[lane as usize].pop_front()
    }

    fn put_back(&mut self, queued: Queued) {
        let entries = &mut self.lanes[queued.lane() as usize];
        // Among those that were put back before, in the order they were published.
        let earlier = |entry: &Entry| {
            entry
                .event()
                .is_some_and(|other| other.past().is_some() && other.event.seq() < queued.event.seq())
        };
        let at = entries.partition_point(earlier);
        entries.insert(at, Entry::Event(queued));
    }

    fn release(&mut self, _key: &str) -> bool {
        false
    }

    fn runs(&self, _key: &str) -> bool {
        false
    }

    fn miss(&mut self, lane: Lane, gap: Gap) {
        let entries = &mut self.lanes[lane as usize];
        if let Some(Entry::Gap(last)) = entries.back_mut()
            && last.1.absorb(gap)
        {
            return;
        }
        entries.push_back(Entry::gap(lane, gap));
    }

    fn remove(&mut self, lane: Lane, victim: Victim, urgent: bool) -> Option<Queued> {
        let entries = &mut self.lanes[lane as usize];
        let may_go = |entry: &Entry| entry.event().is_some_and(|queued| queued.may_go(urgent));
        let at = match victim {
            Victim::Oldest => entries.iter().position(may_go),
            Victim::Newest => entries.iter().rposition(may_go),
        };
        entries.remove(at?)?.into_event()
    }

    fn victims(&self, lane: Lane, victim: Victim) -> Box<dyn Iterator<Item = &Queued> + '_> {
        let events = self.lanes[lane as usize].iter().filter_map(Entry::event);
        match victim {
            Victim::Oldest => Box::new(events),
            Victim::Newest => Box::new(events.rev()),
        }
    }

    fn heads(&self) -> Box<dyn Iterator<Item = &Queued> + '_> {
        Box::new(self.lanes.iter().filter_map(|entries| entries.front()?.event()))
    }

    fn clear(&mut self) -> Vec<Queued> {
        self.lanes.iter_mut().flat_map(|entries| entries.drain(..)).filter_map(Entry::into_event).collect()
    }

    fn len(&self) -> usize {
        self.lanes.iter().map(VecDeque::len).sum()
    }

    fn has_more(&self) -> bool {
        self.lanes.iter().any(|entries| !entries.is_empty())
    }

    fn is_plain(&self) -> bool {
        LANES.into_iter().all(|lane| lane == Lane::Normal || self.lanes[lane as usize].is_empty())
    }

    fn oldest(&self) -> Option<&Queued> {
        // Within a lane the first came first, if not always to the bus, then to this mailbox.
        first_accepted(self.lanes.iter().filter_map(|entries| entries.iter().find_map(Entry::event)))
    }
}
