//! Nothing waits for time where it can wait for an event: tests pause the clock, code is woken.
//!
//! A line that has to sleep says why: `// sleeps: REASON`, behind the call or in the line above it.

use super::{File, Finding};

const MARK: &str = "// sleeps:";

pub(super) fn check(file: &File) -> Vec<Finding> {
    let in_source = file.path.starts_with("crates/") && file.is_within("src");
    if !file.ends_with(&[".rs"]) || !(in_source || file.is_within("tests")) {
        return Vec::new();
    }
    let mut findings = Vec::new();
    let mut above = "";
    for (number, line) in file.lines() {
        if sleeps(line) && !has_reason(line) && !(above.trim_start().starts_with(MARK) && has_reason(above)) {
            findings.push(
                file.finding(number, format!("sleeps: wait for an event, or say why with `{MARK} REASON`")),
            );
        }
        above = line;
    }
    findings
}

fn sleeps(line: &str) -> bool {
    let line = line.trim_start();
    if line.starts_with("///") || line.starts_with("//!") {
        // Prose may name the functions; an example in the documentation calls them.
        return line.contains("thread::sleep(") || line.contains("time::sleep(");
    }
    let named = line.contains("thread::sleep") || line.contains("time::sleep");
    let imported =
        line.starts_with("use ") && line.split(|c: char| !c.is_alphanumeric()).any(|word| word == "sleep");
    !line.starts_with("//") && (named || imported)
}

fn has_reason(line: &str) -> bool {
    line.split_once(MARK).is_some_and(|(_, reason)| !reason.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::{super::samples::lines, check};

    const CODE: &str = "crates/owlbus/src/bus.rs";

    #[test]
    fn a_sleep_is_found_however_it_is_spelled() {
        let text = "use tokio::time::{Duration, sleep};\nstd::thread::sleep(wait);\n/// tokio::time::sleep(wait).await;\n";
        assert_eq!(lines(check, CODE, text), [1, 2, 3]);
        assert_eq!(lines(check, "e2e/tests/a.rs", "tokio::time::sleep(wait).await;\n"), [1]);
    }

    #[test]
    fn a_sleep_needs_a_reason_and_not_only_the_mark() {
        let reason = "thread::sleep(wait); // sleeps: the file system has no event for this\n";
        let above = "// sleeps: the engine offers no event\nthread::sleep(wait);\n";
        assert_eq!(lines(check, CODE, reason), [0; 0]);
        assert_eq!(lines(check, CODE, above), [0; 0]);
        assert_eq!(lines(check, CODE, "thread::sleep(wait); // sleeps:\n"), [1]);
    }

    #[test]
    fn a_clock_of_our_own_and_prose_may_use_the_word() {
        assert_eq!(lines(check, CODE, "clock.sleep(wait).await;\n// never thread::sleep here\n"), [0; 0]);
        assert_eq!(lines(check, "xtask/src/main.rs", "thread::sleep(wait);\n"), [0; 0]);
    }
}
