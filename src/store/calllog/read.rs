//! Reads call logs, also of running calls and after a crash.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::{AUDIO, EVENTS, wav_header};
use crate::base::{CallId, Failure, limits};
use crate::core::call::Line;

/// One call's folder and what stands in its event log.
#[derive(Debug, Clone, PartialEq)]
pub struct CallRecord {
    /// The call.
    pub call: CallId,
    /// Its folder.
    pub folder: PathBuf,
    /// The lines that could be read, in order.
    pub lines: Vec<Line>,
    /// Lines that could not: cut by a crash, or written by a newer version.
    pub unread: usize,
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    Failure::bug(format!("{} cannot be read: {error}", path.display()))
}

/// Folders of calls under `calls`, newest day first, in a day by id backwards (ids of outbound calls sort by time);
/// at most `most` of them. A missing folder holds no calls.
pub fn list(calls: &Path, most: usize) -> Result<Vec<(CallId, PathBuf)>, Failure> {
    let mut found = Vec::new();
    for year in numbered(calls, 4)? {
        for month in numbered(&year, 2)? {
            for day in numbered(&month, 2)? {
                let mut of_day = Vec::new();
                for entry in entries(&day)? {
                    if let Some(call) = entry.file_name().and_then(|name| name.to_str()).and_then(|it| it.parse().ok())
                    {
                        of_day.push((call, entry));
                    }
                }
                of_day.sort_by_key(|(call, _): &(CallId, PathBuf)| std::cmp::Reverse(*call));
                found.append(&mut of_day);
                if found.len() >= most.min(limits::CALL_FOLDERS) {
                    found.truncate(most);
                    return Ok(found);
                }
            }
        }
    }
    Ok(found)
}

fn entries(dir: &Path) -> Result<Vec<PathBuf>, Failure> {
    match fs::read_dir(dir) {
        Ok(entries) => {
            entries.map(|entry| entry.map(|it| it.path()).map_err(|error| unreadable(dir, &error))).collect()
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(unreadable(dir, &error)),
    }
}

/// Folders named by so many digits, the highest first.
fn numbered(dir: &Path, digits: usize) -> Result<Vec<PathBuf>, Failure> {
    let mut folders = entries(dir)?;
    folders.retain(|path| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or("");
        name.len() == digits && name.bytes().all(|byte| byte.is_ascii_digit())
    });
    folders.sort();
    folders.reverse();
    Ok(folders)
}

/// Reads a call's event log. A cut last line and lines of newer versions are counted, not fatal.
pub fn read(call: CallId, folder: &Path) -> Result<CallRecord, Failure> {
    let path = folder.join(EVENTS);
    // The folder is made before the file: a crash between the two is an empty log.
    let (lines, unread) = if !path.exists() && folder.is_dir() { (Vec::new(), 0) } else { lines(&path)? };
    Ok(CallRecord { call, folder: folder.to_owned(), lines, unread })
}

/// The lines of an event log that could be read, and how many could not.
pub fn lines(path: &Path) -> Result<(Vec<Line>, usize), Failure> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|error| unreadable(path, &error))?;
    file.take(limits::EVENT_LOG_BYTES).read_to_end(&mut bytes).map_err(|error| unreadable(path, &error))?;
    let (mut lines, mut unread) = (Vec::new(), 0);
    for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        match serde_json::from_slice(line) {
            Ok(line) => lines.push(line),
            Err(_) => unread += 1,
        }
    }
    Ok((lines, unread))
}

/// Path of a call's recording, its header repaired from the file's size; `None` if it holds no sound.
pub fn recording(folder: &Path) -> Result<Option<PathBuf>, Failure> {
    let path = folder.join(AUDIO);
    match repair(&path) {
        Ok(true) => Ok(Some(path)),
        Ok(false) => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unreadable(&path, &error)),
    }
}

fn repair(path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::FileExt;
    let file = File::open(path)?;
    // Whole samples of both channels: a crash may leave a part of one.
    let Some(bytes) = file.metadata()?.len().checked_sub(44).map(|bytes| bytes / 4 * 4) else { return Ok(false) };
    let wanted = wav_header(u32::try_from(bytes).unwrap_or(u32::MAX - 36));
    let mut header = [0; 44];
    file.read_exact_at(&mut header, 0)?;
    if header != wanted {
        // A reader without the right to write still gets the path: most players read to the end of the file anyway.
        match File::options().write(true).open(path) {
            Ok(file) => file.write_all_at(&wanted, 0)?,
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
            Err(error) => return Err(error),
        }
    }
    Ok(bytes > 0)
}
