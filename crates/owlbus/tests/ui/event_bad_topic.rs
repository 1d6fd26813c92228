use owlbus::Event;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Event)]
#[event(topic = "user..logged_in")]
struct EmptyToken;

#[derive(Serialize, Deserialize, Event)]
#[event(topic = "user.logged in")]
struct WhiteSpace;

#[derive(Serialize, Deserialize, Event)]
#[event(topic = "user.\u{1b}logged_in")]
struct ControlCharacter;

#[derive(Serialize, Deserialize, Event)]
#[event(topic = "")]
struct Empty;

#[derive(Serialize, Deserialize, Event)]
#[event(topic = "1.2.3.4.5.6.7.8.9.10.11.12.13.14.15.16.17")]
struct TooDeep;

#[derive(Serialize, Deserialize, Event)]
#[event(prefix = "1.2.3.4.5.6.7.8.9.10.11.12.13.14.15")]
enum OnlyOneVariantTooDeep {
    Started,
    NotStarted,
}

fn main() {}
