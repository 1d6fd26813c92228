//! The digest of an event's data, which travels with the event.

use sha2::{Digest as _, Sha256};

use crate::event::{ContentError, DIGEST, Event};

/// What a digest begins with.
const ALGORITHM: &str = "sha256:";

/// Sets and checks digests.
#[derive(Clone)]
pub(super) struct Seal;

impl Seal {
    /// The event with a digest; the event as it is where it has one.
    pub(super) fn set(&self, event: &Event) -> Result<Event, DigestError> {
        match event.metadata().get(DIGEST) {
            Some(_) => Ok(event.clone()),
            None => Ok(Event::builder(event.clone()).metadata(DIGEST, digest_of(event)?).finish().0),
        }
    }

    pub(super) fn check(&self, event: &Event) -> Result<(), DigestError> {
        check_digest(event)
    }
}

/// Why the data of an event is not what its digest says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DigestError {
    /// The data is other data than the digest is of.
    #[error(
        "the data is not what its `digest` says: it was changed on the way; what changes data has to stand before the digest is set"
    )]
    Changed,
    /// The digest is none.
    #[error("the `digest` cannot be read: write `sha256:` and 64 hexadecimal digits, or leave it out")]
    Unreadable,
    /// The Rust value refuses to be written as JSON.
    #[error(transparent)]
    Encode(#[from] ContentError),
}

/// Whether the data of an event is what its metadata `digest` says; an event without one is.
///
/// The digest is `sha256:` and SHA-256, in hexadecimal digits, of the data's bytes: JSON text as it came, without the white
/// space around it, and with line breaks counted as spaces, since on a wire that is what they become; the JSON text of a Rust value; other data as it is. It finds damage, and
/// not a forger, who can write another digest. Needs the feature `digest`.
///
/// # Errors
///
/// [`DigestError`] where it is not, or the digest is none that can be read.
///
/// ```
/// use owlbus::{Event, middleware::check_digest};
///
/// let digest = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
/// let event = |text: &'static str| {
///     Event::builder(Event::json_bytes("a", text.as_bytes())?).metadata("digest", digest).build()
/// };
/// assert!(check_digest(&event("{}")?).is_ok());
/// assert!(check_digest(&event("[]")?).is_err());
/// # Ok::<(), owlbus::event::EventError>(())
/// ```
pub fn check_digest(event: &Event) -> Result<(), DigestError> {
    let Some(digest) = event.metadata().get(DIGEST) else { return Ok(()) };
    let digits = digest.as_str().and_then(|text| text.strip_prefix(ALGORITHM));
    let digits = digits.filter(|digits| digits.len() == 64 && digits.bytes().all(|c| c.is_ascii_hexdigit()));
    let digits = digits.ok_or(DigestError::Unreadable)?;
    match digest_of(event)?[ALGORITHM.len()..].eq_ignore_ascii_case(digits) {
        true => Ok(()),
        false => Err(DigestError::Changed),
    }
}

fn digest_of(event: &Event) -> Result<String, ContentError> {
    let breaks = |byte: &u8| matches!(byte, b'\n' | b'\r');
    let hash = match event.json_text().map(|text| text.trim_ascii()) {
        Ok(text) if text.iter().any(breaks) => {
            let line = text.iter().map(|byte| if breaks(byte) { b' ' } else { *byte });
            Sha256::digest(line.collect::<Vec<_>>())
        }
        Ok(text) => Sha256::digest(text),
        Err(_) => Sha256::digest(event.bytes()?),
    };
    Ok(hash.iter().fold(ALGORITHM.to_owned(), |digest, byte| format!("{digest}{byte:02x}")))
}
