//! Tests of the embedded engine: the same samples each time, and no text that harms it.

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

fn with(mut request: Request, name: &str, value: &str) -> Request {
    request.settings.insert(name.to_owned(), value.to_owned());
    request
}

fn pico() -> (tempfile::TempDir, Pico) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let pico = Pico::open(folder.path()).expect("opens");
    (folder, pico)
}

async fn sound(pico: &Pico, request: &Request) -> Pcm {
    pico.render(request).await.expect("speaks").pcm
}

#[tokio::test]
async fn every_language_speaks_and_sounds_like_speech() {
    let (_folder, pico) = pico();
    let greetings = [
        ("en", "Hello, this is Harbour Travel."),
        ("en-gb", "Hello, this is Harbour Travel."),
        ("fr", "Bonjour, ici l'agence Harbour à Genève."),
        ("de", "Guten Tag, hier ist Müller Reisen."),
        ("es", "Hola, le llamamos de Viajes Puerto, señor Muñoz."),
        ("it", "Buongiorno, perché no?"),
    ];
    for (language, text) in greetings {
        let pcm = sound(&pico, &request(language, text)).await;
        assert_eq!(pcm.rate, 16_000);
        assert!((800..8_000).contains(&pcm.duration_ms()), "{language}: {} ms", pcm.duration_ms());
        let level = crate::core::sound::active_level_dbov(&pcm.samples, pcm.rate).expect("sound");
        assert!((-40.0..-6.0).contains(&level), "{language}: {level} dBov");
    }
}

#[tokio::test]
async fn the_same_text_gives_the_same_samples_whatever_was_said_before() {
    let (_folder, pico) = pico();
    let hello = request("en", "Hello, this is Harbour Travel. Is this a good time? We have 14 offers.");
    let first = sound(&pico, &hello).await;
    assert_eq!(sound(&pico, &hello).await, first);
    let others = [
        request("fr", "Autre chose, très longue, avec des nombres comme 1234 et 5678. Encore une phrase!"),
        with(request("en", "Something quite different, at another speed."), "speed", "180"),
        request("de", "Und noch etwas."),
    ];
    for other in &others {
        sound(&pico, other).await;
        assert_eq!(sound(&pico, &hello).await, first, "after {}", other.text);
    }
    let (_elsewhere, another) = self::pico();
    assert_eq!(sound(&another, &hello).await, first, "another thread and folder");
}

#[tokio::test]
async fn markup_in_a_text_is_spoken_and_not_obeyed() {
    let (_folder, pico) = pico();
    let plain = sound(&pico, &request("en", "one two three four five six")).await;
    let tagged = sound(&pico, &request("en", "<speed level='500'>one two three four five six</speed>")).await;
    assert!(tagged.duration_ms() > plain.duration_ms() + 1_000, "the tags are words");
    let and = sound(&pico, &request("en", "salt & pepper")).await;
    assert_eq!(and, sound(&pico, &request("en", "salt  and  pepper")).await);
}

#[tokio::test]
async fn settings_work_and_unknown_ones_are_refused() {
    let (_folder, pico) = pico();
    let text = "one two three four five six seven";
    let normal = sound(&pico, &request("en", text)).await;
    let fast = sound(&pico, &with(request("en", text), "speed", "200")).await;
    assert!(fast.duration_ms() * 10 < normal.duration_ms() * 8, "{} {}", fast.duration_ms(), normal.duration_ms());
    assert_ne!(sound(&pico, &with(request("en", text), "pitch", "150")).await, normal);
    for (name, value) in [("speed", "501"), ("speed", "fast"), ("pitch", "-1"), ("stability", "1"), ("speed", "1'>")] {
        let fault = pico.render(&with(request("en", text), name, value)).await.expect_err("refused");
        assert!(matches!(fault, EngineFault::Refused { .. }), "{fault}");
    }
    let mut other = request("en", text);
    other.voice = Some("en-GB".to_owned());
    assert_ne!(sound(&pico, &other).await, normal);
    other.voice = Some("fr-FR".to_owned());
    assert!(pico.render(&other).await.is_err());
    assert!(matches!(pico.render(&request("bg", "Здравейте")).await, Err(EngineFault::Language { .. })));
    assert!(pico.speaks(&"he".parse().expect("a tag")).is_err());
}

