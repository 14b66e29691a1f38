//! The audit's chain: each row carries the hash of all rows before it, so that a changed, inserted or removed row shows.
//! Who keeps the newest hash (the head) elsewhere also sees a cut tail. Pure.

use sha2::{Digest, Sha256};

/// A link of the chain.
pub type Hash = [u8; 32];

/// The text of a row, as it is hashed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Row number.
    pub id: i64,
    /// When, milliseconds since 1970.
    pub at: i64,
    /// What was done.
    pub what: String,
    /// To what.
    pub subject: String,
    /// Details.
    pub detail: String,
}

/// A row with its link; rows older than the chain have none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Linked {
    /// The row.
    pub entry: Entry,
    /// The hash before it.
    pub prev: Option<Hash>,
    /// Its own.
    pub hash: Option<Hash>,
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tampering {
    /// A row's hash is not that of its words.
    Changed(i64),
    /// A row does not follow the one before it: something was removed or put between.
    Broken(i64),
    /// A row of the chain has no link.
    Unlinked(i64),
    /// The head that was kept elsewhere is not in the chain: its tail was cut off, or all of it was made anew.
    HeadMissing,
}

/// A chain that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sound {
    /// Rows.
    pub rows: u64,
    /// The newest hash; of nothing, if there is no row.
    pub head: Hash,
}

/// The hash of a row that follows `prev`. Every field is preceded by its length, so that no two rows read alike.
pub fn link(prev: &Hash, entry: &Entry) -> Hash {
    let mut hash = Sha256::new();
    hash.update(b"ahoy audit 1\n");
    hash.update(prev);
    for number in [entry.id, entry.at] {
        hash.update(number.to_be_bytes());
    }
    for text in [&entry.what, &entry.subject, &entry.detail] {
        hash.update(text.len().to_be_bytes());
        hash.update(text.as_bytes());
    }
    hash.finalize().into()
}

/// What the first link hangs on: the rows that are older than the chain.
pub fn origin<'a>(older: impl Iterator<Item = &'a Entry>) -> Hash {
    older.fold([0; 32], |hash, entry| link(&hash, entry))
}

/// Checks a chain, oldest row first. `kept`: a head that was stored elsewhere.
pub fn verify(rows: &[Linked], kept: Option<&Hash>) -> Result<Sound, Tampering> {
    let older = rows.iter().take_while(|row| row.hash.is_none() && row.prev.is_none());
    let start = older.clone().count();
    let mut head = origin(older.map(|row| &row.entry));
    let mut found = kept.is_none_or(|kept| *kept == head);
    for row in &rows[start..] {
        let id = row.entry.id;
        let (Some(prev), Some(hash)) = (row.prev, row.hash) else { return Err(Tampering::Unlinked(id)) };
        if prev != head {
            return Err(Tampering::Broken(id));
        }
        if hash != link(&prev, &row.entry) {
            return Err(Tampering::Changed(id));
        }
        head = hash;
        found |= kept == Some(&head);
    }
    if found { Ok(Sound { rows: rows.len() as u64, head }) } else { Err(Tampering::HeadMissing) }
}

/// A hash as 64 hexadecimal digits.
pub fn hex(hash: &Hash) -> String {
    use std::fmt::Write;
    hash.iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a String cannot fail.
        let _infallible = write!(text, "{byte:02x}");
        text
    })
}

/// Reads 64 hexadecimal digits.
pub fn from_hex(text: &str) -> Option<Hash> {
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    let mut hash = [0; 32];
    for (at, byte) in hash.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).ok()?;
    }
    Some(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(older: usize, rows: usize) -> Vec<Linked> {
        let entry = |id: usize| Entry {
            id: id as i64 + 1,
            at: 1_000 + id as i64,
            what: "suppress".to_owned(),
            subject: format!("+35…{id:02}"),
            detail: "cli: asked".to_owned(),
        };
        let mut made: Vec<Linked> = (0..older).map(|id| Linked { entry: entry(id), prev: None, hash: None }).collect();
        let mut prev = origin(made.iter().map(|row| &row.entry));
        for id in older..older + rows {
            let hash = link(&prev, &entry(id));
            made.push(Linked { entry: entry(id), prev: Some(prev), hash: Some(hash) });
            prev = hash;
        }
        made
    }

    #[test]
    fn every_change_of_every_field_and_every_missing_row_is_found() {
        for older in [0, 2] {
            let whole = chain(older, 4);
            assert!(verify(&whole, None).is_ok());
            for at in 0..whole.len() {
                let changed = |change: &dyn Fn(&mut Entry)| {
                    let mut rows = whole.clone();
                    change(&mut rows[at].entry);
                    verify(&rows, None)
                };
                assert!(changed(&|entry| entry.at += 1).is_err(), "{older} {at}");
                assert!(changed(&|entry| entry.what.push('x')).is_err());
                assert!(changed(&|entry| entry.subject.clear()).is_err());
                // Moving a letter from one field to the next leaves the same letters in a row.
                assert!(changed(&|entry| entry.detail = entry.detail.split_off(1)).is_err());
                if at + 1 < whole.len() {
                    let mut rows = whole.clone();
                    rows.remove(at);
                    assert!(verify(&rows, None).is_err(), "{older}: row {at} is gone");
                }
            }
        }
    }

    #[test]
    fn a_cut_tail_is_found_by_who_kept_the_head() {
        let whole = chain(1, 3);
        let head = verify(&whole, None).expect("sound").head;
        let cut = &whole[..3];
        assert!(verify(cut, None).is_ok(), "without the head nobody can tell");
        assert_eq!(verify(cut, Some(&head)), Err(Tampering::HeadMissing));
        let grown = chain(1, 7);
        assert!(verify(&grown, Some(&head)).is_ok(), "a head of earlier days is still in the chain");
        assert_eq!(from_hex(&hex(&head)), Some(head));
        assert_eq!((from_hex("zz"), from_hex(&"é".repeat(32))), (None, None));
    }
}
