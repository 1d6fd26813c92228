//! Four publishers at once, one queued subscriber.

use crate::{
    subjects::{Shape, jaeb, mpsc, owlbus},
    workload::{
        Bound::{AtLeast, Shown},
        Round::One,
        Subject, Unit, Want, Workload,
    },
};

pub(super) static WORKLOAD: Workload = Workload {
    name: "producers_4x1",
    about: "four publishers, one queued subscriber",
    subjects: &[
        Subject { name: "owlbus", work: 4_000_000, round: One(Unit::Events, |n| owlbus::queued(shape(n))) },
        Subject {
            name: "mpsc-recv",
            work: 4_000_000,
            round: One(Unit::Events, |n| mpsc::one_by_one(shape(n))),
        },
        Subject {
            name: "mpsc-recv-many",
            work: 4_000_000,
            round: One(Unit::Events, |n| mpsc::many_at_once(shape(n))),
        },
        Subject {
            name: "jaeb-async",
            work: 1_500_000,
            round: One(Unit::Events, |n| jaeb::asynchronous(shape(n))),
        },
    ],
    wants: &[
        Want::Ratio { subject: "owlbus", beside: "mpsc-recv", bound: AtLeast(1.0) },
        Want::Ratio { subject: "owlbus", beside: "mpsc-recv-many", bound: Shown },
        Want::Ratio { subject: "owlbus", beside: "jaeb-async", bound: Shown },
    ],
};

fn shape(ticks: u64) -> Shape {
    Shape { publishers: 4, handlers: 1, ticks }
}
