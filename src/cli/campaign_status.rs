//! `ahoy campaign status`: reads only, works beside a run.

use std::io::IsTerminal;
use std::time::Duration;

use super::{Context, print_json, print_line, print_text};
use crate::base::{Exit, Failure, Phone, Slug, Wall, limits};
use crate::core::config::Campaign;
use crate::core::dial::attempt::State;
use crate::run::campaign::ledger_failure;
use crate::run::carriers::account_of;
use crate::run::clock::{Clock, MachineClock};
use crate::show::status::{FailingCall, Resting, Slot, Status, text};
use crate::store::ledger::lock::holder;
use crate::store::ledger::{CampaignState, Ledger, LedgerFault};
use crate::store::workspace::Workspace;

const EXAMPLES: &str = "\
Examples:
  ahoy campaign status welcome
  ahoy campaign status welcome --watch
  ahoy campaign status --json | jq '{leads, adds_up, done}'

Every lead is in exactly one state; their sum is checked against the imported rows. Times are UTC, numbers masked.
`ahoy campaign plan` tells who would be called now, and why others not.

Exit codes: 0 done · 1 the ledger cannot be read, or its sums do not add up · 2 usage, no such campaign, no ledger yet";

/// Between two looks of `--watch`.
const AGAIN: Duration = Duration::from_secs(2);

/// Arguments of `ahoy campaign status`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct StatusArgs {
    /// Campaigns; all of them if none is named
    campaigns: Vec<Slug>,
    /// Look again every 2 s until Ctrl-C (with --json: one line a campaign each time)
    #[arg(long, short)]
    watch: bool,
}

/// Runs `ahoy campaign status`.
pub fn run(ws: &Workspace, context: &Context, args: &StatusArgs) -> Result<Exit, Failure> {
    let campaigns = ws.campaigns(&args.campaigns)?;
    if !args.watch {
        return show(ws, context, &campaigns, "");
    }
    let terminal = std::io::stdout().is_terminal();
    if !terminal && !context.json() {
        return Err(
            Failure::usage("--watch redraws a terminal, and there is none").next("add --json, or leave --watch out")
        );
    }
    // Clear, then home: what stood there before goes into the scrollback or is overwritten.
    let clear = if terminal && !context.json() { "\u{1b}[2J\u{1b}[H" } else { "" };
    crate::run::block_on(1, async {
        let mut stop = crate::run::stop::listen()?;
        let mut exit = Exit::Done;
        while *stop.borrow_and_update() == crate::core::dial::desk::Stop::No {
            exit = exit.and(show(ws, context, &campaigns, clear)?);
            MachineClock.sleep(AGAIN).await;
        }
        Ok(exit)
    })
}

fn show(ws: &Workspace, context: &Context, campaigns: &[Campaign], clear: &str) -> Result<Exit, Failure> {
    let ledger = super::campaign::read_ledger(ws)?;
    let now = MachineClock.wall();
    let mut exit = Exit::Done;
    let mut texts = Vec::new();
    for campaign in campaigns {
        let account = account_of(ws, &campaign.carrier)?;
        let mut status = status(&ledger, campaign, &account, now).map_err(|fault| ledger_failure(&fault))?;
        status.holder =
            holder(&ws.ledger_path()).map(|it| format!("process {} ({}) since {}", it.pid, it.campaign, it.since));
        if !status.adds_up {
            exit = exit.and(Exit::Bug);
        }
        if context.json() {
            print_json(&with_plan(ws, &ledger, campaign, &status)?)?;
        } else {
            texts.push(text(&status));
        }
    }
    if !context.json() {
        print_text(clear)?;
        print_line(&texts.join("\n\n"))?;
    }
    Ok(exit)
}

/// As JSON a status also says what a plan says; where both have a word, the status' own counts.
fn with_plan(
    ws: &Workspace,
    ledger: &Ledger,
    campaign: &Campaign,
    status: &Status,
) -> Result<serde_json::Value, Failure> {
    let bug = |error: serde_json::Error| Failure::bug(format!("the status is no JSON: {error}"));
    let plans = super::campaign::plans(ws, ledger, std::slice::from_ref(campaign))?;
    let mut all = serde_json::to_value(&plans[0]).map_err(bug)?;
    let own = serde_json::to_value(status).map_err(bug)?;
    if let (Some(all), serde_json::Value::Object(own)) = (all.as_object_mut(), own) {
        all.extend(own);
        // A stopped account, or no number left to call from, pauses it whatever the operator's word is.
        if plans[0].state == "paused" && status.state == "running" {
            all.insert("state".to_owned(), "paused".into());
        }
    }
    Ok(all)
}

