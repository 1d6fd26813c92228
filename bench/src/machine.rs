//! Where and with what the figures were made.

use std::{env::consts, thread};

/// The lock file, which knows the versions of the peers.
const LOCK: &str = include_str!("../../Cargo.lock");

/// One line: cores, system, versions of the peers, rounds.
pub(crate) fn describe(rounds: u32) -> String {
    let cores = thread::available_parallelism().map_or(0, usize::from);
    let version = |package| version(LOCK, package).unwrap_or("?");
    let (tokio, jaeb) = (version("tokio"), version("jaeb"));
    format!(
        "{cores} cores, {} {}; tokio {tokio}, jaeb {jaeb}; {rounds} rounds, a process each, taking turns",
        consts::OS,
        consts::ARCH
    )
}

/// The version of a package in a lock file.
fn version<'a>(lock: &'a str, package: &str) -> Option<&'a str> {
    let name = format!("name = \"{package}\"");
    let mut lines = lock.lines().skip_while(|line| *line != name);
    lines.nth(1)?.strip_prefix("version = \"")?.strip_suffix('"')
}

#[cfg(test)]
mod tests {
    use super::{LOCK, version};

    #[test]
    fn the_versions_are_those_of_the_lock_file() {
        let lock = "[[package]]\nname = \"tokio-util\"\nversion = \"0.7.1\"\n\n[[package]]\nname = \"tokio\"\nversion = \"1.54.1\"\n";
        assert_eq!(version(lock, "tokio"), Some("1.54.1"));
        assert_eq!(version(lock, "async-std"), None);
        assert!(version(LOCK, "jaeb").is_some_and(|version| version.starts_with("0.5")));
    }
}
