//! Publishing from within a publish: what filters and inline handlers do.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::Arc,
};

use super::Matched;
use crate::event::{Cause, Event};

/// How many publishes may be under way inside one another.
const DEEPEST: usize = 16;

crate::sync::thread_local! {
    /// How many there are in `INSIDE`, for those who only ask whether there are any.
    static DEPTH: Cell<usize> = const { Cell::new(0) };
    /// The publishes of this thread that run code of users at this moment, each inside the one before it.
    static INSIDE: RefCell<Vec<Frame>> = const { RefCell::new(Vec::new()) };
}

struct Frame {
    event: Event,
    matched: Rc<Matched>,
    /// The place of the subscription whose code runs.
    at: usize,
}

/// Notes that a publish runs code of users, until it is dropped.
pub(crate) struct Inside {
    depth: usize,
}

impl Inside {
    /// `None` where there is no such code.
    pub(crate) fn enter(matched: &Rc<Matched>, event: &Event) -> Option<Self> {
        matched.runs_code.then(|| Self::begin(matched, event, 0))
    }

    /// Notes that code of a wait runs, which is no subscription.
    pub(crate) fn wait(matched: &Rc<Matched>, event: &Event) -> Self {
        Self::begin(matched, event, usize::MAX)
    }

    fn begin(matched: &Rc<Matched>, event: &Event, at: usize) -> Self {
        let frame = Frame { event: event.clone(), matched: Rc::clone(matched), at };
        INSIDE.with(|frames| {
            let mut frames = frames.borrow_mut();
            frames.push(frame);
            DEPTH.with(|depth| depth.set(frames.len()));
            Self { depth: frames.len() - 1 }
        })
    }

    /// It runs the code of the subscription at this place.
    pub(crate) fn at(&self, place: usize) {
        INSIDE.with(|frames| {
            if let Some(frame) = frames.borrow_mut().get_mut(self.depth) {
                frame.at = place;
            }
        });
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        let frame = INSIDE.with(|frames| frames.borrow_mut().pop());
        DEPTH.with(|depth| depth.set(self.depth));
        // An event may hold the last of a value of the user, which is dropped out here.
        drop(frame);
    }
}

/// The event whose filter or inline handler publishes.
pub(crate) fn cause_inside() -> Option<Cause> {
    if DEPTH.with(Cell::get) == 0 {
        return None;
    }
    INSIDE.with(|frames| frames.borrow().last().map(|frame| frame.event.cause()))
}

/// The subscriptions a publish would be inside of, where they are too many.
pub(crate) fn too_deep() -> Option<Vec<Arc<str>>> {
    if DEPTH.with(Cell::get) < DEEPEST {
        return None;
    }
    INSIDE.with(|frames| {
        let frames = frames.borrow();
        let name = |frame: &Frame| Some(Arc::clone(&frame.matched.all().nth(frame.at)?.name));
        Some(frames.iter().filter_map(name).collect())
    })
}
