//! Reading: every byte, bounded, compared with its record, and heard.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::claim::same_file;
use super::{Shelf, ShelfFault};
use crate::base::limits;
use crate::core::asset::check::{self, EarFault, Expected};
use crate::core::asset::plan::OnShelf;
use crate::core::asset::verify::Heard;
use crate::core::asset::{Digest, Record};
use crate::core::sound::Pcm;

/// How much is asked about an asset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// Are its bytes the recorded ones?
    Bytes,
    /// And is the ear content with them?
    Sound,
}

/// What the shelf holds under a fingerprint.
#[derive(Debug, Clone, PartialEq)]
pub enum Looked {
    /// Nothing that counts.
    Absent,
    /// Something that must not be played.
    Damaged(String),
    /// An asset.
    Whole(Box<WholeAsset>),
}

/// An asset as read now.
#[derive(Debug, Clone, PartialEq)]
pub struct WholeAsset {
    /// Its record.
    pub record: Record,
    /// Bytes of the WAV file.
    pub bytes: u64,
    /// What the ear refuses; always empty when only [`Question::Bytes`] was asked.
    pub faults: Vec<EarFault>,
}

impl Looked {
    /// In the words of the plan: an asset that the ear refuses is rendered again.
    pub fn for_plan(&self) -> OnShelf {
        match self {
            Looked::Absent => OnShelf::Absent,
            Looked::Damaged(why) => OnShelf::Damaged(why.clone()),
            Looked::Whole(whole) if whole.faults.is_empty() => OnShelf::Whole,
            Looked::Whole(whole) => {
                OnShelf::Damaged(whole.faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
            }
        }
    }

    /// In the words of verification.
    pub fn for_verify(&self) -> Heard {
        match self {
            Looked::Absent => Heard::Absent,
            Looked::Damaged(why) => Heard::Damaged(why.clone()),
            Looked::Whole(whole) => Heard::Whole { sha256: whole.record.sha256.clone(), faults: whole.faults.clone() },
        }
    }
}

impl Shelf {
    /// Reads one asset in full.
    pub fn look(&self, fingerprint: &Digest, question: Question) -> Result<Looked, ShelfFault> {
        let Some((record, wav)) = (match self.load_files(fingerprint)? {
            Ok(found) => found,
            Err(why) => return Ok(Looked::Damaged(why)),
        }) else {
            return Ok(Looked::Absent);
        };
        let recipe = &record.recipe;
        let faults = match question {
            Question::Bytes => Vec::new(),
            Question::Sound => {
                let expected = Expected { text: &recipe.text, language: &recipe.language, rate: recipe.rate };
                check::hear_again(&wav, &expected, &record.measured).err().unwrap_or_default()
            }
        };
        Ok(Looked::Whole(Box::new(WholeAsset { bytes: wav.len() as u64, record, faults })))
    }

    /// Reads many assets, on all cores; the answers stand in the order of the questions.
    pub fn look_all(&self, fingerprints: &[Digest], question: Question) -> Result<Vec<Looked>, ShelfFault> {
        let workers = std::thread::available_parallelism().map_or(1, usize::from).min(fingerprints.len().max(1));
        let next = AtomicUsize::new(0);
        let work = || -> Vec<(usize, Result<Looked, ShelfFault>)> {
            let mut done = Vec::new();
            while let Some((at, fingerprint)) = take(&next, fingerprints) {
                done.push((at, self.look(fingerprint, question)));
            }
            done
        };
        let mut all: Vec<(usize, Result<Looked, ShelfFault>)> = std::thread::scope(|scope| {
            let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
            let joined = workers.into_iter().map(|worker| worker.join().expect("reading an asset does not panic"));
            joined.flatten().collect()
        });
        all.sort_by_key(|(at, _)| *at);
        all.into_iter().map(|(_, looked)| looked).collect()
    }

    /// The sound of an asset whose bytes are the recorded ones; `Err` inside says why it must not be played.
    pub fn sound(&self, fingerprint: &Digest) -> Result<Result<(Record, Pcm), String>, ShelfFault> {
        Ok(match self.load_files(fingerprint)? {
            Err(why) => Err(why),
            Ok(None) => Err("its audio is not in the cache".to_owned()),
            Ok(Some((record, wav))) => match check::samples(&wav, record.recipe.rate) {
                Ok(pcm) => Ok((record, pcm)),
                Err(fault) => Err(fault.to_string()),
            },
        })
    }

    /// Record and bytes, compared with each other. `None` = absent; inner `Err` = damaged, with the reason.
    #[allow(clippy::type_complexity)] // three outcomes, named by the callers
    fn load_files(&self, fingerprint: &Digest) -> Result<Result<Option<(Record, Vec<u8>)>, String>, ShelfFault> {
        let json_path = self.json_path(fingerprint);
        let json = match read_bounded(&json_path, limits::RECORD_BYTES)? {
            Read1::Absent => return Ok(Ok(None)),
            Read1::Bad(why) => return Ok(Err(format!("its record {why}"))),
            Read1::Bytes(json) => json,
        };
        let record: Record = match serde_json::from_slice(&json) {
            Ok(record) => record,
            Err(error) => return Ok(Err(format!("its record is no record: {error}"))),
        };
        if record.fingerprint != *fingerprint || record.recipe.fingerprint() != *fingerprint {
            return Ok(Err("its record is another asset's".to_owned()));
        }
        let wav = match read_bounded(&self.wav_path(fingerprint), limits::WAV_BYTES as u64)? {
            Read1::Absent => return Ok(Ok(None)),
            Read1::Bad(why) => return Ok(Err(format!("its audio {why}"))),
            Read1::Bytes(wav) => wav,
        };
        let sha256 = Digest::of(&wav);
        if sha256 != record.sha256 {
            let (is, was) = (sha256.short(), record.sha256.short());
            return Ok(Err(format!("its bytes changed since it was made: {is}… instead of {was}…")));
        }
        Ok(Ok(Some((record, wav))))
    }
}

fn take<'a>(next: &AtomicUsize, fingerprints: &'a [Digest]) -> Option<(usize, &'a Digest)> {
    let at = next.fetch_add(1, Ordering::Relaxed);
    fingerprints.get(at).map(|fingerprint| (at, fingerprint))
}

enum Read1 {
    Absent,
    Bad(String),
    Bytes(Vec<u8>),
}

/// Reads a regular file of at most `most` bytes; links, folders and pipes are not followed, opened or waited for.
fn read_bounded(path: &Path, most: u64) -> Result<Read1, ShelfFault> {
    use std::io::ErrorKind;
    match std::fs::symlink_metadata(path) {
        Ok(meta) if !meta.is_file() => return Ok(Read1::Bad("is not a plain file".to_owned())),
        Ok(meta) if meta.len() > most => {
            return Ok(Read1::Bad(format!("has {} bytes; {most} is the most", meta.len())));
        }
        Ok(_) => {}
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(Read1::Absent);
        }
        Err(error) => return Err(ShelfFault::disk(path, error)),
    }
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Read1::Absent),
        Err(error) => return Ok(Read1::Bad(format!("cannot be read: {error}"))),
    };
    if !same_file(&file, path) {
        return Ok(Read1::Bad("changed while it was opened".to_owned()));
    }
    let mut bytes = Vec::new();
    match file.take(most + 1).read_to_end(&mut bytes) {
        Ok(_) if bytes.len() as u64 > most => Ok(Read1::Bad(format!("has more than {most} bytes"))),
        Ok(_) => Ok(Read1::Bytes(bytes)),
        Err(error) => Ok(Read1::Bad(format!("cannot be read: {error}"))),
    }
}
