//! `ahoy leads import`: a file of people into a campaign.

use std::io::IsTerminal;
use std::path::PathBuf;

use clap::ValueEnum;

use crate::base::text::printable;
use crate::base::{Country, Exit, Failure, Slug};
use crate::cli::{Context, print_json, print_line};
use crate::core::config::Mapping;
use crate::core::lead::{Field, tags};
use crate::run::clock::{Clock, MachineClock};
use crate::run::leads::import::{self, Checked, ImportOrder, Progress};
use crate::show::leads::{ImportReport, import_text};
use crate::show::progress;
use crate::show::words::say;
use crate::store::leadfile::{ReadOptions, default_rejects_path};
use crate::store::ledger::OnDuplicate;
use crate::store::workspace::shown;

pub(super) const IMPORT_HELP: &str = "\
Examples:
  ahoy leads import people.csv --campaign welcome
  ahoy leads import export.csv --campaign welcome --country BG --map phone=Mobile,name=Client --dry-run
  ahoy leads import crm.xlsx --sheet Kunden --campaign spring --tag vip --on-duplicate update --yes
  ahoy leads import crm.csv --campaign spring --country DE --map phone=Handy --save-mapping crm   # then: --mapping crm

Reads CSV (comma, semicolon, tab or bar; UTF-8, UTF-16, Windows-125x, ISO-8859) and Excel workbooks (.xlsx). Encoding,
separator and header are found and shown; a preamble above the header is skipped. Columns: phone (needed), name or first and
last name, language, country, timezone, consent, tags, further phones; all others become variables. Header words of sixteen
languages are known; --map names a column by hand.

National numbers need --country or a country column. On a terminal the result is shown before anything is written.
Rows that cannot be used go to FILE.rejected.csv with line and reason: mend them there and import that file.
Importing a file again adds nothing; a broken import goes on where it was; `ahoy leads undo` takes one back.

Exit codes: 0 done (rejected rows are listed), or not wanted after all · 1 bug or I/O failure ·
2 unusable file or arguments, nothing written · 11 the ledger is locked by another process · 130 stopped";

