//! What a Rust type says about itself once it derives `Event` or `Topics`.
//!
//! A struct is one type of event, an enum is one a variant; both can be published without naming a topic. An enum of
//! topics replaces texts scattered over a program: it names each topic once, and a wrong one does not compile.

use std::collections::HashMap;

use owlbus::{
    Event, Pattern, Topic, Topics, TypedEvent, topic::IntoPatterns, topic::IntoTopic, topic::UnknownTopic,
};
use serde::{Deserialize, Serialize};

/// What an event says about itself: its type and its topic.
fn address<E: TypedEvent>(event: &E) -> (&'static str, Option<&'static str>) {
    (event.event_type(), event.topic().map(Topic::as_str))
}

mod a_struct {
    use super::*;

    #[derive(Serialize, Deserialize, Event)]
    #[event(topic = "user.logged_in")]
    struct LoggedIn {
        user: u64,
    }

    #[derive(Serialize, Deserialize, Event)]
    #[event(topic = "user.renamed", type = "com.example/user renamed", version = 3)]
    struct Renamed(String);

    #[derive(Serialize, Deserialize, Event)]
    #[event(type = "tick")]
    struct Tick;

    #[derive(Serialize, Deserialize, Event)]
    #[event(topic = "split.in_two")]
    #[event(version = 2)]
    struct Split {}

    #[test]
    fn has_its_topic_as_its_type_and_version_1_unless_it_says_otherwise() {
        assert_eq!(LoggedIn::TYPES, ["user.logged_in"]);
        assert_eq!(LoggedIn::VERSION, 1);
        assert_eq!(address(&LoggedIn { user: 7 }), ("user.logged_in", Some("user.logged_in")));
    }

    #[test]
    fn can_have_a_type_and_a_version_of_its_own() {
        assert_eq!(Renamed::TYPES, ["com.example/user renamed"]);
        assert_eq!(Renamed::VERSION, 3);
        assert_eq!(address(&Renamed("Ada".into())), ("com.example/user renamed", Some("user.renamed")));
    }

    #[test]
    fn without_a_topic_leaves_it_to_the_publisher() {
        assert_eq!(Tick::TYPES, ["tick"]);
        assert_eq!(address(&Tick), ("tick", None));
    }

    #[test]
    fn may_spread_its_attributes() {
        assert_eq!((address(&Split {}), Split::VERSION), (("split.in_two", Some("split.in_two")), 2));
    }

    #[test]
    fn makes_its_topic_once() {
        let (first, second) = (LoggedIn { user: 1 }, LoggedIn { user: 2 });
        let topics = first.topic().zip(second.topic()).expect("both have a topic");
        assert!(std::ptr::eq(topics.0, topics.1), "every value shares one static topic");
    }
}

mod an_enum {
    use super::*;

    #[derive(Serialize, Deserialize, Event)]
    #[event(prefix = "audio", version = 2)]
    enum Audio {
        Started,
        WakeWordDetected {
            confidence: f32,
        },
        OCRDone(u8, u8),
        #[event(topic = "mic.failed")]
        Failed(String),
        #[event(type = "audio/stage-2")]
        Stage2Done,
        #[event(topic = "audio.started", type = "audio.restarted")]
        Restarted,
        r#Yield,
    }

    #[test]
    fn names_one_type_a_variant_in_their_order() {
        let expected = [
            "audio.started",
            "audio.wake.word.detected",
            "audio.ocr.done",
            "mic.failed",
            "audio/stage-2",
            "audio.restarted",
            "audio.yield",
        ];
        assert_eq!(Audio::TYPES, expected);
        assert_eq!(Audio::VERSION, 2);
    }

    #[test]
    fn tells_the_type_and_topic_of_the_variant_it_is() {
        let table = [
            (Audio::Started, "audio.started", "audio.started"),
            (
                Audio::WakeWordDetected { confidence: 0.9 },
                "audio.wake.word.detected",
                "audio.wake.word.detected",
            ),
            (Audio::OCRDone(1, 2), "audio.ocr.done", "audio.ocr.done"),
            (Audio::Failed("unplugged".into()), "mic.failed", "mic.failed"),
            (Audio::Stage2Done, "audio/stage-2", "audio.stage2.done"),
            (Audio::Restarted, "audio.restarted", "audio.started"),
            (Audio::Yield, "audio.yield", "audio.yield"),
        ];
        for (event, type_name, topic) in table {
            assert_eq!(address(&event), (type_name, Some(topic)));
        }
    }

    #[derive(Serialize, Deserialize, Event)]
    enum Mixed {
        #[event(topic = "door.opened")]
        Opened,
        #[event(topic = "window.closed")]
        Closed { by: String },
    }

    #[test]
    fn needs_no_prefix_if_each_variant_has_a_topic() {
        assert_eq!(Mixed::TYPES, ["door.opened", "window.closed"]);
        assert_eq!(address(&Mixed::Opened), ("door.opened", Some("door.opened")));
        assert_eq!(address(&Mixed::Closed { by: "wind".into() }), ("window.closed", Some("window.closed")));
    }

    /// Topics and versions often come out of a table that a macro expands.
    macro_rules! event {
        ($name:ident, $topic:expr, $version:expr) => {
            #[derive(Serialize, Deserialize, Event)]
            #[event(topic = $topic, version = $version)]
            struct $name;
        };
    }

    event!(FromTable, "table.row", 4);

