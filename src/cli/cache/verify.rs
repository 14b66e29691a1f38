//! `ahoy cache verify`: lock, phrases and audio, offline; or any sound files.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde_json::json;

use super::Campaigns;
use crate::base::{Exit, Failure, Language};
use crate::cli::{Context, print_json, print_line};
use crate::core::asset::verify::Binding;
use crate::core::config::Campaign;
use crate::core::ear::finding::{self, FailOn};
use crate::core::ear::{Finding, Severity};
use crate::run::listen::{self, HeardPhrase};
use crate::run::render::{self, Depth, FilesAsked, Verified};
use crate::show::findings::{self as forms, Checked};
use crate::show::words::say;
use crate::store::soundfile::FileForm;
use crate::store::workspace::Workspace;

pub(super) const VERIFY_HELP: &str = "\
Examples:
  ahoy cache verify                       all campaigns
  ahoy cache verify ci-example --json     one finding a line, then a summary
  ahoy cache verify --locked              the lock's hash binds for every engine (audio committed beside its lock)
  ahoy cache verify --quick               the bytes only, not what is heard
  ahoy cache verify --format junit > report.xml
  ahoy cache verify welcome --listen scribe   somebody else writes down what each phrase says
  ahoy cache verify --files sounds/ hello.wav --json
  ahoy cache verify --files *.wav --rate 16000 --fail-on error

Findings have stable codes (docs/CACHE.md lists them) and a severity. With --files no workspace is needed: WAV files, and
.ulaw, .alaw, .sln, .sln16 without header; hello.txt beside hello.wav is its text.

Exit codes: 0 all is sound · 1 I/O failure · 2 a file is wrong · 3 findings (stale, refused by the ear) ·
13 audio missing, changed or unreadable (stronger than 3)";

#[derive(Debug, Args)]
pub(super) struct VerifyArgs {
    #[command(flatten)]
    campaigns: Campaigns,
    /// Hold every file to the lock's hash, also from engines that never give the same samples twice
    #[arg(long)]
    locked: bool,
    /// Compare the bytes only; do not listen
    #[arg(long, conflicts_with = "full")]
    quick: bool,
    /// Listen to every file, also to those that were heard before
    #[arg(long)]
    full: bool,
    /// Form of the findings
    #[arg(long, value_enum, value_name = "FORM")]
    format: Option<Format>,
    /// From which severity on a finding fails the run: note, warning, error, never
    #[arg(long, value_name = "SEVERITY", default_value = "warning", value_parser = fail_on)]
    fail_on: FailAt,
    /// Have each phrase written down by this transcriber of ahoy.toml, and compare the words (asks a service: costs money)
    #[arg(long, value_name = "TRANSCRIBER", conflicts_with_all = ["quick", "files"])]
    listen: Option<String>,
    /// Check these files and folders, without a workspace
    #[arg(long, value_name = "PATH", num_args = 1.., conflicts_with_all = ["names", "locked", "quick", "full"])]
    files: Vec<PathBuf>,
    /// With --files: the sample rates that are good [default: 8000 and 16000]
    #[arg(long, value_name = "HZ", requires = "files", value_parser = clap::value_parser!(u32).range(8_000..=48_000))]
    rate: Vec<u32>,
    /// With --files: other codings, several channels and all rates are good too
    #[arg(long, requires = "files", conflicts_with = "rate")]
    any_form: bool,
    /// With --files: language of the texts beside them
    #[arg(long, value_name = "TAG", requires = "files", default_value = "en")]
    language: Language,
}

/// Form of the findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// A table for people
    Text,
    /// One object a line
    Json,
    /// JUnit XML: one case a phrase
    Junit,
    /// Workflow commands that GitHub shows at file and line
    Github,
    /// SARIF 2.1.0, for code scanning
    Sarif,
}

/// Wraps [`FailOn`], because clap reads an `Option` as an argument that may be left out.
#[derive(Debug, Clone, Copy)]
pub(super) struct FailAt(FailOn);

fn fail_on(word: &str) -> Result<FailAt, String> {
    match word {
        "never" => Ok(FailAt(None)),
        word => word.parse::<Severity>().map(|it| FailAt(Some(it))).map_err(|what| format!("{what}, never")),
    }
}

pub(super) fn verify(args: &VerifyArgs, context: &Context) -> Result<Exit, Failure> {
    let format = args.format.unwrap_or(if context.json() { Format::Json } else { Format::Text });
    if !args.files.is_empty() {
        return verify_files(args, format, context);
    }
    let ws = context.workspace()?;
    let binding = if args.locked { Binding::Always } else { Binding::Reproducible };
    let depth = match (args.quick, args.full) {
        (true, _) => Depth::Hashes,
        (false, true) => Depth::Full,
        (false, false) => Depth::Changed,
    };
    let campaigns = ws.campaigns(&args.campaigns.names)?;
    let mut verified = render::verify(&ws, &campaigns, binding, depth)?;
    if let Some(name) = &args.listen {
        let heard = listened(&ws, &campaigns, name, verified.phrases.len(), format, context)?;
        verified.findings.extend(heard);
    }
    let exit = finding::exit(&verified.findings, args.fail_on.0);
    print(&verified, format, args.fail_on.0, exit, context)?;
    Ok(exit)
}