#[tokio::test]
async fn a_long_text_is_spoken_to_its_end() {
    let (_folder, pico) = pico();
    let one = sound(&pico, &request("en", "This is one sentence of the text.")).await.duration_ms();
    let many = "This is one sentence of the text. ".repeat(40);
    let all = sound(&pico, &request("en", many.trim())).await.duration_ms();
    assert!(all > one * 36, "{all} ms for forty times {one} ms");
    let endless = "and ".repeat(700);
    assert!(sound(&pico, &request("en", &endless)).await.duration_ms() > 60_000);
    let too_long = "x".repeat(limits::PHRASE_CHARS + 1);
    assert!(matches!(pico.render(&request("en", &too_long)).await, Err(EngineFault::Refused { .. })));
}

#[tokio::test]
async fn nothing_to_say_is_a_fault_and_not_an_empty_asset() {
    let (_folder, pico) = pico();
    for nothing in ["", " ", "\u{0}\u{1}"] {
        assert!(matches!(pico.render(&request("en", nothing)).await, Err(EngineFault::BadSound { .. })), "{nothing:?}");
    }
}

#[tokio::test]
async fn an_abandoned_request_does_not_hold_up_the_next() {
    let (_folder, pico) = pico();
    let long = request("en", &"A very long text that nobody waits for. ".repeat(70));
    {
        let mut abandoned = pico.render(&long);
        let once = futures_util::future::poll_immediate(&mut abandoned).await;
        assert!(once.is_none(), "it takes longer than one poll");
    }
    assert!(sound(&pico, &request("en", "Next.")).await.duration_ms() > 100);
}

#[tokio::test]
async fn requests_at_once_do_not_mix() {
    let (_folder, pico) = pico();
    let texts: Vec<Request> =
        ["One.", "Two hundred.", "Three, and more."].into_iter().map(|t| request("en", t)).collect();
    let (a, b, c) = tokio::join!(pico.render(&texts[0]), pico.render(&texts[1]), pico.render(&texts[2]));
    for (got, request) in [a, b, c].into_iter().zip(&texts) {
        assert_eq!(got.expect("speaks").pcm, sound(&pico, request).await);
    }
}

/// Texts from a spreadsheet are anything. Here: 400 from a fixed generator, of letters, markup, controls and emoji.
#[tokio::test]
async fn four_hundred_hostile_texts_do_not_harm_it() {
    const PARTS: [&str; 24] = [
        "hello ",
        "<",
        ">",
        "&",
        "<speed level='",
        "</",
        "\0",
        "\u{1b}[2J",
        "😀",
        "\u{202e}",
        "…",
        "1234567890",
        ".",
        "!",
        "\n",
        "é",
        "שלום",
        "Привет",
        "<phoneme ph=\"",
        "\\",
        "\"'",
        "%s%n",
        "\u{feff}",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    ];
    let (_folder, pico) = pico();
    let mut state = 42u64;
    let mut next = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    for round in 0..400 {
        let count = if round % 40 == 0 { 100 } else { 1 + next(7) };
        let text: String = (0..count).map(|_| PARTS[next(PARTS.len())]).collect();
        let language = ["en", "fr", "de", "es", "it"][next(5)];
        match pico.render(&request(language, &text)).await {
            Ok(rendered) => assert!(!rendered.pcm.samples.is_empty()),
            Err(EngineFault::BadSound { .. } | EngineFault::Refused { .. }) => {}
            Err(other) => panic!("{text:?} in {language}: {other}"),
        }
    }
    assert!(sound(&pico, &request("en", "Still here.")).await.duration_ms() > 300);
}

/// The usual bindings left two files open per request, and a process ends at some 1,000.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn no_voice_file_stays_open_after_a_request() {
    let (folder, pico) = pico();
    for language in ["en", "fr", "de", "en"] {
        sound(&pico, &request(language, "Da.")).await;
    }
    let open = std::fs::read_dir("/proc/self/fd").expect("lists").flatten();
    let ours = open.filter(|fd| std::fs::read_link(fd.path()).is_ok_and(|to| to.starts_with(folder.path())));
    assert_eq!(ours.count(), 0);
}
