use std::time::Duration;

use super::*;
use crate::core::sound::g711;

const OURS: &[u8] = include_bytes!("../../sim/clips/voicemail.ulaw");
const WORDS: [&[u8]; 3] = [
    include_bytes!("../../sim/clips/who.ulaw"),
    include_bytes!("../../sim/clips/how_much.ulaw"),
    include_bytes!("../../sim/clips/no_thanks.ulaw"),
];

/// A line on which our voice comes back so much later and quieter, through a hybrid's few taps.
fn given_back(delay_ms: usize, loss_db: f32) -> Vec<i16> {
    let ours = g711::decode_ulaw(OURS);
    let factor = 10.0_f32.powf(-loss_db / 20.0);
    let taps = [0.9_f32, 0.35, -0.2, 0.1];
    let mut noise = fastrand::Rng::with_seed(4);
    (0..ours.len())
        .map(|at| {
            let tap = |nth: usize| at.checked_sub(delay_ms * 8 + nth).map_or(0.0, |it| f32::from(ours[it]));
            let echo: f32 = taps.iter().enumerate().map(|(nth, share)| share * tap(nth)).sum();
            (factor * echo) as i16 + noise.i16(-16..16)
        })
        .collect()
}

/// Feeds a line; every loud chunk counts as speech. Gives the verdicts with their places in ms.
fn verdicts(them: &[i16], settings: &BargeIn) -> (Vec<(u64, Verdict)>, Over) {
    let mut over = Over::default();
    let them = g711::encode_ulaw(them);
    let mut found = Vec::new();
    for (nth, chunk) in them.chunks_exact(CHUNK_8K).enumerate() {
        over.push(&OURS[nth * CHUNK_8K..][..CHUNK_8K], chunk);
        let power: f32 = g711::decode_ulaw(chunk).iter().map(|it| f32::from(*it).powi(2)).sum();
        let loud = power / CHUNK_8K as f32 > 60.0_f32.powi(2);
        let verdict = over.feed(if loud { 0.9 } else { 0.0 }, nth as u64, true, settings);
        found.push(((nth as u64 + 1) * CHUNK_MS, verdict));
    }
    (found, over)
}

fn stops(found: &[(u64, Verdict)]) -> Vec<u64> {
    found.iter().filter(|(_, it)| matches!(it, Verdict::Stop(_))).map(|(at, _)| *at).collect()
}

#[test]
fn our_own_voice_given_back_stops_nothing_and_its_way_is_found() {
    for (delay_ms, loss_db) in [(20, 15.0), (120, 12.0), (410, 15.0), (640, 18.0)] {
        let line = given_back(delay_ms, loss_db);
        let (found, over) = verdicts(&line, &BargeIn::default());
        assert_eq!(stops(&found), [0_u64; 0], "after {delay_ms} ms, {loss_db} dB");
        let way = over.way().expect("found");
        assert!(way.delay_ms().abs_diff(delay_ms as u64) <= 3, "{way:?}");
        assert!((way.loss_db() - loss_db).abs() < 4.0, "{way:?}");
        let deaf = BargeIn { echo: false, ..BargeIn::default() };
        assert!(!stops(&verdicts(&line, &deaf).0).is_empty(), "what the gate is for");
    }
}

#[test]
fn whoever_speaks_through_the_echo_is_heard() {
    for word in WORDS {
        let mut line = given_back(120, 25.0);
        let at = 12_800;
        for (sample, more) in line[at..].iter_mut().zip(g711::decode_ulaw(word)) {
            *sample = sample.saturating_add(more);
        }
        let (found, _) = verdicts(&line, &BargeIn::default());
        let stops = stops(&found);
        let at_ms = at as u64 / 8;
        assert!(stops.first().is_some_and(|it| (at_ms..at_ms + 300).contains(it)), "{stops:?}");
    }
}

#[test]
fn words_over_our_voice_are_no_echo() {
    for (nth, word) in WORDS.into_iter().enumerate() {
        let mut line = vec![0_i16; OURS.len()];
        let at = 8_000 + nth * 1_111;
        line[at..at + word.len()].copy_from_slice(&g711::decode_ulaw(word));
        let (found, _) = verdicts(&line, &BargeIn::default());
        let with = stops(&found)[0];
        let (found, _) = verdicts(&line, &BargeIn { echo: false, ..BargeIn::default() });
        assert!(with <= stops(&found)[0] + CHUNK_MS, "one look more at most: {with}");
    }
}

#[test]
fn a_quiet_hum_is_held_until_it_is_long_and_a_loud_one_is_not() {
    let hum = |level: f32, ms: usize| -> Vec<i16> {
        let mut line = vec![0_i16; OURS.len()];
        for (at, sample) in line[8_000..8_000 + ms * 8].iter_mut().enumerate() {
            let time = at as f32 / 8_000.0;
            let tone =
                (time * 120.0 * std::f32::consts::TAU).sin() + 0.25 * (time * 240.0 * std::f32::consts::TAU).sin();
            *sample = (tone * level) as i16;
        }
        line
    };
    let usual = BargeIn::default();
    let (short, _) = verdicts(&hum(900.0, 300), &usual);
    assert_eq!(stops(&short), [0_u64; 0]);
    assert!(short.iter().any(|(_, it)| matches!(it, Verdict::Held(Why::BackChannel, _))));
    let first = |found: &[(u64, Verdict)]| stops(found).first().copied();
    assert!(first(&verdicts(&hum(900.0, 900), &usual).0).is_some_and(|at| (1_480..1_580).contains(&at)), "a long one");
    assert!(first(&verdicts(&hum(9_000.0, 300), &usual).0).is_some_and(|at| at < 1_130), "a loud one");
    let off = BargeIn { back_channel: Duration::ZERO, ..usual };
    assert!(first(&verdicts(&hum(900.0, 300), &off).0).is_some_and(|at| at < 1_130));
}
