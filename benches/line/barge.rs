//! Barge-in, measured: `cargo bench --bench agents -- barge`. The machine of one stream, in virtual time: figures that do
//! not depend on this computer. What must stop our voice, and how soon; what must not, and how often it does.

use std::sync::Arc;
use std::time::Duration;

use ahoy::base::Boot;
use ahoy::core::agent::{AgentPlan, FromAgent};
use ahoy::core::call::{CallScript, Command, Event, PreparedClip, Session};
use ahoy::core::config::BargeIn;
use ahoy::core::figures::Quantiles;
use ahoy::core::sound::g711;
use ahoy::core::wire::media::{self, Frame, Inbound, Start};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::line::script;

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/silero-vad-v6/golden-8k.wav");
/// What ONNX Runtime makes of the same minute at 16 kHz with Silero's network: whether an onset is a word's.
const GOLDEN_16K: &str = include_str!("../../tests/data/silero-vad-v6/golden-16k.probabilities.txt");
const CLIPS: [&[u8]; 5] = [
    include_bytes!("../../src/core/sim/clips/hello.ulaw"),
    include_bytes!("../../src/core/sim/clips/yes.ulaw"),
    include_bytes!("../../src/core/sim/clips/how_much.ulaw"),
    include_bytes!("../../src/core/sim/clips/no_thanks.ulaw"),
    include_bytes!("../../src/core/sim/clips/who.ulaw"),
];
/// What we say: four seconds, over and over.
const OURS: &[u8] = include_bytes!("../../src/core/sim/clips/voicemail.ulaw");
/// Where a trial's sound begins in the call, ms.
const AT_MS: usize = 2_000;

/// Samples of the golden file's own noise before an utterance of it.
const BEFORE: usize = 1_600;

/// Sound with the place of its onset, samples.
type Word = (usize, Vec<i16>);

/// Who speaks over what of ours.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Over {
    Greeting,
    Agent,
}

fn ours(seconds: usize) -> Arc<[u8]> {
    OURS.iter().copied().cycle().take(seconds * 8_000).collect()
}

/// Milliseconds of inbound sound at which we stopped; `None`: we spoke on. `them`: the callee's line from the answer on.
fn stopped_at(over: Over, settings: BargeIn, them: &[i16]) -> Option<u64> {
    let greeting = match over {
        Over::Greeting => ours(60),
        Over::Agent => vec![0xFF; 800].into(),
    };
    let plan = AgentPlan { wait: Duration::from_secs(5), silence: Duration::from_secs(60) };
    let script = Arc::new(CallScript {
        greeting: Arc::new(PreparedClip::of("greeting", greeting)),
        barge_in: settings,
        agent: (over == Over::Agent).then_some(plan),
        ..script(vec![0xFF; 800].into())
    });
    let mut now = Boot(1_000_000);
    let mut session = Session::new(now);
    let mut sequence = 0;
    let mut clear = None;
    let mut drain = |session: &mut Session, now: Boot| {
        while let Some(command) = session.poll() {
            match command {
                Command::Claim(_) => session.handle(now, Event::Claimed(Some(Arc::clone(&script)))),
                Command::Judge(mut job) => {
                    job.judge();
                    session.handle(now, Event::Judged(job));
                }
                Command::Clear => clear = clear.or(Some(session.media_ms())),
                _ => {}
            }
        }
        clear
    };
    let mut say = |session: &mut Session, now: Boot, event: media::Event<'_>| {
        sequence += 1;
        session.handle(now, Event::Message(Ok(Inbound { sequence: Some(sequence), event })));
        drain(session, now)
    };
    let parameters = [("token".to_owned(), "t".to_owned())].into();
    say(
        &mut session,
        now,
        media::Event::Start(Start { stream: "MZ".to_owned(), call: None, parameters, spelling: Default::default() }),
    );
    for (at, frame) in them.chunks_exact(160).enumerate() {
        now = now + Duration::from_millis(20);
        let ulaw: Vec<u8> = frame.iter().map(|it| g711::ulaw_encode(*it)).collect();
        let timestamp = Some(100 + at as u64 * 20);
        let payload = STANDARD.encode(&ulaw).into();
        let told = say(&mut session, now, media::Event::Media(Frame { timestamp, chunk: None, payload }));
        if over == Over::Agent && at == 6 {
            say(&mut session, now, media::Event::Mark("c1-100".into()));
            session.handle(now, Event::Agent(FromAgent::Ready));
            let sound = FromAgent::Sound { turn: "a".into(), ulaw: ours(60).to_vec() };
            session.handle(now, Event::Agent(sound));
            say(&mut session, now, media::Event::Mark("none".into()));
        }
        if told.is_some() {
            return told;
        }
    }
    None
}

