//! Inline handlers and filters run inside a publish and may publish in turn, without waiting. What they publish is caused
//! by the event they look at; a chain of them ends at the 17th with the names of those in it, and leaves nothing behind.

mod common;

use std::sync::{Arc, Mutex};

use common::{Door, Notes, end, event, listen, n, number, quiet, stats_of};
use owlbus::{Bus, Delivery, Event, Overflow, PublishError};

/// How many publishes may be inside one another.
const DEEPEST: u64 = 16;

/// The names in a `Cycle`, and the number of the event that comes back with it.
fn cycle(result: Result<owlbus::Receipt, PublishError>) -> Option<(u64, Vec<String>)> {
    match result {
        Err(PublishError::Cycle { event, path }) => {
            Some((n(&event), path.iter().map(ToString::to_string).collect()))
        }
        Err(other) => panic!("{other}"),
        Ok(_) => None,
    }
}

/// An inline handler that passes every event on under another topic, with the next number. Notes the cycles it meets.
async fn passes_on(bus: &Bus, from: &str, to: &'static str, name: &str, cycles: &Notes<(u64, Vec<String>)>) {
    let (inside, cycles) = (bus.clone(), cycles.clone());
    let handler = move |seen: &Event| {
        cycle(inside.try_publish(event(to, n(seen) + 1))).into_iter().for_each(|cycle| cycles.add(cycle));
    };
    bus.on(from).name(name).inline(handler).await.expect("the options are right");
}

