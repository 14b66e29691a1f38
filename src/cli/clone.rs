//! `ahoy clone`: callers' voices, made ahead, listed, removed.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::json;

use super::{Context, print_json, print_line};
use crate::base::{Country, Exit, Failure, Phone, Wall, limits};
use crate::core::clone::Consent;
use crate::core::clone::sample::{Wanted, check};
use crate::run::clock::{Clock, MachineClock};
use crate::run::clone::Cloner;
use crate::run::clone::desk::{self, Added, Listed, Planned, Removed};
use crate::show::clones::{self, CloneLine, EventLine, clone_json, clones_text, slots_json, slots_text};
use crate::show::words::say;

const ADD_HELP: &str = "\
Examples:
  ahoy clone add +359888123456 --sample ana.wav --consent 'by letter' --consented-on 2026-11-02
  ahoy clone add --all --dry-run        who has a sample and consent, what would be made, what slots there are
  ahoy clone add --all --quiet          before a campaign, or from cron

Makes the voice of a caller at the service of [clone], of a sample and a consent in the folder of samples (docs/CLONES.md).
Without consent that is written down with its day, none is made. A voice that is there is not made again; one of another
sample, or expired, is replaced. A voice whose answer was lost is found, not made twice.

--sample copies the file into the folder under a keyed name, so that nothing there tells the number.

Exit codes: 0 all voices are there · 1 I/O failure · 2 usage, or a file is wrong · 3 some are not, each with its reason ·
12 the service refuses the account · 130 stopped";
const LIST_HELP: &str = "\
Examples:
  ahoy clone list
  ahoy clone list +359888123456 --events 20
  ahoy clone list --json

Voices in the ledger, the last used first, with what happened to them; voices that are still to be deleted at the service.
Numbers are masked. Nothing is asked of the service.

Exit codes: 0 the list was shown · 1 I/O failure · 2 usage";
const REMOVE_HELP: &str = "\
Examples:
  ahoy clone remove +359888123456
  ahoy clone remove 17 --with-sample
  ahoy clone remove --all --yes

Deletes voices at the service and in the ledger. --with-sample also removes the sample and the consent, so that none is made
again. A voice that cannot be deleted now is tried again by `ahoy clone add` and `remove` and by `ahoy serve`. `ahoy leads forget` does
all of this for a person.

Exit codes: 0 removed · 1 I/O failure · 2 usage, no such clone · 3 the service has not deleted all of them yet ·
12 the service refuses the account · 130 stopped";

/// Events of a clone that a list shows.
const EVENTS: u32 = 3;

/// Arguments of `ahoy clone`.
#[derive(Debug, Args)]
pub struct CloneArgs {
    #[command(subcommand)]
    command: CloneCommand,
}

/// What to do with clones.
#[derive(Debug, Subcommand)]
enum CloneCommand {
    /// Make callers' voices ahead of their calls
    #[command(after_help = ADD_HELP)]
    Add(AddArgs),
    /// List voices and what happened to them
    #[command(after_help = LIST_HELP)]
    List(ListArgs),
    /// Delete voices
    #[command(after_help = REMOVE_HELP)]
    Remove(RemoveArgs),
}

#[derive(Debug, Args)]
struct AddArgs {
    /// Their numbers
    #[arg(value_name = "PHONE", required_unless_present = "all")]
    callers: Vec<String>,
    /// Everybody in the list of samples
    #[arg(long, conflicts_with_all = ["callers", "sample"])]
    all: bool,
    /// Country of national numbers
    #[arg(long, value_name = "CC")]
    country: Option<Country>,
    /// Their sample, WAV or MP3: it is copied into the folder of samples
    #[arg(long, value_name = "FILE", requires_all = ["consent", "consented_on"])]
    sample: Option<PathBuf>,
    /// What they agreed to, in words
    #[arg(long, value_name = "TEXT", requires = "sample")]
    consent: Option<String>,
    /// When: 2026-11-21
    #[arg(long, value_name = "DAY", requires = "sample")]
    consented_on: Option<String>,
    /// The recording of their consent, which OpenAI and Gemini want to hear
    #[arg(long, value_name = "FILE", requires = "sample")]
    consent_sample: Option<PathBuf>,
    /// Its language, such as en-US
    #[arg(long, value_name = "TAG", requires = "sample")]
    language: Option<String>,
    /// Show what would be made and what slots there are; make and change nothing
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Args)]
struct ListArgs {
    /// Only these numbers
    #[arg(value_name = "PHONE")]
    callers: Vec<String>,
    /// Country of national numbers
    #[arg(long, value_name = "CC")]
    country: Option<Country>,
    /// Events that are shown of each
    #[arg(long, value_name = "N", default_value_t = EVENTS)]
    events: u32,
}

