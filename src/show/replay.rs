//! Segments, figures and sweeps as tables and lines.

use super::table::table;
use crate::core::figures::Quantiles;
use crate::core::replay::Segment;
use crate::core::replay::barge::{self, Replayed, Stop};
use crate::core::replay::labels::Utterance;
use crate::core::replay::score::{Figures, Share};
use crate::core::replay::stops::StopPoint;
use crate::core::replay::sweep::Point;

/// Characters of a timeline.
const WIDTH: u64 = 100;

fn seconds(ms: u64) -> String {
    format!("{}.{:03}", ms / 1_000, ms % 1_000)
}

/// One row a segment.
pub fn segments(files: &[(String, Vec<Segment>)]) -> String {
    let rows: Vec<Vec<String>> = files
        .iter()
        .flat_map(|(name, segments)| {
            segments.iter().map(move |it| {
                let length = it.end_ms - it.onset_ms;
                vec![name.clone(), seconds(it.start_ms), seconds(it.end_ms), length.to_string()]
            })
        })
        .collect();
    table(&["file", "start s", "end s", "speech ms"], &rows, &[1, 2, 3])
}

/// One row a language or phrase.
pub fn shares(shares: &[(String, Share)]) -> String {
    let rows: Vec<Vec<String>> = shares
        .iter()
        .map(|(key, it)| {
            let percent = 100.0 * it.owned as f64 / it.utterances.max(1) as f64;
            let counts = [it.utterances, it.owned].map(|it| it.to_string());
            let lost = [it.missed, it.split, it.merged].map(|it| it.to_string());
            [vec![key.clone()], counts.to_vec(), vec![format!("{percent:.1}")], lost.to_vec()].concat()
        })
        .collect();
    table(&["said", "utterances", "owned", "%", "missed", "split", "merged"], &rows, &[1, 2, 3, 4, 5, 6])
}

/// One row a stop, of the replay and of the live call.
pub fn stops(calls: &[Replayed]) -> String {
    let mut rows: Vec<Vec<String>> = Vec::new();
    for call in calls {
        let of = |it: &Stop, what: &str| {
            let verdict = if it.falsely == Some(true) { "false" } else { "" };
            vec![
                call.file.clone(),
                what.to_owned(),
                it.clip.clone(),
                seconds(it.onset_ms),
                seconds(it.clear_ms),
                it.clear_ms.saturating_sub(it.onset_ms).to_string(),
                format!("{} of {}", it.heard_ms, it.total_ms),
                verdict.to_owned(),
            ]
        };
        rows.extend(call.stops.iter().map(|it| of(it, "replay")));
        rows.extend(call.live.iter().map(|it| of(it, "live")));
        for (from, to) in call.missed.iter().flatten() {
            let span = vec![seconds(*from), seconds(*to), String::new(), String::new(), "missed".to_owned()];
            rows.push([vec![call.file.clone(), "replay".to_owned(), String::new()], span].concat());
        }
    }
    table(&["file", "who", "clip", "speech s", "clear s", "delay ms", "heard ms", ""], &rows, &[3, 4, 5, 6])
}

/// Sums of stops, in words.
pub fn stop_figures(figures: &barge::Figures) -> String {
    let delay =
        |it: Option<Quantiles<u64>>| it.map_or("-".to_owned(), |it| format!("p50 {} ms, p95 {} ms", it.p50, it.p95));
    let mut text = format!(
        "{} calls: {} stops (live {}, the same {}); speech to clear {} (live {})",
        figures.calls,
        figures.stops,
        figures.live_stops,
        figures.same,
        delay(figures.delay_ms),
        delay(figures.live_delay_ms)
    );
    if let Some(heard) = figures.heard_percent {
        text.push_str(&format!("; heard of a stopped clip p50 {} %, p95 {} %", heard.p50, heard.p95));
    }
    if let (Some(falsely), Some(missed)) = (figures.false_stops, figures.missed_stops) {
        text.push_str(&format!("; false {falsely}, missed {missed}"));
    }
    let held = [figures.held_echo, figures.held_back_channel, figures.held_faint];
    if held != [0; 3] {
        let [echo, hum, faint] = held;
        text.push_str(&format!("; held back: {echo} as our own echo, {hum} as a hum, {faint} as too faint"));
    }
    text
}

/// Audacity's label file of one recording.
pub fn audacity(segments: &[Segment]) -> String {
    let line =
        |(nth, it): (usize, &Segment)| format!("{}\t{}\t{}\n", seconds(it.start_ms), seconds(it.end_ms), nth + 1);
    segments.iter().enumerate().map(line).collect()
}

