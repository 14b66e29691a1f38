//! Samples of callers' voices: a folder with files under keyed names or numbers, and `samples.csv`, the list of consents.

use std::collections::HashMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use csv::{ReaderBuilder, StringRecord, WriterBuilder};

use super::folders::write_whole;
use super::workspace::shown;
use crate::base::{Failure, Phone, Wall, limits};
use crate::core::clone::list::{COLUMNS, Columns};
use crate::core::clone::{CallerName, CloneFault, Consent, ListRow, Sample, SampleFault, Source, Who};
use crate::core::lead::cell::formula_safe;
use crate::core::wire::token::TokenKey;

/// Name of the list in the folder.
pub const LIST: &str = "samples.csv";

/// A folder of samples.
#[derive(Debug, Clone)]
pub struct Samples {
    folder: PathBuf,
    key: TokenKey,
}

/// The list, as it was read.
#[derive(Debug, Clone, Default)]
pub struct SampleList {
    rows: HashMap<CallerName, ListRow>,
    stamp: Option<(SystemTime, u64)>,
}

/// A file's bytes, or where to fetch them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// Here.
    Bytes(Vec<u8>),
    /// There.
    Url(String),
}

/// What a clone of a caller can be made of. Nothing of it has been listened to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ingredients {
    /// What they agreed to.
    pub consent: Consent,
    /// Their voice.
    pub sample: Found,
    /// Their consent, spoken.
    pub spoken: Option<Found>,
    /// Its language.
    pub language: Option<String>,
}

impl Samples {
    /// The samples in this folder, which need not be there; `key`: the ledger's.
    pub fn at(folder: &Path, key: TokenKey) -> Samples {
        Samples { folder: folder.to_owned(), key }
    }

    /// A caller's name here.
    pub fn name(&self, caller: &Phone) -> CallerName {
        CallerName::of(&self.key, caller)
    }

    /// The list; of two rows of one caller the later counts, so that a consent that is taken back can be written below.
    ///
    /// `last`: the list as it was read before; it is given back if the file has not changed. Errors (exit 2): a row that
    /// cannot be read, with its line.
    pub fn list(&self, last: Option<SampleList>) -> Result<SampleList, Failure> {
        let path = self.folder.join(LIST);
        let stamp = stamp(&path);
        if let Some(last) = last.filter(|last| last.stamp == stamp) {
            return Ok(last);
        }
        let mut rows = HashMap::new();
        let Some((header, records)) = self.records()? else { return Ok(SampleList { rows, stamp }) };
        let columns = Columns::of(header.iter()).map_err(|what| wrong(&path, 1, &what))?;
        for record in &records {
            let line = record.position().map_or(0, csv::Position::line);
            let row = columns.row(|at| record.get(at)).map_err(|what| wrong(&path, line, &what))?;
            let name = match &row.who {
                Who::Name(name) => name.clone(),
                Who::Phone(phone) => self.name(phone),
            };
            rows.insert(name, row);
        }
        Ok(SampleList { rows, stamp })
    }

    /// The list's records as they stand; `None` = there is no list.
    fn records(&self) -> Result<Option<(StringRecord, Vec<StringRecord>)>, Failure> {
        let path = self.folder.join(LIST);
        if !path.exists() {
            return Ok(None);
        }
        let text = super::workspace::read_bounded(&path, limits::CLONE_LIST_BYTES)?;
        let mut reader = ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
        let broken = |error: csv::Error| wrong(&path, error.position().map_or(1, csv::Position::line), "it is no CSV");
        let header = reader.headers().map_err(broken)?.clone();
        let mut records = Vec::new();
        for record in reader.records() {
            if records.len() >= limits::CLONE_LIST_ROWS {
                return Err(Failure::usage(format!("{} has more than {} rows", shown(&path), limits::CLONE_LIST_ROWS)));
            }
            records.push(record.map_err(broken)?);
        }
        Ok(Some((header, records)))
    }

