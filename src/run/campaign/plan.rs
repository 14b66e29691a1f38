//! The plan: who would be called, who not and why, how long it takes, what it costs. Reads only.

use std::collections::BTreeMap;

use serde::Serialize;

use super::ledger_failure;
use super::refill::{block_reason, judge};
use super::registers::{StaleRegister, count, stale_for};
use crate::base::{Failure, Language, LeadId, Money, Wall};
use crate::core::config::Campaign;
use crate::core::dial::gate::{Gate, Wait, spoken};
use crate::core::rules::book;
use crate::core::rules::finding::Finding;
use crate::store::ledger::{BlockReason, CampaignState, DueLead, Ledger, LedgerFault};

/// Leads read at once.
pub(super) const PAGE: u32 = 1_000;

/// What a run would do now.
#[derive(Debug, Clone, Serialize)]
pub struct CampaignPlan {
    /// Its name.
    pub campaign: String,
    /// `running` or `paused`, as the operator set it.
    pub state: &'static str,
    /// Why nobody is called on its carrier account until a person has looked.
    pub account_stopped: Option<String>,
    /// What kind of stop that is.
    pub account_stop_kind: Option<&'static str>,
    /// The attempts that show why, oldest first.
    pub account_stop_attempts: Vec<String>,
    /// Its numbers that the carrier refuses to call from (masked), with until when they rest, UTC, and why.
    pub resting_callers: Vec<RestingCaller>,
    /// All its leads.
    pub leads: u64,
    /// Callable now, by the language they would hear.
    pub call_now: BTreeMap<String, u64>,
    /// Of those, leads that would hear the fall-back because their language has no greeting.
    pub fall_back: u64,
    /// Waiting, by reason.
    pub later: BTreeMap<String, u64>,
    /// Not called, by reason.
    pub never: BTreeMap<String, u64>,
    /// Of those not called: leads that a fresh do-not-call file, or a consent reference, is missing for.
    pub do_not_call: Vec<StaleRegister>,
    /// Of those waiting or not called: by which rule (`us-fl.hours`).
    pub rules: BTreeMap<String, u64>,
    /// In a rehearsal: leads that a real carrier's run would let wait or not call, by rule.
    pub rehearsal: Option<BTreeMap<String, u64>>,
    /// The edition of the rules.
    pub rules_version: String,
    /// What the rules say about the campaign as a whole.
    pub findings: Vec<Finding>,
    /// Rules that the operator set aside, with the reason.
    pub set_aside: BTreeMap<String, String>,
    /// Why the campaign paused itself.
    pub pause_reason: Option<String>,
    /// Over already, by outcome.
    pub done: BTreeMap<String, u64>,
    /// With an open attempt.
    pub held: u64,
    /// Waiting for a person to look.
    pub review: u64,
    /// When the next waiting lead may be called, UTC.
    pub next: Option<String>,
    /// Seconds to place all calls at the carrier's pace.
    pub seconds_at_pace: f64,
    /// If everybody callable answered and talked for a minute, US dollars in millionths.
    pub cost_if_all_answer: Money,
    /// Calls per second of the carrier.
    pub calls_per_second: f64,
    /// Who takes the line after the greeting; `none` = nobody. What it costs is not in the estimate.
    pub agent: String,
}

/// A number that rests, as it may be shown.
#[derive(Debug, Clone, Serialize)]
pub struct RestingCaller {
    /// The number, masked.
    pub caller: String,
    /// Until when, UTC, unless a person resumes it.
    pub until: String,
    /// What the carrier said.
    pub reason: String,
}

/// Makes the plan of one campaign, which calls at `rate` calls per second on `account`.
pub fn plan(
    ledger: &Ledger,
    campaign: &Campaign,
    rate: f64,
    account: &str,
    now: Wall,
) -> Result<CampaignPlan, Failure> {
    let mut plan = CampaignPlan {
        campaign: campaign.name.to_string(),
        state: "running",
        account_stopped: None,
        account_stop_kind: None,
        account_stop_attempts: Vec::new(),
        resting_callers: Vec::new(),
        leads: 0,
        call_now: BTreeMap::new(),
        fall_back: 0,
        later: BTreeMap::new(),
        never: BTreeMap::new(),
        do_not_call: Vec::new(),
        rules: BTreeMap::new(),
        rehearsal: campaign.is_rehearsal().then(BTreeMap::new),
        rules_version: book().version.to_string(),
        findings: Vec::new(),
        set_aside: campaign.set_aside.clone(),
        pause_reason: ledger.pause_reason(&campaign.name).map_err(|fault| ledger_failure(&fault))?,
        done: BTreeMap::new(),
        held: 0,
        review: 0,
        next: None,
        seconds_at_pace: 0.0,
        cost_if_all_answer: Money(0),
        calls_per_second: rate,
        agent: campaign.agent.name.clone(),
    };
    let broken = |fault: LedgerFault| ledger_failure(&fault);
    if let Some(CampaignState::Paused | CampaignState::Stopped) =
        ledger.campaign_state(&campaign.name).map_err(broken)?
    {
        plan.state = "paused";
    }
    if let Some(stop) = ledger.account_breaker(account).map_err(broken)? {
        plan.account_stopped = Some(stop.reason);
        plan.account_stop_kind = Some(stop.kind.as_str());
        plan.account_stop_attempts = stop.attempts.iter().map(ToString::to_string).collect();
        plan.state = "paused";
    }
    let resting = ledger.resting_callers(account, now).map_err(broken)?;
    let own = resting.into_iter().filter(|rest| campaign.callers.contains(&rest.caller));
    plan.resting_callers = own
        .map(|rest| RestingCaller { caller: rest.caller.to_string(), until: rest.until.rfc3339(), reason: rest.reason })
        .collect();
    if plan.resting_callers.len() == campaign.callers.len() {
        plan.state = "paused";
    }
    let next = fill(ledger, campaign, now, &mut plan).map_err(broken)?;
    let calls: u64 = plan.call_now.values().sum();
    plan.next = next.map(Wall::rfc3339);
    plan.seconds_at_pace = calls as f64 / rate;
    plan.cost_if_all_answer = campaign.prices.per_minute * i64::try_from(calls).unwrap_or(i64::MAX);
    Ok(plan)
}