/// Arguments of `ahoy leads import`.
#[derive(Debug, clap::Args)]
pub(super) struct ImportArgs {
    /// CSV file or Excel workbook
    file: PathBuf,
    /// Campaign that the leads belong to
    #[arg(long, value_name = "NAME")]
    campaign: Slug,
    /// Country of national numbers without a country column, such as BG
    #[arg(long, value_name = "CC")]
    country: Option<Country>,
    /// Which column is what, such as phone=Tel,name=Client
    #[arg(long, value_name = "FIELD=COLUMN", value_delimiter = ',')]
    map: Vec<String>,
    /// Read the file as files of this source are read (mappings/NAME.toml); other options win over it
    #[arg(long, value_name = "NAME")]
    mapping: Option<Slug>,
    /// Keep how this file is read, for --mapping
    #[arg(long, value_name = "NAME")]
    save_mapping: Option<Slug>,
    /// Encoding of the file, such as windows-1251 [default: found out]
    #[arg(long, value_name = "NAME")]
    encoding: Option<String>,
    /// What separates the columns: a character, or comma, semicolon, tab, bar [default: found out]
    #[arg(long, value_name = "CHAR")]
    separator: Option<String>,
    /// Line of the header [default: the first line with a column for the phone]
    #[arg(long, value_name = "N", conflicts_with = "no_header")]
    header_line: Option<u64>,
    /// The file has no header: columns are called 1, 2, 3 (use --map phone=1)
    #[arg(long)]
    no_header: bool,
    /// Sheet of a workbook [default: the first]
    #[arg(long, value_name = "NAME")]
    sheet: Option<String>,
    /// Give each lead this tag (may be repeated)
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
    /// A number that the campaign has already: leave it, bring it up to date, or refuse the file
    #[arg(long, value_enum, default_value = "skip", value_name = "HOW")]
    on_duplicate: HowDuplicate,
    /// Read and check everything, write nothing
    #[arg(long)]
    dry_run: bool,
    /// Do not ask on a terminal
    #[arg(long)]
    yes: bool,
    /// Where rejected rows go [default: FILE.rejected.csv beside the input]
    #[arg(long, value_name = "FILE")]
    rejects: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum HowDuplicate {
    /// The lead stays as it is
    Skip,
    /// What the file says is written over what is there
    Update,
    /// Such a file is refused as a whole
    Error,
}

impl From<HowDuplicate> for OnDuplicate {
    fn from(how: HowDuplicate) -> OnDuplicate {
        match how {
            HowDuplicate::Skip => OnDuplicate::Skip,
            HowDuplicate::Update => OnDuplicate::Update,
            HowDuplicate::Error => OnDuplicate::Error,
        }
    }
}

/// Runs `ahoy leads import`.
pub(super) fn import(args: &ImportArgs, context: &Context) -> Result<Exit, Failure> {
    let workspace = context.workspace()?;
    let campaign = workspace.campaign(&args.campaign)?;
    let mapping = args.mapping.as_ref().map(|name| workspace.mapping(name)).transpose()?.unwrap_or_default();
    let tags = tags(&mapping.tags.iter().chain(&args.tags).cloned().collect::<Vec<_>>().join(","))
        .map_err(|fault| Failure::usage(format!("--tag: {fault}")))?;
    let order = ImportOrder {
        ledger: workspace.ledger_path(),
        file: args.file.clone(),
        campaign: args.campaign.clone(),
        reading: reading(args, &mapping)?,
        rejects: args.rejects.clone().unwrap_or_else(|| default_rejects_path(&args.file)),
        tags,
        own_numbers: campaign.callers.clone(),
        countries: if campaign.is_rehearsal() { Vec::new() } else { campaign.countries() },
        on_duplicate: args.on_duplicate.into(),
        now: MachineClock.wall(),
    };
    let checked = import::check(&order)?;
    if let (Some(name), false) = (&args.save_mapping, args.dry_run) {
        let path = workspace.save_mapping(name, &kept(args, &mapping, &order, &checked))?;
        if !context.global.quiet {
            say(&format!("kept how this file is read in {}: --mapping {name}", shown(&path)));
        }
    }
    let asks = !args.yes && !context.json() && !context.global.quiet && is_terminal();
    if args.dry_run || asks || order.on_duplicate == OnDuplicate::Error {
        let preview = with_bar(context, "looking", |tell| import::preview(&order, &checked, tell))?;
        if args.dry_run {
            show(&preview, context)?;
            return Ok(Exit::Done);
        }
        if order.on_duplicate == OnDuplicate::Error {
            import::refuse_duplicates(&preview)?;
        }
        if asks && !wanted(&preview)? {
            say("nothing was imported");
            return Ok(Exit::Done);
        }
    }
    let report = write(&order, &checked, context)?;
    show(&report, context)?;
    Ok(Exit::Done)
}

fn write(order: &ImportOrder, checked: &Checked, context: &Context) -> Result<ImportReport, Failure> {
    with_bar(context, "leads", |tell| import::import(order, checked, tell))
}

fn with_bar<T>(
    context: &Context,
    label: &str,
    work: impl FnOnce(&dyn Fn(Progress)) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let bar = progress::rows_bar(!context.global.quiet && !context.json(), label);
    let done = work(&|progress| match progress {
        Progress::Counted { rows, .. } => bar.set_length(rows),
        Progress::Done(rows) => bar.set_position(rows),
    });
    bar.finish_and_clear();
    done
}

fn show(report: &ImportReport, context: &Context) -> Result<(), Failure> {
    if context.json() {
        print_json(report)
    } else if context.global.quiet {
        Ok(())
    } else {
        print_line(&import_text(report))
    }
}

fn is_terminal() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

fn wanted(preview: &ImportReport) -> Result<bool, Failure> {
    say(&import_text(preview));
    dialoguer::Confirm::new()
        .with_prompt(format!(
            "Import {} {} into {}?",
            preview.added,
            if preview.added == 1 { "lead" } else { "leads" },
            preview.campaign
        ))
        .default(true)
        .interact()
        .map_err(|error| Failure::bug(format!("terminal: {error}")))
}

/// Options of the command line over those of the mapping.
fn reading(args: &ImportArgs, mapping: &Mapping) -> Result<ReadOptions, Failure> {
    let separator_word = args.separator.as_deref().or(mapping.separator.as_deref());
    let mut map = args.map.iter().map(|pair| read_map(pair)).collect::<Result<Vec<_>, _>>()?;
    for (field, column) in mapping.fields() {
        if map.iter().all(|(other, _)| *other != field) {
            map.push((field, column));
        }
    }
    Ok(ReadOptions {
        encoding: args.encoding.clone().or_else(|| mapping.encoding.clone()),
        separator: separator_word.map(separator).transpose()?,
        header_line: args.header_line.or(mapping.header_line),
        no_header: args.no_header || mapping.no_header,
        sheet: args.sheet.clone().or_else(|| mapping.sheet.clone()),
        map,
        country: args.country.or(mapping.country),
    })
}

/// What a mapping keeps of this import: what was named, and every column as it was understood.
fn kept(args: &ImportArgs, mapping: &Mapping, order: &ImportOrder, checked: &Checked) -> Mapping {
    Mapping {
        country: order.reading.country,
        encoding: order.reading.encoding.clone(),
        separator: args.separator.clone().or_else(|| mapping.separator.clone()),
        header_line: order.reading.header_line,
        no_header: order.reading.no_header,
        sheet: order.reading.sheet.clone(),
        tags: order.tags.clone(),
        columns: checked.mapping().into_iter().collect(),
    }
}

fn separator(text: &str) -> Result<u8, Failure> {
    match text {
        "comma" | "," => Ok(b','),
        "semicolon" | ";" => Ok(b';'),
        "tab" | "\t" | "\\t" => Ok(b'\t'),
        "bar" | "|" => Ok(b'|'),
        other => {
            let what = format!("--separator `{}` is none", printable(other));
            Err(Failure::usage(what).next("write comma, semicolon, tab or bar"))
        }
    }
}

fn read_map(pair: &str) -> Result<(Field, String), Failure> {
    let (field, column) = pair.split_once('=').ok_or_else(|| {
        Failure::usage(format!("--map `{}` has no =", printable(pair))).next("write --map phone=Tel,name=Client")
    })?;
    let field = field
        .parse()
        .map_err(|fault: crate::core::lead::HeaderFault| Failure::usage(fault.to_string()).next(fault.next_step()))?;
    Ok((field, column.to_owned()))
}