    /// What a clone of this caller can be made of; `spoken`: whether the consent must be heard, too.
    pub fn find(&self, list: &SampleList, caller: &Phone, spoken: bool, now: Wall) -> Result<Ingredients, CloneFault> {
        let row = list.consenting(&self.name(caller), now)?;
        let consent = row.consent.clone().map_err(CloneFault::NoConsent)?;
        let sample = self.open(&row.sample, caller, "")?.ok_or(CloneFault::NoSample)?;
        let heard = match spoken {
            true => Some(self.open(&row.spoken, caller, ".consent")?.ok_or_else(|| {
                CloneFault::NoConsent("the service wants to hear it, and there is no recording of it".to_owned())
            })?),
            false => None,
        };
        Ok(Ingredients { consent, sample, spoken: heard, language: row.language.clone() })
    }

    fn open(&self, source: &Source, caller: &Phone, kind: &str) -> Result<Option<Found>, CloneFault> {
        match source {
            Source::Url(address) => Ok(Some(Found::Url(address.clone()))),
            Source::File(name) => Ok(self.read(&self.folder.join(name))?.map(Found::Bytes)),
            Source::Folder => {
                for path in self.places(caller, kind) {
                    if let Some(bytes) = self.read(&path)? {
                        return Ok(Some(Found::Bytes(bytes)));
                    }
                }
                Ok(None)
            }
        }
    }

    /// Where a caller's file may lie: under the keyed name, or under the number's digits.
    fn places(&self, caller: &Phone, kind: &str) -> Vec<PathBuf> {
        let names = [self.name(caller).to_string(), caller.as_number().to_string()];
        let both = names.iter().flat_map(|name| ["wav", "mp3"].map(|end| format!("{name}{kind}.{end}")));
        both.map(|name| self.folder.join(name)).collect()
    }

    /// A file of at most [`limits::WAV_BYTES`]. What is told of a fault never names the file: it may be a number.
    fn read(&self, path: &Path) -> Result<Option<Vec<u8>>, CloneFault> {
        let unreadable = |error: std::io::Error| CloneFault::Unreadable(error.to_string());
        let file = match fs::File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unreadable(error)),
        };
        let mut bytes = Vec::new();
        file.take(limits::WAV_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
        if bytes.len() > limits::WAV_BYTES {
            return Err(SampleFault::Large { has: bytes.len(), most: limits::WAV_BYTES }.into());
        }
        Ok(Some(bytes))
    }

    /// Keeps a caller's sample under their keyed name, and writes their consent into the list, which is made if there is none.
    /// Files are whole or not there; the consent comes last.
    pub fn keep(
        &self,
        caller: &Phone,
        sample: &Sample,
        spoken: Option<&Sample>,
        consent: &Consent,
        language: Option<&str>,
    ) -> Result<(), Failure> {
        let (header, mut records) = self.without(caller)?;
        if let Err(what) = Columns::of(header.iter()) {
            return Err(wrong(&self.folder.join(LIST), 1, &what));
        }
        let failed = |error: std::io::Error| Failure::bug(format!("{}: {error}", shown(&self.folder)));
        fs::create_dir_all(&self.folder).map_err(failed)?;
        private(&self.folder).map_err(failed)?;
        self.remove_files(caller)?;
        let name = self.name(caller);
        write_whole(&self.folder.join(format!("{name}.{}", sample.form.extension())), &sample.bytes)?;
        if let Some(spoken) = spoken {
            write_whole(&self.folder.join(format!("{name}.consent.{}", spoken.form.extension())), &spoken.bytes)?;
        }
        let cell = |column: &str| match column {
            "caller" => name.to_string(),
            "consented_on" => consent.on.date(),
            "consent" => formula_safe(&consent.text),
            "language" => language.unwrap_or_default().to_owned(),
            _ => String::new(),
        };
        records.push(header.iter().map(|column| cell(column.trim().to_lowercase().as_str())).collect());
        self.write(&header, &records)
    }

    /// Takes a caller's files and rows away. Gives whether there were any.
    pub fn remove(&self, caller: &Phone) -> Result<bool, Failure> {
        let files = self.remove_files(caller)?;
        let Some((_, before)) = self.records()? else { return Ok(files) };
        let (header, records) = self.without(caller)?;
        if records.len() < before.len() {
            self.write(&header, &records)?;
        }
        Ok(files || records.len() < before.len())
    }

    fn remove_files(&self, caller: &Phone) -> Result<bool, Failure> {
        let mut found = false;
        for path in self.places(caller, "").into_iter().chain(self.places(caller, ".consent")) {
            match fs::remove_file(&path) {
                Ok(()) => found = true,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(Failure::bug(format!("a sample in {}: {error}", shown(&self.folder)))),
            }
        }
        Ok(found)
    }

    /// The list's header and records, without those of this caller; of no list, a header of ours. A file that a row of
    /// theirs names is removed with the row by nobody: others may name it too.
    fn without(&self, caller: &Phone) -> Result<(StringRecord, Vec<StringRecord>), Failure> {
        let Some((header, records)) = self.records()? else {
            return Ok((StringRecord::from(COLUMNS.to_vec()), Vec::new()));
        };
        let name = self.name(caller);
        let at = header.iter().position(|it| it.trim().trim_start_matches('\u{feff}').eq_ignore_ascii_case("caller"));
        let theirs = |record: &StringRecord| match at.and_then(|at| record.get(at)).map(Who::read) {
            Some(Ok(Who::Phone(phone))) => phone == *caller,
            Some(Ok(Who::Name(other))) => other == name,
            Some(Err(_)) | None => false,
        };
        Ok((header, records.into_iter().filter(|record| !theirs(record)).collect()))
    }

    fn write(&self, header: &StringRecord, records: &[StringRecord]) -> Result<(), Failure> {
        let mut writer = WriterBuilder::new().flexible(true).from_writer(Vec::new());
        let failed = |error: csv::Error| Failure::bug(format!("{LIST}: {error}"));
        writer.write_record(header).map_err(failed)?;
        for record in records {
            writer.write_record(record).map_err(failed)?;
        }
        let bytes = writer.into_inner().map_err(|error| Failure::bug(format!("{LIST}: {error}")))?;
        write_whole(&self.folder.join(LIST), &bytes)
    }
}

