//! A sweep as a page: what each setting catches, which are not beaten, and the utterances that the setting of now loses,
//! to look at and to hear. Self-contained; works from a file.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::cache::{HEIGHT, waveform};
use super::{STYLE, escape};
use crate::core::replay::score::Trouble;
use crate::core::replay::stops::StopPoint;
use crate::core::replay::sweep::Point;
use crate::core::vad::CHUNK_MS;

const MORE_STYLE: &str = "\
.heat td,.heat th{text-align:center;padding:.35rem .25rem;border:1px solid var(--line)}.heat td{position:relative;min-width:3.2rem}\
.heat td span{position:relative}.heat td::before{content:'';position:absolute;inset:0;background:var(--p);opacity:var(--o)}\
.heat td.now{outline:3px solid var(--bad);outline-offset:-3px}.heat td.best{outline:3px solid var(--p);outline-offset:-3px}\
.case{border:1px solid var(--line);border-radius:8px;background:var(--card);padding:.75rem 1rem;margin:0 0 .75rem}\
.case h3{margin:0;font-size:1rem;overflow-wrap:anywhere}.case p{margin:.25rem 0;color:var(--dim);font-size:.875rem}\
.case svg{height:4rem}.case audio{width:100%;height:2.25rem}.case path{fill:var(--a)}.case polyline{fill:none;stroke:var(--bad);vector-effect:non-scaling-stroke}\
.case .said{fill:var(--p);opacity:.18}.case .heard{fill:var(--fg);opacity:.7}.case line{stroke:var(--line);vector-effect:non-scaling-stroke}\
@media print{audio{display:none}}";

/// An utterance that is not owned.
#[derive(Debug, Clone, PartialEq)]
pub struct CaseView {
    /// The recording.
    pub name: String,
    /// Its words, if they are known.
    pub text: String,
    /// What became of it.
    pub trouble: Trouble,
    /// Where the picture begins and ends in the recording, ms.
    pub window: (u64, u64),
    /// Where it was said, ms.
    pub said: (u64, u64),
    /// Segments in the picture, ms.
    pub heard: Vec<(u64, u64)>,
    /// Probabilities in the picture, one a chunk.
    pub probabilities: Vec<f32>,
    /// The least and the greatest sample of each part of the sound.
    pub envelope: Vec<(i16, i16)>,
    /// The sound as a WAV.
    pub wav: Vec<u8>,
}

/// The whole page.
#[derive(Debug, Clone, PartialEq)]
pub struct ReplayView<'a> {
    /// What was swept, in words.
    pub title: String,
    /// Every setting; the first one is what runs now.
    pub points: &'a [Point],
    /// How many there were to choose from.
    pub of: usize,
    /// The one that we would take, and why.
    pub best: Option<(usize, &'a str)>,
    /// Every barge-in setting; the first one is what runs now. None if there was no call.
    pub stops: &'a [StopPoint],
    /// The one that we would take, and why.
    pub best_stop: Option<(usize, &'a str)>,
    /// What the setting of now loses.
    pub cases: Vec<CaseView>,
    /// How many more there are.
    pub more: usize,
}

/// The page. Deterministic: the same view gives the same bytes.
pub fn replay_page(view: &ReplayView<'_>) -> String {
    let cases: String = view.cases.iter().map(article).collect();
    let more = if view.more == 0 { String::new() } else { format!("<p class=\"sub\">And {} more.</p>", view.more) };
    let none = if view.cases.is_empty() { "<p>Every utterance is owned.</p>" } else { "" };
    let best = view.best.map_or(String::new(), |(_, reason)| format!("<p>Recommended: {}.</p>", escape(reason)));
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; media-src data:\">\
         <meta name=\"robots\" content=\"noindex\">\
         <title>{title}</title><style>{STYLE}{MORE_STYLE}</style></head><body>\n\
         <header><h1>{title}</h1><p class=\"sub\">What each setting of speech detection catches.</p></header>\n\
         <main><h2>Threshold and silence</h2>{heat}{tried}{best}<h2>Settings that no other beats</h2>{front}{stops}\
         <h2>What the setting of now loses</h2>{none}{cases}{more}</main>\n\
         <footer>Made by ahoy. Owned: exactly one segment touches the utterance, and it holds no other. Blue: what was said; \
         dark: what was heard; red line: probability of speech; quiet sound is drawn larger.</footer></body></html>\n",
        title = escape(&view.title),
        heat = heat(view),
        tried = tried(view),
        front = front(view),
        stops = stops(view),
    )
}

