//! The promise: whatever publishers and workers do to a mailbox and in whatever order, it does what a slow and
//! obviously right one does, and whoever sleeps is woken when there is something for him.

#![expect(clippy::unwrap_used, reason = "a test that unwraps the wrong thing fails, as it should")]

mod reference;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use proptest::{prelude::*, test_runner::TestCaseResult};

use super::*;
use crate::journal::Seq;
use reference::{Fate, Letter, Next, Phase, Reference};

/// Whose turn it is, and what he does.
#[derive(Clone, Debug)]
enum Step {
    /// A publisher offers an event, and does not wait.
    Offer {
        key: u8,
        bytes: u64,
    },
    /// A publisher takes a place for an event; later it uses it, or gives it back.
    Reserve {
        key: u8,
        bytes: u64,
    },
    Redeem(usize),
    Release(usize),
    /// A publisher stands in line; later it asks, or goes.
    Enter {
        key: u8,
        bytes: u64,
    },
    Ask(usize),
    Leave(usize),
    /// A filter panicked.
    Skip,
    /// A worker that does not run anything takes what is next.
    Take(usize),
    /// A worker that runs something is finished.
    Finish(usize, Finish),
    /// Somebody looks how full it is.
    Look,
    Pause,
    Resume,
    Drain,
    Close(DropReason),
}

/// A mailbox and what happens to it.
#[derive(Clone)]
struct Story {
    overflow: Overflow,
    events: u64,
    bytes: u64,
    workers: usize,
    by_key: bool,
    steps: Vec<Step>,
}

impl fmt::Debug for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { overflow, events, bytes, workers, by_key, steps } = self;
        let keys = if *by_key { ", ordered by key" } else { "" };
        write!(f, "a mailbox of {events} events and {bytes} bytes, {overflow:?}, {workers} workers{keys}")?;
        for (number, step) in steps.iter().enumerate() {
            write!(f, "\n  {number}. {step:?}")?;
        }
        Ok(())
    }
}

/// Of 100 bytes that fit, a few events fill most of a mailbox, and one is larger than all of it.
const BYTES: [u64; 7] = [0, 10, 30, 50, 80, 100, 700];

impl Step {
    /// A step out of three small numbers, which are quickly made and shrink to the simplest step.
    fn of((kind, number, bytes): (u8, u8, usize)) -> Self {
        let (key, bytes, number) = (number % 3, BYTES[bytes], usize::from(number));
        match kind {
            0..10 => Step::Offer { key, bytes },
            10..22 => Step::Take(number),
            22..32 => Step::Finish(number, Finish::Done),
            32..34 => Step::Finish(number, Finish::Skipped),
            34..36 => Step::Finish(number, Finish::Dead),
            36..38 => Step::Finish(number, Finish::Dropped(DropReason::Shutdown)),
            38..44 => Step::Enter { key, bytes },
            44..46 => Step::Ask(number),
            46..48 => Step::Leave(number),
            48..54 => Step::Reserve { key, bytes },
            54..58 => Step::Redeem(number),
            58..60 => Step::Release(number),
            60 => Step::Skip,
            61 => Step::Look,
            62 => Step::Pause,
            63 => Step::Resume,
            64 => Step::Drain,
            65 => Step::Close(DropReason::Unsubscribed),
            _ => Step::Close(DropReason::Shutdown),
        }
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (0_u8..67, 0_u8..6, 0..BYTES.len());
    prop::collection::vec(step, 1..60).prop_map(|steps| steps.into_iter().map(Step::of).collect())
}

fn stories() -> impl Strategy<Value = Story> {
    let overflow = prop_oneof![
        Just(Overflow::Block { timeout: Duration::ZERO }),
        Just(Overflow::Reject),
        Just(Overflow::DropNewest),
        Just(Overflow::DropOldest),
    ];
    let bytes = prop_oneof![Just(100_u64), Just(250), Just(600), Just(100_000)];
    (overflow, 1_u64..=6, bytes, 1_usize..=3, any::<bool>(), steps()).prop_map(
        |(overflow, events, bytes, workers, by_key, mut steps)| {
            // Only who refuses has places reserved, and only who blocks has publishers wait.
            steps.retain(|step| match step {
                Step::Reserve { .. } | Step::Redeem(_) | Step::Release(_) => overflow == Overflow::Reject,
                Step::Enter { .. } | Step::Ask(_) | Step::Leave(_) => {
                    matches!(overflow, Overflow::Block { .. })
                }
                _ => true,
            });
            Story { overflow, events, bytes, workers, by_key, steps }
        },
    )
}

/// Rings when whoever sleeps beside it is woken.
#[derive(Default)]
struct Bell(AtomicBool);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.store(true, SeqCst);
    }
}

