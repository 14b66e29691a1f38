//! `ahoy cache export`: phrases as files for other telephone systems.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde_json::json;

use super::Campaigns;
use crate::base::{Exit, Failure};
use crate::cli::{Context, print_json, print_line};
use crate::core::asset::layout::Layout;
use crate::core::sound::form::FileForm;
use crate::run::render::{self, ExportAs};
use crate::show::words::say;
use crate::store::export::Became;
use crate::store::workspace::Workspace;

pub(super) const EXPORT_HELP: &str = "\
Examples:
  ahoy cache export welcome --to wav --out sounds
  ahoy cache export --to sln16 --layout asterisk --out /var/lib/asterisk/sounds
  ahoy cache export --to wav --layout freeswitch --out /usr/share/freeswitch/sounds --dry-run
  ahoy cache export support-desk --layout 3cx --out prompts

Layouts: plain CAMPAIGN/KEY.LANGUAGE.wav · asterisk LANGUAGE/CAMPAIGN/KEY.sln (play it as CAMPAIGN/KEY) ·
freeswitch LANGUAGE/CAMPAIGN/8000/KEY.wav · 3cx CAMPAIGN_KEY_LANGUAGE.wav, 8 kHz

Every phrase must be ready, or nothing is written. Files are replaced whole; a file that an earlier export did not write, or
that somebody changed since, is left alone (exit 3) unless --force.

Exit codes: 0 exported · 1 I/O failure · 2 the layout does not take the form · 3 files of somebody else were left alone ·
13 a phrase is missing, stale or damaged";

#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    #[command(flatten)]
    campaigns: Campaigns,
    /// Form of the files
    #[arg(long, value_enum, default_value_t = To::Wav)]
    to: To,
    /// Folders and names
    #[arg(long, value_enum, default_value_t = For::Plain)]
    layout: For,
    /// Folder to write to; made if it is not there
    #[arg(long, value_name = "DIR", default_value = "export")]
    out: PathBuf,
    /// Show what would be written
    #[arg(long)]
    dry_run: bool,
    /// Write over files that are not ours
    #[arg(long)]
    force: bool,
}

/// Form of the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum To {
    /// 16-bit mono WAV at the cache's rate
    Wav,
    /// The same without a header
    Raw,
    /// µ-law, 8 kHz, without a header
    Ulaw,
    /// A-law, 8 kHz, without a header
    Alaw,
    /// Signed linear, 8 kHz, without a header (Asterisk)
    Sln,
    /// Signed linear, 16 kHz, without a header (Asterisk)
    Sln16,
    /// G.722, 64 kbit/s, without a header
    G722,
}

/// Folders and names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum For {
    Plain,
    Asterisk,
    Freeswitch,
    #[value(name = "3cx")]
    ThreeCx,
}

pub(super) fn export(ws: &Workspace, args: &ExportArgs, context: &Context) -> Result<Exit, Failure> {
    let form = match args.to {
        To::Wav => FileForm::Wav,
        To::Raw => FileForm::Raw,
        To::Ulaw => FileForm::Ulaw,
        To::Alaw => FileForm::Alaw,
        To::Sln => FileForm::Sln,
        To::Sln16 => FileForm::Sln16,
        To::G722 => FileForm::G722,
    };
    let layout = match args.layout {
        For::Plain => Layout::Plain,
        For::Asterisk => Layout::Asterisk,
        For::Freeswitch => Layout::FreeSwitch,
        For::ThreeCx => Layout::ThreeCx,
    };
    if !layout.takes(form) {
        let what = format!("this layout does not take .{} files", form.ending());
        return Err(Failure::usage(what).next("--to wav is taken by all of them"));
    }
    let how = ExportAs { layout, form, force: args.force, dry_run: args.dry_run };
    let rows = render::export(ws, &ws.campaigns(&args.campaigns.names)?, &args.out, how)?;
    let count = |became: Became| rows.iter().filter(|row| row.became == became).count();
    let (written, same, foreign) = (count(Became::Written), count(Became::Same), count(Became::Foreign));
    if context.json() {
        for row in &rows {
            print_json(row)?;
        }
        print_json(&json!({ "out": args.out, "dry_run": args.dry_run, "written": written, "same": same,
            "foreign": foreign }))?;
    } else {
        let did = if args.dry_run { "would be written" } else { "written" };
        for row in rows.iter().filter(|row| row.became == Became::Written && (args.dry_run || !context.global.quiet)) {
            print_line(&row.file)?;
        }
        for row in rows.iter().filter(|row| row.became == Became::Foreign) {
            say(&format!("left alone: {} is not ours (--force writes over it)", row.file));
        }
        if !context.global.quiet {
            say(&format!(
                "{written} files {did} to {}, {same} are there already, {foreign} left alone",
                args.out.display()
            ));
        }
    }
    Ok(if foreign > 0 { Exit::Findings } else { Exit::Done })
}
