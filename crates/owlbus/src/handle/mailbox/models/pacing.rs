//! What is kept until its time has come: somebody always lets it in, and it is accounted for once. These threads have no
//! clock, so a worker that finds nothing else lets it in at once.

use super::*;
use crate::event::Priority;

const KEPT: Pace = Pace::Latest { quiet: Duration::from_secs(3600), longest: None };

impl Scene {
    /// A thread that publishes these events, one after the other.
    fn paced(&self, seqs: &'static [u64]) -> JoinHandle<Vec<Offer>> {
        let scene = self.clone();
        thread::spawn(move || seqs.iter().map(|seq| scene.publish_paced(*seq)).collect())
    }

    fn publish_paced(&self, seq: u64) -> Offer {
        let (event, load) = event(seq);
        let (key, lane) = (event.key().into(), Priority::Normal);
        let place = match self.mailbox().needs_no_place(event.key(), lane) {
            true => Place::Needless,
            false => match self.mailbox().reserve(load, lane) {
                Offer::Queued => Place::Reserved,
                _ => Place::None,
            },
        };
        let give = || Queued::new(event.clone(), load);
        self.mailbox().pace(key, event.seq(), load, lane, place, give).0
    }
}

#[test]
fn the_latest_is_let_in_whoever_sleeps() {
    explore(|| {
        let scene = Plan::new(BLOCK, 9).workers(2).pace(KEPT).build();
        let last = Arc::new(Tally::default());
        let workers = (0..2).map(|number| {
            let last = Arc::clone(&last);
            scene.worker(number, move |event| {
                if [20, 21].contains(&event.seq().0) {
                    last.add();
                }
                Finish::Done
            })
        });
        let workers = workers.collect();
        join(vec![scene.paced(&[10, 20]), scene.paced(&[11, 21])]);
        last.wait_for(2);
        scene.mailbox().drain();
        let (events, _) = sum(join(workers));
        let figures = scene.check_end();
        assert_eq!((events.len() as u64, figures.matched), (figures.done, 4), "{events:?}");
    });
}

#[test]
fn a_drain_lets_in_what_is_kept_and_a_close_drops_it() {
    for drains in [true, false] {
        explore(move || {
            let scene = Plan::new(BLOCK, 9).pace(KEPT).build();
            let worker = scene.worker(0, |_| Finish::Done);
            scene.publish_paced(10);
            let publisher = if drains { None } else { Some(scene.paced(&[20, 30])) };
            match drains {
                true => scene.mailbox().drain(),
                false => _ = scene.close(DropReason::Unsubscribed),
            }
            let offers = publisher.map(|publisher| publisher.join().unwrap()).unwrap_or_default();
            let handled = worker.join().unwrap().events;
            let figures = scene.check_end();
            let closed = offers.iter().filter(|offer| **offer == Offer::Closed).count() as u64;
            assert_eq!(figures.matched + closed, 1 + offers.len() as u64);
            assert_eq!(figures.done, handled.len() as u64);
            assert!(!drains || handled == [10], "{handled:?}");
        });
    }
}

#[test]
fn a_window_lets_one_through() {
    explore(|| {
        let scene = Plan::new(BLOCK, 9).pace(Pace::First { within: Duration::from_secs(3600) }).build();
        let worker = scene.worker(0, |_| Finish::Done);
        let offers: Vec<_> = join(vec![scene.paced(&[10, 20]), scene.paced(&[30])]).concat();
        assert_eq!(offers.iter().filter(|offer| **offer == Offer::Queued).count(), 1, "{offers:?}");
        scene.mailbox().drain();
        assert_eq!(worker.join().unwrap().events.len(), 1);
        assert_eq!(scene.check_end().coalesced, 2);
    });
}

#[test]
fn a_publisher_gets_the_room_of_what_another_stands_for() {
    explore(|| {
        let scene = Plan::new(BLOCK, 1).pace(KEPT).build();
        scene.publish_paced(10);
        let waiting = scene.clone();
        let waiting = thread::spawn(move || {
            let (event, load) = event(11);
            waiting.wait(&event, load, Patience::Endless)
        });
        let other = scene.paced(&[20]);
        let worker = scene.worker(0, |_| Finish::Done);
        assert_eq!(waiting.join().unwrap(), Told::Inside);
        // It finds no room where the first has gone in, and does not wait.
        let came = join(vec![other]).concat().iter().filter(|offer| **offer != Offer::Full).count() as u64;
        scene.mailbox().drain();
        let events = worker.join().unwrap().events;
        assert!(events.contains(&11) && scene.check_end().matched == 2 + came, "{events:?}");
    });
}