/// One worker, as its `Hand` would act.
struct Worker {
    bell: Arc<Bell>,
    does: Doing,
}

enum Doing {
    Idle,
    Asleep,
    Runs(Queued, Letter),
    Ended,
}

impl Worker {
    fn new() -> Self {
        Self { bell: Arc::default(), does: Doing::Idle }
    }

    /// Whether it is on its way to take something.
    fn comes(&self) -> bool {
        match self.does {
            Doing::Idle => true,
            Doing::Asleep => self.bell.0.load(SeqCst),
            Doing::Runs(..) | Doing::Ended => false,
        }
    }

    /// Whether it sleeps and nobody woke it.
    fn sleeps(&self) -> bool {
        matches!(self.does, Doing::Asleep) && !self.comes()
    }
}

/// A mailbox, and beside it what it should be.
struct Play {
    mailbox: Mailbox,
    reference: Reference,
    memory: Arc<Memory>,
    paused: Arc<AtomicBool>,
    workers: Vec<Worker>,
    /// Every event, at its number less one.
    events: Vec<Event>,
    /// Publishers that came to wait: their tickets and their bells, `None` where they did not have to.
    tickets: Vec<Option<(Ticket, Arc<Bell>)>>,
}

impl Play {
    fn new(story: &Story) -> Self {
        let memory = Arc::new(Memory::new(1 << 30));
        let paused = Arc::new(AtomicBool::new(false));
        let marks = Marks { events: story.events, bytes: story.bytes };
        let Story { overflow, workers, by_key, .. } = *story;
        Self {
            mailbox: Mailbox::new(marks, overflow, workers, by_key, Arc::clone(&paused), Arc::clone(&memory)),
            reference: Reference::new(overflow, story.events, story.bytes, by_key),
            memory,
            paused,
            workers: (0..workers).map(|_| Worker::new()).collect(),
            events: Vec::new(),
            tickets: Vec::new(),
        }
    }

    fn step(&mut self, step: &Step) -> TestCaseResult {
        match step {
            Step::Offer { key, bytes } => self.offer(*key, *bytes),
            Step::Reserve { key, bytes } => self.reserve(*key, *bytes),
            Step::Redeem(which) => self.with_place(*which, Self::redeem),
            Step::Release(which) => self.with_place(*which, Self::release),
            Step::Enter { key, bytes } => self.enter(*key, *bytes),
            Step::Ask(which) => self.with_ticket(*which, Self::ask),
            Step::Leave(which) => self.with_ticket(*which, Self::leave),
            Step::Take(which) => self.take(which % self.workers.len()),
            Step::Finish(which, finish) => self.finish(which % self.workers.len(), *finish),
            Step::Look => self.look(),
            Step::Close(reason) => self.close(*reason),
            Step::Skip => {
                self.mailbox.skip();
                self.reference.skip();
                Ok(())
            }
            Step::Pause => {
                self.paused.store(true, SeqCst);
                self.reference.paused = true;
                Ok(())
            }
            Step::Resume => {
                self.paused.store(false, SeqCst);
                self.mailbox.wake();
                self.reference.paused = false;
                Ok(())
            }
            Step::Drain => {
                self.mailbox.drain();
                self.reference.drain();
                Ok(())
            }
        }
    }

