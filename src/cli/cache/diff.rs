//! `ahoy cache diff`: two locks compared.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use crate::base::{Exit, Failure};
use crate::cli::{Context, print_json, print_line};
use crate::core::asset::Lock;
use crate::core::asset::diff::{How, diff as compare};
use crate::show::cache::seconds;
use crate::show::table::table;
use crate::store::shelf::read_lock_file;

pub(super) const DIFF_HELP: &str = "\
Examples:
  ahoy cache diff before.lock campaigns/welcome/assets.lock
  ahoy cache diff campaigns/old campaigns/new          two campaigns' folders
  git show main:campaigns/welcome/assets.lock > /tmp/main.lock; ahoy cache diff /tmp/main.lock campaigns/welcome

Exit codes: 0 the same · 1 I/O failure · 2 no lock file · 3 they differ";

#[derive(Debug, Args)]
pub(super) struct DiffArgs {
    /// A lock file, or a campaign's folder
    before: PathBuf,
    /// Another one
    after: PathBuf,
}

pub(super) fn diff(args: &DiffArgs, context: &Context) -> Result<Exit, Failure> {
    let (differences, same) = compare(&lock(&args.before)?, &lock(&args.after)?);
    if context.json() {
        for it in &differences {
            print_json(it)?;
        }
        print_json(&json!({ "different": differences.len(), "same": same }))?;
    } else if !differences.is_empty() {
        let rows: Vec<Vec<String>> = differences
            .iter()
            .map(|it| {
                let (what, length) = match &it.how {
                    How::Added { duration_ms } => ("added".to_owned(), seconds(*duration_ms)),
                    How::Removed { duration_ms } => ("removed".to_owned(), seconds(*duration_ms)),
                    How::Changed { inputs, before_ms, after_ms } => {
                        let names: Vec<String> = inputs.iter().map(ToString::to_string).collect();
                        let what =
                            if names.is_empty() { "other bytes, same inputs".to_owned() } else { names.join(", ") };
                        (format!("changed: {what}"), format!("{} → {}", seconds(*before_ms), seconds(*after_ms)))
                    }
                };
                vec![it.key.to_string(), it.language.to_string(), what, length]
            })
            .collect();
        print_line(&table(&["phrase", "language", "change", "length"], &rows, &[]))?;
    }
    if !context.json() && !context.global.quiet {
        print_line(&format!("{} differ, {same} are the same", differences.len()))?;
    }
    Ok(if differences.is_empty() { Exit::Done } else { Exit::Findings })
}

fn lock(path: &Path) -> Result<Lock, Failure> {
    let file = if path.is_dir() { path.join("assets.lock") } else { path.to_owned() };
    read_lock_file(&file)?.ok_or_else(|| {
        Failure::usage(format!("{} is not there", file.display())).next("name a lock file, or a campaign's folder")
    })
}
