//! A story on the real bus, through what everybody can call, with the model beside it.

use std::{
    future::{Future, poll_fn},
    task::Poll,
    time::Duration,
};

use owlbus::{
    Bus, Subscription,
    settle::{Cycle, Settled},
    shutdown::ShutdownReport,
};
use proptest::{prelude::*, test_runner::TestCaseResult};
use tokio::task::JoinHandle;

use super::{
    promises::{Life, Published},
    real::{self, Given, Heard, Stage, merged},
    reference::{Answer, Model, Report, Time, Told},
    story::{Asks, How, Says, Sent, Step, Story, name},
};

/// What became of a tracked event in every subscription.
type Settling = JoinHandle<Result<Vec<Settled>, Cycle>>;

/// A publish on the real bus.
enum Publish {
    Waits(JoinHandle<Given>),
    Answered(Answer, Option<Settling>),
    /// Nobody is interested in it any more.
    Over,
}

/// A bus, and beside it what it should do.
pub struct Play {
    bus: Bus,
    model: Model,
    stage: Stage,
    to_come: Vec<Asks>,
    subscriptions: Vec<Subscription>,
    publishes: Vec<Publish>,
    ending: Option<JoinHandle<ShutdownReport>>,
    report: Option<Report>,
    published: Vec<Published>,
    /// How much of what each subscription was told has been compared, in the model and on the bus.
    compared: Vec<(usize, usize)>,
    /// The last step happened before anybody else did anything, and so does the next.
    at_once: bool,
}

/// Plays a story to its end.
pub fn play(story: &Story) -> TestCaseResult {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime can be built").block_on(async {
        let mut play = Play::new(story);
        for _ in 0..story.at_first {
            play.subscribe().await?;
        }
        for (number, step) in story.steps.iter().enumerate() {
            let told = play.step(step, story.steps.get(number + 1)).await;
            told.map_err(|error| of(&format!("step {number}"), error))?;
        }
        play.come_to_an_end().await.map_err(|error| of("the end", error))
    })
}

/// Lets everybody run until he waits for something.
async fn quiet() {
    for _ in 0..super::YIELDS {
        tokio::task::yield_now().await;
    }
}

impl Publish {
    fn answered(given: Given) -> Self {
        let answer = real::answer(&given);
        let tracked = given.ok().and_then(|(_, tracked)| tracked);
        Self::Answered(answer, tracked.map(|tracked| tokio::spawn(async move { tracked.settled().await })))
    }
}

/// Says what went wrong there.
fn of(place: &str, error: TestCaseError) -> TestCaseError {
    match error {
        TestCaseError::Fail(what) => TestCaseError::fail(format!("{place}: {what}")),
        TestCaseError::Reject(_) => error,
    }
}

impl Play {
    fn new(story: &Story) -> Self {
        let bus = Bus::builder().timeout(None);
        let bus = if story.paused { bus.paused() } else { bus };
        Self {
            bus: bus.build().expect("the defaults are right"),
            model: Model::new(story.paused),
            stage: Stage::default(),
            to_come: story.asks.iter().rev().copied().collect(),
            subscriptions: Vec::new(),
            publishes: Vec::new(),
            ending: None,
            report: None,
            published: Vec::new(),
            compared: Vec::new(),
            at_once: false,
        }
    }

    async fn step(&mut self, step: &Step, next: Option<&Step>) -> TestCaseResult {
        if let Step::Pass { time } = *step {
            self.pass(time).await?;
            return self.rest().await;
        }
        // What begins a time begins at a millisecond of its own.
        if !std::mem::take(&mut self.at_once) {
            self.pass(1).await?;
        }
        match *step {
            Step::Pass { .. } => {}
            Step::Publish { sent, how, times, at_once } => {
                for _ in 0..times {
                    self.publish(sent, how).await?;
                }
                let goes_on = matches!(next, Some(Step::Publish { .. } | Step::Unsubscribe { .. }));
                self.at_once = at_once && goes_on;
            }
            Step::End { who, which, says } => self.end(who, which, says)?,
            Step::Work { who, times } => {
                for _ in 1..times {
                    self.end(who, 0, Says::Done)?;
                    self.rest().await?;
                    self.pass(1).await?;
                }
                self.end(who, 0, Says::Done)?;
            }
            Step::Unsubscribe { who } => self.unsubscribe(who)?,
            Step::Subscribe => self.subscribe().await?,
            Step::Resume => {
                self.bus.resume();
                self.model.resume();
            }
            Step::Cancel { which } => self.cancel(which),
            Step::Shutdown { deadline } => self.shut_down(deadline),
        }
        if self.at_once { Ok(()) } else { self.rest().await }
    }