    /// A new event, and what the reference knows of it.
    fn letter(&mut self, key: u8, bytes: u64) -> (Event, Load, Letter) {
        let event =
            Event::builder(Event::signal("a.topic").unwrap()).key(format!("key {key}")).build().unwrap();
        let seq = self.events.len() as u64 + 1;
        event.set_seq(Seq(seq));
        self.events.push(event.clone());
        (event, Load::of(bytes as usize), Letter { seq, key, bytes })
    }

    fn event(&self, letter: Letter) -> &Event {
        &self.events[letter.seq as usize - 1]
    }

    fn offer(&mut self, key: u8, bytes: u64) -> TestCaseResult {
        let (event, load, letter) = self.letter(key, bytes);
        prop_assert_eq!(
            self.mailbox.offer(event.seq(), load, || event.clone()),
            self.reference.offer(letter),
            "what an offer gives"
        );
        Ok(())
    }

    fn reserve(&mut self, key: u8, bytes: u64) -> TestCaseResult {
        let (_, load, letter) = self.letter(key, bytes);
        prop_assert_eq!(self.mailbox.reserve(load), self.reference.reserve(letter), "what reserving gives");
        Ok(())
    }

    fn with_place(&mut self, which: usize, act: fn(&mut Self, Letter) -> TestCaseResult) -> TestCaseResult {
        match self.reference.reserved.len() {
            0 => Ok(()),
            places => act(self, self.reference.reserved[which % places]),
        }
    }

    fn redeem(&mut self, letter: Letter) -> TestCaseResult {
        let redeemed = self.mailbox.redeem(self.event(letter), Load::of(letter.bytes as usize));
        prop_assert_eq!(redeemed, self.reference.redeem(letter), "what redeeming gives");
        Ok(())
    }

    fn release(&mut self, letter: Letter) -> TestCaseResult {
        self.mailbox.release(Load::of(letter.bytes as usize));
        self.reference.release(letter);
        Ok(())
    }

    fn enter(&mut self, key: u8, bytes: u64) -> TestCaseResult {
        let (event, load, letter) = self.letter(key, bytes);
        let bell = Arc::new(Bell::default());
        let entered = self.mailbox.enter(&event, load, &Waker::from(Arc::clone(&bell)));
        self.reference.enter(letter);
        self.tickets.push(match entered {
            Entered::Waiting(ticket) => Some((ticket, bell)),
            _ => None,
        });
        prop_assert_eq!(Some(fate(entered)), self.reference.fates.last().copied(), "what entering gives");
        Ok(())
    }

    fn with_ticket(&mut self, which: usize, act: fn(&mut Self, usize) -> TestCaseResult) -> TestCaseResult {
        let waited: Vec<usize> = (0..self.tickets.len()).filter(|at| self.tickets[*at].is_some()).collect();
        match waited.len() {
            0 => Ok(()),
            tickets => act(self, waited[which % tickets]),
        }
    }

    fn ask(&mut self, at: usize) -> TestCaseResult {
        let Some((ticket, _)) = self.tickets[at].take() else { return Ok(()) };
        let bell = Arc::new(Bell::default());
        let entered = match self.mailbox.poll_entered(ticket, &Waker::from(Arc::clone(&bell))) {
            Poll::Ready(entered) => entered,
            Poll::Pending => {
                self.tickets[at] = Some((ticket, bell));
                Entered::Waiting(ticket)
            }
        };
        prop_assert_eq!(fate(entered), self.reference.fates[at], "what became of ticket {}", at);
        Ok(())
    }

    fn leave(&mut self, at: usize) -> TestCaseResult {
        let Some((ticket, _)) = self.tickets[at].take() else { return Ok(()) };
        let entered = self.mailbox.leave(ticket);
        if self.reference.fates[at] == Fate::Waiting {
            self.reference.leave(at);
        }
        prop_assert_eq!(fate(entered), self.reference.fates[at], "what became of ticket {} by leaving", at);
        Ok(())
    }

