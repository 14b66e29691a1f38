//! A disk that fails, dies or loses what was not flushed: the shim of tests/tools/iofault.c, and the disk rebuilt from
//! its journal as it is after a power cut.
#![allow(dead_code)] // each test file uses its part

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The shim, compiled once; `None` (and a loud line) where there is no C compiler or no glibc.
pub fn shim() -> Option<&'static Path> {
    static SHIM: OnceLock<Option<PathBuf>> = OnceLock::new();
    let built = SHIM.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tools/iofault.c");
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("iofault-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("made");
        let library = folder.join("iofault.so");
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(source).args(["-ldl", "-lpthread"]);
        let done = cfg!(all(target_os = "linux", target_env = "gnu")).then(|| compiler.output());
        match done {
            Some(Ok(output)) if output.status.success() => Some(library),
            Some(Ok(output)) => panic!("iofault.c: {}", String::from_utf8_lossy(&output.stderr)),
            Some(Err(_)) | None => None,
        }
    });
    if built.is_none() {
        println!("SKIPPED: faults of the disk need Linux, glibc and a C compiler (`cc`)");
    }
    built.as_deref()
}

/// How an operation fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// It alone, with an I/O error.
    Error,
    /// It and all after it, with "no space left".
    Full,
    /// The process dies there.
    Kill,
}

/// Where what fails.
#[derive(Debug, Clone, Copy)]
pub struct Strike {
    pub at: u64,
    pub how: How,
}

/// Puts a command under the shim. `scratch` is a folder outside the one that is struck.
pub fn under(command: &mut Command, folder: &Path, scratch: &Path, strike: Strike) {
    let (how, errno) = match strike.how {
        How::Error => ("once", "5"),
        How::Full => ("on", "28"),
        How::Kill => ("kill", "5"),
    };
    let _from_before = fs::remove_file(scratch.join("fired"));
    command
        .env("LD_PRELOAD", shim().expect("asked before"))
        .env("AHOY_IO_FOLDER", folder)
        .env("AHOY_IO_AT", strike.at.to_string())
        .env("AHOY_IO_HOW", how)
        .env("AHOY_IO_ERRNO", errno)
        .env("AHOY_IO_FIRED", scratch.join("fired"));
}

/// Whether the fault struck.
pub fn fired(scratch: &Path) -> bool {
    scratch.join("fired").exists()
}

/// Whether all points are to be struck (`just io-faults`), or a sample.
pub fn all_points() -> bool {
    std::env::var("AHOY_IO_FAULTS").is_ok_and(|text| text == "all")
}

/// Copies a folder with all it holds.
pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("made");
    for entry in fs::read_dir(from).expect("readable") {
        let entry = entry.expect("readable");
        let target = to.join(entry.file_name());
        let kind = entry.file_type().expect("readable");
        if kind.is_dir() {
            copy(&entry.path(), &target);
        } else if kind.is_file() {
            fs::copy(entry.path(), target).expect("copied");
        }
    }
}

/// A change of a file that is not flushed yet.
#[derive(Debug, Clone)]
enum Change {
    Write(u64, Vec<u8>),
    Cut(u64),
}

#[derive(Debug, Clone, Default)]
struct Content {
    flushed: Vec<u8>,
    since: Vec<Change>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Entry {
    File(usize),
    Folder,
}

/// What an operating system knows and what its disk holds: names and contents, each as they are and as they are flushed.
///
/// Stricter than most file systems: a new name is there after a power cut only if its folder was flushed.
#[derive(Debug, Clone, Default)]
pub struct Disk {
    contents: Vec<Content>,
    names: BTreeMap<String, Entry>,
    flushed_names: BTreeMap<String, Entry>,
}

impl Disk {
    /// A folder as it is; all of it is flushed.
    pub fn of(folder: &Path) -> Disk {
        let mut disk = Disk::default();
        disk.take(folder, "");
        disk.flushed_names = disk.names.clone();
        disk
    }

    fn take(&mut self, folder: &Path, prefix: &str) {
        for entry in fs::read_dir(folder).expect("readable") {
            let entry = entry.expect("readable");
            let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
            let kind = entry.file_type().expect("readable");
            if kind.is_dir() {
                self.names.insert(name.clone(), Entry::Folder);
                self.take(&entry.path(), &format!("{name}/"));
            } else if kind.is_file() {
                let bytes = fs::read(entry.path()).expect("readable");
                self.names.insert(name, Entry::File(self.contents.len()));
                self.contents.push(Content { flushed: bytes, since: Vec::new() });
            }
        }
    }

