//! `ahoy voices`: which voices the engines have.

use clap::{Args, Subcommand};
use serde_json::json;

use super::{Context, print_json, print_line};
use crate::base::{Exit, Failure, Language};
use crate::run::voices;
use crate::show::table::table;
use crate::show::words::say;

const LIST_HELP: &str = "\
Examples:
  ahoy voices list                                all engines of this workspace
  ahoy voices list --engine main --language bg    a service is asked over the network
  ahoy voices list --json

The id is what [voice] voices in campaign.toml takes. `any` = the voice speaks what its model speaks.

Exit codes: 0 the list was shown · 1 I/O failure · 2 usage, or a file is wrong · 12 the service refuses the key ·
13 the engine that was named is not here";

/// Arguments of `ahoy voices`.
#[derive(Debug, Args)]
pub struct VoicesArgs {
    #[command(subcommand)]
    command: VoicesCommand,
}

/// What to do with voices.
#[derive(Debug, Subcommand)]
enum VoicesCommand {
    /// List the voices of the engines
    #[command(after_help = LIST_HELP)]
    List(ListArgs),
}

#[derive(Debug, Args)]
struct ListArgs {
    /// Only this engine: pico, espeak, or a name of [engines.NAME]
    #[arg(long, value_name = "NAME")]
    engine: Option<String>,
    /// Only voices of this language, such as bg or en-gb
    #[arg(long, value_name = "TAG")]
    language: Option<Language>,
}

/// Runs `ahoy voices`.
pub fn run(args: &VoicesArgs, context: &Context) -> Result<Exit, Failure> {
    match &args.command {
        VoicesCommand::List(args) => list(args, context),
    }
}

fn list(args: &ListArgs, context: &Context) -> Result<Exit, Failure> {
    let ws = context.workspace()?;
    let found = crate::run::block_on(1, async {
        crate::run::stop::or_stopped(voices::list(&ws, args.engine.as_deref(), args.language.as_ref())).await
    })?;
    let mut rows = Vec::new();
    for engine in found {
        let voices = match engine.voices {
            Ok(voices) => voices,
            Err(fault) => {
                if !context.global.quiet {
                    say(&format!("note: {fault}"));
                }
                continue;
            }
        };
        for voice in voices {
            if context.json() {
                print_json(&json!({ "engine": engine.engine, "id": voice.id, "name": voice.name,
                    "languages": voice.languages, "note": voice.note }))?;
            } else {
                let languages = if voice.languages.is_empty() { "any".to_owned() } else { voice.languages.join(", ") };
                rows.push(vec![engine.engine.clone(), voice.id, voice.name, languages, voice.note]);
            }
        }
    }
    match (context.json(), rows.is_empty()) {
        (true, _) => {}
        (false, true) => say("no voice is listed"),
        (false, false) => print_line(&table(&["engine", "id", "name", "languages", "note"], &rows, &[]))?,
    }
    Ok(Exit::Done)
}
