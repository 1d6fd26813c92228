use owlbus::Event;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Event)]
#[event(topic = "user.left", type = "")]
struct Empty;

#[derive(Serialize, Deserialize, Event)]
#[event(type = "user\nleft")]
struct ControlCharacter;

fn main() {}
