//! Reading ahead: one thread reads and understands rows while another writes them.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::mpsc;

use sha2::{Digest, Sha256};

use super::{LeadFault, LeadFile, ReadOptions, Row, shape};
use crate::base::{Failure, limits};

/// Reads a file on a thread of its own, turns each row into a `T` there, and gives these on in chunks, in order, to the
/// caller's thread. At most [`limits::IMPORT_CHUNKS_AHEAD`] chunks wait, so memory is bounded however slow the caller is.
/// What the caller is done with is freed where it was made: memory that one thread takes and another frees makes both
/// wait.
///
/// Errors: the first of either side; after it neither goes on.
pub fn in_chunks<T: Send>(
    path: &Path,
    options: &ReadOptions,
    understand: impl Fn(&Row) -> T + Send,
    mut give: impl FnMut(&[T]) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let (send, receive) = mpsc::sync_channel::<Vec<T>>(limits::IMPORT_CHUNKS_AHEAD);
    let (done, used) = mpsc::channel::<Vec<T>>();
    std::thread::scope(|scope| {
        let reader = scope.spawn(move || -> Result<(), Failure> {
            let mut file = LeadFile::open_as(path, options)?;
            let mut chunk = Vec::with_capacity(limits::IMPORT_CHUNK);
            let mut row = Row::default();
            while file.next_into(&mut row)? {
                chunk.push(understand(&row));
                if chunk.len() >= limits::IMPORT_CHUNK {
                    let mut next = used.try_recv().unwrap_or_else(|_| Vec::with_capacity(limits::IMPORT_CHUNK));
                    next.clear();
                    if send.send(std::mem::replace(&mut chunk, next)).is_err() {
                        // Whoever writes has given up, and says why.
                        return Ok(());
                    }
                }
            }
            // Nobody to take the last rows is the same case as above.
            let _: Result<(), _> = send.send(chunk);
            Ok(())
        });
        let mut written = Ok(());
        for chunk in &receive {
            written = give(&chunk);
            // The reader may be through already; then it is freed here.
            let _: Result<(), _> = done.send(chunk);
            if written.is_err() {
                break;
            }
        }
        drop(receive);
        let read = reader.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        written.and(read)
    })
}

/// Does `work` while another thread reads a file for its SHA-256.
pub fn while_hashing<T>(path: &Path, work: impl FnOnce() -> T) -> (T, Result<[u8; 32], LeadFault>) {
    std::thread::scope(|scope| {
        let hashing = scope.spawn(|| hash_of(path));
        let done = work();
        let hash = hashing.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        (done, hash.map_err(|error| LeadFault::Io { file: shape::shown(path), cause: error.to_string() }))
    })
}

fn hash_of(path: &Path) -> io::Result<[u8; 32]> {
    let mut file = File::open(path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 256 << 10];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hash.finalize().into()),
            read => hash.update(&buffer[..read]),
        }
    }
}
