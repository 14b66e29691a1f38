//! The demo's steps: a folder of its own, import, render and verify, and the carrier's log as the judge of the run.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::base::{Exit, Failure, Wall};
use crate::core::asset::verify::Binding;
use crate::core::config::Campaign;
use crate::core::figures::Quantiles;
use crate::core::sim::line;
use crate::core::sim::oracle::Oracle;
use crate::run::campaign::RunReport;
use crate::run::render::{self, Depth, GenerateOptions, Progress};
use crate::show::demo::Recording;
use crate::store::folders;
use crate::store::workspace::{Workspace, read_bounded};

/// Bytes of a carrier's log that the demo reads.
const LOG_BYTES: u64 = 64 << 20;

/// What rendering came to.
#[derive(Debug, Clone, Copy)]
pub struct RenderFigures {
    /// Assets rendered in this run.
    pub rendered: u64,
    /// Greetings among them: one per language.
    pub greetings: u64,
    /// Assets that the shelf had.
    pub kept: u64,
    /// Requests to engines.
    pub engine_calls: u64,
}

/// What the carrier's log says about the run.
#[derive(Debug, Clone, Default)]
pub struct CarrierFigures {
    /// Answer → first sound received by the carrier, real milliseconds.
    pub answer_to_audio_ms: Option<Quantiles<f64>>,
    /// Our sound played after the callee began to speak, milliseconds of the call's sound.
    pub tail_ms: Option<Quantiles<f64>>,
    /// Phones with more than one live call at a time.
    pub rung_twice: u64,
}

/// A fresh folder `demo/<time>/`; older ones beyond `keep` are removed.
pub fn fresh_folder(root: &Path, now: Wall, keep: usize) -> Result<PathBuf, Failure> {
    let stamp = now.rfc3339().replace(':', "-");
    let parent = root.join("demo");
    folders::keep_newest(&parent, keep.saturating_sub(1))?;
    folders::fresh(&parent, stamp.trim_end_matches('Z'))
}

/// Renders what is missing and verifies all of it.
pub async fn render(ws: &Workspace, campaign: &Campaign, shown: bool) -> Result<RenderFigures, Failure> {
    let campaigns = [campaign.clone()];
    let bar = crate::show::progress::bar(shown, 0, "assets");
    let greetings = AtomicU64::new(0);
    let report = render::generate(ws, &campaigns, &GenerateOptions::default(), &|progress| match progress {
        Progress::Planned { render, .. } => bar.set_length(*render),
        Progress::Ended { key, well, .. } => {
            bar.inc(1);
            if *well && key.as_str() == "greeting" {
                greetings.fetch_add(1, Ordering::Relaxed);
            }
        }
    })
    .await;
    bar.finish_and_clear();
    let report = report?;
    if let Some(failed) = report.failed.first() {
        return Err(Failure::new(Exit::Asset, format!("{} in `{}`: {}", failed.key, failed.language, failed.why)));
    }
    let verified = render::verify(ws, &campaigns, Binding::Reproducible, Depth::Changed)?;
    if let Some(finding) = verified.findings.first() {
        return Err(Failure::new(Exit::Asset, format!("the cache does not verify: {finding:?}"))
            .next(format!("run `ahoy cache verify {}`", campaign.name)));
    }
    Ok(RenderFigures {
        rendered: report.rendered,
        greetings: greetings.into_inner(),
        kept: report.kept,
        engine_calls: report.engine_calls,
    })
}

/// Reads the carrier's log and asks it.
pub fn carrier_figures(log: Option<&Path>) -> Result<CarrierFigures, Failure> {
    let Some(log) = log else { return Ok(CarrierFigures::default()) };
    let text = read_bounded(log, LOG_BYTES)?;
    let (lines, _cut_by_a_crash) = line::read(&text);
    let log = Oracle::new(&lines);
    let audio = log.calls.iter().filter_map(|call| call.answer_to_media_us).map(|us| us as f64 / 1_000.0);
    // Samples at 8 kHz.
    let tails = log.calls.iter().flat_map(|call| &call.tails).map(|samples| *samples as f64 / 8.0);
    Ok(CarrierFigures {
        answer_to_audio_ms: Quantiles::of(audio),
        tail_ms: Quantiles::of(tails),
        rung_twice: log.rung_twice().len() as u64,
    })
}

/// Leads that heard the fall-back because their language has no greeting.
pub fn fall_backs(run: &RunReport, campaign: &Campaign) -> u64 {
    let own = |call: &&crate::store::ledger::CallRow| {
        call.lead_language.as_ref().is_some_and(|own| !campaign.greeting.texts.contains_key(own))
    };
    run.calls.iter().filter(|call| call.first_audio_us.is_some()).filter(own).count() as u64
}

/// The calls of a run with their recordings, by name.
pub fn recordings(run: &RunReport) -> Vec<Recording> {
    let mut rows: Vec<Recording> = run
        .calls
        .iter()
        .map(|call| Recording {
            name: call.name.clone().unwrap_or_default(),
            phone: call.phone.to_string(),
            language: call.language.as_ref().map(ToString::to_string).unwrap_or_default(),
            outcome: call.outcome.map_or_else(|| call.state.to_string(), |outcome| outcome.to_string()),
            heard_ms: call.heard_ms.filter(|_| call.first_audio_us.is_some()),
            path: call.folder.as_ref().map(|folder| format!("{folder}/audio.wav")),
        })
        .collect();
    rows.sort_by(|a, b| a.name.cmp(&b.name));
    rows
}
