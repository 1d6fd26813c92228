//! How time passes, and how a subscription and the bus end.

use owlbus::handle::DropReason;

use super::{End, Fate, Model, Phase, Report, Time};

impl Model {
    /// The next instant at which something happens by itself.
    pub fn next_deadline(&self) -> Option<Time> {
        let waits = self.waiting().into_iter().map(|(who, number)| self.patience(number, who));
        let bands = (0..self.subscribers.len()).filter(|_| !self.paused).flat_map(|who| {
            let held = self.subscribers[who].queued().filter(move |number| self.is_held(*number, who));
            held.map(move |number| self.band_over(number, who))
        });
        let calls = self.calls.iter().filter(|call| call.is_open()).filter_map(|call| self.until(call));
        let end = match self.phase {
            Phase::Closing { deadline, .. } => Some(deadline),
            Phase::Open | Phase::Over(_) => None,
        };
        waits.chain(bands).chain(calls).chain(end).filter(|time| *time > self.now).min()
    }

    /// Time passes, not beyond the next deadline.
    pub fn pass(&mut self, time: Time) {
        self.now += time;
        self.lose_patience();
        if let Phase::Closing { deadline, .. } = self.phase
            && self.now >= deadline
        {
            self.cut_off();
        }
    }

    /// Gives the number of events that waited.
    pub fn unsubscribe(&mut self, who: usize) -> usize {
        for number in self.subscribers[who].lines.concat() {
            // It never matched: nobody is there any more for whom it was meant.
            self.event_mut(number).fates[who] = None;
        }
        self.close(who, DropReason::Unsubscribed).len()
    }

    /// Ends a subscription; gives the events that waited in its mailbox.
    fn close(&mut self, who: usize, reason: DropReason) -> Vec<u64> {
        self.look(who);
        let left = self.subscribers[who].close();
        left.iter().for_each(|number| self.set(*number, who, Fate::Ended(End::Dropped(reason))));
        left
    }

    pub fn shut_down(&mut self, deadline: Time) {
        if matches!(self.phase, Phase::Open) {
            self.phase = Phase::Closing { deadline: self.now + deadline, dead_before: self.dead() };
        }
    }

    /// Deliveries that failed.
    fn dead(&self) -> u64 {
        (0..self.subscribers.len()).map(|who| self.stats(who).dead).sum()
    }

    /// A bus that closes has ended when everybody is done. Where it is paused, nobody will do anything.
    pub(super) fn finish(&mut self) {
        let is_done = |number: u64| self.has_ended(number);
        if let Phase::Closing { .. } = self.phase
            && !self.calls.iter().any(|call| call.is_open())
            && (self.paused || (1..=self.accepted()).all(is_done))
        {
            self.cut_off();
        }
    }

    /// The bus ends, whatever is left.
    fn cut_off(&mut self) {
        let Phase::Closing { dead_before, .. } = self.phase else { return };
        let dropped = Fate::Ended(End::Dropped(DropReason::Shutdown));
        let (mut undelivered, mut cancelled) = (Vec::new(), 0);
        for who in 0..self.subscribers.len() {
            let waiting = self.subscribers[who].lines.concat();
            undelivered.extend(self.close(who, DropReason::Shutdown).into_iter().map(|number| (who, number)));
            for number in waiting {
                undelivered.push((who, number));
                self.event_mut(number).dropped.push(who);
                self.set(number, who, dropped);
            }
        }
        // Whoever waited for room only is told before handlers are cancelled.
        self.answer();
        for who in 0..self.subscribers.len() {
            for (number, _) in std::mem::take(&mut self.subscribers[who].running) {
                cancelled += 1;
                self.set(number, who, dropped);
            }
        }
        self.phase = Phase::Over(Report { undelivered, cancelled, failed: self.dead() - dead_before });
    }
}
