//! What was said in a call, and what it came to, in files of their own: `transcript.json`, made from the call's events or
//! by an engine, and `summary.json`. Written whole or not at all.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{SUMMARY, TRANSCRIPT, folder, read, recording};
use crate::base::{CallId, Failure, Wall, limits};
use crate::core::call::What;
use crate::core::call::after::{Stretch, Summary, pieces, sounding};
use crate::core::call::report::{Report, Saying};
use crate::core::sound::{Pcm, wav};

/// The transcript's path; it is made if the call is over and anything was written down of what was said.
///
/// `None`: there is none. A process that was killed before it made one loses nothing: the events have it.
pub fn transcript(call: CallId, folder: &Path) -> Result<Option<PathBuf>, Failure> {
    let path = folder.join(TRANSCRIPT);
    if path.exists() {
        return Ok(Some(path));
    }
    let report = Report::of(&read(call, folder)?.lines);
    if report.cause.is_none() || report.agent.transcript.is_empty() {
        return Ok(None);
    }
    write_transcript(folder, &report.agent.transcript)?;
    Ok(Some(path))
}

/// Puts a transcript in its place.
pub fn write_transcript(folder: &Path, said: &[Saying]) -> Result<(), Failure> {
    put(folder, TRANSCRIPT, &said)
}

/// Puts a summary in its place.
pub fn write_summary(folder: &Path, summary: &Summary) -> Result<(), Failure> {
    put(folder, SUMMARY, summary)
}

/// The transcript that lies there; `None` = none.
pub fn said(folder: &Path) -> Result<Option<Vec<Saying>>, Failure> {
    get(folder, TRANSCRIPT)
}

/// The summary that lies there; `None` = none.
pub fn summary(folder: &Path) -> Result<Option<Summary>, Failure> {
    get(folder, SUMMARY)
}

/// A call's folder, as far as it can be told without its process: of the day of the attempt, or of the next.
pub fn find(calls: &Path, call: CallId, made_at: Wall) -> Option<PathBuf> {
    let day = std::time::Duration::from_secs(86_400);
    [made_at, made_at + day].into_iter().map(|at| folder(calls, call, at)).find(|path| path.is_dir())
}

/// Held by the process that writes calls down: two would pay for the same words twice.
#[derive(Debug)]
pub struct Alone(#[allow(dead_code)] File);

/// Takes the place of the one who writes down the calls below `calls`; `None`: another process has it. It ends with its
/// process, however that ends.
pub fn alone(calls: &Path) -> Result<Option<Alone>, Failure> {
    let path = calls.join(".writing");
    let open = || -> io::Result<File> {
        fs::create_dir_all(calls)?;
        File::options().create(true).write(true).truncate(false).mode(0o600).open(&path)
    };
    let file = open().map_err(|error| Failure::bug(format!("{}: {error}", path.display())))?;
    Ok(file.try_lock().is_ok().then(|| Alone(file)))
}

/// The parts of a recording that somebody spoke in, each with its sound: the callee's as the call's ear cut them, ours where
/// we sounded. `None`: there is no recording.
pub fn spoken(call: CallId, folder: &Path) -> Result<Option<Vec<(Stretch, Pcm)>>, Failure> {
    let Some(path) = recording(folder)? else { return Ok(None) };
    let failed = |error: String| Failure::bug(format!("{}: {error}", path.display()));
    let bytes = fs::read(&path).map_err(|error| failed(error.to_string()))?;
    let sound = wav::read_repaired(&bytes).map_err(|fault| failed(fault.to_string()))?;
    drop(bytes);
    let [them, us] = &sound.channels[..] else { return Err(failed("it has not two channels".to_owned())) };
    let per_ms = u64::from(sound.rate / 1_000).max(1);
    let total = them.len() as u64 / per_ms;
    let theirs = speech(call, folder, total)?;
    let cut = |it: &Stretch| {
        let leg = if it.ours { us } else { them };
        let place = |ms: u64| usize::try_from(ms * per_ms).unwrap_or(usize::MAX).min(leg.len());
        Pcm { samples: leg[place(it.from_ms)..place(it.until_ms)].to_vec(), rate: sound.rate }
    };
    let found = pieces(&theirs, &sounding(us)).into_iter().map(|it| (it, cut(&it)));
    Ok(Some(found.filter(|(_, pcm)| !pcm.samples.is_empty()).collect()))
}

/// Where the callee spoke, ms, by the call's own log; what a crash left open lasts to the end.
fn speech(call: CallId, folder: &Path, total_ms: u64) -> Result<Vec<(u64, u64)>, Failure> {
    let (mut found, mut open) = (Vec::new(), None);
    for line in read(call, folder)?.lines {
        match line.what {
            What::SpeechOn { start_ms, .. } => open = Some(start_ms),
            What::SpeechOff { start_ms, end_ms } => {
                open = None;
                found.push((start_ms, end_ms));
            }
            _ => {}
        }
    }
    found.extend(open.map(|from| (from, total_ms)));
    // The last sounds of a word lie behind the last chunk that was speech.
    Ok(found.into_iter().map(|(from, until)| (from, (until + 120).min(total_ms))).collect())
}

fn put(folder: &Path, name: &str, value: &(impl Serialize + ?Sized)) -> Result<(), Failure> {
    let path = folder.join(name);
    let write = || -> io::Result<()> {
        let part = path.with_extension("json.part");
        let mut file = File::create(&part)?;
        file.write_all(&serde_json::to_vec_pretty(value)?)?;
        file.sync_all()?;
        fs::rename(&part, &path)?;
        File::open(folder)?.sync_all()
    };
    write().map_err(|error| Failure::bug(format!("{}: {error}", path.display())))
}

fn get<T: DeserializeOwned>(folder: &Path, name: &str) -> Result<Option<T>, Failure> {
    let path = folder.join(name);
    let failed = |error: String| Failure::bug(format!("{} cannot be read: {error}", path.display()));
    match fs::read(&path) {
        Ok(bytes) if bytes.len() as u64 > limits::EVENT_LOG_BYTES => Err(failed("it is too long".to_owned())),
        Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|error| failed(error.to_string())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(error.to_string())),
    }
}
