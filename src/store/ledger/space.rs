//! The disk under the ledger: what kind it is, how much room it has, and a reserve for the last facts of live calls.
//!
//! Room is looked at before it is needed: a claim below the floor is refused while everything else can still be
//! written. If the disk fills all the same, the reserve (the ballast) is let go, once, and claims stay refused until
//! there is room for it again. This room never deletes anything else.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::LedgerFault;
use crate::base::limits;
use crate::core::config::DiskRoom;

/// What kind of disk a ledger lies on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Home {
    /// A disk of this machine.
    Local,
    /// A share: locks and shared memory do not hold there, so two writers could damage the file.
    Shared(&'static str),
    /// A place that may be gone after a restart, or whose flush may promise more than it keeps.
    Fleeting(&'static str),
}

/// The kind of a file system by the magic number that Linux gives it (`statfs(2)`, `linux/magic.h`).
pub fn home_of(magic: u64) -> Home {
    match magic & 0xFFFF_FFFF {
        0x6969 => Home::Shared("NFS"),
        0x517B | 0xFE53_4D42 | 0xFF53_4D42 => Home::Shared("SMB"),
        0x0102_1997 => Home::Shared("9P"),
        0x5346_414F | 0x6B41_4653 => Home::Shared("AFS"),
        0x7375_7245 => Home::Shared("Coda"),
        0x00C3_6400 => Home::Shared("Ceph"),
        0x0BD0_0BD0 => Home::Shared("Lustre"),
        0x794C_7630 => Home::Fleeting("a container's own layer (overlay)"),
        0x0102_1994 | 0x8584_58F6 => Home::Fleeting("memory (tmpfs)"),
        0x6573_5546 => Home::Fleeting("a FUSE mount"),
        _ => Home::Local,
    }
}

/// The kind of disk under a file that may not exist yet.
pub fn home(path: &Path) -> Result<Home, LedgerFault> {
    let folder = folder_of(path);
    #[cfg(target_os = "linux")]
    {
        let found = rustix::fs::statfs(folder).map_err(|error| unreadable(folder, error.into()))?;
        // The type of this field differs between machines; the magic numbers have 32 bits on all of them.
        Ok(home_of(found.f_type as u64))
    }
    #[cfg(not(target_os = "linux"))]
    Ok(Home::Local)
}

/// Refuses a ledger on a share.
pub fn refuse_share(path: &Path) -> Result<(), LedgerFault> {
    match home(path)? {
        Home::Shared(kind) => Err(LedgerFault::OnShare { path: path.display().to_string(), kind }),
        Home::Local | Home::Fleeting(_) => Ok(()),
    }
}

/// Bytes that this user may still write on the disk of a file.
fn free_bytes(path: &Path) -> io::Result<u64> {
    let found = rustix::fs::statvfs(folder_of(path))?;
    Ok(found.f_bavail.saturating_mul(found.f_frsize))
}

pub(super) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn unreadable(path: &Path, error: io::Error) -> LedgerFault {
    LedgerFault::Io(format!("{}: {error}", path.display()))
}

/// `ahoy.db` → `ahoy.db.NAME`, beside it.
pub(super) fn beside(ledger: &Path, name: &str) -> PathBuf {
    let mut path = ledger.as_os_str().to_owned();
    path.push(".");
    path.push(name);
    PathBuf::from(path)
}

/// Measures the free bytes; tests bring their own.
pub(super) type Meter = Box<dyn Fn() -> io::Result<u64> + Send>;

/// The room of a ledger that a process dials on.
pub(super) struct Space {
    meter: Meter,
    ballast: PathBuf,
    room: DiskRoom,
    /// The ballast was let go: the disk is or was full.
    released: bool,
}

impl std::fmt::Debug for Space {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Space").field("room", &self.room).field("released", &self.released).finish_non_exhaustive()
    }
}

impl Space {
    /// Looks at the disk of a ledger. Nothing is made yet.
    pub(super) fn of(ledger: &Path, room: DiskRoom) -> Space {
        let measured = ledger.to_owned();
        Space::measured_by(Box::new(move || free_bytes(&measured)), ledger, room)
    }

    /// With a meter of one's own.
    pub(super) fn measured_by(meter: Meter, ledger: &Path, room: DiskRoom) -> Space {
        Space { meter, ballast: beside(ledger, "ballast"), room, released: false }
    }

