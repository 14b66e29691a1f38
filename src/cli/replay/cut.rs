//! `ahoy replay run`.

use std::collections::BTreeMap;

use clap::{Args, ValueEnum};
use serde_json::json;

use super::{Settings, Sounds, base, ending, heard, no_labels, with};
use crate::base::{Exit, Failure};
use crate::cli::{Context, print_json, print_line, print_text};
use crate::core::config::Vad;
use crate::core::replay::score::{By, Share, Tally, share};
use crate::show::replay as show;
use crate::show::words::say;
use crate::store::replay::Heard;

pub(super) const RUN_HELP: &str = "\
Examples:
  ahoy replay run                                        every call of this workspace, as it would be cut today
  ahoy replay run call.wav --threshold 0.5 --silence-ms 700 --format timeline
  ahoy replay run 'calls/2026/11/**/*.wav'               quoted, so that no shell has to expand it
  ahoy replay run recordings/ --format jsonl | jq -r .file | sort | uniq -c
  ahoy replay run labelled/ --by phrase                  which short phrases are lost
  ahoy replay run stream.jsonl realtime.jsonl            logs of media messages, of OpenAI's Realtime events

A label file beside a recording (NAME.labels.txt of Audacity, NAME.csv, .rttm, .TextGrid, .srt, .vtt) is compared with what
was heard.
Exit codes: 0 done · 1 I/O failure · 2 usage · 3 a recording could not be heard (named)";

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A table
    Table,
    /// One JSON object an utterance
    Jsonl,
    /// Labels of Audacity; of one recording
    Audacity,
    /// A line a recording
    Timeline,
}

#[derive(Debug, Args)]
pub(super) struct RunArgs {
    #[command(flatten)]
    sounds: Sounds,
    #[command(flatten)]
    settings: Settings,
    /// How segments are shown; --json is jsonl
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// Show what became of each language's or phrase's utterances instead, the most lost first
    #[arg(long, value_enum)]
    by: Option<Grouped>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Grouped {
    /// The tag before a label's words: `bg: кога?`
    Language,
    /// The words of the labels
    Phrase,
}

pub(super) fn run_files(args: &RunArgs, context: &Context) -> Result<Exit, Failure> {
    let vad = with(&args.settings, base(args.sounds.campaign.as_ref(), context)?);
    let (heard, skipped) = heard(&args.sounds, context)?;
    if let Some(by) = args.by {
        return shares_of(&heard, &vad, by, skipped, context);
    }
    let format = if context.json() { Format::Jsonl } else { args.format };
    if format == Format::Audacity && heard.len() != 1 {
        return Err(Failure::usage(format!("{} recordings; a label file is of one", heard.len())));
    }
    let (mut tally, mut labelled, mut table) = (Tally::default(), false, Vec::new());
    for it in &heard {
        let segments = it.track.segments(&vad);
        if let Some(said) = &it.said {
            labelled = true;
            tally += &Tally::of(said, &segments, it.track.ms());
        }
        match format {
            Format::Table => table.push((it.name.clone(), segments)),
            Format::Audacity => print_text(&show::audacity(&segments))?,
            Format::Timeline => {
                print_line(&show::timeline(&it.name, &segments, it.said.as_deref(), it.track.ms()))?;
            }
            Format::Jsonl => {
                for segment in &segments {
                    print_json(&json!({ "file": it.name, "start_ms": segment.start_ms, "end_ms": segment.end_ms,
                        "onset_ms": segment.onset_ms, "told_ms": segment.told_ms, "over_ms": segment.over_ms }))?;
                }
            }
        }
    }
    if format == Format::Table {
        print_line(&show::segments(&table))?;
    }
    if labelled {
        say(&show::figures(&tally.figures()));
    }
    Ok(ending(skipped))
}

/// Which phrases, or languages, are lost.
fn shares_of(heard: &[Heard], vad: &Vad, by: Grouped, skipped: bool, context: &Context) -> Result<Exit, Failure> {
    let mut shares = BTreeMap::new();
    for it in heard {
        let Some(said) = &it.said else { continue };
        let by = match by {
            Grouped::Language => By::Language,
            Grouped::Phrase => By::Phrase,
        };
        share(&mut shares, by, said, &it.track.segments(vad));
    }
    if shares.is_empty() {
        return Err(no_labels());
    }
    let mut rows: Vec<(String, Share)> = shares.into_iter().collect();
    rows.sort_by_key(|(key, it)| (std::cmp::Reverse(it.utterances - it.owned), key.clone()));
    if context.json() {
        let name = if matches!(by, Grouped::Language) { "language" } else { "phrase" };
        for (key, it) in &rows {
            print_json(&json!({ name: key, "utterances": it.utterances, "owned": it.owned, "missed": it.missed,
                "split": it.split, "merged": it.merged }))?;
        }
    } else {
        print_line(&show::shares(&rows))?;
    }
    Ok(ending(skipped))
}
