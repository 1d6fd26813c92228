//! What an event may be at most.

use std::fmt;

use crate::event::Event;

/// What an event may be at most; larger ones are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Bytes of the whole event: data, metadata, and whatever of its fields is long. A Rust value counts its
    /// `size_of` until it was written as JSON. Default: 1 MiB.
    pub(crate) event_bytes: usize,
    /// How deep arrays and objects of JSON data may be nested. Default: 128.
    pub(crate) json_depth: usize,
    /// Entries of metadata. Default: 64.
    pub(crate) metadata_entries: usize,
    /// Bytes of metadata, as JSON text. Default: 8 KiB.
    pub(crate) metadata_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { event_bytes: 1 << 20, json_depth: 128, metadata_entries: 64, metadata_bytes: 8 << 10 }
    }
}

/// The limit an event is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Excess {
    what: &'static str,
    found: usize,
    limit: usize,
    setting: &'static str,
}

impl Limits {
    /// Whether an event of so many bytes, as [`Event::bytes_of_it`] counts them, is within the limits.
    pub(crate) fn check(&self, event: &Event, bytes: usize) -> Result<(), Excess> {
        let within = |what, found, limit, setting| match found <= limit {
            true => Ok(()),
            false => Err(Excess { what, found, limit, setting }),
        };
        within("bytes", bytes, self.event_bytes, "event_bytes")?;
        within("levels of nested JSON", event.json_depth(), self.json_depth, "json_depth")?;
        let metadata = event.metadata();
        if metadata.is_empty() {
            return Ok(());
        }
        within("entries of metadata", metadata.len(), self.metadata_entries, "metadata_entries")?;
        within("bytes of metadata", metadata.text_bytes(), self.metadata_bytes, "metadata_bytes")
    }
}

impl fmt::Display for Excess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, found, limit, setting } = self;
        write!(f, "{found} {what}, and at most {limit} are accepted; make it smaller, or raise `{setting}`")
    }
}
