//! `ahoy leads show`, `forget` and `number`: one person, or one number.

use std::io::BufRead;

use clap::Args;
use serde_json::json;

use crate::base::{Country, Exit, Failure, LeadId, Phone};
use crate::cli::{Context, print_json, print_line, sure};
use crate::core::dial::zones::zone_names;
use crate::run::clock::{Clock, MachineClock};
use crate::run::leads::{forget, page, read_ledger};
use crate::show::person::page_text;
use crate::show::words::say;
use crate::store::ledger::Ledger;
use crate::store::workspace::Workspace;

pub(super) const SHOW_HELP: &str = "\
Examples:
  ahoy leads show +359888123456
  ahoy leads show 0888123456 --country BG
  ahoy leads show 17 --json

Everything that the ledger holds about a person, in every campaign: consent, zone and hours now, each attempt and call on one
timeline with its recording and transcript, and when they are due next. The number is masked.

Exit codes: 0 shown · 1 I/O failure · 2 no such lead";
pub(super) const FORGET_HELP: &str = "\
Examples:
  ahoy leads forget +359888123456 --dry-run
  ahoy leads forget 17 --yes

Takes a person's data out of the ledger (name, number, columns, consent, tags) and removes their recordings and transcripts,
their voice at the service of [clone], its sample and the consent to it.
What stays: that a try was made, when and how it ended, under a number of nobody; and the number on the suppression list, as a
keyed hash, so that they are never called again. Copies elsewhere (backups, exports, files of refused rows) are named, not
touched. Cannot be undone.

Exit codes: 0 forgotten, or not wanted after all · 1 I/O failure · 2 no such lead, an open call, or nobody to ask (give --yes)";
pub(super) const NUMBER_HELP: &str = "\
Examples:
  ahoy leads number '+359 888 123 456'
  ahoy leads number 0888123456 --country BG --json
  cut -d, -f2 people.csv | ahoy leads number --country BG --json

What a number is: E.164, country, kind of line, time zones; or what is wrong with it. Without an argument, one number a line is
read from standard input. The numbers are yours: they are printed in full.

Exit codes: 0 all were read · 1 I/O failure · 3 some are no numbers";

#[derive(Debug, Args)]
pub(super) struct WhoArgs {
    /// Their number, or the lead's id
    #[arg(value_name = "PHONE|ID")]
    who: String,
    /// Country of a national number
    #[arg(long, value_name = "CC")]
    country: Option<Country>,
}

