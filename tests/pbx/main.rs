//! Whole campaigns on emulated telephone systems of one's own: an Asterisk and a 3CX, each over real sockets.

#[path = "../common/mod.rs"]
mod common;

mod asterisk;
mod threecx;

use std::collections::BTreeSet;

use ahoy::core::sound::g711;
use axum::extract::ws::{Message, WebSocket};
use common::{Shop, code, run};
use serde_json::Value;
use tokio::sync::mpsc::UnboundedReceiver;

fn report(shop: &Shop) -> Value {
    let report = run(shop.campaign(&["report", "c"]).arg("--json"));
    serde_json::from_slice(&report.stdout).expect("JSON")
}

/// The greeting as it is in the workspace's cache, as the line carries it.
fn greeting(shop: &Shop) -> Vec<i16> {
    let is_it = |path: &std::path::PathBuf| {
        path.extension().is_some_and(|it| it == "json")
            && std::fs::read_to_string(path).is_ok_and(|text| text.contains("harbour line"))
    };
    let record = walk(&shop.path("cache")).into_iter().find(is_it).expect("the greeting's record");
    let mut wav = hound::WavReader::open(record.with_extension("wav")).expect("a WAV");
    let samples: Vec<i16> = wav.samples::<i16>().map(|it| it.expect("whole")).collect();
    g711::decode_ulaw(&g711::encode_ulaw(&samples))
}

fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() { found.extend(walk(&path)) } else { found.push(path) }
    }
    found
}

/// Tells events until the listener goes, or, at `None`, breaks the socket off without closing it.
async fn tell(mut told: UnboundedReceiver<Option<String>>, mut socket: WebSocket) {
    loop {
        tokio::select! {
            event = told.recv() => match event {
                Some(Some(text)) => if socket.send(Message::Text(text.into())).await.is_err() { break },
                Some(None) | None => break,
            },
            came = socket.recv() => if came.is_none_or(|it| it.is_err()) { break },
        }
    }
}

/// A campaign, to its end.
fn dial(shop: &Shop) -> i32 {
    code(&run(&mut shop.campaign(&["run", "c", "--yes", "--drain", "--quiet"])))
}

/// Nobody was rung twice; gives the numbers that were.
fn once<'a>(rung: impl Iterator<Item = &'a String>) -> BTreeSet<String> {
    let mut numbers = BTreeSet::new();
    for to in rung {
        assert!(numbers.insert(to.clone()), "a person was rung twice");
    }
    numbers
}
