//! Where dead letters are kept: the file they are appended to, whoever has them.

use std::{
    fs::{self, File},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::{Context as _, ensure};
use owlbus::Event;

use super::{letter::Letter, report::Report, tally::Tally};
use crate::system;

/// Keeps dead letters, where a file was named for them.
pub(super) struct DeadLetters {
    file: Option<Mutex<DeadLetterFile>>,
    tally: Arc<Tally>,
    report: Arc<Report>,
}

impl DeadLetters {
    /// Opens the file that was named, if any.
    pub(super) fn open(
        path: Option<&Path>,
        tally: &Arc<Tally>,
        report: &Arc<Report>,
    ) -> anyhow::Result<Arc<Self>> {
        let file = path.map(DeadLetterFile::open).transpose()?.map(Mutex::new);
        Ok(Arc::new(Self { file, tally: Arc::clone(tally), report: Arc::clone(report) }))
    }

    /// Keeps an event with what became of it. The file is written here and now.
    ///
    /// # Errors
    ///
    /// It could not be kept. It is counted as lost, and named.
    pub(super) fn keep(&self, event: &Event, letter: &Letter<'_>) -> anyhow::Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        let line = letter.line(event).context("a dead letter cannot be written");
        let kept = line.and_then(|line| file.lock().unwrap_or_else(PoisonError::into_inner).append(&line));
        kept.inspect_err(|error| {
            self.tally.lost(1);
            self.report.not_kept(event, error);
        })
    }
}

/// A file of lines, to which whole lines are appended, by several processes if need be.
struct DeadLetterFile {
    file: File,
    path: PathBuf,
    /// A pipe or a device has no lines that could be looked at.
    is_regular: bool,
}

impl DeadLetterFile {
    /// Opens it, and makes it where there is none.
    fn open(path: &Path) -> anyhow::Result<Self> {
        let is_regular = fs::metadata(path).map_or(true, |known| known.is_file());
        let mut options = File::options();
        if is_regular {
            options.read(true).append(true).create(true);
        } else {
            options.write(true);
        }
        let file = options.open(path).with_context(|| format!("{} cannot be opened", path.display()))?;
        ensure!(
            !system::is_standard_input(&file),
            "{} is standard input too, and would never end; move it away, and read it under another name",
            path.display()
        );
        Ok(Self { file, path: path.to_owned(), is_regular })
    }

    /// Appends a line, all of it or nothing.
    fn append(&mut self, line: &[u8]) -> anyhow::Result<()> {
        self.append_locked(line).with_context(|| format!("{} cannot be written", self.path.display()))
    }

    fn append_locked(&mut self, line: &[u8]) -> io::Result<()> {
        if !self.is_regular {
            return self.file.write_all(line);
        }
        match self.file.lock() {
            // Not every file system has locks; where it has none, lines stay whole as long as one process appends.
            Err(error) if error.kind() != io::ErrorKind::Unsupported => return Err(error),
            _ => {}
        }
        let appended = self.append_whole(line);
        _ = self.file.unlock();
        appended
    }

    fn append_whole(&mut self, line: &[u8]) -> io::Result<()> {
        let end = self.file.seek(SeekFrom::End(0))?;
        let mut text = Vec::with_capacity(line.len() + 1);
        // Whoever was interrupted half-way through a line leaves it to itself.
        if end > 0 {
            let mut last = [0];
            self.file.seek(SeekFrom::End(-1))?;
            self.file.read_exact(&mut last)?;
            if last != *b"\n" {
                text.push(b'\n');
            }
        }
        text.extend_from_slice(line);
        self.file.write_all(&text).inspect_err(|_| _ = self.file.set_len(end))
    }
}