#[derive(Debug, Args)]
pub(super) struct ForgetArgs {
    #[command(flatten)]
    who: WhoArgs,
    /// Show what would go; change nothing
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

#[derive(Debug, Args)]
pub(super) struct NumberArgs {
    /// The numbers; none = one a line from standard input
    #[arg(value_name = "NUMBER")]
    numbers: Vec<String>,
    /// Country of national numbers
    #[arg(long, value_name = "CC")]
    country: Option<Country>,
}

impl WhoArgs {
    /// The person's leads: of a number in all campaigns, or the one of an id.
    fn find(&self, ledger: &Ledger) -> Result<Vec<LeadId>, Failure> {
        let digits = self.who.bytes().all(|byte| byte.is_ascii_digit());
        if digits && self.who.len() <= 9 && self.country.is_none() {
            let id = LeadId(self.who.parse().map_err(|_| Failure::usage("this is no lead's id"))?);
            return match ledger.person(id)? {
                // An id that was promised to a caller may stand for another row.
                Some(person) => Ok(vec![person.id]),
                None => Err(Failure::usage(format!("there is no lead {}", id.0)).next("ahoy leads list")),
            };
        }
        let phone = Phone::parse(&self.who, self.country).map_err(|fault| Failure::usage(fault.to_string()))?;
        let leads = ledger.leads_of_phone(&phone)?;
        if leads.is_empty() {
            let suppressed = if ledger.is_suppressed(&phone)? { "; it is on the suppression list" } else { "" };
            return Err(Failure::usage(format!("no lead has the number {phone}{suppressed}")).next("ahoy leads list"));
        }
        Ok(leads)
    }
}

fn open(workspace: &Workspace) -> Result<Ledger, Failure> {
    read_ledger(&workspace.ledger_path())?
        .ok_or_else(|| Failure::usage("there are no leads yet").next("ahoy leads import FILE --campaign NAME"))
}

/// Runs `ahoy leads show`.
pub(super) fn show(args: &WhoArgs, context: &Context) -> Result<Exit, Failure> {
    let workspace = context.workspace()?;
    let ledger = open(&workspace)?;
    let now = MachineClock.wall();
    for (at, lead) in args.find(&ledger)?.into_iter().enumerate() {
        let page = page::page(&workspace, &ledger, lead, now)?;
        if context.json() {
            print_json(&page)?;
        } else {
            if at > 0 {
                print_line("")?;
            }
            print_line(&page_text(&page))?;
        }
    }
    Ok(Exit::Done)
}

/// Runs `ahoy leads forget`.
pub(super) fn forget(args: &ForgetArgs, context: &Context) -> Result<Exit, Failure> {
    let workspace = context.workspace()?;
    let ledger = open(&workspace)?;
    let leads = args.who.find(&ledger)?;
    let plan = forget::plan(&workspace, &ledger, &leads)?;
    drop(ledger);
    if !plan.open.is_empty() {
        return Err(Failure::usage("a call to this person is open").next("wait until it is over, then run this again"));
    }
    let (leads, recordings) = (plan.leads.len(), plan.folders.len());
    let what = format!("{leads} leads, {} attempts, {recordings} recordings, {} voices", plan.attempts, plan.voices);
    if args.dry_run
        || (!args.yes && !sure(&format!("Forget {what}? This cannot be undone."), &format!("forget {what}"))?)
    {
        return tell(&what, true, &plan.elsewhere, context);
    }
    forget::forget(&workspace, &plan, MachineClock.wall())?;
    if plan.voices > 0 {
        let deleted = crate::run::block_on(1, async {
            Ok(crate::run::clone::desk::delete_left(&workspace, std::sync::Arc::new(MachineClock)).await)
        })?;
        if let Err(why) = deleted {
            say(&format!(
                "their voice is not deleted at the service yet ({why}): `ahoy clone add` and `remove` try again, and so does `ahoy serve`"
            ));
        }
    }
    tell(&what, false, &plan.elsewhere, context)
}

fn tell(what: &str, dry_run: bool, elsewhere: &[String], context: &Context) -> Result<Exit, Failure> {
    if context.json() {
        print_json(&json!({ "dry_run": dry_run, "what": what, "elsewhere": elsewhere }))?;
        return Ok(Exit::Done);
    }
    if context.global.quiet {
        return Ok(Exit::Done);
    }
    let done = if dry_run { "would be forgotten" } else { "forgotten; the number stays suppressed" };
    print_line(&format!("{what}: {done}"))?;
    for place in elsewhere {
        say(&format!("not touched, and may hold them too: {place}"));
    }
    Ok(Exit::Done)
}

/// Runs `ahoy leads number`.
pub(super) fn number(args: &NumberArgs, context: &Context) -> Result<Exit, Failure> {
    let mut exit = Exit::Done;
    let mut one = |text: &str| -> Result<(), Failure> {
        let told = Phone::parse(text, args.country);
        exit = if told.is_err() { exit.and(Exit::Findings) } else { exit };
        match (told, context.json()) {
            (Ok(phone), true) => {
                print_json(&json!({ "input": text, "e164": phone.expose(), "country": phone.country(),
                "kind": phone.line_kind(), "zones": zone_names(&phone), "called": phone.never_called().is_none() }))
            }
            (Err(fault), true) => {
                let kind = crate::core::lead::RowFault::Phone(fault).kind();
                print_json(&json!({ "input": text, "fault": kind, "what": fault.to_string() }))
            }
            (Ok(phone), false) => {
                let country = phone.country().map_or("no country".to_owned(), |country| country.to_string());
                let zones = zone_names(&phone);
                let shown = zones.iter().take(3).copied().collect::<Vec<_>>().join(", ");
                let more = zones.len().saturating_sub(3);
                let more = if more > 0 { format!(" and {more} more") } else { String::new() };
                let kind = serde_json::to_value(phone.line_kind()).map_err(|error| Failure::bug(error.to_string()))?;
                let kind = kind.as_str().unwrap_or("").replace('_', " ");
                print_line(&format!("{}  {country}  {kind}  {shown}{more}", phone.expose()))
            }
            (Err(fault), false) => print_line(&format!("{}: {fault}", crate::base::text::printable(text))),
        }
    };
    for text in &args.numbers {
        one(text)?;
    }
    if args.numbers.is_empty() {
        for line in std::io::stdin().lock().lines() {
            let line = line.map_err(|error| Failure::bug(format!("standard input: {error}")))?;
            one(&line)?;
        }
    }
    Ok(exit)
}
