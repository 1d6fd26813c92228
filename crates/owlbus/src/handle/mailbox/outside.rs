//! Publishers that wait for room, first come, first served.

use std::{collections::VecDeque, task::Waker};

use super::Queued;

/// A place among the publishers that wait for room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket {
    pub(super) number: u64,
    /// Which of the two lines it is for.
    pub(super) urgent: bool,
}

/// One of the two lines before a mailbox.
pub(super) struct Outside {
    urgent: bool,
    /// By ascending number.
    waiting: VecDeque<Waiting>,
    next: u64,
    /// Once closed, the first number that was not let in before.
    turned_away: u64,
}

struct Waiting {
    number: u64,
    queued: Queued,
    waker: Waker,
}

impl Outside {
    pub(super) fn new(urgent: bool) -> Self {
        Self { urgent, waiting: VecDeque::new(), next: 0, turned_away: u64::MAX }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    #[cfg(all(test, shuttle))]
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Puts a publisher at the end.
    pub(super) fn push(&mut self, queued: Queued, waker: Waker) -> Ticket {
        let number = self.next;
        self.next += 1;
        self.waiting.push_back(Waiting { number, queued, waker });
        Ticket { number, urgent: self.urgent }
    }

    pub(super) fn first(&self) -> Option<&Queued> {
        self.waiting.front().map(|first| &first.queued)
    }

    pub(super) fn let_in(&mut self) -> Option<(Queued, Waker)> {
        self.waiting.pop_front().map(|first| (first.queued, first.waker))
    }

    pub(super) fn holds(&self, ticket: Ticket) -> bool {
        self.at(ticket).is_ok()
    }

    /// The waker of a publisher that still waits.
    pub(super) fn waker(&mut self, ticket: Ticket) -> Option<&mut Waker> {
        let at = self.at(ticket).ok()?;
        Some(&mut self.waiting[at].waker)
    }

    pub(super) fn remove(&mut self, ticket: Ticket) -> Option<Queued> {
        let at = self.at(ticket).ok()?;
        self.waiting.remove(at).map(|waiting| waiting.queued)
    }

    /// Sends everybody away, for good.
    pub(super) fn close(&mut self) -> Vec<(Queued, Waker)> {
        // Publishers are let in by ascending number: those from here on never were.
        self.turned_away = self.waiting.front().map_or(self.next, |first| first.number);
        self.waiting.drain(..).map(|waiting| (waiting.queued, waiting.waker)).collect()
    }

    /// Whether the publisher with this ticket was sent away.
    pub(super) fn sent_away(&self, ticket: Ticket) -> bool {
        ticket.number >= self.turned_away
    }

    fn at(&self, ticket: Ticket) -> Result<usize, usize> {
        self.waiting.binary_search_by_key(&ticket.number, |waiting| waiting.number)
    }
}
