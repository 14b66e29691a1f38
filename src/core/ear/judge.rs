//! The checks themselves, on samples.

use super::{Code, Flaw};
use crate::base::{Language, limits};
use crate::core::asset::check::{Measured, estimate_ms};
use crate::core::sound::pipeline::TRAILING_MS;
use crate::core::sound::{self, Pcm, Silences, blemish, level};

/// Active speech level that the pipeline aims at, in dBov (RFC 7874 allows 6 dB on both sides).
pub const LEVEL_DBOV: f32 = -26.0;
/// Distance of the end's level from the voice's at which it was cut, dB.
const CUT_UNDER_DB: f32 = 12.0;
/// Phrases up to this length are short: with one word, the level depends on a few windows.
const SHORT_MS: u64 = 1_500;
/// Samples at full scale in a row that make a clipped peak.
const CLIPPED_RUN: usize = 3;
/// Highest true peak, in dBov: the pipeline guards −1, and the measurement itself has a small error.
const PEAK_DBOV: f32 = -0.9;
/// Longest silence inside. A pause between two sentences is under 1 s in every engine tried.
const GAP_MS: u64 = 2_000;

/// How strict the ear is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Distance from the aimed level that is let pass, dB.
    pub level_db: f32,
    /// The same for short phrases, dB.
    pub short_level_db: f32,
    /// Longest silence before the first sound, ms.
    pub leading_ms: u64,
    /// Longest silence after the last sound, ms.
    pub trailing_ms: u64,
    /// Whether warnings are looked for too.
    pub warnings: bool,
    /// Whether peaks between the samples count.
    pub true_peak: bool,
}

impl Limits {
    /// For what our own pipeline made: it trims and levels, so anything else is a fault.
    pub const ENTRY: Limits = Limits {
        level_db: 1.5,
        short_level_db: 4.0,
        leading_ms: 60,
        trailing_ms: TRAILING_MS,
        warnings: false,
        true_peak: true,
    };

    /// For any file that is to be played on a telephone.
    pub const ANY: Limits = Limits {
        level_db: 6.0,
        short_level_db: 6.0,
        leading_ms: 150,
        trailing_ms: TRAILING_MS,
        warnings: true,
        true_peak: false,
    };
}

/// DC offset that is let pass, in percent of full scale.
const DC_PERCENT: f64 = 0.5;
/// Hum that is let pass, dBov: 34 dB under the voice.
const HUM_DBOV: f32 = -60.0;

/// The words that a sound should hold.
#[derive(Debug, Clone, Copy)]
pub struct Text<'a> {
    /// The words.
    pub words: &'a str,
    /// Their language.
    pub language: &'a Language,
}

/// What the ear made of a sound.
#[derive(Debug, Clone, PartialEq)]
pub struct Heard {
    /// The figures; `None` = there was nothing to measure.
    pub measured: Option<Measured>,
    /// What is wrong, in a fixed order.
    pub flaws: Vec<Flaw>,
}

