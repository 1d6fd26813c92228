//! The promise: in whatever order publishers, workers and whoever closes the mailbox take turns, nobody sleeps beside
//! what he waits for, nothing starts after the end, and every event is accounted for once.
//!
//! Each model is a few threads, and shuttle tries the orders they can run in. A thread that is not woken is a deadlock,
//! which shuttle reports.

#![expect(clippy::unwrap_used, reason = "a test that unwraps the wrong thing fails, as it should")]

mod lanes;
mod pacing;

use std::{future::poll_fn, rc::Rc, sync::Arc, time::Duration};

use shuttle::{
    future::block_on,
    sync::{Barrier, Condvar},
    thread::{self, JoinHandle},
};

use super::*;
use crate::{
    Bus,
    dispatch::{Ahead, Matched, Subscriber, Wait, Waited, deliver, reserve},
    handle::worker::Hand,
    journal::Seq,
    sync::{atomic::Ordering::SeqCst, explore},
};

const BLOCK: Overflow = Overflow::Block { timeout: Duration::from_secs(5) };

/// A subscription whose mailbox has room for so many events.
struct Plan {
    overflow: Overflow,
    events: u64,
    bytes: u64,
    workers: usize,
    by_key: bool,
    once: bool,
    band: i32,
    pace: Option<Pace>,
}

impl Plan {
    fn new(overflow: Overflow, events: u64) -> Self {
        let (bytes, workers) = (1 << 20, 1);
        Self { overflow, events, bytes, workers, by_key: false, once: false, band: 0, pace: None }
    }

    fn bytes(self, bytes: u64) -> Self {
        Self { bytes, ..self }
    }

    fn workers(self, workers: usize) -> Self {
        Self { workers, ..self }
    }

    fn by_key(self) -> Self {
        Self { by_key: true, ..self }
    }

    fn band(self, band: i32) -> Self {
        Self { band, ..self }
    }

    fn once(self) -> Self {
        Self { once: true, ..self }
    }

    fn pace(self, pace: Pace) -> Self {
        Self { pace: Some(pace), ..self }
    }

    fn build(self) -> Scene {
        let memory = Arc::new(Memory::new(1 << 30));
        let pause = Arc::new(Pause::default());
        let marks = Marks { events: self.events, bytes: self.bytes };
        let Self { overflow, workers, by_key, pace, .. } = self;
        let shape = Shape { marks, overflow, workers, by_key, pace };
        let mailbox = Mailbox::new(shape, Arc::clone(&pause), Arc::clone(&memory));
        let subscriber = Subscriber {
            claimed: self.once.then(AtomicBool::default),
            ..Subscriber::bare("model", self.band, mailbox)
        };
        Scene {
            subscriber: Arc::new(subscriber),
            bus: Bus::in_memory(),
            memory,
            pause,
            tally: Arc::default(),
        }
    }
}

/// What the threads of a model share.
#[derive(Clone)]
struct Scene {
    subscriber: Arc<Subscriber>,
    bus: Bus,
    memory: Arc<Memory>,
    pause: Arc<Pause>,
    tally: Arc<Tally>,
}

/// How many events were handled, and who waits for that.
#[derive(Default)]
struct Tally {
    handled: shuttle::sync::Mutex<usize>,
    more: Condvar,
}

impl Tally {
    fn add(&self) {
        *self.handled.lock().unwrap() += 1;
        self.more.notify_all();
    }

    fn wait_for(&self, events: usize) {
        let mut handled = self.handled.lock().unwrap();
        while *handled < events {
            handled = self.more.wait(handled).unwrap();
        }
    }
}

/// What a worker got.
#[derive(Default)]
struct Got {
    events: Vec<u64>,
    missed: u64,
}

/// What became of an event, as its publisher was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Inside,
    Dropped(DropReason),
    Gone,
}

impl Scene {
    fn mailbox(&self) -> &Mailbox {
        &self.subscriber.mailbox
    }

    /// A thread that works until nothing comes any more.
    fn worker(
        &self,
        number: usize,
        mut handle: impl FnMut(&Event) -> Finish + Send + 'static,
    ) -> JoinHandle<Got> {
        let scene = self.clone();
        thread::spawn(move || {
            let mut hand = Hand::new(Arc::clone(&scene.subscriber), number);
            let mut got = Got::default();
            while let Some(taken) = block_on(poll_fn(|cx| hand.poll_take(cx))) {
                match taken {
                    Taken::Gap(gap) => got.missed += gap.missed,
                    Taken::Event(queued) => {
                        got.events.push(queued.event.seq().0);
                        let finish = handle(&queued.event);
                        scene.mailbox().finish(&queued, finish);
                        scene.tally.add();
                    }
                }
            }
            got
        })
    }

