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
    task::{Poll, Wake, Waker},
    time::Duration,
};

use proptest::{
    prelude::*,
    test_runner::{TestCaseResult, TestRunner},
};
use tokio::{runtime::Runtime, time::Instant};

use super::*;
use crate::{
    dispatch::Subscriber,
    journal::Seq,
    settle::{Settlement, Tracker},
};
use reference::{Fate, Letter, Next, Phase, Reference};

/// Whose turn it is, and what he does.
#[derive(Clone, Debug)]
enum Step {
    /// A publisher offers an event, and does not wait.
    Offer {
        key: u8,
        bytes: u64,
        lane: Lane,
        held: bool,
    },
    /// A publisher takes a place for an event; later it uses it, or gives it back.
    Reserve {
        key: u8,
        bytes: u64,
        lane: Lane,
    },
    Redeem(usize),
    Release(usize),
    /// A publisher stands in line; later it asks, or goes.
    Enter {
        key: u8,
        bytes: u64,
        lane: Lane,
        held: bool,
    },
    Ask(usize),
    Leave(usize),
    /// A filter panicked.
    Skip,
    /// A worker that does not run anything takes what is next.
    Take(usize),
    /// A worker that runs something is finished.
    Finish(usize, Finish),
    /// A worker's attempt failed, and there will be another one, after so many ticks.
    Fail(usize, u64),
    /// Time passes.
    Tick,
    /// A handler of a higher band begins with an event; later it is done with it.
    Begin(usize),
    Free(usize),
    /// Somebody looks how full it is.
    Look,
    Pause,
    Resume,
    Drain,
    Close(DropReason),
}

/// How far time goes at once.
const TICK: Duration = Duration::from_millis(10);

