//! One publisher, one queued subscriber.

use crate::{
    subjects::{Shape, jaeb, mpsc, owlbus},
    workload::{Bound::AtLeast, Round::One, Subject, Unit, Want, Workload},
};

pub(super) static WORKLOAD: Workload = Workload {
    name: "queue_1x1",
    about: "one publisher, one queued subscriber",
    subjects: &[
        Subject { name: "owlbus", work: 5_000_000, round: One(Unit::Events, |n| owlbus::queued(shape(n))) },
        Subject {
            name: "mpsc-recv",
            work: 5_000_000,
            round: One(Unit::Events, |n| mpsc::one_by_one(shape(n))),
        },
        Subject {
            name: "mpsc-recv-many",
            work: 5_000_000,
            round: One(Unit::Events, |n| mpsc::many_at_once(shape(n))),
        },
        Subject {
            name: "jaeb-async",
            work: 2_000_000,
            round: One(Unit::Events, |n| jaeb::asynchronous(shape(n))),
        },
    ],
    wants: &[
        Want::Ratio { subject: "owlbus", beside: "mpsc-recv", bound: AtLeast(1.5) },
        Want::Ratio { subject: "owlbus", beside: "mpsc-recv-many", bound: AtLeast(1.0) },
        Want::Ratio { subject: "owlbus", beside: "jaeb-async", bound: AtLeast(5.0) },
    ],
};

fn shape(ticks: u64) -> Shape {
    Shape { publishers: 1, handlers: 1, ticks }
}