/// How many settings a search has looked at; nothing if they are all there.
fn tried(view: &ReplayView<'_>) -> String {
    let (tried, of) = (view.points.len(), view.of);
    if tried >= of { String::new() } else { format!("<p class=\"sub\">{tried} of {of} settings were tried.</p>") }
}

fn owned(point: &Point) -> Option<f64> {
    point.figures.short_owned_percent.or(point.figures.owned_percent)
}

/// Share owned by threshold and silence, at the shortest speech and the prefix of now, or of the best that was tried there.
fn heat(view: &ReplayView<'_>) -> String {
    let Some(now) = view.points.first() else { return String::new() };
    let same: Vec<(usize, &Point)> = view.points.iter().enumerate().collect();
    let as_now = |it: &Point| {
        (it.min_speech_ms == now.min_speech_ms, it.prefix_padding_ms == now.prefix_padding_ms, owned(it).unwrap_or(0.0))
    };
    let mut thresholds: Vec<f32> = same.iter().map(|(_, it)| it.threshold).collect();
    thresholds.sort_by(f32::total_cmp);
    thresholds.dedup();
    let mut silences: Vec<u64> = same.iter().map(|(_, it)| it.silence_ms).collect();
    silences.sort_unstable();
    silences.dedup();
    let shares = || same.iter().filter_map(|(_, it)| owned(it));
    let (least, most) = (shares().fold(f64::MAX, f64::min), shares().fold(0.0, f64::max));
    let mut out = String::from("<div class=\"wide\"><table class=\"heat\"><tr><th>silence \\ threshold</th>");
    for threshold in &thresholds {
        write!(out, "<th>{threshold:.2}</th>").expect("a String takes all");
    }
    out.push_str("</tr>");
    for silence in &silences {
        write!(out, "<tr><th>{silence} ms</th>").expect("a String takes all");
        for threshold in &thresholds {
            let here = same.iter().filter(|(_, it)| it.silence_ms == *silence && it.threshold == *threshold);
            let cell = here.max_by(|(a, one), (b, other)| {
                let key = as_now(one).partial_cmp(&as_now(other)).unwrap_or(std::cmp::Ordering::Equal);
                // The first of equals.
                key.then(b.cmp(a))
            });
            let Some((at, point)) = cell else {
                out.push_str("<td></td>");
                continue;
            };
            let share = owned(point);
            let shade = share.map_or(0.0, |share| 0.08 + 0.5 * (share - least) / (most - least).max(1.0));
            let class = match (*at == 0, view.best.is_some_and(|(best, _)| best == *at)) {
                (true, _) => " class=\"now\"",
                (false, true) => " class=\"best\"",
                (false, false) => "",
            };
            let end = point.figures.end_ms.map_or("-".to_owned(), |it| format!("{} ms", it.p90));
            let told = format!("false a minute {:.2}, end known p90 {end}", point.figures.false_per_minute);
            let share = share.map_or("-".to_owned(), |share| format!("{share:.1}"));
            write!(out, "<td{class} style=\"--o:{shade:.2}\" title=\"{}\"><span>{share}</span></td>", escape(&told))
                .expect("a String takes all");
        }
        out.push_str("</tr>");
    }
    out.push_str("</table></div><p class=\"sub\">Percent of the short utterances owned (of all, where none is short). Red frame: now.</p>");
    out
}

