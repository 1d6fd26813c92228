//! One publisher, sixteen queued subscribers that each get everything.

use crate::{
    subjects::{Shape, broadcast, jaeb, mpsc, owlbus},
    workload::{
        Bound::{AtLeast, Shown},
        Subject, Unit, Want, Workload,
    },
};

pub(super) static WORKLOAD: Workload = Workload {
    name: "fanout_16",
    about: "one publisher, 16 queued subscribers",
    subjects: &[
        Subject {
            name: "owlbus",
            unit: Unit::Deliveries,
            work: 600_000,
            round: |n| owlbus::queued(shape(n)),
        },
        Subject {
            name: "mpsc-recv",
            unit: Unit::Deliveries,
            work: 400_000,
            round: |n| mpsc::one_by_one(shape(n)),
        },
        Subject {
            name: "jaeb-async",
            unit: Unit::Deliveries,
            work: 150_000,
            round: |n| jaeb::asynchronous(shape(n)),
        },
        Subject {
            name: "broadcast",
            unit: Unit::Deliveries,
            work: 1_000_000,
            round: |n| broadcast::paced(shape(n)),
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
