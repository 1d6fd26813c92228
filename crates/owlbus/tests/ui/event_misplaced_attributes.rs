use owlbus::Event;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Event)]
#[event(topic = "user.left", prefix = "user")]
struct PrefixOnStruct {
    #[event(topic = "user.id")]
    id: u64,
}

#[derive(Serialize, Deserialize, Event)]
#[event(topic = "user", type = "user")]
enum OnTheEnum {
    #[event(prefix = "user", version = 2)]
    Left,
}

fn main() {}
