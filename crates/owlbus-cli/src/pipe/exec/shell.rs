//! The command, as it is started: for one event, or for many.

use owlbus::Delivery;
use tokio::process::Command;

use crate::system;

/// What is run.
pub(super) struct Shell(pub(super) String);

/// What of an event is in the environment of the command that handles it.
const VARIABLES: [&str; 6] =
    ["OWLBUS_ID", "OWLBUS_TOPIC", "OWLBUS_TYPE", "OWLBUS_SOURCE", "OWLBUS_KEY", "OWLBUS_ATTEMPT"];

/// The longest value that is put there, in bytes: systems have little room for all of them together.
const LONGEST: usize = 8 << 10;

impl Shell {
    /// The command for many events.
    pub(super) fn command(&self) -> Command {
        let mut command = system::shell(&self.0);
        // Where this is run by another one, they would be about another event.
        VARIABLES.iter().for_each(|variable| _ = command.env_remove(variable));
        command
    }

    /// The command for this event.
    pub(super) fn command_for(&self, delivery: &Delivery) -> Command {
        let mut command = self.command();
        let (id, attempt) = (delivery.id().to_string(), delivery.attempt().to_string());
        let values = [
            id.as_str(),
            delivery.topic().as_str(),
            delivery.event_type(),
            delivery.source(),
            delivery.key(),
            &attempt,
        ];
        for (variable, value) in VARIABLES.into_iter().zip(values) {
            if value.len() <= LONGEST && !value.contains('\0') {
                command.env(variable, value);
            }
        }
        command
    }
}
