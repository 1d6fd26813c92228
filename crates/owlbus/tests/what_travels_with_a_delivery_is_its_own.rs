//! Code around a handler attaches values to a delivery, by their type, for the handler to find. They belong to that
//! attempt alone. The bus of a delivery is the bus of its event: what is published by it is caused by that event, in
//! whatever task and however late.

mod common;

use std::sync::Arc;

use common::{Door, Notes, Number, end, event, listen, n, number, quiet};
use owlbus::{Bus, Delivery, Event, Handler, HandlerError, Outcome, handle::Content};

/// Who is signed in, as code around the handler found out.
#[derive(Clone, Debug, PartialEq)]
struct User(String);

/// How many have looked at the delivery so far.
#[derive(Debug, PartialEq, Clone)]
struct Looks(u32);

/// A handler around another one: finds out who it is, and lets nobody in that it does not know.
struct SignedIn<H>(H);

impl<T: Content, H: Handler<T>> Handler<T> for SignedIn<H> {
    async fn handle(&self, mut delivery: Delivery<T>) -> Result<Outcome, HandlerError> {
        let Some(user) = delivery.event().metadata().get("user").and_then(|user| user.as_str()) else {
            return Ok(Outcome::Dead { reason: "nobody is signed in".into() });
        };
        let user = User(user.to_owned());
        let replaced = delivery.extensions_mut().insert(user);
        assert_eq!(replaced, None, "every attempt begins without");
        tokio::task::yield_now().await;
        self.0.handle(delivery).await
    }
}

/// A handler around another one: counts that it looked.
struct Looked<H>(H);

impl<T: Content, H: Handler<T>> Handler<T> for Looked<H> {
    async fn handle(&self, mut delivery: Delivery<T>) -> Result<Outcome, HandlerError> {
        match delivery.extensions_mut().get_mut::<Looks>() {
            Some(looks) => looks.0 += 1,
            None => _ = delivery.extensions_mut().insert(Looks(1)),
        }
        self.0.handle(delivery).await
    }
}

fn by(user: Option<&str>, n: u64) -> Event {
    let event = Event::builder(number(n));
    user.map_or(event.metadata("other", true), |user| Event::builder(number(n)).metadata("user", user))
        .build()
        .expect("the fields are right")
}

