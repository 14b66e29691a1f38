//! Do-not-call registers at the start of a run: a country that keeps one wants a fresh copy of it, or a consent reference
//! per lead. Where neither is there for anybody, the run is refused with the file's age; where it is so for some, the plan
//! names how many.

use serde::Serialize;

use super::ledger_failure;
use super::plan::PAGE;
use super::refill::judge;
use crate::base::{Exit, Failure, LeadId, Wall};
use crate::core::config::{Campaign, Purpose};
use crate::core::dial::gate::{Bar, Gate};
use crate::core::rules::{Place, book, consent, dnc_is_fresh};
use crate::store::ledger::{DueLead, Ledger, LedgerFault};
use crate::store::workspace::Workspace;

/// A register whose file is missing or too old, with the leads that have no consent reference in its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StaleRegister {
    /// The rule that asks for it, such as `us.dnc`.
    pub rule: String,
    /// The country that keeps it.
    pub country: String,
    /// The day of the newest file; `None` = there is none.
    pub dated: Option<String>,
    /// Its age in days, rounded down.
    pub age_days: Option<u64>,
    /// The age that is allowed.
    pub limit_days: u32,
    /// Leads there that are not called and have no consent reference.
    pub leads: u64,
}

impl StaleRegister {
    /// What is wrong, in words.
    pub fn what(&self) -> String {
        let file = match (&self.dated, self.age_days) {
            (Some(dated), Some(age)) => {
                format!(
                    "the do-not-call file of {} is of {dated}: {age} days old, at most {} are allowed",
                    self.country, self.limit_days
                )
            }
            (_, _) => {
                format!("there is no do-not-call file of {} (at most {} days old)", self.country, self.limit_days)
            }
        };
        format!("{}: {file}, and {} leads there have no consent with what, when and source", self.rule, self.leads)
    }

    /// What to do about it.
    pub fn next(&self) -> String {
        format!(
            "`ahoy leads dnc import FILE --country {} --source NAME --dated DAY`; a recorded or AI voice also needs each \
             person's consent (WHAT; WHEN; SOURCE in the consent column), which takes the file's place",
            self.country
        )
    }
}

/// The stale register that stands between a campaign and a lead that is barred, if one does.
pub(super) fn stale_for(
    ledger: &Ledger,
    campaign: &Campaign,
    lead: &DueLead,
    bar: Bar,
    now: Wall,
) -> Result<Option<StaleRegister>, LedgerFault> {
    let about_it = match bar {
        Bar::NoConsent | Bar::DoNotCallFile => !campaign.is_rehearsal() && campaign.purpose == Purpose::Marketing,
        Bar::NeverCalled | Bar::Suppressed | Bar::Country | Bar::NoZone | Bar::NoGreeting => false,
    };
    let place = Place::of(&lead.phone, lead.country);
    let terms = book().terms(&place, &campaign.set_aside);
    let (Some(country), Some((rule, limit_days)), true) = (place.country, terms.do_not_call(), about_it) else {
        return Ok(None);
    };
    if consent::read(lead.consent.as_deref()).is_some_and(|agreed| agreed.is_reference()) {
        return Ok(None);
    }
    let dated = ledger.dnc_dated(country)?;
    if dnc_is_fresh(dated, limit_days, now) {
        return Ok(None);
    }
    Ok(Some(StaleRegister {
        rule: rule.to_owned(),
        country: country.to_string(),
        dated: dated.map(Wall::date),
        age_days: dated.map(|dated| u64::try_from((now.0 - dated.0) / 86_400_000).unwrap_or(0)),
        limit_days,
        leads: 1,
    }))
}

/// Adds one to a list of them, counted by rule and country.
pub(super) fn count(list: &mut Vec<StaleRegister>, stale: StaleRegister) {
    match list.iter_mut().find(|it| (&it.rule, &it.country) == (&stale.rule, &stale.country)) {
        Some(known) => known.leads += stale.leads,
        None => list.push(stale),
    }
}

/// Refuses campaigns of which nobody may be called while a register's file is missing or too old (exit 15).
///
/// Looks no further than the first lead that may be called, now or later; a run that has somebody is never held up.
pub(super) fn refuse_stale(ws: &Workspace, campaigns: &[Campaign], now: Wall) -> Result<(), Failure> {
    for campaign in campaigns.iter().filter(|it| !it.is_rehearsal() && it.purpose == Purpose::Marketing) {
        let ledger = Ledger::open_read_only(&ws.ledger_path())?;
        let stale = if_nobody_else(&ledger, campaign, now).map_err(|fault| ledger_failure(&fault))?;
        if let Some(first) = stale.first() {
            let all: Vec<String> = stale.iter().map(StaleRegister::what).collect();
            let what = format!("campaign {}: nobody may be called\n  {}", campaign.name, all.join("\n  "));
            return Err(Failure::new(Exit::Refused, what).next(first.next()));
        }
    }
    Ok(())
}

/// The stale registers of a campaign that has nobody to call, now or later; empty if it has somebody.
pub(super) fn if_nobody_else(
    ledger: &Ledger,
    campaign: &Campaign,
    now: Wall,
) -> Result<Vec<StaleRegister>, LedgerFault> {
    let mut stale = Vec::new();
    if ledger.lead_counts(&campaign.name, now)?.held > 0 {
        return Ok(stale);
    }
    let mut after = None;
    loop {
        let page = ledger.ready_leads(campaign, PAGE, after)?;
        for lead in &page {
            after = Some((lead.due, lead.id));
            if !weigh(ledger, campaign, lead, now, &mut stale)? {
                return Ok(Vec::new());
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
            if !weigh(ledger, campaign, lead, now, &mut stale)? {
                return Ok(Vec::new());
            }
        }
        if page.len() < PAGE as usize {
            return Ok(stale);
        }
    }
}

/// False if the lead may be called, now or later.
fn weigh(
    ledger: &Ledger,
    campaign: &Campaign,
    lead: &DueLead,
    now: Wall,
    stale: &mut Vec<StaleRegister>,
) -> Result<bool, LedgerFault> {
    match judge(ledger, campaign, lead, now)? {
        Gate::Call { .. } | Gate::Later { .. } => Ok(false),
        Gate::Never { bar, .. } => {
            if let Some(found) = stale_for(ledger, campaign, lead, bar, now)? {
                count(stale, found);
            }
            Ok(true)
        }
    }
}
