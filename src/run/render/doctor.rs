//! `cache doctor`: the folder, its file system, the engines that campaigns name. No request leaves this machine.

use std::collections::BTreeSet;

use serde::Serialize;

use super::shelf_of;
use super::survey::open_engine;
use crate::base::{Exit, Failure};
use crate::core::config::Campaign;
use crate::core::cost::{Standing, table};
use crate::run::clock::{Clock, MachineClock};
use crate::store::workspace::Workspace;

/// Free space under which a warning is due.
const ROOM: u64 = 200 << 20;
/// Names that one line mentions.
const NAMED: usize = 5;

/// How a thing stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Is {
    /// As it should be.
    Ok,
    /// Worth a look.
    Warn,
    /// It will fail.
    Bad,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Checkup {
    /// What.
    pub what: String,
    /// How it stands.
    pub is: Is,
    /// What was found.
    pub found: String,
    /// What to do; empty = nothing.
    pub next: String,
}

impl Checkup {
    fn new(what: &str, is: Is, found: impl Into<String>, next: &str) -> Checkup {
        Checkup { what: what.to_owned(), is, found: found.into(), next: next.to_owned() }
    }
}

/// Looks at everything. The exit code is that of the worst: 13 if nothing can be rendered or kept, 3 for warnings.
pub fn doctor(ws: &Workspace, campaigns: &[Campaign]) -> Result<(Vec<Checkup>, Exit), Failure> {
    let mut all = folder(ws)?;
    let mut seen = BTreeSet::new();
    for campaign in campaigns {
        for language in campaign.greeting.texts.keys() {
            let name = campaign.voice.engine_for(language);
            let model = campaign.voice.model_for(language);
            if seen.insert((name.to_owned(), model.map(str::to_owned))) {
                all.push(engine(ws, name, model));
            }
        }
    }
    let worst = all.iter().fold(Exit::Done, |exit, it| {
        exit.and(match it.is {
            Is::Ok => Exit::Done,
            Is::Warn => Exit::Findings,
            Is::Bad => Exit::Asset,
        })
    });
    Ok((all, worst))
}

fn folder(ws: &Workspace) -> Result<Vec<Checkup>, Failure> {
    let shelf = shelf_of(ws);
    let health = shelf.health()?;
    let place = ws.cache_dir().display().to_string();
    if !health.exists {
        return Ok(vec![Checkup::new(
            "folder",
            Is::Ok,
            format!("{place} is not there yet"),
            "`ahoy cache generate` makes it",
        )]);
    }
    let mut all = vec![match &health.unwritable {
        None => Checkup::new("folder", Is::Ok, format!("{place}, {} assets", health.assets), ""),
        Some(why) => Checkup::new("folder", Is::Bad, format!("{place}: {why}"), "let this user write into it"),
    }];
    all.push(match health.free_bytes {
        Some(free) if free < ROOM => {
            Checkup::new("free space", Is::Warn, format!("{} MiB", free >> 20), "make room, or move [cache] dir")
        }
        Some(free) => Checkup::new("free space", Is::Ok, format!("{} MiB", free >> 20), ""),
        None => Checkup::new("free space", Is::Warn, "not to be found out", ""),
    });
    let listed = |names: &[String]| {
        let more = if names.len() > NAMED { format!(" and {} more", names.len() - NAMED) } else { String::new() };
        format!("{}{more}", names.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", "))
    };
    let rows = [
        ("links", &health.links, Is::Bad, "nothing here follows links: put the files themselves there"),
        (
            "sound without record",
            &health.without_record,
            Is::Warn,
            "a writer died: `ahoy cache generate` renders it, prune clears it",
        ),
        (
            "records without sound",
            &health.without_sound,
            Is::Warn,
            "`ahoy cache generate` renders them, prune clears them",
        ),
        ("temporary files", &health.temporary, Is::Warn, "unless a generation is at work: the next one sweeps them"),
        ("foreign files", &health.foreign, Is::Warn, "move them elsewhere: the cache is for assets"),
    ];
    for (what, names, is, next) in rows {
        if !names.is_empty() {
            all.push(Checkup::new(what, is, listed(names), next));
        }
    }
    let busy = if health.unwritable.is_none() { shelf.generation()?.is_none() } else { false };
    if busy {
        all.push(Checkup::new("generation", Is::Ok, "another process generates now", ""));
    }
    Ok(all)
}

fn engine(ws: &Workspace, name: &str, model: Option<&str>) -> Checkup {
    let what = match model {
        Some(model) => format!("engine {name}, model {model}"),
        None => format!("engine {name}"),
    };
    let engine = match open_engine(ws, name) {
        Ok(engine) => engine,
        Err(fault) => return Checkup::new(&what, Is::Bad, fault.to_string(), "install it, or set its key"),
    };
    let Some(model) = engine.model(model) else { return Checkup::new(&what, Is::Ok, engine.version(), "") };
    match table().standing(model.kind, &model.id, MachineClock.wall()) {
        Standing::Fine => Checkup::new(&what, Is::Ok, engine.version(), ""),
        Standing::EndsSoon { date, successor } => {
            Checkup::new(&what, Is::Warn, format!("ends on {date}"), &format!("change to {successor} before"))
        }
        Standing::Ended { date, successor } => {
            Checkup::new(&what, Is::Bad, format!("not served since {date}"), &format!("change to {successor}"))
        }
        Standing::Unknown => Checkup::new(&what, Is::Warn, "not in the table of models", "its price is not known"),
    }
}
