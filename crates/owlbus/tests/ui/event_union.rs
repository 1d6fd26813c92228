use owlbus::Event;

#[derive(Event)]
#[event(topic = "reading.taken")]
union Reading {
    whole: u32,
    parts: [u8; 4],
}

fn main() {}
