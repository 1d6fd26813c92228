use owlbus::Event;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Event)]
#[event(topik = "user.left", versoin = 2)]
struct Misspelt;

#[derive(Serialize, Deserialize, Event)]
#[event(topic = "user.left", topic = "user.gone", version = 1)]
#[event(version = 2)]
struct Twice;

#[derive(Serialize, Deserialize, Event)]
#[event(topic = 5, type, version = "2")]
struct WrongValues;

#[derive(Serialize, Deserialize, Event)]
#[event(topic = "user.left", version = 0)]
struct VersionZero;

#[derive(Serialize, Deserialize, Event)]
#[event(topic = "user.left", version = -1)]
struct VersionBelowZero;

#[derive(Serialize, Deserialize, Event)]
#[event(topic = concat!("user", ".left"))]
struct NotLiteral;

#[derive(Serialize, Deserialize, Event)]
#[event("user.left")]
struct NoKey;

#[derive(Serialize, Deserialize, Event)]
#[event = "user.left"]
struct NoList;

fn main() {}
