//! The `espeak-ng` program, where it is installed: a hundred languages, Bulgarian and Hebrew among them.
//!
//! It is GPL and so never linked; it runs as a program of its own, text on its standard input, WAV on its output.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::process::Command;

use super::command::child_fault;
use super::{Boxed, Engine, EngineFault, Rendered, Request, Usage, VoiceRow, child, hebrew};
use crate::base::{Language, limits};
use crate::core::config::EngineConfig;
use crate::core::sound::wav;

/// espeak-ng's words per minute at 100 percent.
const WORDS_PER_MINUTE: u32 = 175;

/// `espeak-ng` found on PATH.
///
/// Settings, in percent of normal: `speed` 50 to 250, `pitch` 0 to 198, `volume` 1 to 200.
/// Voices: any name that `espeak-ng --voices` lists, such as `en-gb-scotland`.
pub struct Espeak {
    name: String,
    version: String,
    program: PathBuf,
    tags: BTreeSet<String>,
    voices: Vec<VoiceRow>,
    concurrency: usize,
}

impl Espeak {
    /// Finds the program and asks it for its version and its languages (about 20 ms, blocking).
    pub fn open(name: &str, config: &EngineConfig) -> Result<Espeak, EngineFault> {
        Espeak::on_paths(name, config, std::env::var_os("PATH").as_deref())
    }

    /// As [`Espeak::open`], with the value of PATH.
    pub(super) fn on_paths(name: &str, config: &EngineConfig, paths: Option<&OsStr>) -> Result<Espeak, EngineFault> {
        let missing = |why: String| EngineFault::Missing { engine: name.to_owned(), why };
        let wanted = config.command.first().map_or("espeak-ng", String::as_str);
        let program = child::find(wanted, paths).ok_or_else(|| {
            missing(format!(
                "there is no program `{wanted}`; install the package espeak-ng (apt install espeak-ng, brew install espeak-ng)"
            ))
        })?;
        let ask = |option: &str| -> Result<String, EngineFault> {
            let said = Command::new(&program).arg(option).output();
            let said = said.map_err(|fault| missing(format!("it does not start: {fault}")))?;
            Ok(String::from_utf8_lossy(&said.stdout).into_owned())
        };
        let number =
            version_of(&ask("--version")?).ok_or_else(|| missing("it does not tell its version".to_owned()))?;
        let more = config.version.as_deref().map_or(String::new(), |word| format!(" {word}"));
        let table = ask("--voices")?;
        let (tags, voices) = (tags_of(&table), voices_of(&table));
        let concurrency = config.concurrency.unwrap_or(limits::RENDER_CONCURRENCY).max(1);
        let version = format!("espeak-ng {number}{more}");
        Ok(Espeak { name: name.to_owned(), version, program, tags, voices, concurrency })
    }

    /// espeak-ng's own tag for a language.
    fn tag<'a>(&self, language: &'a Language) -> Option<&'a str> {
        [language.as_str(), language.primary()].into_iter().find(|tag| self.tags.contains(*tag))
    }

    fn refused(&self, why: String) -> EngineFault {
        EngineFault::Refused { engine: self.name.clone(), why }
    }

    fn arguments(&self, request: &Request) -> Result<Vec<OsString>, EngineFault> {
        self.speaks(&request.language)?;
        let tag = self.tag(&request.language).unwrap_or_else(|| request.language.primary());
        let voice = request.voice.as_deref().unwrap_or(tag);
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '+');
        if voice.is_empty() || voice.starts_with('-') || !voice.chars().all(fits) {
            return Err(self.refused("a voice is a name that `espeak-ng --voices` lists".to_owned()));
        }
        let mut args: Vec<String> = ["--stdin", "--stdout", "-b", "1", "-v", voice].map(str::to_owned).into();
        for (name, value) in &request.settings {
            let (option, low, high) = match name.as_str() {
                "speed" => ("-s", 50, 250),
                "pitch" => ("-p", 0, 198),
                "volume" => ("-a", 1, 200),
                other => {
                    let why = format!("no setting `{other}`; settings are speed, pitch and volume, in percent");
                    return Err(self.refused(why));
                }
            };
            let percent = value.trim().parse::<u32>().ok().filter(|percent| (low..=high).contains(percent));
            let percent =
                percent.ok_or_else(|| self.refused(format!("{name} is {low} to {high} percent, as a whole number")))?;
            let number = match option {
                "-s" => percent * WORDS_PER_MINUTE / 100,
                "-p" => percent / 2,
                _ => percent,
            };
            args.extend([option.to_owned(), number.to_string()]);
        }
        Ok(args.into_iter().map(OsString::from).collect())
    }

    /// The text as espeak-ng shall read it: Hebrew as phonemes, everything else without espeak-ng's own brackets.
    fn input(&self, request: &Request) -> Result<String, EngineFault> {
        // `[[…]]` would be read as phoneme names.
        let plain = request.text.replace('[', "(").replace(']', ")");
        if request.language.primary() == "he" {
            return hebrew::phonemes(&plain).map_err(|fault| self.refused(fault.to_string()));
        }
        Ok(plain)
    }
}

