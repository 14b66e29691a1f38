//! `ahoy cache list` and `play`: what is there, and how it sounds.

use std::fs;
use std::path::PathBuf;

use clap::Args;

use super::Campaigns;
use crate::base::{Exit, Failure, Language, Slug};
use crate::cli::{Context, print_json, print_line};
use crate::run::render::{self, AssetRow};
use crate::show::cache::{excerpt, seconds};
use crate::show::table::table;
use crate::show::words::say;
use crate::store::shelf::Shelf;
use crate::store::workspace::{Workspace, shown};

pub(super) const LIST_HELP: &str = "\
Examples:
  ahoy cache list welcome
  ahoy cache list --json | jq .fingerprint

Exit codes: 0 listed · 1 I/O failure · 2 a file is wrong";

pub(super) const PLAY_HELP: &str = "\
Examples:
  ahoy cache play welcome                         the greeting, in every language
  ahoy cache play welcome --language fr
  ahoy cache play welcome --key goodbye --language de --to goodbye.wav

Exit codes: 0 played or written · 1 no player, or I/O failure · 2 no such phrase · 13 its audio is missing or damaged";

#[derive(Debug, Args)]
pub(super) struct PlayArgs {
    /// The campaign
    campaign: Slug,
    /// The phrase
    #[arg(long, default_value = "greeting")]
    key: Slug,
    /// Its language; none = all of them
    #[arg(long)]
    language: Option<Language>,
    /// Write the WAV here instead of playing it
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
}

pub(super) fn list(ws: &Workspace, campaigns: &Campaigns, context: &Context) -> Result<Exit, Failure> {
    let rows = render::list(ws, &ws.campaigns(&campaigns.names)?)?;
    if context.json() {
        for row in &rows {
            print_json(row)?;
        }
        return Ok(Exit::Done);
    }
    let cells = |row: &AssetRow| {
        let place = [row.campaign.to_string(), row.key.to_string(), row.language.to_string()];
        let facts = [seconds(row.duration_ms), row.engine.clone(), row.bytes.to_string(), row.state.to_owned()];
        let name = [row.fingerprint.short().to_owned(), excerpt(&row.text)];
        place.into_iter().chain(facts).chain(name).collect()
    };
    let rows: Vec<Vec<String>> = rows.iter().map(cells).collect();
    let header = ["campaign", "phrase", "language", "length", "engine", "bytes", "state", "fingerprint", "text"];
    print_line(&table(&header, &rows, &[3, 5]))?;
    Ok(Exit::Done)
}

pub(super) fn play(ws: &Workspace, args: &PlayArgs, context: &Context) -> Result<Exit, Failure> {
    let campaign = ws.campaign(&args.campaign)?;
    let mut rows = render::list(ws, std::slice::from_ref(&campaign))?;
    let known: Vec<String> = rows.iter().map(|row| format!("{}.{}", row.key, row.language)).collect();
    rows.retain(|row| row.key == args.key && args.language.as_ref().is_none_or(|it| *it == row.language));
    if rows.is_empty() {
        let known = if known.is_empty() { "nothing is rendered yet".to_owned() } else { known.join(", ") };
        return Err(Failure::usage(format!(
            "campaign `{}` has no rendered phrase `{}` in that language",
            args.campaign, args.key
        ))
        .next(format!("choose from: {known}; or run `ahoy cache generate {}`", args.campaign)));
    }
    if let Some(row) = rows.iter().find(|row| row.state != "whole") {
        return Err(Failure::new(Exit::Asset, format!("`{}` in `{}` is {}", row.key, row.language, row.state))
            .next(format!("ahoy cache generate {}", args.campaign)));
    }
    let shelf = Shelf::at(&ws.cache_dir());
    if let Some(to) = &args.to {
        let [row] = rows.as_slice() else {
            let languages: Vec<String> = rows.iter().map(|row| row.language.to_string()).collect();
            return Err(
                Failure::usage("one file holds one phrase").next(format!("add --language {}", languages.join("|")))
            );
        };
        fs::copy(shelf.wav_path(&row.fingerprint), to)
            .map_err(|error| Failure::bug(format!("{}: {error}", shown(to))))?;
        return Ok(Exit::Done);
    }
    for row in &rows {
        if !context.global.quiet {
            say(&format!("{} {}: {}", row.key, row.language, row.text));
        }
        let file = shelf.wav_path(&row.fingerprint);
        crate::run::block_on(1, async { render::play(&file).await })?;
    }
    Ok(Exit::Done)
}
