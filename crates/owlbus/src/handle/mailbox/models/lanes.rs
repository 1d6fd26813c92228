//! Lanes and bands: what is urgent is seen at once, and what was held back starts when nothing holds it any more.

use super::*;
use crate::{
    event::Priority,
    settle::{Settlement, Tracker},
};

fn urgent(seq: u64) -> (Event, Load) {
    let event =
        Event::builder(Event::signal("a.topic").unwrap()).priority(Priority::Immediate).build().unwrap();
    event.set_seq(Seq(seq));
    (event, Load::of(100))
}

impl Scene {
    fn publish_urgent(&self, seq: u64) {
        let (event, load) = urgent(seq);
        let give = || Queued::new(event.clone(), load);
        let (offer, _) = self.mailbox().offer(event.seq(), load, Priority::Immediate, give);
        assert_eq!(offer, Offer::Queued, "it has a place of its own");
    }
}

#[test]
fn an_immediate_event_is_the_next_to_start() {
    explore(|| {
        let scene = Plan::new(BLOCK, 3).build();
        let there = Arc::new(AtomicBool::new(false));
        let worker = {
            let (scene, there) = (scene.clone(), Arc::clone(&there));
            thread::spawn(move || {
                let mut hand = Hand::new(Arc::clone(&scene.subscriber), 0);
                let mut started = Vec::new();
                loop {
                    let mut was_there = false;
                    let taken = block_on(poll_fn(|cx| {
                        was_there = there.load(SeqCst);
                        hand.poll_take(cx)
                    }));
                    let Some(Taken::Event(queued)) = taken else { return started };
                    let seq = queued.event.seq().0;
                    assert!(seq == 50 || !was_there || started.contains(&50), "{seq} went before 50");
                    started.push(seq);
                    scene.mailbox().finish(&queued, Finish::Done);
                }
            })
        };
        // The mailbox is full for everybody else.
        let others = scene.publisher(0..3, Patience::None);
        scene.publish_urgent(50);
        there.store(true, SeqCst);
        others.join().unwrap();
        scene.mailbox().drain();
        assert_eq!(worker.join().unwrap().len(), 4);
        scene.check_end();
    });
}

#[test]
fn every_lane_is_emptied_and_nobody_sleeps_beside_it() {
    explore(|| {
        let scene = Plan::new(BLOCK, 100).workers(2).build();
        let workers = (0..2).map(|number| scene.worker(number, |_| Finish::Done)).collect();
        let normal = scene.publisher(0..2, Patience::None);
        let other = scene.clone();
        let other = thread::spawn(move || [50, 51].map(|seq| other.publish_urgent(seq)));
        normal.join().unwrap();
        other.join().unwrap();
        scene.tally.wait_for(4);
        scene.mailbox().drain();
        assert_eq!(sum(join(workers)), (vec![0, 1, 50, 51], 0));
        assert_eq!(scene.check_end().done, 4);
    });
}

#[test]
fn a_place_among_the_immediate_comes_free_and_is_taken() {
    explore(|| {
        let scene = Plan::new(BLOCK, 1).workers(2).build();
        let places = (0..URGENT_PLACES).map(|seq| {
            let (event, load) = urgent(seq);
            let give = || Queued::new(event.clone(), load);
            scene.mailbox().offer(event.seq(), load, Priority::Immediate, give).0
        });
        assert!(places.into_iter().all(|offer| offer == Offer::Queued));
        let waiting = scene.clone();
        let waiting = thread::spawn(move || {
            let (event, load) = urgent(URGENT_PLACES);
            waiting.wait(&event, load, Patience::Endless)
        });
        let workers = (0..2).map(|number| scene.worker(number, |_| Finish::Done)).collect();
        assert_eq!(waiting.join().unwrap(), Told::Inside);
        scene.tally.wait_for(URGENT_PLACES as usize + 1);
        scene.mailbox().drain();
        assert_eq!(sum(join(workers)).0.len() as u64, URGENT_PLACES + 1);
        scene.check_end();
    });
}

#[test]
fn a_lower_band_starts_after_the_higher_one_and_always_does() {
    for by_key in [false, true] {
        explore(move || {
            let plan = || if by_key { Plan::new(BLOCK, 9).by_key() } else { Plan::new(BLOCK, 9) };
            let (above, below) = (plan().band(1).build(), plan().build());
            let over = Arc::new(AtomicBool::new(false));
            let tracker = Tracker::new([&above.subscriber, &below.subscriber].into_iter());
            let (first, load) = event(1);
            for (place, scene) in [&above, &below].into_iter().enumerate() {
                let give = || Queued::watched_by(first.clone(), load, Some(tracker.watch(place)));
                scene.mailbox().offer(first.seq(), load, Priority::Normal, give);
            }
            // It has the same key, or stands behind it: either way it waits too.
            below.publish(11, Patience::None);
            let lower = {
                let over = Arc::clone(&over);
                below.worker(0, move |event| {
                    assert!(over.load(SeqCst), "{event} went before the higher band");
                    Finish::Done
                })
            };
            let higher = {
                let (above, over) = (above.clone(), Arc::clone(&over));
                thread::spawn(move || {
                    let mut hand = Hand::new(Arc::clone(&above.subscriber), 0);
                    let taken = block_on(poll_fn(|cx| hand.poll_take(cx)));
                    let Some(Taken::Event(queued)) = taken else { panic!("an event is there") };
                    thread::yield_now();
                    over.store(true, SeqCst);
                    above.mailbox().finish(&queued, Finish::Done);
                    queued.watched().unwrap().over(Settlement::Done);
                })
            };
            below.tally.wait_for(2);
            below.mailbox().drain();
            higher.join().unwrap();
            assert_eq!(lower.join().unwrap().events, [1, 11]);
            below.check_end();
        });
    }
}

#[test]
fn a_lower_band_is_let_go_when_the_higher_one_ends() {
    explore(|| {
        let (above, below) = (Plan::new(BLOCK, 9).band(1).build(), Plan::new(BLOCK, 9).build());
        let tracker = Tracker::new([&above.subscriber, &below.subscriber].into_iter());
        let (first, load) = event(1);
        for (place, scene) in [&above, &below].into_iter().enumerate() {
            let give = || Queued::watched_by(first.clone(), load, Some(tracker.watch(place)));
            scene.mailbox().offer(first.seq(), load, Priority::Normal, give);
        }
        let lower = below.worker(0, |_| Finish::Done);
        let closer = above.clone();
        let closer = thread::spawn(move || closer.close(DropReason::Unsubscribed));
        below.tally.wait_for(1);
        assert_eq!(closer.join().unwrap(), [1]);
        below.mailbox().drain();
        assert_eq!(lower.join().unwrap().events, [1]);
    });
}
