//! Without the feature nobody asks for digests, and none are set or checked.

use std::convert::Infallible;

use crate::event::Event;

/// There is none.
#[derive(Clone)]
pub(super) enum Seal {}

impl Seal {
    pub(super) fn set(&self, _: &Event) -> Result<Event, Infallible> {
        match *self {}
    }

    pub(super) fn check(&self, _: &Event) -> Result<(), Infallible> {
        match *self {}
    }
}