fn gain(samples: &[i16], db: f64) -> Vec<i16> {
    let factor = 10_f64.powf(db / 20.0);
    samples.iter().map(|it| (f64::from(*it) * factor).clamp(-32_768.0, 32_767.0) as i16).collect()
}

fn noise(random: &mut fastrand::Rng, samples: usize, dbov: f64) -> Vec<i16> {
    // Uniform noise has 4.8 dB less power than its peak.
    let peak = 32_768.0 * 10_f64.powf((dbov + 4.77) / 20.0);
    (0..samples).map(|_| ((random.f64() * 2.0 - 1.0) * peak) as i16).collect()
}

fn add(line: &mut [i16], at: usize, sound: &[i16]) {
    for (sample, more) in line.iter_mut().skip(at).zip(sound) {
        *sample = sample.saturating_add(*more);
    }
}

/// People's words: those of the embedded carrier's callees, and the beginnings of utterances of the golden file.
///
/// That file's noise lies 10 dB under its speech and swells: its energy alone marks nine onsets at which nobody speaks. So an
/// onset counts only if another detector than ours, with the full band before it, finds speech within 224 ms of it.
fn words() -> Vec<Word> {
    let mut words: Vec<Word> = CLIPS.iter().map(|clip| (0, g711::decode_ulaw(clip))).collect();
    let mut wav = hound::WavReader::open(GOLDEN).expect("the golden sound");
    let golden: Vec<i16> = wav.samples::<i16>().map(|it| it.expect("PCM16")).collect();
    let speech: Vec<bool> =
        GOLDEN_16K.lines().map(|line| line.trim().parse::<f32>().expect("a number") >= 0.5).collect();
    let loud = |frame: &[i16]| {
        let power: f64 = frame.iter().map(|it| f64::from(*it).powi(2)).sum::<f64>() / frame.len() as f64;
        power.sqrt()
    };
    let levels: Vec<f64> = golden.chunks_exact(80).map(loud).collect();
    let mut sorted = levels.clone();
    sorted.sort_by(f64::total_cmp);
    // An utterance begins where its energy rises to three times the noise, after 200 ms below that; with its own noise
    // before it.
    let floor = 3.0 * sorted[sorted.len() / 5];
    let (mut quiet, mut noises) = (0, 0);
    for (at, level) in levels.iter().enumerate() {
        if *level >= floor && quiet >= 20 && at >= 20 {
            let chunk = at * 10 / 32;
            if speech[chunk..(chunk + 7).min(speech.len())].contains(&true) {
                words.push((BEFORE, golden[at * 80 - BEFORE..].iter().copied().take(BEFORE + 8_000).collect()));
            } else {
                noises += 1;
            }
        }
        quiet = if *level < floor { quiet + 1 } else { 0 };
    }
    println!("{noises} onsets of the golden file are its noise: no words");
    words
}

/// Ways on which our voice comes back: as it is, over a telephone's hybrid, over a loudspeaker and a room. Name, taps, and
/// after how many of them they have faded.
const WAYS: [(&str, usize, f64); 3] = [("plain", 1, 1.0), ("hybrid", 24, 8.0), ("loudspeaker", 400, 60.0)];

