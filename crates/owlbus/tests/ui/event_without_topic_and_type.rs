use owlbus::Event;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Event)]
struct NoAttribute {
    user: u64,
}

#[derive(Serialize, Deserialize, Event)]
#[event(version = 2)]
struct VersionOnly;

fn main() {}
