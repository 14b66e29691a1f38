//! The page of one lead: who they are, whether they may be called now, and everything that happened.

use crate::base::{Failure, LeadId, Wall};
use crate::core::config::Campaign;
use crate::core::dial::gate::Gate;
use crate::core::dial::zones;
use crate::run::campaign::judge;
use crate::run::writings::summary_of;
use crate::show::person::{CalledUs, Happened, PersonPage};
use crate::store::calllog::{SUMMARY, transcript};
use crate::store::ledger::{AttemptRow, CallFilter, CallRow, LeadState, Ledger, Person};
use crate::store::workspace::{Workspace, shown};

/// Everything about one lead.
pub fn page(workspace: &Workspace, ledger: &Ledger, lead: LeadId, now: Wall) -> Result<PersonPage, Failure> {
    let person = ledger
        .person(lead)?
        .ok_or_else(|| Failure::usage(format!("there is no lead {}", lead.0)).next("ahoy leads list"))?;
    let names = match person.timezone.as_deref() {
        Some(own) => vec![own.to_owned()],
        None => zones::zone_names(&person.phone).into_iter().map(str::to_owned).collect(),
    };
    let local_times = zones::zones_of(&person.phone, person.timezone.as_deref()).unwrap_or_default();
    let mut clock: Vec<String> =
        local_times.iter().map(|zone| zone.to_datetime(now.timestamp()).strftime("%a %H:%M").to_string()).collect();
    clock.dedup();
    let (may_call, why) = match workspace.campaign(&person.campaign) {
        Ok(campaign) => verdict(ledger, &campaign, &person, now)?,
        Err(_) => (false, "its campaign has no file any more".to_owned()),
    };
    let (state, detail, next_due) = match &person.state {
        LeadState::Ready(due) => ("ready", String::new(), Some(due.rfc3339())),
        LeadState::Held(attempt) => ("held", format!("attempt {attempt}"), None),
        LeadState::Done(outcome) => ("done", outcome.to_string(), None),
        LeadState::Blocked(reason) => ("blocked", reason.to_string(), None),
        LeadState::Review => ("review", "a person must look".to_owned(), None),
    };
    Ok(PersonPage {
        id: person.id.0,
        campaign: person.campaign.to_string(),
        phone: person.phone.to_string(),
        kind: serde_json::to_value(person.phone.line_kind()).map_err(|error| Failure::bug(error.to_string()))?,
        more_phones: person.more_phones.iter().map(|(phone, label)| (phone.to_string(), label.clone())).collect(),
        name: person.name.clone(),
        language: person.language.as_ref().map(ToString::to_string),
        country: person.country.as_ref().map(ToString::to_string),
        consent: person.consent.clone(),
        tags: person.tags.clone(),
        variables: person.variables.clone(),
        zones: names,
        local_time: clock,
        may_be_called_now: may_call,
        why,
        suppressed: ledger.is_suppressed(&person.phone)?,
        state: state.to_owned(),
        detail,
        next_due,
        tries: person.tries,
        came_with: format!("{} line {} (import {})", person.file.0, person.file.1, person.import),
        created_at: person.created_at.rfc3339(),
        timeline: timeline(workspace, ledger, lead)?,
        calls_to_us: calls_to_us(workspace, ledger, lead)?,
    })
}

/// Whether the rules would let this lead be called at this moment, and if not, which one speaks.
fn verdict(ledger: &Ledger, campaign: &Campaign, person: &Person, now: Wall) -> Result<(bool, String), Failure> {
    let Some(card) = ledger.lead_card(person.id)? else { return Ok((false, "it has gone".to_owned())) };
    Ok(match judge(ledger, campaign, &card, now)? {
        Gate::Call { language, fell_back } => {
            let fall_back = if fell_back { " (the fall-back)" } else { "" };
            (true, format!("hears `{language}`{fall_back}"))
        }
        Gate::Later { until, why, rule } => {
            let why = serde_json::to_value(why).map_err(|error| Failure::bug(error.to_string()))?;
            (false, format!("not before {until} ({}, rule {rule})", why.as_str().unwrap_or("")))
        }
        Gate::Never { bar, rule } => {
            let bar = serde_json::to_value(bar).map_err(|error| Failure::bug(error.to_string()))?;
            (false, format!("never ({}, rule {rule})", bar.as_str().unwrap_or("").replace('_', " ")))
        }
    })
}

