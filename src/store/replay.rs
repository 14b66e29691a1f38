//! Recordings for replay: read within bounds, heard once and remembered, with the labels that lie beside them.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::base::{Failure, limits};
use crate::core::asset::Digest;
use crate::core::replay::Track;
use crate::core::replay::barge::Recorded;
use crate::core::replay::labels::{self, ENDINGS, Form, Utterance};
use crate::core::replay::propose::propose;
use crate::core::replay::streams::{self, Side};
use crate::core::sound::{Pcm, g711, resample, wav};
use crate::core::vad::Model;
use crate::store::calllog::EVENTS;
use crate::store::shelf::{Read1, on_all_cores, read_bounded};
use crate::store::workspace;

/// Whose voice of a recording with two channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Party {
    /// The callee: the left channel.
    Them,
    /// We: the right channel.
    Us,
}

/// A recording that was heard.
#[derive(Debug, Clone, PartialEq)]
pub struct Heard {
    /// Its name as it was given.
    pub name: String,
    /// The probabilities.
    pub track: Track,
    /// What was said in it, where a label file lies beside it.
    pub said: Option<Vec<Utterance>>,
}

/// The recordings among these paths and patterns; see [`super::soundfile::find`]. Each is taken once. The carrier's own
/// recording of a call is left out unless it is named: ours has the same sound.
pub fn find(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut named = Vec::new();
    for path in paths {
        matching(path, &mut named)?;
    }
    let mut found = super::soundfile::find(&named)?;
    let carrier = |path: &Path| path.file_name().is_some_and(|name| name == super::calllog::CARRIER_AUDIO);
    let asked = paths.iter().any(|path| carrier(path));
    let mut seen = HashSet::new();
    found.retain(|path| (asked || !carrier(path)) && seen.insert(path.clone()));
    Ok(found)
}

/// What a path stands for: itself, or, if no file has that name and it has `*`, `?` or `[`, all that it matches.
///
/// Refused (exit 2): a pattern that is none or that matches nothing, a folder on the way that cannot be read.
fn matching(path: &Path, named: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let pattern = path.to_string_lossy();
    if !pattern.contains(['*', '?', '[']) || path.exists() {
        named.push(path.to_owned());
        return Ok(());
    }
    let before = named.len();
    for it in glob::glob(&pattern).map_err(|error| Failure::usage(format!("{pattern}: {error}")))? {
        named.push(it.map_err(|error| Failure::usage(format!("{pattern}: {error}")))?);
        if named.len() > limits::EAR_FILES {
            let what = format!("{pattern}: more than {} files", limits::EAR_FILES);
            return Err(Failure::usage(what).next("name fewer at a time"));
        }
    }
    if named.len() == before {
        return Err(Failure::usage(format!("{pattern}: it matches nothing")));
    }
    Ok(())
}

/// Hears recordings on all cores, in their order; `Err` = name and why it cannot be heard. `kept`: a folder of
/// probabilities of earlier runs.
pub fn hear(
    files: &[PathBuf],
    party: Party,
    model: Model,
    kept: Option<&Path>,
) -> Vec<Result<Heard, (String, String)>> {
    if let Some(kept) = kept {
        // Without it everything is heard anew: slower, not wrong.
        let _made_or_not = fs::create_dir_all(kept);
    }
    on_all_cores(files, |path| {
        let name = path.display().to_string();
        hear_one(path, party, model, kept).map_err(|why| (name, why))
    })
}

fn read_all(path: &Path) -> Result<Vec<u8>, String> {
    match read_bounded(path, limits::WAV_BYTES as u64) {
        Ok(Read1::Bytes(bytes)) => Ok(bytes),
        Ok(Read1::Bad(why)) => Err(format!("it {why}")),
        Ok(Read1::Absent) => Err("it is not there".to_owned()),
        Err(fault) => Err(fault.to_string()),
    }
}

