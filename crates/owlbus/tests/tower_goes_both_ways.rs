//! A layer of tower is a middleware, a bus is a service of tower, and a service of tower is a handler; errors keep their kind on the way.
#![cfg(feature = "tower")]

mod common;

use std::{sync::Arc, time::Duration};

use common::{Notes, end, event, listen, n, quiet, stats_of};
use owlbus::{
    Bus, Delivery, Event, HandlerError, PublishError,
    middleware::{AcceptRequest, HandleRequest, tower_accept, tower_handle, tower_handler},
    settle::{DeadLetterQuery, Retry},
};
use tower::{Service, ServiceBuilder, ServiceExt, limit::GlobalConcurrencyLimitLayer, timeout::TimeoutLayer};

const MILLI: Duration = Duration::from_millis(1);

#[tokio::test(start_paused = true)]
async fn a_layer_around_accept_changes_and_refuses() {
    let layer =
        ServiceBuilder::new().layer(tower::util::MapRequestLayer::new(|mut request: AcceptRequest| {
            let tens = n(&request.event) * 10;
            request.event = Event::builder(request.event)
                .data(serde_json::json!({ "n": tens }))
                .build()
                .expect("it has a topic");
            request
        }));
    let bus = Bus::builder().middleware(tower_accept("tens", layer).priority(2)).build().unwrap();
    let heard = listen(&bus, "test.*").await;
    bus.publish(event("test.n", 4)).await.unwrap();
    assert_eq!(n(&heard.once_there_are(1).await[0]), 40);

    let slow = owlbus::middleware::before_accept_async("slow", |event: Event| async move {
        tokio::time::sleep(MILLI * 50).await; // sleeps: on paused time.
        Ok::<_, String>(event)
    });
    bus.add_middleware(tower_accept("patience", TimeoutLayer::new(MILLI * 10)).priority(1)).unwrap();
    bus.add_middleware(slow).unwrap();
    let refused = bus.publish(event("test.n", 5)).await.unwrap_err();
    assert!(matches!(&refused, PublishError::Rejected { by, .. } if &**by == "patience"), "{refused}");
    bus.remove_middleware("patience");
    bus.remove_middleware("slow");
    // What is refused further in comes out as it was.
    bus.add_middleware(owlbus::middleware::before_accept("no", |_: Event| Err::<Event, _>("no"))).unwrap();
    let refused = bus.publish(event("test.n", 6)).await.unwrap_err();
    assert!(matches!(&refused, PublishError::Rejected { by, .. } if &**by == "no"), "{refused}");
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn a_layer_around_handle_holds_for_all_attempts() {
    let one = GlobalConcurrencyLimitLayer::new(1);
    let bus = Bus::builder().middleware(tower_handle("one at a time", one)).build().unwrap();
    let (running, noted) = Notes::pair();
    let at_once = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let handler = move |_: Delivery| {
        let (noted, at_once) = (noted.clone(), Arc::clone(&at_once));
        async move {
            noted.add(at_once.fetch_add(1, std::sync::atomic::Ordering::SeqCst));
            tokio::time::sleep(MILLI).await; // sleeps: on paused time.
            at_once.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
        }
    };
    bus.on("test.*").concurrency(5).handle(handler).await.unwrap();
    for n in 0..5 {
        bus.publish(event("test.n", n)).await.unwrap();
    }
    bus.shutdown().await;
    assert_eq!(running.all(), [0; 5]);
}

#[tokio::test(start_paused = true)]
async fn an_error_keeps_its_kind_and_that_of_a_layer_is_temporary() {
    let bus =
        Bus::builder().middleware(tower_handle("patience", TimeoutLayer::new(MILLI * 10))).build().unwrap();
    let handler = |delivery: Delivery| async move {
        match (n(&delivery), delivery.attempt()) {
            (1, _) => Err(HandlerError::permanent("never")),
            (2, 1) => {
                tokio::time::sleep(MILLI * 50).await; // sleeps: on paused time.
                Ok(())
            }
            _ => Ok(()),
        }
    };
    bus.on("test.*").name("it").retry(Retry::fixed(MILLI)).handle(handler).await.unwrap();
    for n in 1..=2 {
        bus.publish(event("test.n", n)).await.unwrap();
    }
    bus.shutdown().await;
    assert_eq!((stats_of(&bus, "it").done, stats_of(&bus, "it").dead), (1, 1));
    let letters = bus.dead_letters().list(&DeadLetterQuery::all());
    assert_eq!((letters[0].attempts.len(), letters[0].reason.as_str()), (1, "never"));
}

#[tokio::test(start_paused = true)]
async fn a_layer_that_lets_the_delivery_go_is_a_failure() {
    let layer = tower::util::MapRequestLayer::new(|request: HandleRequest| {
        assert!(n(&request.delivery) > 1, "it is too small");
        request
    });
    let bus = Bus::builder().middleware(tower_handle("large", layer)).build().unwrap();
    bus.on("test.*").name("it").handle(|_: Delivery| async {}).await.unwrap();
    for n in 1..=2 {
        bus.publish(event("test.n", n)).await.unwrap();
    }
    quiet().await;
    assert_eq!((stats_of(&bus, "it").done, stats_of(&bus, "it").dead), (1, 1));
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn a_bus_is_a_service_and_a_service_is_a_handler() {
    let bus = Bus::in_memory();
    let (seen, noted) = Notes::pair();
    let service = tower::service_fn(move |delivery: Delivery<common::Number>| {
        noted.add(delivery.n);
        async move { if delivery.n == 2 { Err(std::io::Error::other("no")) } else { Ok("let go of") } }
    });
    bus.on("test.*").name("it").handle(tower_handler(service)).await.unwrap();
    let mut publishes = bus.clone();
    for n in 1..=3 {
        let receipt = publishes.ready().await.unwrap().call(event("test.number", n)).await.unwrap();
        assert_eq!(receipt.matched, Some(1));
    }
    assert_eq!(seen.once_there_are(3).await, [1, 2, 3]);
    quiet().await;
    assert_eq!((stats_of(&bus, "it").done, stats_of(&bus, "it").dead), (2, 1));
    end(bus).await;
}
