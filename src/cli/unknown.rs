//! `ahoy calls list --unknown`: what belongs to no call of the ledger.

use std::path::Path;

use serde_json::json;

use super::{Context, print_json, print_line};
use crate::base::{Exit, Failure, limits};
use crate::run::leads::read_ledger;
use crate::show::calls as show;
use crate::show::words::say;
use crate::store::calllog;

/// Lists folders of calls that the ledger does not know, and what carriers told about attempts that it does not know.
pub fn run(calls: &Path, limit: usize, context: &Context) -> Result<Exit, Failure> {
    let ws = context.workspace()?;
    let ledger = read_ledger(&ws.ledger_path())?;
    let mut folders = Vec::new();
    for (call, folder) in calllog::list(calls, limits::CALL_FOLDERS)? {
        let known = ledger.as_ref().map_or(Ok(false), |ledger| ledger.has_call(call))?;
        if !known && folders.len() < limit {
            folders.push((call, folder));
        }
    }
    let most = u32::try_from(limit).unwrap_or(u32::MAX);
    let strays = ledger.map_or(Ok(Vec::new()), |ledger| ledger.strays(most))?;
    if context.json() {
        for (call, folder) in &folders {
            print_json(&json!({ "kind": "folder", "call": call, "folder": folder, "why": "unknown_call" }))?;
        }
        for stray in &strays {
            print_json(stray)?;
        }
        return Ok(Exit::Done);
    }
    if folders.is_empty() && strays.is_empty() {
        say("every folder, recording and callback belongs to a call of the ledger");
        return Ok(Exit::Done);
    }
    let mut rows: Vec<[String; 5]> = Vec::new();
    for (call, folder) in folders {
        let place = folder.display().to_string();
        rows.push(["folder".to_owned(), place, call.to_string(), "unknown call".to_owned(), String::new()]);
    }
    for it in strays {
        rows.push([it.kind, it.subject, it.attempt, it.why.replace('_', " "), it.at]);
    }
    print_line(&show::unknown(&rows))?;
    say("none of these is attached to a lead; `ahoy reconcile --import` writes down calls that this ledger lost");
    Ok(Exit::Done)
}
