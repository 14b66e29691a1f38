//! The shelf of rendered audio: `ab/<fingerprint>.wav` and `ab/<fingerprint>.json` under the cache folder.
//!
//! Laws. A file name says everything that went into the file. A file is written once: temp file in the same folder,
//! checked again from the bytes on the disk, fsync, rename, fsync of the folder. The `.json` is renamed last, so an
//! asset counts only if its record stands and names the hash of the sound beside it; a crash at any moment leaves
//! either nothing that counts, or the whole. Who writes holds the asset's own lock file; the kernel frees it when a
//! process dies, and the next holder sweeps what that process left.
//! This room never decides what is wanted: `core/asset/plan` does.

mod claim;
mod files;
mod health;
mod known;
mod read;
mod sweep;

use std::path::{Path, PathBuf};

use crate::base::{Exit, Failure};
use crate::core::asset::Digest;

pub use claim::{Claim, Generation, Staged};
pub use files::{places, read_lock, read_lock_file, read_phrases, write_lock};
pub use health::Health;
pub use known::Known;
pub use read::{Looked, Question, WholeAsset};
pub(in crate::store) use read::{Read1, on_all_cores, read_bounded};
pub use sweep::{Swept, Unreferenced};

/// Why the shelf could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum ShelfFault {
    /// The disk refused.
    #[error("{path}: {error}")]
    Disk {
        /// Which file or folder.
        path: String,
        /// What the system said.
        error: std::io::Error,
    },
    /// The bytes on the disk are not the ones that were written, or the ear refuses them.
    #[error("{0}")]
    Refused(String),
}

impl ShelfFault {
    fn disk(path: &Path, error: std::io::Error) -> ShelfFault {
        ShelfFault::Disk { path: path.display().to_string(), error }
    }
}

impl From<ShelfFault> for Failure {
    fn from(fault: ShelfFault) -> Failure {
        match &fault {
            ShelfFault::Disk { .. } => Failure::bug(fault.to_string())
                .next("check free space and permissions of the cache folder, then run again"),
            ShelfFault::Refused(_) => Failure::new(Exit::Asset, fault.to_string()),
        }
    }
}

/// The cache folder.
#[derive(Debug, Clone)]
pub struct Shelf {
    dir: PathBuf,
}

impl Shelf {
    /// The shelf in this folder; nothing is made until something enters.
    pub fn at(dir: &Path) -> Shelf {
        Shelf { dir: dir.to_owned() }
    }

    /// The audio file of an asset, whether it exists or not.
    pub fn wav_path(&self, fingerprint: &Digest) -> PathBuf {
        self.folder(fingerprint).join(format!("{fingerprint}.wav"))
    }

    fn json_path(&self, fingerprint: &Digest) -> PathBuf {
        self.folder(fingerprint).join(format!("{fingerprint}.json"))
    }

    /// 256 folders by the first two digits keep each of them small.
    fn folder(&self, fingerprint: &Digest) -> PathBuf {
        self.dir.join(&fingerprint.as_str()[..2])
    }
}

#[cfg(test)]
mod tests;