/// The calls that show why an account is stopped, as far as this ledger knows them.
fn failing_calls(ledger: &Ledger, account: &str) -> Result<Vec<FailingCall>, LedgerFault> {
    let Some(stop) = ledger.account_breaker(account)? else { return Ok(Vec::new()) };
    let mut calls = Vec::new();
    for attempt in stop.attempts {
        if let Some(call) = ledger.call(attempt.call())? {
            calls.push(FailingCall {
                attempt: attempt.to_string(),
                campaign: call.campaign.to_string(),
                lead: call.lead.0,
                phone: call.phone.to_string(),
                since: call.started_at.rfc3339(),
                state: call.state.to_string(),
                outcome: call.outcome.map(|outcome| outcome.to_string()),
                sid: call.sid.map(|sid| sid.to_string()),
            });
        }
    }
    Ok(calls)
}

fn resting(ledger: &Ledger, account: &str, callers: &[Phone], now: Wall) -> Result<Vec<Resting>, LedgerFault> {
    let all = ledger.resting_callers(account, now)?.into_iter();
    let own = all.filter(|rest| callers.contains(&rest.caller));
    Ok(own
        .map(|rest| Resting { caller: rest.caller.to_string(), until: rest.until.rfc3339(), reason: rest.reason })
        .collect())
}

fn status(ledger: &Ledger, of: &Campaign, account: &str, now: Wall) -> Result<Status, LedgerFault> {
    let campaign = &of.name;
    let counts = ledger.lead_counts(campaign, now)?;
    let imported = ledger.import_sum(campaign)?.imported;
    let word = ledger.campaign_word(campaign)?;
    let stopped = ledger.account_stopped_at(account)?;
    let open: Vec<_> = ledger.open_attempts(None)?.into_iter().filter(|it| it.campaign == *campaign).collect();
    let slots = open.iter().take(limits::LIST_ROWS as usize).map(|it| Slot {
        attempt: it.attempt.to_string(),
        lead: it.lead.0,
        phone: it.phone.to_string(),
        state: it.state.to_string(),
        since: it.intent_at.rfc3339(),
        caller: it.caller.to_string(),
        asked: it.asked,
        not_released_before: matches!(it.state, State::Intent | State::Unknown).then(|| it.release_after.rfc3339()),
    });
    Ok(Status {
        campaign: campaign.to_string(),
        state: match &word {
            Some(word) if word.state != CampaignState::Running => word.state.as_str().to_owned(),
            Some(_) | None if stopped.is_some() => "paused".to_owned(),
            Some(_) | None => "running".to_owned(),
        },
        state_since: word.as_ref().map(|word| word.changed_at.rfc3339()),
        state_by: word.and_then(|word| word.audit).map(|(what, detail)| format!("{what}: {detail}")),
        account_stopped_at: stopped.as_ref().map(|(at, _)| at.rfc3339()),
        account_stopped: stopped.map(|(_, why)| why),
        failing_calls: failing_calls(ledger, account)?,
        resting_callers: resting(ledger, account, &of.callers, now)?,
        leads: counts.total(),
        imported,
        adds_up: counts.total() == imported,
        ready_due: counts.ready_due,
        ready_later: counts.ready_later,
        held: counts.held,
        done: counts.done.iter().map(|(outcome, n)| (outcome.to_string(), *n)).collect(),
        blocked: counts.blocked.iter().map(|(reason, n)| (reason.to_string(), *n)).collect(),
        review: counts.review,
        review_reasons: ledger.review_reasons(campaign)?,
        next_due: counts.next_due.map(Wall::rfc3339),
        slots: slots.collect(),
        open: open.len() as u64,
        holder: None, // filled in by the caller: it is no row of the ledger
    })
}
