//! The program `owlbus`: an event bus for the shell.

// What it is asked to do.
mod matching;
mod pipe;
// Standard input in lines, and text that is fit for a terminal.
mod input;
mod lines;
mod shown;
// What every system does in its own way.
mod system;

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use clap::{Parser, Subcommand};

use shown::Shown;

/// An event bus for the shell.
///
/// Events go in and out as CloudEvents 1.0, one JSON object a line. Their topics are tokens separated by dots, such
/// as `order.paid`; a pattern asks for topics: `*` is exactly one token, `**` any number of them, also none.
#[derive(Parser)]
#[command(name = "owlbus", version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Pipe(Box<pipe::Arguments>),
    Match(matching::Arguments),
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Pipe(arguments) => pipe::run(*arguments),
        Command::Match(arguments) => matching::run(&arguments),
    };
    done.unwrap_or_else(|error| {
        // Where standard error is closed, nobody is there to be told.
        _ = writeln!(io::stderr(), "owlbus: {}", Shown(format_args!("{error:#}")));
        ExitCode::FAILURE
    })
}
