//! An event is given a digest of its data when it is accepted. It travels with the event, and what does not fit its digest is
//! refused on its way in and never handled; whatever changes data openly does so before.

mod common;

use common::{end, event, listen, number, quiet, stats_of};
use owlbus::{
    Bus, Delivery, Event, PublishError,
    middleware::{DigestError, Hook, Transform, Validate, around_accept, check_digest},
    settle::DeadLetterQuery,
};
use proptest::prelude::*;

/// SHA-256 of `{"n":1}`.
const ONE: &str = "sha256:2bfd14f43d17fc7cea24e0917a8879b4b2f880b8baeec1b9d90fbaad655e71bd";

fn bus() -> Bus {
    Bus::builder().middleware(Validate::new().digest()).build().expect("its name is alone")
}

fn with_digest(event: Event, digest: &str) -> Event {
    Event::builder(event).metadata("digest", digest).build().expect("the name is free")
}

/// Puts an event with other data, and the same digest, in the place of each: what damage on the way would do.
fn damage() -> Hook {
    around_accept("damage", |event: Event, next| async move {
        let digest = event.metadata().text("digest").unwrap_or_default().to_owned();
        next.run(with_digest(Event::builder(event).data(number(2)).build().expect("it is JSON"), &digest))
            .await
    })
    .priority(-1)
}

#[tokio::test(start_paused = true)]
async fn every_form_of_data_gets_the_digest_of_its_bytes() {
    let bus = bus();
    let heard = listen(&bus, "**").await;
    for event in [
        Event::new(number(1)),
        event("test.n", 1),
        Event::binary("test.n", "image/png", &br#"{"n":1}"#[..]).unwrap(),
        with_digest(event("test.n", 1), &ONE.to_uppercase().replace("SHA", "sha")),
        Event::signal("test.n").unwrap(),
    ] {
        bus.publish(event).await.unwrap();
    }
    quiet().await;
    let heard = heard.all();
    assert_eq!(heard.len(), 5);
    let empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    for (event, expected) in heard.iter().zip([ONE, ONE, ONE, ONE, empty]) {
        assert_eq!(event.metadata().text("digest").unwrap().to_lowercase(), expected);
        assert_eq!(check_digest(event), Ok(()));
        // It is there again when the event comes back from a wire.
        let back = Event::from_cloudevent(event.to_cloudevent().unwrap()).unwrap();
        assert_eq!(back.metadata().get("digest"), event.metadata().get("digest"));
        assert_eq!(check_digest(&back), Ok(()));
    }
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn what_does_not_fit_its_digest_is_refused_on_its_way_in() {
    let bus = bus();
    let heard = listen(&bus, "**").await;
    for (event, error) in [
        (with_digest(event("test.n", 2), ONE), DigestError::Changed),
        (with_digest(event("test.n", 1), &ONE[..70]), DigestError::Unreadable),
        (with_digest(event("test.n", 1), &ONE.replace("sha256", "sha512")), DigestError::Unreadable),
        (with_digest(event("test.n", 1), ""), DigestError::Unreadable),
        (Event::builder(event("test.n", 1)).metadata("digest", 5).build().unwrap(), DigestError::Unreadable),
    ] {
        assert_eq!(check_digest(&event), Err(error.clone()));
        let refused = bus.publish(event).await.unwrap_err();
        let PublishError::Rejected { by, reason, .. } = &refused else { panic!("{refused:?}") };
        assert_eq!((&**by, &**reason), ("validate", &*format!("digest: {error}")));
    }
    quiet().await;
    assert!(heard.all().is_empty());
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn what_was_damaged_after_it_was_accepted_is_never_handled() {
    let bus = Bus::builder().middleware(Validate::new().digest()).middleware(damage()).build().unwrap();
    bus.on("**")
        .name("it")
        .retry(owlbus::settle::Retry::fixed(std::time::Duration::from_secs(1)))
        .handle(|_: Delivery| async {})
        .await
        .unwrap();
    bus.publish(event("test.n", 1)).await.unwrap();
    bus.on("test.last").handle(|_: Delivery| async {}).await.unwrap();
    quiet().await;
    let stats = stats_of(&bus, "it");
    assert_eq!((stats.done, stats.dead), (0, 1));
    let letters = bus.dead_letters().list(&DeadLetterQuery::all());
    assert!(letters[0].reason.contains("the data is not what its `digest` says"), "{}", letters[0].reason);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn who_changes_data_openly_does_so_before_the_digest() {
    let transform = Transform::new().drop_field("/secret").priority(1);
    let bus = Bus::builder().middleware(Validate::new().digest()).middleware(transform).build().unwrap();
    let heard = listen(&bus, "**").await;
    let sent = Event::json_bytes("test.n", &br#"{"n":1,"secret":2}"#[..]).unwrap();
    bus.publish(sent.clone()).await.unwrap();
    // Also where the publisher had a digest: it was that of the former data.
    let digest = bus.publish(with_digest(sent, ONE)).await;
    quiet().await;
    assert!(digest.is_ok());
    for event in heard.all() {
        assert_eq!(event.metadata().text("digest"), Some(ONE));
    }
    assert_eq!(heard.all().len(), 2);
    end(bus).await;
}

#[tokio::test(start_paused = true)]
async fn a_handler_may_pass_on_what_it_got_and_what_it_made_of_it() {
    let bus = bus();
    bus.on("first")
        .handle(|first: Delivery| async move {
            let again = Event::builder(first.event().clone()).topic("again").build()?;
            let other = Event::builder(first.event().clone()).data(number(2)).topic("other").build()?;
            first.publish(again).await?;
            first.publish(other).await?;
            Ok(())
        })
        .await
        .unwrap();
    let heard = listen(&bus, ["again", "other"]).await;
    bus.publish(event("first", 1)).await.unwrap();
    quiet().await;
    let digests: Vec<_> =
        heard.all().iter().map(|event| event.metadata().text("digest").map(str::to_owned)).collect();
    assert_eq!(digests[0].as_deref(), Some(ONE));
    assert!(digests.len() == 2 && digests[1] != digests[0], "{digests:?}");
    end(bus).await;
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn line_breaks_between_tokens_are_the_spaces_they_become_on_a_wire(breaks in "[ \n\r]{0,5}") {
        let text = format!("{breaks}{{{breaks}\"n\"{breaks}:1}}{breaks}");
        let event = Event::json_bytes("test.n", text.into_bytes()).unwrap();
        let bus = bus();
        let heard = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let notes = std::sync::Arc::clone(&heard);
        bus.on("**").inline_now(move |event: &Event| notes.lock().unwrap().push(event.clone())).unwrap();
        bus.try_publish(event).unwrap();
        let heard = heard.lock().unwrap();
        let back = Event::from_cloudevent(heard[0].to_cloudevent().unwrap()).unwrap();
        prop_assert!(back.metadata().text("digest").is_some());
        prop_assert_eq!(check_digest(&back), Ok(()));
    }
}
