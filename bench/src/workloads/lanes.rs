//! Who goes first, where there is always more than the handlers can do.
//!
//! - *owlbus*: one queued subscriber, whose mailbox is full all the time, and has events of `High`, `Normal` and `Deferred`;
//!   a publisher of `Immediate` sends one a millisecond. A latency is the time from the publish to the start of the handler;
//!   each lane has as many events on the way as the others, so what differs is what its share of the starts makes of
//!   them. The shares have to be 8 to 4 to 1, and no lane with something to start may wait for more than 13 starts.
//! - *mpsc*: the same in one channel that has no lanes. There is no peer that has.
//! - *bands*: three subscriptions of priority 10, 0 and -10. None may start on an event before those above it have ended.
//! - *keys*: a subscription with `ordered_by_key` and 64 keys. The events of a key may neither meet nor overtake.
//!
//! In *bands* and *keys* the events are of all lanes in turn, for these promises hold whatever the lane.

use std::{
    hint::spin_loop,
    time::{Duration, Instant},
};

use owlbus::Priority;

use crate::workload::{
    Bound::{AtLeast, AtMost, Shown},
    Round::Several,
    Subject, Unit, Want, Workload,
};

mod bands;
mod channel;
mod full;
mod keys;
mod starts;

pub(super) static WORKLOAD: Workload = Workload {
    name: "lanes",
    about: "who goes first in full mailboxes: lanes, bands, keys",
    subjects: &[
        Subject {
            name: "owlbus",
            work: 500_000,
            round: Several(
                &[
                    ("immediate-p50", Unit::Microseconds),
                    ("immediate-p99", Unit::Microseconds),
                    ("high-p50", Unit::Microseconds),
                    ("high-p99", Unit::Microseconds),
                    ("normal-p50", Unit::Microseconds),
                    ("normal-p99", Unit::Microseconds),
                    ("deferred-p50", Unit::Microseconds),
                    ("deferred-p99", Unit::Microseconds),
                    ("high-share", Unit::Percent),
                    ("normal-share", Unit::Percent),
                    ("deferred-share", Unit::Percent),
                    ("longest-wait", Unit::Starts),
                ],
                full::round,
            ),
        },
        Subject {
            name: "mpsc",
            work: 500_000,
            round: Several(
                &[("mpsc-p50", Unit::Microseconds), ("mpsc-p99", Unit::Microseconds)],
                channel::round,
            ),
        },
        Subject {
            name: "bands",
            work: 100_000,
            round: Several(
                &[
                    ("bands", Unit::Deliveries),
                    ("bands-broken", Unit::Times),
                    ("bands-timeouts", Unit::Times),
                ],
                bands::round,
            ),
        },
        Subject {
            name: "keys",
            work: 200_000,
            round: Several(&[("keys", Unit::Events), ("keys-broken", Unit::Times)], keys::round),
        },
    ],
    wants: &[
        Want::Ratio { subject: "high-p50", beside: "mpsc-p50", bound: Shown },
        Want::Ratio { subject: "normal-p50", beside: "mpsc-p50", bound: Shown },
        Want::Ratio { subject: "deferred-p50", beside: "mpsc-p50", bound: Shown },
        // 8, 4 and 1 of 13, but for what a lane loses while it is empty for a moment.
        Want::Value { subject: "high-share", bound: AtLeast(61.0) },
        Want::Value { subject: "normal-share", bound: AtLeast(30.5) },
        Want::Value { subject: "deferred-share", bound: AtLeast(7.6) },
        Want::EachRound { subject: "longest-wait", bound: AtMost(13.0) },
        Want::EachRound { subject: "bands-broken", bound: AtMost(0.0) },
        Want::EachRound { subject: "keys-broken", bound: AtMost(0.0) },
    ],
};

/// The lanes that share the starts.
const SHARING: [Priority; 3] = [Priority::High, Priority::Normal, Priority::Deferred];

/// What every handler does beside adding up: enough that publishers are always ahead of it.
fn work_a_little() {
    const LITTLE: Duration = Duration::from_micros(3);
    let begun = Instant::now();
    while begun.elapsed() < LITTLE {
        spin_loop();
    }
}
