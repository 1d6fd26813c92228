//! The logging middleware writes one record a delivery, at the level of its topic, with everything needed to find the event again and
//! nothing of what is in it.

mod common;

use common::{Log, Notes, end, event, quiet};
use owlbus::{Bus, Delivery, Event, HandlerError, Outcome, middleware::Logging, settle::Retry};
use tracing::Level;

/// A bus that logs, and what it logged of deliveries.
fn logged(logging: Logging) -> (Bus, Notes<String>, tracing::subscriber::DefaultGuard) {
    let (log, notes) = Notes::pair();
    let guard = tracing::subscriber::set_default(Log(notes));
    (Bus::builder().source("shop").middleware(logging).build().expect("it is alone"), log, guard)
}

fn deliveries(log: &Notes<String>) -> Vec<String> {
    log.all()
        .into_iter()
        .filter(|line| line.contains("message=delivery") || line.contains("record="))
        .collect()
}

fn secret(topic: &str) -> Event {
    Event::json(topic, serde_json::json!({ "secret": "hunter2\n" })).expect("the topic is one")
}

#[tokio::test(start_paused = true)]
async fn it_names_everything_and_shows_nothing() {
    let (bus, log, _guard) = logged(Logging::new());
    let handler = |delivery: Delivery| async move {
        if delivery.attempt() == 1 { Err(HandlerError::temporary("busy\nnow")) } else { Ok(()) }
    };
    let retry = Retry::fixed(std::time::Duration::from_millis(10));
    bus.on("user.*").name("welcome").retry(retry).handle(handler).await.unwrap();
    let receipt = bus.publish(secret("user.login")).await.unwrap();
    bus.shutdown().await;
    let lines = deliveries(&log);
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].starts_with("WARN ") && lines[1].starts_with("DEBUG "), "{lines:?}");
    for (line, attempt, outcome) in [(&lines[0], 1, "failed"), (&lines[1], 2, "done")] {
        for field in [
            format!("event_id={}", receipt.id),
            "topic=user.login".into(),
            format!("correlation_id={}", receipt.id),
            "source=shop".into(),
            "subscription=welcome".into(),
            format!("attempt={attempt}"),
            format!("outcome={outcome}"),
            "duration=".into(),
        ] {
            assert!(line.contains(&field), "{field} is not in {line}");
        }
    }
    assert!(lines[0].contains("busy\\nnow"), "control characters are escaped: {}", lines[0]);
    assert!(log.all().iter().all(|line| !line.contains("hunter2")), "{:?}", log.all());
}

#[tokio::test(start_paused = true)]
async fn the_level_is_that_of_the_topic_and_failures_have_their_own() {
    let logging = Logging::new().without("quiet.**").unwrap().level("loud.*", Level::INFO).unwrap();
    let (bus, log, _guard) = logged(logging.failures(Level::ERROR));
    let handler = |delivery: Delivery| async move {
        match delivery.topic().as_str() {
            "quiet.failing" => Outcome::Dead { reason: "no".into() },
            "loud.skipped" => Outcome::Skipped,
            _ => Outcome::Done,
        }
    };
    bus.on("**").handle(handler).await.unwrap();
    for topic in ["quiet.well", "quiet.failing", "loud.skipped", "other"] {
        bus.publish(event(topic, 1)).await.unwrap();
    }
    quiet().await;
    let lines = deliveries(&log);
    let said: Vec<_> = lines.iter().filter_map(|line| line.split_once(' ')).map(|(level, _)| level).collect();
    assert_eq!(said, ["ERROR", "INFO", "DEBUG"]);
    assert!(lines[1].contains("outcome=skipped"), "{lines:?}");
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn as_json_it_is_one_field_and_with_the_data_where_that_is_asked_for() {
    let (bus, log, _guard) = logged(Logging::new().json().with_payload());
    bus.on("**").name("it").handle(|_: Delivery| async {}).await.unwrap();
    bus.publish(secret("user.login")).await.unwrap();
    quiet().await;
    let lines = deliveries(&log);
    let text = lines[0].split_once("record=").expect("there is a record").1.trim();
    // The log of the test writes strings as Rust would.
    let text: String = serde_json::from_str(text).unwrap();
    let record: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (&record["topic"], &record["subscription"], &record["outcome"]),
        (&"user.login".into(), &"it".into(), &"done".into())
    );
    assert!(record["data"].as_str().unwrap().contains("hunter2"), "{record}");
    assert!(record["duration_us"].is_u64());
    end(bus).await;
}