#[tokio::test(start_paused = true)]
async fn a_handler_finds_what_those_around_it_attached() {
    let (bus, seen) = (Bus::in_memory(), Notes::new());
    let noted = seen.clone();
    let handler = move |mut number: Delivery<Number>| {
        let user = number.extensions().get::<User>().cloned();
        let looks = number.extensions_mut().remove::<Looks>();
        assert_eq!(
            (number.extensions_mut().remove::<Looks>(), number.extensions().get::<u32>()),
            (None, None)
        );
        noted.add((user, looks.map(|looks| looks.0), number.n));
        async {}
    };
    let around = Looked(SignedIn(Looked(Looked(handler))));
    let subscription = bus.on("test.**").concurrency(3).handle(around).await.expect("the options are right");
    // Another subscription to the same events sees none of it.
    let other = |event: Delivery| async move {
        assert!(event.extensions().get::<User>().is_none() && event.extensions().get::<Looks>().is_none());
        assert_eq!(format!("{:?}", event.extensions()), "Extensions(0)");
    };
    let other = bus.on("test.**").handle(other).await.expect("the options are right");
    for (n, user) in [(1, Some("ann")), (2, None), (3, Some("bob"))] {
        bus.publish(by(user, n)).await.expect("it is accepted");
    }
    let named = |name: &str| Some(User(name.into()));
    let mut seen = seen.once_there_are(2).await;
    seen.sort_unstable_by_key(|(.., n)| *n);
    assert_eq!(seen, [(named("ann"), Some(3), 1), (named("bob"), Some(3), 3)]);
    quiet().await;
    assert_eq!((subscription.stats().dead, other.stats().done), (1, 3));
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn there_is_one_value_of_a_type_and_it_is_let_go_of_with_the_delivery() {
    let bus = Bus::in_memory();
    let held = Arc::new(());
    let attached = held.clone();
    let subscription = bus
        .subscribe(move |mut event: Delivery| {
            let extensions = event.extensions_mut();
            assert!(extensions.insert(attached.clone()).is_none());
            assert!(extensions.insert(attached.clone()).is_some(), "the one before comes back");
            assert_eq!((extensions.insert(1_u8), extensions.insert(2_u8)), (None, Some(1)));
            assert_eq!((extensions.get::<u8>(), extensions.get::<i8>()), (Some(&2), None));
            // Nothing of a user is shown.
            assert_eq!(format!("{extensions:?}"), "Extensions(2)");
            assert!(n(&event) != 2, "with all of it attached");
            async move { drop(event) }
        })
        .await
        .expect("the bus is open");
    for n in 1..=2 {
        bus.publish(number(n)).await.expect("it is accepted");
        quiet().await;
        assert_eq!(Arc::strong_count(&held), 2, "the test has one, and the handler");
    }
    assert_eq!((subscription.stats().done, subscription.stats().dead), (1, 1));
    end(bus).await;
    assert_eq!(Arc::strong_count(&held), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_published_by_its_bus_is_caused_by_it_in_other_tasks_and_later() {
    let (bus, door) = (Bus::in_memory(), Door::closed());
    let effects = listen(&bus, "effect").await;
    let waits = door.clone();
    let handler = move |number: Delivery<Number>| {
        let door = waits.clone();
        async move {
            let bus = number.bus().expect("somebody holds the bus");
            bus.try_publish(event("effect", number.n))?;
            let (task, thread) = (bus.clone(), bus);
            // Nobody waits for either of them; by then the worker is at other events.
            let late = async move {
                door.pass().await;
                task.publish(event("effect", 10)).await.map(drop)
            };
            tokio::spawn(late);
            std::thread::spawn(move || thread.publish_blocking(event("effect", 20)).map(drop))
                .join()
                .expect("no panic")?;
            Ok(())
        }
    };
    bus.on("test.number").handle(handler).await.expect("the options are right");
    let cause = Event::builder(number(1)).correlation_id("all of it").build().expect("the fields are right");
    bus.publish(cause.clone()).await.expect("it is accepted");
    effects.once_there_are(2).await;
    quiet().await;
    door.let_through(1);
    for effect in effects.once_there_are(3).await {
        let expected = (cause.correlation_id(), Some(cause.id()));
        assert_eq!((effect.correlation_id(), effect.causation_id()), expected, "{}", n(&effect));
    }
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn what_a_transformed_delivery_publishes_is_caused_by_the_accepted_event_whichever_way() {
    let bus = Bus::in_memory();
    let effects = listen(&bus, "effect").await;
    let holds = bus.clone();
    let handler = move |event: Delivery| {
        let bus = holds.clone();
        async move {
            bus.publish(common::event("effect", 1)).await?;
            event.bus().expect("somebody holds the bus").publish(common::event("effect", 2)).await?;
            event.publish(common::event("effect", 3)).await?;
            Ok(())
        }
    };
    let on = bus.on("test.number").map(|seen| event("elsewhere", n(&seen)));
    on.handle(handler).await.expect("the options are right");
    let cause = Event::new(number(1));
    bus.publish(cause.clone()).await.expect("it is accepted");
    for effect in effects.once_there_are(3).await {
        assert_eq!(effect.causation_id(), Some(cause.id()), "published in way {}", n(&effect));
    }
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn an_event_that_is_passed_on_is_not_its_own_cause_whichever_way() {
    let bus = Bus::in_memory();
    let passed_on = listen(&bus, "elsewhere").await;
    let handler = |event: Delivery| async move {
        let same = Event::builder(event.event().clone()).topic("elsewhere").build()?;
        event.bus().expect("somebody holds the bus").publish(same.clone()).await?;
        event.publish(same).await?;
        Ok(())
    };
    bus.on("test.number").handle(handler).await.expect("the options are right");
    bus.publish(number(1)).await.expect("it is accepted");
    for event in passed_on.once_there_are(2).await {
        assert_ne!(event.causation_id(), Some(event.id()));
    }
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_nobody_asked_for_is_a_refused_publish() {
    let (bus, seen) = (Bus::in_memory(), Notes::new());
    let noted = seen.clone();
    let handler = move |event: Delivery| {
        let noted = noted.clone();
        async move {
            let error = event.reply(number(42)).await.expect_err("nobody asked for a reply");
            noted.add((n(error.event()), error.to_string()));
        }
    };
    bus.on("questions").handle(handler).await.expect("the options are right");
    bus.publish(event("questions", 1)).await.expect("it is accepted");
    let (number, sentence) = seen.once_there_are(1).await[0].clone();
    assert!(number == 42 && sentence.contains("reply"), "{sentence}");
    assert_eq!((bus.stats().accepted, bus.stats().refused), (1, 1));
    end(bus).await;
}
