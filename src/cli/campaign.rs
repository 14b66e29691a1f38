//! `ahoy campaign`: plan and run; the other verbs have rooms of their own beside this one.

use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;

use super::campaign_report::ReportArgs;
use super::campaign_status::StatusArgs;
use super::operator::{self, Verb};
use super::rules::OverrideArgs;
use super::{Context, EXIT_CODES, print_json, print_line, sure};
use crate::base::time::parse_span;
use crate::base::{Exit, Failure, Slug};
use crate::core::config::{Campaign, CarrierKind, NONE};
use crate::core::dial::desk::Stop;
use crate::core::dial::note::Watcher;
use crate::run::campaign::{
    CampaignPlan, RunOptions, RunReport, check_rules, findings_of, ledger_failure, narrow, plan, set_aside,
};
use crate::run::carriers::account_of;
use crate::run::clock::{Clock, MachineClock};
use crate::run::control::run_or_attach;
use crate::run::stop::Stopped;
use crate::show::campaign::{Look, RunView};
use crate::show::report;
use crate::show::words::say;
use crate::store::ledger::Ledger;
use crate::store::workspace::Workspace;

/// Arguments of `ahoy campaign`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXIT_CODES)]
pub struct CampaignArgs {
    #[command(subcommand)]
    command: CampaignCommand,
}

#[derive(Debug, clap::Subcommand)]
enum CampaignCommand {
    /// Who would be called now, who not and why, how long it takes and what it may cost. Writes nothing
    #[command(after_help = "Examples:\n  ahoy campaign plan welcome\n  ahoy campaign plan --json | jq .call_now")]
    Plan {
        /// Campaigns; all of them if none is named
        campaigns: Vec<Slug>,
        #[command(flatten)]
        overrides: OverrideArgs,
    },
    /// Call everybody who may be called now
    #[command(
        after_help = "Ctrl-C once: nobody new is called, live calls end by themselves. Twice: unanswered calls are \
cancelled, live ones hung up. Three times: leave now; open attempts are asked about at the next start. SIGTERM (cron's \
`timeout`) counts as a first Ctrl-C.\n\nBeside another run or `ahoy serve` in this workspace it attaches: that process makes the calls, this \
terminal shows its own campaigns, and Ctrl-C here stops these only. A campaign that runs already: exit code 11.\n\n\
Examples:\n  ahoy campaign run welcome\n  ahoy campaign run welcome --yes --drain --quiet --max-runtime 2h   # cron"
    )]
    Run {
        /// Campaigns; all of them if none is named
        campaigns: Vec<Slug>,
        /// Do not ask (cron)
        #[arg(long, short)]
        yes: bool,
        /// End when nothing is due now and nothing is live, instead of waiting for retries
        #[arg(long)]
        drain: bool,
        /// End within this time, such as 2h or 45m: nobody new towards its end, nobody left ringing 5 s before it
        #[arg(long, value_name = "TIME", value_parser = parse_span)]
        max_runtime: Option<Duration>,
        /// If nobody may be called yet, wait for the calling window to open (within --max-runtime)
        #[arg(long)]
        wait: bool,
        #[command(flatten)]
        overrides: OverrideArgs,
    },
    /// Where every lead stands, and who holds each slot
    Status(StatusArgs),
    /// What came of it: outcomes, connect rate, abandonment, latency, cost
    Report(ReportArgs),
    /// Call nobody new, also in a run that goes on elsewhere; live calls end by themselves
    Pause {
        /// The campaigns
        #[arg(required = true)]
        campaigns: Vec<Slug>,
    },
    /// Go on after a pause or a stop; also lifts a stop of the campaign's carrier account and wakes its resting numbers
    Resume {
        /// The campaigns
        #[arg(required = true)]
        campaigns: Vec<Slug>,
    },
    /// End it: call nobody new, end its run elsewhere, and let no run start until it is resumed
    #[command(after_help = "Examples:\n  ahoy campaign stop welcome\n  ahoy campaign stop welcome --hangup   # now")]
    Stop {
        /// The campaigns
        #[arg(required = true)]
        campaigns: Vec<Slug>,
        /// Cancel what rings and hang up live calls, instead of letting them end by themselves
        #[arg(long)]
        hangup: bool,
    },
}

