use std::time::Duration;

use super::labels::{ENDINGS, Form, Utterance, read, write};
use super::score::{By, Tally, share};
use super::search::Search;
use super::sweep::{Case, Grid, Point, judge, mark_front, recommend, wants};
use super::*;

fn vad() -> Vad {
    let ms = Duration::from_millis;
    Vad { threshold: 0.5, silence: ms(700), prefix_padding: ms(300), min_speech: ms(64) }
}

fn said(start_ms: u64, end_ms: u64) -> Utterance {
    Utterance { start_ms, end_ms, text: String::new() }
}

/// Speech by probability: chunks of each.
fn track(parts: &[(f32, usize)]) -> Track {
    Track { probabilities: parts.iter().flat_map(|(probability, chunks)| vec![*probability; *chunks]).collect() }
}

#[test]
fn the_golden_sound_is_cut_as_a_live_call_cuts_it() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/silero-vad-v6/golden-8k.wav");
    let sound = crate::core::sound::wav::read(&std::fs::read(path).expect("there")).expect("a WAV");
    let track = Track::hear(&sound, Model::Voice).expect("heard");
    assert_eq!(track.probabilities.len() as u64, sound.samples.len() as u64 / 256);
    let segments = track.segments(&vad());
    assert!(segments.len() > 5, "{}", segments.len());
    for pair in segments.windows(2) {
        assert!(pair[0].end_ms <= pair[1].start_ms);
    }
    for it in &segments {
        assert!(it.start_ms <= it.onset_ms && it.onset_ms < it.told_ms && it.told_ms <= it.over_ms, "{it:?}");
    }
    // A sound of another rate is the same sound.
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/ear/plain_all_001.wav");
    let sound = crate::core::sound::wav::read(&std::fs::read(path).expect("there")).expect("a WAV");
    let wide = crate::core::sound::resample::resample(&sound, 16_000).expect("rates");
    let [narrow, wide] = [&sound, &wide].map(|it| Track::hear(it, Model::Voice).expect("heard").segments(&vad()).len());
    assert_eq!((narrow, wide), (10, 10));
}

#[test]
fn found_is_touched_and_owned_is_alone() {
    let segment = |start_ms, end_ms| Segment {
        start_ms,
        end_ms,
        onset_ms: start_ms,
        told_ms: start_ms + 64,
        over_ms: end_ms + 700,
    };
    let utterances =
        [said(1_000, 1_400), said(3_000, 3_300), said(3_600, 4_200), said(6_000, 7_000), said(9_000, 9_500)];
    let segments = [
        segment(1_050, 1_380),
        segment(2_990, 4_100),
        segment(6_000, 6_300),
        segment(6_500, 7_000),
        segment(12_000, 12_200),
    ];
    let tally = Tally::of(&utterances, &segments, 60_000);
    let figures = tally.figures();
    assert_eq!((tally.found, tally.owned, tally.split, tally.merged), (4, 1, 1, 2));
    assert_eq!((tally.short, tally.short_found, tally.short_owned), (3, 2, 1));
    assert_eq!((figures.missed, tally.false_segments), (1, 1));
    assert_eq!(tally.start_ms, [114], "known 64 ms after the segment's start, which is 50 ms late");
    assert_eq!(tally.end_ms, [680]);
    let always = Tally::of(&utterances, &[segment(0, 60_000)], 60_000);
    assert_eq!((always.found, always.owned), (5, 0), "always on finds all and owns none");
}

#[test]
fn a_sweep_finds_the_threshold_under_which_the_quiet_words_are() {
    // Words at 0.55 and at 0.9, each 320 ms, three seconds apart.
    let parts: Vec<(f32, usize)> =
        (0..20).flat_map(|word| [(if word % 2 == 0 { 0.55 } else { 0.9 }, 10), (0.1, 90)]).collect();
    let utterances: Vec<Utterance> = (0..20).map(|word| said(word * 3_200, word * 3_200 + 320)).collect();
    let cases: Vec<Case> =
        (0..4).map(|nth| Case { name: nth.to_string(), track: track(&parts), said: utterances.clone() }).collect();
    let mut random = fastrand::Rng::with_seed(1);
    let mut draw = |n: usize| random.usize(..n);
    let grid = Grid::default();
    let mut points: Vec<_> = grid.settings(&vad()).iter().map(|vad| judge(&cases, vad, &mut draw)).collect();
    mark_front(&mut points);
    let (at, reason) = recommend(&points).expect("one");
    let chosen = &points[at];
    assert!(chosen.threshold <= 0.55 && chosen.figures.short_owned_percent == Some(100.0), "{chosen:?}");
    assert_eq!(chosen.silence_ms, 300, "nothing here needs a longer one: {reason}");
    assert!(chosen.front);
    let deaf = points.iter().find(|it| it.threshold == 0.6).expect("tried");
    assert_eq!(deaf.figures.short_owned_percent, Some(50.0));
    assert_eq!(deaf.short_owned_between, Some((50.0, 50.0)), "every recording is the same");
    assert!(points.iter().filter(|it| it.front).count() < points.len());
}