    fn take(&mut self, number: usize) -> TestCaseResult {
        let worker = &mut self.workers[number];
        match worker.does {
            Doing::Runs(..) | Doing::Ended => return Ok(()),
            Doing::Asleep => _ = self.mailbox.awake(number),
            Doing::Idle => {}
        }
        worker.bell.0.store(false, SeqCst);
        let waker = Waker::from(Arc::clone(&worker.bell));
        let taken = self.mailbox.poll_take(number, &mut Context::from_waker(&waker));
        let next = self.reference.next();
        worker.does = match (taken, next) {
            (Poll::Ready(Some(Taken::Event(queued))), Next::Event(letter)) => {
                prop_assert_eq!(queued.event.seq(), Seq(letter.seq), "the event that was taken");
                self.reference.start(letter);
                Doing::Runs(queued, letter)
            }
            (Poll::Ready(Some(Taken::Gap(gap))), Next::Gap) => {
                prop_assert_eq!(Some(gap), self.reference.take_gap(gap.missed), "the gap that was taken");
                Doing::Idle
            }
            (Poll::Pending, Next::Sleep) => {
                self.reference.sleep();
                Doing::Asleep
            }
            (Poll::Ready(None), Next::Over) => Doing::Ended,
            (taken, next) => {
                let taken = taken.map(|taken| taken.map(|taken| taken.said()));
                return Err(TestCaseError::fail(format!("a worker got {taken:?} and should get {next:?}")));
            }
        };
        Ok(())
    }

    fn finish(&mut self, number: usize, finish: Finish) -> TestCaseResult {
        let worker = &mut self.workers[number];
        if let Doing::Runs(queued, letter) = &worker.does {
            self.mailbox.finish(queued, finish);
            self.reference.finish(*letter, finish);
            worker.does = Doing::Idle;
        }
        Ok(())
    }

    fn look(&mut self) -> TestCaseResult {
        prop_assert_eq!(self.mailbox.pressure().1, self.reference.look(), "the level");
        Ok(())
    }

    fn close(&mut self, reason: DropReason) -> TestCaseResult {
        let left = self.mailbox.close(reason);
        let left: Vec<u64> = left.iter().map(|event| event.seq().0).collect();
        prop_assert_eq!(left, self.reference.close(reason), "what was left when it was closed");
        Ok(())
    }

    /// What holds after each step.
    fn check(&self) -> TestCaseResult {
        self.check_figures()?;
        self.check_memory()?;
        self.check_bells()?;
        let entries = self.mailbox.work.0.lock().entries.len() + self.mailbox.intake.0.lock().entries.len();
        let most = 2 * self.reference.events as usize + 2;
        prop_assert!(entries <= most, "{} entries, of which at most {} can be of use", entries, most);
        Ok(())
    }

    fn check_figures(&self) -> TestCaseResult {
        let (figures, reference) = (self.mailbox.figures(), &self.reference);
        prop_assert_eq!(figures.matched, reference.matched, "matched");
        prop_assert_eq!(figures.done, reference.done, "done");
        prop_assert_eq!(figures.skipped, reference.skipped, "skipped");
        prop_assert_eq!(figures.dead, reference.dead, "dead");
        prop_assert_eq!(figures.dropped, reference.dropped, "dropped");
        prop_assert_eq!(figures.queued, reference.queued().count() as u64, "queued");
        prop_assert_eq!(figures.running, reference.running.len() as u64, "running");
        prop_assert_eq!(figures.bytes, reference.inside().1, "bytes");
        let oldest = reference.queued().next().map(|letter| self.event(letter).accepted());
        prop_assert_eq!(figures.oldest, oldest, "the oldest");
        let settled = figures.done + figures.skipped + figures.dead + figures.dropped.total();
        prop_assert_eq!(
            figures.matched,
            settled + figures.queued + figures.running,
            "everything is accounted for"
        );
        Ok(())
    }