/// What a transcriber hears: its findings. The words of each phrase are data in the JSON form, and words elsewhere.
fn listened(
    ws: &Workspace,
    campaigns: &[Campaign],
    name: &str,
    phrases: usize,
    format: Format,
    context: &Context,
) -> Result<Vec<Finding>, Failure> {
    let shown = !context.global.quiet && format == Format::Text;
    let bar = crate::show::progress::work_bar(shown, "listening");
    bar.set_length(phrases as u64);
    let heard = crate::run::block_on(2, async {
        let each = || bar.inc(1);
        crate::run::stop::or_stopped(listen::listen(ws, campaigns, name, &each)).await
    });
    bar.finish_and_clear();
    let heard = heard?;
    for it in &heard.phrases {
        if format == Format::Json {
            print_json(&json!({ "campaign": it.phrase.campaign, "key": it.phrase.key, "language": it.phrase.language,
                "heard": it.heard, "word_error_rate": (it.comparison.error_rate * 10_000.0).round() / 10_000.0,
                "missing": it.comparison.missing, "extra": it.comparison.extra }))?;
        }
    }
    if !context.global.quiet {
        let (words, count) =
            (heard.phrases.iter().map(|it| it.comparison.error_rate).sum::<f64>(), heard.phrases.len());
        let mean = if count == 0 { 0.0 } else { words / count as f64 * 100.0 };
        say(&format!("{count} phrases heard by `{name}`, word error rate {mean:.1} % on average, {}", heard.cost));
    }
    if let Some((phrase, why)) = heard.failed.first() {
        let (failed, of) = (heard.failed.len(), format!("{} in {}", phrase.key, phrase.language));
        let what = format!("{failed} phrases could not be heard; `{of}`: {why}");
        return Err(Failure::new(Exit::Asset, what).next("run it again"));
    }
    Ok(heard.phrases.iter().filter_map(HeardPhrase::finding).collect())
}

fn print(verified: &Verified, format: Format, fail_on: FailOn, exit: Exit, context: &Context) -> Result<(), Failure> {
    let findings = &verified.findings;
    let (phrases, assets) = (verified.phrases.len(), verified.assets);
    match format {
        Format::Json => {
            for it in findings {
                print_json(&forms::phrase_json(it))?;
            }
            let (found, code) = (findings.len(), exit.code());
            print_json(&json!({ "phrases": phrases, "assets": assets, "findings": found, "exit": code }))
        }
        Format::Text if findings.is_empty() && context.global.quiet => Ok(()),
        Format::Text if findings.is_empty() => print_line(&format!("{phrases} phrases, {assets} assets: all sound")),
        Format::Text => {
            print_line(&forms::findings_table(findings))?;
            let found = match findings.len() {
                1 => "1 finding".to_owned(),
                many => format!("{many} findings"),
            };
            let next = "`ahoy cache generate` renders what is missing, stale or damaged";
            say(&format!("{found} in {phrases} phrases; {next}"));
            Ok(())
        }
        Format::Junit | Format::Github | Format::Sarif => {
            let checked: Vec<Checked> = verified.phrases.iter().map(Checked::phrase).collect();
            print_whole(format, &checked, findings, fail_on)
        }
    }
}

fn print_whole(format: Format, checked: &[Checked], findings: &[Finding], fail_on: FailOn) -> Result<(), Failure> {
    match format {
        Format::Junit => print_line(forms::junit(checked, findings, fail_on).map_err(Failure::bug)?.trim_end()),
        Format::Github => findings.iter().try_for_each(|it| print_line(&forms::github(it))),
        Format::Sarif => print_json(&forms::sarif(findings, env!("CARGO_PKG_VERSION"))),
        Format::Text | Format::Json => Err(Failure::bug("this form is told as it comes")),
    }
}

fn verify_files(args: &VerifyArgs, format: Format, context: &Context) -> Result<Exit, Failure> {
    let telephone = FileForm::telephone();
    let rates = match (args.any_form, args.rate.is_empty()) {
        (true, _) => Vec::new(),
        (false, true) => telephone.rates,
        (false, false) => args.rate.clone(),
    };
    let asked = FilesAsked {
        paths: args.files.clone(),
        form: FileForm { rates, any_coding: args.any_form },
        language: args.language.clone(),
    };
    let mut exit = Exit::Done;
    // Only a report that names every file needs them all at once; the others are told as they come.
    let (mut checked, mut kept, mut found) = (Vec::new(), Vec::new(), 0u64);
    let files = render::verify_files(&asked, &mut |name, findings| {
        exit = exit.and(finding::exit(findings, args.fail_on.0));
        found += findings.len() as u64;
        match format {
            Format::Text => findings.iter().try_for_each(|it| print_line(&forms::file_line(it))),
            Format::Json => findings.iter().try_for_each(|it| print_json(&forms::file_json(it))),
            Format::Github => findings.iter().try_for_each(|it| print_line(&forms::github(it))),
            Format::Junit | Format::Sarif => {
                checked.push(Checked::file(name));
                kept.extend_from_slice(findings);
                Ok(())
            }
        }
    })?;
    if matches!(format, Format::Junit | Format::Sarif) {
        print_whole(format, &checked, &kept, args.fail_on.0)?;
    }
    if !context.global.quiet {
        say(&format!("{files} files heard, {found} findings"));
    }
    Ok(exit)
}
