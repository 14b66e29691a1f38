//! A carrier's recording on its way into a call's folder: `carrier.wav.part` until it is whole, then `carrier.wav`.
//! What a broken connection or a crash leaves is gone on with.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::base::limits;
use crate::core::call::recording::check_wav;

/// Name of a carrier's recording in a call's folder.
pub const CARRIER_AUDIO: &str = "carrier.wav";

/// A recording that is being fetched.
#[derive(Debug)]
pub struct Fetched {
    folder: PathBuf,
    file: File,
    held: u64,
}

impl Fetched {
    /// Opens what there is of it, for this process alone. Errors: the folder cannot be made or written, or another process
    /// fetches it.
    pub fn open(folder: &Path) -> io::Result<Fetched> {
        fs::create_dir_all(folder)?;
        let part = folder.join(format!("{CARRIER_AUDIO}.part"));
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(part)?;
        file.try_lock().map_err(|_| io::Error::other("another process fetches it"))?;
        let held = file.metadata()?.len();
        Ok(Fetched { folder: folder.to_owned(), file, held })
    }

    /// Bytes that it holds.
    pub fn held(&self) -> u64 {
        self.held
    }

    /// Adds to its end. Errors: the disk, or a sound longer than any call.
    pub fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.held += bytes.len() as u64;
        if self.held > limits::CARRIER_RECORDING_BYTES {
            return Err(io::Error::other("longer than any call"));
        }
        self.file.write_all(bytes)
    }

    /// Empties it.
    pub fn restart(&mut self) -> io::Result<()> {
        self.held = 0;
        self.file.set_len(0)
    }

    /// Puts it in its place, if it is whole; otherwise empties it, so that it is fetched anew. Gives its path.
    pub fn finish(mut self) -> io::Result<PathBuf> {
        let part = self.folder.join(format!("{CARRIER_AUDIO}.part"));
        let mut head = Vec::new();
        File::open(&part)?.take(12).read_to_end(&mut head)?;
        if let Err(what) = check_wav(&head, self.held) {
            self.restart()?;
            return Err(io::Error::other(what));
        }
        self.file.sync_all()?;
        let whole = self.folder.join(CARRIER_AUDIO);
        fs::rename(&part, &whole)?;
        File::open(&self.folder)?.sync_all()?;
        Ok(whole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_on_where_a_crash_left_it_and_is_in_place_only_when_whole() {
        let dir = tempfile::tempdir().expect("a folder");
        let folder = dir.path().join("call");
        let mut sound = b"RIFF\x2c\0\0\0WAVE".to_vec();
        sound.resize(52, 7);
        let mut first = Fetched::open(&folder).expect("opens");
        first.append(&sound[..20]).expect("writes");
        drop(first);
        let mut second = Fetched::open(&folder).expect("opens");
        assert_eq!(second.held(), 20);
        second.append(&sound[20..]).expect("writes");
        let whole = second.finish().expect("whole");
        assert_eq!(fs::read(whole).expect("readable"), sound);
    }

    #[test]
    fn a_page_of_words_is_never_a_recording() {
        let dir = tempfile::tempdir().expect("a folder");
        let mut page = Fetched::open(dir.path()).expect("opens");
        page.append(b"<html>please wait</html>").expect("writes");
        assert!(page.finish().is_err());
        assert!(!dir.path().join(CARRIER_AUDIO).exists());
        assert_eq!(Fetched::open(dir.path()).expect("opens").held(), 0, "it is fetched anew");
    }
}
