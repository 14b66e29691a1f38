//! `ahoy demo`: the main job on the embedded carrier, with a ledger and a call folder of its own.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Context, print_json, print_line};
use crate::base::{Exit, Failure, Slug};
use crate::core::config::{Campaign, CarrierKind};
use crate::core::dial::note::Watcher;
use crate::core::figures::Quantiles;
use crate::run::campaign::{RunOptions, RunReport, run as run_campaigns};
use crate::run::clock::{Clock, MachineClock};
use crate::run::demo::{self, CarrierFigures, RenderFigures};
use crate::run::leads::import::{self, ImportOrder};
use crate::show::campaign::RunView;
use crate::show::demo::{DemoView, text};
use crate::show::leads::ImportReport;
use crate::store::leadfile::ReadOptions;
use crate::store::ledger::OnDuplicate;
use crate::store::workspace::Workspace;

/// Arguments of `ahoy demo`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Works in a checkout of ahoy (its campaigns/welcome and cache/). Each run has a fresh ledger and \
call folder under demo/; the five newest are kept. Rendered audio stays in cache/.\n\n\
Examples:\n  ahoy demo\n  ahoy demo --json | jq .first_audio_ms"
)]
pub struct DemoArgs {
    /// Divides the embedded carrier's waits and its frame clock
    #[arg(long, default_value_t = 10.0, value_name = "N")]
    speedup: f64,
}

/// Calls per second of the demo; the embedded carrier bears any.
const CALLS_PER_SECOND: f64 = 20.0;
/// Seed of the embedded callees: with it the people of `campaigns/welcome/leads.csv` show every way of answering.
const CALLEES: u64 = 198;
/// Runs kept under `demo/`.
const KEPT_RUNS: usize = 5;

/// Runs `ahoy demo`.
pub fn run(args: &DemoArgs, context: &Context) -> Result<Exit, Failure> {
    if !(1.0..=1_000.0).contains(&args.speedup) {
        return Err(Failure::usage(format!("--speedup is 1 to 1000, not {}", args.speedup)));
    }
    let name: Slug = "welcome".parse().expect("a slug");
    let mut ws = context.workspace()?;
    let campaign = ws.campaign(&name).map_err(|failure| {
        failure.next("the demo works in a checkout of ahoy: go there, or give --workspace DIR of one")
    })?;
    let folder = demo::fresh_folder(&ws.root, MachineClock.wall(), KEPT_RUNS)?;
    aim(&mut ws, &folder, args.speedup);

    say(context, &format!("demo in {}", shown(&ws, &folder)));
    let import = import(&ws, &campaign, &folder)?;
    let Import { added, rejected, duplicates, rejects } = &import;
    let line =
        format!("leads       {added} added, {rejected} refused (why: {rejects}), {duplicates} twice in the file");
    say(context, &line);
    let (render, run) = crate::run::block_on(2, async {
        let render = demo::render(&ws, &campaign, !context.json() && !context.global.quiet).await?;
        say(context, &render_line(&render));
        let stop = crate::run::stop::listen()?;
        let view = Arc::new(RunView::new(super::campaign::look(context), Arc::new(|| MachineClock.boot())));
        let options = RunOptions {
            campaigns: vec![campaign.clone()],
            drain: true,
            seed: context.seed,
            watcher: Arc::clone(&view) as Arc<dyn Watcher>,
            stop,
            max_runtime: None,
        };
        let run = run_campaigns(&ws, Arc::new(MachineClock), options).await;
        view.finish();
        Ok((render, run?))
    })?;
    let carrier = demo::carrier_figures(run.sim_log.as_deref())?;
    report(context, &ws, &folder, &campaign, &Figures { import, render, run, carrier })
}

struct Figures {
    import: Import,
    render: RenderFigures,
    run: RunReport,
    carrier: CarrierFigures,
}

/// What the import came to.
struct Import {
    added: u64,
    rejected: u64,
    duplicates: u64,
    rejects: String,
}

/// Imports the campaign's `leads.csv` into the demo's ledger.
fn import(ws: &Workspace, campaign: &Campaign, folder: &Path) -> Result<Import, Failure> {
    let rejects = folder.join("leads.rejected.csv");
    let order = ImportOrder {
        ledger: ws.ledger_path(),
        file: ws.campaign_dir(&campaign.name).join("leads.csv"),
        campaign: campaign.name.clone(),
        reading: ReadOptions::default(),
        rejects: rejects.clone(),
        tags: Vec::new(),
        own_numbers: campaign.callers.clone(),
        countries: Vec::new(),
        on_duplicate: OnDuplicate::Skip,
        now: MachineClock.wall(),
    };
    let report = import::run(&order, &|_| ())?;
    let ImportReport { added, rejected, duplicates, .. } = report;
    Ok(Import { added, rejected, duplicates, rejects: shown(ws, &rejects) })
}

