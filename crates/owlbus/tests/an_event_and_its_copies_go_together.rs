//! An event and the copies that rules make of it are published together or not at all. Rules that send an event round in circles are
//! cut after 16 hops, with an error that tells the path; nobody got anything then.

mod common;

use std::{sync::Arc, time::Duration};

use common::{Door, end, event, listen, n, patient_bus, quiet, stats_of};
use owlbus::{
    Bus, Delivery, Event, Overflow, PublishError, Subscription,
    rules::{Condition, Rule, Rules},
};

const A_MINUTE: Duration = Duration::from_secs(60);

fn with(rules: impl IntoIterator<Item = Rule>) -> Bus {
    let bus = patient_bus();
    bus.set_rules(Rules::new(rules).expect("the rules are right")).expect("anybody may");
    bus
}

/// A subscription with room for one event, which waits at the door.
async fn narrow(bus: &Bus, topic: &str, overflow: Overflow, door: &Door) -> Subscription {
    let door = door.clone();
    let handler = move |_: Delivery| {
        let door = door.clone();
        async move { door.pass().await }
    };
    bus.on(topic).name(topic).mailbox(1, overflow).handle(handler).await.expect("the options are right")
}

#[tokio::test(start_paused = true)]
async fn sixteen_hops_are_made_and_the_seventeenth_is_refused() {
    let chain = |hops: u32| {
        (0..hops).map(|at| Rule::new(format!("{at}")).on(format!("t{at}")).forward(format!("t{}", at + 1)))
    };
    let bus = with(chain(16));
    let heard = listen(&bus, "**").await;
    bus.publish(event("t0", 1)).await.unwrap();
    bus.set_rules(Rules::new(chain(17)).unwrap()).unwrap();
    bus.publish(event("t1", 2)).await.unwrap();
    let refused = bus.publish(event("t0", 3)).await.unwrap_err();
    quiet().await;
    let came: Vec<_> = heard.all().iter().map(|event| (event.topic().to_string(), n(event))).collect();
    assert_eq!(came, [("t16".to_owned(), 1), ("t17".to_owned(), 2)]);
    let PublishError::Rejected { event: back, by, reason } = refused else { panic!("{refused}") };
    assert_eq!((&*by, back.topic().as_str(), n(&back)), ("16", "t0", 3));
    let path: Vec<_> = (0..=17).map(|at| format!("`t{at}`")).collect();
    assert!(reason.contains(&path.join(" → ")), "{reason}");
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn nobody_gets_anything_of_an_event_that_goes_round_in_circles() {
    let bus = with([
        Rule::new("log").on("a").copy("log"),
        Rule::new("there").on("a").forward("b"),
        Rule::new("back").on("b").forward("a"),
        Rule::new("copies").on("c").copy("d"),
        Rule::new("copies back").on("d").copy("c"),
        Rule::new("longer").on("x.**").copy("{topic}.x"),
    ]);
    let heard = listen(&bus, "**").await;
    for (topic, says) in [("a", "`a` → `b` → `a`"), ("c", "`c` → `d` → `c`"), ("x", "16 tokens")] {
        let refused = bus.publish(event(topic, 1)).await.unwrap_err();
        assert!(refused.to_string().contains(says), "{refused}");
        assert_eq!(refused.event().topic(), topic);
    }
    quiet().await;
    assert!(heard.all().is_empty());
    assert_eq!((bus.stats().accepted, bus.stats().refused), (0, 3));
    let rules = bus.rules();
    assert!(rules.iter().all(|info| info.matched + info.forwarded + info.copied == 0), "{rules:?}");
    assert_eq!(rules.iter().map(|info| info.refused).sum::<u64>(), 3);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn copies_of_copies_come_behind_what_they_were_made_of_and_are_bounded() {
    let bus = with([
        Rule::new("one").on("a").copy("b"),
        Rule::new("two").on(["a", "b"]).copy("c"),
        Rule::new("three").on("c").when(Condition::equals("/n", 2)).drop_event(),
    ]);
    let heard = listen(&bus, "**").await;
    bus.publish(event("a", 1)).await.unwrap();
    quiet().await;
    let all = heard.all();
    let topics: Vec<_> = all.iter().map(|event| event.topic().as_str()).collect();
    assert_eq!(topics, ["a", "b", "c", "c"]);
    let causes: Vec<_> = all.iter().map(Event::causation_id).collect();
    assert_eq!(causes, [None, Some(all[0].id()), Some(all[1].id()), Some(all[0].id())]);
    assert!(all.iter().all(|event| event.correlation_id() == all[0].id()));
    bus.publish(event("a", 2)).await.unwrap();
    assert_eq!(heard.once_there_are(6).await.len(), 6, "copies are dropped like anything else");

    let many =
        |count: u64| (0..count).map(|at| Rule::new(format!("{at}")).on("a").copy(format!("copy.{at}")));
    bus.set_rules(Rules::new(many(64)).unwrap()).unwrap();
    bus.publish(event("a", 3)).await.unwrap();
    bus.set_rules(Rules::new(many(65)).unwrap()).unwrap();
    let refused = bus.publish(event("a", 4)).await.unwrap_err();
    assert!(matches!(&refused, PublishError::Rejected { by, .. } if &**by == "64"), "{refused}");
    quiet().await;
    assert_eq!(heard.all().len(), 6 + 65);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn where_a_copy_has_no_room_nobody_gets_the_event() {
    let bus = with([Rule::new("copy").on("a").set_key("k").copy("full").forward("b")]);
    let (heard, door) = (listen(&bus, ["a", "b"]).await, Door::closed());
    narrow(&bus, "full", Overflow::Reject, &door).await;
    bus.publish(event("a", 1)).await.unwrap();
    let published = event("a", 2);
    let refused = bus.publish(published.clone()).await.unwrap_err();
    assert!(
        matches!(&refused, PublishError::Full { subscription, .. } if &**subscription == "full"),
        "{refused}"
    );
    let back = refused.into_event();
    assert_eq!(
        (back.id(), back.topic().as_str(), back.has_key()),
        (published.id(), "a", false),
        "it comes back as it was"
    );
    quiet().await;
    assert_eq!((heard.all().len(), bus.stats().accepted, bus.rules()[0].copied), (1, 2, 1));
    door.open();
    quiet().await;
    bus.publish(back).await.unwrap();
    quiet().await;
    assert_eq!(heard.all().len(), 2);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn a_publisher_waits_for_room_for_copies_and_learns_where_there_was_none() {
    let bus = with([Rule::new("copy").on("a").copy("slow").copy("never")]);
    let (heard, slow, never) = (listen(&bus, "a").await, Door::closed(), Door::closed());
    narrow(&bus, "slow", Overflow::Block { timeout: A_MINUTE }, &slow).await;
    narrow(&bus, "never", Overflow::Block { timeout: A_MINUTE }, &never).await;
    bus.publish(event("a", 1)).await.unwrap();
    assert!(matches!(bus.try_publish(event("a", 2)), Err(PublishError::Full { .. })), "it does not wait");
    let waiting = tokio::spawn({
        let bus = bus.clone();
        async move { bus.publish(event("a", 3)).await }
    });
    quiet().await;
    assert!(!waiting.is_finished());
    assert_eq!(heard.all().len(), 2, "its own event is there");
    slow.open();
    quiet().await;
    assert!(!waiting.is_finished());
    tokio::time::advance(A_MINUTE).await;
    let receipt = waiting.await.unwrap().unwrap();
    assert_eq!((receipt.matched, receipt.dropped), (Some(1), Some(vec![Arc::from("never")])));
    assert_eq!(stats_of(&bus, "slow").done, 2);
    assert_eq!(stats_of(&bus, "never").dropped.block_timeout, 1);
    never.open();
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_waits_for_copies_that_wait_for_room() {
    let bus = with([Rule::new("copy").on("a").copy("slow").drop_event()]);
    let door = Door::closed();
    narrow(&bus, "slow", Overflow::Block { timeout: A_MINUTE }, &door).await;
    bus.publish(event("a", 1)).await.unwrap();
    let waiting = tokio::spawn({
        let bus = bus.clone();
        async move { bus.publish(event("a", 2)).await }
    });
    quiet().await;
    let ending = tokio::spawn({
        let bus = bus.clone();
        async move { bus.shutdown().await }
    });
    quiet().await;
    assert!(!waiting.is_finished() && !ending.is_finished());
    assert!(matches!(bus.publish(event("a", 3)).await, Err(PublishError::Closed { .. })));
    door.open();
    assert!(ending.await.unwrap().is_clean());
    let receipt = waiting.await.unwrap().unwrap();
    assert_eq!((receipt.matched, receipt.discarded_by.as_deref()), (Some(0), Some("copy")));
    assert_eq!(stats_of(&bus, "slow").done, 2);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn a_publish_that_is_given_up_gives_up_the_room_for_copies_too() {
    let bus = with([Rule::new("copy").on("a").copy("slow")]);
    let door = Door::closed();
    narrow(&bus, "slow", Overflow::Block { timeout: A_MINUTE }, &door).await;
    bus.publish(event("a", 1)).await.unwrap();
    tokio::select! {
        biased;
        _ = bus.publish(event("a", 2)) => panic!("there is no room"),
        () = quiet() => {}
    }
    assert_eq!(stats_of(&bus, "slow").dropped.block_timeout, 1);
    door.open();
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_would_wait_for_a_copy_in_its_own_mailbox_is_told() {
    let bus = with([Rule::new("home").on("out").copy("home")]);
    let (heard, errors) = (listen(&bus, "out").await, common::Notes::new());
    let (notes, inner) = (errors.clone(), bus.clone());
    let handler = move |delivery: Delivery| {
        let (notes, bus) = (notes.clone(), inner.clone());
        async move {
            if n(delivery.event()) == 1 {
                // The one place is its own.
                notes.add(bus.publish(event("out", 2)).await.map(drop).unwrap_err());
            }
        }
    };
    let wait = Overflow::Block { timeout: A_MINUTE };
    bus.on("home").name("home").mailbox(1, wait).handle(handler).await.unwrap();
    bus.publish(event("home", 1)).await.unwrap();
    let errors = errors.once_there_are(1).await;
    assert!(matches!(&errors[0], PublishError::Cycle { path, .. } if path.len() == 1), "{errors:?}");
    quiet().await;
    assert!(heard.all().is_empty(), "nobody got the event either");
    end(bus).await;
}