#[tokio::test(start_paused = true)]
async fn sixteen_are_inside_one_another_and_the_next_is_refused_by_name() {
    let (bus, cycles) = (Bus::in_memory(), Notes::new());
    passes_on(&bus, "ping", "pong", "pings", &cycles).await;
    passes_on(&bus, "pong", "ping", "pongs", &cycles).await;
    let all = listen(&bus, ["ping", "pong"]).await;
    for round in 1..=3 {
        let receipt = bus.publish(event("ping", 1)).await.expect("the first one is inside of none");
        assert_eq!(receipt.matched, Some(2));
        let all = all.once_there_are(round * DEEPEST as usize).await;
        // The innermost has ended first.
        let last = all[(round - 1) * DEEPEST as usize..].iter().map(n);
        assert!(last.eq((1..=DEEPEST).rev()), "every one of them came");
        let (refused, path) = &cycles.all()[round - 1];
        assert_eq!((*refused, path.len() as u64), (DEEPEST + 1, DEEPEST));
        assert_eq!((&*path[0], &*path[1], &*path[15]), ("pings", "pongs", "pongs"));
    }
    assert_eq!((bus.stats().accepted, bus.stats().refused), (3 * DEEPEST, 3));
    assert_eq!((stats_of(&bus, "pings").done, stats_of(&bus, "pongs").done), (24, 24));
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn over_several_buses_and_by_blocking_publishes_it_is_the_same() {
    let (one, other, cycles) = (Bus::in_memory(), Bus::in_memory(), Notes::new());
    for (from, to, name) in [(&one, &other, "here"), (&other, &one, "there")] {
        let (to, cycles) = (to.clone(), cycles.clone());
        let handler = move |seen: &Event| {
            let result = to.publish_blocking(event("to.and.fro", n(seen) + 1));
            cycle(result).into_iter().for_each(|cycle| cycles.add(cycle));
        };
        from.on("to.and.fro").name(name).inline(handler).await.expect("the options are right");
    }
    one.publish(event("to.and.fro", 1)).await.expect("the first one is inside of none");
    let cycles = cycles.all();
    assert_eq!((cycles.len(), cycles[0].0), (1, DEEPEST + 1));
    assert!(cycles[0].1.chunks(2).all(|pair| pair == ["here", "there"]), "{cycles:?}");
    end(one).await;
    end(other).await;
}

#[tokio::test(start_paused = true)]
async fn filters_that_publish_count_too() {
    for refuses in [false, true] {
        let (bus, cycles) = (Bus::in_memory(), Notes::new());
        let (inside, noted) = (bus.clone(), cycles.clone());
        let filter = move |seen: &Event| {
            cycle(inside.try_publish(event("test.chain", n(seen) + 1)))
                .into_iter()
                .for_each(|cycle| noted.add(cycle));
            n(seen) % 2 == 1
        };
        let (seen, heard) = Notes::pair();
        let handler = move |event: Delivery| {
            heard.add(n(&event));
            async {}
        };
        let on = bus.on("test.chain").name("asks").filter(filter);
        let on = if refuses { on.mailbox(100, Overflow::Reject) } else { on };
        on.handle(handler).await.expect("the options are right");
        bus.publish(event("test.chain", 1)).await.expect("the first one is inside of none");
        quiet().await;
        assert!(
            cycles.all().iter().all(|(_, path)| path.iter().all(|name| name == "asks") && path.len() == 16)
        );
        assert_eq!((cycles.all().len(), cycles.all()[0].0), (1, DEEPEST + 1), "each is asked once");
        assert_eq!(seen.all(), (1..=DEEPEST).rev().filter(|n| n % 2 == 1).collect::<Vec<_>>());
        assert_eq!((stats_of(&bus, "asks").matched, stats_of(&bus, "asks").filtered), (8, 8));
        end(bus).await;
    }
}

#[tokio::test(start_paused = true)]
async fn panics_on_the_way_leave_nothing_behind() {
    let (bus, cycles) = (Bus::in_memory(), Notes::new());
    passes_on(&bus, "test.chain", "test.chain", "chain", &cycles).await;
    let inside = bus.clone();
    let panics = move |seen: &Event| {
        inside.try_publish(event("elsewhere", n(seen))).expect("it is accepted");
        assert!(n(seen) > 100, "small ones are too little");
    };
    bus.on("test.chain").priority(1).name("panics").inline(panics).await.expect("the options are right");
    bus.on("test.chain").filter(|_| panic!("filters may")).inline(|_: &Event| {}).await.expect("it is right");
    for _ in 0..20 {
        bus.publish(event("test.chain", 1)).await.expect("the first one is inside of none");
    }
    let cycles = cycles.all();
    assert!(cycles.len() == 20 && cycles.iter().all(|(refused, _)| *refused == DEEPEST + 1), "{cycles:?}");
    assert_eq!(stats_of(&bus, "panics").dead, 20 * DEEPEST);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn what_they_publish_is_caused_by_the_event_they_look_at() {
    let bus = Bus::in_memory();
    let effects = listen(&bus, "effect.**").await;
    let (by_inline, by_filter) = (bus.clone(), bus.clone());
    let inline = move |seen: &Event| {
        by_inline.try_publish(event("effect.inline", n(seen))).expect("it is accepted");
        let own = by_inline.event(event("effect.own", n(seen))).correlation_id("its own");
        own.causation_id("another").try_publish().expect("it is accepted");
        // To pass the event itself on is no effect of it.
        by_inline.event(seen.clone()).topic("effect.itself").try_publish().expect("it is accepted");
    };
    bus.on("cause.**").inline(inline).await.expect("the options are right");
    let filter = move |seen: &Event| {
        by_filter.try_publish(event("effect.filter", n(seen))).expect("it is accepted");
        true
    };
    bus.on("cause.**").filter(filter).handle(|_: Delivery| async {}).await.expect("the options are right");
    // In a handler too: the nearest event is the cause, not the one whose handler publishes.
    let handler = |event: Delivery| async move {
        let bus = event.bus().expect("somebody holds the bus");
        bus.publish(common::event("cause.second", 2)).await?;
        bus.try_publish(common::event("effect.handler", 1))?;
        Ok(())
    };
    bus.on("first").handle(handler).await.expect("the options are right");
    let causes = listen(&bus, ["first", "cause.second"]).await;
    let first =
        Event::builder(event("first", 1)).correlation_id("all").build().expect("the fields are right");
    bus.publish(first.clone()).await.expect("it is accepted");
    let second = causes.once_there_are(2).await[1].clone();
    assert_eq!((second.causation_id(), second.correlation_id()), (Some(first.id()), first.correlation_id()));
    let effects = effects.once_there_are(5).await;
    for effect in &effects {
        let (cause, correlation) = match effect.topic().as_str() {
            "effect.own" => ("another".to_owned(), "its own".to_owned()),
            "effect.handler" => (first.id().to_string(), "all".to_owned()),
            "effect.itself" => (first.id().to_string(), "all".to_owned()),
            _ => (second.id().to_string(), "all".to_owned()),
        };
        let found = effect.causation_id().map(|id| id.to_string());
        assert_eq!((found, effect.correlation_id().to_string()), (Some(cause), correlation), "{effect}");
    }
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_sent_on_from_a_transformed_event_is_caused_by_the_accepted_one() {
    let bus = Bus::in_memory();
    let effects = listen(&bus, "effect").await;
    let inside = bus.clone();
    let on = bus.on("test.number").map(|_| event("another", 9));
    on.inline(move |seen: &Event| _ = inside.try_publish(event("effect", n(seen))))
        .await
        .expect("it is right");
    let cause = Event::new(number(1));
    bus.publish(cause.clone()).await.expect("it is accepted");
    let effect = effects.once_there_are(1).await[0].clone();
    assert_eq!((n(&effect), effect.causation_id()), (9, Some(cause.id())));
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn a_place_that_is_taken_inside_is_taken_and_refused_ones_leave_none() {
    let (bus, door) = (Bus::in_memory(), Door::closed());
    let (waits, seen) = (door.clone(), Notes::new());
    let noted = seen.clone();
    let handler = move |event: Delivery| {
        let (door, noted) = (waits.clone(), noted.clone());
        async move {
            noted.add(n(&event));
            door.pass().await;
        }
    };
    bus.on(["outer", "inner"])
        .name("two")
        .mailbox(2, Overflow::Reject)
        .handle(handler)
        .await
        .expect("it is right");
    let (inside, refused) = (bus.clone(), Arc::new(Mutex::new(0)));
    let counts = refused.clone();
    let inline = move |seen: &Event| match inside.try_publish(event("inner", n(seen) + 100)) {
        Err(PublishError::Full { event, .. }) => *counts.lock().expect("nobody panics") += n(&event),
        other => drop(other.expect("it is accepted, or there is no room")),
    };
    bus.on("outer").inline(inline).await.expect("the options are right");
    // The outer one has its place already when the inner one asks: one has room beside it, the next has not.
    bus.publish(event("outer", 1)).await.expect("there is room");
    assert!(matches!(bus.publish(event("outer", 2)).await, Err(PublishError::Full { .. })));
    door.let_through(1);
    quiet().await;
    bus.publish(event("outer", 3)).await.expect("there is room for one");
    assert_eq!(*refused.lock().expect("nobody panics"), 103);
    door.open();
    assert_eq!(seen.once_there_are(3).await, [101, 1, 3]);
    assert_eq!(stats_of(&bus, "two").pending(), 0);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn who_hears_of_a_loss_and_causes_the_next_one_comes_to_an_end_too() {
    let bus = Bus::builder().paused().build().expect("the settings are right");
    let full = bus.on("test.**").name("full").mailbox(1, Overflow::DropNewest);
    full.handle(|_: Delivery| async {}).await.expect("the options are right");
    let (inside, told) = (bus.clone(), Arc::new(Mutex::new((0, 0))));
    let tells = told.clone();
    let inline = move |_: &Event| {
        tells.lock().expect("nobody panics").0 += 1;
        let cycle = matches!(inside.try_publish(number(0)), Err(PublishError::Cycle { .. }));
        tells.lock().expect("nobody panics").1 += u32::from(cycle);
    };
    bus.on("owlbus.gap").name("hears").inline(inline).await.expect("the options are right");
    for n in 1..=2 {
        bus.publish(number(n)).await.expect("it is accepted");
    }
    assert_eq!(*told.lock().expect("nobody panics"), (16, 1));
    assert_eq!(stats_of(&bus, "full").dropped.overflow, 16);
    bus.resume();
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_published_inside_while_the_bus_ends_is_refused() {
    let (bus, door) = (Bus::in_memory(), Door::closed());
    let waits = door.clone();
    let handler = move |event: Delivery| {
        let door = waits.clone();
        async move {
            door.pass().await;
            event.publish(common::event("effect", 1)).await.map(drop)?;
            Ok(())
        }
    };
    bus.on("test.number").handle(handler).await.expect("the options are right");
    let seen = Notes::new();
    let noted = seen.clone();
    bus.on("effect").inline(move |event: &Event| noted.add(n(event))).await.expect("the options are right");
    bus.publish(number(1)).await.expect("it is accepted");
    quiet().await;
    let ending = tokio::spawn({
        let bus = bus.clone();
        async move { bus.shutdown().await }
    });
    quiet().await;
    door.open();
    let report = ending.await.expect("no panic");
    assert_eq!((report.failed, seen.all().len()), (1, 0));
    common::assert_conserved(&bus);
}