#[derive(Debug, Args)]
struct RemoveArgs {
    /// Numbers, or ids of `ahoy clone list`
    #[arg(value_name = "PHONE|ID", required_unless_present = "all")]
    callers: Vec<String>,
    /// Every clone
    #[arg(long, conflicts_with = "callers", requires = "yes")]
    all: bool,
    /// Country of national numbers
    #[arg(long, value_name = "CC")]
    country: Option<Country>,
    /// Also remove their samples and consents
    #[arg(long)]
    with_sample: bool,
    /// Really all of them
    #[arg(long)]
    yes: bool,
}

/// Runs `ahoy clone`.
pub fn run(args: &CloneArgs, context: &Context) -> Result<Exit, Failure> {
    let ws = context.workspace()?;
    crate::run::block_on(2, async {
        let cloner = desk::open(&ws, Arc::new(MachineClock))?;
        let work = async {
            match &args.command {
                CloneCommand::Add(args) => add(args, &cloner, context).await,
                CloneCommand::List(args) => list(args, &cloner, context).await,
                CloneCommand::Remove(args) => remove(args, &cloner, context).await,
            }
        };
        crate::run::stop::or_stopped(work).await
    })
}

fn phones(texts: &[String], country: Option<Country>) -> Result<Vec<Phone>, Failure> {
    let read = |text: &String| Phone::parse(text, country).map_err(|fault| Failure::usage(fault.to_string()));
    let mut all: Vec<Phone> = texts.iter().map(read).collect::<Result<_, _>>()?;
    all.sort_unstable();
    all.dedup();
    Ok(all)
}

async fn add(args: &AddArgs, cloner: &Arc<Cloner>, context: &Context) -> Result<Exit, Failure> {
    let mut callers = phones(&args.callers, args.country)?;
    if args.sample.is_some() {
        let [caller] = callers.as_slice() else {
            return Err(Failure::usage("--sample is one person's: name one number"));
        };
        keep(args, caller, cloner)?;
    }
    if args.all {
        let (everybody, nobody) = cloner.everybody().await?;
        callers = everybody;
        if nobody > 0 && !context.global.quiet {
            say(&format!("{nobody} rows of the list have a keyed name that no lead has: name these by number"));
        }
    }
    if args.dry_run {
        return plan(&callers, cloner, context).await;
    }
    let (mut exit, mut rows) = (Exit::Done, Vec::new());
    let told = |added: &Added| {
        if let Err(fault) = &added.outcome {
            exit = exit.and(desk::exit_of(fault));
        }
        if context.json() {
            return print_json(&added_json(added));
        }
        rows.push(added_row(added));
        Ok(())
    };
    // What an earlier run left undone first: a voice whose answer was lost is found, not made again.
    if let Err(fault) = cloner.sweep().await
        && !context.global.quiet
    {
        say(&format!("note: {fault}"));
    }
    cloner.add(callers, told).await?;
    if !context.json() && !rows.is_empty() {
        print_line(&clones_table(&rows))?;
    }
    Ok(exit)
}

fn clones_table(rows: &[Vec<String>]) -> String {
    crate::show::table::table(&["caller", "", "voice", "after"], rows, &[])
}