#[test]
fn a_setting_that_splits_long_sentences_is_not_taken_for_its_short_wait() {
    // A short word, and a sentence whose speaker thinks for 480 ms in the middle.
    let parts = [(0.1, 40), (0.9, 10), (0.1, 60), (0.9, 30), (0.1, 15), (0.9, 30), (0.1, 60)];
    let utterances = vec![said(1_280, 1_600), said(3_520, 5_920)];
    let cases: Vec<Case> =
        (0..5).map(|nth| Case { name: nth.to_string(), track: track(&parts), said: utterances.clone() }).collect();
    let points: Vec<Point> =
        Grid::default().settings(&vad()).iter().map(|vad| judge(&cases, vad, &mut |_| 0)).collect();
    let hasty = points.iter().find(|it| it.silence_ms == 300).expect("tried");
    assert_eq!((hasty.figures.short_owned_percent, hasty.figures.owned_percent), (Some(100.0), Some(50.0)));
    let (at, reason) = recommend(&points).expect("one");
    assert_eq!((points[at].silence_ms, points[at].figures.owned_percent), (500, Some(100.0)), "{reason}");
    // Of equals the one that changes least: the first stands for what runs now.
    let now = points.iter().position(|it| it.threshold == 0.7 && it.silence_ms == 500 && it.min_speech_ms == 32);
    let mut from_now = vec![points[now.expect("tried")].clone()];
    from_now.extend(points.iter().cloned());
    assert_eq!(recommend(&from_now).expect("one").0, 0, "it is as good as any");
}

/// The example set of the project, heard.
fn examples() -> Vec<Case> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/ear");
    let mut paths: Vec<_> = std::fs::read_dir(folder).expect("there").map(|it| it.expect("an entry").path()).collect();
    paths.retain(|it| it.extension().is_some_and(|it| it == "wav"));
    paths.sort();
    let case = |path: &std::path::PathBuf| {
        let sound = crate::core::sound::wav::read(&std::fs::read(path).expect("there")).expect("a WAV");
        let labels = std::fs::read_to_string(path.with_extension("labels.txt")).expect("labels");
        Case {
            name: path.display().to_string(),
            track: Track::hear(&sound, Model::Voice).expect("heard"),
            said: read(&labels, Form::Audacity).expect("labels"),
        }
    };
    paths.iter().map(case).collect()
}

#[test]
fn a_search_takes_what_the_full_grid_takes_on_the_example_set() {
    let cases = examples();
    let base = vad();
    let judged = |vad: &Vad| judge(&cases, vad, &mut |_| 0);
    for (grid, most) in
        [(Grid { prefixes_ms: vec![0, 100, 200, 300, 400], ..Grid::default() }, 150), (Grid::fine(), 300)]
    {
        let all: Vec<Point> = grid.settings(&base).iter().map(judged).collect();
        assert!(all.len() > 8 * most, "{} settings are no task", all.len());
        let (best, reason) = recommend(&all).expect("one");
        for seed in 0..30 {
            let mut random = fastrand::Rng::with_seed(seed);
            let (axes, first) = grid.lattice(&base);
            let (mut search, mut points) = (Search::new(axes, first, most), Vec::new());
            loop {
                let places = search.next(&mut |n| random.usize(..n));
                if places.is_empty() {
                    break;
                }
                let new: Vec<Point> = places.iter().map(|place| judged(&grid.setting(&base, place))).collect();
                let told = new.iter().map(|it| wants(it).to_vec()).collect();
                points.extend(new);
                search.told(told, recommend(&points).map(|(at, _)| at));
            }
            assert_eq!(points.len(), most);
            let (found, _) = recommend(&points).expect("one");
            assert_eq!(wants(&points[found]), wants(&all[best]), "seed {seed}, {most} of {}: {reason}", all.len());
        }
    }
}