impl SampleList {
    /// The row of a caller who consented.
    pub fn consenting(&self, name: &CallerName, now: Wall) -> Result<&ListRow, CloneFault> {
        let missing = || CloneFault::NoConsent("this caller is not in the list of samples".to_owned());
        let row = self.rows.get(name).ok_or_else(missing)?;
        let consent = row.consent.as_ref().map_err(|why| CloneFault::NoConsent(why.clone()))?;
        consent.counts(now).map_err(CloneFault::NoConsent)?;
        Ok(row)
    }

    /// Everybody in it: by number where the list has one, by keyed name otherwise.
    pub fn callers(&self) -> impl Iterator<Item = (&CallerName, &ListRow)> {
        self.rows.iter()
    }
}

/// Reads a file that somebody calls a sample, of at most [`limits::WAV_BYTES`]. Errors (exit 2): not there, too large.
pub fn read_sample(path: &Path) -> Result<Vec<u8>, Failure> {
    let failed = |error: std::io::Error| Failure::usage(format!("{}: {error}", shown(path)));
    let mut bytes = Vec::new();
    let file = fs::File::open(path).map_err(failed)?;
    file.take(limits::WAV_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() > limits::WAV_BYTES {
        return Err(Failure::usage(format!("{} is larger than {} bytes", shown(path), limits::WAV_BYTES)));
    }
    Ok(bytes)
}

fn stamp(path: &Path) -> Option<(SystemTime, u64)> {
    let meta = fs::metadata(path).ok()?;
    Some((meta.modified().ok()?, meta.len()))
}

/// Voices are their owner's alone.
fn private(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700))
}