fn added_row(added: &Added) -> Vec<String> {
    let (what, voice) = match &added.outcome {
        Ok((voice, true)) => ("was there".to_owned(), voice.clone()),
        Ok((voice, false)) => ("made".to_owned(), voice.clone()),
        Err(fault) => (format!("not made: {fault}"), "-".to_owned()),
    };
    vec![clones::caller(&added.caller), what, voice, clones::seconds(added.took)]
}

fn added_json(added: &Added) -> serde_json::Value {
    let (voice, cached) = added.outcome.as_ref().map_or((None, false), |(voice, cached)| (Some(voice), *cached));
    let fault = added.outcome.as_ref().err();
    json!({ "caller": clones::caller(&added.caller), "ready": fault.is_none(), "voice": voice, "cached": cached,
        "took_ms": u64::try_from(added.took.as_millis()).unwrap_or(u64::MAX), "fault": fault.map(|it| it.kind()),
        "error": fault.map(ToString::to_string) })
}

/// Puts a sample into the folder, if it is one.
fn keep(args: &AddArgs, caller: &Phone, cloner: &Cloner) -> Result<(), Failure> {
    let wanted = Wanted::by(cloner.provider());
    let read = |path: &PathBuf, wanted: Wanted| {
        let bytes = crate::store::samples::read_sample(path)?;
        check(&bytes, wanted).map_err(|fault| Failure::usage(format!("{}: {fault}", path.display())))
    };
    let (Some(sample), Some(text), Some(on)) = (&args.sample, &args.consent, &args.consented_on) else {
        return Err(Failure::usage("--sample needs --consent and --consented-on"));
    };
    let consent = Consent::read(on, text).and_then(|consent| consent.counts(MachineClock.wall()).map(|()| consent));
    let consent = consent.map_err(|why| Failure::usage(format!("this is no consent: {why}")))?;
    let sample = read(sample, wanted)?;
    let spoken = args.consent_sample.as_ref().map(|path| read(path, wanted.consent())).transpose()?;
    if args.dry_run {
        return Ok(());
    }
    cloner.samples().keep(caller, &sample, spoken.as_ref(), &consent, args.language.as_deref())
}

async fn plan(callers: &[Phone], cloner: &Arc<Cloner>, context: &Context) -> Result<Exit, Failure> {
    let (mut rows, mut wanted) = (Vec::new(), 0);
    for caller in callers {
        let planned = cloner.planned(caller).await?;
        let (would, why) = match &planned {
            Planned::There => ("nothing", "the voice is there".to_owned()),
            Planned::Look => ("look", "an upload's answer was lost: its voice is looked for".to_owned()),
            Planned::Make { length_ms, replaces } => {
                wanted += 1;
                let of = format!("of {} of sound", clones::seconds(Duration::from_millis(*length_ms)));
                (if *replaces { "replace" } else { "make" }, of)
            }
            Planned::Not(fault) => ("not", fault.to_string()),
        };
        if context.json() {
            let fault = if let Planned::Not(fault) = &planned { Some(fault.kind()) } else { None };
            print_json(&json!({ "caller": clones::caller(caller), "would": would, "why": why, "fault": fault }))?;
        } else {
            rows.push(vec![clones::caller(caller), would.to_owned(), why]);
        }
    }
    let slots = cloner.slots().await?;
    if context.json() {
        print_json(&slots_json(&slots))?;
    } else {
        print_line(&crate::show::table::table(&["caller", "would", ""], &rows, &[]))?;
        let told = slots_text(&slots);
        let told = if told.is_empty() { "the service does not tell its slots".to_owned() } else { told };
        say(&format!("would make {wanted}; the account has {told}"));
    }
    Ok(Exit::Done)
}