    /// Lets everybody do what there is to do, and looks at what became of it.
    async fn rest(&mut self) -> TestCaseResult {
        quiet().await;
        self.model.settle();
        self.check().await
    }

    /// Time passes from one deadline to the next, and nothing happens just before one.
    async fn pass(&mut self, time: Time) -> TestCaseResult {
        let until = self.model.now + time;
        while let Some(deadline) = self.model.next_deadline().filter(|deadline| *deadline <= until) {
            if deadline - 1 > self.model.now {
                self.advance(deadline - 1).await;
                self.rest().await?;
            }
            self.advance(deadline).await;
            self.rest().await?;
        }
        self.advance(until).await;
        Ok(())
    }

    async fn advance(&mut self, until: Time) {
        let time = until - self.model.now;
        tokio::time::advance(Duration::from_millis(time)).await;
        self.model.pass(time);
    }

    async fn subscribe(&mut self) -> TestCaseResult {
        let Some(asks) = self.to_come.pop() else { return Ok(()) };
        let number = self.subscriptions.len();
        let subscribed = real::subscribe(&self.bus, number, asks, &self.stage).await;
        prop_assert_eq!(subscribed.is_ok(), self.model.subscribe(asks), "whether one can subscribe");
        if let Ok(subscription) = subscribed {
            self.subscriptions.push(subscription);
            self.compared.push((0, 0));
        }
        Ok(())
    }

    async fn publish(&mut self, sent: Sent, how: How) -> TestCaseResult {
        let told_before = self.stage.seen().told.iter().map(Vec::len).collect();
        self.published.push(Published { sent, told_before });
        let mut publish = Box::pin(real::publish(self.bus.clone(), self.publishes.len(), sent, how));
        let publish = match poll_fn(|cx| Poll::Ready(publish.as_mut().poll(cx))).await {
            Poll::Ready(answered) => Publish::answered(answered),
            Poll::Pending => Publish::Waits(tokio::spawn(publish)),
        };
        self.publishes.push(publish);
        self.model.publish(sent, how);
        Ok(())
    }

    fn end(&mut self, who: usize, which: usize, says: Says) -> TestCaseResult {
        let running: Vec<usize> =
            (0..self.subscriptions.len()).filter(|who| !self.model.running(*who).is_empty()).collect();
        if running.is_empty() {
            return Ok(());
        }
        let who = running[who % running.len()];
        let running = self.model.running(who);
        let number = running[which % running.len()];
        self.model.end(number, who, says);
        let mut stage = self.stage.seen();
        let door = stage.doors.iter().position(|(at, behind, _)| (*at, *behind) == (who, number));
        let (_, _, door) = stage.doors.swap_remove(door.unwrap());
        prop_assert!(door.send(says).is_ok(), "event {} does not run in {}", number, name(who));
        Ok(())
    }

    fn unsubscribe(&mut self, who: usize) -> TestCaseResult {
        let who = who % self.subscriptions.len();
        let dropped = self.subscriptions[who].unsubscribe();
        prop_assert_eq!(
            dropped,
            self.model.unsubscribe(who),
            "what was dropped when {} was unsubscribed",
            name(who)
        );
        Ok(())
    }

    fn cancel(&mut self, which: usize) {
        let waiting = |at: &usize| matches!(self.publishes[*at], Publish::Waits(_));
        let waiting: Vec<usize> = (0..self.publishes.len()).filter(waiting).collect();
        if waiting.is_empty() {
            return;
        }
        let call = waiting[which % waiting.len()];
        if let Publish::Waits(task) = std::mem::replace(&mut self.publishes[call], Publish::Over) {
            task.abort();
        }
        self.model.give_up(call);
    }

    fn shut_down(&mut self, deadline: Time) {
        if self.ending.is_some() {
            return;
        }
        let bus = self.bus.clone();
        let within = Duration::from_millis(deadline);
        self.ending = Some(tokio::spawn(async move { bus.shutdown_within(within).await }));
        self.model.shut_down(deadline);
    }

    /// Ends the bus, and looks at what is left of it.
    async fn come_to_an_end(&mut self) -> TestCaseResult {
        self.step(&Step::Shutdown { deadline: 250 }, None).await?;
        while self.model.report().is_none() {
            self.pass(self.model.next_deadline().unwrap() - self.model.now).await?;
        }
        let stats = self.bus.stats();
        prop_assert_eq!(stats.bytes, 0, "bytes are held, and nothing is there");
        prop_assert_eq!(stats.accepted, self.model.accepted(), "accepted");
        prop_assert_eq!(stats.refused, self.model.refused(), "refused");
        for subscription in &self.subscriptions {
            let stats = subscription.stats();
            prop_assert!(stats.pending() == 0 && stats.is_conserved(), "{:?}", stats);
        }
        self.check_promises()
    }