fn front(view: &ReplayView<'_>) -> String {
    let mut out = String::from(
        "<div class=\"wide\"><table><tr><th>threshold</th><th>silence</th><th>prefix</th><th>shortest</th><th>short owned</th><th>owned</th>\
         <th>whole</th><th>false a minute</th><th>start p90</th><th>end p90</th><th></th></tr>",
    );
    let percent = |value: Option<f64>| value.map_or("-".to_owned(), |it| format!("{it:.1} %"));
    for (at, point) in view.points.iter().enumerate() {
        let best = view.best.is_some_and(|(best, _)| best == at);
        if !(point.front || best || at == 0) {
            continue;
        }
        let p90 =
            |it: Option<crate::core::figures::Quantiles<u64>>| it.map_or("-".to_owned(), |it| format!("{} ms", it.p90));
        let words = match (at == 0, best) {
            (true, true) => "now, and recommended",
            (true, false) => "now",
            (false, true) => "recommended",
            (false, false) => "",
        };
        let figures = &point.figures;
        write!(
            out,
            "<tr><td>{:.2}</td><td>{} ms</td><td>{} ms</td><td>{} ms</td><td>{}</td><td>{}</td><td>{}</td><td>{:.2}</td><td>{}</td><td>{}</td><td>{words}</td></tr>",
            point.threshold,
            point.silence_ms,
            point.prefix_padding_ms,
            point.min_speech_ms,
            percent(figures.short_owned_percent),
            percent(figures.owned_percent),
            percent(figures.whole_percent),
            figures.false_per_minute,
            p90(figures.start_ms),
            p90(figures.end_ms),
        )
        .expect("a String takes all");
    }
    out.push_str("</table></div>");
    out
}

fn stops(view: &ReplayView<'_>) -> String {
    if view.stops.is_empty() {
        return String::new();
    }
    let calls = view.stops[0].figures.calls;
    let mut out =
        format!("<h2>Speech over our own voice</h2><p class=\"sub\">{calls} calls, {} settings.</p>", view.stops.len());
    out.push_str(
        "<div class=\"wide\"><table><tr><th>threshold</th><th>shortest</th><th>protected</th><th>begun anew under</th><th>hum</th>\
         <th>echo gate</th><th>stops</th><th>false</th><th>of them by echo</th><th>missed</th><th>clear p50</th><th>clear p95</th><th></th></tr>",
    );
    for (at, it) in view.stops.iter().enumerate() {
        let best = view.best_stop.is_some_and(|(best, _)| best == at);
        if !(it.front || best || at == 0) {
            continue;
        }
        let words = match (at == 0, best) {
            (true, true) => "now, and recommended",
            (true, false) => "now",
            (false, true) => "recommended",
            (false, false) => "",
        };
        let (figures, delay) = (&it.figures, it.figures.delay_ms);
        let ms = |it: Option<u64>| it.map_or("-".to_owned(), |it| format!("{it} ms"));
        let count = |it: Option<usize>| it.map_or("-".to_owned(), |it| it.to_string());
        write!(
            out,
            "<tr><td>{:.2}</td><td>{} ms</td><td>{} ms</td><td>{} ms</td><td>{} ms</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td>\
             <td>{}</td><td>{}</td><td>{}</td><td>{words}</td></tr>",
            it.threshold,
            it.min_speech_ms,
            it.protect_ms,
            it.restart_under_ms,
            it.back_channel_ms,
            if it.echo { "on" } else { "off" },
            figures.stops,
            count(figures.false_stops),
            it.false_on_echoing_lines,
            count(figures.missed_stops),
            ms(delay.map(|it| it.p50)),
            ms(delay.map(|it| it.p95)),
        )
        .expect("a String takes all");
    }
    out.push_str("</table></div>");
    if let Some((_, reason)) = view.best_stop {
        write!(out, "<p>Recommended: {}.</p>", escape(reason)).expect("a String takes all");
    }
    out
}

