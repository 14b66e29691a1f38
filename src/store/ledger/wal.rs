//! The write-ahead log, watched: it is cut back after a checkpoint, and a checkpoint gets no further than the oldest
//! reader. A reader that stays makes the log grow without limit; here it is noticed and named.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::{Ledger, LedgerFault};
use crate::base::limits;

/// Bytes of the `-shm` file that SQLite locks in WAL mode (wal.c, `WALINDEX_LOCK_OFFSET`): one for writers, five for
/// readers.
const WRITER: std::ops::RangeInclusive<u64> = 120..=120;
const READERS: std::ops::RangeInclusive<u64> = 123..=127;

/// Watches the size of the log.
#[derive(Debug, Default)]
pub(super) struct WalWatch {
    /// The size that was last warned about: the next warning comes when it has doubled.
    warned_at: u64,
}

/// What a look at the log came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WalLook {
    /// Small enough.
    Small,
    /// It was over the bound, and the checkpoint caught up with it.
    CaughtUp,
    /// A reader keeps it from being cut; told only when it has doubled since the last time.
    HeldBack {
        /// Its size.
        bytes: u64,
    },
}

impl WalWatch {
    /// After a commit. `most`: the bound over which a checkpoint is tried, in bytes.
    pub(super) fn look(&mut self, ledger: &Ledger, most: u64) -> Result<WalLook, LedgerFault> {
        let mut log = ledger.path()?.into_os_string();
        log.push("-wal");
        let bytes = fs::metadata(&log).map_or(0, |meta| meta.len());
        if bytes <= most {
            self.warned_at = 0;
            return Ok(WalLook::Small);
        }
        let (frames, done): (i64, i64) =
            ledger.conn.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| Ok((row.get(1)?, row.get(2)?)))?;
        if done >= frames {
            return Ok(WalLook::CaughtUp);
        }
        if self.warned_at > 0 && bytes < self.warned_at.saturating_mul(2) {
            return Ok(WalLook::Small);
        }
        self.warned_at = bytes;
        Ok(WalLook::HeldBack { bytes })
    }
}

impl Ledger {
    /// Looks at the log after a commit and warns about a reader that holds it back.
    pub(super) fn watch_wal(&mut self) {
        let mut watch = std::mem::take(&mut self.health.wal);
        match watch.look(self, limits::LEDGER_WAL_WATCH) {
            Ok(WalLook::Small | WalLook::CaughtUp) => {}
            Ok(WalLook::HeldBack { bytes }) => {
                let who = self.lock_holders(READERS);
                let who = if who.is_empty() { "a reader".to_owned() } else { format!("process {}", who.join(", ")) };
                tracing::warn!(
                    "the ledger's write-ahead log has {} MiB, because {who} reads for long; end that one",
                    bytes >> 20
                );
            }
            Err(fault) => tracing::warn!("the ledger's write-ahead log could not be looked at: {fault}"),
        }
        self.health.wal = watch;
    }

    /// The process that holds the write lock, in words, if the system tells.
    pub(super) fn writer_elsewhere(&self) -> String {
        let who = self.lock_holders(WRITER);
        if who.is_empty() { "another process".to_owned() } else { format!("process {}", who.join(", ")) }
    }

    fn lock_holders(&self, bytes: std::ops::RangeInclusive<u64>) -> Vec<String> {
        let Ok(path) = self.path() else { return Vec::new() };
        let mut index = path.into_os_string();
        index.push("-shm");
        let Ok(meta) = fs::metadata(Path::new(&index)) else { return Vec::new() };
        // Other systems have no such file: the holder stays unnamed.
        let Ok(locks) = fs::read_to_string("/proc/locks") else { return Vec::new() };
        holders(&locks, meta.ino(), &bytes, std::process::id())
    }
}

