//! Erasure of a person: the ledger's rows, then their recordings.

use std::fs;
use std::path::{Path, PathBuf};

use crate::base::{Failure, LeadId, Phone, Wall};
use crate::run::clone::desk;
use crate::store::ledger::{Ledger, OpenOptions, WhichClones};
use crate::store::workspace::{Workspace, shown};

/// What an erasure will do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The person's leads, in every campaign.
    pub leads: Vec<LeadId>,
    /// Every number of theirs.
    pub numbers: Vec<Phone>,
    /// Attempts that lose their number.
    pub attempts: usize,
    /// Folders of call logs, inside the calls folder.
    pub folders: Vec<PathBuf>,
    /// Leads with an open attempt: nothing is erased while there is one.
    pub open: Vec<LeadId>,
    /// Cloned voices of theirs: deleted at the services as soon as these answer.
    pub voices: usize,
    /// Files beside the ledger that may hold the person too, and are left alone.
    pub elsewhere: Vec<String>,
}

/// Finds everything of a person. `leads`: those that were asked for; others of the same numbers are added.
pub fn plan(workspace: &Workspace, ledger: &Ledger, leads: &[LeadId]) -> Result<Plan, Failure> {
    let (mut all, mut numbers): (Vec<LeadId>, Vec<Phone>) = (Vec::new(), Vec::new());
    let mut waiting = leads.to_vec();
    while let Some(lead) = waiting.pop() {
        if all.contains(&lead) {
            continue;
        }
        all.push(lead);
        let Some(person) = ledger.person(lead)? else { continue };
        for number in std::iter::once(person.phone).chain(person.more_phones.into_iter().map(|(phone, _)| phone)) {
            if !numbers.contains(&number) {
                waiting.extend(ledger.leads_of_phone(&number)?);
                numbers.push(number);
            }
        }
    }
    all.sort_unstable();
    let mut attempts = 0;
    for lead in &all {
        attempts += ledger.attempts_of_lead(*lead)?.len();
    }
    let mut voices = 0;
    for number in &numbers {
        voices += ledger.clones(WhichClones::Of(number))?.len();
    }
    let calls = workspace.calls_dir();
    let folders = ledger.call_folders(&all)?.into_iter().filter_map(|folder| inside(&calls, &folder)).collect();
    Ok(Plan {
        open: ledger.open_leads(&all)?,
        elsewhere: copies(&workspace.ledger_path()),
        leads: all,
        numbers,
        attempts,
        voices,
        folders,
    })
}

/// Does it: the recordings first, since the ledger alone knows where they are.
pub fn forget(workspace: &Workspace, plan: &Plan, now: Wall) -> Result<(), Failure> {
    for folder in &plan.folders {
        match fs::remove_dir_all(folder) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => {
                let what = format!("{} cannot be removed: {error}", shown(folder));
                return Err(Failure::bug(what).next("mend that, then run this again: the ledger still has everything"));
            }
        }
    }
    let mut ledger = Ledger::open(&workspace.ledger_path(), &OpenOptions::with_fresh_key(now))?;
    // A sample is a recording of the person, too.
    if let Some(samples) = desk::samples(workspace, &ledger) {
        for number in &plan.numbers {
            samples.remove(number)?;
        }
    }
    ledger.erase(&plan.leads, &plan.numbers, now)?;
    Ok(())
}

/// A call's folder, if its name stays inside the calls folder.
fn inside(calls: &Path, folder: &str) -> Option<PathBuf> {
    let relative = Path::new(folder);
    let plain = relative.components().all(|part| matches!(part, std::path::Component::Normal(_)));
    (plain && relative.components().count() >= 2).then(|| calls.join(relative))
}

/// Copies of the ledger and files of refused rows that lie beside it.
fn copies(ledger: &Path) -> Vec<String> {
    let Some(folder) = ledger.parent() else { return Vec::new() };
    let Ok(entries) = fs::read_dir(if folder.as_os_str().is_empty() { Path::new(".") } else { folder }) else {
        return Vec::new();
    };
    let mut found: Vec<String> = entries
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or("");
            name.ends_with(".bak") || name.ends_with(".rejected.csv")
        })
        .map(|path| shown(&path))
        .collect();
    found.sort();
    found
}
