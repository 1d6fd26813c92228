//! A request gets its own answer and no other, however fast it comes; and where no answer will come, whoever asks is told
//! why as soon as that is certain, and at the latest when the time is over.

mod common;

use std::{sync::Arc, time::Duration};

use common::{Door, Notes, Number, end, event, listen, n, number, quiet, stats_of};
use owlbus::{
    Bus, Delivery, Event, HandlerError, Overflow, PublishError,
    handle::Handler,
    request::RequestError,
    settle::{Retry, Settlement},
};
use tokio::time::Instant;

const A_SECOND: Duration = Duration::from_secs(1);

/// Subscribes a handler that answers a number with its double.
async fn doubles(bus: &Bus, pattern: &str, name: &str) {
    answers(bus, pattern, name, |question: Delivery| async move {
        question.reply(event("unused", n(&question) * 2)).await?;
        Ok::<(), HandlerError>(())
    })
    .await;
}

async fn answers(bus: &Bus, pattern: &str, name: &str, handler: impl Handler<Event>) {
    bus.on(pattern).name(name).handle(handler).await.expect("the options are right");
}

fn names(path: &[Arc<str>]) -> Vec<&str> {
    path.iter().map(|name| &**name).collect()
}

#[tokio::test(start_paused = true)]
async fn an_answer_comes_back_as_what_was_asked_for() {
    let (begun, bus) = (Instant::now(), Bus::in_memory());
    doubles(&bus, "question", "doubles").await;
    let as_number: Number = bus.request(event("question", 21), A_SECOND).await.unwrap();
    assert_eq!(as_number, number(42));
    let question = event("question", 4);
    let as_event: Event = bus.request(question.clone(), A_SECOND).await.unwrap();
    assert_eq!((n(&as_event), as_event.causation_id()), (8, Some(question.id())));
    let as_text: RequestError = bus.request::<String>(question, A_SECOND).await.unwrap_err();
    assert!(matches!(&as_text, RequestError::Decode { reply, .. } if n(reply) == 8), "{as_text}");
    assert_eq!(begun.elapsed(), Duration::ZERO);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_without_data_is_nothing() {
    let bus = Bus::in_memory();
    answers(&bus, "ping", "ping", |ping: Delivery| async move {
        ping.reply(Event::signal("pong")?).await?;
        Ok::<(), HandlerError>(())
    })
    .await;
    bus.request::<()>(Event::signal("ping").unwrap(), A_SECOND).await.unwrap();
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn what_a_handler_returns_is_its_answer() {
    let bus = Bus::in_memory();
    let returns = |question: Delivery| async move { Ok(number(question.get("/n").unwrap_or(0) + 1)) };
    bus.on("async").handle(returns).await.unwrap();
    let blocks = |question: Delivery<Number>| Ok(Event::json("unused", number(question.n + 2))?);
    bus.on("blocking").handle_blocking(blocks).await.unwrap();
    bus.on("inline").inline(|question: &Number| Ok(number(question.n + 3))).await.unwrap();
    for (topic, answer) in [("async", 11), ("blocking", 12), ("inline", 13)] {
        assert_eq!(bus.request::<Number>(event(topic, 10), A_SECOND).await.unwrap().n, answer, "{topic}");
        // Who asks for nothing gets nothing.
        let heard = listen(&bus, "**").await;
        bus.publish(event(topic, 10)).await.unwrap();
        quiet().await;
        assert_eq!(heard.all().len(), 1, "{topic}");
    }
    assert!(bus.stats().subscriptions.iter().all(|one| one.dead == 0));
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_may_come_before_the_publish_has_returned() {
    let bus = Bus::in_memory();
    let inside = bus.clone();
    bus.on("question")
        .inline(move |question: &Event| {
            inside.try_publish(question.reply(event("unused", n(question) + 1))?)?;
            Ok::<(), HandlerError>(())
        })
        .await
        .unwrap();
    assert_eq!(bus.request::<Number>(event("question", 1), A_SECOND).await.unwrap(), number(2));
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn each_of_many_requests_gets_its_own_answer() {
    let (bus, door) = (Bus::in_memory(), Door::closed());
    let waits = door.clone();
    let handler = move |question: Delivery| {
        let door = waits.clone();
        async move {
            door.pass().await;
            question.reply(event("unused", n(&question) * 2)).await?;
            Ok::<(), HandlerError>(())
        }
    };
    bus.on("question").concurrency(8).handle(handler).await.unwrap();
    let asked: Vec<_> = (0..8)
        .map(|number| {
            let bus = bus.clone();
            let asks = async move { bus.request::<Number>(event("question", number), A_SECOND).await };
            tokio::spawn(asks)
        })
        .collect();
    quiet().await;
    door.open();
    for (number, answer) in asked.into_iter().enumerate() {
        assert_eq!(answer.await.unwrap().unwrap().n, number as u64 * 2);
    }
    assert_eq!(bus.stats().late_replies, 0);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn what_nobody_asks_for_fails_at_once_and_comes_back() {
    let (begun, bus) = (Instant::now(), Bus::in_memory());
    doubles(&bus, "other", "doubles").await;
    bus.on("question").filter(|event: &Event| n(event) > 9).handle(|_: Delivery| async {}).await.unwrap();
    for topic in ["nobody", "question"] {
        let asked = event(topic, 1);
        let error = bus.request::<Event>(asked.clone(), A_SECOND).await.unwrap_err();
        assert!(error.to_string().contains("no subscription asks for it"), "{error}");
        let RequestError::NoHandler { event } = error else { panic!("{error}") };
        assert_eq!((event.id(), event.reply_to()), (asked.id(), None));
    }
    let error = bus.request::<Event>(Event::json("owlbus.own", 1).unwrap(), A_SECOND).await.unwrap_err();
    assert!(matches!(error, RequestError::Publish(PublishError::Rejected { .. })), "{error}");
    assert_eq!((bus.stats().refused, begun.elapsed()), (1, Duration::ZERO));
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn when_every_handler_is_through_nobody_waits_any_longer() {
    let (begun, bus) = (Instant::now(), Bus::in_memory());
    answers(&bus, "question", "says nothing", |_: Delivery| async {}).await;
    let fails = |_: Delivery| async { Err::<(), _>(HandlerError::permanent("no idea")) };
    bus.on("question").name("fails").handle(fails).await.unwrap();
    let error = bus.request::<Event>(event("question", 1), A_SECOND).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("`says nothing` is done with it, `fails` failed (no idea)"), "{text}");
    let RequestError::NoReply { settled, .. } = error else { panic!("{error}") };
    assert_eq!(settled[1].settlement, Settlement::Dead { reason: "no idea".into() });
    assert_eq!(begun.elapsed(), Duration::ZERO);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_fails_first_and_answers_then_is_waited_for() {
    let bus = Bus::in_memory();
    let handler = |question: Delivery| async move {
        if question.attempt() < 3 {
            return Err(HandlerError::temporary("not yet"));
        }
        question.reply(event("unused", 5)).await?;
        Ok(())
    };
    let retry = Retry::exponential(Duration::from_millis(100)).max(5);
    bus.on("question").retry(retry).handle(handler).await.unwrap();
    assert_eq!(bus.request::<Number>(event("question", 1), A_SECOND * 9).await.unwrap().n, 5);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn a_late_answer_is_counted_and_nobody_gets_it() {
    let (begun, bus, door) = (Instant::now(), Bus::in_memory(), Door::closed());
    let waits = door.clone();
    let handler = move |question: Delivery| {
        let door = waits.clone();
        async move {
            door.pass().await;
            question.reply(event("unused", n(&question))).await?;
            Ok::<(), HandlerError>(())
        }
    };
    bus.on("question").name("slow").handle(handler).await.unwrap();
    let error = bus.request::<Number>(event("question", 1), A_SECOND).await.unwrap_err();
    assert_eq!(begun.elapsed(), A_SECOND);
    assert!(error.to_string().contains("within 1s by `slow`"), "{error}");
    assert!(matches!(error, RequestError::TimedOut { after, .. } if after == A_SECOND));
    let second = bus.request::<Number>(event("question", 2), A_SECOND);
    door.let_through(2);
    assert_eq!(second.await.unwrap().n, 2, "the answer to another request is not its own");
    let stats = bus.stats();
    assert_eq!((stats.late_replies, stats.other), (1, 2));
    assert!(stats.topics.iter().all(|one| one.topic == "question"), "topics of answers are not kept");
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn a_second_answer_is_one_too_many() {
    let bus = Bus::in_memory();
    doubles(&bus, "question", "first").await;
    doubles(&bus, "question", "second").await;
    let all = listen(&bus, "_reply.*").await;
    assert_eq!(bus.request::<Number>(event("question", 2), A_SECOND).await.unwrap().n, 4);
    assert_eq!(all.once_there_are(2).await.len(), 2, "who subscribes to answers gets them all");
    assert_eq!(bus.stats().late_replies, 1);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn a_request_to_many_collects_their_answers() {
    let (begun, bus, door) = (Instant::now(), Bus::in_memory(), Door::closed());
    doubles(&bus, "question", "a").await;
    doubles(&bus, "question", "b").await;
    let both: Vec<Number> = bus.request_many(event("question", 2), A_SECOND).await.unwrap();
    assert_eq!(both, [number(4), number(4)]);

    // Who does not answer is waited for as long as it has the event.
    answers(&bus, "question", "says nothing", |_: Delivery| async {}).await;
    assert_eq!(bus.request_many::<Number>(event("question", 2), A_SECOND).await.unwrap().len(), 2);
    assert_eq!(begun.elapsed(), Duration::ZERO);

    let waits = door.clone();
    let stands = move |_: Delivery| {
        let door = waits.clone();
        async move { door.pass().await }
    };
    bus.on("question").handle(stands).await.unwrap();
    assert_eq!(bus.request_many::<Number>(event("question", 2), A_SECOND).await.unwrap().len(), 2);
    assert_eq!(begun.elapsed(), A_SECOND);
    door.open();

    answers(&bus, "silence", "silent", |_: Delivery| async {}).await;
    let error = bus.request_many::<Number>(event("silence", 2), A_SECOND).await.unwrap_err();
    assert!(matches!(error, RequestError::NoReply { .. }), "{error}");
    let error = bus.request_many::<Number>(event("nobody", 2), A_SECOND).await.unwrap_err();
    assert!(matches!(error, RequestError::NoHandler { .. }), "{error}");
    assert_eq!(bus.stats().late_replies, 0);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_dropped_leaves_its_answer_to_be_late() {
    let bus = Bus::in_memory();
    doubles(&bus, "question", "doubles").await;
    let asks = bus.clone();
    let asked = tokio::spawn(async move {
        tokio::select! {
            biased;
            answer = asks.request::<Number>(event("question", 1), A_SECOND) => panic!("{answer:?} is too fast"),
            () = std::future::ready(()) => {}
        }
    });
    asked.await.unwrap();
    quiet().await;
    assert_eq!((bus.stats().late_replies, stats_of(&bus, "doubles").done), (1, 1));
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn requests_end_when_the_bus_does() {
    let (bus, door) = (Bus::in_memory(), Door::closed());
    let waits = door.clone();
    let handler = move |_: Delivery| {
        let door = waits.clone();
        async move { door.pass().await }
    };
    bus.on("question").handle(handler).await.unwrap();
    let asks = bus.clone();
    let asked =
        tokio::spawn(async move { asks.request::<Number>(event("question", 1), A_SECOND * 60).await });
    quiet().await;
    let ends = tokio::spawn({
        let bus = bus.clone();
        async move { bus.shutdown().await }
    });
    let error = asked.await.unwrap().unwrap_err();
    assert!(matches!(error, RequestError::Closed { .. }), "{error}");
    door.open();
    ends.await.unwrap();
    let error = bus.request::<Number>(event("question", 1), A_SECOND).await.unwrap_err();
    assert!(matches!(error, RequestError::Publish(PublishError::Closed { .. })), "{error}");
}

/// A handler that asks a question of its own for each number under 10, and notes what became of that.
fn asks(topic: &'static str, notes: Notes<Result<u64, Vec<String>>>) -> impl Handler<Event> {
    move |delivery: Delivery| {
        let notes = notes.clone();
        async move {
            if n(&delivery) >= 10 {
                delivery.reply(event("unused", n(&delivery) * 2)).await?;
                return Ok(());
            }
            let bus = delivery.bus().expect("the bus is open");
            let answer = bus.request::<Number>(event(topic, n(&delivery) + 10), A_SECOND * 9).await;
            notes.add(match answer {
                Ok(answer) => Ok(answer.n),
                Err(RequestError::Cycle { path }) => {
                    Err(names(&path).into_iter().map(String::from).collect())
                }
                Err(other) => panic!("{other}"),
            });
            Ok::<(), HandlerError>(())
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_asks_itself_is_told() {
    let (begun, bus, (told, notes)) = (Instant::now(), Bus::in_memory(), Notes::pair());
    answers(&bus, "ask", "asks itself", asks("ask", notes)).await;
    bus.publish(event("ask", 1)).await.unwrap();
    assert_eq!(told.once_there_are(1).await, [Err(vec!["asks itself".into()])]);
    quiet().await;
    assert_eq!(stats_of(&bus, "asks itself").matched, 1, "nobody got what was refused");
    assert_eq!(begun.elapsed(), Duration::ZERO);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn a_handler_with_a_worker_to_spare_may_ask_itself() {
    let (begun, bus, (told, notes)) = (Instant::now(), Bus::in_memory(), Notes::pair());
    bus.on("ask").concurrency(2).handle(asks("ask", notes)).await.unwrap();
    bus.publish(event("ask", 1)).await.unwrap();
    assert_eq!(told.once_there_are(1).await, [Ok(22)]);
    assert_eq!(begun.elapsed(), Duration::ZERO);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn a_handler_may_ask_where_another_one_answers() {
    let (begun, bus, (told, notes)) = (Instant::now(), Bus::in_memory(), Notes::pair());
    answers(&bus, "ask", "asks", asks("ask", notes)).await;
    doubles(&bus, "ask", "doubles").await;
    bus.publish(Event::builder(event("ask", 1)).reply_to("unheard").build().unwrap()).await.unwrap();
    assert_eq!(told.once_there_are(1).await, [Ok(22)]);
    assert_eq!(begun.elapsed(), Duration::ZERO);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn when_only_the_asker_is_left_to_answer_it_is_told() {
    let (begun, bus, (told, notes)) = (Instant::now(), Bus::in_memory(), Notes::pair());
    answers(&bus, "ask", "asks", asks("ask", notes)).await;
    answers(&bus, "ask", "says nothing", |_: Delivery| async {}).await;
    bus.publish(event("ask", 1)).await.unwrap();
    assert_eq!(told.once_there_are(1).await, [Err(vec!["asks".into()])]);
    assert_eq!(begun.elapsed(), Duration::ZERO);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn two_handlers_that_ask_each_other_are_told() {
    let (begun, bus) = (Instant::now(), Bus::in_memory());
    let (first, first_notes) = Notes::pair();
    let (second, second_notes) = Notes::pair();
    let back = move |question: Delivery| {
        let notes = second_notes.clone();
        async move {
            let bus = question.bus().expect("the bus is open");
            let path = match bus.request::<Number>(event("first", 12), A_SECOND * 9).await {
                Err(RequestError::Cycle { path }) => names(&path).join(" "),
                other => panic!("{other:?}"),
            };
            notes.add(path);
            question.reply(event("unused", 3)).await?;
            Ok::<(), HandlerError>(())
        }
    };
    answers(&bus, "first", "first", asks("second", first_notes)).await;
    answers(&bus, "second", "second", back).await;
    bus.publish(event("first", 1)).await.unwrap();
    assert_eq!(second.once_there_are(1).await, ["second first"]);
    assert_eq!(first.once_there_are(1).await, [Ok(3)]);
    assert_eq!(begun.elapsed(), Duration::ZERO);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn an_answered_handler_may_be_asked_back() {
    let (begun, bus) = (Instant::now(), Bus::in_memory());
    let (first, first_notes) = Notes::pair();
    let (second, second_notes) = Notes::pair();
    let back = move |question: Delivery| {
        let notes = second_notes.clone();
        async move {
            question.reply(event("unused", 3)).await?;
            // The asker has its answer, and will go on as soon as it is its turn.
            let bus = question.bus().expect("the bus is open");
            notes.add(
                bus.request::<Number>(event("first", 12), A_SECOND * 9).await.map(|answer| answer.n).ok(),
            );
            Ok::<(), HandlerError>(())
        }
    };
    answers(&bus, "first", "first", asks("second", first_notes)).await;
    answers(&bus, "second", "second", back).await;
    bus.publish(event("first", 1)).await.unwrap();
    assert_eq!(second.once_there_are(1).await, [Some(24)]);
    assert_eq!((first.all(), begun.elapsed()), (vec![Ok(3)], Duration::ZERO));
    end(bus).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_answer_is_too_fast() {
    let bus = Bus::in_memory();
    doubles(&bus, "question", "doubles").await;
    let asked: Vec<_> = (0..4)
        .map(|asker| {
            let bus = bus.clone();
            tokio::spawn(async move {
                for number in (asker * 100)..(asker * 100 + 100) {
                    let answer = bus.request::<Number>(event("question", number), A_SECOND * 60).await;
                    assert_eq!(answer.unwrap().n, number * 2);
                }
            })
        })
        .collect();
    for one in asked {
        one.await.unwrap();
    }
    assert_eq!(bus.stats().late_replies, 0);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_has_to_wait_for_room_beside_the_asker_frees_it() {
    let (begun, bus, (told, notes)) = (Instant::now(), Bus::in_memory(), Notes::pair());
    let handler = move |delivery: Delivery| {
        let notes = notes.clone();
        async move {
            if delivery.topic() == "begin" {
                let bus = delivery.bus().expect("the bus is open");
                notes.add(bus.request::<Number>(event("question", 4), A_SECOND).await.map(|it| it.n).ok());
            }
        }
    };
    let block = Overflow::Block { timeout: A_SECOND * 2 };
    // Room for what it is at and for its own question, and none for the answer.
    bus.on("**").name("all").mailbox(2, block).handle(handler).await.unwrap();
    doubles(&bus, "question", "doubles").await;
    bus.publish(event("begin", 1)).await.unwrap();
    assert_eq!(told.once_there_are(1).await, [Some(8)]);
    quiet().await;
    assert_eq!((stats_of(&bus, "all").done, begun.elapsed()), (3, Duration::ZERO));
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn an_inline_handler_answers_who_would_wait_for_itself_else() {
    let (bus, (told, notes)) = (Bus::in_memory(), Notes::pair());
    answers(&bus, "ask", "asks", asks("ask", notes)).await;
    bus.on("ask").inline(|question: &Number| Ok(number(question.n + 1))).await.unwrap();
    bus.publish(event("ask", 1)).await.unwrap();
    assert_eq!(told.once_there_are(1).await, [Ok(12)]);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_counts_although_the_question_still_waits_for_room() {
    let (begun, bus, door) = (Instant::now(), Bus::in_memory(), Door::closed());
    let waits = door.clone();
    let stands = move |_: Delivery| {
        let door = waits.clone();
        async move { door.pass().await }
    };
    let block = Overflow::Block { timeout: A_SECOND * 9 };
    bus.on("question").name("full").mailbox(1, block).handle(stands).await.unwrap();
    bus.publish(event("question", 1)).await.unwrap();
    doubles(&bus, "question", "doubles").await;
    assert_eq!(bus.request::<Number>(event("question", 2), A_SECOND).await.unwrap().n, 4);
    assert_eq!((begun.elapsed(), bus.stats().late_replies), (A_SECOND, 0));
    door.open();
    end(bus).await;
}
