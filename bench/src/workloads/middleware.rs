//! One publisher, one queued subscriber, and what stands around the events.

use std::time::Duration;

use ::owlbus::{
    Bus,
    middleware::{
        Access, Filter, Logging, Metrics, Middleware, Transform, around_accept, around_handle, before_accept,
        delay, on_settled,
    },
};
use anyhow::Result;

use crate::{
    subjects::{Shape, owlbus},
    workload::{Bound::Shown, Round::One, Subject, Unit, Want, Workload},
};

pub(super) static WORKLOAD: Workload = Workload {
    name: "middleware",
    about: "queue_1x1 with what stands around the events",
    subjects: &[
        subject("none", |n| owlbus::built(Bus::builder(), shape(n))),
        subject("no-history", |n| owlbus::built(Bus::builder().history(0, 0), shape(n))),
        subject("around-accept", |n| one(n, around_accept("a", |event, next| next.run(event)))),
        subject("before-accept", |n| one(n, before_accept("a", Ok::<_, String>))),
        subject("around-handle", |n| one(n, around_handle("a", |delivery, next| next.run(delivery)))),
        subject("on-settled", |n| one(n, on_settled("a", |_, _| {}))),
        subject("filter", |n| one(n, Filter::new().allow("bench.**")?)),
        subject("transform", |n| one(n, Transform::new().on("other.**")?)),
        subject("logging", |n| one(n, Logging::new())),
        subject("metrics", |n| one(n, Metrics::new())),
        subject("access", |n| one(n, Access::new())),
        subject("five", |n| {
            let bus = Bus::builder().middleware(Filter::new().allow("bench.**")?);
            let bus = bus.middleware(Transform::new().on("other.**")?);
            let bus = bus.middleware(Logging::new()).middleware(Metrics::new());
            owlbus::built(bus.middleware(delay(0.0, Duration::from_millis(1), 1)), shape(n))
        }),
    ],
    wants: &[
        shown("no-history"),
        shown("around-accept"),
        shown("before-accept"),
        shown("around-handle"),
        shown("on-settled"),
        shown("filter"),
        shown("transform"),
        shown("logging"),
        shown("metrics"),
        shown("access"),
        shown("five"),
    ],
};

const fn subject(name: &'static str, round: fn(u64) -> Result<f64>) -> Subject {
    Subject { name, work: 1_000_000, round: One(Unit::Events, round) }
}

const fn shown(subject: &'static str) -> Want {
    Want::Ratio { subject, beside: "none", bound: Shown }
}

fn one(ticks: u64, middleware: impl Middleware) -> Result<f64> {
    owlbus::built(Bus::builder().middleware(middleware), shape(ticks))
}

fn shape(ticks: u64) -> Shape {
    Shape { publishers: 1, handlers: 1, ticks }
}