fn hear_one(path: &Path, party: Party, model: Model, kept: Option<&Path>) -> Result<Heard, String> {
    let bytes = read_all(path)?;
    let said = labels_of(path)?;
    let ear = format!("{} {party:?}", model.version());
    let digest = Digest::of(&[Digest::of(&bytes).to_string().as_bytes(), ear.as_bytes()].concat());
    let place = kept.map(|kept| kept.join(format!("{digest}.f32")));
    let name = path.display().to_string();
    if let Some(track) = place.as_deref().and_then(remembered) {
        within(said.as_deref(), &track)?;
        return Ok(Heard { name, track, said });
    }
    let pcm = party_of(path, &bytes, party)?;
    let track = Track::hear(&pcm, model).map_err(|fault| fault.to_string())?;
    if let Some(place) = place {
        remember(&place, &track);
    }
    within(said.as_deref(), &track)?;
    Ok(Heard { name, track, said })
}

/// A label may end this much behind its recording: programs round, and the last part of a sound fills no chunk.
const PAST_END_MS: u64 = 1_000;

/// Labels of another recording are told by words that lie behind the end of this one.
fn within(said: Option<&[Utterance]>, track: &Track) -> Result<(), String> {
    let end = track.ms() + PAST_END_MS;
    match said.unwrap_or_default().iter().find(|it| it.end_ms > end) {
        Some(it) => Err(format!(
            "a label ends at {} ms, the sound at {} ms: are they of this recording?",
            it.end_ms,
            track.ms()
        )),
        None => Ok(()),
    }
}

/// Where the contract of a recording is: utterances that were owned when it was frozen.
fn contract_of(recording: &str) -> PathBuf {
    Path::new(recording).with_extension("contract.json")
}

/// The contract of a recording; `None` = it has none. Errors (exit 2): it is no contract.
pub fn contract(recording: &str) -> Result<Option<Vec<Utterance>>, Failure> {
    let path = contract_of(recording);
    if !path.exists() {
        return Ok(None);
    }
    let text = workspace::read_bounded(&path, limits::LABELS_BYTES)?;
    let read = serde_json::from_str(&text);
    read.map(Some).map_err(|error| Failure::usage(format!("{}: no contract: {error}", path.display())))
}

/// Freezes what is owned now.
pub fn freeze(recording: &str, owned: &[&Utterance]) -> Result<PathBuf, Failure> {
    let path = contract_of(recording);
    let failed = |error: std::io::Error| Failure::bug(format!("{}: {error}", path.display()));
    let text = serde_json::to_string_pretty(owned).map_err(|error| failed(error.into()))?;
    let part = path.with_extension("json.part");
    fs::write(&part, text + "\n").and_then(|()| fs::rename(&part, &path)).map_err(failed)?;
    Ok(path)
}

/// Ending of logs with sound in them: media messages, Realtime events.
const LOG: &str = "jsonl";

fn party_of(path: &Path, bytes: &[u8], party: Party) -> Result<Pcm, String> {
    if path.extension().is_some_and(|it| it.eq_ignore_ascii_case(LOG)) {
        let text = std::str::from_utf8(bytes).map_err(|_| "it is no UTF-8".to_owned())?;
        let side = if party == Party::Us { Side::Us } else { Side::Them };
        return streams::read(text, side);
    }
    let sound = wav::read_repaired(bytes).map_err(|fault| fault.to_string())?;
    let rate = sound.rate;
    let mut channels = sound.channels;
    let channel = match (party, channels.len()) {
        (_, 0) => return Err("it has no channel".to_owned()),
        (Party::Them, _) | (Party::Us, 1) => 0,
        (Party::Us, _) => 1,
    };
    Ok(Pcm { samples: channels.swap_remove(channel), rate })
}

/// The log of a call beside its recording: `NAME.events.jsonl`, or `events.jsonl` in its folder.
pub fn log_of(path: &Path) -> Option<PathBuf> {
    [path.with_extension(EVENTS), path.with_file_name(EVENTS)].into_iter().find(|log| log.is_file())
}

