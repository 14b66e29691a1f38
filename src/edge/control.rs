//! The control socket: a Unix socket beside the ledger, for its owner alone. Lines in, lines out; it decides nothing.

use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};

use crate::base::limits;

/// Longest path of a Unix socket that every system takes (macOS: 104 bytes with the closing zero).
const LONGEST_PATH: usize = 103;

/// Where the socket of a ledger lies: `ahoy.db.sock` beside it, or, where that path is too long, in a private folder of
/// the system's temporary one, named by the ledger's path.
pub fn path_of(ledger: &Path) -> PathBuf {
    let ledger = std::path::absolute(ledger).unwrap_or_else(|_| ledger.to_owned());
    let mut beside = ledger.clone().into_os_string();
    beside.push(".sock");
    if beside.len() <= LONGEST_PATH {
        return PathBuf::from(beside);
    }
    let uid = rustix::process::getuid().as_raw();
    let hash = short(ledger.as_os_str().as_encoded_bytes());
    runtime_folder(uid).join(format!("{hash}.sock"))
}

fn runtime_folder(uid: u32) -> PathBuf {
    std::env::temp_dir().join(format!("ahoy-{uid}"))
}

/// A short name for a long path.
fn short(bytes: &[u8]) -> String {
    use sha2::Digest;
    let hash = sha2::Sha256::digest(bytes);
    hash.iter().take(12).map(|byte| format!("{byte:02x}")).collect()
}

/// A listening control socket; its file goes when this is dropped.
#[derive(Debug)]
pub struct Listener {
    listener: UnixListener,
    path: PathBuf,
}

impl Listener {
    /// Listens. Only the holder of the dial lock may call this: a socket file that lies there is a dead process's.
    pub fn bind(path: &Path) -> std::io::Result<Listener> {
        let folder = path.parent().unwrap_or(Path::new("."));
        if folder == runtime_folder(rustix::process::getuid().as_raw()) {
            private_folder(folder)?;
        }
        match std::fs::symlink_metadata(path) {
            Ok(found) if found.file_type().is_socket() => std::fs::remove_file(path)?,
            Ok(_) => {
                let what = format!("{} is there and is no socket", path.display());
                return Err(std::io::Error::new(std::io::ErrorKind::AlreadyExists, what));
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let listener = UnixListener::bind(path)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
        Ok(Listener { listener, path: path.to_owned() })
    }

    /// The next connection of this user; others are closed without a word.
    pub async fn accept(&self) -> std::io::Result<(Lines, Pen)> {
        loop {
            let (stream, _) = self.listener.accept().await?;
            if is_own(&stream) {
                return Ok(split(stream));
            }
            tracing::warn!("another user's connection to the control socket was closed");
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::debug!(%error, "the control socket's file was gone already");
        }
    }
}

/// Connects to the engine of a ledger.
pub async fn connect(path: &Path) -> std::io::Result<(Lines, Pen)> {
    let stream = UnixStream::connect(path).await?;
    if !is_own(&stream) {
        return Err(std::io::Error::new(std::io::ErrorKind::PermissionDenied, "the socket is another user's"));
    }
    Ok(split(stream))
}

fn is_own(stream: &UnixStream) -> bool {
    stream.peer_cred().is_ok_and(|peer| peer.uid() == rustix::process::getuid().as_raw())
}

fn split(stream: UnixStream) -> (Lines, Pen) {
    let (read, write) = stream.into_split();
    (Lines { reader: BufReader::new(read), line: Vec::new() }, Pen(write))
}

/// Ours alone, or it is not used.
fn private_folder(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt, MetadataExt};
    match std::fs::DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let found = std::fs::symlink_metadata(folder)?;
    let ours = found.uid() == rustix::process::getuid().as_raw();
    if found.is_dir() && ours && found.mode() & 0o077 == 0 {
        return Ok(());
    }
    let what = format!("{} is not a folder of this user alone", folder.display());
    Err(std::io::Error::new(std::io::ErrorKind::PermissionDenied, what))
}

/// The lines that come in.
#[derive(Debug)]
pub struct Lines {
    reader: BufReader<OwnedReadHalf>,
    line: Vec<u8>,
}

impl Lines {
    /// The next line of at most [`limits::CONTROL_LINE`] bytes; `None` at the end. Safe to cancel: what came stays.
    pub async fn next(&mut self) -> std::io::Result<Option<String>> {
        loop {
            let byte = match self.reader.read_u8().await {
                Ok(byte) => byte,
                Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(None),
                Err(error) => return Err(error),
            };
            if byte == b'\n' {
                let line = String::from_utf8(std::mem::take(&mut self.line));
                return line.map(Some).map_err(|_| std::io::Error::other("a line is no UTF-8"));
            }
            self.line.push(byte);
            if self.line.len() > limits::CONTROL_LINE {
                return Err(std::io::Error::other("a line is too long"));
            }
        }
    }
}

/// The lines that go out.
#[derive(Debug)]
pub struct Pen(OwnedWriteHalf);

impl Pen {
    /// Writes one object and a line's end.
    pub async fn write(&mut self, value: &impl serde::Serialize) -> std::io::Result<()> {
        let mut line = serde_json::to_vec(value).map_err(std::io::Error::other)?;
        line.push(b'\n');
        self.0.write_all(&line).await
    }
}
