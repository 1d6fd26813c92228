//! Standard input, as it comes.

use std::{
    io::{self, Read},
    thread,
};

use tokio::sync::mpsc;

/// Bytes asked for at once.
const CHUNK: usize = 256 << 10;

/// Chunks that are read ahead of whoever takes them.
const AHEAD: usize = 4;

/// What has arrived, as soon as something has; `None` at the end.
pub(crate) fn read_chunk(input: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut chunk = vec![0; CHUNK];
    loop {
        match input.read(&mut chunk) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
            Ok(0) => return Ok(None),
            Ok(bytes) => {
                chunk.truncate(bytes);
                return Ok(Some(chunk));
            }
        }
    }
}

/// Standard input in chunks, read by a thread of its own.
///
/// Nothing can interrupt that thread while it waits for input, so nobody waits for the thread: it ends with the
/// input, with the receiver, or with the process.
pub(crate) fn stdin_in_chunks() -> mpsc::Receiver<io::Result<Vec<u8>>> {
    let (sender, receiver) = mpsc::channel(AHEAD);
    thread::spawn(move || {
        let mut input = io::stdin().lock();
        while let Some(chunk) = read_chunk(&mut input).transpose() {
            let failed = chunk.is_err();
            if sender.blocking_send(chunk).is_err() || failed {
                return;
            }
        }
    });
    receiver
}
