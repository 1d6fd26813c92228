//! The longest line that is taken as an event has 1 MiB, or what `--max-event-size` says, without its line break. A
//! longer one is passed over without being held, and whatever comes in, memory stays bounded.

mod common;

use std::io::{BufRead as _, BufReader, Write as _};

use common::{event, owlbus, run};

const MIB: usize = 1 << 20;

/// An event that is a line of exactly `bytes`.
fn event_of(bytes: usize) -> String {
    let padding = bytes - event("a", r#""""#).len();
    event("a", &format!("\"{}\"", "x".repeat(padding)))
}

#[test]
fn the_limit_is_a_mebibyte_to_the_byte() {
    let (fits, too_long) = (event_of(MIB), event_of(MIB + 1));
    for line_break in ["\n", "\r\n", ""] {
        let ran = run(&["pipe", "--json"], format!("{fits}{line_break}"));
        assert_eq!((ran.status(), ran.counts()), (0, [1, 1, 0]), "{line_break:?}");
        let ran = run(&["pipe", "--json"], format!("{too_long}{line_break}"));
        assert_eq!((ran.status(), ran.counts()), (1, [0, 0, 1]), "{line_break:?}");
    }
}

#[test]
fn it_can_be_raised_and_lowered() {
    let sizes =
        [("2MiB", 2 * MIB), ("2M", 2 * MIB), ("500k", 500 << 10), ("500KiB", 500 << 10), ("4096", 4096)];
    for (size, bytes) in sizes {
        let input = format!("{}\n{}\n", event_of(bytes), event_of(bytes + 1));
        let ran = run(&["pipe", "--json", "--max-event-size", size], input);
        assert_eq!((ran.status(), ran.counts()), (1, [1, 1, 1]), "{size}");
        assert!(ran.stderr().starts_with(&format!("line 2: longer than {bytes} bytes")), "{}", ran.stderr());
    }
}

#[test]
fn an_event_may_be_larger_than_the_room_between_reader_and_writer() {
    let input = format!("{}\n{}\n", event_of(20 * MIB), event_of(20 * MIB));
    let ran = run(&["pipe", "--json", "--max-event-size", "32MiB"], input);
    assert_eq!((ran.status(), ran.counts()), (0, [2, 2, 0]));
}

#[test]
fn a_wrong_size_is_a_wrong_argument() {
    for size in ["", "0", "1.5M", "four", "-1"] {
        let ran = run(&["pipe", &format!("--max-event-size={size}")], "");
        assert_eq!(ran.status(), 2, "{size}");
    }
}

/// The most memory a process that runs has held so far, in bytes.
#[cfg(target_os = "linux")]
fn peak_memory(process: u32) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("the process runs");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("Linux counts it");
    peak.trim().trim_end_matches(" kB").parse::<usize>().expect("a number") << 10
}

/// Feeds `input` and one last event, and gives the memory the program needed until it printed that one.
#[cfg(target_os = "linux")]
fn peak_while_reading(input: impl Iterator<Item = Vec<u8>> + Send + 'static) -> usize {
    let mut child = owlbus(&["pipe"]).spawn().expect("the program starts");
    let mut stdin = child.stdin.take().expect("standard input is a pipe");
    let feeding = std::thread::spawn(move || {
        input.for_each(|piece| stdin.write_all(&piece).expect("the program reads"));
        stdin.write_all(format!("\n{}\n", event("last", "1")).as_bytes()).expect("the program reads");
        stdin
    });
    let stdout = BufReader::with_capacity(512, child.stdout.take().expect("standard output is a pipe"));
    let last = stdout.lines().map(|line| line.expect("UTF-8")).find(|line| line.contains(r#""type":"last""#));
    assert!(last.is_some(), "the last event comes out");
    let peak = peak_memory(child.id());
    drop(feeding.join().expect("all was fed"));
    child.wait().expect("the program ends");
    peak
}

#[cfg(target_os = "linux")]
#[test]
fn an_endless_line_is_passed_over_in_constant_memory() {
    let peak = peak_while_reading(std::iter::repeat_n(vec![b'x'; MIB], 200));
    assert!(peak < 64 * MIB, "{} MiB for a line of 200 MiB", peak / MIB);
}

#[cfg(target_os = "linux")]
#[test]
fn many_events_take_constant_memory_also_when_the_reader_is_slow() {
    let line = format!("{}\n", event_of(500_000)).into_bytes();
    let peak = peak_while_reading(std::iter::repeat_n(line, 300));
    assert!(peak < 64 * MIB, "{} MiB for 150 MB of events", peak / MIB);
}