/// A recording as a line: `#` speech, `.` silence; under it what was said, where that is known.
pub fn timeline(name: &str, segments: &[Segment], said: Option<&[Utterance]>, length_ms: u64) -> String {
    let cells = |spans: &[(u64, u64)], mark: char| -> String {
        (0..WIDTH)
            .map(|at| {
                let (from, to) = (at * length_ms / WIDTH, (at + 1) * length_ms / WIDTH);
                if spans.iter().any(|(start, end)| *start < to && *end > from) { mark } else { '.' }
            })
            .collect()
    };
    let heard: Vec<(u64, u64)> = segments.iter().map(|it| (it.onset_ms, it.end_ms)).collect();
    let mut text = format!("{name}  {} s\nheard |{}|", seconds(length_ms), cells(&heard, '#'));
    if let Some(said) = said {
        let spans: Vec<(u64, u64)> = said.iter().map(|it| (it.start_ms, it.end_ms)).collect();
        text.push_str(&format!("\nsaid  |{}|", cells(&spans, '=')));
    }
    text
}

/// The lines that differ between two texts of a file. Nothing else of it: there are telephone numbers in it.
pub fn changes(old: &str, new: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let head = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let (old, new) = (&old[head..], &new[head..]);
    let tail = old.iter().rev().zip(new.iter().rev()).take_while(|(a, b)| a == b).count();
    let gone = old[..old.len() - tail].iter().map(|line| format!("- {line}\n"));
    gone.chain(new[..new.len() - tail].iter().map(|line| format!("+ {line}\n"))).collect()
}

fn percent(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |it| format!("{it:.1}"))
}

/// Figures in a sentence.
pub fn figures(it: &Figures) -> String {
    let wait = it.end_ms.map_or_else(|| "-".to_owned(), |it| format!("p50 {} p90 {} ms", it.p50, it.p90));
    let start = it.start_ms.map_or_else(|| "-".to_owned(), |it| format!("p50 {} p90 {} ms", it.p50, it.p90));
    format!(
        "{} utterances, {} of them short: owned {} %, short found {} % and owned {} %; missed {}, split {}, merged {}; \
         {:.2} false segments a minute; a start is known after {start}, an end after {wait}",
        it.utterances,
        it.short,
        percent(it.owned_percent),
        percent(it.short_found_percent),
        percent(it.short_owned_percent),
        it.missed,
        it.split,
        it.merged,
        it.false_per_minute
    )
}

/// Settings with their figures; the words say what is special about one.
pub fn points(points: &[(&Point, &str)]) -> String {
    let rows: Vec<Vec<String>> = points
        .iter()
        .map(|(it, words)| {
            let figures = &it.figures;
            let between = it.short_owned_between.map_or(String::new(), |(low, high)| format!("{low:.0}–{high:.0}"));
            vec![
                format!("{:.2}", it.threshold),
                it.silence_ms.to_string(),
                it.prefix_padding_ms.to_string(),
                it.min_speech_ms.to_string(),
                percent(figures.short_owned_percent),
                between,
                percent(figures.owned_percent),
                percent(figures.whole_percent),
                figures.split.to_string(),
                figures.merged.to_string(),
                format!("{:.2}", figures.false_per_minute),
                figures.start_ms.map_or_else(|| "-".to_owned(), |it| it.p90.to_string()),
                figures.end_ms.map_or_else(|| "-".to_owned(), |it| it.p90.to_string()),
                (*words).to_owned(),
            ]
        })
        .collect();
    let header = [
        "threshold",
        "silence ms",
        "prefix ms",
        "min ms",
        "short own %",
        "95 %",
        "own %",
        "whole %",
        "split",
        "merged",
        "false/min",
        "start p90",
        "end p90",
        "",
    ];
    table(&header, &rows, &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12])
}

/// Barge-in settings with their figures; the words say what is special about one.
pub fn stop_points(points: &[(&StopPoint, &str)]) -> String {
    let count = |it: Option<usize>| it.map_or_else(|| "-".to_owned(), |it| it.to_string());
    let rows: Vec<Vec<String>> = points
        .iter()
        .map(|(it, words)| {
            let (figures, delay) = (&it.figures, it.figures.delay_ms);
            let ms = |it: Option<u64>| it.map_or_else(|| "-".to_owned(), |it| it.to_string());
            vec![
                format!("{:.2}", it.threshold),
                it.min_speech_ms.to_string(),
                it.protect_ms.to_string(),
                it.restart_under_ms.to_string(),
                it.back_channel_ms.to_string(),
                if it.echo { "on" } else { "off" }.to_owned(),
                figures.stops.to_string(),
                count(figures.false_stops),
                it.false_on_echoing_lines.to_string(),
                count(figures.missed_stops),
                ms(delay.map(|it| it.p50)),
                ms(delay.map(|it| it.p95)),
                (*words).to_owned(),
            ]
        })
        .collect();
    let header = [
        "barge-in",
        "min ms",
        "protect ms",
        "anew ms",
        "hum ms",
        "echo",
        "stops",
        "false",
        "by echo",
        "missed",
        "clear p50",
        "clear p95",
        "",
    ];
    table(&header, &rows, &[0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11])
}
