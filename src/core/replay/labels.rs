//! Where people really speak in a recording: Audacity's label files, CSV, RTTM.

use serde::{Deserialize, Serialize};

use crate::base::text::printable;

/// Something that was said. Milliseconds from the start of the sound.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Utterance {
    /// Its first sound.
    pub start_ms: u64,
    /// Its last sound.
    pub end_ms: u64,
    /// Its words, if they are known.
    pub text: String,
}

/// How labels are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `START<tab>END<tab>TEXT`, seconds.
    Audacity,
    /// `start_ms,end_ms,text`, with or without a header.
    Csv,
    /// `SPEAKER FILE CHANNEL START LENGTH …`, seconds.
    Rttm,
}

/// Endings of label files that may stand beside a recording of the same name, in the order in which they are looked for.
pub const ENDINGS: [(&str, Form); 3] = [("labels.txt", Form::Audacity), ("csv", Form::Csv), ("rttm", Form::Rttm)];

/// Reads labels, in order of time. `Err` names the line.
pub fn read(text: &str, form: Form) -> Result<Vec<Utterance>, String> {
    let mut found: Vec<Utterance> = Vec::new();
    for (nth, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let fault = |what: &str| format!("line {}: {what}", nth + 1);
        // Audacity's own second lines hold frequencies.
        if line.trim().is_empty() || line.starts_with('\\') || line.starts_with('#') || line.starts_with(';') {
            continue;
        }
        let parsed = match form {
            Form::Audacity => {
                let mut parts = line.splitn(3, '\t');
                let (start, end) = (seconds(parts.next()), seconds(parts.next()));
                start.zip(end).map(|(start, end)| (start, end, parts.next().unwrap_or("")))
            }
            Form::Csv => {
                let mut parts = line.splitn(3, ',');
                let ms = |part: Option<&str>| part.and_then(|part| part.trim().parse::<u64>().ok());
                let (start, end) = (ms(parts.next()), ms(parts.next()));
                match start.zip(end) {
                    None if nth == 0 => continue,
                    times => times.map(|(start, end)| (start, end, parts.next().unwrap_or(""))),
                }
            }
            Form::Rttm => {
                let parts: Vec<&str> = line.split_whitespace().collect();
                if parts.first() != Some(&"SPEAKER") {
                    continue;
                }
                let (start, length) = (seconds(parts.get(3).copied()), seconds(parts.get(4).copied()));
                start.zip(length).map(|(start, length)| (start, start + length, ""))
            }
        };
        let (start_ms, end_ms, words) = parsed.ok_or_else(|| fault("no two times"))?;
        if end_ms <= start_ms {
            return Err(fault("it ends before it begins"));
        }
        let text = printable(words.trim().trim_matches('"'));
        found.push(Utterance { start_ms, end_ms, text });
    }
    found.sort_by_key(|it| (it.start_ms, it.end_ms));
    match found.windows(2).find(|pair| pair[1].start_ms < pair[0].end_ms) {
        Some(pair) => Err(format!("the labels at {} ms and {} ms overlap", pair[0].start_ms, pair[1].start_ms)),
        None => Ok(found),
    }
}

fn seconds(text: Option<&str>) -> Option<u64> {
    // Some locales write a comma.
    let seconds: f64 = text?.trim().replace(',', ".").parse().ok()?;
    (0.0..=1e6).contains(&seconds).then(|| (seconds * 1_000.0).round() as u64)
}
