//! Reading: every byte, bounded, compared with its record, and heard.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::claim::same_file;
use super::known::Known;
use super::{Shelf, ShelfFault};
use crate::base::limits;
use crate::core::asset::check::{self, Expected};
use crate::core::asset::plan::OnShelf;
use crate::core::asset::transcript::compare;
use crate::core::asset::verify::Heard;
use crate::core::asset::{Digest, Record};
use crate::core::ear::{self, Code, Flaw};
use crate::core::sound::Pcm;

/// How much is asked about an asset.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Question<'a> {
    /// Are its bytes the recorded ones?
    Bytes,
    /// And is the ear content with them?
    Sound,
    /// The same, but bytes that were heard before need not be heard again.
    Known(&'a Known),
}

/// What the shelf holds under a fingerprint.
#[derive(Debug, Clone, PartialEq)]
pub enum Looked {
    /// Nothing that counts.
    Absent,
    /// Something that must not be played.
    Damaged(Flaw),
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
    /// What is wrong with its sound; always empty when only [`Question::Bytes`] was asked.
    pub flaws: Vec<Flaw>,
}

impl Looked {
    /// In the words of the plan: an asset that the ear refuses is rendered again.
    pub fn for_plan(&self) -> OnShelf {
        match self {
            Looked::Absent => OnShelf::Absent,
            Looked::Damaged(flaw) => OnShelf::Damaged(flaw.message.clone()),
            Looked::Whole(whole) if check::has_error(&whole.flaws) => OnShelf::Damaged(ear::told(&whole.flaws)),
            Looked::Whole(_) => OnShelf::Whole,
        }
    }

    /// In the words of verification.
    pub fn for_verify(self) -> Heard {
        match self {
            Looked::Absent => Heard::Absent,
            Looked::Damaged(flaw) => Heard::Damaged(flaw),
            Looked::Whole(whole) => Heard::Whole { sha256: whole.record.sha256, flaws: whole.flaws },
        }
    }
}

impl Shelf {
    /// Reads one asset in full.
    pub fn look(&self, fingerprint: &Digest, question: Question) -> Result<Looked, ShelfFault> {
        let Some((record, wav)) = (match self.load_files(fingerprint)? {
            Ok(found) => found,
            Err(flaw) => return Ok(Looked::Damaged(flaw)),
        }) else {
            return Ok(Looked::Absent);
        };
        let recipe = &record.recipe;
        let flaws = match question {
            Question::Bytes => Vec::new(),
            Question::Known(known) if known.of(fingerprint, &record.sha256).is_some() => {
                known.of(fingerprint, &record.sha256).map(<[Flaw]>::to_vec).unwrap_or_default()
            }
            Question::Sound | Question::Known(_) => {
                let expected = Expected { text: recipe.heard(), language: &recipe.language, rate: recipe.rate };
                let mut flaws = check::hear_again(&wav, &expected, &record.measured);
                // What the engine itself says that it said.
                let said = record.transcript.as_deref().filter(|said| !said.trim().is_empty());
                flaws.extend(said.and_then(|said| compare(recipe.given(), said).flaw()));
                flaws
            }
        };
        Ok(Looked::Whole(Box::new(WholeAsset { bytes: wav.len() as u64, record, flaws })))
    }

    /// Reads many assets, on all cores; the answers stand in the order of the questions.
    pub fn look_all(&self, fingerprints: &[Digest], question: Question<'_>) -> Result<Vec<Looked>, ShelfFault> {
        self.look_each(fingerprints, question, |looked| looked)
    }

    /// As [`Shelf::look_all`], keeping only what `keep` makes of each, so that no sound and no record stays in memory.
    pub fn look_each<T: Send>(
        &self,
        fingerprints: &[Digest],
        question: Question<'_>,
        keep: impl Fn(Looked) -> T + Sync,
    ) -> Result<Vec<T>, ShelfFault> {
        on_all_cores(fingerprints, |fingerprint| self.look(fingerprint, question).map(&keep)).into_iter().collect()
    }