fn article(case: &CaseView) -> String {
    let (from, to) = case.window;
    let width = case.envelope.len().max(1) as f64;
    let x = |ms: u64| width * ms.saturating_sub(from) as f64 / to.saturating_sub(from).max(1) as f64;
    let band = |class: &str, (start, end): (u64, u64), y: f64, height: f64| {
        let (start, end) = (x(start.max(from)), x(end.min(to)));
        format!(
            "<rect class=\"{class}\" x=\"{start:.1}\" y=\"{y}\" width=\"{:.1}\" height=\"{height}\"/>",
            (end - start).max(0.0)
        )
    };
    let mut over = band("said", case.said, 0.0, HEIGHT);
    for segment in &case.heard {
        over.push_str(&band("heard", *segment, HEIGHT - 3.0, 3.0));
    }
    let line: String = case
        .probabilities
        .iter()
        .enumerate()
        .map(|(at, probability)| {
            let place = x(from + at as u64 * CHUNK_MS + CHUNK_MS / 2);
            format!("{place:.1},{:.1} ", HEIGHT * (1.0 - f64::from(*probability)))
        })
        .collect();
    write!(over, "<polyline points=\"{}\"/>", line.trim_end()).expect("a String takes all");
    let picture = waveform(&case.envelope).replace("</svg>", &format!("{over}</svg>"));
    let place =
        format!("{} at {:.2} s, {} ms long", case.trouble, case.said.0 as f64 / 1_000.0, case.said.1 - case.said.0);
    let words = if case.text.is_empty() { case.name.clone() } else { format!("{} · {}", case.text, case.name) };
    format!(
        "<article class=\"case\"><h3 dir=\"auto\">{}</h3><p>{}</p>{picture}\
         <audio controls preload=\"none\" src=\"data:audio/wav;base64,{}\"></audio></article>\n",
        escape(&words),
        escape(&place),
        STANDARD.encode(&case.wav),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::replay::score::Tally;

    #[test]
    fn a_page_is_whole_and_nothing_from_outside_becomes_markup() {
        let hostile = "<script>alert(1)</script>\"'&";
        let point = |threshold, front| Point {
            threshold,
            silence_ms: 700,
            min_speech_ms: 64,
            prefix_padding_ms: 300,
            figures: Tally { utterances: 4, owned: 3, short: 2, short_owned: 1, ..Tally::default() }.figures(),
            short_owned_between: None,
            front,
        };
        let points = [point(0.5, false), point(0.4, true)];
        let case = CaseView {
            name: hostile.to_owned(),
            text: hostile.to_owned(),
            trouble: Trouble::Missed,
            window: (500, 2_500),
            said: (1_500, 1_900),
            heard: vec![(400, 700)],
            probabilities: vec![0.1, 0.45, 0.2],
            envelope: vec![(-5, 5); 20],
            wav: vec![1, 2, 3],
        };
        let view = ReplayView {
            title: hostile.to_owned(),
            points: &points,
            of: 300,
            best: Some((1, hostile)),
            stops: &[],
            best_stop: None,
            cases: vec![case],
            more: 3,
        };
        let page = replay_page(&view);
        assert!(!page.contains("<script"), "{page}");
        assert!(page.contains("data:audio/wav;base64,AQID") && page.contains("missed at 1.50 s, 400 ms long"));
        assert!(page.contains("2 of 300 settings were tried"));
        assert!(page.contains("And 3 more") && page.contains("class=\"now\"") && page.contains("class=\"best\""));
        assert!(!page.contains("http:") && !page.contains("https:"), "it asks nobody for anything");
        for tag in ["html", "main", "article", "svg", "table", "td", "footer"] {
            assert_eq!(page.matches(&format!("<{tag}")).count(), page.matches(&format!("</{tag}>")).count(), "{tag}");
        }
    }
}
