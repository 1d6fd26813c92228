//! Side-by-side benchmarks: owlbus beside the channels and buses people would use in its place.
//!
//! ```console
//! cargo run --release -p owlbus-bench
//! cargo run --release -p owlbus-bench -- --quick --only queue_1x1 --json figures.json
//! ```
//!
//! The rules are the same for all subjects of a workload: a runtime with two workers, the system's allocator,
//! publishers and handlers that are spawned tasks, payloads of 64 bytes, room for 1,024 events, and a handler that
//! adds one field to an atomic (in `lanes` it is busy for 3 µs besides, so that publishers are ahead of it, and in
//! `slow_neighbour` one of them waits for a millisecond). Every round is a process of its own; the rounds of a
//! workload's subjects take turns, so that a machine that is slow for a while is slow for all of them. What is shown is
//! the median, the spread from the lowest to the highest round, and the ratio of medians. A promise that has to hold in
//! every round is judged by the worst one.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "this program prints what it measures")]

use std::{fs, path::PathBuf};

use anyhow::{Context, Result};
use clap::{Parser, builder::PossibleValuesParser};

// What is measured.
mod workloads;
// What is compared, and the event they all carry.
mod subjects;
mod tick;
// How it is measured.
mod latencies;
mod rounds;
mod runtime;
mod workload;
// What is shown.
mod figure;
mod json;
mod machine;
mod others;
#[cfg(test)]
mod samples;
mod table;
mod verdict;

use rounds::{Effort, Measured};
use workload::Workload;

/// Measures owlbus beside its peers.
#[derive(Parser)]
#[command(name = "owlbus-bench")]
struct Arguments {
    /// Carry a fifth of the events, in five rounds: under a minute for everything.
    #[arg(long)]
    quick: bool,
    /// Write the figures to this file, too.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Measure only this workload; may be given several times.
    #[arg(long, value_name = "WORKLOAD", value_parser = PossibleValuesParser::new(workloads::names()))]
    only: Vec<String>,
    /// Rounds of each subject, at least 5. Default: 7, with `--quick` 5.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(5..))]
    rounds: Option<u32>,
    /// One round in this process, which prints its figures and nothing else.
    #[arg(long, hide = true, num_args = 3, value_names = ["WORKLOAD", "SUBJECT", "N"])]
    round: Option<Vec<String>>,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if let Some([workload, subject, work]) = arguments.round.as_deref() {
        let figures: Vec<_> = rounds::one(workload, subject, work)?.iter().map(f64::to_string).collect();
        println!("{}", figures.join(" "));
        return Ok(());
    }
    let effort = Effort::new(arguments.quick, arguments.rounds);
    println!("{}", machine::describe(effort.rounds));
    let before = others::Ticks::now();
    let measured = measure(&arguments.only, effort)?;
    println!("\n{}", table::of(&measured));
    if let Some(warning) = others::warning(before) {
        println!("{warning}");
    }
    if let Some(path) = arguments.json {
        let write = || fs::write(&path, json::of(&measured)? + "\n").map_err(anyhow::Error::from);
        write().with_context(|| format!("{} was not written", path.display()))?;
    }
    Ok(())
}

/// Measures the workloads that were asked for, in their order; all of them where none was named.
fn measure(only: &[String], effort: Effort) -> Result<Vec<Measured>> {
    let wanted = |workload: &&Workload| only.is_empty() || only.iter().any(|name| name == workload.name);
    let measure = |workload: &'static Workload| {
        eprintln!("{}: {}", workload.name, workload.about);
        rounds::measure(workload, effort)
    };
    workloads::ALL.iter().copied().filter(wanted).map(measure).collect()
}
