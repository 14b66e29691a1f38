//! Tests of the espeak-ng engine. Those that need the program say so, loudly, where it is missing.

use std::collections::BTreeMap;

use super::*;

fn request(language: &str, text: &str) -> Request {
    Request {
        text: text.to_owned(),
        language: language.parse().expect("a tag"),
        voice: None,
        model: None,
        settings: BTreeMap::new(),
    }
}

fn espeak() -> Option<Espeak> {
    match Espeak::open("espeak", &EngineConfig::default()) {
        Ok(espeak) => Some(espeak),
        Err(fault) => {
            eprintln!("SKIPPED, NOT TESTED: {fault}");
            None
        }
    }
}

#[test]
fn a_machine_without_it_is_told_what_to_install() {
    let empty = tempfile::tempdir().expect("a temporary folder");
    let fault = Espeak::on_paths("espeak", &EngineConfig::default(), Some(empty.path().as_os_str())).err();
    let said = fault.expect("nothing there").to_string();
    assert!(said.contains("apt install espeak-ng"), "{said}");
}

#[test]
fn its_tables_are_read_right() {
    assert_eq!(version_of("eSpeak NG text-to-speech: 1.51  Data at: /usr/lib").as_deref(), Some("1.51"));
    assert_eq!(version_of("command not found"), None);
    let table = "Pty Language       Age/Gender VoiceName          File                 Other Languages\n \
                 5  bg              --/M      Bulgarian          zls/bg               \n \
                 5  cmn             --/M      Chinese_(Mandarin,_latin_as_English) sit/cmn  (zh-cmn 5)(zh 5)\n \
                 2  en-gb           --/M      English_(Great_Britain) gmw/en               (en 2)\n";
    let voices = voices_of(table);
    let told: Vec<(&str, String)> = voices.iter().map(|it| (it.id.as_str(), it.languages.join(" "))).collect();
    assert_eq!(told, [("bg", "bg".to_owned()), ("cmn", "cmn zh-cmn zh".to_owned()), ("en-gb", "en-gb en".to_owned())]);
    assert_eq!((voices[2].name.as_str(), voices[0].note.as_str()), ("English (Great Britain)", "male"));
    let tags = tags_of(table);
    for tag in ["bg", "cmn", "zh", "en", "en-gb"] {
        assert!(tags.contains(tag), "{tag}");
    }
    assert!(!tags.contains("he"));
}

#[tokio::test]
async fn bulgarian_and_pointed_hebrew_are_spoken() {
    let Some(espeak) = espeak() else { return };
    for (language, text) in
        [("bg", "Здравейте, обажда се Пристанище Пътувания."), ("he", "שָׁלוֹם, אֲנַחְנוּ מִתְקַשְּׁרִים."), ("en", "Hello.")]
    {
        let pcm = espeak.render(&request(language, text)).await.expect("speaks").pcm;
        assert_eq!(pcm.rate, 22_050);
        assert!((400..8_000).contains(&pcm.duration_ms()), "{language}: {} ms", pcm.duration_ms());
        assert!(crate::core::sound::active_level_dbov(&pcm.samples, pcm.rate).is_ok());
    }
    assert!(espeak.version().starts_with("espeak-ng 1."));
}

#[tokio::test]
async fn unpointed_hebrew_unknown_languages_and_settings_are_refused() {
    let Some(espeak) = espeak() else { return };
    let fault = espeak.render(&request("he", "שלום עולם")).await.expect_err("unpointed");
    assert!(matches!(&fault, EngineFault::Refused { why, .. } if why.contains("niqqud")), "{fault}");
    assert!(matches!(espeak.speaks(&"xx".parse().expect("a tag")), Err(EngineFault::Language { .. })));
    for (name, value) in [("speed", "9"), ("stability", "1"), ("pitch", "-v")] {
        let mut with = request("bg", "Да");
        with.settings.insert(name.to_owned(), value.to_owned());
        assert!(matches!(espeak.render(&with).await, Err(EngineFault::Refused { .. })), "{name}");
    }
    let mut voice = request("bg", "Да");
    voice.voice = Some("--path=/tmp".to_owned());
    assert!(matches!(espeak.render(&voice).await, Err(EngineFault::Refused { .. })));
}

#[tokio::test]
async fn brackets_in_a_text_are_not_phonemes_and_settings_work() {
    let Some(espeak) = espeak() else { return };
    let text = "one [[Sal'om Sal'om Sal'om]] two";
    assert_eq!(espeak.input(&request("en", text)).expect("plain"), "one ((Sal'om Sal'om Sal'om)) two");
    let normal = espeak.render(&request("en", "one two three four five six")).await.expect("speaks").pcm;
    let mut fast = request("en", "one two three four five six");
    fast.settings.insert("speed".to_owned(), "200".to_owned());
    assert!(espeak.render(&fast).await.expect("speaks").pcm.duration_ms() * 10 < normal.duration_ms() * 8);
}
