//! Middleware stands around an event on its way in, around each attempt of its handlers, and hears of its end. It stands in the order of
//! its priorities, sees every event whichever way it is published, and may change, refuse or drop it; what it did is counted.

mod common;

use std::{
    borrow::Cow,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use common::{Notes, assert_conserved, end, event, listen, n, quiet, stats_of};
use owlbus::{
    Bus, Delivery, Event, HandlerError, Outcome, PublishError, Receipt,
    middleware::{
        AcceptNext, HandleNext, Middleware, MiddlewareError, after_handle, around_accept, around_handle,
        before_accept, before_accept_async, before_handle, before_handle_async, on_settled, on_settled_async,
    },
    settle::{Retry, Settled, Settlement},
};

/// Notes when it is passed on the way in and on the way back.
#[derive(Clone)]
struct Gate {
    name: &'static str,
    priority: i32,
    passed: Notes<String>,
}

impl Middleware for Gate {
    fn name(&self) -> Cow<'static, str> {
        self.name.into()
    }

    fn priority(&self) -> i32 {
        self.priority
    }

    async fn accept(&self, event: Event, next: AcceptNext) -> Result<Receipt, PublishError> {
        self.passed.add(format!("{} in", self.name));
        let result = next.run(event).await;
        self.passed.add(format!("{} out", self.name));
        result
    }

    async fn handle(&self, delivery: Delivery, next: HandleNext) -> Result<Outcome, HandlerError> {
        self.passed.add(format!("{} before", self.name));
        let said = next.run(delivery).await;
        self.passed.add(format!("{} after", self.name));
        said
    }

    async fn settled(&self, _: &Event, outcomes: &[Settled]) {
        self.passed.add(format!("{} settled {}", self.name, outcomes.len()));
    }
}

