//! The book of spending: `spend.jsonl` in the workspace, one line a reservation or settlement, appended under a lock.
//!
//! It outlives the cache: what was paid for stays known when the audio is pruned.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::base::Failure;
use crate::core::cost::spend::{Entry, Spending};

/// The file's name in the workspace.
pub const NAME: &str = "spend.jsonl";

/// The book, with what was read of it so far.
#[derive(Debug)]
pub struct SpendBook {
    path: PathBuf,
    read_to: u64,
    spending: Spending,
}

/// How safe a line must be before this returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Safety {
    /// On the disk: money is about to be spent.
    Flushed,
    /// With the system.
    Written,
}

impl SpendBook {
    /// The book of this workspace; nothing is made until something is written.
    pub fn at(root: &Path) -> SpendBook {
        SpendBook { path: root.join(NAME), read_to: 0, spending: Spending::default() }
    }

    /// Everything that is written, for reports.
    pub fn read(mut self) -> Result<Spending, Failure> {
        match File::open(&self.path) {
            Ok(mut file) => self.catch_up(&mut file)?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(self.failure(&error)),
        }
        Ok(self.spending)
    }

    /// Appends what `decide` makes of everything that was written before, by whichever process: nobody else writes between.
    pub fn append<E>(
        &mut self,
        safety: Safety,
        decide: impl FnOnce(&Spending) -> Result<Entry, E>,
    ) -> Result<Result<(), E>, Failure> {
        let opened = OpenOptions::new().create(true).read(true).append(true).open(&self.path);
        let mut file = opened.map_err(|error| self.failure(&error))?;
        // Freed when the file is closed, or when the process dies.
        file.lock().map_err(|error| self.failure(&error))?;
        self.catch_up(&mut file)?;
        let entry = match decide(&self.spending) {
            Ok(entry) => entry,
            Err(refused) => return Ok(Err(refused)),
        };
        let mut line = serde_json::to_string(&entry).expect("plain fields");
        line.push('\n');
        let mut write = || {
            file.write_all(line.as_bytes())?;
            if safety == Safety::Flushed { file.sync_data() } else { Ok(()) }
        };
        write().map_err(|error| self.failure(&error))?;
        Ok(Ok(()))
    }

    /// Folds in what was appended since the last look. A line without end is a writer's that died: it is passed over, and
    /// what is appended behind it stands on the same line, which is no entry either; so a new line is begun first.
    fn catch_up(&mut self, file: &mut File) -> Result<(), Failure> {
        let read = |file: &mut File, from: u64| -> std::io::Result<Vec<String>> {
            file.seek(SeekFrom::Start(from))?;
            BufReader::new(file)
                .split(b'\n')
                .map(|line| line.map(|it| String::from_utf8_lossy(&it).into_owned()))
                .collect()
        };
        let length = file.metadata().map_err(|error| self.failure(&error))?.len();
        if length < self.read_to {
            return Err(Failure::bug(format!("{} became shorter while it was in use", self.path.display()))
                .next("run again; nothing else may write to it"));
        }
        let lines = read(file, self.read_to).map_err(|error| self.failure(&error))?;
        for line in lines.iter().filter(|line| !line.is_empty()) {
            match serde_json::from_str::<Entry>(line) {
                Ok(entry) => self.spending.add(entry),
                Err(error) => tracing::warn!(%error, "a line of {NAME} is no entry: passed over"),
            }
        }
        self.read_to = length;
        let ends_open =
            lines.last().is_some_and(|line| serde_json::from_str::<Entry>(line).is_err() && !line.is_empty());
        if ends_open {
            // Only a writer comes here with a file that it may append to; a reader's attempt fails, and needs none.
            match file.write_all(b"\n") {
                Ok(()) => self.read_to += 1,
                Err(error) => tracing::debug!(%error, "read only"),
            }
        }
        Ok(())
    }

    fn failure(&self, error: &std::io::Error) -> Failure {
        Failure::bug(format!("{}: {error}", self.path.display()))
            .next("what is spent must be written down: mend it first")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Money;
    use crate::core::cost::spend::Reserved;

    fn reserved(id: &str) -> Entry {
        Entry::Reserved(Reserved {
            id: id.to_owned(),
            at: "2026-11-01T00:00:00Z".to_owned(),
            campaign: "c".parse().expect("slug"),
            key: "k".parse().expect("slug"),
            language: "en".parse().expect("tag"),
            engine: "e".to_owned(),
            model: None,
            most: Money(10),
        })
    }

    #[test]
    fn two_processes_see_each_others_reservations_and_half_a_line_costs_nothing_else() {
        let dir = tempfile::tempdir().expect("a folder");
        assert_eq!(SpendBook::at(dir.path()).read().expect("none"), Spending::default());
        let (mut one, mut two) = (SpendBook::at(dir.path()), SpendBook::at(dir.path()));
        let take = |book: &mut SpendBook, id: &str| {
            let mut seen = Money(0);
            let decide = |spending: &Spending| {
                seen = spending.in_month("2026-11");
                if seen.0 < 30 { Ok(reserved(id)) } else { Err("full") }
            };
            let done = book.append(Safety::Flushed, decide).expect("the disk works");
            (seen.0, done)
        };
        assert_eq!(take(&mut one, "a"), (0, Ok(())));
        assert_eq!(take(&mut two, "b"), (10, Ok(())));
        let mut file = OpenOptions::new().append(true).open(dir.path().join(NAME)).expect("opens");
        file.write_all(b"{\"event\":\"reser").expect("writes");
        assert_eq!(take(&mut one, "c"), (20, Ok(())));
        assert_eq!(take(&mut two, "d"), (30, Err("full")));
        assert_eq!(SpendBook::at(dir.path()).read().expect("reads").requests().count(), 3);
    }
}
