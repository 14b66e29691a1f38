//! Clearing: files of assets that no lock refers to, and what dead processes left.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, UNIX_EPOCH};

use super::claim::remove_if_there;
use super::{Shelf, ShelfFault};
use crate::base::{Wall, limits};
use crate::core::asset::Digest;

/// Files of one asset that no lock refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreferenced {
    /// The asset's name.
    pub fingerprint: Digest,
    /// Its files: sound, record, temp files.
    pub files: Vec<PathBuf>,
    /// Bytes of all of them.
    pub bytes: u64,
}

/// What was cleared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Swept {
    /// Assets removed.
    pub assets: u64,
    /// Bytes freed.
    pub bytes: u64,
    /// Assets left alone, because another process is at them.
    pub busy: u64,
}

impl Shelf {
    /// Finds assets that are not in `referenced` and whose newest file is older than `age` at `now`.
    pub fn unreferenced(
        &self,
        referenced: &BTreeSet<Digest>,
        now: Wall,
        age: Duration,
    ) -> Result<Vec<Unreferenced>, ShelfFault> {
        let mut found: std::collections::BTreeMap<Digest, (Vec<PathBuf>, u64, i64)> = Default::default();
        let mut seen = 0;
        for (folder, name) in self.shards()? {
            for entry in fs::read_dir(&folder).map_err(|error| ShelfFault::disk(&folder, error))? {
                let entry = entry.map_err(|error| ShelfFault::disk(&folder, error))?;
                seen += 1;
                if seen > limits::SHELF_FILES {
                    return Err(ShelfFault::Refused(format!("more than {} files in the cache", limits::SHELF_FILES)));
                }
                let Some(fingerprint) = entry.file_name().to_str().and_then(owner) else { continue };
                let meta = match entry.metadata() {
                    Ok(meta) => meta,
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                    Err(error) => return Err(ShelfFault::disk(&entry.path(), error)),
                };
                // A folder is nobody's asset, and an asset in the wrong folder is never read: leave both to a person.
                if meta.is_dir() || !fingerprint.as_str().starts_with(&name) || referenced.contains(&fingerprint) {
                    continue;
                }
                let modified = meta.modified().map_err(|error| ShelfFault::disk(&entry.path(), error))?;
                let modified = modified.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
                let slot = found.entry(fingerprint).or_default();
                slot.0.push(entry.path());
                slot.1 += meta.len();
                slot.2 = slot.2.max(i64::try_from(modified).unwrap_or(i64::MAX));
            }
        }
        let old = |newest: i64| age.is_zero() || newest <= (now - age).0;
        let list = found.into_iter().filter(|(_, (_, _, newest))| old(*newest));
        Ok(list.map(|(fingerprint, (files, bytes, _))| Unreferenced { fingerprint, files, bytes }).collect())
    }

    /// Removes them, each under its claim: the record first, so that no half asset counts at any moment.
    pub fn remove(&self, list: &[Unreferenced]) -> Result<Swept, ShelfFault> {
        let mut swept = Swept::default();
        for asset in list {
            let Some(_claim) = self.claim(&asset.fingerprint)? else {
                swept.busy += 1;
                continue;
            };
            remove_if_there(&self.json_path(&asset.fingerprint))?;
            for file in &asset.files {
                remove_if_there(file)?;
            }
            swept.assets += 1;
            swept.bytes += asset.bytes;
        }
        Ok(swept)
    }

    /// The folders `00` to `ff` that exist, with their names.
    fn shards(&self) -> Result<Vec<(PathBuf, String)>, ShelfFault> {
        let mut shards = Vec::new();
        for byte in 0..=u8::MAX {
            let name = format!("{byte:02x}");
            let folder = self.dir.join(&name);
            match fs::symlink_metadata(&folder) {
                Ok(meta) if meta.is_dir() => shards.push((folder, name)),
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(ShelfFault::disk(&folder, error)),
            }
        }
        Ok(shards)
    }
}

/// Whose file this is: `<fingerprint>.wav`, `.json`, or a hidden lock or temp file. Other names are not ours.
fn owner(name: &str) -> Option<Digest> {
    let hidden = name.strip_prefix('.');
    let (digest, kind) = hidden.unwrap_or(name).split_once('.')?;
    let ours = match hidden {
        None => ["wav", "json"].contains(&kind),
        Some(_) => ["lock", "wav.tmp", "json.tmp"].contains(&kind),
    };
    if ours { digest.parse().ok() } else { None }
}