/// Our own voice, given back `delay_ms` later and `db` quieter on such a way, its taps drawn anew.
fn echo(random: &mut fastrand::Rng, (way, taps, fades): (&str, usize, f64), delay_ms: usize, db: f64) -> Vec<i16> {
    let taps: Vec<f64> = (0..taps).map(|nth| (random.f64() - 0.5) * (-(nth as f64) / fades).exp()).collect();
    let power = taps.iter().map(|tap| tap * tap).sum::<f64>().sqrt();
    let own = g711::decode_ulaw(&ours(6));
    let sample = |at: usize| -> f64 {
        let tap = |nth: usize| at.checked_sub(nth).map_or(0.0, |it| f64::from(own[it]));
        let sum: f64 = taps.iter().enumerate().map(|(nth, share)| share * tap(nth)).sum::<f64>() / power;
        // A small loudspeaker does not follow loud sound.
        if way == "loudspeaker" { (sum / 9_000.0).tanh() * 9_000.0 } else { sum }
    };
    let (delay, factor) = (delay_ms * 8, 10_f64.powf(db / 20.0));
    (0..5 * 8_000_usize).map(|at| at.checked_sub(delay).map_or(0, |it| (factor * sample(it)) as i16)).collect()
}

/// A breath: 0.5 s of noise that swells and fades, most of it below 1 kHz.
fn breath(random: &mut fastrand::Rng, dbov: f64) -> Vec<i16> {
    let white = noise(random, 4_000, dbov + 6.0);
    let mut last = 0.0;
    let low = white.iter().map(|it| {
        last += 0.45 * (f64::from(*it) - last);
        last
    });
    low.enumerate().map(|(at, it)| (it * (std::f64::consts::PI * at as f64 / 4_000.0).sin()) as i16).collect()
}

/// "Mhm": two hums of 160 ms with closed lips, the second higher; overtones fall by 12 dB an octave.
fn mhm(random: &mut fastrand::Rng, dbov: f64) -> Vec<i16> {
    let peak = 32_768.0 * 10_f64.powf((dbov + 6.0) / 20.0);
    let pitch = random.f64() * 60.0 + 100.0;
    let hum = |hz: f64| {
        (0..1_280).map(move |at| {
            let time = at as f64 / 8_000.0;
            let swell = (std::f64::consts::PI * at as f64 / 1_280.0).sin();
            let tone: f64 =
                (1..8).map(|n| (std::f64::consts::TAU * hz * f64::from(n) * time).sin() / f64::from(n * n)).sum();
            (tone * swell * peak) as i16
        })
    };
    hum(pitch).chain(std::iter::repeat_n(0, 480)).chain(hum(pitch * 1.2)).collect()
}

fn settings(threshold: f32, min_ms: u64) -> BargeIn {
    let ms = Duration::from_millis;
    BargeIn { threshold, min_speech: ms(min_ms), restart_under: ms(0), ..BargeIn::default() }
}

/// One trial's line: noise of a quiet line, and a sound at its place.
fn line_with(random: &mut fastrand::Rng, floor_dbov: f64, sound: &[i16], onset: usize) -> Vec<i16> {
    let mut line = noise(random, (AT_MS + 2_000) * 8, floor_dbov);
    add(&mut line, AT_MS * 8 - onset, sound);
    line
}

pub fn all() {
    let words = words();
    println!(
        "{} words; sounds begin {AT_MS} ms after the answer; milliseconds of sound from onset to `clear`\n",
        words.len()
    );
    println!("| over | words at | line noise | stopped | p50 ms | p95 | max |");
    println!("|---|---|---|---|---|---|---|");
    for (name, over) in [("greeting", Over::Greeting), ("agent", Over::Agent)] {
        for (level, floor) in [(0.0, -65.0), (-10.0, -65.0), (-20.0, -65.0), (0.0, -45.0)] {
            let mut random = fastrand::Rng::with_seed(1_007);
            let waits: Vec<u64> = words
                .iter()
                .filter_map(|(onset, word)| {
                    let line = line_with(&mut random, floor, &gain(word, level), *onset);
                    stopped_at(over, settings(0.6, 64), &line).map(|at| at.saturating_sub(AT_MS as u64))
                })
                .collect();
            let (found, all) = (waits.len(), words.len());
            let Some(it) = Quantiles::of(waits) else { continue };
            println!(
                "| {name} | {level} dB | {floor} dBov | {found} of {all} | {} | {} | {} |",
                it.p50, it.p95, it.max
            );
        }
    }
    false_stops(&words);
}

