//! The way of one event through the rules.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use super::{
    Rule,
    action::Step,
    installed::{Counted, Counts},
};
use crate::{event::Event, topic::Topic};

/// How often an event, with what was copied of it, may change its topic.
const MOST_HOPS: usize = 16;

/// How many copies may be made of one event.
const MOST_COPIES: usize = 64;

/// What the rules made of an event.
pub(crate) struct Followed {
    /// The event as it is to be published, or the name of the rule that dropped it.
    pub(crate) event: Result<Event, Arc<str>>,
    /// What is to be published with it, in this order.
    pub(crate) copies: Vec<Event>,
    /// What the rules did.
    pub(crate) done: Done,
}

/// What rules did with one event, to be counted when it is published.
pub(crate) struct Done {
    rules: Arc<Counted>,
    /// By the place of the rule.
    did: Vec<(usize, Did)>,
}

/// The rule that refuses an event, and why.
pub(crate) struct Refusal {
    pub(crate) by: Arc<str>,
    pub(crate) reason: String,
}

#[derive(Clone, Copy)]
enum Did {
    Match,
    Forward,
    Copy,
    Drop,
}

impl Done {
    /// Whether no rule was for the event.
    pub(crate) fn is_nothing(&self) -> bool {
        self.did.is_empty()
    }

    pub(crate) fn count(&self) {
        for (at, did) in &self.did {
            let Some((_, counts)) = self.rules.rules.get(*at) else { continue };
            counts.of(*did).fetch_add(1, Relaxed);
        }
    }
}

impl Counts {
    fn of(&self, did: Did) -> &AtomicU64 {
        match did {
            Did::Match => &self.matched,
            Did::Forward => &self.forwarded,
            Did::Copy => &self.copied,
            Did::Drop => &self.dropped,
        }
    }
}

impl Counted {
    /// Asks the rules what becomes of an event.
    pub(crate) fn follow(self: &Arc<Self>, event: Event) -> Result<Followed, Refusal> {
        let mut way = Way { rules: self, copies: Vec::new(), did: Vec::new() };
        match way.follow(event, &mut Vec::new()) {
            Ok(event) => {
                let copies = way.copies.into_iter().flatten().collect();
                let done = Done { rules: Arc::clone(self), did: way.did };
                Ok(Followed { event, copies, done })
            }
            Err(Stopped { at, reason }) => {
                let (rule, counts) = &self.rules[at];
                counts.refused.fetch_add(1, Relaxed);
                Err(Refusal { by: rule.shared_name(), reason })
            }
        }
    }
}

struct Way<'a> {
    rules: &'a Counted,
    /// `None` is the place of one that was dropped, or is under way.
    copies: Vec<Option<Event>>,
    did: Vec<(usize, Did)>,
}

/// Where the way ended in an error.
struct Stopped {
    /// The place of the rule.
    at: usize,
    reason: String,
}

impl Way<'_> {
    /// Follows an event to where it is published or dropped. The path is the topics it had before the one it has.
    fn follow(
        &mut self,
        mut event: Event,
        path: &mut Vec<Topic>,
    ) -> Result<Result<Event, Arc<str>>, Stopped> {
        'pass: loop {
            for (at, (rule, _)) in self.rules.rules.iter().enumerate() {
                let stopped = |reason| Stopped { at, reason };
                if !rule.asks_for(&event).map_err(stopped)? {
                    continue;
                }
                self.did.push((at, Did::Match));
                for action in rule.actions() {
                    match action.of(&event).map_err(stopped)? {
                        Step::Changed(changed) => event = changed,
                        Step::Dropped => {
                            self.did.push((at, Did::Drop));
                            return Ok(Err(rule.shared_name()));
                        }
                        // It is there.
                        Step::Forwarded(topic) | Step::Copied(topic) if topic == *event.topic() => {}
                        Step::Forwarded(topic) => {
                            hop(path, &event, &topic).map_err(stopped)?;
                            self.did.push((at, Did::Forward));
                            event = event.under(topic);
                            continue 'pass;
                        }
                        Step::Copied(topic) => {
                            let mut path = path.clone();
                            hop(&mut path, &event, &topic).map_err(stopped)?;
                            self.copy(at, rule, event.copied_under(topic), path)?;
                        }
                    }
                }
            }
            return Ok(Ok(event));
        }
    }

    fn copy(&mut self, at: usize, rule: &Rule, copy: Event, mut path: Vec<Topic>) -> Result<(), Stopped> {
        let place = self.copies.len();
        if place == MOST_COPIES {
            let name = rule.name();
            let reason = format!(
                "the rules would make more than {MOST_COPIES} copies of one event, the last of them by `{name}`; \
                 have fewer rules copy what others copied"
            );
            return Err(Stopped { at, reason });
        }
        self.did.push((at, Did::Copy));
        // What is copied of a copy comes behind it.
        self.copies.push(None);
        self.copies[place] = self.follow(copy, &mut path)?.ok();
        Ok(())
    }
}

/// Notes that an event comes under another topic, unless it has done so too often.
fn hop(path: &mut Vec<Topic>, event: &Event, to: &Topic) -> Result<(), String> {
    path.push(event.topic().clone());
    if path.len() <= MOST_HOPS {
        return Ok(());
    }
    let topics: Vec<_> = path.iter().chain([to]).map(|topic| format!("`{topic}`")).collect();
    Err(format!(
        "the rules would send it on more than {MOST_HOPS} times: {}; \
         let one of them leave a topic of these alone",
        topics.join(" → ")
    ))
}
