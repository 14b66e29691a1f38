//! Where people really speak in a recording: Audacity's label files, CSV, RTTM, Praat's TextGrid, subtitles.

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
    /// Praat's intervals, long or short form: the first tier that has words.
    TextGrid,
    /// `00:00:01.000 --> 00:00:01.400` and lines of words, as subtitles (SRT, WebVTT) have them.
    Subtitles,
}

/// Endings of label files that may stand beside a recording of the same name, in the order in which they are looked for.
pub const ENDINGS: [(&str, Form); 6] = [
    ("labels.txt", Form::Audacity),
    ("csv", Form::Csv),
    ("rttm", Form::Rttm),
    ("TextGrid", Form::TextGrid),
    ("srt", Form::Subtitles),
    ("vtt", Form::Subtitles),
];

/// Reads labels, in order of time. `Err` names the line.
pub fn read(text: &str, form: Form) -> Result<Vec<Utterance>, String> {
    match form {
        Form::TextGrid => return in_order(text_grid(text)?),
        Form::Subtitles => return in_order(subtitles(text)?),
        Form::Audacity | Form::Csv | Form::Rttm => {}
    }
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
            Form::TextGrid | Form::Subtitles => unreachable!("they were read above"),
        };
        let (start_ms, end_ms, words) = parsed.ok_or_else(|| fault("no two times"))?;
        if end_ms <= start_ms {
            return Err(fault("it ends before it begins"));
        }
        let text = printable(words.trim().trim_matches('"'));
        found.push(Utterance { start_ms, end_ms, text });
    }
    in_order(found)
}

/// Labels as a file with one of the [`ENDINGS`] has them; [`read`] of it gives them back, but for what that form has no place
/// for: RTTM keeps no words, and in a TextGrid a label without words gets `-`.
///
/// `name`: of the recording, `length_ms`: its length.
pub fn write(said: &[Utterance], ending: &str, name: &str, length_ms: u64) -> String {
    let seconds = |ms: u64| format!("{}.{:03}", ms / 1_000, ms % 1_000);
    let clock = |ms: u64, point: char| {
        let (seconds, rest) = (ms / 1_000, ms % 1_000);
        format!("{:02}:{:02}:{:02}{point}{rest:03}", seconds / 3_600, seconds / 60 % 60, seconds % 60)
    };
    let words = |it: &Utterance| printable(it.text.trim().trim_matches('"').trim());
    let numbered = || said.iter().enumerate();
    match ending {
        "csv" => {
            let line = |it: &Utterance| format!("{},{},{}\n", it.start_ms, it.end_ms, words(it));
            "start_ms,end_ms,text\n".to_owned() + &said.iter().map(line).collect::<String>()
        }
        "rttm" => {
            let name: String = name.chars().map(|ch| if ch.is_whitespace() { '_' } else { ch }).collect();
            let line = |it: &Utterance| {
                let (start, length) = (seconds(it.start_ms), seconds(it.end_ms - it.start_ms));
                format!("SPEAKER {name} 1 {start} {length} <NA> <NA> them <NA> <NA>\n")
            };
            said.iter().map(line).collect()
        }
        "TextGrid" => write_text_grid(said, length_ms),
        "srt" | "vtt" => {
            let (head, point) = if ending == "srt" { ("", ',') } else { ("WEBVTT\n\n", '.') };
            let cue = |(nth, it): (usize, &Utterance)| {
                // An arrow in the words would be read as two times.
                let words = words(it).replace("-->", "→");
                let end = if words.is_empty() { String::new() } else { words + "\n" };
                format!("{}\n{} --> {}\n{end}\n", nth + 1, clock(it.start_ms, point), clock(it.end_ms, point))
            };
            head.to_owned() + &numbered().map(cue).collect::<String>()
        }
        _ => {
            let line = |it: &Utterance| format!("{}\t{}\t{}\n", seconds(it.start_ms), seconds(it.end_ms), words(it));
            said.iter().map(line).collect()
        }
    }
}

fn write_text_grid(said: &[Utterance], length_ms: u64) -> String {
    let seconds = |ms: u64| format!("{}.{:03}", ms / 1_000, ms % 1_000);
    let end = said.last().map_or(length_ms, |it| it.end_ms.max(length_ms)).max(1);
    let mut rows: Vec<(u64, u64, String)> = Vec::new();
    let mut at = 0;
    for it in said {
        if it.start_ms > at {
            rows.push((at, it.start_ms, String::new()));
        }
        let words = printable(it.text.trim().trim_matches('"').trim()).replace('"', "\"\"");
        rows.push((it.start_ms, it.end_ms, if words.is_empty() { "-".to_owned() } else { words }));
        at = it.end_ms;
    }
    if at < end {
        rows.push((at, end, String::new()));
    }
    let end = seconds(end);
    let mut text = format!(
        "File type = \"ooTextFile\"\nObject class = \"TextGrid\"\n\nxmin = 0\nxmax = {end}\ntiers? <exists>\nsize = 1\nitem []:\n    \
         item [1]:\n        class = \"IntervalTier\"\n        name = \"them\"\n        xmin = 0\n        xmax = {end}\n        \
         intervals: size = {}\n",
        rows.len()
    );
    for (nth, (from, to, words)) in rows.iter().enumerate() {
        text.push_str(&format!(
            "        intervals [{}]:\n            xmin = {}\n            xmax = {}\n            text = \"{words}\"\n",
            nth + 1,
            seconds(*from),
            seconds(*to)
        ));
    }
    text
}