#[test]
fn labels_are_read_as_their_programs_write_them_and_mistakes_have_a_line() {
    let audacity = "0.500000\t0.900000\tколко струва?\n\\\t100.0\t2000.0\n2,5\t3,1\n";
    let found = read(audacity, Form::Audacity).expect("labels");
    assert_eq!(found, [Utterance { text: "колко струва?".to_owned(), ..said(500, 900) }, said(2_500, 3_100)]);
    assert_eq!(read("start_ms,end_ms,text\n10,20,\"a, b\"\n", Form::Csv).expect("labels")[0].text, "a, b");
    let rttm = "SPEAKER call 1 1.25 0.5 <NA> <NA> a <NA> <NA>\n;; a comment\n";
    assert_eq!(read(rttm, Form::Rttm).expect("labels"), [said(1_250, 1_750)]);
    for (text, words) in
        [("1.0\t0.5\tx", "line 1: it ends"), ("x\ty\tz", "line 1: no two"), ("0\t2\ta\n1\t3\tb", "overlap")]
    {
        assert!(read(text, Form::Audacity).expect_err("a mistake").contains(words), "{text}");
    }
}

#[test]
fn a_text_grid_and_subtitles_give_the_words_and_a_tag_before_them_is_their_language() {
    let long = "File type = \"ooTextFile\"\nObject class = \"TextGrid\"\n\nxmin = 0\nxmax = 9.5\ntiers? <exists>\nsize = 2\n\
        item []:\n  item [1]:\n class = \"IntervalTier\"\n name = \"noise\"\n xmin = 0\n xmax = 9.5\n intervals: size = 1\n\
        intervals [1]:\n xmin = 0\n xmax = 9.5\n text = \"\"\n item [2]:\n class = \"IntervalTier\"\n name = \"words\"\n\
        xmin = 0\n xmax = 9.5\n intervals: size = 3\n intervals [1]:\n xmin = 0\n xmax = 1.25\n text = \"\"\n\
        intervals [2]:\n xmin = 1.25\n xmax = 1.6\n text = \"bg: \"\"кога?\"\"\"\n intervals [3]:\n xmin = 1.6\n xmax = 9.5\n text = \" \"\n";
    let found = read(long, Form::TextGrid).expect("labels");
    assert_eq!(found, [Utterance { text: "bg: \"кога?\"".to_owned(), ..said(1_250, 1_600) }]);
    let short = "File type = \"ooTextFile\"\nObject class = \"TextGrid\"\n\n0\n2\n<exists>\n1\n\"IntervalTier\"\n\"a\"\n0\n2\n1\n0.5\n0.9\n\"when?\"\n";
    assert_eq!(
        read(short, Form::TextGrid).expect("labels"),
        [Utterance { text: "when?".to_owned(), ..said(500, 900) }]
    );
    let srt = "1\n00:00:01,250 --> 00:00:01,600\nfr: c'est\ncombien ?\n\n2\n01:00.5 --> 01:01.0 align:start\nyes\n";
    let found = read(srt, Form::Subtitles).expect("labels");
    assert_eq!(found[0], Utterance { text: "fr: c'est combien ?".to_owned(), ..said(1_250, 1_600) });
    assert_eq!(found[1], Utterance { text: "yes".to_owned(), ..said(60_500, 61_000) });
    for (text, form, words) in [
        ("hello", Form::TextGrid, "no TextGrid"),
        ("\"ooTextFile\" \"TextGrid\" 0 1", Form::TextGrid, "no tier"),
        ("\"ooTextFile\" \"TextGrid\" \"IntervalTier\" \"a\" 0 1 1 3 2 \"x\"", Form::TextGrid, "interval 1"),
        ("00:02 --> 00:01", Form::Subtitles, "line 1"),
        ("no times", Form::Subtitles, "no line"),
        ("00:01 --> 00:03\na\n\n00:02 --> 00:04\nb", Form::Subtitles, "overlap"),
    ] {
        assert!(read(text, form).expect_err("a mistake").contains(words), "{text}");
    }
}

