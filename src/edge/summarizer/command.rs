//! Any program as a summarizer: a JSON object on its standard input (`instructions`, `material`, `schema`), the answer on
//! its standard output.

use std::ffi::OsString;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::{Answer, Summarizer, Task};
use crate::core::config::EngineConfig;
use crate::edge::engine::child;
use crate::edge::engine::command::child_fault;
use crate::edge::engine::{Boxed, EngineFault, Usage};

/// A summarizer of `[summarizers.NAME]` with `kind = "command"`.
pub(super) struct Program {
    name: String,
    program: PathBuf,
    args: Vec<OsString>,
    concurrency: usize,
}

impl Program {
    pub fn open(name: &str, config: &EngineConfig) -> Result<Program, EngineFault> {
        let (program, args) = child::program_of(&format!("[summarizers.{name}]"), &config.command)
            .map_err(|why| EngineFault::Missing { engine: name.to_owned(), why })?;
        let concurrency = config.concurrency.unwrap_or(1);
        Ok(Program { name: name.to_owned(), program, args, concurrency })
    }
}

impl Summarizer for Program {
    fn name(&self) -> &str {
        &self.name
    }

    fn model(&self) -> Option<(&'static str, &str)> {
        None
    }

    fn concurrency(&self) -> usize {
        self.concurrency
    }

    fn sum_up<'a>(&'a self, task: &'a Task) -> Boxed<'a, Result<Answer, EngineFault>> {
        Box::pin(async move {
            // Ours, and therefore JSON.
            let material: Value = serde_json::from_str(&task.material).unwrap_or_default();
            let given = json!({ "instructions": task.instructions, "material": material, "schema": task.schema });
            let output = child::run(self.program.as_os_str(), &self.args, given.to_string().as_bytes()).await;
            let output = output.map_err(|fault| child_fault(&self.name, fault))?;
            if !output.status.success() {
                return Err(EngineFault::Failed { engine: self.name.clone(), why: child::ending(&output) });
            }
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            Ok(Answer { text, usage: Usage::default() })
        })
    }
}
