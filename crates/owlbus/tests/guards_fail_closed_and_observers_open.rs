//! A middleware fails. What it guards is refused, and what it only observes goes on as if it were not there; and nobody is told that
//! an event was not published which was.

mod common;

use common::{end, event, listen, quiet, stats_of};
use owlbus::{
    Bus, Delivery, Event, HandlerError, Outcome, PublishError, Receipt,
    middleware::{
        AcceptNext, Duty, HandleNext, Hook, around_accept, around_handle, before_accept, before_handle,
    },
};

fn bus(hook: Hook, duty: Duty) -> Bus {
    Bus::builder().middleware(hook.duty(duty)).build().expect("it has one")
}

fn accepts<F>(function: impl Fn(Event, AcceptNext) -> F + Send + Sync + 'static) -> Hook
where
    F: Future<Output = Result<Receipt, PublishError>> + Send + 'static,
{
    around_accept("poor", function)
}

#[tokio::test(start_paused = true)]
async fn a_guard_that_panics_before_accept_refuses_and_an_observer_does_not() {
    for duty in [Duty::Guards, Duty::Observes] {
        for (at, hook) in [
            before_accept("poor", |_: Event| -> Result<Event, String> { panic!("oh") }),
            accepts(|_, _| async { panic!("oh") }),
            accepts(|_, _| async {
                tokio::task::yield_now().await;
                panic!("oh")
            }),
        ]
        .into_iter()
        .enumerate()
        {
            let bus = bus(hook, duty);
            let heard = listen(&bus, "test.*").await;
            let published = bus.publish(event("test.n", 1)).await;
            quiet().await;
            let info = &bus.middleware()[0];
            match duty {
                Duty::Guards => {
                    let error = published.unwrap_err().to_string();
                    assert!(error.ends_with("poor: panicked: oh"), "{at}: {error}");
                    assert_eq!((heard.all().len(), info.failed, info.refused), (0, 1, 1), "{at}");
                }
                Duty::Observes => {
                    assert_eq!(published.unwrap().matched, Some(1), "{at}");
                    assert_eq!((heard.all().len(), info.failed, info.refused), (1, 1, 0), "{at}");
                }
            }
            end(bus).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_observers_own_error_is_passed_over_and_that_of_others_is_not() {
    let observer = accepts(|event, _| async move { Err(PublishError::Closed { event }) });
    let bus = bus(observer, Duty::Observes);
    let heard = listen(&bus, "test.*").await;
    assert_eq!(bus.publish(event("test.n", 1)).await.unwrap().matched, Some(1));
    bus.add_middleware(before_accept("no", |_: Event| Err::<Event, _>("no"))).unwrap();
    assert!(
        matches!(bus.publish(event("test.n", 2)).await, Err(PublishError::Rejected { by, .. }) if &*by == "no")
    );
    quiet().await;
    assert_eq!(heard.all().len(), 1);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn what_was_published_is_never_said_not_to_be() {
    for duty in [Duty::Guards, Duty::Observes] {
        for hook in [
            accepts(|event, next| async move {
                _ = next.run(event).await;
                panic!("oh")
            }),
            accepts(|event, next| async move {
                _ = next.run(event.clone()).await;
                Err(PublishError::Closed { event })
            }),
        ] {
            let bus = bus(hook, duty);
            let heard = listen(&bus, "test.*").await;
            let receipt = bus.publish(event("test.n", 1)).await.unwrap();
            quiet().await;
            assert_eq!((receipt.matched, heard.all()[0].id()), (Some(1), receipt.id));
            assert_eq!(bus.middleware()[0].failed, 1);
            end(bus).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_guard_that_fails_fails_the_attempt_and_an_observer_does_not() {
    let panics = || before_handle("poor", |_: Delivery| panic!("oh"));
    let after = || {
        around_handle("poor", |delivery: Delivery, next: HandleNext| async move {
            _ = next.run(delivery).await;
            panic!("oh")
        })
    };
    let errs = || {
        around_handle("poor", |_: Delivery, _: HandleNext| async {
            Err::<Outcome, _>(HandlerError::permanent("oh"))
        })
    };
    for (hook, duty, done) in [
        (panics(), Duty::Guards, 0),
        (panics(), Duty::Observes, 1),
        (errs(), Duty::Guards, 0),
        (errs(), Duty::Observes, 1),
        (after(), Duty::Guards, 1),
        (after(), Duty::Observes, 1),
    ] {
        let bus = bus(hook, duty);
        bus.on("test.*").name("it").handle(|_: Delivery| async {}).await.unwrap();
        bus.publish(event("test.n", 1)).await.unwrap();
        quiet().await;
        let stats = stats_of(&bus, "it");
        assert_eq!((stats.done, stats.dead), (done, 1 - done));
        if done == 0 {
            let letters = bus.dead_letters().list(&owlbus::settle::DeadLetterQuery::all());
            assert!(letters[0].reason.contains("oh"), "{}", letters[0].reason);
        }
        end(bus).await;
    }
}
