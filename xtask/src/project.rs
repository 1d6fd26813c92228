//! The folder that is checked, and the programs that the steps start in it.

use std::env;
use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// The root of the workspace, and how long the steps are asked to look.
pub(crate) struct Project {
    /// Every program is started here, and every path of a step starts here.
    root: PathBuf,
    /// `--full`: look longer.
    full: bool,
}

impl Project {
    /// The project whose `xtask` cargo is running.
    ///
    /// The folder is asked for at run time, so that clones of the project can share one target folder.
    pub(crate) fn find(full: bool) -> Result<Self> {
        let own =
            env::var_os("CARGO_MANIFEST_DIR").context("start this through cargo: `cargo xtask test`")?;
        let root = Path::new(&own).parent().context("xtask stands in a folder of the project's root")?;
        Ok(Self { root: root.to_path_buf(), full })
    }

    pub(crate) fn full(&self) -> bool {
        self.full
    }

    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    /// Where cargo builds: `target`, unless the environment moved it.
    pub(crate) fn target(&self) -> PathBuf {
        env::var_os("CARGO_TARGET_DIR").map_or_else(|| self.path("target"), |folder| self.root.join(folder))
    }

    /// A cargo command in the root, from the words of `line`.
    pub(crate) fn cargo(&self, line: &str) -> Command {
        let cargo = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
        let mut command = Command::new(cargo);
        command.args(line.split_whitespace()).current_dir(&self.root).stdin(Stdio::null());
        command
    }

    /// Whether `cargo NAME` is an installed subcommand.
    pub(crate) fn has_cargo(&self, name: &str) -> bool {
        let mut command = self.cargo(name);
        command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    }

    /// Runs a command whose output goes where ours goes.
    ///
    /// # Errors
    /// It could not be started, or its exit status is not 0.
    pub(crate) fn run(&self, mut command: Command) -> Result<()> {
        let line = spoken(&command);
        announce(&line);
        let status = command.status().with_context(|| format!("`{line}` could not be started"))?;
        if !status.success() {
            bail!("`{line}` ended with {status}; its output is above");
        }
        Ok(())
    }

    /// Runs a command for what it writes to stdout; its stderr goes where ours goes.
    ///
    /// # Errors
    /// It could not be started, its exit status is not 0, or what it wrote is not UTF-8.
    pub(crate) fn read(&self, mut command: Command) -> Result<String> {
        let line = spoken(&command);
        let Output { status, stdout, .. } = command
            .stderr(Stdio::inherit())
            .output()
            .with_context(|| format!("`{line}` could not be started"))?;
        if !status.success() {
            bail!("`{line}` ended with {status}; its output is above");
        }
        String::from_utf8(stdout).with_context(|| format!("`{line}` wrote something that is not UTF-8"))
    }

    /// Runs a command that has to end by itself within `limit`; what it writes is shown only if it fails.
    ///
    /// # Errors
    /// It could not be started, its exit status is not 0, or the time was up: then it has been killed.
    pub(crate) fn run_within(&self, mut command: Command, limit: Duration) -> Result<()> {
        let line = spoken(&command);
        announce(&line);
        let (mut reader, writer) = io::pipe()?;
        command.stderr(writer.try_clone()?).stdout(writer);
        let mut child = command.spawn().with_context(|| format!("`{line}` could not be started"))?;
        // The command keeps copies of the pipe's writing ends; the pipe only closes once they are gone too.
        drop(command);
        let (ended, end) = mpsc::channel();
        thread::spawn(move || {
            let mut bytes = Vec::new();
            let read = reader.read_to_end(&mut bytes);
            ended.send(read.map(|_| bytes))
        });
        let Ok(written) = end.recv_timeout(limit) else {
            child.kill()?;
            child.wait()?;
            bail!("`{line}` was still running after {} s; it has to end by itself", limit.as_secs());
        };
        let status = child.wait()?;
        if !status.success() {
            bail!("{}`{line}` ended with {status}", String::from_utf8_lossy(&written?));
        }
        Ok(())
    }

    /// Every file that git has or would take, with `/` in its path, sorted.
    ///
    /// # Errors
    /// git is missing, or this is not a git checkout.
    pub(crate) fn files(&self) -> Result<Vec<String>> {
        let mut git = Command::new("git");
        git.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]).current_dir(&self.root);
        let listed = self.read(git).context("the rules are checked over the files that git lists")?;
        // A file that was deleted but not yet committed is still listed.
        let mut files: Vec<String> = listed
            .split_terminator('\0')
            .filter(|file| self.path(file).is_file())
            .map(str::to_owned)
            .collect();
        files.sort_unstable();
        files.dedup();
        Ok(files)
    }
}

/// The command as a person would type it.
fn spoken(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_stem().unwrap_or_default();
    let words = std::iter::once(program).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// Names a command on stderr, where cargo itself says what it does.
fn announce(line: &str) {
    // A closed stderr is no reason to fail a check.
    let _ = writeln!(io::stderr(), "$ {line}");
}
