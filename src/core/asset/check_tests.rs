use super::*;
use crate::core::sound::wav;

const TEXT: &str = "This is a phrase of about three seconds, spoken to a test.";

/// Speech-like sound: a 200 Hz tone in syllables of 150 ms with 50 ms between, `ms` long, with 150 ms of calm after.
fn voice(ms: usize, amplitude: f64) -> Vec<i16> {
    let tone = (0..ms * 8).map(|n| {
        let on = n % 1_600 < 1_200;
        let wave = libm::sin(n as f64 * 200.0 * std::f64::consts::TAU / 8_000.0);
        if on { (wave * amplitude) as i16 } else { (wave * amplitude / 60.0) as i16 }
    });
    tone.chain(std::iter::repeat_n(0, 1_200)).collect()
}

/// An amplitude that gives the aimed level.
fn good() -> Vec<i16> {
    let loud = voice(3_000, 8_000.0);
    let level = level::active_level_dbov(&loud, 8_000).expect("not silent");
    voice(3_000, 8_000.0 * f64::from(libm::powf(10.0, (LEVEL_DBOV - level) / 20.0)))
}

fn hear_samples(samples: Vec<i16>) -> Result<Measured, Vec<EarFault>> {
    let language: Language = "en".parse().expect("tag");
    let bytes = wav::write(&Pcm { samples, rate: 8_000 });
    hear(&bytes, &Expected { text: TEXT, language: &language, rate: 8_000 })
}

fn faults(samples: Vec<i16>) -> Vec<EarFault> {
    hear_samples(samples).expect_err("a fault")
}

fn scaled(by: f64) -> Vec<i16> {
    good().iter().map(|sample| (f64::from(*sample) * by) as i16).collect()
}

#[test]
fn a_good_phrase_passes_and_is_measured() {
    let measured = hear_samples(good()).expect("good");
    assert_eq!(measured.duration_ms, 3_150);
    assert!((measured.level_dbov - LEVEL_DBOV).abs() < 0.5, "{measured:?}");
    assert!(measured.leading_silence_ms <= 10 && measured.longest_gap_ms <= 60, "{measured:?}");
}

#[test]
fn empty_and_foreign_files_are_refused_by_what_they_are() {
    let language: Language = "en".parse().expect("tag");
    let expected = Expected { text: TEXT, language: &language, rate: 8_000 };
    let fault = |bytes: &[u8]| hear(bytes, &expected).expect_err("refused").remove(0);
    assert_eq!(fault(&wav::write(&Pcm { samples: vec![], rate: 8_000 })), EarFault::Empty);
    assert!(fault(b"<html>502 Bad Gateway</html>").to_string().contains("looks like HTML"));
    assert!(fault(b"{\"error\":1}").to_string().contains("looks like JSON"));
    assert!(fault(b"").to_string().contains("it is empty"));
    let whole = wav::write(&Pcm { samples: good(), rate: 8_000 });
    assert!(fault(&whole[..whole.len() - 1_000]).to_string().contains("the header says"));
    assert!(fault(&wav::write(&Pcm { samples: good(), rate: 16_000 })).to_string().contains("16000 Hz"));
    for length in 0..60 {
        assert!(hear(&whole[..length], &expected).is_err());
    }
}

#[test]
fn silence_wrong_level_and_clipping_are_heard() {
    assert_eq!(faults(vec![0; 24_000]), [EarFault::Silent]);
    assert!(matches!(faults(scaled(0.7))[..], [EarFault::Level { .. }]));
    assert!(matches!(faults(scaled(1.3))[0], EarFault::Level { .. }));
    let mut clipped = good();
    clipped[8_000..8_040].fill(i16::MAX);
    let heard = faults(clipped);
    assert!(heard.contains(&EarFault::Clipped { runs: 1 }), "{heard:?}");
    assert!(heard.iter().any(|fault| matches!(fault, EarFault::Peak { .. })), "{heard:?}");
}

#[test]
fn a_late_start_a_hole_and_a_cut_end_are_heard() {
    let late: Vec<i16> = std::iter::repeat_n(0, 1_000).chain(good()).collect();
    assert!(matches!(faults(late)[..], [EarFault::LeadingSilence { ms: 120..=130 }]));
    let hole: Vec<i16> = good().into_iter().chain(std::iter::repeat_n(0, 20_000)).chain(good()).collect();
    assert!(matches!(faults(hole)[..], [EarFault::Gap { .. }]));
    let cut = good()[..8_000 * 2 + 800].to_vec();
    assert!(matches!(faults(cut)[..], [EarFault::Cut { .. }]));
}

#[test]
fn a_length_that_does_not_fit_the_text_is_heard() {
    let mut short = good()[..1_200].to_vec();
    short.extend(vec![0; 1_200]);
    assert!(faults(short).iter().any(|fault| matches!(fault, EarFault::TooShort { .. })));
    let long: Vec<i16> = (0..6).flat_map(|_| good()).collect();
    assert!(matches!(faults(long)[..], [EarFault::TooLong { .. }]));
}

#[test]
fn an_engine_that_stops_in_full_voice_is_refused_before_the_pipeline_hides_it() {
    let raw = |samples: Vec<i16>| hear_raw(&Pcm { samples, rate: 8_000 });
    assert_eq!(raw(good()), Ok(()));
    assert_eq!(raw(scaled(0.2)), Ok(()), "a soft engine is not a cut one");
    assert!(matches!(raw(good()[..16_800].to_vec()), Err(EarFault::Cut { .. })));
    assert!(matches!(raw(scaled(0.2)[..16_800].to_vec()), Err(EarFault::Cut { .. })));
    assert_eq!(raw(vec![]), Err(EarFault::Empty));
    assert_eq!(raw(vec![0; 8_000]), Err(EarFault::Silent));
}

#[test]
fn points_of_hebrew_letters_are_not_counted_as_letters() {
    let he: Language = "he".parse().expect("tag");
    assert_eq!(estimate_ms("שָׁלוֹם", &he), estimate_ms("שלום", &he));
}

#[test]
fn hearing_again_trusts_a_recorded_peak_only_while_no_sample_rises_above_it() {
    let language: Language = "en".parse().expect("tag");
    let expected = Expected { text: TEXT, language: &language, rate: 8_000 };
    let bytes = wav::write(&Pcm { samples: good(), rate: 8_000 });
    let measured = hear(&bytes, &expected).expect("good");
    assert_eq!(hear_again(&bytes, &expected, &measured), Ok(measured));
    let forged = Measured { true_peak_dbov: -60.0, ..measured };
    assert_eq!(hear_again(&bytes, &expected, &forged), Ok(measured), "measured anew");
}