#[test]
fn labels_that_are_written_are_read_back_in_every_form() {
    let words = ["bg: кога?", "", "a, b", "say \"when\" now", "1 --> 2", "# no comment", "-", "c'est combien ?"];
    for seed in 0..50 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut at = 0;
        let labels: Vec<Utterance> = (0..random.usize(..12))
            .map(|_| {
                let start_ms = at + [0, random.u64(..4_000_000)][random.usize(..2)];
                at = start_ms + 10 + random.u64(..5_000);
                let text = words[random.usize(..words.len())].to_owned();
                Utterance { start_ms, end_ms: at, text }
            })
            .collect();
        for (ending, form) in ENDINGS {
            let text = write(&labels, ending, "my call", at + 500);
            let back = match read(&text, form) {
                Ok(back) => back,
                // These two hold something or are none.
                Err(_) if labels.is_empty() && matches!(form, Form::TextGrid | Form::Subtitles) => continue,
                Err(why) => panic!("{ending}, seed {seed}: {why}\n{text}"),
            };
            let wanted = labels.iter().map(|it| {
                let text = match form {
                    Form::Rttm => String::new(),
                    Form::TextGrid if it.text.is_empty() => "-".to_owned(),
                    Form::Subtitles => it.text.replace("-->", "→"),
                    Form::Audacity | Form::Csv | Form::TextGrid => it.text.clone(),
                };
                Utterance { text, ..it.clone() }
            });
            assert_eq!(back, wanted.collect::<Vec<_>>(), "{ending}, seed {seed}");
        }
    }
}

#[test]
fn lost_phrases_are_counted_by_their_words_and_their_language() {
    let say = |start_ms, text: &str| Utterance { text: text.to_owned(), ..said(start_ms, start_ms + 400) };
    let utterances = [say(1_000, "bg: Кога?"), say(3_000, "bg: кога"), say(5_000, "when?"), say(7_000, "")];
    let segment = Segment { start_ms: 900, end_ms: 1_400, onset_ms: 1_000, told_ms: 1_064, over_ms: 2_100 };
    let mut shares = std::collections::BTreeMap::new();
    share(&mut shares, By::Phrase, &utterances, &[segment]);
    let told: Vec<_> = shares.iter().map(|(key, it)| (key.as_str(), it.utterances, it.owned, it.missed)).collect();
    assert_eq!(told, [("-", 1, 0, 1), ("bg: кога", 2, 1, 1), ("when", 1, 0, 1)]);
    let mut shares = std::collections::BTreeMap::new();
    share(&mut shares, By::Language, &utterances, &[segment]);
    assert_eq!(shares.keys().collect::<Vec<_>>(), ["-", "bg"]);
}

#[test]
fn what_is_proposed_owns_the_words_of_the_example_set_within_some_hundredths() {
    let (mut said, mut owned, mut falsely, mut off) = (0, 0, 0, Vec::new());
    for case in examples() {
        let sound = crate::core::sound::wav::read(&std::fs::read(&case.name).expect("there")).expect("a WAV");
        let proposed = propose::propose(&sound).expect("heard");
        let (mut mine, mut untrue) = (0, 0);
        for it in &case.said {
            let touching: Vec<_> =
                proposed.iter().filter(|p| p.start_ms < it.end_ms && p.end_ms > it.start_ms).collect();
            if let [one] = touching[..]
                && case.said.iter().filter(|u| one.start_ms < u.end_ms && one.end_ms > u.start_ms).count() == 1
            {
                mine += 1;
                off.push(one.start_ms.abs_diff(it.start_ms).max(one.end_ms.abs_diff(it.end_ms)));
            }
        }
        for p in &proposed {
            untrue += u64::from(!case.said.iter().any(|u| p.start_ms < u.end_ms && p.end_ms > u.start_ms));
        }
        println!("{}: {mine} of {}, {untrue} false", case.name, case.said.len());
        said += case.said.len();
        owned += mine;
        falsely += untrue;
    }
    off.sort_unstable();
    let p = |percent: usize| off[(off.len() * percent).div_ceil(100) - 1];
    println!("{owned} of {said} owned, {falsely} false; edges off by p50 {} p90 {} max {} ms", p(50), p(90), p(100));
    assert!(owned == said && falsely == 0, "{owned} of {said}, {falsely} false");
    assert!(p(50) <= 10 && p(90) <= 30, "p50 {} p90 {}", p(50), p(90));
}
