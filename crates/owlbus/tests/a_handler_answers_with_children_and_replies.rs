//! What a handler publishes through its delivery is the child of what it handles, and an answer goes where the asker
//! waits for it. No handle of the bus has to be kept for that.

mod common;

use common::{Notes, end, event, listen, n, number, quiet, stats_of};
use owlbus::{Bus, Delivery, Event, PublishError};

#[tokio::test(start_paused = true)]
async fn a_child_has_the_correlation_and_the_cause() {
    let bus = Bus::in_memory();
    let effects = listen(&bus, "effect.**").await;
    bus.on("test.number")
        .handle(|number: Delivery<common::Number>| async move {
            number.publish(event("effect.first", number.n)).await?;
            let receipt = number.publish(event("effect.second", number.n)).await?;
            assert_eq!(receipt.matched, Some(1));
            Ok(())
        })
        .await
        .expect("the options are right");
    let cause = Event::builder(number(7)).correlation_id("all of it").build().expect("the fields are right");
    bus.publish(cause.clone()).await.expect("it is accepted");
    for effect in effects.once_there_are(2).await {
        assert_eq!(
            (effect.correlation_id(), effect.causation_id()),
            (cause.correlation_id(), Some(cause.id()))
        );
        assert_eq!(n(&effect), 7);
    }
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn a_reply_goes_where_the_asker_waits() {
    let bus = Bus::in_memory();
    let answers = listen(&bus, "answers.mine").await;
    bus.on("questions")
        .name("answers")
        .handle(|question: Delivery| async move {
            question.reply(number(n(&question) * 2)).await?;
            Ok(())
        })
        .await
        .expect("the options are right");
    let question =
        Event::builder(event("questions", 21)).reply_to("answers.mine").build().expect("it is right");
    bus.publish(question.clone()).await.expect("it is accepted");
    let answer = &answers.once_there_are(1).await[0];
    assert_eq!((n(answer), answer.causation_id()), (42, Some(question.id())));

    // Who asks for no reply gets none, and the handler is told.
    bus.publish(event("questions", 1)).await.expect("it is accepted");
    quiet().await;
    assert_eq!((stats_of(&bus, "answers").dead, answers.all().len()), (1, 1));
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_published_when_the_bus_is_gone_comes_back() {
    let (bus, seen) = (Bus::in_memory(), Notes::new());
    let noted = seen.clone();
    bus.on("test.number")
        .handle(move |number: Delivery<common::Number>| {
            let noted = noted.clone();
            async move {
                tokio::task::yield_now().await;
                let error = number.publish(event("effect", 3)).await.expect_err("nobody holds the bus");
                assert!(matches!(error, PublishError::Closed { .. }));
                noted.add(n(error.event()));
            }
        })
        .await
        .expect("the options are right");
    bus.publish(number(1)).await.expect("it is accepted");
    tokio::task::yield_now().await;
    common::assert_conserved(&bus);
    drop(bus);
    assert_eq!(seen.once_there_are(1).await, [3]);
}
