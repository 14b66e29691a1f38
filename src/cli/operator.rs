//! The operator's verbs: pause, resume, stop. The ledger has the word first; then the engine, if one runs, is told.

use super::{Context, print_json, print_line};
use crate::base::{Exit, Failure, Slug};
use crate::core::control::Request;
use crate::run::campaign::{ledger_failure, open_ledger};
use crate::run::carriers::account_of;
use crate::run::clock::{Clock, MachineClock};
use crate::run::control;
use crate::store::ledger::{CampaignState, LedgerFault};
use crate::store::workspace::Workspace;

/// What the operator wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Nobody new for now.
    Pause,
    /// Go on.
    Resume,
    /// Nobody new; live calls end by themselves; the run ends.
    Stop,
    /// Stop, and end what rings or talks.
    HangUp,
}

impl Verb {
    fn state(self) -> CampaignState {
        match self {
            Verb::Pause => CampaignState::Paused,
            Verb::Resume => CampaignState::Running,
            Verb::Stop | Verb::HangUp => CampaignState::Stopped,
        }
    }

    fn request(self, campaigns: Vec<Slug>) -> Request {
        match self {
            Verb::Pause => Request::Pause(campaigns),
            Verb::Resume => Request::Resume(campaigns),
            Verb::Stop => Request::Stop { campaigns, hangup: false },
            Verb::HangUp => Request::Stop { campaigns, hangup: true },
        }
    }
}

/// Writes the word into the ledger, tells the engine, and says what came of it.
pub fn say(ws: &Workspace, context: &Context, names: &[Slug], verb: Verb) -> Result<Exit, Failure> {
    let campaigns = ws.campaigns(names)?;
    let now = MachineClock.wall();
    let mut ledger = open_ledger(ws, now)?;
    for campaign in &campaigns {
        ledger.set_campaign_state(&campaign.name, verb.state(), now).map_err(|fault| ledger_failure(&fault))?;
        if verb == Verb::Resume {
            let account = account_of(ws, &campaign.carrier)?;
            ledger.adopt_account(&account, now).map_err(|fault| ledger_failure(&fault))?;
            ledger.resume_account(&account, now).map_err(|fault| ledger_failure(&fault))?;
            ledger.wake_callers(&account, &campaign.callers, now).map_err(|fault| ledger_failure(&fault))?;
        }
    }
    let request = verb.request(campaigns.iter().map(|campaign| campaign.name.clone()).collect());
    let engine = crate::run::block_on(1, async { Ok(control::tell(ws, &MachineClock, &request).await) })?;
    for campaign in &campaigns {
        let open = ledger.open_attempts(None).map_err(|fault: LedgerFault| ledger_failure(&fault))?;
        let open = open.iter().filter(|open| open.campaign == campaign.name && open.state.is_open()).count();
        let state = verb.state().as_str();
        if context.json() {
            let name = campaign.name.to_string();
            print_json(&serde_json::json!({ "campaign": name, "state": state, "engine": engine, "open": open }))?;
        } else if !context.global.quiet {
            print_line(&format!("campaign {} is {state}{}", campaign.name, heard(engine, open, verb)))?;
        }
    }
    Ok(Exit::Done)
}

fn heard(engine: bool, open: usize, verb: Verb) -> String {
    let calls = match (verb, open) {
        (Verb::Resume, _) | (_, 0) => String::new(),
        (Verb::HangUp, _) if engine => format!("; {open} calls are being ended"),
        (Verb::Pause | Verb::Stop, _) if engine => format!("; {open} calls end by themselves"),
        (Verb::Pause | Verb::Stop | Verb::HangUp, _) => {
            format!("; {open} attempts are open from before: the next run asks the carrier about them")
        }
    };
    let whom = if engine { "" } else { " (nothing runs here now: written down for the next run)" };
    format!("{whom}{calls}")
}
