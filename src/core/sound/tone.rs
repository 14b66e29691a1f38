//! Single tones in telephone sound: the beep of a voicemail, the answer of a fax.
//!
//! A sine of one frequency is told exactly by its two neighbours: `x[n-1] + x[n+1] = 2 cos(ω) x[n]`. The best cos(ω) of
//! a frame gives the frequency; what the equation leaves over tells how much else there is. The same holds for neighbours
//! further away.

use super::g711;

/// One period of 1 kHz at −22 dBov, in µ-law, for 400 ms.
pub const BEEP: [u8; 3_200] = {
    let period = [0xff, 0xba, 0xb2, 0xba, 0xff, 0x3a, 0x32, 0x3a];
    let mut out = [0xff; 3_200];
    let mut at = 0;
    while at < out.len() {
        out[at] = period[at % 8];
        at += 1;
    }
    out
};

/// Samples of a frame at 8 kHz: 20 ms.
const FRAME: usize = 160;
const FRAME_MS: u64 = 20;
/// Share of a frame's power, beside its tone, that a tone may have: line noise 15 dB below it.
const REST: f32 = 0.03;
/// Quieter frames have no tone: −45 dBov.
const FAINT: f32 = 184.0 * 184.0;
/// How far a frame may lie from the tone so far: noise bends an estimate, vowels glide further.
const WANDER: f32 = 0.03;

/// A tone of one frequency.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tone {
    /// Its frequency; beside noise it is read some per cent too high.
    pub hertz: f32,
    /// How long it has lasted, in whole frames of 20 ms.
    pub ms: u64,
}

/// Follows the tones of a stream.
#[derive(Debug, Default)]
pub struct ToneEar {
    partial: Vec<u8>,
    tone: Option<Tone>,
}

impl ToneEar {
    /// Takes µ-law sound of any length; tells each tone that ended in it, shortest notice 20 ms after its end.
    pub fn push(&mut self, ulaw: &[u8], mut ended: impl FnMut(Tone)) {
        self.partial.extend_from_slice(ulaw);
        let mut taken = 0;
        while let Some(frame) = self.partial[taken..].first_chunk::<FRAME>() {
            taken += FRAME;
            let found = frequency(frame);
            self.tone = match (self.tone, found) {
                (Some(tone), Some(hertz)) if (hertz - tone.hertz).abs() <= WANDER * tone.hertz => {
                    let frames = (tone.ms / FRAME_MS) as f32;
                    Some(Tone { hertz: (tone.hertz * frames + hertz) / (frames + 1.0), ms: tone.ms + FRAME_MS })
                }
                (before, found) => {
                    if let Some(tone) = before {
                        ended(tone);
                    }
                    found.map(|hertz| Tone { hertz, ms: FRAME_MS })
                }
            };
        }
        self.partial.drain(..taken);
    }

    /// The tone that sounds now.
    pub fn now(&self) -> Option<Tone> {
        self.tone
    }
}

/// The frequency of a frame that is one tone and little else.
fn frequency(ulaw: &[u8; FRAME]) -> Option<f32> {
    let mut sound = [0.0_f32; FRAME];
    for (sample, code) in sound.iter_mut().zip(ulaw) {
        *sample = f32::from(g711::ulaw_decode(*code));
    }
    let mean = sound.iter().sum::<f32>() / FRAME as f32;
    sound.iter_mut().for_each(|sample| *sample -= mean);
    let power = sound.iter().map(|sample| sample * sample).sum::<f32>();
    if power < FAINT * FRAME as f32 {
        return None;
    }
    // Most frames of speech fail at the first.
    let double = one_tone(&sound, 1)?;
    for lag in FURTHER {
        one_tone(&sound, lag)?;
    }
    (double.abs() < 2.0).then(|| libm::acosf(double / 2.0) * 8_000.0 / std::f32::consts::TAU)
}

/// Neighbours that are looked at besides the next one. Two tones of one key, or of a ringing tone, can look like one to
/// that, but not to all of these.
const FURTHER: [usize; 2] = [3, 12];