    /// Whether somebody new may be called: there is room above the floor, and the ballast was not needed.
    pub(super) fn may_claim(&self) -> Result<(), LedgerFault> {
        let free = self.free()?;
        if free < self.room.free_floor || self.released {
            return Err(LedgerFault::LowSpace { free, floor: self.room.free_floor });
        }
        Ok(())
    }

    fn free(&self) -> Result<u64, LedgerFault> {
        (self.meter)().map_err(|error| unreadable(&self.ballast, error))
    }

    /// Makes the ballast if it is not there and there is room for it above the floor. Says in words what could not be.
    pub(super) fn keep_ballast(&mut self) -> Result<Option<String>, LedgerFault> {
        if self.room.ballast == 0 {
            // Switched off since the last run: its reserve is given back.
            return remove(&self.ballast).map(|_| None).map_err(|error| unreadable(&self.ballast, error));
        }
        if allocated(&self.ballast) >= self.room.ballast {
            self.released = false;
            return Ok(None);
        }
        let free = self.free()?;
        let wanted = self.room.ballast.saturating_add(self.room.free_floor);
        if free < wanted {
            let (free, wanted) = (mib(free), mib(wanted));
            return Ok(Some(format!(
                "no reserve for a full disk: {free} MiB are free, {wanted} MiB are wanted ({} was not made)",
                self.ballast.display()
            )));
        }
        match reserve(&self.ballast, self.room.ballast) {
            Ok(()) => {
                self.released = false;
                Ok(None)
            }
            Err(error) => {
                let _half_made = remove(&self.ballast);
                Ok(Some(format!("no reserve for a full disk: {}: {error}", self.ballast.display())))
            }
        }
    }

    /// Before a group of units is written: lets the ballast go if the next commit might not fit, and takes it back when
    /// there is ample room again.
    pub(super) fn look(&mut self) {
        let Ok(free) = self.free() else { return };
        if free < limits::LEDGER_NEEDS_BYTES {
            self.release();
        } else if self.released && free / 2 > self.room.ballast.saturating_add(self.room.free_floor) {
            match self.keep_ballast() {
                Ok(None) => tracing::warn!("the ledger's disk has room again: the reserve is back"),
                Ok(Some(why)) => tracing::warn!("{why}"),
                Err(fault) => tracing::warn!("the reserve could not be made: {fault}"),
            }
        }
    }

    /// Lets the ballast go, so that what became of the live calls can be written down.
    pub(super) fn release(&mut self) {
        if std::mem::replace(&mut self.released, true) {
            return;
        }
        match remove(&self.ballast) {
            Ok(true) => tracing::error!(
                "the ledger's disk is full: {} is let go for the facts of live calls; nobody new is called",
                self.ballast.display()
            ),
            Ok(false) => tracing::error!("the ledger's disk is full, and there is no reserve; nobody new is called"),
            Err(error) => tracing::error!("the ledger's disk is full, and its reserve stays: {error}"),
        }
    }
}

/// Whole MiB, for words.
pub(super) fn mib(bytes: u64) -> u64 {
    bytes >> 20
}

/// Bytes that a file really holds on the disk (a hole holds none).
fn allocated(path: &Path) -> u64 {
    fs::symlink_metadata(path).ok().filter(fs::Metadata::is_file).map_or(0, |meta| meta.blocks().saturating_mul(512))
}

/// Removes a file; true if it was there.
fn remove(path: &Path) -> io::Result<bool> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Makes a file that really takes `bytes` of the disk.
fn reserve(path: &Path, bytes: u64) -> io::Result<()> {
    remove(path)?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    match rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, bytes) {
        Ok(()) => {}
        Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => fill(&mut file, bytes)?,
        Err(error) => return Err(error.into()),
    }
    file.sync_all()
}

