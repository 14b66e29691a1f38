//! Long work of other commands, in short transactions: beside a dialing process, an import or a list never keeps an
//! intent waiting for the write lock for longer than one of them.

use super::{Ledger, LedgerFault};
use crate::base::{Boot, limits};

impl Ledger {
    /// Does `each` for every item, in transactions that begin no further item after [`limits::PORTION`], with a pause for
    /// other writers between them. What is committed stays: after a fault, the items of earlier transactions are there.
    ///
    /// `boot`: the boot clock, asked before the first and after each item.
    pub fn in_portions<I, E: From<LedgerFault>>(
        &mut self,
        items: &[I],
        boot: &dyn Fn() -> Boot,
        mut each: impl FnMut(&mut Ledger, &I) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut rest = items;
        while !rest.is_empty() {
            let taken = self.atomically(|ledger| {
                // Asked inside: waiting for the lock is not time in which others wait for us.
                let began = boot();
                let mut taken = 0;
                for item in rest {
                    each(ledger, item)?;
                    taken += 1;
                    if boot().since(began) >= limits::PORTION {
                        break;
                    }
                }
                Ok::<usize, E>(taken)
            })?;
            rest = &rest[taken..];
            // SQLite hands its lock to whoever asks first: without a pause that would be us again.
            std::thread::sleep(limits::PORTION_PAUSE);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::base::Wall;
    use crate::store::ledger::OpenOptions;

    fn ledger(dir: &tempfile::TempDir) -> Ledger {
        let options = OpenOptions { fresh_key: [1; 32], now: Wall(0) };
        Ledger::open(&dir.path().join("ahoy.db"), &options).expect("a ledger")
    }

    #[test]
    fn no_transaction_of_another_command_goes_on_after_its_time() {
        let dir = tempfile::tempdir().expect("a folder");
        let mut writer = ledger(&dir);
        let reader = Ledger::open_read_only(&dir.path().join("ahoy.db")).expect("readable");
        let committed = || {
            let rows = reader.one("SELECT count(*) FROM audit WHERE what = 'row'", [], |row| Ok(row.get::<_, i64>(0)?));
            rows.expect("read").expect("a count")
        };
        // Each item takes 15 ms, but the seventh takes 200 ms: a disk that is slow for a moment.
        let now = Cell::new(0_u64);
        let mut seen = Vec::new();
        let items: Vec<u64> = (0..10).collect();
        let done: Result<(), LedgerFault> = writer.in_portions(&items, &|| Boot(now.get()), |ledger, item| {
            seen.push(committed());
            now.set(now.get() + if *item == 6 { 200_000 } else { 15_000 });
            ledger.audit("row", &item.to_string(), "", Wall(0))
        });
        assert_eq!(done, Ok(()));
        assert_eq!(seen, [0, 0, 0, 3, 3, 3, 6, 7, 7, 7], "40 ms are over with the third; a slow item ends its own");
        assert_eq!(committed(), 10);
    }

    #[test]
    fn a_fault_undoes_its_own_portion_only() {
        let dir = tempfile::tempdir().expect("a folder");
        let mut writer = ledger(&dir);
        let now = Cell::new(0_u64);
        let items: Vec<u64> = (0..10).collect();
        let done = writer.in_portions(&items, &|| Boot(now.get()), |ledger, item| {
            now.set(now.get() + 20_000);
            if *item == 5 {
                return Err(LedgerFault::Unknown("thing"));
            }
            ledger.audit("row", &item.to_string(), "", Wall(0))
        });
        assert_eq!(done, Err(LedgerFault::Unknown("thing")));
        let rows = writer.one("SELECT count(*) FROM audit WHERE what = 'row'", [], |row| Ok(row.get::<_, i64>(0)?));
        assert_eq!(rows, Ok(Some(4)));
    }
}
