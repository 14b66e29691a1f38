//! What each fuzz target asserts of hostile bytes. `tests/fuzz_corpus.rs` runs the same over the committed corpus.
#![allow(dead_code)] // each target uses one of these

use std::io::Write;

use ahoy::base::{Phone, Secret, limits};
use ahoy::core::asset::lock::Lock;
use ahoy::core::config::{ConfigFault, parse_campaign, parse_workspace};
use ahoy::core::lead::{Columns, read_row};

use ahoy::core::sound::wav;
use ahoy::core::wire::media::{self, Event};
use ahoy::core::wire::signature::{self, Body, Keys, Signed};
use ahoy::core::wire::{form, twilio, twiml};
use ahoy::store::leadfile::LeadFile;

/// A webhook: the first line is the signature, the rest the form.
pub fn webhook(bytes: &[u8]) {
    let cut = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    let (claimed, body) = bytes.split_at(cut);
    let pairs = form::decode(body.get(1..).unwrap_or_default());
    assert_eq!(form::decode(form::encode(&pairs).as_bytes()), pairs, "a form is read back as it was written");
    if let Ok(callback) = twilio::read_callback(&pairs) {
        assert!(!callback.call_sid.is_empty() && !callback.account_sid.is_empty());
    }
    let token = Secret::new("12345".to_owned());
    let keys = Keys { token: &token, shared: None };
    let url = "https://calls.example.com/hooks/status/abc";
    let checks = |pairs: &[(String, String)], signature: Option<&str>| {
        signature::verify(&keys, &Signed { url, body: Body::Form(pairs), signature, settings: None })
    };
    let good = signature::sign(&token, url, &pairs);
    assert!(checks(&pairs, Some(&good)), "what was signed is accepted");
    assert!(!checks(&pairs, None), "no signature is no signature");
    let claimed = String::from_utf8_lossy(claimed);
    let with_port = signature::sign(&token, "https://calls.example.com:443/hooks/status/abc", &pairs);
    assert!(
        claimed == good || claimed == with_port || !checks(&pairs, Some(&claimed)),
        "a forged signature is refused"
    );
    let mut more = pairs.clone();
    more.push(("Added".to_owned(), "1".to_owned()));
    assert!(pairs.contains(&more[pairs.len()]) || !checks(&more, Some(&good)), "a field that was added is noticed");
}

/// A media message, and sound of our own.
pub fn media(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    match media::parse(&text) {
        Ok(told) => {
            assert!(text.len() <= limits::MEDIA_MESSAGE_BYTES, "a message has a bound");
            if let Event::Media(frame) = told.event {
                let mut sound = Vec::new();
                let _refused_or_not = media::decode_payload(&frame.payload, &mut sound);
                assert!(sound.len() <= text.len(), "sound is never longer than its message");
            }
        }
        Err(fault) => assert!(!fault.to_string().is_empty()),
    }
    let ours = &bytes[..bytes.len().min(limits::MEDIA_MESSAGE_BYTES / 2)];
    if ours.is_empty() {
        return;
    }
    let written = media::Writer::new("MZ1").media(&media::media_tail(ours));
    let Ok(Event::Media(frame)) = media::parse(&written).map(|told| told.event) else { panic!("our own message") };
    let mut sound = Vec::new();
    media::decode_payload(&frame.payload, &mut sound).expect("our own sound");
    assert_eq!(sound, ours);
}

/// A lead file.
pub fn csv(bytes: &[u8]) {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(bytes).expect("written");
    let Ok(mut leads) = LeadFile::open(file.path()) else { return };
    let header = leads.header().to_vec();
    let columns = Columns::read(&header, &[]);
    let mut last = 0;
    while let Ok(Some(row)) = leads.next_row() {
        assert!(row.line > last, "lines are counted upwards");
        last = row.line;
        assert!(row.fields.iter().all(|field| field.len() <= limits::CSV_FIELD_BYTES), "a field has a bound");
        let Ok(columns) = &columns else { continue };
        let fields: Vec<&str> = row.fields.iter().map(String::as_str).collect();
        match read_row(columns, row.line, &fields, "BG".parse().ok()) {
            Ok(lead) => {
                assert_eq!(Phone::from_e164(lead.phone.expose()), Ok(lead.phone.clone()));
                assert!(!lead.phone.costs_extra());
            }
            Err(fault) => assert!(!fault.kind().is_empty()),
        }
    }
}

/// Every file that a person writes or commits.
pub fn config(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let lines = text.lines().count() + 1;
    let told = |fault: ConfigFault| {
        assert!(fault.line.is_none_or(|line| (1..=lines).contains(&line)), "{fault}");
        assert!(!fault.what.is_empty());
    };
    if let Err(fault) = parse_workspace("ahoy.toml", &text) {
        told(fault);
    }
    match parse_campaign("spring".parse().expect("a slug"), "campaign.toml", &text) {
        Ok(campaign) => assert!(campaign.hours.any || campaign.hours.start < campaign.hours.end),
        Err(fault) => told(fault),
    }
    match Lock::parse("assets.lock", &text) {
        Ok(lock) => assert_eq!(Lock::parse("assets.lock", &lock.write()), Ok(lock), "a lock reads back"),
        Err(fault) => told(fault),
    }
}

/// A WAV.
pub fn wav(bytes: &[u8]) {
    for told in [wav::read_channels(bytes), wav::read_repaired(bytes)].into_iter().flatten() {
        assert!((8_000..=48_000).contains(&told.rate));
        let samples: usize = told.channels.iter().map(Vec::len).sum();
        assert!(samples <= bytes.len(), "no sample without a byte");
        assert!(told.channels.iter().all(|channel| channel.len() == told.channels[0].len()));
    }
    if let Ok(pcm) = wav::read(bytes) {
        let again = wav::read(&wav::write(&pcm)).expect("our own file");
        assert_eq!((again.rate, &again.samples), (pcm.rate, &pcm.samples), "sound reads back");
    }
}

/// A document of instructions, as the embedded carrier reads it.
pub fn twiml(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let Ok(verbs) = twiml::parse(&text) else { return };
    let Ok(written) = twiml::write(&verbs) else { return };
    assert_eq!(twiml::parse(&written), Ok(verbs), "a document reads back");
}
