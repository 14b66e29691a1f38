//! The cache folder itself: what stands in it that should not, and what it would refuse.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::{Shelf, ShelfFault};
use crate::base::limits;
use crate::core::asset::Digest;

/// What is in the folder.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Health {
    /// Whether the folder is there.
    pub exists: bool,
    /// Why nothing can be written into it.
    pub unwritable: Option<String>,
    /// Bytes that are free on its file system.
    pub free_bytes: Option<u64>,
    /// Whole pairs of sound and record.
    pub assets: u64,
    /// Sound without a record: left by a writer that died, or by hand.
    pub without_record: Vec<String>,
    /// Records without sound.
    pub without_sound: Vec<String>,
    /// Temporary files of writers that died (or are at work).
    pub temporary: Vec<String>,
    /// Symbolic links: nothing here follows them.
    pub links: Vec<String>,
    /// Files that are nobody's.
    pub foreign: Vec<String>,
}

impl Shelf {
    /// Looks at every name in the folder. Reads no file.
    pub fn health(&self) -> Result<Health, ShelfFault> {
        let mut health = Health { exists: self.dir.is_dir(), ..Health::default() };
        if !health.exists {
            return Ok(health);
        }
        health.unwritable =
            tempfile::Builder::new().prefix(".probe-").tempfile_in(&self.dir).err().map(|it| it.to_string());
        health.free_bytes = rustix::fs::statvfs(&self.dir).ok().map(|it| it.f_bavail * it.f_frsize);
        let mut parts: BTreeMap<String, (bool, bool)> = BTreeMap::new();
        self.walk(&self.dir.clone(), 0, &mut 0, &mut health, &mut parts)?;
        for (name, (sound, record)) in parts {
            match (sound, record) {
                (true, true) => health.assets += 1,
                (true, false) => health.without_record.push(name),
                (false, _) => health.without_sound.push(name),
            }
        }
        Ok(health)
    }

    fn walk(
        &self,
        folder: &Path,
        depth: u32,
        seen: &mut usize,
        health: &mut Health,
        parts: &mut BTreeMap<String, (bool, bool)>,
    ) -> Result<(), ShelfFault> {
        let mut entries: Vec<fs::DirEntry> =
            fs::read_dir(folder).and_then(Iterator::collect).map_err(|error| ShelfFault::disk(folder, error))?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            *seen += 1;
            if *seen > limits::SHELF_FILES {
                return Err(ShelfFault::Refused(format!("more than {} files in the cache", limits::SHELF_FILES)));
            }
            let name = entry.file_name().to_string_lossy().into_owned();
            let shown = entry.path().strip_prefix(&self.dir).unwrap_or(&entry.path()).display().to_string();
            let kind = entry.file_type().map_err(|error| ShelfFault::disk(&entry.path(), error))?;
            if kind.is_symlink() {
                health.links.push(shown);
            } else if kind.is_dir() {
                let shard = name.len() == 2 && name.bytes().all(|b| b.is_ascii_hexdigit());
                match (depth, shard, name.as_str()) {
                    (0, true, _) => self.walk(&entry.path(), 1, seen, health, parts)?,
                    (0, false, "engines") => {}
                    (_, _, _) => health.foreign.push(shown),
                }
            } else if depth == 0 {
                if ![".heard", ".generating", ".gitignore", ".gitkeep"].contains(&name.as_str()) {
                    health.foreign.push(shown);
                }
            } else {
                let shard = folder.file_name().map(|it| it.to_string_lossy().into_owned()).unwrap_or_default();
                match (name.rsplit_once('.'), name.starts_with('.')) {
                    (Some((_, "tmp")), true) => health.temporary.push(shown),
                    (Some((_, "lock")), true) => {}
                    (Some((stem, ending @ ("wav" | "json"))), false)
                        if stem.parse::<Digest>().is_ok() && stem.starts_with(&shard) =>
                    {
                        let part = parts.entry(stem.to_owned()).or_default();
                        if ending == "wav" { part.0 = true } else { part.1 = true }
                    }
                    (_, _) => health.foreign.push(shown),
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_is_no_asset_is_named() {
        let dir = tempfile::tempdir().expect("a folder");
        let shelf = Shelf::at(&dir.path().join("cache"));
        assert!(!shelf.health().expect("read").exists);
        let name = |text: &str| Digest::of(text.as_bytes()).to_string();
        let (whole, sound, record) = (name("a"), name("b"), name("c"));
        let put = |file: &str| {
            let path = dir.path().join("cache").join(file);
            fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            fs::write(path, "").expect("written");
        };
        for (name, ending) in [(&whole, "wav"), (&whole, "json"), (&sound, "wav"), (&record, "json")] {
            put(&format!("{}/{name}.{ending}", &name[..2]));
        }
        put(&format!("{}/.{whole}.wav.tmp", &whole[..2]));
        put(&format!("00/{whole}.wav"));
        put("notes.txt");
        put("engines/pico/voice.bin");
        put(".heard");
        #[cfg(unix)]
        std::os::unix::fs::symlink("/etc/passwd", dir.path().join("cache/link.wav")).expect("made");
        let health = shelf.health().expect("read");
        assert_eq!((health.exists, health.unwritable.is_none(), health.assets), (true, true, 1));
        assert_eq!((health.without_record, health.without_sound), (vec![sound], vec![record]));
        assert_eq!(health.temporary.len(), 1);
        assert_eq!(health.foreign, [format!("00/{whole}.wav"), "notes.txt".to_owned()]);
        #[cfg(unix)]
        assert_eq!(health.links, ["link.wav"]);
        assert!(health.free_bytes.is_some_and(|free| free > 0));
    }
}
