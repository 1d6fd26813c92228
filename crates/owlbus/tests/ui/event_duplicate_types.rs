use owlbus::Event;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Event)]
#[event(prefix = "audio")]
enum Audio {
    Started,
    #[event(topic = "audio.started")]
    StartedAgain,
    #[event(type = "audio.started")]
    Resumed,
    Wake_Word,
    WakeWord,
}

fn main() {}
