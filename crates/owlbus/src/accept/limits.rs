//! What an event may be at most.

use std::fmt;

use crate::event::Event;

/// What an event may be at most; larger ones are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of the whole event: data, metadata, and whatever of its fields is long. A Rust value counts its
    /// `size_of` until it was written as JSON. Default: 1 MiB.
    pub event_bytes: usize,
    /// How deep arrays and objects of JSON data may be nested. Default: 128.
    pub json_depth: usize,
    /// Entries of metadata. Default: 64.
    pub metadata_entries: usize,
    /// Bytes of metadata, as JSON text. Default: 8 KiB.
    pub metadata_bytes: usize,
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
    pub(crate) fn check(&self, event: &Event) -> Result<(), Excess> {
        let metadata = event.metadata();
        let (entries, bytes) = (metadata.len(), if metadata.is_empty() { 0 } else { metadata.text_bytes() });
        let found = [
            ("bytes", event.content_bytes() + event.field_bytes(), self.event_bytes, "event_bytes"),
            ("levels of nested JSON", event.json_depth(), self.json_depth, "json_depth"),
            ("entries of metadata", entries, self.metadata_entries, "metadata_entries"),
            ("bytes of metadata", bytes, self.metadata_bytes, "metadata_bytes"),
        ];
        let over = found.into_iter().find(|(_, found, limit, _)| found > limit);
        over.map_or(Ok(()), |(what, found, limit, setting)| Err(Excess { what, found, limit, setting }))
    }
}

impl fmt::Display for Excess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, found, limit, setting } = self;
        write!(f, "{found} {what}, and at most {limit} are accepted; make it smaller, or raise `{setting}`")
    }
}