    /// A thread that publishes these events, one after the other, and says what became of each.
    fn publisher(&self, seqs: std::ops::Range<u64>, patience: Patience) -> JoinHandle<Vec<(u64, Told)>> {
        let scene = self.clone();
        thread::spawn(move || seqs.map(|seq| (seq, scene.publish(seq, patience))).collect())
    }

    fn publish(&self, seq: u64, patience: Patience) -> Told {
        let (event, load) = event(seq);
        let give = || Queued::new(event.clone(), load);
        match self.mailbox().offer(event.seq(), load, event.priority(), give).0 {
            Offer::Queued | Offer::Kept => Told::Inside,
            // Of one event that was dropped the publisher is told, be it his own or an older one.
            Offer::Displaced { .. } | Offer::Dropped => Told::Dropped(DropReason::Overflow),
            Offer::Closed => Told::Gone,
            Offer::Coalesced => panic!("this one is paced by nobody"),
            Offer::Full => self.wait(&event, load, patience),
        }
    }

    fn wait(&self, event: &Event, load: Load, patience: Patience) -> Told {
        let queued = Queued::new(event.clone(), load);
        let mut wait = Wait::new(Arc::clone(&self.subscriber), queued);
        let waited = match patience {
            Patience::Endless => block_on(poll_fn(|cx| wait.poll(cx))),
            Patience::None => wait.give_up(),
        };
        match waited {
            Waited::Inside => Told::Inside,
            Waited::Dropped(reason) => Told::Dropped(reason),
            Waited::Gone => Told::Gone,
        }
    }

    /// Closes the mailbox, and gives what was left.
    fn close(&self, reason: DropReason) -> Vec<u64> {
        self.mailbox().close(reason).iter().map(|event| event.seq().0).collect()
    }

    /// Every event is accounted for, and nothing is held any more.
    fn check_end(&self) -> Figures {
        let figures = self.mailbox().figures();
        assert_eq!(figures.matched, accounted(&figures), "{figures:?}");
        let left = (figures.paced, figures.queued, figures.running, figures.bytes);
        assert_eq!(left, (0, 0, 0, 0), "{figures:?}");
        assert_eq!(self.memory.held(), 0);
        figures
    }
}

#[derive(Clone, Copy)]
enum Patience {
    Endless,
    None,
}

fn accounted(figures: &Figures) -> u64 {
    // What is counted once too often elsewhere is missing here, and may be less than nothing.
    assert!(figures.done <= figures.matched, "{figures:?}");
    let settled = figures.done + figures.skipped + figures.dead + figures.dropped.total();
    settled + figures.coalesced + figures.paced + figures.queued + figures.running
}

/// The number of an event that is as large as three others.
const LARGE: u64 = 99;

/// An event with this number; the last digit is its key.
fn event(seq: u64) -> (Event, Load) {
    let key = (seq % 10).to_string();
    let event = Event::builder(Event::signal("a.topic").unwrap()).key(key).build().unwrap();
    event.set_seq(Seq(seq));
    (event, Load::of(if seq == LARGE { 300 } else { 100 }))
}

fn join<T>(threads: Vec<JoinHandle<T>>) -> Vec<T> {
    threads.into_iter().map(|thread| thread.join().unwrap()).collect()
}

/// The numbers of all events the workers got, and how many they were told they missed.
fn sum(got: Vec<Got>) -> (Vec<u64>, u64) {
    let missed = got.iter().map(|got| got.missed).sum();
    let mut events: Vec<u64> = got.into_iter().flat_map(|got| got.events).collect();
    events.sort_unstable();
    (events, missed)
}

#[test]
fn a_sleeping_worker_is_woken_for_every_event() {
    explore(|| {
        let scene = Plan::new(BLOCK, 100).workers(2).build();
        let workers = (0..2).map(|number| scene.worker(number, |_| Finish::Done)).collect();
        let publishers = vec![scene.publisher(0..2, Patience::None), scene.publisher(10..12, Patience::None)];
        join(publishers);
        scene.tally.wait_for(4);
        scene.mailbox().drain();
        assert_eq!(sum(join(workers)), (vec![0, 1, 10, 11], 0));
        assert_eq!(scene.check_end().done, 4);
    });
}

