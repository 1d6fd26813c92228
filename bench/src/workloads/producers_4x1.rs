//! Four publishers at once, one queued subscriber.

use crate::{
    subjects::{Shape, mpsc, owlbus},
    workload::{
        Bound::{AtLeast, Shown},
        Subject, Unit, Want, Workload,
    },
};

pub(super) static WORKLOAD: Workload = Workload {
    name: "producers_4x1",
    about: "four publishers, one queued subscriber",
    subjects: &[
        Subject { name: "owlbus", unit: Unit::Events, work: 4_000_000, round: |n| owlbus::queued(shape(n)) },
        Subject {
            name: "mpsc-recv",
            unit: Unit::Events,
            work: 4_000_000,
            round: |n| mpsc::one_by_one(shape(n)),
        },
        Subject {
            name: "mpsc-recv-many",
            unit: Unit::Events,
            work: 4_000_000,
            round: |n| mpsc::many_at_once(shape(n)),
        },
    ],
    wants: &[
        Want::Ratio { subject: "owlbus", beside: "mpsc-recv", bound: AtLeast(1.0) },
        Want::Ratio { subject: "owlbus", beside: "mpsc-recv-many", bound: Shown },
    ],
};

fn shape(ticks: u64) -> Shape {
    Shape { publishers: 4, handlers: 1, ticks }
}