/// Attempts with what the carrier told of them and what became of the call, oldest first.
fn timeline(workspace: &Workspace, ledger: &Ledger, lead: LeadId) -> Result<Vec<Happened>, Failure> {
    let filter = CallFilter { lead: Some(lead), ..CallFilter::default() };
    let calls = ledger.calls(&filter)?;
    let mut all = Vec::new();
    for attempt in ledger.attempts_of_lead(lead)? {
        let call = calls.iter().find(|call| call.call.0 == attempt.attempt.0);
        all.push(happened(workspace, ledger, &attempt, call)?);
    }
    Ok(all)
}

/// Calls that they made to us, oldest first.
fn calls_to_us(workspace: &Workspace, ledger: &Ledger, lead: LeadId) -> Result<Vec<CalledUs>, Failure> {
    let mut all = Vec::new();
    for row in ledger.calls_by(lead)? {
        let folder = row.folder.as_ref().map(|folder| workspace.calls_dir().join(folder));
        let folder = folder.filter(|folder| folder.is_dir());
        let recording = folder.as_ref().map(|folder| folder.join("audio.wav")).filter(|path| path.exists());
        let transcript = match &folder {
            Some(folder) => transcript(row.call, folder)?.map(|path| shown(&path)),
            None => None,
        };
        all.push(CalledUs {
            call: row.call.to_string(),
            at: row.at.rfc3339(),
            phrase: row.phrase,
            cause: row.cause,
            message_ms: row.message_ms,
            recording: recording.map(|path| shown(&path)),
            transcript,
        });
    }
    Ok(all)
}

fn happened(
    workspace: &Workspace,
    ledger: &Ledger,
    attempt: &AttemptRow,
    call: Option<&CallRow>,
) -> Result<Happened, Failure> {
    let folder = call.and_then(|call| call.folder.as_ref()).map(|folder| workspace.calls_dir().join(folder));
    let file = |name: &str| {
        let path = folder.as_ref()?.join(name);
        path.exists().then(|| shown(&path))
    };
    // Made now if the process that had the call did not live to make it.
    let transcript = match &folder {
        Some(folder) if folder.is_dir() => transcript(attempt.attempt.call(), folder)?.map(|path| shown(&path)),
        Some(_) | None => None,
    };
    let summary = folder.as_deref().and_then(summary_of);
    let told = ledger.facts_of(attempt.attempt)?;
    let tasks = ledger.tasks_of(attempt.attempt.call())?.into_iter().filter(|task| task.state != "done");
    Ok(Happened {
        attempt: attempt.attempt.to_string(),
        at: attempt.intent_at.rfc3339(),
        state: attempt.state.as_str().to_owned(),
        outcome: attempt.outcome.map(|outcome| outcome.to_string()),
        caller: attempt.caller.to_string(),
        greeting: attempt.greeting.chars().take(12).collect(),
        told: told.iter().map(|fact| (fact.at.rfc3339(), fact.status.clone(), fact.source.clone())).collect(),
        answered_at: call.and_then(|call| call.answered_at).map(Wall::rfc3339),
        ended_at: attempt.closed_at.map(Wall::rfc3339),
        heard_ms: call.and_then(|call| call.heard_ms),
        barged_in: call.is_some_and(|call| call.barged_in),
        keys: call.and_then(|call| call.keys.clone()),
        opted_out: call.is_some_and(|call| call.opted_out),
        recording: file("audio.wav"),
        transcript,
        summary: file(SUMMARY),
        said_outcome: summary.as_ref().map(|it| it.outcome.clone()),
        next_step: summary.as_ref().and_then(|it| it.next_step.clone()),
        in_short: summary.map(|it| it.text),
        tasks: tasks.map(|task| (task.kind, task.state, task.reason.unwrap_or_default())).collect(),
    })
}
