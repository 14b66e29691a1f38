//! Any program as an engine: text on its standard input, WAV or raw PCM on its standard output.
//!
//! Piper, for example: `command = ["piper", "-m", "bg_BG-dimitar-medium.onnx", "--output-raw"]`, `raw_rate = 22050`.

use std::ffi::OsString;
use std::path::PathBuf;

use super::child::{self, ChildFault};
use super::{Boxed, Engine, EngineFault, Rendered, Request, Usage};
use crate::base::{Language, limits};
use crate::core::config::EngineConfig;
use crate::core::sound::{Pcm, wav};

/// An engine of `[engines.NAME]` with `kind = "command"`.
///
/// In its arguments `{language}` becomes the language tag, `{voice}` the voice, and `{NAME}` the setting of that name.
pub struct Program {
    name: String,
    version: String,
    program: PathBuf,
    args: Vec<String>,
    config: EngineConfig,
}

impl Program {
    /// Looks for the program; it is not run yet.
    pub fn open(name: &str, config: &EngineConfig) -> Result<Program, EngineFault> {
        let missing = |why: String| EngineFault::Missing { engine: name.to_owned(), why };
        let (first, args) = config
            .command
            .split_first()
            .ok_or_else(|| missing(format!("[engines.{name}] needs command = [\"program\", …]")))?;
        let program = child::find(first, std::env::var_os("PATH").as_deref()).ok_or_else(|| {
            missing(format!("there is no program `{first}`; install it, or write its path in [engines.{name}] command"))
        })?;
        let rate = config.raw_rate;
        if rate.is_some_and(|hz| !(8_000..=48_000).contains(&hz)) {
            return Err(missing(format!("[engines.{name}] raw_rate is 8000 to 48000")));
        }
        // The command line is part of what makes the sound; the program's own version is for the user to name.
        let line = config.command.join(" ");
        let raw = rate.map_or(String::new(), |hz| format!(" raw {hz}"));
        let version = format!("command {}: {line}{raw}", config.version.as_deref().unwrap_or("unversioned"));
        Ok(Program { name: name.to_owned(), version, program, args: args.to_vec(), config: config.clone() })
    }

    fn refused(&self, why: String) -> EngineFault {
        EngineFault::Refused { engine: self.name.clone(), why }
    }

    fn bad(&self, why: String) -> EngineFault {
        EngineFault::BadSound { engine: self.name.clone(), why }
    }

    fn arguments(&self, request: &Request) -> Result<Vec<OsString>, EngineFault> {
        let mentions = |name: &str| self.args.iter().any(|arg| arg.contains(&format!("{{{name}}}")));
        if mentions("voice") && request.voice.is_none() {
            let why =
                format!("its command needs {{voice}}: write [voice] voices.{} in campaign.toml", request.language);
            return Err(self.refused(why));
        }
        if let Some(setting) = request.settings.keys().find(|name| !mentions(name)) {
            return Err(self.refused(format!("its command has no place {{{setting}}} for the setting `{setting}`")));
        }
        let filled = self.args.iter().map(|arg| {
            let mut arg = arg.replace("{language}", request.language.as_str());
            arg = arg.replace("{voice}", request.voice.as_deref().unwrap_or_default());
            for (name, value) in &request.settings {
                arg = arg.replace(&format!("{{{name}}}"), value);
            }
            OsString::from(arg)
        });
        Ok(filled.collect())
    }

    fn sound(&self, bytes: &[u8]) -> Result<Pcm, EngineFault> {
        let Some(rate) = self.config.raw_rate else {
            return wav::read(bytes).map_err(|fault| self.bad(fault.to_string()));
        };
        // Raw PCM has no header to check, so at least what other formats begin with is refused.
        if bytes.is_empty() {
            return Err(self.bad("nothing: no bytes at all".to_owned()));
        }
        if let Some(likeness) = wav::not_raw(bytes) {
            return Err(self.bad(format!("not raw PCM: it looks like {likeness}")));
        }
        if !bytes.len().is_multiple_of(2) {
            return Err(self.bad(format!("cut off: {} bytes are no whole number of 16-bit samples", bytes.len())));
        }
        let samples = bytes.chunks_exact(2).map(|b| i16::from_le_bytes([b[0], b[1]])).collect();
        Ok(Pcm { samples, rate })
    }
}

/// Words for a child's fault.
pub(in crate::edge) fn child_fault(engine: &str, fault: ChildFault) -> EngineFault {
    let engine = engine.to_owned();
    match fault {
        ChildFault::Start(why) => EngineFault::Missing { engine, why: format!("it does not start: {why}") },
        ChildFault::TooMuch => {
            let why = format!("it wrote more than {} bytes", limits::ENGINE_OUTPUT_BYTES);
            EngineFault::BadSound { engine, why }
        }
        ChildFault::Pipe(why) => EngineFault::Failed { engine, why: format!("its pipe broke: {why}") },
    }
}

impl Engine for Program {
    fn name(&self) -> &str {
        &self.name
    }

    fn version(&self) -> &str {
        &self.version
    }

    fn speaks(&self, language: &Language) -> Result<(), EngineFault> {
        let listed = &self.config.languages;
        if listed.is_empty() || listed.iter().any(|l| l == language.as_str() || l == language.primary()) {
            return Ok(());
        }
        let detail = format!(": [engines.{}] languages has {}", self.name, listed.join(", "));
        Err(EngineFault::Language { engine: self.name.clone(), language: language.clone(), detail })
    }

    fn max_characters(&self) -> usize {
        limits::PHRASE_CHARS
    }

    fn concurrency(&self) -> usize {
        self.config.concurrency.unwrap_or(limits::RENDER_CONCURRENCY).max(1)
    }

    fn reproducible(&self) -> bool {
        false
    }

    fn render<'a>(&'a self, request: &'a Request) -> Boxed<'a, Result<Rendered, EngineFault>> {
        Box::pin(async move {
            self.speaks(&request.language)?;
            let args = self.arguments(request)?;
            // Programs that read line by line, such as Piper, wait for a line's end.
            let input = format!("{}\n", request.text);
            let output = child::run(self.program.as_os_str(), &args, input.as_bytes())
                .await
                .map_err(|fault| child_fault(&self.name, fault))?;
            if !output.status.success() {
                return Err(EngineFault::Failed { engine: self.name.clone(), why: child::ending(&output) });
            }
            let pcm = self.sound(&output.stdout).map_err(|fault| match fault {
                EngineFault::BadSound { engine, why } if !output.stderr.is_empty() => {
                    EngineFault::BadSound { engine, why: format!("{why}; it said: {}", output.stderr) }
                }
                fault => fault,
            })?;
            let usage = Usage::free(&request.text);
            Ok(Rendered { pcm, transcript: None, alignment: None, usage, request_id: None })
        })
    }
}
