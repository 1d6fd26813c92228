use owlbus::Event;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Event)]
enum Audio {
    #[event(topic = "audio.started")]
    Started,
    Stopped,
    #[event(type = "audio.failed")]
    Failed(String),
}

fn main() {}
