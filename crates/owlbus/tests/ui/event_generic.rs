use owlbus::Event;

#[derive(Event)]
#[event(topic = "user.changed")]
struct Changed<T> {
    to: T,
}

#[derive(Event)]
#[event(topic = "user.named")]
struct Borrowed<'a> {
    name: &'a str,
}

fn main() {}
