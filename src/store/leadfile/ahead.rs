//! Reading ahead: one thread reads and understands rows while another writes them.

use std::path::Path;
use std::sync::mpsc;

use super::{LeadFile, ReadOptions, Row};
use crate::base::{Failure, limits};

/// Reads a file on a thread of its own, turns each row into a `T` there, and gives these on in chunks, in order, to the
/// caller's thread. At most [`limits::IMPORT_CHUNKS_AHEAD`] chunks wait, so memory is bounded however slow the caller is.
///
/// Errors: the first of either side; after it neither goes on.
pub fn in_chunks<T: Send>(
    path: &Path,
    options: &ReadOptions,
    understand: impl Fn(Row) -> T + Send,
    mut give: impl FnMut(Vec<T>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let (send, receive) = mpsc::sync_channel::<Vec<T>>(limits::IMPORT_CHUNKS_AHEAD);
    std::thread::scope(|scope| {
        let reader = scope.spawn(move || -> Result<(), Failure> {
            let mut file = LeadFile::open_as(path, options)?;
            let mut chunk = Vec::with_capacity(limits::IMPORT_CHUNK);
            while let Some(row) = file.next_row()? {
                chunk.push(understand(row));
                if chunk.len() >= limits::IMPORT_CHUNK {
                    let full = std::mem::replace(&mut chunk, Vec::with_capacity(limits::IMPORT_CHUNK));
                    if send.send(full).is_err() {
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
            written = give(chunk);
            if written.is_err() {
                break;
            }
        }
        drop(receive);
        let read = reader.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        written.and(read)
    })
}
