use super::*;

fn on(date: &str) -> Wall {
    Wall::from_date(date).expect("a date")
}

fn tag(tag: &str) -> Language {
    tag.parse().expect("a tag")
}

#[test]
fn the_table_of_this_program_is_read_and_its_successors_are_served() {
    let table = table();
    assert!(table.models.len() > 25);
    for model in &table.models {
        if let Some(successor) = &model.successor {
            let next = table.models.iter().find(|other| other.id == *successor && other.kind == model.kind);
            let next = next.unwrap_or_else(|| panic!("{}: successor {successor} is not in the table", model.id));
            assert_eq!(next.ends, None, "{successor} ends itself");
        }
        for price in &model.prices {
            let same = model.prices.iter().filter(|other| other.per == price.per).count();
            assert!(same == 1 || price.from.is_some() || price.until.is_some(), "{}: two prices at once", model.id);
        }
    }
}

#[test]
fn a_bill_is_exact_and_rounded_up_once() {
    let table = table();
    let now = on("2026-11-26");
    let chars = |characters| Usage { characters, ..Usage::default() };
    let eleven = |n, day: &str| table.bill("elevenlabs", "eleven_v4", chars(n), on(day)).cost;
    assert_eq!(eleven(1_000, "2026-11-26"), Money(80_000));
    assert_eq!(table.bill("elevenlabs", "eleven_flash_v2_5", chars(1), now).cost, Money(40));
    assert_eq!(table.bill("openai", "tts-1", chars(1), now).cost, Money(15));
    // 3 text tokens at 0.5 millionths and 125 audio tokens at 9: 1.5 + 1125, rounded up once.
    let usage = Usage { characters: 12, text_in: 3, audio_out: 125, audio_ms: 5_000, ..Usage::default() };
    let billed = table.bill("gemini", "gemini-3.8-flash-tts", usage, now);
    assert_eq!((billed.cost, billed.estimated, billed.unpriced), (Money(1_127), false, false));
    let minute = Usage { audio_ms: 90_000, ..Usage::default() };
    assert_eq!(table.bill("openai", "gpt-transcribe", minute, now).cost, Money(6_750));
    assert_eq!(table.bill("elevenlabs", "scribe_v2", minute, now).cost, Money(5_500));
}

#[test]
fn the_price_of_gemini_speech_doubles_with_the_new_year() {
    let usage = Usage { characters: 20, text_in: 10, audio_out: 250, audio_ms: 10_000, ..Usage::default() };
    let cost = |day| table().bill("gemini", "gemini-3.8-flash-lite-tts", usage, on(day)).cost;
    assert_eq!((cost("2026-12-31"), cost("2027-01-01")), (Money(1_505), Money(3_010)));
}

#[test]
fn what_the_service_does_not_report_is_estimated_and_marked() {
    let usage = Usage { characters: 100, audio_ms: 6_000, ..Usage::default() };
    let billed = table().bill("gemini", "gemini-3.8-flash-tts", usage, on("2026-11-26"));
    assert_eq!((billed.text_in, billed.audio_out, billed.estimated), (50, 150, true));
    assert_eq!(billed.cost, Money(25 + 1_350));
    let text = "Здравейте, това е проба.";
    let guess = table().estimate("elevenlabs", "eleven_v3", text, &tag("bg"), on("2026-11-26"));
    assert_eq!((guess.characters, guess.cost, guess.estimated), (24, Money(1_920), true), "characters, not bytes");
    let guess = table().estimate("openai", "gpt-4o-mini-tts", text, &tag("bg"), on("2026-11-26"));
    assert!(guess.audio_out > 20 && guess.cost > Money(240), "{guess:?}");
}

