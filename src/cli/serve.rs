//! `ahoy serve`.
#![allow(missing_docs)] // clap turns the comments here into help texts

use std::io::Write;
use std::sync::Arc;

use serde_json::json;

use super::{Context, EXIT_CODES};
use crate::base::text::plain_json;
use crate::base::{Exit, Failure};
use crate::core::dial::note::Watcher;
use crate::run::campaign::{DeskLook, EngineOptions};
use crate::run::clock::{Clock, MachineClock};
use crate::run::control::serve_engine;
use crate::show::campaign::RunView;
use crate::show::words::say;

/// Arguments of `ahoy serve`.
#[derive(Debug, clap::Args)]
#[command(after_help = after_help())]
pub struct ServeArgs {}

fn after_help() -> String {
    format!(
        "It calls nobody by itself but who was promised a call by a desk: `ahoy campaign run` in another terminal, or cron, attaches to it. Calls to the numbers of \
campaigns with an [inbound] section are answered (docs/INBOUND.md).\n\nWith [api] in ahoy.toml it listens for HTTP: \
/healthz, /readyz, /metrics, POST /api/calls, GET /api/calls/ID, POST /api/tickets, /openapi.json (docs/API.md). With \
--json it prints {{\"api\": \"http://ADDRESS\"}} when it does.\n\nExamples:\n  ahoy serve &\n  \
curl -H \"Authorization: Bearer $AHOY_API_TOKEN\" http://127.0.0.1:8780/metrics\n  \
ahoy campaign run welcome --yes --drain\n\n{EXIT_CODES}"
    )
}

/// Who answers and where the API is: scripts read it from stdout, one object a line.
fn told(desks: Option<&DeskLook>, api: Option<std::net::SocketAddr>, context: &Context) {
    // Whoever reads it may have gone: calls are answered all the same.
    let print = |line: serde_json::Value| {
        let mut stdout = std::io::stdout();
        let _nobody_reads = writeln!(stdout, "{}", plain_json(line.to_string())).and_then(|()| stdout.flush());
    };
    if let Some(desks) = desks {
        if context.json() {
            print(json!({ "desks": desks.campaigns, "places": desks.places, "answer_url": desks.answer_url }));
        } else {
            say(&format!(
                "answering for {} ({} calls at once); the carrier's webhook for calls that come in is {}",
                desks.campaigns.join(", "),
                desks.places,
                desks.answer_url
            ));
        }
    }
    if let Some(addr) = api {
        if context.json() {
            print(json!({ "api": format!("http://{addr}") }));
        } else if !context.global.quiet {
            say(&format!("the API listens on http://{addr}"));
        }
    }
}

/// Runs `ahoy serve` until Ctrl-C or SIGTERM.
pub fn run(_: &ServeArgs, context: &Context) -> Result<Exit, Failure> {
    let ws = context.workspace()?;
    let view = Arc::new(RunView::new(super::campaign::look(context), Arc::new(|| MachineClock.boot())));
    let watcher = Arc::clone(&view) as Arc<dyn Watcher>;
    crate::run::block_on(2, async {
        let stop = crate::run::stop::listen()?;
        let options = EngineOptions { label: "serve".to_owned(), seed: context.seed, watcher, stop };
        if !context.global.quiet {
            say("serving this workspace; Ctrl-C ends it when its live calls are over");
        }
        serve_engine(&ws, Arc::new(MachineClock), options, |desks, api| told(desks, api, context)).await
    })?;
    view.finish();
    Ok(Exit::Done)
}