/// Judges a sound.
///
/// `text`: what it should say, if that is known. `recorded_peak_dbov`: the true peak of the same bytes as measured
/// earlier: it costs six times all the rest, and stands unless a sample rises above it.
pub fn judge(pcm: &Pcm, text: Option<Text<'_>>, limits: &Limits, recorded_peak_dbov: Option<f32>) -> Heard {
    let nothing = |flaw: Flaw| Heard { measured: None, flaws: vec![flaw] };
    if pcm.samples.is_empty() {
        return nothing(empty());
    }
    let Ok(active) = level::active_level_dbov(&pcm.samples, pcm.rate) else { return nothing(silent()) };
    let sample_peak = sample_peak_dbov(&pcm.samples);
    let silences = sound::silences(pcm);
    let measured = Measured {
        duration_ms: pcm.duration_ms(),
        level_dbov: hundredths(active),
        true_peak_dbov: match recorded_peak_dbov.filter(|peak| sample_peak <= peak + 0.01) {
            Some(recorded) => recorded,
            None if limits.true_peak => hundredths(level::true_peak_dbov(&pcm.samples)),
            None => hundredths(sample_peak),
        },
        leading_silence_ms: silences.leading_ms,
        longest_gap_ms: silences.inner_ms,
    };
    let mut flaws = Vec::new();
    flaws.extend(length(&measured, text));
    flaws.extend(loudness(&measured, active, limits));
    if limits.true_peak && measured.true_peak_dbov > PEAK_DBOV {
        let (dbov, limit) = (f64::from(measured.true_peak_dbov), f64::from(PEAK_DBOV));
        flaws.push(Flaw::beyond(Code::TruePeak, dbov, limit, format!("true peak {dbov:.1} dBov: render it again")));
    }
    let runs = clipped_runs(&pcm.samples, sample_peak);
    if runs > 0 {
        let message = format!("clipped in {runs} places: lower the engine's volume");
        flaws.push(Flaw::beyond(Code::Clipping, f64::from(runs), 0.0, message));
    }
    flaws.extend(too_silent(silences, limits));
    let cut =
        if limits.warnings { active - CUT_UNDER_DB } else { (active - CUT_UNDER_DB).max(LEVEL_DBOV - CUT_UNDER_DB) };
    flaws.extend(cut_end(pcm, cut));
    if limits.warnings {
        flaws.extend(blemishes(pcm));
    }
    Heard { measured: Some(measured), flaws }
}

/// Judges an engine's sound before the pipeline fades its end: nothing, silence, clipped, or cut in full voice.
///
/// The end is compared with the loudness of the whole, since engines differ in level.
pub fn raw(pcm: &Pcm) -> Result<(), Flaw> {
    if pcm.samples.is_empty() {
        return Err(empty());
    }
    let runs = clipped_runs(&pcm.samples, sample_peak_dbov(&pcm.samples));
    // Engines that drive their voice to full scale touch it now and then; a flat top in every second is distortion.
    let most = 2 * (1 + pcm.duration_ms() / 1_000);
    if u64::from(runs) > most {
        let message = format!("clipped in {runs} places: lower the engine's volume");
        return Err(Flaw::beyond(Code::Clipping, f64::from(runs), most as f64, message));
    }
    let active = level::active_level_dbov(&pcm.samples, pcm.rate).map_err(|_| silent())?;
    cut_end(pcm, active - CUT_UNDER_DB).map_or(Ok(()), Err)
}

fn empty() -> Flaw {
    Flaw::new(Code::Empty, "a file without a single sample: the engine gave nothing; try the engine alone")
}

fn silent() -> Flaw {
    Flaw::new(Code::Silent, "only silence: check the engine's voice and the text's language")
}

fn length(measured: &Measured, text: Option<Text<'_>>) -> Option<Flaw> {
    let ms = measured.duration_ms;
    let longest = u64::from(limits::ASSET_SECONDS) * 1_000;
    if ms > longest {
        let message = format!("{ms} ms of sound; {longest} ms is the most");
        return Some(Flaw::beyond(Code::TooLong, ms as f64, longest as f64, message));
    }
    let text = text?;
    let about = estimate_ms(text.words, text.language);
    if ms * 10 < about * 3 {
        let message = format!("{ms} ms for a text of about {about} ms: part is missing; shorten or split the text");
        return Some(Flaw::beyond(Code::TooShort, ms as f64, (about * 3 / 10) as f64, message));
    }
    if ms > about * 3 {
        let message = format!("{ms} ms for a text of about {about} ms: listen to it; the language may be wrong");
        return Some(Flaw::beyond(Code::TooLong, ms as f64, (about * 3) as f64, message));
    }
    None
}

