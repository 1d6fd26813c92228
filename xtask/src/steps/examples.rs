//! `examples`: every example of the library says how to run it, and that command ends with exit status 0.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::{Step, Verdict};
use crate::project::Project;

pub(super) const STEP: Step =
    Step { name: "examples", about: "every example runs as its header says", check };

const FOLDER: &str = "crates/owlbus/examples";

/// An example tells its story in seconds; one that waits for ever is broken.
const LIMIT: Duration = Duration::from_secs(60);

fn check(project: &Project) -> Result<Verdict> {
    let folder = project.path(FOLDER);
    if !folder.is_dir() {
        return Ok(Verdict::LeftOut(format!("there is no {FOLDER}, so no example was run")));
    }
    let names = names(&folder)?;
    if names.is_empty() {
        bail!("{FOLDER} has no .rs file: write the first example, or remove the folder");
    }
    for name in &names {
        let text = fs::read_to_string(folder.join(format!("{name}.rs")))?;
        let options = options(&text, name).with_context(|| format!("{FOLDER}/{name}.rs"))?;
        project.run(project.cargo(&format!("build --quiet --locked {options}")))?;
        project.run_within(project.cargo(&format!("run --quiet --locked {options}")), LIMIT)?;
    }
    Ok(Verdict::Noted(format!("examples that ran: {}", names.join(", "))))
}

fn names(folder: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "rs")
            && let Some(name) = path.file_stem().and_then(|name| name.to_str())
        {
            names.push(name.to_owned());
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// What stands behind `cargo run` in the header, so that an example that needs a feature names it itself.
fn options<'a>(text: &'a str, name: &str) -> Result<&'a str> {
    let expected = format!("Run this: `cargo run -p owlbus --example {name}`");
    let command = text
        .lines()
        .take_while(|line| line.starts_with("//!"))
        .find_map(|line| line.trim_start_matches("//!").trim_start().strip_prefix("Run this: "))
        .with_context(|| format!("its `//!` docs lack the line «{expected}»"))?;
    let options = command.trim().trim_matches('`').strip_prefix("cargo run ").unwrap_or_default();
    let words: Vec<&str> = options.split_whitespace().collect();
    let says = |pair: [&str; 2]| words.windows(2).any(|words| words == pair);
    if says(["-p", "owlbus"]) && says(["--example", name]) && !words.contains(&"--") {
        return Ok(options);
    }
    bail!(
        "its header runs something else: it should begin «{expected}», with features behind it if it needs any"
    )
}

#[cfg(test)]
mod tests {
    use super::options;

    #[test]
    fn the_header_is_the_command_that_runs() {
        let text = "//! First steps.\n//!\n//! Run this: `cargo run -p owlbus --example 01_hello --features sqlite`\n\nfn main() {}\n";
        assert_eq!(options(text, "01_hello").unwrap(), "-p owlbus --example 01_hello --features sqlite");
    }

    #[test]
    fn a_header_that_is_missing_or_names_another_example_is_refused() {
        let missing = options("//! First steps.\n\n// Run this: below the header\n", "01_hello");
        assert!(missing.unwrap_err().to_string().contains("lack the line"));
        let copied = options("//! Run this: cargo run -p owlbus --example 02_topics\n", "01_hello");
        assert!(copied.unwrap_err().to_string().contains("something else"));
    }
}