/// Runs `ahoy campaign`.
pub fn run(args: &CampaignArgs, context: &Context) -> Result<Exit, Failure> {
    let ws = context.workspace()?;
    match &args.command {
        CampaignCommand::Plan { campaigns, overrides } => {
            let mut campaigns = ws.campaigns(campaigns)?;
            set_aside(&mut campaigns, &overrides.rules, &overrides.reasons)?;
            narrow(&mut campaigns, overrides.filter.as_deref())?;
            show_plan(&ws, context, "plan", &campaigns)
        }
        CampaignCommand::Run { campaigns, yes, drain, max_runtime, wait, overrides } => {
            let mut campaigns = ws.campaigns(campaigns)?;
            set_aside(&mut campaigns, &overrides.rules, &overrides.reasons)?;
            narrow(&mut campaigns, overrides.filter.as_deref())?;
            let how = How { yes: *yes, drain: *drain, max_runtime: *max_runtime, wait: *wait };
            start(&ws, context, campaigns, &how)
        }
        CampaignCommand::Status(args) => super::campaign_status::run(&ws, context, args),
        CampaignCommand::Report(args) => super::campaign_report::run(&ws, context, args),
        CampaignCommand::Pause { campaigns } => operator::say(&ws, context, campaigns, Verb::Pause),
        CampaignCommand::Resume { campaigns } => operator::say(&ws, context, campaigns, Verb::Resume),
        CampaignCommand::Stop { campaigns, hangup: false } => operator::say(&ws, context, campaigns, Verb::Stop),
        CampaignCommand::Stop { campaigns, hangup: true } => operator::say(&ws, context, campaigns, Verb::HangUp),
    }
}

pub(super) fn plans(ws: &Workspace, ledger: &Ledger, campaigns: &[Campaign]) -> Result<Vec<CampaignPlan>, Failure> {
    let now = MachineClock.wall();
    check_rules(ws, campaigns)?;
    let mut plans = Vec::new();
    for campaign in campaigns {
        let carrier = &ws.config.carriers[&campaign.carrier];
        let account = account_of(ws, &campaign.carrier)?;
        let mut made = plan(ledger, campaign, carrier.calls_per_second, &account, now)?;
        made.findings = findings_of(ws, campaign, now);
        plans.push(made);
    }
    Ok(plans)
}

/// The ledger for reading; a workspace without one has no leads yet.
pub(super) fn read_ledger(ws: &Workspace) -> Result<Ledger, Failure> {
    if !ws.ledger_path().exists() {
        return Err(Failure::usage(format!("there is no ledger at {} yet", ws.ledger_path().display()))
            .next("import people first: `ahoy leads import FILE --campaign NAME`"));
    }
    Ledger::open_read_only(&ws.ledger_path()).map_err(|fault| ledger_failure(&fault))
}

fn show_plan(ws: &Workspace, context: &Context, title: &str, campaigns: &[Campaign]) -> Result<Exit, Failure> {
    let ledger = read_ledger(ws)?;
    for plan in plans(ws, &ledger, campaigns)? {
        if context.json() {
            print_json(&plan)?;
        } else {
            print_line(&plan_text(title, &plan))?;
            print_line(&under_plan(&plan))?;
        }
    }
    Ok(Exit::Done)
}

fn under_plan(plan: &CampaignPlan) -> String {
    crate::show::rules::under_plan(
        &plan.rules_version,
        &plan.rules,
        plan.rehearsal.as_ref(),
        &plan.set_aside,
        plan.pause_reason.as_deref(),
        &plan.do_not_call.iter().map(|stale| (stale.what(), stale.next())).collect::<Vec<_>>(),
        &plan.findings,
    )
}

fn plan_text(title: &str, plan: &CampaignPlan) -> String {
    let resting: Vec<_> = plan
        .resting_callers
        .iter()
        .map(|rest| (rest.caller.clone(), rest.until.clone(), rest.reason.clone()))
        .collect();
    report::plan(&report::PlanView {
        title,
        campaign: &plan.campaign,
        state: plan.state,
        account_stopped: plan.account_stopped.as_deref(),
        account_stop_attempts: &plan.account_stop_attempts,
        resting_callers: &resting,
        leads: plan.leads,
        call_now: &plan.call_now,
        fall_back: plan.fall_back,
        later: &plan.later,
        never: &plan.never,
        done: &plan.done,
        held: plan.held,
        review: plan.review,
        next: plan.next.as_deref(),
        seconds_at_pace: plan.seconds_at_pace,
        cost: plan.cost_if_all_answer,
        agent: Some(plan.agent.as_str()).filter(|agent| *agent != NONE),
    })
}

