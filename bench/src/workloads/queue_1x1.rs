//! One publisher, one queued subscriber.

use crate::{
    subjects::{Shape, jaeb, mpsc, owlbus},
    workload::{Bound::AtLeast, Subject, Unit, Want, Workload},
};

pub(super) static WORKLOAD: Workload = Workload {
    name: "queue_1x1",
    about: "one publisher, one queued subscriber",
    subjects: &[
        Subject { name: "owlbus", unit: Unit::Events, work: 5_000_000, round: |n| owlbus::queued(shape(n)) },
        Subject {
            name: "mpsc-recv",
            unit: Unit::Events,
            work: 5_000_000,
            round: |n| mpsc::one_by_one(shape(n)),
        },
        Subject {
            name: "mpsc-recv-many",
            unit: Unit::Events,
            work: 5_000_000,
            round: |n| mpsc::many_at_once(shape(n)),
        },
        Subject {
            name: "jaeb-async",
            unit: Unit::Events,
            work: 2_000_000,
            round: |n| jaeb::asynchronous(shape(n)),
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
