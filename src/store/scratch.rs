//! Files that live as long as somebody looks at them.

use std::io::Write;

use tempfile::NamedTempFile;

use crate::base::Failure;

/// A file with these bytes in the system's folder for such; it is gone when this is dropped.
pub fn file(bytes: &[u8], ending: &str) -> Result<NamedTempFile, Failure> {
    let failure = |error: std::io::Error| Failure::bug(format!("a temporary file: {error}"));
    let mut file = tempfile::Builder::new().prefix("ahoy-").suffix(ending).tempfile().map_err(failure)?;
    file.write_all(bytes).map_err(failure)?;
    file.flush().map_err(failure)?;
    Ok(file)
}

/// A folder of our own in the system's folder for such; it is gone with all that is in it when this is dropped.
pub fn folder() -> Result<tempfile::TempDir, Failure> {
    let made = tempfile::Builder::new().prefix("ahoy-").tempdir();
    made.map_err(|error| Failure::bug(format!("a temporary folder: {error}")))
}
