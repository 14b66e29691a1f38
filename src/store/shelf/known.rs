//! What the ear said about bytes before: a second verification of the same files is then as quick as their hashes.
//!
//! A convenience, never a proof: it may be deleted at any time, `cache verify --full` does not read it, and a verdict
//! stands only for the very bytes (sha256), the very asset (fingerprint), and the ear's own version.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::read::{Read1, read_bounded};
use crate::base::limits;
use crate::core::asset::Digest;
use crate::core::ear::{EAR, Flaw};

/// Name of the file in the cache folder.
const NAME: &str = ".heard";

/// Earlier verdicts.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Known {
    verdicts: BTreeMap<Digest, Verdict>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Verdict {
    sha256: Digest,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    flaws: Vec<Flaw>,
}

#[derive(Serialize, Deserialize)]
struct Written {
    ear: String,
    verdicts: BTreeMap<Digest, Verdict>,
}

impl Known {
    /// Reads the verdicts of a cache folder; a file that is not ours, or of another ear, is as none.
    pub fn read(cache: &Path) -> Known {
        let Ok(Read1::Bytes(bytes)) = read_bounded(&path(cache), limits::HEARD_BYTES) else { return Known::default() };
        match serde_json::from_slice::<Written>(&bytes) {
            Ok(written) if written.ear == EAR => Known { verdicts: written.verdicts },
            Ok(_) | Err(_) => Known::default(),
        }
    }

    /// What the ear said about these bytes of this asset.
    pub fn of(&self, fingerprint: &Digest, sha256: &Digest) -> Option<&[Flaw]> {
        let verdict = self.verdicts.get(fingerprint).filter(|verdict| verdict.sha256 == *sha256)?;
        Some(&verdict.flaws)
    }

    /// Notes a verdict; tells whether it is new.
    pub fn note(&mut self, fingerprint: &Digest, sha256: &Digest, flaws: &[Flaw]) -> bool {
        if self.of(fingerprint, sha256).is_some() {
            return false;
        }
        let verdict = Verdict { sha256: sha256.clone(), flaws: flaws.to_vec() };
        self.verdicts.insert(fingerprint.clone(), verdict);
        true
    }

    /// Writes the verdicts. A folder that cannot be written, or more than [`limits::HEARD_BYTES`], is no fault: the next
    /// verification listens again.
    pub fn write(&self, cache: &Path) {
        let written = Written { ear: EAR.to_owned(), verdicts: self.verdicts.clone() };
        let Ok(bytes) = serde_json::to_vec(&written) else { return };
        if bytes.len() as u64 > limits::HEARD_BYTES {
            return;
        }
        // Two verifications at once write two temp files; each renames a whole one.
        let written = tempfile::NamedTempFile::new_in(cache).and_then(|mut temp| {
            temp.write_all(&bytes)?;
            temp.persist(path(cache)).map(drop).map_err(|fault| fault.error)
        });
        if let Err(error) = written {
            tracing::debug!(%error, "verdicts are not kept");
        }
    }

    /// Forgets everything.
    pub fn forget(cache: &Path) {
        if let Err(error) = fs::remove_file(path(cache)) {
            tracing::debug!(%error, "no verdicts to forget");
        }
    }
}

fn path(cache: &Path) -> PathBuf {
    cache.join(NAME)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::ear::Code;

    #[test]
    fn a_verdict_stands_for_the_very_bytes_and_ear_only() {
        let dir = tempfile::tempdir().expect("a folder");
        let (asset, bytes, other) = (Digest::of(b"asset"), Digest::of(b"bytes"), Digest::of(b"other"));
        let mut known = Known::read(dir.path());
        assert!(known.note(&asset, &bytes, &[Flaw::beyond(Code::Hum, -50.0, -60.0, "hum")]));
        assert!(!known.note(&asset, &bytes, &[]));
        known.write(dir.path());
        let read = Known::read(dir.path());
        assert_eq!(read, known);
        assert_eq!(read.of(&asset, &bytes).map(<[Flaw]>::len), Some(1));
        assert_eq!((read.of(&asset, &other), read.of(&other, &bytes)), (None, None));
        let text = fs::read_to_string(path(dir.path())).expect("written");
        fs::write(path(dir.path()), text.replace(&format!("\"ear\":\"{EAR}\""), "\"ear\":\"1\"")).expect("written");
        assert_eq!(Known::read(dir.path()), Known::default(), "another ear's");
        fs::write(path(dir.path()), "{\"ear\"").expect("written");
        assert_eq!(Known::read(dir.path()), Known::default(), "half a file");
        Known::forget(dir.path());
        known.write(&dir.path().join("nowhere"));
        assert_eq!(Known::read(dir.path()), Known::default());
    }
}