fn wrong(path: &Path, line: u64, what: &str) -> Failure {
    Failure::usage(format!("{}:{line}: {what}", shown(path))).next("docs/CLONES.md has the columns")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::clone::SampleForm;

    fn phone(n: u32) -> Phone {
        format!("+44207946{n:04}").parse().expect("a number")
    }

    fn samples(dir: &tempfile::TempDir) -> Samples {
        Samples::at(&dir.path().join("samples"), [3; 32])
    }

    fn write(dir: &tempfile::TempDir, name: &str, text: &str) {
        fs::create_dir_all(dir.path().join("samples")).expect("made");
        fs::write(dir.path().join("samples").join(name), text).expect("written");
    }

    #[test]
    fn a_kept_sample_is_found_again_and_nothing_in_the_folder_tells_the_number() {
        let dir = tempfile::tempdir().expect("a folder");
        let samples = samples(&dir);
        let sample = Sample { bytes: b"RIFF".to_vec(), form: SampleForm::Wav, length_ms: 1, hash: String::new() };
        let consent = Consent { on: Wall::from_date("2026-11-01").expect("a day"), text: "=yes, by post".to_owned() };
        let now = Wall::from_date("2026-11-20").expect("a day");
        write(&dir, LIST, "caller,consented_on,consent\n+442079460009,2026-11-02,\"yes, all\"\n");
        samples.keep(&phone(1), &sample, None, &consent, Some("en-GB")).expect("kept");
        samples.keep(&phone(1), &sample, None, &consent, Some("en-GB")).expect("kept again");
        let list = samples.list(None).expect("read");
        assert_eq!(list.callers().count(), 2, "one row a caller, and others stay");
        let found = samples.find(&list, &phone(1), false, now).expect("found");
        assert_eq!((found.sample, found.consent.text.as_str()), (Found::Bytes(b"RIFF".to_vec()), "'=yes, by post"));
        assert!(matches!(samples.find(&list, &phone(1), true, now), Err(CloneFault::NoConsent(_))), "nobody heard it");
        assert_eq!(samples.find(&list, &phone(9), false, now), Err(CloneFault::NoSample));
        assert!(matches!(samples.find(&list, &phone(2), false, now), Err(CloneFault::NoConsent(_))));
        let early = Wall::from_date("2026-10-30").expect("a day");
        assert!(
            matches!(samples.find(&list, &phone(1), false, early), Err(CloneFault::NoConsent(_))),
            "of a later day"
        );
        for entry in fs::read_dir(dir.path().join("samples")).expect("readable") {
            assert!(!entry.expect("readable").file_name().to_string_lossy().contains("79460001"));
        }
        assert!(!fs::read_to_string(dir.path().join("samples").join(LIST)).expect("a list").contains("79460001"));
        assert_eq!(samples.remove(&phone(1)).ok(), Some(true));
        let list = samples.list(Some(list)).expect("read anew");
        assert!(matches!(samples.find(&list, &phone(1), false, now), Err(CloneFault::NoConsent(_))));
        assert_eq!((list.callers().count(), samples.remove(&phone(1)).ok()), (1, Some(false)));
    }

    #[test]
    fn a_consent_that_is_taken_back_below_counts_and_a_broken_list_is_told_with_its_line() {
        let dir = tempfile::tempdir().expect("a folder");
        let samples = samples(&dir);
        assert_eq!(samples.list(None).expect("no list, nobody").callers().count(), 0);
        let now = Wall::from_date("2026-11-20").expect("a day");
        write(&dir, "442079460001.mp3", "x");
        write(&dir, LIST, "caller,consented_on,consent\n+442079460001,2026-11-02,yes\n+442079460001,,\n");
        let list = samples.list(None).expect("read");
        assert!(matches!(samples.find(&list, &phone(1), false, now), Err(CloneFault::NoConsent(_))));
        for (text, want) in [
            ("caller,consent\n", ":1: column `consented_on`"),
            ("caller,consented_on,consent\n0207,2026-11-02,yes\n", ":2:"),
            ("caller,consented_on,consent,sample\n+442079460001,2026-11-02,yes,../a\n", ":2: a sample's file"),
        ] {
            write(&dir, LIST, text);
            let told = samples.list(None).expect_err(text).what;
            assert!(told.contains(want) && !told.contains("79460001"), "{told}");
        }
    }
}