/// Sounds that are no words, 60 of each at three levels of the line: how many stop us, by settings.
fn false_stops(words: &[Word]) {
    type Make = fn(&mut fastrand::Rng, f64) -> Vec<i16>;
    let tried = [settings(0.6, 64), settings(0.6, 128), settings(0.8, 96), settings(0.8, 160), settings(0.6, 256)];
    let name = |it: &BargeIn| format!("{:.1}, {} ms", it.threshold, it.min_speech.as_millis());
    println!(
        "\n| over the greeting, `threshold` and `min_speech` | {} |",
        tried.iter().map(name).collect::<Vec<_>>().join(" | ")
    );
    println!("|---|{}", "---|".repeat(tried.len()));
    let row = |title: &str, lines: &[Vec<i16>]| {
        let counts = tried.iter().map(|settings| {
            let stopped = lines.iter().filter(|line| stopped_at(Over::Greeting, *settings, line).is_some()).count();
            format!("{stopped} of {}", lines.len())
        });
        println!("| {title} | {} |", counts.collect::<Vec<_>>().join(" | "));
    };
    let kinds: [(&str, Make, [f64; 3]); 3] = [
        ("white noise, 4 s", |random, dbov| noise(random, 32_000, dbov), [-50.0, -40.0, -30.0]),
        ("breath, 0.5 s", breath, [-45.0, -35.0, -25.0]),
        ("mhm, 0.4 s", mhm, [-45.0, -35.0, -25.0]),
    ];
    for (title, make, levels) in kinds {
        for dbov in levels {
            let mut random = fastrand::Rng::with_seed(1_011);
            let lines: Vec<Vec<i16>> = (0..60)
                .map(|_| {
                    let sound = make(&mut random, dbov);
                    line_with(&mut random, -65.0, &sound, 0)
                })
                .collect();
            row(&format!("{title}, {dbov} dBov"), &lines);
        }
    }
    for way in WAYS {
        for db in [-35.0, -25.0, -15.0] {
            let mut random = fastrand::Rng::with_seed(1_013);
            let lines: Vec<Vec<i16>> = (0..20)
                .map(|nth| {
                    let mut line = noise(&mut random, 5 * 8_000, -65.0);
                    let echo = echo(&mut random, way, 20 + nth * 32, db);
                    add(&mut line, 0, &echo);
                    line
                })
                .collect();
            row(&format!("echo of our own voice, {}, {db} dB", way.0), &lines);
        }
    }
    // Who speaks through an echo.
    let mut random = fastrand::Rng::with_seed(1_019);
    let lines: Vec<Vec<i16>> = words
        .iter()
        .enumerate()
        .map(|(nth, (onset, word))| {
            let mut line = line_with(&mut random, -65.0, word, *onset);
            let echo = echo(&mut random, WAYS[nth % 3], 60 + nth * 9, -25.0);
            add(&mut line, 0, &echo);
            line
        })
        .collect();
    // A word of the golden file has 200 ms of that file's loud noise before it: a stop there is not the echo's.
    let counts = tried.iter().map(|settings| {
        let stops = lines.iter().filter_map(|line| stopped_at(Over::Greeting, *settings, line));
        let found = stops.filter(|at| *at >= (AT_MS - BEFORE / 8) as u64).count();
        format!("{found} of {}", lines.len())
    });
    println!("| words through an echo of -25 dB | {} |", counts.collect::<Vec<_>>().join(" | "));
    let mut random = fastrand::Rng::with_seed(1_017);
    let lines: Vec<Vec<i16>> = words.iter().map(|(onset, word)| line_with(&mut random, -65.0, word, *onset)).collect();
    row("words, for comparison", &lines);
    let waits: Vec<String> = tried
        .iter()
        .map(|settings| {
            let waits = lines.iter().filter_map(|line| stopped_at(Over::Greeting, *settings, line));
            let it = Quantiles::of(waits.map(|at| at.saturating_sub(AT_MS as u64)));
            it.map_or("-".to_owned(), |it| format!("p50 {}, p95 {} ms", it.p50, it.p95))
        })
        .collect();
    println!("| their wait | {} |", waits.join(" | "));
}
