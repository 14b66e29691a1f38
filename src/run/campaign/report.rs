//! What a run came to: figures from the ledger, and how it ends.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::engine::Run;
use super::plan::reason_name;
use super::{ledger_failure, lock};
use crate::base::{Exit, Failure, Wall};
use crate::core::config::Campaign;
use crate::core::dial::attempt::State;
use crate::core::dial::desk::Stop;
use crate::core::figures::Quantiles;
use crate::run::ledger::LedgerHandle;
use crate::store::ledger::{CallFilter, CallRow, Ledger, LedgerFault};

/// What a run came to.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RunReport {
    /// Campaigns of the run.
    pub campaigns: Vec<String>,
    /// Attempts opened in this run.
    pub attempts: u64,
    /// Calls that were answered before their greeting was rendered: they heard the fall-back phrase.
    #[serde(default)]
    pub late_greetings: u64,
    /// Of these, attempts whose lead has a greeting of its own that was not ready: the plain one was played.
    #[serde(default)]
    pub plain_greetings: u64,
    /// Outcomes of the attempts of this run.
    pub outcomes: BTreeMap<String, u64>,
    /// Calls that somebody answered.
    pub answered: u64,
    /// Stream start → first audio written, ms, by our clock.
    pub stream_to_audio_ms: Option<Quantiles<f64>>,
    /// Calls in which speech cut the playback.
    pub barge_ins: u64,
    /// Speech onset → `clear` written, ms of the call's sound.
    pub barge_in_ms: Option<Quantiles<f64>>,
    /// People who asked never to be called again.
    pub opted_out: u64,
    /// Leads that were not called, by reason.
    pub not_called: BTreeMap<String, u64>,
    /// Leads that may be called later.
    pub waiting: u64,
    /// When the next lead is due, UTC.
    pub next_due: Option<String>,
    /// Attempts whose outcome is not known yet.
    pub unknown: u64,
    /// Whether leads wait for their calling hours.
    pub window_closed: bool,
    /// The head of the audit's chain at the end: kept elsewhere, it shows a cut tail (`ahoy audit --verify --head`).
    #[serde(default)]
    pub audit_head: String,
    /// How the run ended.
    #[serde(skip, default = "done")]
    pub exit: Exit,
    /// The carrier's log, if the embedded carrier ran in this process.
    #[serde(skip)]
    pub sim_log: Option<std::path::PathBuf>,
    /// Calls of this run, newest first.
    #[serde(skip)]
    pub calls: Vec<CallRow>,
}

fn done() -> Exit {
    Exit::Done
}

/// The figures of a run that is over, and its exit code.
pub(super) async fn report(ledger: &LedgerHandle, run: &Run, now: Wall, stopped: Stop) -> Result<RunReport, Failure> {
    let (campaigns, started) = (run.campaigns.clone(), run.started);
    let mut report = ledger
        .run(move |ledger| figures(ledger, &campaigns, started, now))
        .await
        .map_err(|fault| ledger_failure(&fault))?;
    let mut exit =
        match stopped {
            Stop::No => Exit::Done,
            // The time that was given is over: what is left is called in the next run.
            Stop::Drain | Stop::Unanswered | Stop::Cancel | Stop::Exit if run.is_out_of_time() => {
                if report.waiting > 0 { Exit::WindowClosed } else { Exit::Done }
            }
            Stop::Drain | Stop::Unanswered | Stop::Cancel | Stop::Exit => Exit::Stopped,
        };
    let mut window_closed = report.window_closed;
    let mut faults = 0;
    for (shared, at) in &run.lines {
        let seen = lock(&shared.seen).clone();
        let tally = *lock(&shared.line(*at).tally);
        report.attempts += tally.attempts;
        report.plain_greetings += tally.plain;
        report.late_greetings += shared.line(*at).late.values().map(|late| late.script.missed()).sum::<u64>();
        faults += tally.faults;
        window_closed |= tally.window_closed;
        let found = [
            (seen.ledger_failed.is_some() || seen.unreachable, Exit::Bug),
            (seen.account.is_some() || seen.callers_out.contains(at), Exit::Account),
            (seen.clock, Exit::Refused),
        ];
        exit = found.iter().filter(|(is, _)| *is).fold(exit, |exit, (_, code)| exit.and(*code));
    }
    let found = [
        (report.unknown > 0, Exit::Unknown),
        (faults > 0, Exit::Findings),
        (window_closed && report.waiting > 0, Exit::WindowClosed),
    ];
    report.exit = found.iter().filter(|(is, _)| *is).fold(exit, |exit, (_, code)| exit.and(*code));
    Ok(report)
}

fn figures(ledger: &mut Ledger, campaigns: &[Campaign], started: Wall, now: Wall) -> Result<RunReport, LedgerFault> {
    let mut report = RunReport {
        campaigns: campaigns.iter().map(|campaign| campaign.name.to_string()).collect(),
        attempts: 0,
        plain_greetings: 0,
        late_greetings: 0,
        outcomes: BTreeMap::new(),
        answered: 0,
        stream_to_audio_ms: None,
        barge_ins: 0,
        barge_in_ms: None,
        opted_out: 0,
        not_called: BTreeMap::new(),
        waiting: 0,
        next_due: None,
        unknown: 0,
        window_closed: false,
        audit_head: ledger.audit_head()?,
        exit: Exit::Done,
        sim_log: None,
        calls: Vec::new(),
    };
    let mut next_due: Option<Wall> = None;
    for campaign in campaigns {
        let name = &campaign.name;
        report.window_closed |= ledger.any_waits_for_hours(campaign, now)?;
        let counts = ledger.lead_counts(name, now)?;
        report.waiting += counts.ready_due + counts.ready_later + counts.held;
        for (reason, n) in &counts.blocked {
            *report.not_called.entry(reason_name(*reason).to_owned()).or_default() += n;
        }
        next_due = [next_due, counts.next_due].into_iter().flatten().min();
        let filter =
            CallFilter { campaign: Some(name.clone()), since: Some(started), limit: u32::MAX, ..CallFilter::default() };
        report.calls.extend(ledger.calls(&filter)?);
        report.unknown += ledger
            .open_attempts(None)?
            .iter()
            .filter(|open| open.campaign == *name && matches!(open.state, State::Unknown | State::Intent))
            .count() as u64;
    }
    report.next_due = next_due.map(Wall::rfc3339);
    for call in &report.calls {
        if let Some(outcome) = call.outcome {
            *report.outcomes.entry(outcome.to_string()).or_default() += 1;
        }
        report.answered += u64::from(call.answered_at.is_some() || call.first_audio_us.is_some());
        report.barge_ins += u64::from(call.barged_in);
        report.opted_out += u64::from(call.opted_out);
    }
    let audio = report.calls.iter().filter_map(|call| call.first_audio_us).map(|us| us as f64 / 1_000.0);
    report.stream_to_audio_ms = Quantiles::of(audio);
    report.barge_in_ms = Quantiles::of(report.calls.iter().filter_map(|call| call.barge_tail_ms).map(|ms| ms as f64));
    Ok(report)
}
