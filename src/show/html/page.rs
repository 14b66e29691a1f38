//! The report as a page.

use super::escape;
use super::plot::{Bar, Subject, columns, rows};
use crate::core::report::{Group, Report};
use crate::show::campaign_report::{figures, listed, percent};

pub(super) const STYLE: &str = "\
:root{color-scheme:light dark;--bg:#fff;--fg:#1a1f26;--dim:#566270;--line:#d8dee6;--card:#f5f7fa;--a:#7899c7;--p:#1c5ea8;--bad:#b3261e}\
@media(prefers-color-scheme:dark){:root{--bg:#12161b;--fg:#e7ebf0;--dim:#9aa7b5;--line:#2c353f;--card:#1a2027;--a:#5b7899;--p:#82b7f5;--bad:#ff8a80}}\
*{box-sizing:border-box}body{margin:0 auto;max-width:1120px;padding:1.5rem 1rem 3rem;background:var(--bg);color:var(--fg);\
font:16px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif}\
h1{font-size:1.6rem;line-height:1.25;margin:0 0 .25rem;overflow-wrap:anywhere}h2{font-size:1.15rem;margin:2rem 0 .75rem}\
.sub{color:var(--dim);margin:0 0 1.5rem}\
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(45%,220px),1fr));gap:.75rem}\
.card{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:.75rem 1rem}\
.card b{display:block;font-size:1.5rem;line-height:1.3;font-variant-numeric:tabular-nums}.card span{color:var(--dim);font-size:.875rem}\
.card.bad b{color:var(--bad)}\
.plots{margin-top:2rem;columns:2 330px;column-gap:2rem}\
figure{margin:0 0 1.5rem;break-inside:avoid}figcaption{font-weight:600}svg{display:block;width:100%;height:auto;margin:.25rem 0}\
svg text{font:11px system-ui,'DejaVu Sans',sans-serif;fill:var(--fg)}svg .n{fill:var(--dim)}\
svg .a{fill:var(--a)}svg .p{fill:var(--p)}svg .x{stroke:var(--line)}\
.legend{margin:0;color:var(--dim);font-size:.8125rem}.legend i{display:inline-block;width:.75em;height:.75em;border-radius:2px;margin:0 .35em 0 .75em}\
.legend i:first-child{margin-left:0}.legend .a{background:var(--a)}.legend .p{background:var(--p)}\
details{font-size:.875rem;color:var(--dim)}summary{cursor:pointer}\
.wide{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:.9375rem;font-variant-numeric:tabular-nums}\
th,td{text-align:left;padding:.3rem .75rem .3rem 0;border-bottom:1px solid var(--line);vertical-align:top}th{font-weight:500}\
td{overflow-wrap:anywhere}code{font-size:.8125rem;overflow-wrap:anywhere}footer{margin-top:2.5rem;color:var(--dim);font-size:.8125rem}\
@media print{:root{color-scheme:light;--bg:#fff;--fg:#1a1f26;--dim:#566270;--line:#d8dee6;--card:#f5f7fa;--a:#7899c7;--p:#1c5ea8;--bad:#b3261e}\
*{print-color-adjust:exact}.cards{grid-template-columns:repeat(4,1fr)}body{max-width:none;padding:0;font-size:11pt}details{display:none}h2{break-after:avoid}tr{break-inside:avoid}}";

/// The report as one HTML page. Deterministic: the same report gives the same bytes.
pub fn report_page(report: &Report) -> String {
    let name = report.campaigns.join(", ");
    let span = match &report.since {
        Some(since) => format!("attempts since {}, as of {}", minute(since), minute(&report.until)),
        None => format!("all attempts, as of {}", minute(&report.until)),
    };
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\
         <meta name=\"robots\" content=\"noindex\">\
         <title>{title}</title><style>{STYLE}</style></head><body>\n<header><h1>{title}</h1><p class=\"sub\">{span}</p></header>\n\
         <main>{cards}\n<div class=\"plots\">{plots}</div>\n{tables}</main>\n\
         <footer>Made by ahoy from its ledger. Abandoned: answered by a person without speech of ours within 2 s. \
         Cost is an estimate from the carrier's minutes and the campaign's price, never a bill. Phone numbers are masked.\
         </footer></body></html>\n",
        title = escape(&format!("Campaign report: {name}")),
        span = escape(&span),
        cards = cards(report),
        plots = plots(report),
        tables = tables(report),
    )
}

/// A time of RFC 3339 in UTC as people write it; anything else as it is.
fn minute(time: &str) -> String {
    match (time.get(..10), time.get(10..11), time.get(11..16), time.ends_with('Z')) {
        (Some(day), Some("T"), Some(minute), true) => format!("{day} {minute} UTC"),
        (_, _, _, _) => time.to_owned(),
    }
}

fn cards(report: &Report) -> String {
    let first = report.answer_to_audio_ms.map_or("–".to_owned(), |q| format!("{:.0} ms", q.p99));
    let cards = [
        ("", report.attempts.to_string(), "attempts"),
        ("", report.answered.to_string(), "answered"),
        ("", percent(report.connect_rate), "connect rate"),
        (if report.abandoned > 0 { " bad" } else { "" }, percent(report.abandonment), "abandoned"),
        ("", first, "answer → first audio, p99"),
        ("", report.cost.estimate.to_string(), "cost, estimated"),
        (if report.fault_count > 0 { " bad" } else { "" }, report.fault_count.to_string(), "faults"),
        (if report.alarms.is_empty() { "" } else { " bad" }, report.alarms.len().to_string(), "alarms"),
    ];
    let cards: Vec<String> = cards
        .iter()
        .map(|(class, value, name)| {
            format!("<div class=\"card{class}\"><b>{}</b><span>{}</span></div>", escape(value), escape(name))
        })
        .collect();
    format!("<div class=\"cards\">{}</div>", cards.concat())
}