/// A recorded call: both channels, its log, and labels if there are any. `Err`: why it is none.
pub fn call(path: &Path) -> Result<Recorded, String> {
    let bytes = read_all(path)?;
    let sound = wav::read_repaired(&bytes).map_err(|fault| fault.to_string())?;
    let [them, us] = <[Vec<i16>; 2]>::try_from(sound.channels)
        .map_err(|them| format!("it has {} channel, not the callee's and ours", them.len()))?;
    let narrow = |samples: Vec<i16>| {
        let pcm = Pcm { samples, rate: sound.rate };
        let pcm = if pcm.rate == 8_000 { Ok(pcm) } else { resample::resample(&pcm, 8_000) };
        pcm.map(|pcm| g711::encode_ulaw(&pcm.samples)).map_err(|fault| fault.to_string())
    };
    let log = log_of(path).ok_or_else(|| format!("no call log beside it ({EVENTS})"))?;
    Ok(Recorded {
        name: path.display().to_string(),
        them: narrow(them)?,
        us: narrow(us)?,
        log: super::calllog::lines(&log).map_err(|failure| failure.what)?.0,
        said: labels_of(path)?,
    })
}

/// Recorded calls, read and dealt with on all cores, in their order; `Err` = name and why not.
pub fn each_call<T: Send>(
    files: &[PathBuf],
    with: impl Fn(&Recorded) -> Result<T, &'static str> + Sync,
) -> Vec<Result<T, (String, String)>> {
    on_all_cores(files, |path| {
        let done = call(path).and_then(|call| with(&call).map_err(str::to_owned));
        done.map_err(|why| (path.display().to_string(), why))
    })
}

/// A piece of a recording, from and to in ms.
pub fn piece(recording: &str, party: Party, (from, to): (u64, u64)) -> Result<Pcm, String> {
    let bytes = match read_bounded(Path::new(recording), limits::WAV_BYTES as u64) {
        Ok(Read1::Bytes(bytes)) => bytes,
        Ok(Read1::Bad(_) | Read1::Absent) | Err(_) => return Err("it cannot be read any more".to_owned()),
    };
    let pcm = party_of(Path::new(recording), &bytes, party)?;
    let place =
        |ms: u64| usize::try_from(ms * u64::from(pcm.rate) / 1_000).unwrap_or(usize::MAX).min(pcm.samples.len());
    Ok(Pcm { samples: pcm.samples[place(from)..place(to.max(from))].to_vec(), rate: pcm.rate })
}

fn labels_of(path: &Path) -> Result<Option<Vec<Utterance>>, String> {
    let Some((beside, form)) = label_file(path) else { return Ok(None) };
    let shown = beside.display();
    let text = workspace::read_bounded(&beside, limits::LABELS_BYTES).map_err(|failure| failure.what)?;
    labels::read(&text, form).map(Some).map_err(|why| format!("{shown}: {why}"))
}

/// The label file beside a recording: the first of the [`ENDINGS`] that is there.
fn label_file(path: &Path) -> Option<(PathBuf, Form)> {
    let all = ENDINGS.into_iter().map(|(ending, form)| (path.with_extension(ending), form));
    all.into_iter().find(|(beside, _)| beside.is_file())
}

/// A recording whose labels are made or mended.
#[derive(Debug, Clone, PartialEq)]
pub struct Labelled {
    /// Its file.
    pub path: PathBuf,
    /// The party's sound.
    pub sound: Pcm,
    /// What is said in it so far.
    pub said: Vec<Utterance>,
    /// Where labels go: the file that is there, or the one to be.
    pub labels: PathBuf,
    /// Whether that file is there.
    pub has_labels: bool,
}

