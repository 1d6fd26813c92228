//! Topics, patterns, and closed sets of both: one struct published under several topics, an enum whose variants have
//! a topic each, and order by key.
//!
//! Run this: `cargo run -p owlbus --example 02_topics`

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use owlbus::{Bus, Delivery, Event, Topics};
use serde::{Deserialize, Serialize};

/// The topics of a document's life: `document.processing.started`, `document.processing.completed`, …
#[derive(Clone, Copy, Debug, PartialEq, Topics)]
#[topics(prefix = "document")]
enum DocumentTopic {
    ProcessingStarted,
    ProcessingCompleted,
    ErrorOccurred,
}

/// One struct for all of them, so it has a type but no topic of its own.
#[derive(Serialize, Deserialize, Event)]
#[event(type = "document")]
struct DocumentEvent {
    document_id: String,
    page: u32,
}

/// Every variant has its topic, and a handler of the enum gets them all.
#[derive(Debug, Serialize, Deserialize, Event)]
#[event(prefix = "audio")]
enum AudioEvent {
    Started,
    WakeWordDetected { confidence: f64 },
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let bus = Bus::in_memory();

    // Pages of one document come in order; different documents are handled side by side.
    bus.on(DocumentTopic::ALL)
        .typed::<DocumentEvent>()
        .ordered_by_key()
        .handle(|event: Delivery<DocumentEvent>| async move {
            let topic = DocumentTopic::try_from(event.event().topic())?;
            println!("{topic:?}: page {} of {}", event.page, event.document_id);
            Ok(())
        })
        .await?;

    bus.on("document.error.**")
        .filter(|event| event.get::<u32>("/page") == Some(2))
        .handle(|event: Delivery| async move { println!("page two failed: {event}") })
        .await?;

    bus.subscribe(|event: Delivery<AudioEvent>| async move {
        println!("{}: {:?}", event.event().topic(), *event);
    })
    .await?;

    for (topic, page) in [
        (DocumentTopic::ProcessingStarted, 1),
        (DocumentTopic::ProcessingCompleted, 1),
        (DocumentTopic::ErrorOccurred, 2),
    ] {
        let event = DocumentEvent { document_id: "doc123".into(), page };
        bus.event(event).topic(topic).key("doc123").publish().await?;
    }
    bus.publish(AudioEvent::Started).await?;
    bus.publish(AudioEvent::WakeWordDetected { confidence: 0.93 }).await?;

    assert!(bus.shutdown().await.is_clean());
    Ok(())
}
