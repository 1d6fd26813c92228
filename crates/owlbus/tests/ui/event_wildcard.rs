use owlbus::Event;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Event)]
#[event(topic = "user.*")]
struct OneToken;

#[derive(Serialize, Deserialize, Event)]
enum Several {
    #[event(topic = "hook.**")]
    Whole,
    #[event(topic = "hook.tool*")]
    Glued,
}

fn main() {}
