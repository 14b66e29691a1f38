//! The demo's summary.
#![allow(missing_docs)] // the fields are the rows of the tables below

use std::collections::BTreeMap;

use super::report::{list, quantiles};
use super::table::table;
use crate::core::figures::Quantiles;

/// One call, as the summary lists it.
#[derive(Debug, Clone)]
pub struct Recording {
    /// Who, by name.
    pub name: String,
    /// The number, masked.
    pub phone: String,
    /// Language heard.
    pub language: String,
    /// Outcome.
    pub outcome: String,
    /// Milliseconds of the greeting that were heard.
    pub heard_ms: Option<u64>,
    /// Path of the recording, below the folder of call logs.
    pub path: Option<String>,
}

/// What the demo did.
#[derive(Debug)]
pub struct DemoView<'a> {
    pub import_added: u64,
    pub import_rejected: u64,
    pub duplicates: u64,
    pub engine_calls: u64,
    pub rendered: u64,
    pub answered: u64,
    pub attempts: u64,
    pub outcomes: &'a BTreeMap<String, u64>,
    pub fall_back: u64,
    pub first_audio_ms: Option<Quantiles<f64>>,
    pub stream_to_audio_ms: Option<Quantiles<f64>>,
    pub barge_ins: u64,
    pub barge_in_ms: Option<Quantiles<f64>>,
    pub tail_ms: Option<Quantiles<f64>>,
    pub opted_out: u64,
    pub not_called: &'a BTreeMap<String, u64>,
    pub waiting: u64,
    pub rung_twice: u64,
    pub calls: &'a [Recording],
    pub folder: &'a str,
}

/// The summary as text: calls, then figures, then where to listen.
pub fn text(view: &DemoView<'_>) -> String {
    let calls: Vec<Vec<String>> = view
        .calls
        .iter()
        .map(|call| {
            vec![
                call.name.clone(),
                call.phone.clone(),
                call.language.clone(),
                call.outcome.replace('_', " "),
                call.heard_ms.map_or(String::new(), |ms| format!("{:.1} s", ms as f64 / 1_000.0)),
                call.path.clone().unwrap_or_default(),
            ]
        })
        .collect();
    let calls = table(&["who", "number", "language", "outcome", "heard", "recording"], &calls, &[4]);
    let mut rows = vec![
        vec![
            "leads".to_owned(),
            format!(
                "{} imported, {} refused, {} twice in the file",
                view.import_added, view.import_rejected, view.duplicates
            ),
        ],
        vec![
            "engine calls".to_owned(),
            format!("{} for {} answered calls ({} rendered now)", view.engine_calls, view.answered, view.rendered),
        ],
        vec!["outcomes".to_owned(), format!("{} attempts: {}", view.attempts, list(view.outcomes))],
        vec!["answer → first audio".to_owned(), format!("{}  (the carrier's log)", quantiles(view.first_audio_ms))],
        vec!["stream → first audio".to_owned(), format!("{}  (our clock)", quantiles(view.stream_to_audio_ms))],
        vec!["barge-ins".to_owned(), barge_ins(view)],
        vec!["opted out".to_owned(), view.opted_out.to_string()],
        vec!["heard the fall-back".to_owned(), view.fall_back.to_string()],
        vec!["not called".to_owned(), list(view.not_called)],
        vec!["to be tried again".to_owned(), view.waiting.to_string()],
        vec!["rung twice".to_owned(), format!("{}  (the carrier's log)", view.rung_twice)],
    ];
    rows.push(vec!["recordings in".to_owned(), format!("{}/  (two channels: them left, us right)", view.folder)]);
    rows.push(vec!["look closer".to_owned(), format!("ahoy calls latency --dir {}", view.folder)]);
    format!("{calls}\n\n{}", table(&["summary", ""], &rows, &[]))
}

fn barge_ins(view: &DemoView<'_>) -> String {
    if view.barge_ins == 0 {
        return "0".to_owned();
    }
    format!(
        "{}  (speech → clear {}; sound played after the speech began {})",
        view.barge_ins,
        quantiles(view.barge_in_ms),
        quantiles(view.tail_ms)
    )
}
