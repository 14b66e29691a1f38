use super::*;
use crate::core::ear::judge::LEVEL_DBOV;
use crate::core::sound::{level, wav};

const TEXT: &str = "This is a phrase of about three seconds, spoken to a test.";

/// Speech-like sound: a 200 Hz tone in syllables of 150 ms with 50 ms between, `ms` long, with 150 ms of calm after.
fn voice(ms: usize, amplitude: f64) -> Vec<i16> {
    let tone = (0..ms * 8).map(|n| {
        let on = n % 1_600 < 1_200;
        let wave = libm::sin(n as f64 * 200.0 * std::f64::consts::TAU / 8_000.0);
        let swell = libm::sin((n % 1_600) as f64 / 1_200.0 * std::f64::consts::PI).max(1.0 / 60.0);
        (wave * amplitude * if on { swell } else { 1.0 / 60.0 }) as i16
    });
    tone.chain(std::iter::repeat_n(0, 1_200)).collect()
}

/// An amplitude that gives the aimed level.
fn good() -> Vec<i16> {
    let loud = voice(3_000, 8_000.0);
    let level = level::active_level_dbov(&loud, 8_000).expect("not silent");
    voice(3_000, 8_000.0 * f64::from(libm::powf(10.0, (LEVEL_DBOV - level) / 20.0)))
}

fn hear_samples(samples: Vec<i16>) -> Result<Measured, Vec<Flaw>> {
    let language: Language = "en".parse().expect("tag");
    let bytes = wav::write(&Pcm { samples, rate: 8_000 });
    hear(&bytes, &Expected { text: TEXT, language: &language, rate: 8_000 })
}

fn codes(samples: Vec<i16>) -> Vec<Code> {
    hear_samples(samples).expect_err("a flaw").iter().map(|flaw| flaw.code).collect()
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
    let flaw = |bytes: &[u8]| hear(bytes, &expected).expect_err("refused").remove(0);
    assert_eq!(flaw(&wav::write(&Pcm { samples: vec![], rate: 8_000 })).code, Code::Empty);
    assert!(flaw(b"<html>502 Bad Gateway</html>").message.contains("an HTML page"));
    assert!(flaw(b"{\"error\":1}").message.contains("JSON"));
    assert_eq!(flaw(b"").code, Code::Empty);
    let whole = wav::write(&Pcm { samples: good(), rate: 8_000 });
    assert_eq!(flaw(&whole[..whole.len() - 1_000]).code, Code::HeaderLies);
    let wide = flaw(&wav::write(&Pcm { samples: good(), rate: 16_000 }));
    assert_eq!((wide.code, wide.measured, wide.limit), (Code::WrongRate, Some(16_000.0), Some(8_000.0)));
    let mut tagged = whole.clone();
    tagged.extend(b"LIST\x04\0\0\0INFO");
    let size = u32::try_from(tagged.len() - 8).expect("small");
    tagged[4..8].copy_from_slice(&size.to_le_bytes());
    assert_eq!(flaw(&tagged).code, Code::WrongCodec, "a good WAV, but not as this program writes them");
    for length in 0..60 {
        assert!(hear(&whole[..length], &expected).is_err());
    }
}

#[test]
fn silence_wrong_level_and_clipping_are_heard() {
    assert_eq!(codes(vec![0; 24_000]), [Code::Silent]);
    assert_eq!(codes(scaled(0.7)), [Code::Level]);
    assert_eq!(codes(scaled(1.3))[0], Code::Level);
    let mut clipped = good();
    clipped[8_000..8_040].fill(i16::MAX);
    let heard = hear_samples(clipped).expect_err("flaws");
    assert!(heard.iter().any(|flaw| flaw.code == Code::Clipping && flaw.measured == Some(1.0)), "{heard:?}");
    assert!(heard.iter().any(|flaw| flaw.code == Code::TruePeak), "{heard:?}");
}