#[test]
fn two_events_run_at_once_where_two_workers_sleep() {
    explore(|| {
        let scene = Plan::new(BLOCK, 100).workers(2).build();
        // Each handler returns when the other one has begun.
        let meet = Arc::new(Barrier::new(2));
        let workers = (0..2).map(|number| {
            let meet = Arc::clone(&meet);
            scene.worker(number, move |_| {
                meet.wait();
                Finish::Done
            })
        });
        let workers = workers.collect();
        scene.publisher(0..4, Patience::None).join().unwrap();
        scene.tally.wait_for(4);
        scene.mailbox().drain();
        assert_eq!(sum(join(workers)).0.len(), 4);
    });
}

#[test]
fn two_keys_run_at_once_and_one_in_order() {
    explore(|| {
        let scene = Plan::new(BLOCK, 100).workers(3).by_key().build();
        let running = Arc::new(shuttle::sync::Mutex::new([0; 2]));
        let workers = (0..3).map(|number| {
            let running = Arc::clone(&running);
            scene.worker(number, move |event| {
                let (key, number) = ((event.seq().0 % 10) as usize, event.seq().0 / 10);
                let begun = std::mem::replace(&mut running.lock().unwrap()[key], 2 * number + 1);
                assert_eq!(begun, 2 * number, "the one before is done");
                thread::yield_now();
                let done = std::mem::replace(&mut running.lock().unwrap()[key], 2 * number + 2);
                assert_eq!(done, 2 * number + 1, "nothing else of the key began");
                Finish::Done
            })
        });
        let workers = workers.collect();
        let publisher = |key| {
            let scene = scene.clone();
            thread::spawn(move || [key, 10 + key, 20 + key].map(|seq| scene.publish(seq, Patience::None)))
        };
        let publishers = vec![publisher(0), publisher(1)];
        join(publishers);
        // Whether workers sleep already or not, all of them end.
        scene.mailbox().drain();
        assert_eq!(sum(join(workers)).0, [0, 1, 10, 11, 20, 21]);
        scene.check_end();
    });
}

#[test]
fn a_key_that_comes_free_wakes_a_worker() {
    explore(|| {
        let scene = Plan::new(BLOCK, 100).workers(2).by_key().build();
        let workers = (0..2).map(|number| scene.worker(number, |_| Finish::Done)).collect();
        let publisher = scene.clone();
        let publisher = thread::spawn(move || [10, 20, 30].map(|seq| publisher.publish(seq, Patience::None)));
        publisher.join().unwrap();
        scene.tally.wait_for(3);
        scene.mailbox().drain();
        assert_eq!(sum(join(workers)), (vec![10, 20, 30], 0));
    });
}

#[test]
fn a_key_that_a_lost_worker_held_wakes_another() {
    explore(|| {
        let scene = Plan::new(BLOCK, 100).workers(2).by_key().build();
        let other = scene.worker(1, |_| Finish::Done);
        let lost = scene.clone();
        let lost = thread::spawn(move || {
            let mut hand = Hand::new(Arc::clone(&lost.subscriber), 0);
            if let Some(Taken::Event(queued)) = block_on(poll_fn(|cx| hand.poll_take(cx))) {
                thread::yield_now();
                lost.mailbox().finish(&queued, Finish::Dropped(DropReason::Shutdown));
                lost.tally.add();
            }
        });
        let publisher = scene.clone();
        let publisher = thread::spawn(move || [10, 20, 30].map(|seq| publisher.publish(seq, Patience::None)));
        publisher.join().unwrap();
        scene.tally.wait_for(3);
        scene.mailbox().drain();
        lost.join().unwrap();
        let got = other.join().unwrap();
        assert_eq!(got.events.len() as u64, 3 - scene.check_end().dropped.shutdown);
    });
}

#[test]
fn as_many_workers_are_woken_as_publishers_are_let_in_at_once() {
    explore(|| {
        let scene = Plan::new(BLOCK, 100).bytes(300).workers(3).build();
        let meet = Arc::new(Barrier::new(3));
        let workers = (0..3).map(|number| {
            let (stage, meet) = (scene.clone(), Arc::clone(&meet));
            scene.worker(number, move |event| {
                if event.seq().0 != LARGE {
                    meet.wait();
                    return Finish::Done;
                }
                // In the room of this one there is room for all three.
                while stage.mailbox().intake.0.lock().outside.len() < 3 {
                    thread::yield_now();
                }
                Finish::Done
            })
        });
        let workers = workers.collect();
        assert_eq!(scene.publish(LARGE, Patience::None), Told::Inside);
        let publishers = (0..3).map(|seq| scene.publisher(seq..seq + 1, Patience::Endless)).collect();
        join(publishers);
        scene.tally.wait_for(4);
        scene.mailbox().drain();
        assert_eq!(sum(join(workers)).0, [0, 1, 2, LARGE]);
    });
}