fn plots(report: &Report) -> String {
    let mut outcomes: Vec<Bar> =
        report.outcomes.iter().map(|(name, n)| Bar { label: name.replace('_', " "), all: *n, part: 0 }).collect();
    outcomes.sort_by_key(|bar| std::cmp::Reverse(bar.all));
    let hours: Vec<Bar> = (0..24).map(|hour| group(format!("{hour}"), report.by_hour.get(&hour).copied())).collect();
    let audio: Vec<Bar> =
        report.audio_histogram.iter().map(|bin| Bar { label: bin.label.clone(), all: bin.calls, part: 0 }).collect();
    let tries: Vec<Bar> = report
        .attempts_per_lead
        .iter()
        .map(|(tries, leads)| Bar {
            label: if *tries == 1 { "1 attempt".to_owned() } else { format!("{tries} attempts") },
            all: *leads,
            part: 0,
        })
        .collect();
    let named = |map: &std::collections::BTreeMap<String, Group>| -> Vec<Bar> {
        map.iter().map(|(name, it)| group(name.clone(), Some(*it))).collect()
    };
    let both = |label| (label, "attempts", Some("answered"));
    [
        rows(
            &Subject {
                id: "outcomes",
                title: "Outcomes",
                about: "Attempts by how they ended.",
                columns: ("outcome", "attempts", None),
            },
            &outcomes,
        ),
        columns(
            &Subject {
                id: "hours",
                title: "By hour of the callee's day",
                about: "Attempts in each hour from 0 to 23, and how many were answered.",
                columns: both("hour"),
            },
            &hours,
        ),
        rows(
            &Subject {
                id: "audio",
                title: "Answer → first audio",
                about: "Answered calls by how long the person waited for our voice.",
                columns: ("wait", "calls", None),
            },
            &audio,
        ),
        latencies(report),
        rows(
            &Subject {
                id: "callers",
                title: "By caller number",
                about: "Attempts from each of our numbers, and how many were answered.",
                columns: both("caller"),
            },
            &named(&report.by_caller),
        ),
        rows(
            &Subject {
                id: "languages",
                title: "By language",
                about: "Attempts in each language, and how many were answered.",
                columns: both("language"),
            },
            &named(&report.by_language),
        ),
        rows(
            &Subject {
                id: "tries",
                title: "Attempts per lead",
                about: "Leads by how often they were tried.",
                columns: ("attempts", "leads", None),
            },
            &tries,
        ),
    ]
    .concat()
}

/// How long people waited: one plot a campaign, the middle within the 99th percentile.
fn latencies(report: &Report) -> String {
    let mut out = String::new();
    for (at, (campaign, latencies)) in report.latencies.iter().enumerate() {
        // Whole milliseconds, so that a bar that is there can be seen.
        let ms = |ms: f64| ms.ceil() as u64;
        let bars: Vec<Bar> = latencies
            .named_ms()
            .into_iter()
            .map(|(name, q)| Bar { label: name.to_owned(), all: ms(q.p99), part: ms(q.p50) })
            .collect();
        if bars.is_empty() {
            continue;
        }
        let title =
            if report.latencies.len() > 1 { format!("Waiting, ms: {campaign}") } else { "Waiting, ms".to_owned() };
        let subject = Subject {
            id: &format!("waiting{at}"),
            title: &title,
            about: "How long people waited, milliseconds: from the answer and from the stream's start to our first sound, from \
                    speech over us to our silence, from the greeting's end to the agent and to its voice, from their turn's \
                    end to its voice. The middle of all, within the 99th percentile.",
            columns: ("from → to", "p99", Some("p50")),
        };
        out.push_str(&rows(&subject, &bars));
    }
    out
}

fn group(label: String, group: Option<Group>) -> Bar {
    let group = group.unwrap_or_default();
    Bar { label, all: group.attempts, part: group.answered.min(group.attempts) }
}

fn tables(report: &Report) -> String {
    let mut out = String::from("<h2>Figures</h2><div class=\"wide\"><table>");
    for (name, value) in figures(report) {
        out.push_str(&format!("<tr><th scope=\"row\">{}</th><td>{}</td></tr>", escape(&name), escape(&value)));
    }
    out.push_str("</table></div>");
    if !report.alarms.is_empty() {
        let rows = report.alarms.iter().map(|it| [it.at.clone(), it.kind.clone(), it.attempt.clone()]);
        out.push_str(&listing("Alarms", ["when", "alarm", "attempt"], rows));
    }
    if !report.faults.is_empty() {
        let title = format!("Faults ({})", listed(report.faults.len(), report.fault_count));
        let rows = report.faults.iter().map(|it| [it.at.clone(), it.outcome.replace('_', " "), it.attempt.clone()]);
        out.push_str(&listing(&title, ["when", "outcome", "attempt"], rows));
    }
    out
}

fn listing(title: &str, header: [&str; 3], rows: impl Iterator<Item = [String; 3]>) -> String {
    let mut out = format!("<h2>{}</h2><div class=\"wide\"><table><tr>", escape(title));
    for name in header {
        out.push_str(&format!("<th scope=\"col\">{}</th>", escape(name)));
    }
    out.push_str("</tr>");
    for [at, what, attempt] in rows {
        let [at, what, attempt] = [escape(&at), escape(&what), escape(&attempt)];
        out.push_str(&format!("<tr><td>{at}</td><td>{what}</td><td><code>{attempt}</code></td></tr>"));
    }
    out.push_str("</table></div>");
    out
}
