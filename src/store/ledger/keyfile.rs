//! The key of the suppression list: a file beside the ledger, its owner's alone. Whoever has only the ledger cannot find
//! out whose numbers are on the list; whoever has lost the key cannot tell either, and then nobody is called.

use std::io::Write;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::LedgerFault;

/// The first line of a key file.
const TITLE: &str = "ahoy suppression key 1";

/// 32 bytes that turn a number into its name on the list.
pub(super) type Key = Zeroizing<[u8; 32]>;

/// Why the suppression list cannot be read. Unknown means no: nobody is called.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    /// The file is not there.
    #[error("the key of the suppression list is missing: {0}")]
    Missing(String),
    /// The file holds the key of another ledger.
    #[error("{0} is the key of another suppression list than this ledger's")]
    Different(String),
    /// The file is no key.
    #[error("{0} is no key file")]
    Unreadable(String),
    /// Others may read it.
    #[error("{0} may be read by others than its owner")]
    Open(String),
}

/// Where the key of a ledger lies: `ahoy.db.key` beside `ahoy.db`.
pub fn path_of(ledger: &Path) -> PathBuf {
    let mut name = ledger.as_os_str().to_owned();
    name.push(".key");
    PathBuf::from(name)
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn fingerprint(key: &Key) -> [u8; 32] {
    Sha256::new().chain_update(b"ahoy suppression key fingerprint 1 ").chain_update(key.as_slice()).finalize().into()
}

/// The key of a ledger whose fingerprint stands in it.
pub(super) fn load(conn: &Connection, path: &Path) -> Result<Result<Key, KeyFault>, LedgerFault> {
    let Some(want) = stored(conn)? else { return Ok(Err(KeyFault::Missing(shown(path)))) };
    Ok(match read(path) {
        Ok(Some(key)) if fingerprint(&key)[..] == want[..] => Ok(key),
        Ok(Some(_)) => Err(KeyFault::Different(shown(path))),
        Ok(None) => Err(KeyFault::Missing(shown(path))),
        Err(fault) => Err(fault),
    })
}

fn stored(conn: &Connection) -> Result<Option<Vec<u8>>, LedgerFault> {
    Ok(conn.query_row("SELECT fingerprint FROM suppression_key", [], |row| row.get(0)).optional()?)
}

/// Binds a ledger that has no key yet to one: `fresh`, or the one whose file lies there already (a start that was cut
/// short between the file and the ledger, or a list that is brought back). Called inside a transaction.
pub(super) fn bind(conn: &Connection, path: &Path, fresh: &Key, must_be: bool) -> Result<(), LedgerFault> {
    if stored(conn)?.is_some() {
        return Ok(());
    }
    let key = match read(path) {
        Ok(Some(found)) if !must_be || found == *fresh => found,
        Ok(Some(_)) => return Err(KeyFault::Different(shown(path)).into()),
        Ok(None) => {
            make(path, fresh)?;
            fresh.clone()
        }
        Err(fault) => return Err(fault.into()),
    };
    conn.execute("INSERT INTO suppression_key (one, fingerprint) VALUES (1, ?1)", [fingerprint(&key).as_slice()])?;
    Ok(())
}

/// Puts a new key in the place of a lost one. The old file, if one lies there, is kept beside it.
pub(super) fn renew(conn: &Connection, path: &Path, fresh: &Key) -> Result<(), LedgerFault> {
    if path.exists() {
        let mut old = path.as_os_str().to_owned();
        old.push(".old");
        std::fs::rename(path, PathBuf::from(old))?;
    }
    make(path, fresh)?;
    conn.execute("UPDATE suppression_key SET fingerprint = ?1", [fingerprint(fresh).as_slice()])?;
    Ok(())
}

fn read(path: &Path) -> Result<Option<Key>, KeyFault> {
    let unreadable = || KeyFault::Unreadable(shown(path));
    let text = match std::fs::read(path) {
        Ok(bytes) => Zeroizing::new(bytes),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(_) => return Err(unreadable()),
    };
    if is_open(path) {
        return Err(KeyFault::Open(shown(path)));
    }
    let text = std::str::from_utf8(&text).map_err(|_| unreadable())?;
    let hex = text.strip_prefix(TITLE).map(str::trim).ok_or_else(unreadable)?;
    if hex.len() != 64 || !hex.is_ascii() {
        return Err(unreadable());
    }
    let mut key = Key::default();
    for (at, byte) in key.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).map_err(|_| unreadable())?;
    }
    Ok(Some(key))
}

#[cfg(unix)]
fn is_open(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).is_ok_and(|it| it.permissions().mode() & 0o077 != 0)
}
#[cfg(not(unix))]
fn is_open(_: &Path) -> bool {
    false
}

/// Whole or not at all, and durable before the ledger names it.
fn make(path: &Path, key: &Key) -> Result<(), LedgerFault> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // A temporary file is made with mode 0600.
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    let mut text = Zeroizing::new(format!("{TITLE}\n"));
    for byte in key.iter() {
        text.push_str(&format!("{byte:02x}"));
    }
    text.push('\n');
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist_noclobber(path).map_err(|fault| LedgerFault::from(fault.error))?;
    std::fs::File::open(folder)?.sync_all()?;
    Ok(())
}