/// Opens a recording for labels; one that has none will get a file with this ending. `Err`: name and why not.
pub fn open(path: &Path, party: Party, ending: &str) -> Result<Labelled, String> {
    let sound = party_of(path, &read_all(path)?, party)?;
    let said = labels_of(path)?;
    let labels = label_file(path).map_or_else(|| path.with_extension(ending), |(beside, _)| beside);
    let has_labels = said.is_some();
    Ok(Labelled { path: path.to_owned(), sound, said: said.unwrap_or_default(), labels, has_labels })
}

/// Writes labels, whole or not at all, in the form of the file's ending. A file that was there before this run is kept
/// once, with `.bak` behind its name: not every form that is read keeps everything when it is written.
pub fn write_labels(it: &Labelled, said: &[Utterance]) -> Result<(), Failure> {
    let file = it.labels.to_string_lossy();
    let ending = ENDINGS.iter().map(|(ending, _)| *ending).find(|ending| file.ends_with(&format!(".{ending}")));
    let name = it.path.file_stem().map(|it| it.to_string_lossy().into_owned()).unwrap_or_default();
    let text = labels::write(said, ending.unwrap_or(ENDINGS[0].0), &name, it.sound.duration_ms());
    if it.labels.exists() {
        let mut bak = it.labels.clone().into_os_string();
        bak.push(".bak");
        if it.has_labels && !Path::new(&bak).exists() {
            let failed = |error| Failure::bug(format!("{} cannot be kept as .bak: {error}", it.labels.display()));
            fs::copy(&it.labels, &bak).map_err(failed)?;
        }
        return workspace::replace(&it.labels, &text);
    }
    workspace::put(&it.labels, &text, &it.path)
}

/// What became of proposals for a recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposed {
    /// The recording's name.
    pub name: String,
    /// The file of its labels.
    pub labels: PathBuf,
    /// How many labels were written; `None`: it has labels, and nothing was done.
    pub written: Option<usize>,
}

/// Writes proposals beside recordings, on all cores; see [`propose()`]. A recording that has labels keeps them unless
/// `over`, which keeps them as `.bak`. `Err`: name and why not.
pub fn propose_beside(
    files: &[PathBuf],
    party: Party,
    ending: &str,
    over: bool,
) -> Vec<Result<Proposed, (String, String)>> {
    on_all_cores(files, |path| {
        let name = path.display().to_string();
        let one = || -> Result<Proposed, String> {
            if let Some((labels, _)) = label_file(path).filter(|_| !over) {
                return Ok(Proposed { name: name.clone(), labels, written: None });
            }
            // Labels that cannot be read are replaced, too.
            let sound = party_of(path, &read_all(path)?, party)?;
            let said = propose(&sound).map_err(|fault| fault.to_string())?;
            let there = label_file(path).map(|(labels, _)| labels);
            let (has_labels, labels) = (there.is_some(), there.unwrap_or_else(|| path.with_extension(ending)));
            let it = Labelled { path: path.clone(), sound, said: Vec::new(), labels, has_labels };
            write_labels(&it, &said).map_err(|failure| failure.what)?;
            Ok(Proposed { name: name.clone(), labels: it.labels, written: Some(said.len()) })
        };
        one().map_err(|why| (name.clone(), why))
    })
}

fn remembered(place: &Path) -> Option<Track> {
    let Ok(Read1::Bytes(bytes)) = read_bounded(place, limits::WAV_BYTES as u64) else { return None };
    let whole = bytes.as_chunks::<4>();
    let probabilities: Vec<f32> = whole.0.iter().map(|it| f32::from_le_bytes(*it)).collect();
    let sane = whole.1.is_empty() && probabilities.iter().all(|it| (0.0..=1.0).contains(it));
    sane.then_some(Track { probabilities })
}

/// Best effort: what is not remembered is heard again.
fn remember(place: &Path, track: &Track) {
    let bytes: Vec<u8> = track.probabilities.iter().flat_map(|it| it.to_le_bytes()).collect();
    let part = place.with_extension(format!("{}.part", std::process::id()));
    if fs::write(&part, bytes).is_ok() {
        let _renamed_or_heard_again = fs::rename(&part, place);
    }
}
