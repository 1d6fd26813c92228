use owlbus::Event;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Event)]
#[event(topic = "owlbus.mailbox.full")]
struct OfTheBus;

#[derive(Serialize, Deserialize, Event)]
#[event(prefix = "owlbus")]
enum Prefixed {
    Started,
    Stopped,
}

// Only the first token is reserved, and a type is no topic.
#[derive(Serialize, Deserialize, Event)]
#[event(topic = "owlbusiness.opened", type = "owlbus.opened")]
struct Allowed;

fn main() {}
