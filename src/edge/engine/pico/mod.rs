//! SVOX Pico, compiled in with its voices: English, French, German, Spanish, Italian, on a machine that has nothing.
//!
//! Pico is C code that is not thread-safe and reads its text as markup. So it lives on a thread of its own, gets cleaned
//! text one sentence at a time, and is made new for every request: what was said before never changes a sample.

mod door;
mod text;
mod voices;

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Mutex, PoisonError};

use tokio::sync::oneshot;

use self::door::{Speaker, Step};
use self::voices::Voice;
use super::{Boxed, Engine, EngineFault, Rendered, Request, Usage, VoiceRow};
use crate::base::{Language, limits};
use crate::core::sound::Pcm;

const NAME: &str = "pico";
/// Pico's own sample rate, Hz.
const RATE: u32 = 16_000;
/// Samples asked for in one step.
const STEP: usize = 1_024;
/// Steps in a row that may give no samples; Pico needs some dozens before a sentence sounds.
const IDLE_STEPS: usize = 1_000_000;

/// One setting: its markup, and its range in percent of normal.
const SETTINGS: [(&str, u32, u32); 3] = [("speed", 20, 500), ("pitch", 50, 200), ("volume", 0, 500)];

/// Volume unless the campaign says another, in percent: at its normal one Pico clips its own peaks (150 in eight seconds
/// of German), which no levelling mends; at this one it does not.
const VOLUME: &str = "50";

/// The embedded engine.
///
/// Settings, in percent of normal: `speed` 20 to 500, `pitch` 50 to 200, `volume` 0 to 500 (levelled afterwards anyway).
/// Voices: `en-US`, `en-GB`, `de-DE`, `es-ES`, `fr-FR`, `it-IT`.
pub struct Pico {
    version: String,
    folder: PathBuf,
    worker: Mutex<SyncSender<Job>>,
}

struct Job {
    voice: &'static Voice,
    pieces: Vec<String>,
    reply: oneshot::Sender<Result<Pcm, EngineFault>>,
}

impl Pico {
    /// Starts its thread. `scratch`: a folder where the voice files may be written, once, under a name of their content.
    pub fn open(scratch: &Path) -> Result<Pico, EngineFault> {
        let hash = voices::hash();
        let folder = std::path::absolute(scratch).unwrap_or_else(|_| scratch.to_owned()).join(format!("pico-{hash}"));
        let worker = Mutex::new(start(&folder)?);
        Ok(Pico { version: format!("pico-1.0+voices-{hash}"), folder, worker })
    }

    fn voice(&self, request: &Request) -> Result<&'static Voice, EngineFault> {
        self.speaks(&request.language)?;
        let found = match &request.voice {
            Some(name) => Voice::named(name, &request.language),
            None => Voice::of(&request.language),
        };
        found.ok_or_else(|| {
            let names: Vec<&str> = voices::VOICES.iter().map(|voice| voice.name).collect();
            refused(format!("no such voice for `{}`; voices are {}", request.language, names.join(", ")))
        })
    }

    /// Puts a job before the thread; a thread that a bug has ended is started again.
    fn send(&self, job: Job) -> Result<(), EngineFault> {
        let mut worker = self.worker.lock().unwrap_or_else(PoisonError::into_inner);
        let full = || EngineFault::Busy {
            engine: NAME.to_owned(),
            why: format!("{} texts are waiting", limits::PICO_QUEUE),
            after: None,
        };
        match worker.try_send(job) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(_)) => Err(full()),
            Err(TrySendError::Disconnected(job)) => {
                *worker = start(&self.folder)?;
                worker.try_send(job).map_err(|_| full())
            }
        }
    }
}

fn refused(why: String) -> EngineFault {
    EngineFault::Refused { engine: NAME.to_owned(), why }
}

fn failed(why: String) -> EngineFault {
    EngineFault::Failed { engine: NAME.to_owned(), why }
}

/// Settings as opening and closing markup around a sentence.
fn markup(request: &Request) -> Result<(String, String), EngineFault> {
    let (mut open, mut close) = (String::new(), String::new());
    let mut settings = request.settings.clone();
    settings.entry("volume".to_owned()).or_insert_with(|| VOLUME.to_owned());
    for (name, value) in &settings {
        let Some((_, low, high)) = SETTINGS.iter().find(|(known, _, _)| known == name) else {
            return Err(refused(format!("no setting `{name}`; settings are speed, pitch and volume, in percent")));
        };
        let percent = value.trim().parse::<u32>().ok().filter(|percent| (low..=high).contains(&percent));
        let percent =
            percent.ok_or_else(|| refused(format!("{name} is {low} to {high} percent, as a whole number")))?;
        open = format!("{open}<{name} level='{percent}'>");
        close = format!("</{name}>{close}");
    }
    Ok((open, close))
}

impl Engine for Pico {
    fn name(&self) -> &str {
        NAME
    }

    fn version(&self) -> &str {
        &self.version
    }