/// For file systems that cannot allocate: bytes that do not compress to nothing.
fn fill(file: &mut File, bytes: u64) -> io::Result<()> {
    let mut noise = fastrand::Rng::with_seed(bytes);
    let mut block = vec![0_u8; 1 << 16];
    let mut left = bytes;
    while left > 0 {
        noise.fill(&mut block);
        let part = usize::try_from(left).unwrap_or(usize::MAX).min(block.len());
        file.write_all(&block[..part])?;
        left -= part as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    const MIB: u64 = 1 << 20;

    fn space(folder: &Path, room: DiskRoom) -> (Space, Arc<AtomicU64>) {
        let free = Arc::new(AtomicU64::new(u64::MAX));
        let meter = {
            let free = Arc::clone(&free);
            Box::new(move || Ok(free.load(Ordering::Relaxed)))
        };
        (Space::measured_by(meter, &folder.join("ahoy.db"), room), free)
    }

    #[test]
    fn a_share_is_told_from_a_disk_and_a_containers_layer() {
        assert_eq!(home_of(0xEF53), Home::Local, "ext4");
        assert_eq!(home_of(0x9123_683E), Home::Local, "btrfs");
        assert_eq!(home_of(0x5846_5342), Home::Local, "XFS");
        assert_eq!(home_of(0x6969), Home::Shared("NFS"));
        // A signed 32-bit field is widened with its sign on some machines.
        assert_eq!(home_of(0xFFFF_FFFF_FF53_4D42), Home::Shared("SMB"));
        assert!(matches!(home_of(0x794C_7630), Home::Fleeting(_)));
        let dir = tempfile::tempdir().expect("a folder");
        assert!(refuse_share(&dir.path().join("ahoy.db")).is_ok());
        assert!(home(Path::new("ahoy.db")).is_ok(), "a bare name is in this folder");
    }

    #[test]
    fn the_ballast_takes_real_room_is_private_and_goes_when_the_disk_is_full() {
        let dir = tempfile::tempdir().expect("a folder");
        let room = DiskRoom { free_floor: 8 * MIB, ballast: 3 * MIB };
        let (mut space, free) = space(dir.path(), room);
        assert_eq!(space.keep_ballast(), Ok(None));
        let file = dir.path().join("ahoy.db.ballast");
        let meta = fs::metadata(&file).expect("made");
        assert!(meta.blocks() * 512 >= 3 * MIB, "preallocated, not a hole");
        assert_eq!(meta.mode() & 0o777, 0o600);
        assert_eq!(space.may_claim(), Ok(()));

        free.store(7 * MIB, Ordering::Relaxed);
        assert_eq!(space.may_claim(), Err(LedgerFault::LowSpace { free: 7 * MIB, floor: 8 * MIB }));
        free.store(limits::LEDGER_NEEDS_BYTES, Ordering::Relaxed);
        space.look();
        assert!(file.exists(), "low is not full");
        free.store(limits::LEDGER_NEEDS_BYTES - 1, Ordering::Relaxed);
        space.look();
        assert!(!file.exists(), "its room is for the facts of live calls");

        // What it gave back is no room to call anybody with.
        free.store(9 * MIB, Ordering::Relaxed);
        space.look();
        assert!(space.may_claim().is_err() && !file.exists());
        free.store(40 * MIB, Ordering::Relaxed);
        space.look();
        assert!(file.exists(), "made again when there is ample room");
        assert_eq!(space.may_claim(), Ok(()));
    }

    #[test]
    fn a_small_disk_gets_no_ballast_but_a_word() {
        let dir = tempfile::tempdir().expect("a folder");
        let (mut small, free) = space(dir.path(), DiskRoom { free_floor: 8 * MIB, ballast: 3 * MIB });
        free.store(10 * MIB, Ordering::Relaxed);
        let said = small.keep_ballast().expect("looked").expect("words");
        assert!(said.contains("10 MiB") && said.contains("11 MiB"), "{said}");
        assert!(!dir.path().join("ahoy.db.ballast").exists());
        assert_eq!(small.may_claim(), Ok(()), "the floor alone decides about claims");
        let (mut off, _) = space(dir.path(), DiskRoom { free_floor: 0, ballast: 0 });
        fs::write(dir.path().join("ahoy.db.ballast"), "old").expect("written");
        assert_eq!(off.keep_ballast(), Ok(None));
        assert!(!dir.path().join("ahoy.db.ballast").exists(), "switched off: given back");
    }

    #[test]
    fn where_blocks_cannot_be_allocated_they_are_written() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("ballast");
        let mut file = File::create(&path).expect("made");
        fill(&mut file, 200_000).expect("written");
        file.sync_all().expect("flushed");
        assert_eq!(fs::metadata(&path).expect("there").len(), 200_000);
        assert!(allocated(&path) >= 200_000);
    }
}
