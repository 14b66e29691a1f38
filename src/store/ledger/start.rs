//! The ledger's part of a start: one path for a first start, a restart, and a start after `kill -9` or a power cut.

use super::space::{self, Home, Space};
use super::wal::WalWatch;
use super::{Ledger, LedgerFault, codec};
use crate::base::{Wall, limits};
use crate::core::config::DiskRoom;

/// What an open ledger knows of its own soundness.
#[derive(Debug, Default)]
pub(super) struct Health {
    /// The disk under it, if this process dials.
    pub space: Option<Space>,
    /// Why nobody new may be called by this process any more.
    pub failed: Option<LedgerFault>,
    pub wal: WalWatch,
    /// Waits for another process's lock that were in vain, in a row.
    pub busy_in_a_row: u32,
    /// The transaction of an import that is open.
    pub import: Option<super::incoming::Open>,
}

/// How much of the file was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checked {
    /// Every page, and every index against its table.
    Whole,
    /// Every page and every law of a row (`quick_check`): large, and the last process did not end cleanly.
    Pages,
    /// The header and the schema only: large, and the last process ended cleanly.
    Header,
}

/// What a start found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartCheck {
    /// The process that dialed last and did not end cleanly, and since when it had dialed.
    pub unclean: Option<(u32, Wall)>,
    /// How much was checked.
    pub checked: Checked,
    /// What the operator should hear.
    pub warnings: Vec<String>,
}

impl Ledger {
    /// Looks at the file and its disk before anybody is called. The caller holds the dial lock.
    ///
    /// A small file is checked whole; a large one by its pages after an unclean end, else not, because SQLite's own
    /// recovery leaves nothing half written (docs/LEDGER.md). From here on the ledger watches its disk: claims are
    /// refused below the floor of `room`, and the ballast is let go when the disk is full.
    ///
    /// Errors: `Corrupt` for a damaged file, `LowSpace` below the floor.
    pub fn start_check(&mut self, room: DiskRoom) -> Result<StartCheck, LedgerFault> {
        let mut warnings = Vec::new();
        let path = self.path()?;
        if let Home::Fleeting(kind) = space::home(&path)? {
            let what = format!(
                "the ledger lies in {kind}: it may be gone after a restart, and then nobody knows who was called. \
                 Put [ledger] path on a disk of this machine (a volume, in a container)"
            );
            warnings.push(what);
        }
        let unclean = self.one("SELECT pid, since FROM dialing", [], |row| {
            Ok((row.get::<_, u32>("pid")?, codec::wall(row, "since")?))
        })?;
        if let Some((pid, since)) = unclean {
            warnings
                .push(format!("process {pid}, dialing since {since}, did not end cleanly; what it left is taken over"));
        }
        let checked = self.check_file(unclean.is_some())?;
        let mut disk = Space::of(&path, room);
        warnings.extend(disk.keep_ballast()?);
        disk.may_claim()?;
        self.health.space = Some(disk);
        Ok(StartCheck { unclean, checked, warnings })
    }

    /// This process dials from now on: until [`Ledger::clean_end`], a start finds that it did not end cleanly.
    pub fn begin_dialing(&mut self, pid: u32, now: Wall) -> Result<(), LedgerFault> {
        self.write(
            "INSERT INTO dialing (one, pid, since) VALUES (1, ?1, ?2) \
             ON CONFLICT (one) DO UPDATE SET pid = excluded.pid, since = excluded.since",
            (pid, now.0),
        )?;
        Ok(())
    }

    /// The process that dialed ends with nothing half done.
    pub fn clean_end(&mut self) -> Result<(), LedgerFault> {
        self.write("DELETE FROM dialing", [])?;
        Ok(())
    }

    fn check_file(&self, unclean: bool) -> Result<Checked, LedgerFault> {
        let bytes =
            self.one("SELECT page_count * page_size AS bytes FROM pragma_page_count, pragma_page_size", [], |row| {
                Ok(row.get::<_, i64>("bytes")?)
            })?;
        let small = bytes.is_some_and(|bytes| bytes <= limits::LEDGER_CHECK_BYTES);
        let (checked, question) = match (small, unclean) {
            (true, true | false) => (Checked::Whole, "PRAGMA integrity_check(5)"),
            (false, true) => (Checked::Pages, "PRAGMA quick_check(5)"),
            (false, false) => (Checked::Header, "SELECT 'ok' WHERE (SELECT count(*) FROM meta) = 1"),
        };
        let lines = self.rows(question, [], |row| Ok(row.get::<_, String>(0)?))?;
        if lines != ["ok"] {
            return Err(LedgerFault::Corrupt(lines.join("; ")));
        }
        Ok(checked)
    }

    /// Whether somebody new may be called, as far as the ledger and its disk are concerned.
    pub(super) fn may_claim(&self) -> Result<(), LedgerFault> {
        if let Some(fault) = &self.health.failed {
            return Err(fault.clone());
        }
        self.health.space.as_ref().map_or(Ok(()), Space::may_claim)
    }

    /// A commit was lost: what it came to on the disk is not known, so nobody new is called by this process (a flush that
    /// failed once may wrongly succeed the next time). What live calls come to is still written down.
    pub(super) fn commit_lost(&mut self, fault: &LedgerFault) {
        match fault {
            LedgerFault::Full => {
                if let Some(space) = &mut self.health.space {
                    space.release();
                }
            }
            LedgerFault::Io(_) | LedgerFault::Corrupt(_) => {
                if let Some(space) = &mut self.health.space {
                    // SQLite may end a transaction by itself on a full disk, without a code of its own for us.
                    space.look();
                }
                self.health.failed.get_or_insert_with(|| fault.clone());
            }
            LedgerFault::Busy
            | LedgerFault::LockedOut(_)
            | LedgerFault::Newer { .. }
            | LedgerFault::Missing(_)
            | LedgerFault::OnShare { .. }
            | LedgerFault::LowSpace { .. }
            | LedgerFault::QueueFull
            | LedgerFault::Stopped
            | LedgerFault::OldSqlite(_)
            | LedgerFault::SuppressionKey(_)
            | LedgerFault::Unknown(_)
            | LedgerFault::Bug(_) => {}
        }
    }
}