    fn speaks(&self, language: &Language) -> Result<(), EngineFault> {
        match Voice::of(language) {
            Some(_) => Ok(()),
            None => Err(EngineFault::Language {
                engine: NAME.to_owned(),
                language: language.clone(),
                detail: ": it speaks en, fr, de, es and it".to_owned(),
            }),
        }
    }

    fn max_characters(&self) -> usize {
        limits::PHRASE_CHARS
    }

    fn concurrency(&self) -> usize {
        1
    }

    /// The same on one machine; not promised between machines, because Pico's C code uses the platform's `exp` and
    /// floating point in its prosody.
    fn reproducible(&self) -> bool {
        false
    }

    fn voices(&self) -> Boxed<'_, Result<Vec<VoiceRow>, EngineFault>> {
        Box::pin(async { Ok(voices::VOICES.iter().map(Voice::row).collect()) })
    }

    fn render<'a>(&'a self, request: &'a Request) -> Boxed<'a, Result<Rendered, EngineFault>> {
        Box::pin(async move {
            let voice = self.voice(request)?;
            let characters = request.text.chars().count();
            if characters > limits::PHRASE_CHARS {
                return Err(refused(format!("{characters} characters are over {}", limits::PHRASE_CHARS)));
            }
            let (open, close) = markup(request)?;
            let plain = text::speakable(&request.text, request.language.primary());
            let pieces: Vec<String> =
                text::pieces(&plain).into_iter().map(|piece| format!("{open}{piece}{close}\0")).collect();
            let (reply, answer) = oneshot::channel();
            self.send(Job { voice, pieces, reply })?;
            let pcm = answer.await.map_err(|_| failed("its thread ended on this text".to_owned()))??;
            let usage = Usage::free(&request.text);
            Ok(Rendered { pcm, transcript: None, alignment: None, usage, request_id: None })
        })
    }
}

fn start(folder: &Path) -> Result<SyncSender<Job>, EngineFault> {
    let (sender, jobs) = sync_channel(limits::PICO_QUEUE);
    let folder = folder.to_owned();
    std::thread::Builder::new()
        .name("pico".to_owned())
        .spawn(move || work(&folder, &jobs))
        .map_err(|fault| failed(format!("cannot start its thread: {fault}")))?;
    Ok(sender)
}

/// The thread: one job after the other, until the engine is dropped.
fn work(folder: &Path, jobs: &Receiver<Job>) {
    while let Ok(job) = jobs.recv() {
        if job.reply.is_closed() {
            continue;
        }
        let result = speak(folder, &job);
        match job.reply.send(result) {
            // Whoever asked may have gone away meanwhile: then nobody needs the answer.
            Ok(()) | Err(_) => {}
        }
    }
}

fn speak(folder: &Path, job: &Job) -> Result<Pcm, EngineFault> {
    let mut speaker = speaker(folder, job.voice)?;
    let mut samples = Vec::new();
    for piece in &job.pieces {
        let mut rest = piece.as_bytes();
        while !rest.is_empty() {
            let put = speaker.put(rest).map_err(|fault| failed(fault.to_string()))?;
            rest = &rest[put.min(rest.len())..];
            // With a full text buffer Pico takes no more until it has spoken some.
            collect(&mut speaker, &mut samples, job)?;
            if put == 0 && !rest.is_empty() {
                return Err(failed("it takes no more text".to_owned()));
            }
        }
    }
    if samples.is_empty() {
        let why = "it found nothing to say in this text".to_owned();
        return Err(EngineFault::BadSound { engine: NAME.to_owned(), why });
    }
    Ok(Pcm { samples, rate: RATE })
}

/// Reads sound until Pico has nothing more to say.
fn collect(speaker: &mut Speaker, samples: &mut Vec<i16>, job: &Job) -> Result<(), EngineFault> {
    let mut buffer = [0i16; STEP];
    let mut silent = 0;
    loop {
        let (count, status) = speaker.get(&mut buffer).map_err(|fault| failed(fault.to_string()))?;
        samples.extend_from_slice(&buffer[..count]);
        silent = if count == 0 { silent + 1 } else { 0 };
        if status == Step::Idle {
            return Ok(());
        }
        if samples.len() > (limits::ASSET_SECONDS * RATE) as usize || silent > IDLE_STEPS {
            let why = format!("it speaks for over {} s or not at all", limits::ASSET_SECONDS);
            return Err(EngineFault::BadSound { engine: NAME.to_owned(), why });
        }
        if job.reply.is_closed() {
            return Err(failed("cancelled".to_owned()));
        }
    }
}

/// A new Pico with its own memory.
fn speaker(folder: &Path, voice: &Voice) -> Result<Speaker, EngineFault> {
    let missing = |why: String| EngineFault::Missing { engine: NAME.to_owned(), why };
    let ta_path = voices::on_disk(folder, voice.ta).map_err(missing)?;
    let sg_path = voices::on_disk(folder, voice.sg).map_err(missing)?;
    Speaker::new(&ta_path, &sg_path).map_err(|fault| failed(fault.to_string()))
}

#[cfg(test)]
mod tests;