#[test]
fn an_unknown_model_or_one_without_a_price_is_marked_never_free() {
    let usage = Usage { characters: 100, ..Usage::default() };
    for (kind, id) in [("elevenlabs", "eleven_v9"), ("openai", "gpt-realtime"), ("gemini", "eleven_v4")] {
        let billed = table().bill(kind, id, usage, on("2026-11-26"));
        assert!(billed.unpriced && billed.cost == Money(0), "{kind} {id}");
    }
    let mut sum = usage;
    sum += table().bill("elevenlabs", "eleven_v9", usage, on("2026-11-26"));
    assert!(sum.unpriced && sum.characters == 200);
}

#[test]
fn a_model_warns_sixty_days_before_its_end_and_is_refused_from_that_day() {
    let standing = |id, day| table().standing("openai", id, on(day));
    let date: Date = "2027-01-06".parse().expect("a date");
    let successor = "gpt-realtime-2.1-mini".to_owned();
    let soon = Standing::EndsSoon { date, successor: successor.clone() };
    let ended = Standing::Ended { date, successor };
    assert_eq!(standing("tts-1", "2026-11-06"), Standing::Fine);
    assert_eq!(standing("tts-1", "2026-11-07"), soon);
    assert_eq!(standing("gpt-4o-mini-tts-2025-12-15", "2027-01-05"), soon);
    assert_eq!(standing("tts-1", "2027-01-06"), ended);
    assert_eq!(standing("gpt-4o-mini-tts", "2029-01-06"), ended);
    assert_eq!(standing("gpt-realtime-2.1-mini", "2029-01-06"), Standing::Fine);
    assert_eq!(standing("gpt-7-tts", "2026-11-07"), Standing::Unknown);
    assert_eq!(standing("tts-1-2nd", "2026-11-07"), Standing::Unknown);
}

#[test]
fn hebrew_needs_a_model_that_speaks_it() {
    let speaks = |id, language| table().model("elevenlabs", id).expect("known").speaks(&tag(language));
    assert_eq!(speaks("eleven_multilingual_v2", "he"), Claim::No);
    assert_eq!(speaks("eleven_flash_v2_5", "he"), Claim::No);
    assert_eq!(speaks("eleven_multilingual_v2", "bg"), Claim::Yes);
    assert_eq!(speaks("eleven_v3", "he"), Claim::Yes);
    assert_eq!(speaks("eleven_multilingual_v2", "pt-br"), Claim::Yes);
    assert_eq!(speaks("eleven_v4", "yo"), Claim::Unclaimed);
    let able = table().known_to_speak("elevenlabs", &tag("he"));
    assert_eq!(able, ["eleven_v4", "eleven_v4_turbo", "eleven_v3", "eleven_v3_conversational"]);
}

#[test]
fn an_old_table_says_so() {
    let table = table();
    assert_eq!(table.stale(on("2027-05-20")), None);
    assert!(table.stale(on("2027-05-21")).is_some_and(|said| said.contains("181 days")));
    assert_eq!(table.age_days(on("2020-01-01")), 0);
}

#[test]
fn records_of_older_versions_still_load() {
    let old: Usage = serde_json::from_str(r#"{"characters": 7, "cost": 0}"#).expect("reads");
    assert_eq!(old, Usage { characters: 7, ..Usage::default() });
    assert_eq!(serde_json::to_string(&old).expect("writes"), r#"{"characters":7,"cost":0}"#);
}

#[test]
fn a_slip_in_the_table_is_refused() {
    let row = "as_of = \"2026-01-01\"\n[[model]]\nkind = \"k\"\nid = \"m\"\npurpose = \"speech\"\nsource = \"s\"\n";
    assert!(parse("t", row).is_ok());
    for extra in [
        "ends = \"2027-01-01\"",
        "ends = \"soon\"\nsuccessor = \"n\"",
        "complete = true",
        "languages = [\"english!\"]",
        "price = [{ per = \"hour\", usd = 5000 }]",
        "price = [{ per = \"week\", usd = 5 }]",
        "colour = \"red\"",
    ] {
        assert!(parse("t", &format!("{row}{extra}\n")).is_err(), "{extra}");
    }
    let twice = format!("{row}{}", row.split_once('\n').expect("lines").1);
    assert!(parse("t", &twice).is_err());
}
