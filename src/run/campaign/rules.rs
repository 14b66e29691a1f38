//! The rules of the countries in a run: what refuses it at the start, what the operator set aside, what pauses it.

use std::time::Duration;

use crate::base::{Exit, Failure, Wall};
use crate::core::config::Campaign;
use crate::core::dial::brake::{Brake, brake, over_quota};
use crate::core::rules::finding::{Finding, Weight, findings};
use crate::core::rules::{Demand, Place, book};
use crate::store::ledger::{Ledger, LedgerFault};
use crate::store::workspace::Workspace;

const DAY: Duration = Duration::from_secs(86_400);

/// What the rules say about a campaign as a whole.
pub fn findings_of(ws: &Workspace, campaign: &Campaign, now: Wall) -> Vec<Finding> {
    let ring = ws.config.carriers.get(&campaign.carrier).map_or(0, |carrier| carrier.ring_timeout.as_secs());
    findings(book(), campaign, ring, now)
}

/// Refuses campaigns that a rule refuses as a whole, with every finding; otherwise gives the warnings, none in a rehearsal.
pub fn refuse_by_rule(ws: &Workspace, campaigns: &[Campaign], now: Wall) -> Result<Vec<String>, Failure> {
    let mut warnings = Vec::new();
    for campaign in campaigns {
        let found = findings_of(ws, campaign, now);
        let refused: Vec<String> = found
            .iter()
            .filter(|finding| finding.weight == Weight::Refused)
            .map(|finding| format!("{}: {} (source: {})", finding.rule, finding.what, finding.source))
            .collect();
        if !refused.is_empty() {
            let what = format!("campaign {} is refused by a rule\n  {}", campaign.name, refused.join("\n  "));
            return Err(Failure::new(Exit::Refused, what)
                .next("mend campaign.toml; `ahoy rules` prints every rule with its source"));
        }
        if !campaign.is_rehearsal() {
            let told = found
                .into_iter()
                .map(|finding| format!("campaign {}: {}: {}", campaign.name, finding.rule, finding.what));
            warnings.extend(told);
        }
    }
    Ok(warnings)
}

/// Lets this run call only leads that a filter lets through.
pub fn narrow(campaigns: &mut [Campaign], filter: Option<&str>) -> Result<(), Failure> {
    let Some(filter) = filter else { return Ok(()) };
    for campaign in campaigns {
        campaign.narrow(filter).map_err(|fault| {
            let failure = Failure::usage(fault.to_string());
            match fault.hint {
                Some(hint) => failure.next(hint),
                None => failure,
            }
        })?;
    }
    Ok(())
}

/// Sets rules aside for this run. `overrides`: rule ids with the reason of each; one reason may stand for all.
pub fn set_aside(campaigns: &mut [Campaign], rules: &[String], reasons: &[String]) -> Result<(), Failure> {
    let reason = |at: usize| if reasons.len() == 1 { reasons.first() } else { reasons.get(at) };
    if reasons.len() > 1 && reasons.len() != rules.len() || reasons.len() == 1 && rules.is_empty() {
        return Err(Failure::usage(format!("{} rules and {} reasons", rules.len(), reasons.len()))
            .next("give one --reason for all, or one for each --override"));
    }
    for (at, id) in rules.iter().enumerate() {
        let Some(rule) = book().rule(id) else {
            let open: Vec<&str> = book().rules().filter(|rule| rule.overridable).map(|rule| rule.id.as_str()).collect();
            return Err(Failure::usage(format!("no rule is called `{}`", crate::base::text::printable(id)))
                .next(format!("rules that may be set aside: {}", open.join(", "))));
        };
        if !rule.overridable {
            return Err(Failure::new(Exit::Refused, format!("{id} can never be set aside (source: {})", rule.source))
                .next(format!("`ahoy rules {}` tells what it asks", id.split('.').next().unwrap_or_default())));
        }
        let Some(reason) = reason(at).map(|text| text.trim()).filter(|text| !text.is_empty()) else {
            return Err(Failure::usage(format!("--override {id} has no reason"))
                .next("add --reason \"who decided this, and why\"; it goes into the audit"));
        };
        for campaign in campaigns.iter_mut() {
            campaign.set_aside.insert(id.clone(), reason.to_owned());
        }
    }
    Ok(())
}

/// Writes into the audit who starts what, under which rules and which were set aside; tells the ledger the bound that
/// every claim looks at.
pub(super) fn begin(ledger: &mut Ledger, campaigns: &[Campaign], now: Wall) -> Result<(), LedgerFault> {
    let version = book().version;
    ledger.atomically(|ledger| {
        for campaign in campaigns {
            let name = campaign.name.as_str();
            let mode = if campaign.is_rehearsal() { ", rehearsal" } else { "" };
            ledger.audit("run", name, &format!("started, rules {version}{mode}, carrier {}", campaign.carrier), now)?;
            for (rule, reason) in &campaign.set_aside {
                ledger.audit("override", name, &format!("{rule} (rules {version}): {reason}"), now)?;
            }
            ledger.set_most_attempts(&campaign.name, campaign.quota.attempts)?;
        }
        Ok(())
    })
}

/// Whether a campaign may go on: its own bounds, and the abandonment brake (not in a rehearsal). With the reason for a
/// pause.
pub(super) fn standing(ledger: &Ledger, campaign: &Campaign, now: Wall) -> Result<(Brake, String), LedgerFault> {
    if campaign.quota != Default::default() {
        let used = ledger.used(&campaign.name)?;
        if let Some(why) = over_quota(&campaign.quota, used, campaign.prices.per_minute) {
            return Ok((Brake::Pause, why));
        }
    }
    if campaign.is_rehearsal() {
        return Ok((Brake::Free, String::new()));
    }
    let terms = book().terms(&Place::default(), &campaign.set_aside);
    let within = terms.rules().iter().find_map(|rule| match rule.demand {
        Demand::Abandonment { heard_within_ms, .. } => Some(heard_within_ms),
        Demand::Hours { .. }
        | Demand::Consent(_)
        | Demand::DoNotCall { .. }
        | Demand::Caps { .. }
        | Demand::Refusal { .. }
        | Demand::Ring { .. }
        | Demand::OptOut
        | Demand::Disclosure
        | Demand::Recording
        | Demand::Countries => None,
    });
    let Some(within) = within else { return Ok((Brake::Free, String::new())) };
    let day = ledger.answers(&campaign.name, now - DAY, within, now)?;
    let month = ledger.answers(&campaign.name, now - DAY * 30, within, now)?;
    let why = format!(
        "default.abandonment: {} of {} answers in 24 hours and {} of {} in 30 days heard nothing of us within 2 s; find out \
         why (`ahoy calls list`), then resume with --override default.abandonment",
        day.silent, day.human, month.silent, month.human
    );
    Ok((brake(day, month, &terms), why))
}
