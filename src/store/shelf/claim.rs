//! Writing: one asset at a time, under its own lock file.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};

use super::{Shelf, ShelfFault};
use crate::base::limits;
use crate::core::asset::check::{self, Expected};
use crate::core::asset::{Digest, Record};
use crate::core::ear;

/// The right to write one asset. No other process has it at the same time; it ends when this is dropped, or when the
/// process dies.
#[derive(Debug)]
pub struct Claim {
    shelf: Shelf,
    fingerprint: Digest,
    lock: PathBuf,
    _file: File,
}

/// An asset whose files are written, checked and flushed, but not yet visible.
#[derive(Debug)]
pub struct Staged {
    wav: PathBuf,
    json: PathBuf,
    claim: Claim,
}

impl Shelf {
    /// Claims an asset; `None` = another process (or another task) is at it.
    ///
    /// Whoever gets the claim removes temp files of this asset: their writer held this lock, so it is dead.
    pub fn claim(&self, fingerprint: &Digest) -> Result<Option<Claim>, ShelfFault> {
        let folder = self.folder(fingerprint);
        make_folder(&folder)?;
        let lock = folder.join(format!(".{fingerprint}.lock"));
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&lock)
            .map_err(|error| ShelfFault::disk(&lock, error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(ShelfFault::disk(&lock, error)),
        }
        // The last holder removes the file: what we locked may have no name any more, and binds nobody then.
        if !same_file(&file, &lock) {
            return Ok(None);
        }
        let claim = Claim { shelf: self.clone(), fingerprint: fingerprint.clone(), lock, _file: file };
        claim.sweep()?;
        Ok(Some(claim))
    }
}

/// The right to generate in a workspace; it ends when this is dropped, or when the process dies.
#[derive(Debug)]
pub struct Generation {
    _file: File,
}

impl Shelf {
    /// Takes the right to generate; `None` = another process has it.
    pub fn generation(&self) -> Result<Option<Generation>, ShelfFault> {
        make_folder(&self.dir)?;
        let path = self.dir.join(".generating");
        let open = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        let file = open.map_err(|error| ShelfFault::disk(&path, error))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Generation { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(ShelfFault::disk(&path, error)),
        }
    }
}

impl Claim {
    /// Writes an asset and makes it visible.
    pub fn enter(self, wav: &[u8], record: &Record) -> Result<(), ShelfFault> {
        self.stage(wav, record)?.commit()
    }

    /// Writes both temp files, flushes them, and checks the sound again from the bytes on the disk.
    pub fn stage(self, wav: &[u8], record: &Record) -> Result<Staged, ShelfFault> {
        let name = self.fingerprint.short().to_owned();
        let refused = |why: String| ShelfFault::Refused(format!("{name}…: {why}"));
        if record.fingerprint != self.fingerprint || record.recipe.fingerprint() != self.fingerprint {
            return Err(refused("the record is another asset's".to_owned()));
        }
        if wav.len() > limits::WAV_BYTES {
            return Err(refused(format!("{} bytes of sound; {} is the most", wav.len(), limits::WAV_BYTES)));
        }
        let mut json = serde_json::to_string_pretty(record).map_err(|error| refused(error.to_string()))?;
        json.push('\n');
        let staged = Staged { wav: self.temp("wav"), json: self.temp("json"), claim: self };
        write_new(&staged.wav, wav)?;
        write_new(&staged.json, json.as_bytes())?;
        let written = fs::read(&staged.wav).map_err(|error| ShelfFault::disk(&staged.wav, error))?;
        let (text, language) = (record.recipe.heard(), &record.recipe.language);
        if Digest::of(&written) != record.sha256 {
            return Err(refused("the disk gave back other bytes than were written".to_owned()));
        }
        check::hear(&written, &Expected { text, language, rate: record.recipe.rate })
            .map_err(|flaws| refused(ear::told(&flaws)))?;
        Ok(staged)
    }

    fn temp(&self, kind: &str) -> PathBuf {
        self.shelf.folder(&self.fingerprint).join(format!(".{}.{kind}.tmp", self.fingerprint))
    }

    fn sweep(&self) -> Result<(), ShelfFault> {
        for kind in ["wav", "json"] {
            remove_if_there(&self.temp(kind))?;
        }
        Ok(())
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // Both are tidiness: a leftover is swept by the next holder, so a failure here harms nothing.
        let _leftover = self.sweep();
        let _leftover = fs::remove_file(&self.lock);
    }
}

impl Staged {
    /// Makes the asset visible: sound first, record last, then the folder is flushed.
    pub fn commit(self) -> Result<(), ShelfFault> {
        self.show_sound()?.show_record()
    }

    fn show_sound(self) -> Result<Staged, ShelfFault> {
        let wav = self.claim.shelf.wav_path(&self.claim.fingerprint);
        fs::rename(&self.wav, &wav).map_err(|error| ShelfFault::disk(&wav, error))?;
        Ok(self)
    }

    fn show_record(self) -> Result<(), ShelfFault> {
        let json = self.claim.shelf.json_path(&self.claim.fingerprint);
        fs::rename(&self.json, &json).map_err(|error| ShelfFault::disk(&json, error))?;
        sync_folder(&self.claim.shelf.folder(&self.claim.fingerprint))
    }

    /// For tests of crashes: stops as a killed process does, with the sound visible and the record not.
    #[cfg(test)]
    pub(super) fn crash_between_renames(self) -> Result<(), ShelfFault> {
        std::mem::forget(self.show_sound()?);
        Ok(())
    }
}

fn make_folder(folder: &Path) -> Result<(), ShelfFault> {
    // From the top down, each name flushed into the folder above it: an asset that was said to be made is reachable
    // after a power cut.
    let missing: Vec<&Path> = folder.ancestors().take_while(|it| !it.as_os_str().is_empty() && !it.exists()).collect();
    for made in missing.into_iter().rev() {
        match fs::create_dir(made) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(ShelfFault::disk(made, error)),
        }
        let above = made.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
        sync_folder(above)?;
    }
    let kind = fs::symlink_metadata(folder).map_err(|error| ShelfFault::disk(folder, error))?;
    if kind.is_dir() {
        return Ok(());
    }
    // A link here could lead what we write and remove anywhere.
    Err(ShelfFault::Refused(format!("{} is a link, not a folder: remove it", folder.display())))
}

fn write_new(path: &Path, bytes: &[u8]) -> Result<(), ShelfFault> {
    let write = || -> std::io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(|error| ShelfFault::disk(path, error))
}

pub(super) fn remove_if_there(path: &Path) -> Result<bool, ShelfFault> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(ShelfFault::disk(path, error)),
    }
}

/// Flushes a folder, so that a rename in it survives a power cut.
pub(super) fn sync_folder(folder: &Path) -> Result<(), ShelfFault> {
    let sync = || File::open(folder)?.sync_all();
    sync().map_err(|error| ShelfFault::disk(folder, error))
}

/// Whether the name still leads to the file that we opened, and is no link.
#[cfg(unix)]
pub(super) fn same_file(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let id = |meta: &fs::Metadata| (meta.dev(), meta.ino());
    match (file.metadata(), fs::symlink_metadata(path)) {
        (Ok(opened), Ok(named)) => named.is_file() && id(&opened) == id(&named),
        (Ok(_) | Err(_), Ok(_) | Err(_)) => false,
    }
}

/// Without inode numbers the name is taken at its word; links are still refused.
#[cfg(not(unix))]
pub(super) fn same_file(_file: &File, path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|named| named.is_file())
}