/// Processes other than `own` that hold a lock on these bytes of the file with this inode, by `/proc/locks` (proc(5)).
fn holders(locks: &str, inode: u64, bytes: &std::ops::RangeInclusive<u64>, own: u32) -> Vec<String> {
    let mut found = Vec::new();
    for line in locks.lines() {
        let fields: Vec<&str> = line.split_whitespace().collect();
        // `1: POSIX ADVISORY READ 4711 fe:00:1234 123 127`; waiting ones have an arrow and hold nothing.
        let [_, "POSIX", _, _, pid, file, first, last] = fields.as_slice() else { continue };
        let inside = |text: &str| text.parse::<u64>().is_ok_and(|at| bytes.contains(&at));
        let ours = *pid == own.to_string();
        let same = file.rsplit(':').next().and_then(|it| it.parse::<u64>().ok()) == Some(inode);
        if same && !ours && inside(first) && inside(last) && !found.iter().any(|it| it == pid) {
            found.push((*pid).to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Wall;
    use crate::store::ledger::OpenOptions;

    fn open(path: &Path) -> Ledger {
        Ledger::open(path, &OpenOptions { fresh_key: [1; 32], now: Wall(0) }).expect("a ledger")
    }

    fn grow(ledger: &mut Ledger) {
        for n in 0..40 {
            ledger.audit("grow", &n.to_string(), &"x".repeat(3_000), Wall(0)).expect("written");
        }
    }

    #[test]
    fn a_reader_that_stays_is_noticed_once_per_doubling_and_the_log_is_cut_when_it_has_gone() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("ahoy.db");
        let mut ledger = open(&path);
        let mut watch = WalWatch::default();
        assert_eq!(watch.look(&ledger, 1 << 20), Ok(WalLook::Small));
        // What the schema itself wrote does not count.
        ledger.conn.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").expect("a checkpoint");
        let reader = Ledger::open_read_only(&path).expect("readable");
        reader.conn.execute_batch("BEGIN; SELECT count(*) FROM lead").expect("a snapshot that stays");
        grow(&mut ledger);
        let first = watch.look(&ledger, 10_000).expect("looked");
        assert!(matches!(first, WalLook::HeldBack { bytes } if bytes > 100_000), "{first:?}");
        assert_eq!(watch.look(&ledger, 10_000), Ok(WalLook::Small), "told once");
        grow(&mut ledger);
        grow(&mut ledger);
        assert!(matches!(watch.look(&ledger, 10_000), Ok(WalLook::HeldBack { .. })), "it has doubled");
        reader.conn.execute_batch("COMMIT").expect("gone");
        assert_eq!(watch.look(&ledger, 10_000), Ok(WalLook::CaughtUp));
    }

    #[test]
    fn a_listing_leaves_no_reader_behind() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("ahoy.db");
        let mut ledger = open(&path);
        let reader = Ledger::open_read_only(&path).expect("readable");
        reader.calls(&crate::store::ledger::CallFilter::default()).expect("listed");
        reader.leads(&crate::store::ledger::LeadFilter { limit: 9, ..Default::default() }).expect("listed");
        reader.lead_counts(&"spring".parse().expect("a slug"), Wall(0)).expect("counted");
        grow(&mut ledger);
        let cut: i64 =
            ledger.conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0)).expect("a checkpoint");
        assert_eq!(cut, 0, "the reader is open and holds nothing back");
        drop(reader);
    }

    #[test]
    fn the_holder_of_a_lock_is_named_by_the_systems_list() {
        let locks = "1: POSIX  ADVISORY  WRITE 4711 fe:00:99 120 120\n\
                     1: -> POSIX  ADVISORY  WRITE 4712 fe:00:99 120 120\n\
                     2: POSIX  ADVISORY  READ 4713 fe:00:99 124 124\n\
                     3: FLOCK  ADVISORY  WRITE 4714 fe:00:99 0 EOF\n\
                     4: POSIX  ADVISORY  READ 4713 fe:00:99 123 123\n\
                     5: POSIX  ADVISORY  READ 1 fe:00:99 123 123\n\
                     6: POSIX  ADVISORY  WRITE 4715 fe:00:98 120 120\n";
        assert_eq!(holders(locks, 99, &WRITER, 1), ["4711"]);
        assert_eq!(holders(locks, 99, &READERS, 1), ["4713"]);
    }
}
