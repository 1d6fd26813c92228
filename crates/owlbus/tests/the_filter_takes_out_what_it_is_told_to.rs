//! The filter lets through what is allowed and not denied, by topic, type and predicate; the rest nobody gets, and it is counted.

mod common;

use common::{end, event, listen, n, number, quiet};
use owlbus::{Bus, PublishError, middleware::Filter};

/// Which of a few topics get through.
async fn through(filter: Filter) -> Vec<&'static str> {
    let bus = Bus::builder().middleware(filter).build().expect("its name is alone");
    let heard = listen(&bus, "**").await;
    let topics = ["a", "a.b", "a.b.c", "b", "b.c"];
    for topic in topics {
        let receipt = bus.publish(event(topic, 1)).await.expect("nothing is refused");
        assert_eq!(receipt.discarded_by.is_some(), receipt.matched == Some(0), "{receipt:?}");
    }
    quiet().await;
    let heard = heard.all();
    assert_eq!(bus.middleware()[0].dropped as usize, topics.len() - heard.len());
    end(bus).await;
    topics.into_iter().filter(|topic| heard.iter().any(|event| event.topic() == topic)).collect()
}

#[tokio::test(start_paused = true)]
async fn what_is_allowed_and_not_denied_comes_through() {
    assert_eq!(through(Filter::new()).await, ["a", "a.b", "a.b.c", "b", "b.c"]);
    assert_eq!(through(Filter::new().allow("a.**").unwrap()).await, ["a", "a.b", "a.b.c"]);
    assert_eq!(through(Filter::new().deny(["a.*", "b"]).unwrap()).await, ["a", "a.b.c", "b.c"]);
    assert_eq!(through(Filter::new().allow("a.**").unwrap().deny("a.b.**").unwrap()).await, ["a"]);
    assert_eq!(through(Filter::new().allow("*").unwrap().allow("b.c").unwrap()).await, ["a", "b", "b.c"]);
    assert_eq!(through(Filter::new().allow_type("a.b").allow_type("b")).await, ["a.b", "b"]);
    assert_eq!(through(Filter::new().deny_type("a.b").deny("b.*").unwrap()).await, ["a", "a.b.c", "b"]);
}

#[tokio::test(start_paused = true)]
async fn every_predicate_must_agree_and_one_that_panics_refuses() {
    let filter = Filter::new().when(|event| n(event).is_multiple_of(2)).when(|event| match n(event) {
        6 => panic!("what is a six?"),
        n => n % 3 == 0,
    });
    let bus = Bus::builder().middleware(filter.named("sixes").priority(3)).build().unwrap();
    let heard = listen(&bus, "test.*").await;
    let mut refused = Vec::new();
    for n in 0..=12 {
        if let Err(PublishError::Rejected { by, event, .. }) = bus.publish(number(n)).await {
            refused.push((by.to_string(), common::n(&event)));
        }
    }
    quiet().await;
    assert_eq!(heard.all().iter().map(n).collect::<Vec<_>>(), [0, 12]);
    assert_eq!(refused, [("sixes".to_owned(), 6)]);
    let info = &bus.middleware()[0];
    assert_eq!((info.priority, info.dropped, info.refused, info.failed), (3, 10, 1, 1));
    end(bus).await;
}

#[test]
fn a_pattern_that_is_none_is_told_at_once() {
    assert!(Filter::new().allow("a..b").is_err());
    assert!(Filter::new().deny("a b").is_err());
}
