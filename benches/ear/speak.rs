//! Has the phrases spoken: by the embedded engine, and by espeak-ng where it is installed.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use ahoy::core::config::EngineConfig;
use ahoy::core::sound::wav;
use ahoy::edge::engine::espeak::Espeak;
use ahoy::edge::engine::pico::Pico;
use ahoy::edge::engine::{Engine, Request};

use super::phrases::PHRASES;

/// Whose voices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Voices {
    /// Only the embedded engine's.
    Embedded,
    /// espeak-ng's, too, if it is installed.
    All,
}

type Settings = &'static [(&'static str, &'static str)];

/// Voices of the embedded engine: settings that make a phrase another one. The last is kept aside.
const PICO: [Settings; 4] = [&[], &[("speed", "130")], &[("pitch", "80"), ("speed", "110")], &[("pitch", "125")]];
/// Variants of espeak-ng. The last is kept aside.
const ESPEAK: [(&str, Settings); 4] = [
    ("", &[("speed", "100"), ("pitch", "100")]),
    ("+f3", &[("speed", "115"), ("pitch", "110")]),
    ("+m5", &[("speed", "125"), ("pitch", "90")]),
    ("+f5", &[("speed", "105"), ("pitch", "130")]),
];

/// One way to say a phrase.
struct Mouth<'a> {
    name: &'static str,
    engine: &'a dyn Engine,
    voice: Option<String>,
    settings: Settings,
}

/// Writes `FOLDER/tune` and `FOLDER/kept`, a folder for each language in each, a file for each phrase and voice.
pub fn clips(folder: &Path, voices: Voices) {
    let scratch = tempfile::tempdir().expect("a folder");
    let pico = Pico::open(scratch.path()).expect("the embedded engine");
    let espeak = Espeak::open("espeak", &EngineConfig::default()).ok().filter(|_| voices == Voices::All);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    for (language, embedded, tune, kept) in PHRASES {
        for (part, phrases, voices) in [("tune", tune, 0..3), ("kept", kept, 0..4)] {
            let into = folder.join(part).join(language);
            fs::create_dir_all(&into).expect("made");
            for (nth, phrase) in phrases.iter().enumerate() {
                for voice in voices.clone() {
                    let mut mouths = Vec::new();
                    if embedded {
                        // The British voice is kept aside whole.
                        let british = (language == "en" && part == "kept").then(|| "en-GB".to_owned());
                        mouths.push(Mouth { name: "pico", engine: &pico, voice: british, settings: PICO[voice] });
                    }
                    if let Some(espeak) = &espeak {
                        let (variant, settings) = ESPEAK[voice];
                        let voice = Some(format!("{language}{variant}"));
                        mouths.push(Mouth { name: "espeak", engine: espeak, voice, settings });
                    }
                    for mouth in mouths {
                        let name = format!("{}{voice}-{nth:02} {phrase}.wav", mouth.name);
                        let sound = runtime.block_on(say(&mouth, language, phrase));
                        fs::write(into.join(name), sound).expect("written");
                    }
                }
            }
        }
    }
}

async fn say(mouth: &Mouth<'_>, language: &str, phrase: &str) -> Vec<u8> {
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let settings: BTreeMap<String, String> = mouth.settings.iter().map(own).collect();
    let request = Request {
        text: phrase.to_owned(),
        language: language.parse().expect("a tag"),
        voice: mouth.voice.clone(),
        model: None,
        settings,
    };
    let rendered = mouth.engine.render(&request).await.unwrap_or_else(|fault| panic!("{language} {phrase}: {fault}"));
    wav::write(&rendered.pcm)
}