fn gates(names: &[(&'static str, i32)]) -> (Bus, Notes<String>) {
    let passed = Notes::new();
    let bus = names.iter().fold(Bus::builder(), |builder, (name, priority)| {
        builder.middleware(Gate { name, priority: *priority, passed: passed.clone() })
    });
    (bus.build().expect("the names differ"), passed)
}

#[tokio::test(start_paused = true)]
async fn the_highest_priority_is_outermost_at_every_stage() {
    let (bus, passed) = gates(&[("b", 0), ("c", -1), ("a", 7), ("b2", 0)]);
    let (heard, noted) = (passed.clone(), passed.clone());
    bus.subscribe(move |_: Delivery<common::Number>| {
        noted.add("handler".to_owned());
        async {}
    })
    .await
    .unwrap();
    bus.publish(common::number(1)).await.unwrap();
    bus.shutdown().await;
    let order = ["a", "b", "b2", "c"];
    let way_in = order.iter().map(|name| format!("{name} in"));
    let way_out = order.iter().rev().map(|name| format!("{name} out"));
    let before = order.iter().map(|name| format!("{name} before"));
    let after = order.iter().rev().map(|name| format!("{name} after"));
    let settled = order.iter().map(|name| format!("{name} settled 1"));
    let all = way_in.chain(way_out).chain(before).chain(["handler".to_owned()]).chain(after).chain(settled);
    assert_eq!(heard.all(), all.collect::<Vec<_>>());
    let names: Vec<_> = bus.middleware().iter().map(|one| one.name.to_string()).collect();
    assert_eq!(names, order);
}

#[tokio::test(start_paused = true)]
async fn no_way_to_publish_leads_past_it() {
    let bus = Bus::builder()
        .middleware(before_accept("odd only", |event: Event| match event.get::<u64>("/n") {
            Some(n) if n % 2 == 0 => Err("even"),
            _ => Ok(event),
        }))
        .build()
        .unwrap();
    let heard = listen(&bus, "test.*").await;
    let even = || event("test.n", 2);
    let mut refused = vec![
        bus.publish(even()).await.map(drop),
        bus.try_publish(even()).map(drop),
        bus.event(even()).publish().await.map(drop),
        bus.event(even()).tracked().publish().await.map(drop),
        bus.event(even()).delay(Duration::from_secs(1)).publish().await.map(drop),
    ];
    let blocking = bus.clone();
    refused.push(
        tokio::task::spawn_blocking(move || blocking.publish_blocking(even()).map(drop)).await.unwrap(),
    );
    refused.extend(bus.publish_batch([even(), even()]).await.into_iter().map(|one| one.map(drop)));
    for refused in refused {
        let Err(PublishError::Rejected { by, reason, event }) = refused else { panic!("{refused:?}") };
        assert_eq!((&*by, &*reason, n(&event)), ("odd only", "even", 2));
    }
    let question = bus.request::<Event>(even(), Duration::from_secs(1)).await.unwrap_err();
    assert!(question.to_string().contains("odd only"), "{question}");
    assert_eq!((bus.middleware()[0].refused, bus.delayed()), (9, 0));
    bus.publish(event("test.n", 3)).await.unwrap();
    bus.try_publish(event("test.n", 5)).unwrap();
    assert_eq!(heard.once_there_are(2).await.len(), 2);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn it_may_change_the_event_and_nobody_gets_the_old_one() {
    let bus = Bus::builder()
        .middleware(before_accept("moved", |event: Event| {
            Event::builder(event).topic("new.place").metadata("by", "moved").build()
        }))
        .middleware(
            around_accept("replaced", |event: Event, next: AcceptNext| async move {
                match event.topic().as_str() {
                    "test.replace" => next.run(common::event("test.n", 9)).await,
                    _ => next.run(event).await,
                }
            })
            .priority(1),
        )
        .build()
        .unwrap();
    let (old, new) = (listen(&bus, "test.*").await, listen(&bus, "new.place").await);
    let receipt = bus.publish(event("test.n", 1)).await.unwrap();
    bus.publish(event("test.replace", 2)).await.unwrap();
    let new = new.once_there_are(2).await;
    assert_eq!((new[0].id(), n(&new[0]), new[0].metadata().get("by").is_some()), (receipt.id, 1, true));
    assert_eq!((n(&new[1]), new[1].source().is_empty()), (9, false));
    assert_eq!(old.all().len(), 0);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn what_it_drops_is_counted_and_named() {
    let drops = around_accept("sieve", |event: Event, next: AcceptNext| async move { next.discard(event) });
    let bus = Bus::builder().middleware(drops).build().unwrap();
    let heard = listen(&bus, "test.*").await;
    let receipt = bus.publish(event("test.n", 1)).await.unwrap();
    assert_eq!((receipt.matched, receipt.discarded_by.as_deref()), (Some(0), Some("sieve")));
    assert_eq!((bus.middleware()[0].dropped, bus.stats().accepted), (1, 0));
    quiet().await;
    assert_eq!(heard.all().len(), 0);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_under_way_keeps_the_chain_it_had() {
    let (bus, passed) = gates(&[("first", 0)]);
    bus.on("test.*").name("it").handle(|_: Delivery| async {}).await.unwrap();
    let held = bus.on("test.*").name("held").handle(|_: Delivery| async {}).await.unwrap();
    held.pause();
    bus.publish(event("test.n", 1)).await.unwrap();
    assert!(bus.remove_middleware("first"));
    assert!(!bus.remove_middleware("first"));
    bus.add_middleware(Gate { name: "second", priority: 0, passed: passed.clone() }).unwrap();
    let twice = bus.add_middleware(Gate { name: "second", priority: 0, passed: passed.clone() });
    assert_eq!(twice, Err(MiddlewareError::NameTaken { name: "second".into() }));
    held.resume();
    quiet().await;
    let first = [
        "first in",
        "first out",
        "first before",
        "first after",
        "first before",
        "first after",
        "first settled 2",
    ];
    assert_eq!(passed.all(), first);
    bus.publish(event("test.n", 2)).await.unwrap();
    quiet().await;
    assert_eq!(passed.all()[first.len()..], first.map(|line| line.replace("first", "second")));
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn it_stands_around_every_attempt_and_its_word_is_the_handlers() {
    let attempts = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&attempts);
    let bus = Bus::builder()
        .middleware(before_handle("count", move |delivery| {
            counted.fetch_add(1, SeqCst);
            Ok(delivery)
        }))
        .middleware(around_handle("skip", |delivery: Delivery, next: HandleNext| async move {
            match n(&delivery) {
                2 => Ok(Outcome::Skipped),
                3 => Err(HandlerError::permanent("not this one")),
                _ => next.run(delivery).await,
            }
        }))
        .build()
        .unwrap();
    let handler = |delivery: Delivery| async move {
        if delivery.attempt() < 3 { Err(HandlerError::temporary("again")) } else { Ok(()) }
    };
    bus.on("test.*").name("it").retry(Retry::fixed(Duration::from_millis(5))).handle(handler).await.unwrap();
    for n in 1..=3 {
        bus.publish(event("test.n", n)).await.unwrap();
    }
    bus.shutdown().await;
    let stats = stats_of(&bus, "it");
    assert_eq!((stats.done, stats.skipped, stats.dead), (1, 1, 1));
    assert_eq!(attempts.load(SeqCst), 5);
    assert_conserved(&bus);
}

#[tokio::test(start_paused = true)]
async fn a_handler_sees_what_it_made_of_the_delivery() {
    let bus = Bus::builder()
        .middleware(before_handle_async("ten times", |mut delivery: Delivery| async move {
            tokio::task::yield_now().await;
            delivery.extensions_mut().insert("attached");
            let other = Event::builder(common::number(n(&delivery) * 10)).topic("test.number").build()?;
            Ok(delivery.with_event(other))
        }))
        .build()
        .unwrap();
    let (seen, noted) = Notes::pair();
    bus.subscribe(move |number: Delivery<common::Number>| {
        noted.add((number.n, number.extensions().get::<&str>().copied(), number.seq()));
        async {}
    })
    .await
    .unwrap();
    let receipt = bus.publish(common::number(4)).await.unwrap();
    assert_eq!(seen.once_there_are(1).await, [(40, Some("attached"), receipt.seq)]);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn each_event_of_a_batch_goes_its_own_way() {
    let bus = Bus::builder()
        .middleware(around_handle("some", |delivery: Delivery, next: HandleNext| async move {
            tokio::task::yield_now().await;
            match n(&delivery) {
                1 => Ok(Outcome::Skipped),
                2 => {
                    let tens = common::event("test.n", 20);
                    next.run(delivery.with_event(tens)).await
                }
                3 => {
                    Err(next.run(delivery).await.err().unwrap_or_else(|| HandlerError::permanent("changed")))
                }
                _ => next.run(delivery).await,
            }
        }))
        .build()
        .unwrap();
    let (seen, noted) = Notes::pair();
    let handler = move |batch: Vec<Delivery>| {
        noted.add(batch.iter().map(|one| n(one)).collect::<Vec<_>>());
        async {}
    };
    bus.on("test.*").name("it").batch(5, Duration::from_millis(5)).handle_batch(handler).await.unwrap();
    for n in 0..5 {
        bus.publish(event("test.n", n)).await.unwrap();
    }
    assert_eq!(seen.once_there_are(1).await, [vec![0, 20, 3, 4]]);
    quiet().await;
    let stats = stats_of(&bus, "it");
    assert_eq!((stats.done, stats.skipped, stats.dead), (3, 1, 1));
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn the_end_is_told_once_with_every_outcome() {
    let (told, noted) = Notes::pair();
    let (later, noted_later) = Notes::pair();
    let bus = Bus::builder()
        .middleware(on_settled("ends", move |event: &Event, outcomes: &[Settled]| {
            noted.add((n(event), outcomes.iter().map(|one| one.settlement.clone()).collect::<Vec<_>>()));
        }))
        .middleware(on_settled_async("later", move |event: Event, outcomes: Vec<Settled>| {
            let noted = noted_later.clone();
            async move {
                tokio::task::yield_now().await;
                noted.add((n(&event), outcomes.len()));
            }
        }))
        .build()
        .unwrap();
    bus.publish(event("test.n", 0)).await.unwrap();
    assert_eq!(told.all(), [(0, vec![])], "nobody asked for it");
    bus.on("test.*").handle(|_: Delivery| async {}).await.unwrap();
    bus.on("test.*").inline(|_: &Event| Outcome::Skipped).await.unwrap();
    let retry = Retry::fixed(Duration::from_millis(5)).max(2);
    bus.on("test.*")
        .retry(retry)
        .handle(|_: Delivery| async { Err::<(), _>(HandlerError::temporary("no")) })
        .await
        .unwrap();
    bus.publish(event("test.n", 1)).await.unwrap();
    bus.shutdown().await;
    let dead = Settlement::Dead { reason: "no".into() };
    assert_eq!(told.all()[1..], [(1, vec![Settlement::Skipped, Settlement::Done, dead])]);
    assert_eq!(later.all(), [(0, 0), (1, 3)], "a shutdown waits for it");
}

#[tokio::test(start_paused = true)]
async fn who_does_not_wait_is_refused_where_it_waits() {
    let bus = Bus::builder()
        .middleware(before_accept_async("asks", |event: Event| async move {
            tokio::task::yield_now().await;
            Ok::<_, String>(event)
        }))
        .build()
        .unwrap();
    let heard = listen(&bus, "test.*").await;
    let refused = bus.try_publish(event("test.n", 1)).unwrap_err();
    assert!(refused.to_string().contains("asks: it waits, and this publish does not"), "{refused}");
    quiet().await;
    assert_eq!(heard.all().len(), 0);
    bus.publish(event("test.n", 2)).await.unwrap();
    let blocking = bus.clone();
    tokio::task::spawn_blocking(move || blocking.publish_blocking(event("test.n", 3)).unwrap())
        .await
        .unwrap();
    assert_eq!(heard.once_there_are(2).await.len(), 2);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn what_it_does_after_a_publish_that_does_not_wait_is_done_all_the_same() {
    let (told, noted) = Notes::pair();
    let bus = Bus::builder()
        .middleware(around_accept("writes", move |event: Event, next: AcceptNext| {
            let noted = noted.clone();
            async move {
                let receipt = next.run(event).await?;
                tokio::task::yield_now().await;
                noted.add(receipt.seq);
                Ok(receipt)
            }
        }))
        .build()
        .unwrap();
    let receipt = bus.try_publish(event("test.n", 1)).unwrap();
    assert_eq!(told.once_there_are(1).await, [receipt.seq]);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn after_handle_sees_what_was_said_and_changes_nothing() {
    let (told, noted) = Notes::pair();
    let bus = Bus::builder()
        .middleware(after_handle("log", move |event, said| {
            noted.add((n(event), said.is_ok()));
            panic!("it changes nothing");
        }))
        .build()
        .unwrap();
    bus.on("test.*")
        .name("it")
        .handle(|one: Delivery| async move {
            if n(&one) == 1 { Ok(()) } else { Err(HandlerError::permanent("no")) }
        })
        .await
        .unwrap();
    bus.publish(event("test.n", 1)).await.unwrap();
    bus.publish(event("test.n", 2)).await.unwrap();
    quiet().await;
    assert_eq!(told.all(), [(1, true), (2, false)]);
    assert_eq!((stats_of(&bus, "it").done, stats_of(&bus, "it").dead, bus.middleware()[0].failed), (1, 1, 2));
    end(bus).await;
}