    #[test]
    fn and_a_struct_can_be_written_by_another_macro() {
        assert_eq!((address(&FromTable), FromTable::VERSION), (("table.row", Some("table.row")), 4));
    }
}

mod a_set_of_topics {
    use super::*;

    #[derive(Clone, Copy, Debug, PartialEq, Eq, Topics)]
    #[topics(prefix = "document")]
    pub enum DocumentTopic {
        Uploaded,
        ProcessingStarted,
        OCRDone,
        Stage2Done,
        #[topics(name = "validation_required")]
        NeedsValidation,
        #[topics(name = "export.pdf.finished")]
        Exported = 40,
    }

    #[derive(Clone, Copy, Debug, PartialEq, Eq, Topics)]
    enum Free {
        Ping,
        UserLeft,
        #[topics(name = "owlbus.stall")]
        Stall,
    }

    const TEXTS: [&str; 6] = [
        "document.uploaded",
        "document.processing.started",
        "document.ocr.done",
        "document.stage2.done",
        "document.validation_required",
        "document.export.pdf.finished",
    ];

    #[test]
    fn makes_topics_of_the_names_of_its_variants() {
        let texts: Vec<_> = DocumentTopic::ALL.iter().map(|topic| topic.topic().as_str()).collect();
        assert_eq!(texts, TEXTS);
        let displayed: Vec<_> = DocumentTopic::ALL.iter().map(ToString::to_string).collect();
        assert_eq!(displayed, TEXTS);
        assert_eq!(format!("{:>8}|{:.3}", Free::Ping, Free::UserLeft), "    ping|use");
    }

    #[test]
    fn needs_no_prefix_and_may_name_topics_of_the_bus_itself() {
        let texts: Vec<_> = Free::ALL.iter().map(|topic| topic.topic().as_str()).collect();
        assert_eq!(texts, ["ping", "user.left", "owlbus.stall"]);
    }

    #[test]
    fn is_found_again_by_topic_and_by_text() {
        for &variant in DocumentTopic::ALL {
            let topic = variant.topic();
            assert_eq!(DocumentTopic::try_from(topic), Ok(variant));
            assert_eq!(topic.as_str().parse(), Ok(variant));
            assert_eq!(<DocumentTopic as Topics>::from_topic(topic), Some(variant));
        }
    }

    #[test]
    fn says_which_set_a_foreign_topic_is_missing_from() {
        let foreign = Topic::from_static("document.lost");
        let error = DocumentTopic::try_from(&foreign).expect_err("no variant has this topic");
        assert_eq!(error, UnknownTopic::new("document.lost", "DocumentTopic"));
        assert_eq!((error.topic(), error.set()), ("document.lost", "DocumentTopic"));
        assert_eq!(<DocumentTopic as Topics>::from_topic(&foreign), None);

        let error = "no\ntopic".parse::<Free>().expect_err("not even a topic");
        let expected = r#""no\ntopic" is none of the topics of `Free`; `Free::ALL` lists them"#;
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn is_accepted_wherever_a_topic_or_a_pattern_is() {
        let variant = DocumentTopic::ProcessingStarted;
        let topic = Topic::from_static("document.processing.started");
        let pattern = Pattern::from_static("document.processing.started");
        assert_eq!(Topic::from(variant), topic);
        assert_eq!(Pattern::from(variant), pattern);
        assert_eq!(variant.into_topic(), Ok(topic));
        assert_eq!(variant.into_patterns(), Ok(vec![pattern]));

        let listed = DocumentTopic::ALL.into_patterns().expect("a list of variants is a list of patterns");
        let listed: Vec<_> = listed.iter().map(Pattern::as_str).collect();
        assert_eq!(listed, TEXTS);
    }

    #[test]
    fn can_be_used_generically() {
        fn by_text<T: Topics>() -> HashMap<&'static str, T> {
            T::ALL.iter().map(|&variant| (variant.topic().as_str(), variant)).collect()
        }
        assert_eq!(by_text::<Free>().get("user.left"), Some(&Free::UserLeft));
        assert_eq!(by_text::<DocumentTopic>().len(), TEXTS.len());
    }
}

/// Code that forbids what generated code could be guilty of, and shadows the names it could stumble over.
mod strict_surroundings {
    #![deny(warnings, missing_docs, unreachable_pub, clippy::all, clippy::pedantic)]
    #![allow(clippy::upper_case_acronyms, reason = "a variant may be named like the constant")]

    use owlbus::TypedEvent;

    #[expect(dead_code, reason = "only there to be in the way of generated code")]
    mod in_the_way {
        pub(super) struct Option;
        pub(super) struct Result;
        pub(super) struct Vec;
        pub(super) trait From {}
        pub(super) trait Into {}
        pub(super) trait Clone {}
    }
    #[allow(unused_imports, reason = "only there to be in the way of generated code")]
    use in_the_way::*;

    #[derive(serde::Serialize, serde::Deserialize, owlbus::Event)]
    #[event(prefix = "old")]
    enum Event {
        #[deprecated]
        Gone,
        Topic {
            topic: u8,
        },
    }

    #[derive(Clone, Copy, owlbus::Topics)]
    enum Unused {
        #[deprecated]
        Ok,
        Err,
        Error,
        ALL,
        Topic,
    }

    #[test]
    fn do_not_trouble_the_derived_code() {
        assert_eq!(Event::TYPES, ["old.gone", "old.topic"]);
        assert_eq!(Event::Topic { topic: 1 }.event_type(), "old.topic");
        assert_eq!(Unused::Err.to_string(), "err");
    }
}