    /// Plays a journal of the shim. Gives how many operations it held.
    pub fn play(&mut self, journal: &[u8]) -> u64 {
        let mut rest = journal;
        let mut count = 0;
        while rest.len() >= 21 {
            let number = |at: usize, length: usize| -> u64 {
                let mut bytes = [0; 8];
                bytes[..length].copy_from_slice(&rest[at..at + length]);
                u64::from_le_bytes(bytes)
            };
            let kind = rest[0];
            let path_length = usize::try_from(number(1, 4)).expect("fits");
            let (place, length) = (number(5, 8), usize::try_from(number(13, 8)).expect("fits"));
            let (path, after) = rest[21..].split_at(path_length);
            let (bytes, after) = after.split_at(length);
            self.apply(kind, &String::from_utf8_lossy(path), place, bytes);
            rest = after;
            count += 1;
        }
        assert!(rest.is_empty(), "the journal is whole");
        count
    }

    fn apply(&mut self, kind: u8, path: &str, number: u64, bytes: &[u8]) {
        let file = |disk: &Disk| match disk.names.get(path) {
            Some(Entry::File(at)) => Some(*at),
            Some(Entry::Folder) | None => None,
        };
        match kind {
            b'c' => {
                self.names.insert(path.to_owned(), Entry::File(self.contents.len()));
                self.contents.push(Content::default());
            }
            b'd' => {
                self.names.insert(path.to_owned(), Entry::Folder);
            }
            b'w' => {
                if let Some(at) = file(self) {
                    self.contents[at].since.push(Change::Write(number, bytes.to_vec()));
                }
            }
            b't' => {
                if let Some(at) = file(self) {
                    self.contents[at].since.push(Change::Cut(number));
                }
            }
            b's' => match file(self) {
                Some(at) => self.contents[at].flush(|_| true),
                None => self.flush_folder(path),
            },
            b'r' => {
                let to = String::from_utf8_lossy(bytes).into_owned();
                if let Some(entry) = self.names.remove(path) {
                    self.names.insert(to, entry);
                }
            }
            b'u' => {
                self.names.remove(path);
            }
            other => panic!("the journal has an operation `{other}`"),
        }
    }

    fn flush_folder(&mut self, folder: &str) {
        let inside = |name: &str| parent(name) == folder;
        self.flushed_names.retain(|name, _| !inside(name));
        let now: Vec<_> = self.names.iter().filter(|(name, _)| inside(name)).map(|(n, e)| (n.clone(), *e)).collect();
        self.flushed_names.extend(now);
    }

    /// The power goes: unflushed writes are gone, or `keep` says of each one whether it had reached the disk.
    pub fn cut_power(&mut self, mut keep: impl FnMut() -> bool) {
        for content in &mut self.contents {
            content.flush(|_| keep());
        }
        let folders: BTreeSet<String> =
            self.names.keys().chain(self.flushed_names.keys()).map(|name| parent(name).to_owned()).collect();
        for folder in folders {
            if keep() {
                self.flush_folder(&folder);
            }
        }
        self.names = self.flushed_names.clone();
    }

    /// Writes what is on the disk into a folder that replaces the old one.
    pub fn restore(&self, folder: &Path) {
        fs::remove_dir_all(folder).expect("removed");
        fs::create_dir_all(folder).expect("made");
        for (name, entry) in &self.flushed_names {
            let mut above = parent(name);
            let mut reachable = true;
            while above != "." {
                reachable &= self.flushed_names.get(above) == Some(&Entry::Folder);
                above = parent(above);
            }
            let path = folder.join(name);
            match entry {
                _ if !reachable => {}
                Entry::Folder => fs::create_dir_all(path).expect("made"),
                Entry::File(at) => {
                    let mut file =
                        fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).expect("made");
                    std::io::Write::write_all(&mut file, &self.contents[*at].flushed).expect("written");
                }
            }
        }
    }
}

fn parent(name: &str) -> &str {
    name.rsplit_once('/').map_or(".", |(folder, _)| folder)
}

impl Content {
    fn flush(&mut self, mut keep: impl FnMut(&Change) -> bool) {
        for change in std::mem::take(&mut self.since) {
            if !keep(&change) {
                continue;
            }
            match change {
                Change::Write(at, bytes) => {
                    let at = usize::try_from(at).expect("fits");
                    if self.flushed.len() < at + bytes.len() {
                        self.flushed.resize(at + bytes.len(), 0);
                    }
                    self.flushed[at..at + bytes.len()].copy_from_slice(&bytes);
                }
                Change::Cut(length) => self.flushed.resize(usize::try_from(length).expect("fits"), 0),
            }
        }
    }
}
