//! The fuzz targets' bodies over their committed corpus, so that neither rots. What a fuzzer found is in the corpus too.

use std::fs;
use std::path::Path;

#[path = "../fuzz/bodies.rs"]
mod bodies;

/// Runs a body over its corpus, and over each file cut short and with bytes turned.
fn over(target: &str, body: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/fuzz").join(target);
    let mut files: Vec<_> =
        fs::read_dir(&folder).expect("a corpus").map(|entry| entry.expect("a file").path()).collect();
    files.sort();
    assert!(files.len() >= 2, "{target}: a corpus has examples");
    let mut random = fastrand::Rng::with_seed(11);
    for file in files {
        let bytes = fs::read(&file).expect("read");
        println!("{}", file.display());
        body(&bytes);
        for _ in 0..30 {
            let mut turned = bytes[..random.usize(0..=bytes.len())].to_vec();
            for _ in 0..random.usize(0..4) {
                if !turned.is_empty() {
                    let at = random.usize(..turned.len());
                    turned[at] = random.u8(..);
                }
            }
            body(&turned);
        }
    }
}

#[test]
fn no_webhook_breaks_the_gateway_and_no_forged_one_is_believed() {
    over("webhook", bodies::webhook);
}

#[test]
fn no_media_message_breaks_a_stream() {
    over("media", bodies::media);
}

#[test]
fn no_lead_file_breaks_an_import() {
    over("csv", bodies::csv);
}

#[test]
fn no_configuration_breaks_a_start() {
    over("config", bodies::config);
}

#[test]
fn no_wav_breaks_the_cache() {
    over("wav", bodies::wav);
}

#[test]
fn no_document_breaks_the_embedded_carrier() {
    over("twiml", bodies::twiml);
}