    /// What holds whatever the model says.
    fn check_promises(&self) -> TestCaseResult {
        let seen = self.stage.seen();
        let band = |who: usize| self.model.asks(who).band;
        let first = (0..self.subscriptions.len()).map(band).max();
        for who in 0..self.subscriptions.len() {
            let first_band = Some(band(who)) == first;
            let life = Life { who, asks: self.model.asks(who), told: &seen.told[who], first_band };
            life.check(|number| &self.published[seen.calls[&number]])
                .map_err(|error| of(&name(who), error))?;
        }
        Ok(())
    }

    /// The bus is where the model is.
    async fn check(&mut self) -> TestCaseResult {
        for who in 0..self.subscriptions.len() {
            self.check_told(who)
                .and_then(|()| self.check_stats(who))
                .map_err(|error| of(&name(who), error))?;
        }
        prop_assert_eq!(
            &self.stage.seen().inline,
            &self.model.inline,
            "the calls inline handlers got events of"
        );
        for call in 0..self.publishes.len() {
            self.check_publish(call).await?;
        }
        self.check_report().await
    }

    /// A subscription was told of the same events, in the same order, and of the same gaps between them.
    fn check_told(&mut self, who: usize) -> TestCaseResult {
        let stage = self.stage.seen();
        let model = self.model.told(who);
        let (in_model, on_bus) =
            std::mem::replace(&mut self.compared[who], (model.len(), stage.told[who].len()));
        let should = model[in_model..].iter().map(|told| match *told {
            Told::Started(number) => Heard::Started(number),
            Told::Missed(number, reason) => Heard::Missed(reason.as_str(), 1, number, number),
        });
        prop_assert_eq!(
            merged(stage.told[who][on_bus..].iter().copied()),
            merged(should),
            "what it was told"
        );
        Ok(())
    }

    fn check_stats(&self, who: usize) -> TestCaseResult {
        let (stats, mut model) = (self.subscriptions[who].stats(), self.model.stats(who));
        // Bytes are beyond the model, which looks at them only when none may be left.
        (model.bytes, model.oldest) = (stats.bytes, stats.oldest);
        prop_assert!(stats.is_conserved(), "not everything is accounted for: {:?}", stats);
        prop_assert_eq!(stats, model, "its stats");
        Ok(())
    }

    /// A publisher got his answer when he should, and so did he who waits for everything to be settled.
    async fn check_publish(&mut self, call: usize) -> TestCaseResult {
        let Model { calls, .. } = &self.model;
        if let Publish::Waits(task) = &mut self.publishes[call] {
            prop_assert_eq!(
                task.is_finished(),
                calls[call].answer.is_some(),
                "whether publish {} has returned",
                call
            );
            if task.is_finished() {
                self.publishes[call] = Publish::answered(task.await.expect("a publish does not panic"));
                quiet().await;
            }
        }
        let Publish::Answered(given, settling) = &mut self.publishes[call] else { return Ok(()) };
        match (&*given, &calls[call].answer) {
            // Of several that are full, the bus may name any.
            (Answer::Full(named), Some(Answer::Full(full))) if full.contains(&named[0]) => {}
            (given, answer) => {
                prop_assert_eq!(Some(given), answer.as_ref(), "the answer to publish {}", call)
            }
        }
        if let Some(settling) = settling {
            let settled = calls[call].number.and_then(|number| self.model.settled(number));
            prop_assert_eq!(settling.is_finished(), settled.is_some(), "whether publish {} is settled", call);
            let Some(settled) = settled else { return Ok(()) };
            let on_bus = settling.await.expect("it does not panic").expect("no handler waits for another");
            let on_bus: Vec<_> = on_bus.iter().map(real::end).collect();
            prop_assert_eq!(on_bus, settled, "what became of publish {}", call);
        }
        self.publishes[call] = Publish::Over;
        Ok(())
    }

    async fn check_report(&mut self) -> TestCaseResult {
        if let Some(task) = self.ending.take_if(|ending| ending.is_finished()) {
            let ShutdownReport { undelivered, cancelled, failed, .. } =
                task.await.expect("it does not panic");
            let undelivered = undelivered.iter().map(|one| {
                let call = real::call(&one.event);
                (real::number(&one.subscription), self.model.calls[call].number.unwrap())
            });
            self.report = Some(Report { undelivered: undelivered.collect(), cancelled, failed });
        }
        prop_assert_eq!(self.report.as_ref(), self.model.report(), "the report of the shutdown");
        Ok(())
    }
}
