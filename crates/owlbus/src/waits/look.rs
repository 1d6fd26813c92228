//! A look at the waits of handlers at one instant: which of them can never end.
//!
//! Every wait counts as stuck until it is shown that what it waits for can come about; whatever can go on frees those
//! that wait for it, until nothing changes any more. What is stuck then waits for itself.

use std::{collections::HashMap, sync::Arc};

use foldhash::fast::FixedState;
use smol_str::SmolStr;

use super::{Edge, On};
use crate::{
    dispatch::{Subscriber, SubscriberId},
    settle::Pending,
};

/// The waits that matter to one or more of them.
pub(super) struct Look<'a> {
    edges: &'a [Arc<Edge>],
    /// The waits of each subscription, by their places in `edges`; those whose delivery is over are no waits of it.
    of: HashMap<SubscriberId, Vec<usize>, FixedState>,
    seen: Vec<Option<Seen>>,
    mailboxes: HashMap<SubscriberId, Mailbox, FixedState>,
}

/// A wait, and what it takes to end it.
struct Seen {
    needs: Vec<Need>,
    /// Whether one of these is enough.
    one_will_do: bool,
    stuck: bool,
}

/// One thing that has to come about.
enum Need {
    /// This worker goes on.
    Worker(SubscriberId, usize),
    /// The delivery of this key that runs ends.
    Key(SubscriberId, SmolStr),
    /// Something happens in this mailbox; for an event that is still to come a free worker is enough.
    Mailbox { id: SubscriberId, coming: bool },
}

/// A mailbox at that instant.
struct Mailbox {
    name: Arc<str>,
    /// Whether something is sure to happen there.
    goes_on: bool,
    /// Whether a worker is free.
    free: bool,
    /// The workers that wait.
    waiting: Vec<usize>,
    /// Of each event that is held back by its band, the workers it is held back by.
    held: Vec<Vec<(SubscriberId, usize)>>,
}

impl<'a> Look<'a> {
    /// Looks at these waits, and at those that matter to them.
    pub(super) fn at(edges: &'a [Arc<Edge>], roots: impl IntoIterator<Item = usize>) -> Self {
        let mut of: HashMap<_, Vec<_>, _> = HashMap::default();
        for (place, edge) in edges.iter().enumerate().filter(|(_, edge)| edge.origin.runs()) {
            of.entry(edge.subscriber().id).or_default().push(place);
        }
        let seen = std::iter::repeat_with(|| None).take(edges.len()).collect();
        let mut look = Self { edges, of, seen, mailboxes: HashMap::default() };
        let mut next: Vec<usize> = roots.into_iter().collect();
        while let Some(place) = next.pop() {
            if look.seen[place].is_none() {
                next.extend(look.see(place));
            }
        }
        look.settle();
        look
    }

    /// The newest wait that never ends, and the names of those that wait for each other.
    pub(super) fn newest(&self) -> Option<(usize, Vec<Arc<str>>)> {
        let newest = (0..self.edges.len()).rev().find(|place| self.is_stuck(*place))?;
        Some((newest, self.path(newest)))
    }

    pub(super) fn is_stuck(&self, place: usize) -> bool {
        self.seen[place].as_ref().is_some_and(|seen| seen.stuck)
    }

    /// Notes what a wait needs; gives the waits that matter to that.
    fn see(&mut self, place: usize) -> Vec<usize> {
        let on = &self.edges[place].on;
        let mut needs = Vec::new();
        let answer = on.answer.as_ref();
        let is_over = answer.is_some_and(|answer| answer.is_over());
        if !is_over {
            self.rooms(on, &mut needs);
            self.deliveries(on, &mut needs);
        }
        let matter = needs.iter().flat_map(|need| self.matter(need)).collect();
        let one_will_do = answer.is_some_and(|answer| answer.one_will_do());
        // A request that nobody can answer any more ends by itself.
        let stuck = !needs.is_empty();
        self.seen[place] = Some(Seen { needs, one_will_do, stuck });
        matter
    }

    fn rooms(&mut self, on: &On, needs: &mut Vec<Need>) {
        for (subscriber, ticket) in &on.rooms {
            if ticket.is_none_or(|ticket| subscriber.mailbox.still_waits(ticket)) {
                needs.push(self.mailbox(subscriber, None, false));
            }
        }
    }

    fn deliveries(&mut self, on: &On, needs: &mut Vec<Need>) {
        for subscriber in &on.coming {
            needs.push(self.mailbox(subscriber, Some(&on.key), true));
        }
        let pending = on.tracker.iter().flat_map(|tracker| tracker.pending(on.first_attempts));
        for pending in pending {
            needs.push(match pending {
                Pending::Waiting(subscriber) => self.mailbox(&subscriber, Some(&on.key), false),
                Pending::Running(runner) => Need::Worker(runner.subscriber.id, runner.worker),
            });
        }
    }

    fn mailbox(&mut self, subscriber: &Arc<Subscriber>, key: Option<&SmolStr>, coming: bool) -> Need {
        let id = subscriber.id;
        if let Some(key) = key.filter(|key| subscriber.mailbox.by_key() && subscriber.mailbox.runs(key)) {
            return Need::Key(id, key.clone());
        }
        if !self.mailboxes.contains_key(&id) {
            let mailbox = self.stand(subscriber);
            self.mailboxes.insert(id, mailbox);
        }
        Need::Mailbox { id, coming }
    }