/// `1.51` of `eSpeak NG text-to-speech: 1.51  Data at: …`.
fn version_of(said: &str) -> Option<String> {
    let word = said.split(':').nth(1)?.split_whitespace().next()?;
    word.starts_with(|c: char| c.is_ascii_digit()).then(|| word.to_owned())
}

/// Language tags of `espeak-ng --voices`: the second column, and the other languages in brackets at the end of a line.
fn tags_of(table: &str) -> BTreeSet<String> {
    let mut tags = BTreeSet::new();
    for line in table.lines().skip(1) {
        tags.extend(line.split_whitespace().nth(1).map(str::to_ascii_lowercase));
        tags.extend(
            line.split('(').skip(1).filter_map(|other| Some(other.split([' ', ')']).next()?.to_ascii_lowercase())),
        );
    }
    // `en-gb` is listed and `en` not, but espeak-ng takes both.
    let primaries: Vec<String> = tags.iter().filter_map(|tag| Some(tag.split_once('-')?.0.to_owned())).collect();
    tags.extend(primaries);
    tags
}

/// The rows of `espeak-ng --voices`: priority, language, age and gender, name, file, other languages in brackets.
fn voices_of(table: &str) -> Vec<VoiceRow> {
    let row = |line: &str| {
        let mut words = line.split_whitespace().skip(1);
        let (tag, kind, name) = (words.next()?, words.next()?, words.next()?);
        let (id, name) = (tag.to_ascii_lowercase(), name.replace('_', " "));
        let note = match kind.rsplit('/').next() {
            Some("F") => "female",
            Some("M") => "male",
            Some(_) | None => "",
        };
        let others =
            line.split('(').skip(1).filter_map(|other| other.split([' ', ')']).next()?.parse::<Language>().ok());
        let languages = std::iter::once(id.clone()).chain(others.map(|tag| tag.to_string())).collect();
        Some(VoiceRow { id, name, languages, note: note.to_owned() })
    };
    table.lines().skip(1).filter_map(row).take(limits::VOICES).collect()
}

impl Engine for Espeak {
    fn name(&self) -> &str {
        &self.name
    }

    fn version(&self) -> &str {
        &self.version
    }

    fn speaks(&self, language: &Language) -> Result<(), EngineFault> {
        if self.tag(language).is_some() {
            return Ok(());
        }
        let detail = ": `espeak-ng --voices` does not list it".to_owned();
        Err(EngineFault::Language { engine: self.name.clone(), language: language.clone(), detail })
    }

    fn max_characters(&self) -> usize {
        limits::PHRASE_CHARS
    }

    fn concurrency(&self) -> usize {
        self.concurrency
    }

    fn reproducible(&self) -> bool {
        false
    }

    fn voices(&self) -> Boxed<'_, Result<Vec<VoiceRow>, EngineFault>> {
        Box::pin(async { Ok(self.voices.clone()) })
    }

    fn render<'a>(&'a self, request: &'a Request) -> Boxed<'a, Result<Rendered, EngineFault>> {
        Box::pin(async move {
            let args = self.arguments(request)?;
            let input = self.input(request)?;
            let output = child::run(self.program.as_os_str(), &args, input.as_bytes())
                .await
                .map_err(|fault| child_fault(&self.name, fault))?;
            // espeak-ng ends with 0 after some errors, and with an empty WAV.
            if !output.status.success() {
                return Err(EngineFault::Failed { engine: self.name.clone(), why: child::ending(&output) });
            }
            let bad = |why: String| EngineFault::BadSound { engine: self.name.clone(), why };
            let pcm = wav::read(&output.stdout).map_err(|fault| match output.stderr.as_str() {
                "" => bad(fault.to_string()),
                said => bad(format!("{fault}; it said: {said}")),
            })?;
            let usage = Usage::free(&request.text);
            Ok(Rendered { pcm, transcript: None, alignment: None, usage, request_id: None })
        })
    }
}

#[cfg(test)]
#[path = "espeak_tests.rs"]
mod tests;