async fn list(args: &ListArgs, cloner: &Arc<Cloner>, context: &Context) -> Result<Exit, Failure> {
    let callers = phones(&args.callers, args.country)?;
    let (listed, leaving) = cloner.listed(&callers, args.events.min(limits::LIST_ROWS)).await?;
    let lines: Vec<CloneLine> = listed.iter().map(line).collect();
    if context.json() {
        for line in &lines {
            print_json(&clone_json(line))?;
        }
        for it in &leaving {
            print_json(&json!({ "leaving": it.voice, "label": it.label, "why": it.why, "since": it.since.rfc3339(),
                "tries": it.tries, "error": it.fault }))?;
        }
        return Ok(Exit::Done);
    }
    if lines.is_empty() {
        say("no voice is listed");
    } else {
        print_line(&clones_text(&lines))?;
    }
    for it in &leaving {
        let voice = it.voice.as_deref().unwrap_or("of a lost answer");
        let fault = it.fault.as_ref().map_or(String::new(), |fault| format!(", last time: {fault}"));
        say(&format!("to be deleted at the service: voice {voice} ({}), {} tries{fault}", it.why, it.tries));
    }
    Ok(Exit::Done)
}

fn line(listed: &Listed) -> CloneLine {
    let row = &listed.row;
    let shown = |at: Option<Wall>| at.map(clones::moment);
    CloneLine {
        id: row.id,
        caller: clones::caller(&row.phone),
        provider: row.provider.as_str(),
        state: row.state.as_str(),
        voice: row.known.voice.clone(),
        made: shown(row.made_at),
        used: clones::moment(row.used_at),
        expires: shown(row.known.expires_at),
        consented_on: row.consent.on.date(),
        consent: row.consent.text.clone(),
        reason: row.reason.clone(),
        events: listed.events.iter().map(event_line).collect(),
    }
}

/// An event in words.
pub(super) fn event_line(event: &crate::store::ledger::CloneEvent) -> EventLine {
    EventLine {
        at: clones::moment(event.at),
        event: format!("clone-{}", event.kind),
        call: event.call.map(|call| call.to_string()),
        took_ms: event.took_ms,
        cached: event.cached,
        fault: event.fault.clone(),
        error: event.error.clone(),
    }
}

async fn remove(args: &RemoveArgs, cloner: &Arc<Cloner>, context: &Context) -> Result<Exit, Failure> {
    let (all, _) = cloner.listed(&[], 0).await?;
    let mut callers: Vec<Phone> = Vec::new();
    for text in &args.callers {
        let id = text
            .parse::<i64>()
            .ok()
            .filter(|_| text.len() <= 9 && text.bytes().all(|b| b.is_ascii_digit()) && args.country.is_none());
        match id {
            Some(id) => match all.iter().find(|it| it.row.id == id) {
                Some(found) => callers.push(found.row.phone.clone()),
                None => return Err(Failure::usage(format!("there is no clone {id}")).next("ahoy clone list")),
            },
            None => callers.extend(phones(std::slice::from_ref(text), args.country)?),
        }
    }
    if args.all {
        callers = all.iter().map(|it| it.row.phone.clone()).collect();
    }
    let missing = callers.iter().find(|caller| !args.with_sample && !all.iter().any(|it| it.row.phone == **caller));
    if let Some(caller) = missing {
        return Err(Failure::usage(format!("{caller} has no clone")).next("ahoy clone list"));
    }
    let removed = cloner.remove(&callers, args.with_sample).await?;
    tell(&removed, context)?;
    Ok(if removed.left.is_some() { Exit::Findings } else { Exit::Done })
}

fn tell(removed: &Removed, context: &Context) -> Result<(), Failure> {
    if context.json() {
        return print_json(&json!({ "clones": removed.clones, "samples": removed.samples,
            "deleted": removed.swept.deleted, "later": removed.swept.later, "left": removed.left }));
    }
    if let Some(why) = &removed.left {
        say(&format!("still at the service: {why}; `ahoy clone add` and `remove` try again, and so does `ahoy serve`"));
    }
    if context.global.quiet {
        return Ok(());
    }
    print_line(&format!(
        "{} clones and {} samples removed, {} voices deleted at the service",
        removed.clones, removed.samples, removed.swept.deleted
    ))
}