/// Points the workspace's ledger, calls and embedded carrier at the demo's own folder.
fn aim(ws: &mut Workspace, folder: &Path, speedup: f64) {
    let inside = |name: &str| {
        let path = folder.join(name);
        path.strip_prefix(&ws.root).map_or_else(|_| path.display().to_string(), |short| short.display().to_string())
    };
    let (ledger, calls, log) = (inside("ahoy.db"), inside("calls"), inside("sim.jsonl"));
    ws.config.ledger = ledger;
    ws.config.calls = calls;
    // The demo calls nobody real, and five of its folders are kept: no reserve for each.
    ws.config.disk.ballast = 0;
    ws.config.listen = ([127, 0, 0, 1], 0).into();
    ws.config.public_url = None;
    if let Some(sim) = ws.config.carriers.get_mut("sim") {
        sim.calls_per_second = CALLS_PER_SECOND;
        sim.max_live_calls = 20;
        if let CarrierKind::Sim(config) = &mut sim.kind {
            config.seed = CALLEES;
            config.speedup = speedup;
            config.log = Some(log);
        }
    }
}

fn say(context: &Context, line: &str) {
    if !context.json() && !context.global.quiet {
        crate::show::words::say(line);
    }
}

fn shown(ws: &Workspace, path: &Path) -> String {
    path.strip_prefix(&ws.root).unwrap_or(path).display().to_string()
}

fn render_line(render: &RenderFigures) -> String {
    if render.rendered == 0 {
        format!("assets      nothing to render: {} are on the shelf and verified", render.kept)
    } else {
        format!(
            "assets      {} rendered ({} greetings), {} were there; all {} verified",
            render.rendered,
            render.greetings,
            render.kept,
            render.rendered + render.kept
        )
    }
}

fn report(
    context: &Context,
    ws: &Workspace,
    folder: &Path,
    campaign: &Campaign,
    figures: &Figures,
) -> Result<Exit, Failure> {
    let Figures { import, render, run, carrier } = figures;
    let first: Option<Quantiles<f64>> = carrier.answer_to_audio_ms;
    let calls: PathBuf = folder.join("calls");
    if context.json() {
        let object = serde_json::json!({
            "leads": { "added": import.added, "rejected": import.rejected, "duplicates": import.duplicates, "rejects": import.rejects },
            "rendered": render.rendered,
            "kept": render.kept,
            "engine_calls": render.engine_calls,
            "languages": campaign.greeting.texts.len(),
            "attempts": run.attempts,
            "answered": run.answered,
            "outcomes": run.outcomes,
            "fall_back": demo::fall_backs(run, campaign),
            "first_audio_ms": first,
            "stream_to_audio_ms": run.stream_to_audio_ms,
            "barge_ins": run.barge_ins,
            "barge_in_ms": run.barge_in_ms,
            "barge_in_tail_ms": carrier.tail_ms,
            "opted_out": run.opted_out,
            "not_called": run.not_called,
            "waiting": run.waiting,
            "unknown": run.unknown,
            "rung_twice": carrier.rung_twice,
            "calls": shown(ws, &calls),
            "ledger": ws.config.ledger,
            "seed": context.seed,
            "exit": run.exit.code(),
        });
        print_json(&object)?;
        return Ok(run.exit);
    }
    let view = DemoView {
        import_added: import.added,
        import_rejected: import.rejected,
        duplicates: import.duplicates,
        engine_calls: render.engine_calls,
        rendered: render.rendered,
        answered: run.answered,
        attempts: run.attempts,
        outcomes: &run.outcomes,
        fall_back: demo::fall_backs(run, campaign),
        first_audio_ms: first,
        stream_to_audio_ms: run.stream_to_audio_ms,
        barge_ins: run.barge_ins,
        barge_in_ms: run.barge_in_ms,
        tail_ms: carrier.tail_ms,
        opted_out: run.opted_out,
        not_called: &run.not_called,
        waiting: run.waiting,
        rung_twice: carrier.rung_twice,
        calls: &demo::recordings(run),
        folder: &shown(ws, &calls),
    };
    print_line(&text(&view))?;
    Ok(run.exit)
}