thread_local! {
    /// A clock that stands still until it is told to go on.
    static CLOCK: Runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
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
    /// A step out of small numbers, which are quickly made and shrink to the simplest step.
    fn of((kind, number, bytes, urgency): (u8, u8, usize, u8)) -> Self {
        let (key, bytes, number) = (number % 3, BYTES[bytes], usize::from(number));
        let lane = [Lane::Normal, Lane::High, Lane::Deferred, Lane::Immediate][usize::from(urgency % 4)];
        let held = urgency >= 12;
        match kind {
            0..10 => Step::Offer { key, bytes, lane, held },
            10..22 => Step::Take(number),
            22..32 => Step::Finish(number, Finish::Done),
            32..34 => Step::Finish(number, Finish::Skipped),
            34 => Step::Finish(number, Finish::Dead),
            35 => Step::Finish(number, Finish::Expired),
            36..38 => Step::Finish(number, Finish::Dropped(DropReason::Shutdown)),
            38..44 => Step::Enter { key, bytes, lane, held },
            44..46 => Step::Ask(number),
            46..48 => Step::Leave(number),
            48..54 => Step::Reserve { key, bytes, lane },
            54..58 => Step::Redeem(number),
            58..60 => Step::Release(number),
            60 => Step::Skip,
            61 => Step::Look,
            62 => Step::Pause,
            63 => Step::Resume,
            64 => Step::Drain,
            65 => Step::Close(DropReason::Unsubscribed),
            66 => Step::Close(DropReason::Shutdown),
            67..69 => Step::Begin(number),
            69..73 => Step::Free(number),
            73..77 => Step::Fail(number, u64::from(urgency % 3)),
            _ => Step::Tick,
        }
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    // Some stories know one lane only, some have lanes, and in some bands hold events back.
    let urgency = prop_oneof![Just(1_u8), Just(12), Just(16)];
    urgency.prop_flat_map(|urgency| {
        let step = (0_u8..80, 0_u8..6, 0..BYTES.len(), 0..urgency);
        prop::collection::vec(step, 1..60).prop_map(|steps| steps.into_iter().map(Step::of).collect())
    })
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
            // Who drops has no places reserved, and only who blocks has publishers wait.
            steps.retain(|step| match step {
                Step::Reserve { .. } | Step::Redeem(_) | Step::Release(_) => {
                    matches!(overflow, Overflow::Reject | Overflow::Block { .. })
                }
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
    /// When it comes by itself, where it sleeps.
    until: Option<Instant>,
}

enum Doing {
    Idle,
    Asleep,
    Runs(Queued, Letter),
    Ended,
}

impl Worker {
    fn new() -> Self {
        Self { bell: Arc::default(), does: Doing::Idle, until: None }
    }

    /// Whether it is on its way to take something.
    fn comes(&self) -> bool {
        match self.does {
            Doing::Idle => true,
            Doing::Asleep => {
                self.bell.0.load(SeqCst) || self.until.is_some_and(|until| until <= Instant::now())
            }
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
    subscriber: Arc<Subscriber>,
    /// A subscription of a higher band, which some events wait for.
    above: Arc<Subscriber>,
    /// How far the events have come there that are held back, by their numbers.
    trackers: Vec<(u64, Arc<Tracker>)>,
    reference: Reference,
    memory: Arc<Memory>,
    pause: Arc<Pause>,
    workers: Vec<Worker>,
    /// Every event, at its number less one.
    events: Vec<Event>,
    /// Publishers that came to wait: their tickets and their bells, `None` where they did not have to.
    tickets: Vec<Option<(Ticket, Arc<Bell>)>>,
}

impl Play {
    fn new(story: &Story) -> Self {
        let memory = Arc::new(Memory::new(1 << 30));
        let pause = Arc::new(Pause::default());
        let marks = Marks { events: story.events, bytes: story.bytes };
        let Story { overflow, workers, by_key, .. } = *story;
        let mailbox = |workers| {
            let shape = Shape { marks, overflow, workers, by_key, pace: None };
            Mailbox::new(shape, Arc::clone(&pause), Arc::clone(&memory))
        };
        Self {
            subscriber: Arc::new(Subscriber::bare("model", 0, mailbox(workers))),
            above: Arc::new(Subscriber::bare("above", 1, mailbox(0))),
            trackers: Vec::new(),
            reference: Reference::new(overflow, story.events, story.bytes, by_key),
            memory,
            pause,
            workers: (0..workers).map(|_| Worker::new()).collect(),
            events: Vec::new(),
            tickets: Vec::new(),
        }
    }

    fn mailbox(&self) -> &Mailbox {
        &self.subscriber.mailbox
    }

    fn step(&mut self, step: &Step) -> TestCaseResult {
        match step {
            Step::Offer { key, bytes, lane, held } => self.offer(*key, *bytes, *lane, *held),
            Step::Reserve { key, bytes, lane } => self.reserve(*key, *bytes, *lane),
            Step::Redeem(which) => self.with_place(*which, Self::redeem),
            Step::Release(which) => self.with_place(*which, Self::release),
            Step::Enter { key, bytes, lane, held } => self.enter(*key, *bytes, *lane, *held),
            Step::Ask(which) => self.with_ticket(*which, Self::ask),
            Step::Leave(which) => self.with_ticket(*which, Self::leave),
            Step::Take(which) => self.take(which % self.workers.len()),
            Step::Finish(which, finish) => self.finish(which % self.workers.len(), *finish),
            Step::Begin(which) => {
                self.with_tracker(*which, |tracker| tracker.started(0, 0));
                Ok(())
            }
            Step::Free(which) => {
                let seq = self.with_tracker(*which, |tracker| tracker.over(0, Settlement::Done));
                self.reference.held.retain(|held| Some(*held) != seq);
                self.trackers.retain(|(held, _)| Some(*held) != seq);
                Ok(())
            }
            Step::Fail(which, ticks) => self.fail(which % self.workers.len(), *ticks),
            Step::Tick => {
                CLOCK.with(|clock| clock.block_on(tokio::time::advance(TICK)));
                self.reference.tick += 1;
                Ok(())
            }
            Step::Look => self.look(),
            Step::Close(reason) => self.close(*reason),
            Step::Skip => {
                self.mailbox().skip();
                self.reference.skip();
                Ok(())
            }
            Step::Pause => {
                self.pause.hold();
                self.mailbox().wake();
                self.reference.paused = true;
                Ok(())
            }
            Step::Resume => {
                self.pause.resume();
                self.mailbox().wake();
                self.reference.paused = false;
                Ok(())
            }
            Step::Drain => {
                self.mailbox().drain();
                self.reference.drain();
                Ok(())
            }
        }
    }

    /// A new event, and what the reference knows of it.
    fn letter(&mut self, key: u8, bytes: u64, lane: Lane) -> (Event, Load, Letter) {
        let event =
            Event::builder(Event::signal("a.topic").unwrap()).key(format!("key {key}")).priority(lane);
        let event = event.build().unwrap();
        let seq = self.events.len() as u64 + 1;
        event.set_seq(Seq(seq));
        self.events.push(event.clone());
        (event, Load::of(bytes as usize), Letter { seq, key, bytes, lane, place: 0, tried: false })
    }

    fn event(&self, letter: Letter) -> &Event {
        &self.events[letter.seq as usize - 1]
    }

    /// What goes into the mailbox: an event, held back by another band or not.
    fn queued(&mut self, event: &Event, load: Load, held: bool) -> Queued {
        let watched = held.then(|| {
            let tracker = Tracker::new([&self.above, &self.subscriber].into_iter());
            self.trackers.push((event.seq().0, Arc::clone(&tracker)));
            self.reference.held.push(event.seq().0);
            tracker.watch(1)
        });
        Queued::watched_by(event.clone(), load, watched)
    }

    fn with_tracker(&mut self, which: usize, act: impl FnOnce(&Arc<Tracker>)) -> Option<u64> {
        let (seq, tracker) = self.trackers.get(which.checked_rem(self.trackers.len())?)?;
        act(tracker);
        Some(*seq)
    }

    fn offer(&mut self, key: u8, bytes: u64, lane: Lane, held: bool) -> TestCaseResult {
        let (event, load, letter) = self.letter(key, bytes, lane);
        let queued = self.queued(&event, load, held);
        prop_assert_eq!(
            self.mailbox().offer(event.seq(), load, lane, || queued),
            self.reference.offer(letter),
            "what an offer gives"
        );
        Ok(())
    }

    fn reserve(&mut self, key: u8, bytes: u64, lane: Lane) -> TestCaseResult {
        let (_, load, letter) = self.letter(key, bytes, lane);
        prop_assert_eq!(
            self.mailbox().reserve(load, lane),
            self.reference.reserve(letter),
            "what reserving gives"
        );
        Ok(())
    }

    fn with_place(&mut self, which: usize, act: fn(&mut Self, Letter) -> TestCaseResult) -> TestCaseResult {
        match self.reference.reserved.len() {
            0 => Ok(()),
            places => act(self, self.reference.reserved[which % places]),
        }
    }

    fn redeem(&mut self, letter: Letter) -> TestCaseResult {
        let load = Load::of(letter.bytes as usize);
        let give = || Queued::new(self.event(letter).clone(), load);
        let redeemed = self.mailbox().redeem(load, letter.lane, give);
        prop_assert_eq!(redeemed, self.reference.redeem(letter), "what redeeming gives");
        Ok(())
    }

    fn release(&mut self, letter: Letter) -> TestCaseResult {
        self.mailbox().release(Load::of(letter.bytes as usize), letter.lane);
        self.reference.give_back(letter);
        Ok(())
    }

    fn enter(&mut self, key: u8, bytes: u64, lane: Lane, held: bool) -> TestCaseResult {
        let (event, load, letter) = self.letter(key, bytes, lane);
        let queued = self.queued(&event, load, held);
        let bell = Arc::new(Bell::default());
        let entered = self.mailbox().enter(queued, &Waker::from(Arc::clone(&bell)));
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
        let entered = match self.mailbox().poll_entered(ticket, &Waker::from(Arc::clone(&bell))) {
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
        let entered = self.mailbox().leave(ticket);
        if self.reference.fates[at] == Fate::Waiting {
            self.reference.leave(at);
        }
        prop_assert_eq!(fate(entered), self.reference.fates[at], "what became of ticket {} by leaving", at);
        Ok(())
    }

    fn take(&mut self, number: usize) -> TestCaseResult {
        let mailbox = &self.subscriber.mailbox;
        let worker = &mut self.workers[number];
        match worker.does {
            Doing::Runs(..) | Doing::Ended => return Ok(()),
            Doing::Asleep => _ = mailbox.awake(number),
            Doing::Idle => {}
        }
        worker.bell.0.store(false, SeqCst);
        let waker = Waker::from(Arc::clone(&worker.bell));
        let taken = mailbox.take(number, Some(&waker));
        let next = self.reference.look();
        worker.does = match (taken, next) {
            (Taking::Taken(Taken::Event(queued)), Next::Event(letter)) => {
                prop_assert_eq!(queued.event.seq(), Seq(letter.seq), "the event that was taken");
                self.reference.start(letter);
                Doing::Runs(queued, letter)
            }
            (Taking::Taken(Taken::Gap(gap)), Next::Gap) => {
                prop_assert_eq!(Some(gap), self.reference.take_gap(gap.missed), "the gap that was taken");
                Doing::Idle
            }
            (Taking::Asleep { until }, Next::Sleep) => {
                self.reference.sleep();
                worker.until = until;
                Doing::Asleep
            }
            (Taking::Over, Next::Over) => Doing::Ended,
            (taken, next) => {
                let taken = taken.said();
                return Err(TestCaseError::fail(format!("a worker got {taken} and should get {next:?}")));
            }
        };
        Ok(())
    }

    fn finish(&mut self, number: usize, finish: Finish) -> TestCaseResult {
        let worker = &mut self.workers[number];
        if let Doing::Runs(queued, letter) = &worker.does {
            self.subscriber.mailbox.finish(queued, finish);
            self.reference.finish(*letter, finish);
            worker.does = Doing::Idle;
        }
        Ok(())
    }

    fn fail(&mut self, number: usize, ticks: u64) -> TestCaseResult {
        let worker = &mut self.workers[number];
        let does = std::mem::replace(&mut worker.does, Doing::Idle);
        let Doing::Runs(mut queued, letter) = does else {
            worker.does = does;
            return Ok(());
        };
        queued.past_from(Instant::now());
        let due = Instant::now() + TICK * ticks as u32;
        let postponed = self.subscriber.mailbox.postpone(queued, due);
        let will_be = self.reference.postpone(letter, self.reference.tick + ticks);
        prop_assert_eq!(postponed.is_ok(), will_be, "whether it is tried again");
        if let Err(queued) = postponed {
            let lost = Finish::Dropped(DropReason::Unsubscribed);
            self.subscriber.mailbox.finish(&queued, lost);
            self.reference.finish(letter, lost);
        }
        Ok(())
    }

    fn look(&mut self) -> TestCaseResult {
        prop_assert_eq!(self.mailbox().pressure().1, self.reference.level(), "the level");
        Ok(())
    }

    fn close(&mut self, reason: DropReason) -> TestCaseResult {
        let left = self.mailbox().close(reason);
        let left: Vec<u64> = left.iter().map(|event| event.seq().0).collect();
        prop_assert_eq!(left, self.reference.close(reason), "what was left when it was closed");
        Ok(())
    }

    /// What holds after each step.
    fn check(&self) -> TestCaseResult {
        self.check_figures()?;
        self.check_memory()?;
        self.check_bells()?;
        let entries = self.mailbox().work.0.lock().line.len() + self.mailbox().intake.0.lock().entries.len();
        // Each event may have a gap of each lane before it, and the lanes and the intake have some at the end.
        let most = 5 * self.reference.queued().count() + 8;
        prop_assert!(entries <= most, "{} entries, of which at most {} can be of use", entries, most);
        Ok(())
    }

    fn check_figures(&self) -> TestCaseResult {
        let (figures, reference) = (self.mailbox().figures(), &self.reference);
        prop_assert_eq!(figures.matched, reference.matched, "matched");
        prop_assert_eq!(figures.done, reference.done, "done");
        prop_assert_eq!(figures.skipped, reference.skipped, "skipped");
        prop_assert_eq!(
            (figures.dead, figures.expired),
            (reference.dead, reference.expired),
            "dead, expired"
        );
        prop_assert_eq!(figures.dropped, reference.dropped, "dropped");
        prop_assert_eq!(figures.queued, reference.queued().count() as u64, "queued");
        prop_assert_eq!(figures.running, reference.running.len() as u64, "running");
        prop_assert_eq!(figures.bytes, reference.bytes(), "bytes");
        prop_assert_eq!(figures.waiting, reference.waiting_again.len() as u64, "waiting to be tried again");
        let again = reference.waiting_again.iter().map(|(_, letter, _)| *letter);
        let accepted: Vec<_> =
            reference.queued().chain(again).map(|letter| self.event(letter).accepted()).collect();
        match accepted.is_sorted() {
            true => prop_assert_eq!(figures.oldest, accepted.into_iter().min(), "the oldest"),
            // Who waited outside, or had a place, may come in behind one that was accepted later.
            false => {
                let found = figures.oldest.map_or(accepted.is_empty(), |oldest| accepted.contains(&oldest));
                prop_assert!(found, "the oldest is {:?}", figures.oldest);
            }
        }
        let settled =
            figures.done + figures.skipped + figures.dead + figures.expired + figures.dropped.total();
        prop_assert_eq!(
            figures.matched,
            settled + figures.queued + figures.running + figures.waiting,
            "everything is accounted for"
        );
        Ok(())
    }

    fn check_memory(&self) -> TestCaseResult {
        let reserved: u64 = self.reference.reserved.iter().map(|letter| letter.bytes).sum();
        let (held, inside) = (self.memory.held(), self.reference.bytes() - reserved);
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
        // Among those that sleep somebody minds the time for what is to be tried again.
        let first = self.reference.waiting_again.iter().map(|(due, ..)| *due).min();
        if let Some(due) = first.filter(|_| asleep && !comes && !self.reference.paused) {
            let due = Instant::now() + TICK * due.saturating_sub(self.reference.tick) as u32;
            let minds = |worker: &Worker| worker.sleeps() && worker.until.is_some_and(|until| until <= due);
            prop_assert!(self.workers.iter().any(minds), "nobody minds what is due then");
        }
        match self.reference.next_if_looked() {
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
        while !self.trackers.is_empty() {
            self.step(&Step::Free(0))?;
            self.check()?;
        }
        for _ in 0..3 {
            self.step(&Step::Tick)?;
        }
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

impl Taking {
    fn said(&self) -> String {
        match self {
            Taking::Taken(Taken::Event(queued)) => format!("event {}", queued.event.seq().0),
            Taking::Taken(Taken::Gap(gap)) => gap.to_string(),
            Taking::Asleep { .. } => "nothing now".to_owned(),
            Taking::Over => "nothing any more".to_owned(),
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

/// Stories for each thousand cases that `PROPTEST_CASES` asks of other tests, and at least so many.
const STORIES: u32 = 20_000;

fn config() -> ProptestConfig {
    let config = ProptestConfig::default();
    let cases = STORIES * (config.cases / 1_000).max(1);
    ProptestConfig { cases, failure_persistence: None, ..config }
}

#[test]
fn the_mailbox_does_what_the_slow_one_does() {
    // Not by `proptest!`, for which `PROPTEST_CASES` is the number itself.
    TestRunner::new(config()).run(&stories(), play).unwrap_or_else(|error| panic!("{error}"));
}

fn play(story: Story) -> TestCaseResult {
    let clock = CLOCK.with(|clock| clock.handle().clone());
    let _clock = clock.enter();
    let mut play = Play::new(&story);
    for (number, step) in story.steps.iter().enumerate() {
        let result = play.step(step).and_then(|()| play.check());
        told(format_args!("step {number}"), result)?;
    }
    told("coming to rest", play.come_to_rest().and_then(|()| play.check_rest()))?;
    told("closing it", play.close(DropReason::Unsubscribed).and_then(|()| play.check()))
}
