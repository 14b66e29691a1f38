//! Any program as a transcriber: a WAV on its standard input, the words on its standard output.

use std::ffi::OsString;
use std::path::PathBuf;

use super::{Transcriber, Transcript, length_ms};
use crate::base::limits;
use crate::core::config::EngineConfig;
use crate::edge::engine::child;
use crate::edge::engine::command::child_fault;
use crate::edge::engine::{Boxed, EngineFault, Usage};

/// A transcriber of `[transcribers.NAME]` with `kind = "command"`; `{language}` in its arguments is replaced.
pub(super) struct Program {
    name: String,
    program: PathBuf,
    args: Vec<String>,
    concurrency: usize,
}

impl Program {
    pub fn open(name: &str, config: &EngineConfig) -> Result<Program, EngineFault> {
        let (program, _) = child::program_of(&format!("[transcribers.{name}]"), &config.command)
            .map_err(|why| EngineFault::Missing { engine: name.to_owned(), why })?;
        let concurrency = config.concurrency.unwrap_or(1);
        // Kept as text: each call has its own language.
        Ok(Program { name: name.to_owned(), program, args: config.command[1..].to_vec(), concurrency })
    }
}

impl Transcriber for Program {
    fn name(&self) -> &str {
        &self.name
    }

    fn model(&self) -> Option<(&'static str, &str)> {
        None
    }

    fn concurrency(&self) -> usize {
        self.concurrency
    }

    fn transcribe<'a>(&'a self, wav: &'a [u8], language: &'a str) -> Boxed<'a, Result<Transcript, EngineFault>> {
        Box::pin(async move {
            let args: Vec<OsString> =
                self.args.iter().map(|arg| OsString::from(arg.replace("{language}", language))).collect();
            let output = child::run(self.program.as_os_str(), &args, wav).await;
            let output = output.map_err(|fault| child_fault(&self.name, fault))?;
            if !output.status.success() {
                return Err(EngineFault::Failed { engine: self.name.clone(), why: child::ending(&output) });
            }
            let text: String = String::from_utf8_lossy(&output.stdout).chars().take(limits::PHRASE_CHARS * 4).collect();
            let usage = Usage { audio_ms: length_ms(wav), ..Usage::default() };
            Ok(Transcript { text: text.trim().to_owned(), language: None, usage })
        })
    }
}
