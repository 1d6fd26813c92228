//! The identity of an event: text on every wire, 16 bytes where it is one of ours.

use std::{
    cell::Cell,
    fmt::{self, Write as _},
    str::FromStr,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use uuid::Uuid;

use super::EventError;

/// Identifies an event, its correlation or its cause.
///
/// Any text that is not empty. The bus makes UUIDv7 (RFC 9562) and keeps every canonical UUID in 16 bytes; other
/// text, from events made elsewhere, is shared by reference count. Order comes from the journal, never from ids.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventId(Repr);

#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Repr {
    Uuid(Uuid),
    Text(Arc<str>),
}

impl EventId {
    /// A fresh id for an event that happened now.
    #[must_use]
    pub fn generate() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self::generate_at(now)
    }

    /// A fresh id for an event that happened `now`, given as the time since the Unix epoch.
    pub(crate) fn generate_at(now: Duration) -> Self {
        Self(Repr::Uuid(next_v7(now)))
    }

    /// An id from its text.
    ///
    /// # Errors
    ///
    /// [`EventError::EmptyId`] where the text is empty.
    pub fn new(text: impl AsRef<str>) -> Result<Self, EventError> {
        let text = text.as_ref();
        if text.is_empty() {
            return Err(EventError::EmptyId);
        }
        // Only the canonical form may be kept as bytes: any other spelling would come out changed.
        if text.len() == 36
            && !text.bytes().any(|byte| byte.is_ascii_uppercase())
            && let Ok(uuid) = Uuid::try_parse(text)
        {
            return Ok(Self(Repr::Uuid(uuid)));
        }
        Ok(Self(Repr::Text(text.into())))
    }

    /// Bytes this id holds outside its own place.
    pub(crate) fn heap_bytes(&self) -> usize {
        match &self.0 {
            Repr::Uuid(_) => 0,
            Repr::Text(text) => text.len(),
        }
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Repr::Uuid(uuid) => fmt::Display::fmt(uuid.as_hyphenated(), f),
            Repr::Text(text) => f.write_str(text),
        }
    }
}

impl fmt::Debug for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EventId({})", Escaped(self))
    }
}

impl FromStr for EventId {
    type Err = EventError;

    fn from_str(text: &str) -> Result<Self, EventError> {
        Self::new(text)
    }
}

impl PartialEq<str> for EventId {
    fn eq(&self, other: &str) -> bool {
        match &self.0 {
            Repr::Text(text) => **text == *other,
            Repr::Uuid(_) => Self::new(other).is_ok_and(|other| *self == other),
        }
    }
}

impl PartialEq<&str> for EventId {
    fn eq(&self, other: &&str) -> bool {
        *self == **other
    }
}

/// Text of an event on its way into a log or a terminal: control characters are written as escapes.
pub(crate) struct Escaped<T>(pub(crate) T);

impl<T: fmt::Display> fmt::Display for Escaped<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        struct Escape<'a, 'b>(&'a mut fmt::Formatter<'b>);
        impl fmt::Write for Escape<'_, '_> {
            fn write_str(&mut self, text: &str) -> fmt::Result {
                text.chars().try_for_each(|c| match c {
                    c if c.is_control() => write!(self.0, "{}", c.escape_default()),
                    c => self.0.write_char(c),
                })
            }
        }
        write!(Escape(f), "{}", self.0)
    }
}

thread_local! {
    // The stamp of the last id of this thread: milliseconds in the upper bits, 1/4096 ms in the lower twelve.
    static LAST: Cell<u64> = const { Cell::new(0) };
}

/// The next UUIDv7 of this thread: RFC 9562, method 3, with twelve bits of sub-millisecond time and 62 random bits.
///
/// Ids of one thread ascend; ids of several threads do so only from one millisecond fraction to the next.
fn next_v7(now: Duration) -> Uuid {
    let millis = now.as_secs().wrapping_mul(1000).wrapping_add(u64::from(now.subsec_millis()));
    let fraction = (u64::from(now.subsec_nanos()) % 1_000_000) * 4096 / 1_000_000;
    let stamp = LAST.with(|last| {
        let stamp = (millis << 12 | fraction).max(last.get() + 1);
        last.set(stamp);
        stamp
    });
    let (millis, fraction) = (stamp >> 12, stamp & 0xfff);
    let high = millis << 16 | 0x7000 | fraction;
    let low = 0b10 << 62 | fastrand::u64(..) >> 2;
    Uuid::from_u64_pair(high, low)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_a_thread_ascend_and_are_version_7() {
        let now = Duration::from_nanos(1_700_000_000_123_456_789);
        let ids: Vec<Uuid> = (0..10_000).map(|_| next_v7(now)).collect();
        assert!(ids.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(ids.iter().all(|id| id.get_version_num() == 7 && id.get_variant() == uuid::Variant::RFC4122));
        assert_eq!(ids[0].as_u64_pair().0 >> 16, 1_700_000_000_123);
    }

    #[test]
    fn text_comes_out_as_it_went_in() {
        let canonical = "ed952e8d-79a8-4f5c-954f-076fea05f468";
        for text in [
            canonical,
            "ED952E8D-79A8-4F5C-954F-076FEA05F468",
            "ed952e8d79a84f5c954f076fea05f468",
            "x",
            "a\nb",
        ] {
            let id = EventId::new(text).unwrap();
            assert_eq!(id.to_string(), text);
            assert_eq!(id, text);
        }
        assert!(matches!(EventId::new(canonical).unwrap().0, Repr::Uuid(_)));
        assert_eq!(EventId::new(""), Err(EventError::EmptyId));
        assert_eq!(format!("{:?}", EventId::new("a\nb").unwrap()), "EventId(a\\nb)");
    }
}