    fn stand(&self, subscriber: &Arc<Subscriber>) -> Mailbox {
        let name = Arc::clone(&subscriber.name);
        let Some(standing) = subscriber.mailbox.standing() else {
            // It has ended, and nobody waits for it any more.
            return Mailbox { name, goes_on: true, free: true, waiting: Vec::new(), held: Vec::new() };
        };
        let mut waiting: Vec<_> =
            self.of(subscriber.id).map(|place| self.edges[place].origin.worker()).collect();
        waiting.sort_unstable();
        waiting.dedup();
        // A worker may wait that has settled its delivery, and tells of its failure.
        let free = standing.free && (waiting.len() as u64) < standing.workers;
        let worker = |runner: &crate::settle::Runner| (runner.subscriber.id, runner.worker);
        let held: Vec<Vec<_>> =
            standing.held.iter().map(|runners| runners.iter().map(worker).collect()).collect();
        let works = (waiting.len() as u64) < standing.running;
        // Where nobody waits and nothing is held back, what is waited for has just come about.
        let just_now = waiting.is_empty() && held.is_empty();
        Mailbox { name, goes_on: works || (free && standing.startable) || just_now, free, waiting, held }
    }

    /// The waits of a subscription.
    fn of(&self, id: SubscriberId) -> impl Iterator<Item = usize> {
        self.of.get(&id).into_iter().flatten().copied()
    }

    /// The waits of a worker.
    fn worker(&self, id: SubscriberId, worker: usize) -> impl Iterator<Item = usize> {
        self.of(id).filter(move |place| self.edges[*place].origin.worker() == worker)
    }

    /// The waits that matter to a need.
    fn matter(&self, need: &Need) -> Vec<usize> {
        match need {
            Need::Worker(id, worker) => self.worker(*id, *worker).collect(),
            Need::Key(id, key) => self.of(*id).filter(|place| self.edges[*place].origin.holds(key)).collect(),
            Need::Mailbox { id, .. } => {
                let held = self.mailboxes.get(id).into_iter().flat_map(|mailbox| &mailbox.held).flatten();
                let holders = held.flat_map(|(id, worker)| self.worker(*id, *worker));
                self.of(*id).chain(holders).collect()
            }
        }
    }

    /// Frees what can go on, until nothing more can.
    fn settle(&mut self) {
        loop {
            let free: Vec<usize> =
                (0..self.seen.len()).filter(|place| self.is_stuck(*place) && self.can_end(*place)).collect();
            if free.is_empty() {
                return;
            }
            for place in free {
                if let Some(seen) = &mut self.seen[place] {
                    seen.stuck = false;
                }
            }
        }
    }

    fn can_end(&self, place: usize) -> bool {
        let Some(seen) = &self.seen[place] else { return true };
        match seen.one_will_do {
            true => seen.needs.iter().any(|need| self.can_come(need)),
            false => seen.needs.iter().all(|need| self.can_come(need)),
        }
    }

    fn can_come(&self, need: &Need) -> bool {
        match need {
            Need::Worker(..) | Need::Key(..) => {
                !self.matter(need).into_iter().any(|place| self.is_stuck(place))
            }
            Need::Mailbox { id, coming } => self.mailboxes.get(id).is_none_or(|mailbox| {
                mailbox.goes_on
                    || (mailbox.free && *coming)
                    || mailbox.waiting.iter().any(|worker| !self.worker_is_stuck(*id, *worker))
                    || (mailbox.free && mailbox.held.iter().any(|held| self.is_let_go(held)))
            }),
        }
    }

    fn worker_is_stuck(&self, id: SubscriberId, worker: usize) -> bool {
        self.worker(id, worker).any(|place| self.is_stuck(place))
    }

    fn is_let_go(&self, held: &[(SubscriberId, usize)]) -> bool {
        !held.iter().any(|(id, worker)| self.worker_is_stuck(*id, *worker))
    }

    /// The names on the way from a wait that is stuck until it comes back to where it was.
    pub(super) fn path(&self, from: usize) -> Vec<Arc<str>> {
        let (mut places, mut names): (Vec<(usize, usize)>, Vec<Arc<str>>) = (Vec::new(), Vec::new());
        let mut at = from;
        let begin = loop {
            if let Some((_, begin)) = places.iter().find(|(place, _)| *place == at) {
                break *begin;
            }
            places.push((at, names.len()));
            names.push(Arc::clone(&self.edges[at].subscriber().name));
            let Some((through, next)) = self.next_on_the_way(at) else { break 0 };
            names.extend(through);
            at = next;
        };
        let mut path = names.split_off(begin);
        path.dedup();
        if path.len() > 1 && path.first() == path.last() {
            path.pop();
        }
        path
    }

    /// A wait that is stuck and that this one waits for, and the subscription whose mailbox is between them.
    fn next_on_the_way(&self, place: usize) -> Option<(Option<Arc<str>>, usize)> {
        let seen = self.seen[place].as_ref()?;
        let need = seen.needs.iter().find(|need| !self.can_come(need))?;
        let next = self.matter(need).into_iter().find(|place| self.is_stuck(*place))?;
        let through = match need {
            Need::Mailbox { id, .. } => self.mailboxes.get(id).map(|mailbox| Arc::clone(&mailbox.name)),
            Need::Worker(..) | Need::Key(..) => None,
        };
        Some((through, next))
    }
}