/// 2 cos(lag ω) of the one tone that a frame is, by the neighbours so far away; `None`: there is more than a tone.
fn one_tone(sound: &[f32; FRAME], lag: usize) -> Option<f32> {
    let threes = || sound[lag..FRAME - lag].iter().zip(sound.iter().zip(&sound[2 * lag..]));
    let (power, product) = threes().fold((0.0, 0.0), |(power, product), (mid, (before, after))| {
        (power + mid * mid, product + mid * (before + after))
    });
    let double: f32 = product / power;
    let rest: f32 = threes().map(|(mid, (before, after))| (before + after - double * mid).powi(2)).sum();
    // White noise of one unit of power leaves 2 + (2 cos ω)² units.
    (rest <= REST * power * (2.0 + double * double)).then_some(double)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tones(sound: &[i16]) -> Vec<(u32, u64)> {
        let mut ear = ToneEar::default();
        let mut found = Vec::new();
        let mut note = |tone: Tone| found.push((tone.hertz.round() as u32, tone.ms));
        let ulaw = g711::encode_ulaw(sound);
        // In parts as a carrier may cut them.
        for part in ulaw.chunks(123) {
            ear.push(part, &mut note);
        }
        ear.push(&[0xff; 3 * FRAME], &mut note);
        found
    }

    fn sine(hertz: &[f32], level: f32, ms: usize, noise: f32) -> Vec<i16> {
        let mut random = fastrand::Rng::with_seed(5);
        let at = |n: usize| {
            let time = n as f32 / 8_000.0;
            let tone: f32 = hertz.iter().map(|hz| (std::f32::consts::TAU * hz * time).sin()).sum();
            tone * level + (random.f32() - 0.5) * 2.0 * noise
        };
        (0..ms * 8).map(at).map(|sample| sample as i16).collect()
    }

    #[test]
    fn a_tone_is_told_with_its_frequency_and_length_at_any_level_and_beside_noise() {
        for hertz in [440.0, 620.0, 850.0, 1_000.0, 1_400.0, 2_100.0] {
            for (level, noise) in [(16_000.0, 0.0), (1_500.0, 0.0), (8_000.0, 1_000.0), (500.0, 40.0)] {
                let found = tones(&sine(&[hertz], level, 400, noise));
                let long: Vec<&(u32, u64)> = found.iter().filter(|(_, ms)| *ms >= 100).collect();
                assert_eq!(long.len(), 1, "{hertz} Hz at {level} with {noise}: {found:?}");
                let (told, ms) = *long[0];
                assert!((f64::from(told) - f64::from(hertz)).abs() < 0.09 * f64::from(hertz), "{hertz}: {told}");
                assert!((340..=420).contains(&ms), "{hertz}: {ms} ms");
            }
        }
    }

    #[test]
    fn keys_noise_and_silence_are_no_tones() {
        let mut random = fastrand::Rng::with_seed(1);
        let noise: Vec<i16> = (0..16_000).map(|_| random.i16(-8_000..8_000)).collect();
        for (what, sound) in [
            ("a key", sine(&[697.0, 1_209.0], 8_000.0, 400, 0.0)),
            ("a ringing tone of two", sine(&[440.0, 480.0], 8_000.0, 400, 0.0)),
            ("noise", noise),
            ("silence", vec![0; 8_000]),
        ] {
            let found = tones(&sound);
            assert!(found.iter().all(|(_, ms)| *ms <= 60), "{what}: {found:?}");
        }
    }

    #[test]
    fn no_vowel_of_a_voice_is_a_beep() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let clips = ["hello", "how_much", "no_thanks", "voicemail", "who", "yes"];
        let mut sounds: Vec<(String, Vec<i16>)> = Vec::new();
        for clip in clips {
            let bytes = std::fs::read(root.join(format!("src/core/sim/clips/{clip}.ulaw"))).expect("a clip");
            sounds.push((clip.to_owned(), bytes.iter().map(|code| g711::ulaw_decode(*code)).collect()));
        }
        let golden = std::fs::read(root.join("tests/data/silero-vad-v6/golden-8k.wav")).expect("the golden sound");
        let samples = golden[44..].as_chunks::<2>().0.iter().map(|it| i16::from_le_bytes(*it));
        sounds.push(("golden".to_owned(), samples.collect()));
        for (name, sound) in sounds {
            let beeps: Vec<(u32, u64)> = tones(&sound).into_iter().filter(|(_, ms)| *ms >= 160).collect();
            assert_eq!(beeps, [], "{name}");
        }
    }
}