#[test]
fn who_waits_for_room_is_let_in() {
    explore(|| {
        let scene = Plan::new(BLOCK, 1).workers(2).build();
        let workers = (0..2).map(|number| scene.worker(number, |_| Finish::Done)).collect();
        let publishers = [0..2, 10..12, 20..21].map(|seqs| scene.publisher(seqs, Patience::Endless));
        let told = join(publishers.into()).concat();
        assert!(told.iter().all(|(_, told)| *told == Told::Inside), "{told:?}");
        scene.tally.wait_for(5);
        scene.mailbox().drain();
        assert_eq!(sum(join(workers)), (vec![0, 1, 10, 11, 20], 0));
        scene.check_end();
    });
}

#[test]
fn who_stops_waiting_is_inside_or_dropped() {
    explore(|| {
        let scene = Plan::new(BLOCK, 1).build();
        let worker = scene.worker(0, |_| Finish::Done);
        let publishers = vec![
            scene.publisher(0..2, Patience::None),
            scene.publisher(10..12, Patience::None),
            scene.publisher(20..22, Patience::Endless),
        ];
        let told = join(publishers).concat();
        scene.mailbox().drain();
        let got = worker.join().unwrap();
        for (seq, told) in &told {
            let was_taken = got.events.contains(seq);
            assert_eq!(*told == Told::Inside, was_taken, "{seq} was {told:?}");
        }
        let figures = scene.check_end();
        assert_eq!((figures.matched, figures.dropped.block_timeout), (6, got.missed));
    });
}

#[test]
fn nothing_starts_after_close_returned() {
    for reason in [DropReason::Unsubscribed, DropReason::Shutdown] {
        explore(move || close_beside_publishers_and_workers(reason));
    }
}

fn close_beside_publishers_and_workers(reason: DropReason) {
    let scene = Plan::new(BLOCK, 1).workers(2).build();
    let closed = Arc::new(AtomicBool::new(false));
    let workers: Vec<_> = (0..2)
        .map(|number| {
            let (scene, closed) = (scene.clone(), Arc::clone(&closed));
            thread::spawn(move || {
                let mut hand = Hand::new(Arc::clone(&scene.subscriber), number);
                let mut got = Got::default();
                loop {
                    let mut was_closed = false;
                    let taken = block_on(poll_fn(|cx| {
                        was_closed = closed.load(SeqCst);
                        hand.poll_take(cx)
                    }));
                    let Some(taken) = taken else { return got };
                    assert!(!was_closed, "something was taken after the end");
                    match taken {
                        Taken::Gap(gap) => got.missed += gap.missed,
                        Taken::Event(queued) => {
                            got.events.push(queued.event.seq().0);
                            scene.mailbox().finish(&queued, Finish::Done);
                        }
                    }
                }
            })
        })
        .collect();
    let publishers = vec![scene.publisher(0..2, Patience::Endless), scene.publisher(10..12, Patience::None)];
    let closer = {
        let scene = scene.clone();
        thread::spawn(move || {
            let left = scene.close(reason);
            closed.store(true, SeqCst);
            left
        })
    };
    let left = closer.join().unwrap();
    let told = join(publishers).concat();
    let (taken, _) = sum(join(workers));
    for (seq, told) in &told {
        let (was_taken, was_left) = (taken.contains(seq), left.contains(seq));
        let fits = match told {
            Told::Inside => was_taken != was_left,
            Told::Dropped(DropReason::Shutdown) => !was_taken && was_left,
            Told::Dropped(_) | Told::Gone => !was_taken && !was_left,
        };
        assert!(fits, "{seq} was {told:?}, taken: {was_taken}, left: {was_left}");
    }
    let figures = scene.check_end();
    assert_eq!(figures.done, taken.len() as u64);
    assert_eq!(figures.dropped.unsubscribed + figures.dropped.shutdown, left.len() as u64);
    let matched = told.iter().filter(|(_, told)| *told != Told::Gone).count();
    assert_eq!(figures.matched, matched as u64, "{told:?}");
}

