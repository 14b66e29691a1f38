//! Whole campaigns on emulated telephone systems of one's own: an Asterisk and a 3CX, each over real sockets.

#[path = "../common/mod.rs"]
mod common;

mod asterisk;
mod threecx;

use ahoy::core::sound::g711;
use common::{Shop, run};
use serde_json::Value;

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
