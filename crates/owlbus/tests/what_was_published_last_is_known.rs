//! The bus keeps what was published last: so much of it and no more. Who waits for an answer after he asked finds the one that was
//! faster than he, and none that is older than his question.

mod common;

use std::{sync::Arc, time::Duration};

use common::{end, event, n, quiet};
use owlbus::{Bus, Event, config::BusBuilder, request::WaitError};
use tokio::task::JoinSet;

const SECOND: Duration = Duration::from_secs(1);

async fn publish(bus: &Bus, topic: &str, numbers: impl IntoIterator<Item = u64>) {
    for n in numbers {
        bus.publish(event(topic, n)).await.expect("it is accepted");
    }
}

fn keeps(events: usize, bytes: usize) -> Bus {
    Bus::builder().history(events, bytes).build().expect("the settings are right")
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_was_faster_is_found_and_an_older_one_is_not() {
    let bus = Bus::in_memory();
    publish(&bus, "answer", [1]).await;
    let asked = bus.publish(event("answer", 2)).await.unwrap();
    publish(&bus, "other", [3]).await;
    publish(&bus, "answer", [4, 5]).await;
    let answer = bus.wait_for("answer").after(&asked).timeout(SECOND).await.unwrap();
    assert_eq!(n(&answer), 4, "neither one that is older, nor the question, nor a later one");
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_comes_later_is_waited_for() {
    let bus = Bus::in_memory();
    let asked = bus.publish(event("question", 0)).await.unwrap();
    let wait = tokio::spawn(bus.wait_for("answer").after(&asked).timeout(SECOND));
    quiet().await;
    publish(&bus, "answer", [1]).await;
    assert_eq!(n(&wait.await.unwrap().unwrap()), 1);
    let none = bus.wait_for("nothing").after(&asked).timeout(SECOND).await;
    assert_eq!(none.unwrap_err(), WaitError::TimedOut { after: SECOND });
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn the_first_that_is_meant_is_found_among_many() {
    let bus = Bus::in_memory();
    let asked = bus.publish(event("question", 0)).await.unwrap();
    publish(&bus, "answer", 1..300).await;
    let wait = bus.wait_for("answer").after(&asked);
    publish(&bus, "answer", 300..900).await;
    for wanted in [1, 250, 290] {
        let found =
            bus.wait_for("answer").filter(move |event| n(event) >= wanted).after(&asked).await.unwrap();
        assert_eq!(n(&found), wanted);
    }
    // What came since the wait was made is found among what came before, be it as much as it likes.
    assert_eq!(n(&wait.filter(|event| n(event) > 700).await.unwrap()), 701);
    let typed = bus.wait_for_type::<common::Number>().after(&asked).timeout(SECOND).await;
    assert_eq!(typed.unwrap_err(), WaitError::TimedOut { after: SECOND }, "none of them is of that type");
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_known_is_said_and_not_waited_for() {
    let bus = keeps(10, 1 << 20);
    let asked = bus.publish(event("question", 0)).await.unwrap();
    publish(&bus, "answer", [1]).await;
    publish(&bus, "other", 0..10).await;
    let lost = bus.wait_for("answer").after(&asked).await.unwrap_err();
    assert_eq!(lost, WaitError::Forgotten);
    assert!(lost.to_string().contains("BusBuilder::history"), "{lost}");
    // What is still there is given.
    publish(&bus, "answer", [2]).await;
    assert_eq!(n(&bus.wait_for("answer").after(&asked).await.unwrap()), 2);
    end(bus).await;

    let bus = keeps(0, 0);
    let asked = bus.publish(event("question", 0)).await.unwrap();
    assert_eq!(bus.wait_for("answer").after(&asked).await.unwrap_err(), WaitError::Forgotten);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn a_question_that_is_not_asked_yet_has_no_older_answers() {
    let bus = Bus::in_memory();
    publish(&bus, "answer", [1]).await;
    let later = bus.event(event("question", 0)).delay(SECOND).publish().await.unwrap();
    let wait = bus.wait_for("answer").after(&later);
    publish(&bus, "answer", [2]).await;
    assert_eq!(n(&wait.await.unwrap()), 2);
    bus.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn it_keeps_no_more_events_and_bytes_than_it_may() {
    let bus = keeps(100, 64 << 10);
    publish(&bus, "small", 0..250).await;
    assert_eq!(bus.stats().history.events, 100);
    let large = || Event::binary("large", "application/octet-stream", vec![0_u8; 10 << 10]).unwrap();
    for _ in 0..20 {
        bus.publish(large()).await.unwrap();
        assert!(bus.stats().history.bytes <= 64 << 10, "{:?}", bus.stats().history);
    }
    let held = bus.stats().history;
    assert!(held.events >= 3, "the newest are kept: {held:?}");
    // One that is larger than all of it leaves nothing.
    bus.publish(Event::binary("large", "application/octet-stream", vec![0_u8; 100 << 10]).unwrap())
        .await
        .unwrap();
    assert_eq!(bus.stats().history, owlbus::stats::Held::default());
    publish(&bus, "small", 0..3).await;
    assert_eq!(bus.stats().history.events, 3);
    end(bus).await;
}

#[tokio::test]
async fn more_than_fits_anywhere_is_refused() {
    let refused = BusBuilder::history(Bus::builder(), usize::MAX, 1).build().unwrap_err();
    assert!(refused.to_string().starts_with("`history` is 18446744073709551615 events"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_falls_between_what_was_and_what_comes() {
    let bus = Arc::new(Bus::in_memory());
    let mut asking = JoinSet::new();
    for asker in 0..4 {
        let bus = Arc::clone(&bus);
        asking.spawn(async move {
            for question in 0..500 {
                let number = asker * 1_000 + question;
                let asked = bus.publish(event("question", number)).await.unwrap();
                let other = Arc::clone(&bus);
                let answers =
                    tokio::spawn(async move { other.publish(event("answer", number)).await.unwrap() });
                if question % 3 == 0 {
                    tokio::task::yield_now().await;
                }
                let wait = bus.wait_for("answer").filter(move |event| n(event) == number);
                let answer = wait.after(&asked).timeout(Duration::from_secs(60)).await;
                assert_eq!(n(&answer.unwrap()), number);
                answers.await.unwrap();
            }
        });
    }
    while let Some(asked) = asking.join_next().await {
        asked.unwrap();
    }
}