#[test]
fn the_oldest_is_dropped_or_taken_and_never_both() {
    for by_key in [false, true] {
        explore(move || {
            let plan = Plan::new(Overflow::DropOldest, 2).workers(2);
            let scene = if by_key { plan.by_key().build() } else { plan.build() };
            let workers = (0..2).map(|number| scene.worker(number, |_| Finish::Done)).collect();
            let publishers =
                vec![scene.publisher(10..13, Patience::None), scene.publisher(20..23, Patience::None)];
            let told = join(publishers).concat();
            scene.mailbox().drain();
            let (taken, missed) = sum(join(workers));
            let figures = scene.check_end();
            assert_eq!(figures.matched, 6);
            assert_eq!((figures.done, figures.dropped.overflow), (taken.len() as u64, missed));
            let dropped =
                told.iter().filter(|(_, told)| *told == Told::Dropped(DropReason::Overflow)).count();
            assert_eq!(dropped as u64, missed, "each drop is told to a publisher and to the subscription");
        });
    }
}

#[test]
fn at_no_instant_is_an_event_counted_twice_or_not_at_all() {
    explore(|| {
        let scene = Plan::new(Overflow::DropNewest, 2).workers(2).build();
        let finishes = [Finish::Skipped, Finish::Dead];
        let mut workers: Vec<_> =
            (0..2).map(|number| scene.worker(number, move |_| finishes[number])).collect();
        let publisher = scene.publisher(0..3, Patience::None);
        for _ in 0..3 {
            let figures = scene.mailbox().figures();
            assert_eq!(figures.matched, accounted(&figures), "{figures:?}");
        }
        publisher.join().unwrap();
        scene.mailbox().drain();
        workers.drain(..).for_each(|worker| _ = worker.join().unwrap());
        scene.check_end();
    });
}

#[test]
fn the_end_of_a_pause_wakes_who_sleeps() {
    explore(|| {
        let scene = Plan::new(BLOCK, 100).build();
        scene.pause.hold();
        scene.publisher(0..3, Patience::None).join().unwrap();
        let worker = scene.worker(0, |_| Finish::Done);
        scene.pause.resume();
        scene.mailbox().wake();
        scene.tally.wait_for(3);
        scene.mailbox().drain();
        assert_eq!(worker.join().unwrap().events, [0, 1, 2]);
    });
}

#[test]
fn one_event_claims_a_subscription_for_one() {
    explore(|| {
        let scene = Plan::new(BLOCK, 1).once().build();
        let worker = scene.worker(0, |_| Finish::Done);
        let publishers = (1..4).map(|seq| scene.dispatcher(seq)).collect();
        let matched: usize = join(publishers).into_iter().sum();
        assert_eq!(matched, 1);
        scene.mailbox().drain();
        assert_eq!(worker.join().unwrap().events.len(), 1);
        scene.check_end();
    });
}

#[test]
fn a_place_that_is_reserved_is_used_or_given_back() {
    explore(|| {
        let scene = Plan::new(Overflow::Reject, 1).build();
        let worker = scene.worker(0, |_| Finish::Done);
        let publishers = (1..4).map(|seq| scene.dispatcher(seq)).collect();
        let giving_back = scene.clone();
        let giving_back = thread::spawn(move || {
            let (event, load) = event(9);
            drop(reserve(&giving_back.matched(), &event, load, Ahead::Refusing));
        });
        let matched: usize = join(publishers).into_iter().sum();
        giving_back.join().unwrap();
        scene.mailbox().drain();
        let got = worker.join().unwrap();
        assert_eq!((got.events.len(), got.missed), (matched, 0));
        assert_eq!(scene.check_end().matched, matched as u64);
    });
}

impl Scene {
    fn matched(&self) -> Rc<Matched> {
        Rc::new(Matched::new(vec![Arc::clone(&self.subscriber)], Arc::default()))
    }

    /// A thread that publishes one event as `accept` does; gives the number of subscriptions that matched.
    fn dispatcher(&self, seq: u64) -> JoinHandle<usize> {
        let scene = self.clone();
        thread::spawn(move || {
            let (matched, (event, load)) = (scene.matched(), event(seq));
            let reserved = match scene.subscriber.rejects() {
                true => reserve(&matched, &event, load, Ahead::Refusing).map(Some),
                false => Ok(None),
            };
            reserved.map_or(0, |reserved| {
                deliver(scene.bus.core(), &matched, event, load, reserved, false).matched
            })
        })
    }
}
