//! The promise: whatever is asked of a bus, and in whatever order, it does what a small, slow and obviously right one
//! does: who gets which event and when, what becomes of it, and who is told.

#![allow(unreachable_pub, reason = "the model is a part of this promise only")]
#![expect(clippy::unwrap_used, reason = "a test that unwraps the wrong thing fails, as it should")]

mod model;

use model::{
    play::play,
    story::{Story, stories},
};
use proptest::{
    prelude::*,
    test_runner::{TestError, TestRunner},
};

/// Stories for each thousand cases that `PROPTEST_CASES` asks of other tests, and at least so many.
const STORIES: u32 = 20_000;

#[test]
fn the_bus_does_what_its_model_does() {
    let config = ProptestConfig::default();
    let config = ProptestConfig {
        cases: STORIES * (config.cases / 1_000).max(1),
        failure_persistence: None,
        ..config
    };
    match TestRunner::new(config).run(&stories(), |story| play(&story)) {
        Ok(()) => {}
        Err(TestError::Fail(_, story)) => {
            let story = shortest(story);
            let error = play(&story).unwrap_err();
            panic!(
                "{error}\nwhere the left is what the bus did, and the right what the model did, with\n{story:?}"
            );
        }
        Err(error) => panic!("{error}"),
    }
}

/// The story without anything it fails without.
fn shortest(mut story: Story) -> Story {
    loop {
        let shorter = story.shorter().find(|shorter| play(shorter).is_err());
        match shorter {
            Some(shorter) => story = shorter,
            None => return story,
        }
    }
}