    fn check_memory(&self) -> TestCaseResult {
        let reserved: u64 = self.reference.reserved.iter().map(|letter| letter.bytes).sum();
        let (held, inside) = (self.memory.held(), self.reference.inside().1 - reserved);
        prop_assert!(held >= inside, "the bus knows of {} bytes, and {} are inside", held, inside);
        let rests = |worker: &Worker| matches!(worker.does, Doing::Asleep | Doing::Ended);
        let quiet = self.reference.phase == Phase::Closed || self.workers.iter().all(rests);
        if quiet && self.reference.is_empty() {
            prop_assert_eq!(held, 0, "bytes the bus thinks are in a mailbox that is empty and at rest");
        }
        Ok(())
    }

    fn check_bells(&self) -> TestCaseResult {
        let asleep = self.workers.iter().any(Worker::sleeps);
        let comes = self.workers.iter().any(Worker::comes);
        match self.reference.next() {
            Next::Event(_) | Next::Gap => {
                prop_assert!(comes || !asleep, "a worker sleeps beside what it could take");
            }
            Next::Over => {
                let busy = self.workers.iter().any(|worker| matches!(worker.does, Doing::Runs(..)));
                prop_assert!(
                    comes || busy || !asleep,
                    "a worker sleeps, and nobody will tell it that it is over"
                );
            }
            Next::Sleep => {}
        }
        for (at, ticket) in self.tickets.iter().enumerate() {
            if let Some((_, bell)) = ticket {
                let waits = self.reference.fates[at] == Fate::Waiting;
                prop_assert_eq!(bell.0.load(SeqCst), !waits, "whether ticket {} was called", at);
            }
        }
        Ok(())
    }

    /// Lets everybody who is awake go on until nobody is.
    fn come_to_rest(&mut self) -> TestCaseResult {
        while let Some(letter) = self.reference.reserved.first() {
            self.release(*letter)?;
        }
        self.step(&Step::Resume)?;
        loop {
            let is_awake = |worker: &Worker| worker.comes() || matches!(worker.does, Doing::Runs(..));
            let Some(number) = self.workers.iter().position(is_awake) else { break };
            self.finish(number, Finish::Done)?;
            self.take(number)?;
            self.check()?;
        }
        Ok(())
    }

    /// What holds when everybody is at rest.
    fn check_rest(&self) -> TestCaseResult {
        let ended = self.workers.iter().filter(|worker| matches!(worker.does, Doing::Ended)).count();
        match self.reference.phase {
            Phase::Open => {
                prop_assert_eq!(ended, 0, "workers that ended, although the mailbox is open");
                prop_assert!(self.reference.is_empty(), "something was left");
            }
            Phase::Draining | Phase::Closed => {
                prop_assert_eq!(ended, self.workers.len(), "workers that ended, when nothing comes any more");
            }
        }
        Ok(())
    }
}

impl Taken {
    fn said(&self) -> String {
        match self {
            Taken::Event(queued) => format!("event {}", queued.event.seq().0),
            Taken::Gap(gap) => gap.to_string(),
        }
    }
}

fn fate(entered: Entered) -> Fate {
    match entered {
        Entered::Waiting(_) => Fate::Waiting,
        Entered::Inside => Fate::Inside,
        Entered::Dropped(reason) => Fate::Dropped(reason),
        Entered::Closed => Fate::Closed,
    }
}

fn told(what: impl fmt::Display, result: TestCaseResult) -> TestCaseResult {
    result.map_err(|error| TestCaseError::fail(format!("{what}: {error}")))
}

/// Stories by default; `PROPTEST_CASES` asks for more.
const STORIES: u32 = 20_000;

fn config() -> ProptestConfig {
    let config = ProptestConfig::default();
    ProptestConfig { cases: config.cases.max(STORIES), failure_persistence: None, ..config }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_mailbox_does_what_the_slow_one_does(story in stories()) {
        let mut play = Play::new(&story);
        for (number, step) in story.steps.iter().enumerate() {
            let result = play.step(step).and_then(|()| play.check());
            told(format_args!("step {number}"), result)?;
        }
        told("coming to rest", play.come_to_rest().and_then(|()| play.check_rest()))?;
        told("closing it", play.close(DropReason::Unsubscribed).and_then(|()| play.check()))?;
    }
}