/// The flags of `run`.
struct How {
    yes: bool,
    drain: bool,
    max_runtime: Option<Duration>,
    wait: bool,
}

fn start(ws: &Workspace, context: &Context, campaigns: Vec<Campaign>, how: &How) -> Result<Exit, Failure> {
    let ledger = read_ledger(ws)?;
    let first = plans(ws, &ledger, &campaigns)?;
    drop(ledger);
    if !context.global.quiet && !context.json() {
        for plan in &first {
            say(&plan_text("plan", plan));
            say(&under_plan(plan));
        }
    }
    let real = campaigns.iter().any(|campaign| {
        ws.config.carriers.get(&campaign.carrier).is_some_and(|carrier| !matches!(carrier.kind, CarrierKind::Sim(_)))
    });
    let calls: u64 = first.iter().flat_map(|plan| plan.call_now.values()).sum();
    if real && !how.yes && (calls > 0 || how.wait) {
        confirm(calls)?;
    }
    let view = Arc::new(RunView::new(look(context), Arc::new(|| MachineClock.boot())));
    let result = crate::run::block_on(2, async {
        let stop = crate::run::stop::listen()?;
        let watcher = Arc::clone(&view) as Arc<dyn Watcher>;
        let began = MachineClock.boot();
        if how.wait {
            wait_for_window(ws, context, &campaigns, how.max_runtime, stop.clone()).await?;
        }
        let max_runtime = how.max_runtime.map(|span| span.saturating_sub(MachineClock.boot().since(began)));
        let options = RunOptions { campaigns, drain: how.drain, seed: context.seed, watcher, stop, max_runtime };
        run_or_attach(ws, Arc::new(MachineClock), options).await
    });
    view.finish();
    let report = result?;
    print_report(context, &report)?;
    if !context.global.quiet {
        say(&format!("audit head {} (keep it: `ahoy audit --verify --head …`)", report.audit_head));
    }
    Ok(report.exit)
}

/// Waits until somebody may be called, or the time is over; then the run finds the window closed and says so.
async fn wait_for_window(
    ws: &Workspace,
    context: &Context,
    campaigns: &[Campaign],
    most: Option<Duration>,
    stop: Stopped,
) -> Result<(), Failure> {
    let began = MachineClock.boot();
    let mut told = false;
    loop {
        let plans = plans(ws, &read_ledger(ws)?, campaigns)?;
        let callable = plans.iter().any(|plan| !plan.call_now.is_empty() || plan.held > 0);
        // RFC 3339 in UTC: text order is time order.
        let next = plans.iter().filter_map(|plan| plan.next.as_deref()).min();
        let over = most.is_some_and(|most| MachineClock.boot().since(began) >= most);
        let Some(next) = next.filter(|_| !callable && !over && *stop.borrow() == Stop::No) else { return Ok(()) };
        if !std::mem::replace(&mut told, true) && !context.global.quiet {
            say(&format!("waiting: the next person may be called at {next}"));
        }
        MachineClock.sleep(Duration::from_secs(1)).await;
    }
}

/// How a run is shown: bars on a terminal, lines in a pipe, nothing with `--quiet`.
pub fn look(context: &Context) -> Look {
    if context.global.quiet {
        Look::Silent
    } else if std::io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb") {
        Look::Bars
    } else {
        Look::Lines
    }
}

fn confirm(calls: u64) -> Result<(), Failure> {
    match sure(&format!("Place {calls} calls now?"), &format!("place {calls} calls"))? {
        true => Ok(()),
        false => Err(Failure::new(Exit::Stopped, "nobody was called")),
    }
}

fn print_report(context: &Context, run: &RunReport) -> Result<(), Failure> {
    if context.json() {
        return print_json(run);
    }
    print_line(&report::run(&report::RunFigures {
        attempts: run.attempts,
        plain_greetings: run.plain_greetings,
        late_greetings: run.late_greetings,
        answered: run.answered,
        outcomes: &run.outcomes,
        stream_to_audio_ms: run.stream_to_audio_ms,
        barge_ins: run.barge_ins,
        barge_in_ms: run.barge_in_ms,
        opted_out: run.opted_out,
        not_called: &run.not_called,
        waiting: run.waiting,
        next_due: run.next_due.as_deref(),
        unknown: run.unknown,
    }))
}
