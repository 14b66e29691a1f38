//! Folders that are made fresh, old ones that are removed, and files that are written whole.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::base::Failure;

/// Folders of one name that are tried before giving up.
const TRIES: u32 = 100;

/// Makes a folder under `parent` that was not there before: `name`, or `name-2` and so on.
pub fn fresh(parent: &Path, name: &str) -> Result<PathBuf, Failure> {
    fs::create_dir_all(parent).map_err(|error| failure(parent, &error))?;
    for number in 1..=TRIES {
        let path = parent.join(if number == 1 { name.to_owned() } else { format!("{name}-{number}") });
        match fs::create_dir(&path) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(failure(&path, &error)),
        }
    }
    Err(Failure::bug(format!("{} folders named {name} in {}", TRIES, parent.display())))
}

/// Writes a file whole or not at all: what was there before stays until the new one is on the disk.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let broken = |error: &std::io::Error| {
        Failure::bug(format!("{} cannot be written: {error}", path.display()))
            .next("name a file in a folder that you may write to")
    };
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(|error| broken(&error))?;
    file.write_all(bytes).and_then(|()| file.as_file().sync_all()).map_err(|error| broken(&error))?;
    file.persist(path).map_err(|error| broken(&error.error))?;
    Ok(())
}

/// Removes all but the `keep` newest folders under `parent`, by name (names sort by time). Only folders that hold a
/// ledger are touched: a stranger's folder there stays.
pub fn keep_newest(parent: &Path, keep: usize) -> Result<(), Failure> {
    let entries = match fs::read_dir(parent) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failure(parent, &error)),
    };
    let mut runs: Vec<PathBuf> =
        entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| path.join("ahoy.db").is_file()).collect();
    runs.sort();
    let surplus = runs.len().saturating_sub(keep);
    for path in &runs[..surplus] {
        fs::remove_dir_all(path).map_err(|error| failure(path, &error))?;
    }
    Ok(())
}

fn failure(path: &Path, error: &std::io::Error) -> Failure {
    Failure::bug(format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_runs_go_and_strangers_stay() {
        let root = tempfile::tempdir().expect("a temporary folder");
        for name in ["1", "2", "3"] {
            let path = fresh(root.path(), name).expect("made");
            fs::write(path.join("ahoy.db"), "").expect("written");
        }
        fs::create_dir(root.path().join("0-photos")).expect("made");
        assert_eq!(fresh(root.path(), "3").expect("made"), root.path().join("3-2"));
        keep_newest(root.path(), 2).expect("removed");
        let left = |name: &str| root.path().join(name).exists();
        assert_eq!((left("1"), left("2"), left("3"), left("0-photos")), (false, true, true, true));
    }
}