fn loudness(measured: &Measured, active: f32, limits: &Limits) -> Option<Flaw> {
    let short = measured.duration_ms <= SHORT_MS;
    let tolerance = if short { limits.short_level_db } else { limits.level_db };
    // A phrase with few loud moments is kept below the aim by the guard on its peak: that is no fault.
    let guarded = measured.true_peak_dbov > -1.6 && active < LEVEL_DBOV && active > LEVEL_DBOV - 6.0;
    if (active - LEVEL_DBOV).abs() <= tolerance || guarded {
        return None;
    }
    let limit = if active < LEVEL_DBOV { LEVEL_DBOV - tolerance } else { LEVEL_DBOV + tolerance };
    let message = format!("active level {active:.1} dBov instead of {LEVEL_DBOV:.0} ± {tolerance}: render it again");
    Some(Flaw::beyond(Code::Level, f64::from(active), f64::from(limit), message))
}

fn too_silent(found: Silences, limits: &Limits) -> Vec<Flaw> {
    let rows = [
        (Code::LeadingSilence, found.leading_ms, limits.leading_ms, "of silence before the first sound"),
        (Code::Gap, found.inner_ms, GAP_MS, "of silence inside: split the text into two phrases"),
        (Code::TrailingSilence, found.trailing_ms, limits.trailing_ms, "of silence after the last sound"),
    ];
    let beyond = rows.into_iter().filter(|(_, ms, most, _)| ms > most);
    beyond.map(|(code, ms, most, what)| Flaw::beyond(code, ms as f64, most as f64, format!("{ms} ms {what}"))).collect()
}

fn blemishes(pcm: &Pcm) -> Vec<Flaw> {
    let mut flaws = Vec::new();
    let percent = blemish::dc_offset(&pcm.samples) * 100.0;
    if percent > DC_PERCENT {
        let message =
            format!("the wave swings around {percent:.1} % of full scale, not around zero: take the offset out");
        flaws.push(Flaw::beyond(Code::DcOffset, percent, DC_PERCENT, message));
    }
    let clicks = blemish::clicks(pcm);
    if clicks > 0 {
        let message = format!("clicks in {clicks} places: listen to it, and render it again");
        flaws.push(Flaw::beyond(Code::Click, f64::from(clicks), 0.0, message));
    }
    let hum = blemish::hum_dbov(pcm);
    if hum > HUM_DBOV {
        let message = format!("hum of the mains at {hum:.0} dBov: record it again, or filter it");
        flaws.push(Flaw::beyond(Code::Hum, f64::from(hum), f64::from(HUM_DBOV), message));
    }
    flaws
}

fn hundredths(db: f32) -> f32 {
    libm::roundf(db * 100.0) / 100.0
}

/// Highest sample, dBov.
fn sample_peak_dbov(samples: &[i16]) -> f32 {
    let peak = samples.iter().map(|sample| sample.unsigned_abs()).max().unwrap_or(0);
    20.0 * libm::log10f(f32::from(peak) / 32_768.0)
}

fn clipped_runs(samples: &[i16], peak_dbov: f32) -> u32 {
    // Nearly every phrase ends here.
    if peak_dbov < -0.001 {
        return 0;
    }
    let flat = |run: &&[i16]| run.len() >= CLIPPED_RUN && (run[0] == i16::MAX || run[0] == i16::MIN);
    u32::try_from(samples.chunk_by(|a, b| a == b).filter(flat).count()).unwrap_or(u32::MAX)
}

/// Looks at the 20 ms before the last 10: the last ones are faded by the pipeline whatever they were.
fn cut_end(pcm: &Pcm, limit_dbov: f32) -> Option<Flaw> {
    let ten = (pcm.rate / 100) as usize;
    let end = pcm.samples.len().saturating_sub(ten);
    let dbov = level::rms_dbov(&pcm.samples[end.saturating_sub(2 * ten)..end]);
    let message = format!("cut off: still {dbov:.1} dBov at its end; render it again, or shorten the text");
    (dbov > limit_dbov).then(|| Flaw::beyond(Code::CutOff, f64::from(dbov), f64::from(limit_dbov), message))
}
