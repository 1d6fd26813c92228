//! One publisher, sixteen queued subscribers that each get everything.

use crate::{
    subjects::{Shape, broadcast, jaeb, mpsc, owlbus},
    workload::{
        Bound::{AtLeast, Shown},
        Round::One,
        Subject, Unit, Want, Workload,
    },
};

pub(super) static WORKLOAD: Workload = Workload {
    name: "fanout_16",
    about: "one publisher, 16 queued subscribers",
    subjects: &[
        Subject { name: "owlbus", work: 600_000, round: One(Unit::Deliveries, |n| owlbus::queued(shape(n))) },
        Subject {
            name: "mpsc-recv",
            work: 400_000,
            round: One(Unit::Deliveries, |n| mpsc::one_by_one(shape(n))),
        },
        Subject {
            name: "jaeb-async",
            work: 150_000,
            round: One(Unit::Deliveries, |n| jaeb::asynchronous(shape(n))),
        },
        Subject {
            name: "broadcast",
            work: 1_000_000,
            round: One(Unit::Deliveries, |n| broadcast::paced(shape(n))),
        },
    ],
    wants: &[
        Want::Ratio { subject: "owlbus", beside: "mpsc-recv", bound: AtLeast(2.0) },
        Want::Ratio { subject: "owlbus", beside: "jaeb-async", bound: AtLeast(10.0) },
        Want::Ratio { subject: "owlbus", beside: "broadcast", bound: Shown },
    ],
};

fn shape(ticks: u64) -> Shape {
    Shape { publishers: 1, handlers: 16, ticks }
}