fn fill(ledger: &Ledger, campaign: &Campaign, now: Wall, plan: &mut CampaignPlan) -> Result<Option<Wall>, LedgerFault> {
    let counts = ledger.lead_counts(&campaign.name, now)?;
    plan.leads = counts.total();
    plan.held = counts.held;
    plan.review = counts.review;
    plan.done = counts.done.iter().map(|(outcome, n)| (outcome.to_string(), *n)).collect();
    for (reason, n) in &counts.blocked {
        match reason {
            // A run looks at these anew, so the plan does too.
            BlockReason::NoConsent
            | BlockReason::NoZone
            | BlockReason::NoGreeting
            | BlockReason::Country
            | BlockReason::DoNotCallFile
            | BlockReason::NeverCalled => {}
            BlockReason::Suppressed | BlockReason::Capped | BlockReason::CalledUs => {
                *plan.never.entry(reason_name(*reason).to_owned()).or_default() += n;
            }
        }
    }
    let mut next: Option<Wall> = None;
    let mut after = None;
    loop {
        let page = ledger.ready_leads(campaign, PAGE, after)?;
        for lead in &page {
            after = Some((lead.due, lead.id));
            if lead.due > now {
                *plan.later.entry("not_due_yet".to_owned()).or_default() += 1;
                next = Some(next.map_or(lead.due, |at| at.min(lead.due)));
            } else {
                sort(ledger, campaign, lead, now, plan, &mut next)?;
            }
        }
        if page.len() < PAGE as usize {
            break;
        }
    }
    let mut after = LeadId(0);
    loop {
        let page = ledger.barred_leads(&campaign.name, PAGE, after)?;
        for lead in &page {
            after = lead.id;
            sort(ledger, campaign, lead, now, plan, &mut next)?;
        }
        if page.len() < PAGE as usize {
            return Ok(next);
        }
    }
}

/// The same campaign on a carrier that reaches people.
fn as_if_real(campaign: &Campaign) -> Campaign {
    let mut real = campaign.clone();
    real.hours.any = false;
    real
}

/// Puts a lead where every rule of the campaign puts it at this moment.
fn sort(
    ledger: &Ledger,
    campaign: &Campaign,
    lead: &DueLead,
    now: Wall,
    plan: &mut CampaignPlan,
    next: &mut Option<Wall>,
) -> Result<(), LedgerFault> {
    if let Some(told) = &mut plan.rehearsal {
        let strict = as_if_real(campaign);
        match judge(ledger, &strict, lead, now)? {
            Gate::Call { .. } => {}
            Gate::Later { rule, .. } | Gate::Never { rule, .. } => *told.entry(rule).or_default() += 1,
        }
    }
    match judge(ledger, campaign, lead, now)? {
        Gate::Call { language, fell_back } => {
            *plan.call_now.entry(language.to_string()).or_default() += 1;
            plan.fall_back += u64::from(fell_back);
        }
        Gate::Later { until, why, rule } => {
            let name = match why {
                Wait::Hours => "outside_hours",
                Wait::Cap => "called_lately",
                Wait::Refusal => "refused_lately",
            };
            *plan.rules.entry(rule).or_default() += 1;
            *plan.later.entry(name.to_owned()).or_default() += 1;
            *next = Some(next.map_or(until, |at| at.min(until)));
        }
        Gate::Never { bar, rule } => {
            if let Some(stale) = stale_for(ledger, campaign, lead, bar, now)? {
                count(&mut plan.do_not_call, stale);
            }
            *plan.rules.entry(rule).or_default() += 1;
            *plan.never.entry(reason_name(block_reason(bar)).to_owned()).or_default() += 1;
        }
    }
    Ok(())
}

/// Languages that leads still to be called need and the greeting does not have, with how many leads; empty where there
/// is a fall-back.
pub fn missing_greetings(ledger: &Ledger, campaign: &Campaign) -> Result<BTreeMap<Language, u64>, LedgerFault> {
    let mut missing = BTreeMap::new();
    if campaign.greeting.fallback.is_some() {
        return Ok(missing);
    }
    let mut after = None;
    loop {
        let page = ledger.ready_leads(campaign, PAGE, after)?;
        for lead in &page {
            after = Some((lead.due, lead.id));
            if let Some(language) = lead.language.as_ref().filter(|own| spoken(campaign, Some(own)).is_none()) {
                *missing.entry(language.clone()).or_default() += 1;
            }
        }
        if page.len() < PAGE as usize {
            return Ok(missing);
        }
    }
}

/// The name of a reason in reports and JSON.
pub fn reason_name(reason: BlockReason) -> &'static str {
    match reason {
        BlockReason::Suppressed => "suppressed",
        BlockReason::NoConsent => "no_consent",
        BlockReason::NoZone => "no_time_zone",
        BlockReason::NoGreeting => "no_greeting",
        BlockReason::Capped => "capped",
        BlockReason::Country => "country_not_listed",
        BlockReason::DoNotCallFile => "do_not_call_file",
        BlockReason::NeverCalled => "never_called",
        BlockReason::CalledUs => "called_us",
    }
}
