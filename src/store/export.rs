//! Exported files: written whole or not at all, never over a file that is not ours.
//!
//! `ahoy-export.json` in the folder says which files are ours, and what they were made from.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::base::{Failure, limits};
use crate::core::asset::Digest;
use crate::store::shelf::{Read1, read_bounded};

/// Name of the list in the export's folder.
pub const NAME: &str = "ahoy-export.json";

/// A folder of exported files.
#[derive(Debug)]
pub struct ExportFolder {
    root: PathBuf,
    ours: BTreeMap<String, Exported>,
}

/// A file of ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exported {
    /// The asset.
    pub fingerprint: Digest,
    /// Hash of the file.
    pub sha256: Digest,
}

/// What became of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Became {
    /// It was written.
    Written,
    /// It is the same already.
    Same,
    /// A file that is not ours stands there; it was left alone.
    Foreign,
}

impl ExportFolder {
    /// Opens a folder, which need not exist yet.
    pub fn open(root: &Path) -> Result<ExportFolder, Failure> {
        let ours = match read_bounded(&root.join(NAME), limits::LOCK_BYTES) {
            Ok(Read1::Absent) => BTreeMap::new(),
            Ok(Read1::Bytes(bytes)) => serde_json::from_slice(&bytes).map_err(|error| {
                Failure::usage(format!("{} is no list of ours: {error}", root.join(NAME).display()))
                    .next("delete it; then --force writes over the files of this export")
            })?,
            Ok(Read1::Bad(why)) => return Err(Failure::usage(format!("{}: {why}", root.join(NAME).display()))),
            Err(fault) => return Err(fault.into()),
        };
        Ok(ExportFolder { root: root.to_owned(), ours })
    }

    /// What [`ExportFolder::put`] would do.
    pub fn look(&self, name: &str, bytes: &[u8], force: bool) -> Became {
        let path = self.root.join(name);
        match fs::read(&path) {
            Ok(there) if there == bytes => Became::Same,
            Ok(there) => {
                let known = self.ours.get(name).map(|it| &it.sha256);
                // A file of ours that somebody changed is theirs now.
                let ours = known == Some(&Digest::of(&there));
                if ours || force { Became::Written } else { Became::Foreign }
            }
            Err(_) if path.symlink_metadata().is_ok() && !force => Became::Foreign,
            Err(_) => Became::Written,
        }
    }

    /// Writes a file unless it is there, or somebody else's. `name` is relative, with forward slashes.
    pub fn put(&mut self, name: &str, fingerprint: &Digest, bytes: &[u8], force: bool) -> Result<Became, Failure> {
        let became = self.look(name, bytes, force);
        let path = self.root.join(name);
        if became == Became::Written {
            let failure = |error: std::io::Error| Failure::bug(format!("{}: {error}", path.display()));
            let folder = path.parent().unwrap_or(&self.root).to_owned();
            fs::create_dir_all(&folder).map_err(failure)?;
            let mut temp = tempfile::NamedTempFile::new_in(&folder).map_err(failure)?;
            temp.write_all(bytes).map_err(failure)?;
            temp.as_file().sync_all().map_err(failure)?;
            readable(&temp).map_err(failure)?;
            temp.persist(&path).map_err(|error| failure(error.error))?;
        }
        if became != Became::Foreign {
            let exported = Exported { fingerprint: fingerprint.clone(), sha256: Digest::of(bytes) };
            self.ours.insert(name.to_owned(), exported);
        }
        Ok(became)
    }

    /// Writes the list. Last, so that a file that is not in it is not ours.
    pub fn close(self) -> Result<(), Failure> {
        let path = self.root.join(NAME);
        let failure = |error: std::io::Error| Failure::bug(format!("{}: {error}", path.display()));
        let mut json = serde_json::to_string_pretty(&self.ours).map_err(|error| Failure::bug(error.to_string()))?;
        json.push('\n');
        if fs::read(&path).is_ok_and(|there| there == json.as_bytes()) {
            return Ok(());
        }
        fs::create_dir_all(&self.root).map_err(failure)?;
        let mut temp = tempfile::NamedTempFile::new_in(&self.root).map_err(failure)?;
        temp.write_all(json.as_bytes()).map_err(failure)?;
        readable(&temp).map_err(failure)?;
        temp.persist(&path).map(drop).map_err(|error| failure(error.error))
    }
}

/// A telephone system runs as another user: what it plays must be readable, as any other file is.
#[cfg(unix)]
fn readable(file: &tempfile::NamedTempFile) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.as_file().set_permissions(fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn readable(_: &tempfile::NamedTempFile) -> std::io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_not_ours_stays_and_one_that_is_the_same_is_not_written() {
        let dir = tempfile::tempdir().expect("a folder");
        let asset = Digest::of(b"asset");
        let mut folder = ExportFolder::open(dir.path()).expect("opens");
        assert_eq!(folder.put("fr/a.wav", &asset, b"one", false).expect("written"), Became::Written);
        assert_eq!(folder.put("fr/a.wav", &asset, b"one", false).expect("there"), Became::Same);
        fs::write(dir.path().join("fr/b.wav"), "somebody's").expect("written");
        assert_eq!(folder.put("fr/b.wav", &asset, b"two", false).expect("left"), Became::Foreign);
        folder.close().expect("written");
        let mut folder = ExportFolder::open(dir.path()).expect("opens");
        assert_eq!(folder.put("fr/a.wav", &asset, b"new", false).expect("written"), Became::Written);
        fs::write(dir.path().join("fr/a.wav"), "mended by hand").expect("written");
        assert_eq!(folder.look("fr/a.wav", b"new", false), Became::Foreign);
        assert_eq!(folder.put("fr/a.wav", &asset, b"newer", false).expect("left"), Became::Foreign);
        assert_eq!(folder.put("fr/a.wav", &asset, b"newer", true).expect("written"), Became::Written);
        assert_eq!(fs::read(dir.path().join("fr/b.wav")).expect("read"), b"somebody's");
    }
}