#[test]
fn a_late_start_a_hole_and_a_cut_end_are_heard() {
    let late: Vec<i16> = std::iter::repeat_n(0, 1_000).chain(good()).collect();
    assert_eq!(codes(late), [Code::LeadingSilence]);
    let hole: Vec<i16> = good().into_iter().chain(std::iter::repeat_n(0, 20_000)).chain(good()).collect();
    assert_eq!(codes(hole), [Code::Gap]);
    let cut = good()[..8_000 * 2 + 800].to_vec();
    assert_eq!(codes(cut), [Code::CutOff]);
}

#[test]
fn a_length_that_does_not_fit_the_text_is_heard() {
    let mut short = good()[..1_200].to_vec();
    short.extend(vec![0; 1_200]);
    assert!(codes(short).contains(&Code::TooShort));
    let long: Vec<i16> = (0..6).flat_map(|_| good()).collect();
    assert_eq!(codes(long), [Code::TooLong]);
}

/// What any file may have that our own pipeline never leaves: the window of `cache verify`.
#[test]
fn a_file_from_elsewhere_has_a_wider_window_and_warnings() {
    let language: Language = "en".parse().expect("tag");
    let expected = Expected { text: TEXT, language: &language, rate: 8_000 };
    let again = |samples: Vec<i16>| {
        let bytes = wav::write(&Pcm { samples, rate: 8_000 });
        let recorded = Measured {
            duration_ms: 0,
            level_dbov: 0.0,
            true_peak_dbov: -1.0,
            leading_silence_ms: 0,
            longest_gap_ms: 0,
        };
        hear_again(&bytes, &expected, &recorded).iter().map(|flaw| flaw.code).collect::<Vec<_>>()
    };
    assert_eq!(again(good()), []);
    assert_eq!(again(scaled(0.55)), [], "5 dB under the aim");
    assert_eq!(again(scaled(0.45)), [Code::Level], "7 dB under the aim");
    let silence = |ms: usize| std::iter::repeat_n(0i16, ms * 8);
    assert_eq!(again(silence(140).chain(good()).collect()), []);
    assert_eq!(again(silence(160).chain(good()).collect()), [Code::LeadingSilence]);
    assert_eq!(again(good().into_iter().chain(silence(300)).collect()), []);
    assert_eq!(again(good().into_iter().chain(silence(400)).collect()), [Code::TrailingSilence]);
    assert_eq!(again(good().iter().map(|sample| sample + 200).collect()), [Code::DcOffset]);
    let mut clicked = good();
    clicked[11_000] = 9_000;
    assert_eq!(again(clicked), [Code::Click]);
    let hum = |at: usize| (libm::sin(at as f64 * 50.0 * std::f64::consts::TAU / 8_000.0) * 100.0) as i16;
    let hummed = good().iter().enumerate().map(|(at, sample)| sample + hum(at)).collect();
    assert_eq!(again(hummed), [Code::Hum]);
}

#[test]
fn an_engine_that_stops_in_full_voice_is_refused_before_the_pipeline_hides_it() {
    let raw = |samples: Vec<i16>| hear_raw(&Pcm { samples, rate: 8_000 }).map_err(|flaw| flaw.code);
    assert_eq!(raw(good()), Ok(()));
    assert_eq!(raw(scaled(0.2)), Ok(()), "a soft engine is not a cut one");
    assert_eq!(raw(good()[..16_800].to_vec()), Err(Code::CutOff));
    assert_eq!(raw(scaled(0.2)[..16_800].to_vec()), Err(Code::CutOff));
    assert_eq!(raw(vec![]), Err(Code::Empty));
    assert_eq!(raw(vec![0; 8_000]), Err(Code::Silent));
}

#[test]
fn points_of_hebrew_letters_are_not_counted_as_letters() {
    let he: Language = "he".parse().expect("tag");
    assert_eq!(estimate_ms("שָׁלוֹם", &he), estimate_ms("שלום", &he));
}