    /// The sound of an asset whose bytes are the recorded ones; `Err` inside says why it must not be played.
    pub fn sound(&self, fingerprint: &Digest) -> Result<Result<(Record, Pcm), String>, ShelfFault> {
        Ok(match self.load_files(fingerprint)? {
            Err(flaw) => Err(flaw.message),
            Ok(None) => Err("its audio is not in the cache".to_owned()),
            Ok(Some((record, wav))) => match check::samples(&wav, record.recipe.rate) {
                Ok(pcm) => Ok((record, pcm)),
                Err(flaw) => Err(flaw.message),
            },
        })
    }

    /// Record and bytes, compared with each other. `None` = absent; inner `Err` = damaged, with the reason.
    #[allow(clippy::type_complexity)] // three outcomes, named by the callers
    fn load_files(&self, fingerprint: &Digest) -> Result<Result<Option<(Record, Vec<u8>)>, Flaw>, ShelfFault> {
        let bad = |what: String| Ok(Err(Flaw::new(Code::Unreadable, what)));
        let json_path = self.json_path(fingerprint);
        let json = match read_bounded(&json_path, limits::RECORD_BYTES)? {
            Read1::Absent => return Ok(Ok(None)),
            Read1::Bad(why) => return bad(format!("its record {why}")),
            Read1::Bytes(json) => json,
        };
        let record: Record = match serde_json::from_slice(&json) {
            Ok(record) => record,
            Err(error) => return bad(format!("its record is no record: {error}")),
        };
        if record.fingerprint != *fingerprint || record.recipe.fingerprint() != *fingerprint {
            return bad("its record is another asset's".to_owned());
        }
        let wav = match read_bounded(&self.wav_path(fingerprint), limits::WAV_BYTES as u64)? {
            Read1::Absent => return Ok(Ok(None)),
            Read1::Bad(why) => return bad(format!("its audio {why}")),
            Read1::Bytes(wav) => wav,
        };
        let sha256 = Digest::of(&wav);
        if sha256 != record.sha256 {
            let (is, was) = (sha256.short(), record.sha256.short());
            let what = format!("its bytes changed since it was made: {is}… instead of {was}…");
            return Ok(Err(Flaw::new(Code::HashMismatch, what)));
        }
        Ok(Ok(Some((record, wav))))
    }
}

/// Does one thing for each item, on all cores; the results stand in the order of the items.
pub(in crate::store) fn on_all_cores<I: Sync, T: Send>(items: &[I], work: impl Fn(&I) -> T + Sync) -> Vec<T> {
    let workers = std::thread::available_parallelism().map_or(1, usize::from).min(items.len().max(1));
    let next = AtomicUsize::new(0);
    let share = || -> Vec<(usize, T)> {
        let mut done = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(at) else { return done };
            done.push((at, work(item)));
        }
    };
    let mut all: Vec<(usize, T)> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(share)).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("reading a sound does not panic")).collect()
    });
    all.sort_by_key(|(at, _)| *at);
    all.into_iter().map(|(_, done)| done).collect()
}

pub(in crate::store) enum Read1 {
    Absent,
    Bad(String),
    Bytes(Vec<u8>),
}

/// Reads a regular file of at most `most` bytes; links, folders and pipes are not followed, opened or waited for.
pub(in crate::store) fn read_bounded(path: &Path, most: u64) -> Result<Read1, ShelfFault> {
    use std::io::ErrorKind;
    let length = match std::fs::symlink_metadata(path) {
        Ok(meta) if !meta.is_file() => return Ok(Read1::Bad("is not a plain file".to_owned())),
        Ok(meta) if meta.len() > most => {
            return Ok(Read1::Bad(format!("has {} bytes; {most} is the most", meta.len())));
        }
        Ok(meta) => meta.len(),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(Read1::Absent);
        }
        Err(error) => return Err(ShelfFault::disk(path, error)),
    };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Read1::Absent),
        Err(error) => return Ok(Read1::Bad(format!("cannot be read: {error}"))),
    };
    if !same_file(&file, path) {
        return Ok(Read1::Bad("changed while it was opened".to_owned()));
    }
    // As long as it was a moment ago: no growing, no copying; a file that grew meanwhile is read all the same.
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0) + 1);
    match file.take(most + 1).read_to_end(&mut bytes) {
        Ok(_) if bytes.len() as u64 > most => Ok(Read1::Bad(format!("has more than {most} bytes"))),
        Ok(_) => Ok(Read1::Bytes(bytes)),
        Err(error) => Ok(Read1::Bad(format!("cannot be read: {error}"))),
    }
}