fn in_order(mut found: Vec<Utterance>) -> Result<Vec<Utterance>, String> {
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

/// One word of a TextGrid: both of its forms are the same row of these.
#[derive(Debug, PartialEq)]
enum Token {
    Number(f64),
    Words(String),
}

/// Numbers and quoted words, without what stands in brackets (`intervals [1]:`) and without names.
fn tokens(text: &str) -> Vec<Token> {
    let (mut found, mut rest) = (Vec::new(), text.trim_start_matches('\u{feff}'));
    while let Some(ch) = rest.chars().next() {
        if let Some(inside) = rest.strip_prefix('"') {
            // A quotation mark within words is written twice.
            let mut words = String::new();
            let mut from = inside;
            loop {
                let Some((part, after)) = from.split_once('"') else {
                    from = "";
                    break;
                };
                words.push_str(part);
                from = after;
                let Some(more) = after.strip_prefix('"') else { break };
                words.push('"');
                from = more;
            }
            found.push(Token::Words(words));
            rest = from;
        } else if ch == '[' {
            rest = rest.split_once(']').map_or("", |(_, after)| after);
        } else {
            let end = rest.find(|ch: char| ch.is_whitespace() || ch == '"' || ch == '[').unwrap_or(rest.len());
            let end = end.max(ch.len_utf8());
            found.extend(rest[..end].parse().ok().map(Token::Number));
            rest = &rest[end..];
        }
    }
    found
}

fn text_grid(text: &str) -> Result<Vec<Utterance>, String> {
    let all = tokens(text);
    let is = |at: usize, words: &str| matches!(all.get(at), Some(Token::Words(it)) if it == words);
    if !is(0, "ooTextFile") || !is(1, "TextGrid") {
        return Err("it is no TextGrid".to_owned());
    }
    let tiers = (0..all.len()).filter(|at| is(*at, "IntervalTier") && *at > 1);
    for at in tiers {
        let mut found = Vec::new();
        // Its kind, its name, two times and a count; then start, end and words of each interval.
        for (nth, interval) in all.get(at + 5..).unwrap_or_default().chunks(3).enumerate() {
            let [Token::Number(start), Token::Number(end), Token::Words(words)] = interval else { break };
            if words.trim().is_empty() {
                continue;
            }
            let times = seconds(Some(&start.to_string())).zip(seconds(Some(&end.to_string())));
            let times = times.filter(|(start, end)| start < end);
            let (start_ms, end_ms) = times.ok_or_else(|| format!("interval {}: no two times", nth + 1))?;
            found.push(Utterance { start_ms, end_ms, text: printable(words.trim()) });
        }
        if !found.is_empty() {
            return Ok(found);
        }
    }
    Err("no tier of intervals has words".to_owned())
}

/// `00:00:01,000`, `00:01.000`, in ms.
fn clock(text: &str) -> Option<u64> {
    let mut parts = text.trim().rsplit(':');
    let last = seconds(parts.next())?;
    let unit = |part: Option<&str>| part.map_or(Some(0), |part| part.parse::<u64>().ok().filter(|it| *it < 1_000));
    let (minutes, hours) = (unit(parts.next())?, unit(parts.next())?);
    parts.next().is_none().then_some(last + (minutes * 60 + hours * 3_600) * 1_000)
}

fn subtitles(text: &str) -> Result<Vec<Utterance>, String> {
    let mut found: Vec<Utterance> = Vec::new();
    let mut open = false;
    for (nth, line) in text.lines().enumerate() {
        if let Some((start, end)) = line.split_once("-->") {
            // Settings of WebVTT may stand behind the second time.
            let end = end.split_whitespace().next().unwrap_or("");
            let times = clock(start).zip(clock(end)).filter(|(start, end)| start < end);
            let (start_ms, end_ms) = times.ok_or_else(|| format!("line {}: no two times", nth + 1))?;
            found.push(Utterance { start_ms, end_ms, text: String::new() });
            open = true;
        } else if line.trim().is_empty() {
            open = false;
        } else if let Some(last) = found.last_mut().filter(|_| open) {
            let space = if last.text.is_empty() { "" } else { " " };
            last.text = format!("{}{space}{}", last.text, printable(line.trim()));
        }
    }
    if found.is_empty() { Err("no line has two times".to_owned()) } else { Ok(found) }
}

/// The language that stands before an utterance's words, `bg: кога?`, and the words without it.
pub fn language_of(text: &str) -> (Option<&str>, &str) {
    let tag = |it: &str| (2..=8).contains(&it.len()) && it.chars().all(|ch| ch.is_ascii_alphabetic() || ch == '-');
    match text.split_once(": ") {
        Some((language, words)) if tag(language) && language.split('-').next().is_some_and(|it| it.len() <= 3) => {
            (Some(language), words.trim())
        }
        Some(_) | None => (None, text.trim()),
    }
}
