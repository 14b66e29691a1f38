use super::*;

fn keys(editor: &mut Editor, keys: &str) {
    for ch in keys.chars() {
        editor.key(match ch {
            '→' => Key::Right,
            '←' => Key::Left,
            '⏎' => Key::Enter,
            '⎋' => Key::Escape,
            '⌫' => Key::Backspace,
            '⇥' => Key::Tab,
            ch => Key::Char(ch),
        });
    }
}

fn spans(editor: &Editor) -> Vec<(u64, u64)> {
    editor.labels().iter().map(|it| (it.start_ms, it.end_ms)).collect()
}

fn label(start_ms: u64, end_ms: u64) -> Utterance {
    Utterance { start_ms, end_ms, text: String::new() }
}

/// An editor whose step is a tenth of a second.
fn editor(labels: &[(u64, u64)]) -> Editor {
    Editor::new(labels.iter().map(|(start, end)| label(*start, *end)).collect(), 60_000)
}

#[test]
fn a_label_is_marked_named_mended_and_played() {
    let mut editor = editor(&[]);
    keys(&mut editor, "→→→→→[→→→]");
    assert_eq!(spans(&editor), [(500, 800)]);
    keys(&mut editor, "twhem⌫n?⏎");
    assert_eq!(editor.labels()[0].text, "when?");
    assert_eq!(editor.key(Key::Enter), Wish::Play(500, 800));
    // The cursor is at the end: a fine step on, and the end follows; then its start.
    keys(&mut editor, "..}");
    assert_eq!(spans(&editor), [(500, 820)]);
    keys(&mut editor, "←←←←←{");
    assert_eq!(spans(&editor), [(320, 820)]);
    keys(&mut editor, "<>>");
    assert_eq!(spans(&editor), [(330, 830)]);
    assert_eq!(editor.key(Key::Char(' ')), Wish::Play(320, 10_000), "on from the cursor");
    assert!(editor.changed());
    assert_eq!(editor.key(Key::Char('w')), Wish::Save);
    editor.saved("written".to_owned());
    assert!(!editor.changed() && editor.view().told == "written");
    keys(&mut editor, "d");
    assert!(editor.changed() && editor.labels().is_empty());
    keys(&mut editor, "u");
    assert!(!editor.changed(), "as it was written");
}

#[test]
fn a_mark_may_be_set_backwards_and_labels_never_overlap() {
    let mut editor = editor(&[(1_000, 2_000)]);
    keys(&mut editor, "→→→→→[→→→→→→→]");
    assert_eq!(spans(&editor), [(1_000, 2_000)], "it would reach into the other");
    assert!(editor.view().told.contains("overlap"));
    assert_eq!(editor.view().mark_ms, Some(500), "the mark stays: only the end was wrong");
    keys(&mut editor, "←←←]");
    assert_eq!(spans(&editor), [(500, 900), (1_000, 2_000)]);
    // The chosen one cannot grow over its neighbour, nor be turned round.
    keys(&mut editor, "b");
    editor.key(Key::Home);
    keys(&mut editor, "}");
    assert_eq!(spans(&editor), [(500, 900), (1_000, 2_000)]);
    assert!(editor.view().told.contains("ends after"));
    // Backwards.
    for _ in 0..31 {
        editor.key(Key::Right);
    }
    keys(&mut editor, "[←←←]");
    assert_eq!(spans(&editor)[2], (2_800, 3_100));
    keys(&mut editor, "]");
    assert!(editor.view().told.contains("[ marks the start first"));
}

#[test]
fn next_and_previous_walk_all_labels_also_those_that_touch() {
    let mut editor = editor(&[(1_000, 2_000), (2_000, 3_000), (20_000, 21_000)]);
    let mut walked = Vec::new();
    for _ in 0..4 {
        editor.key(Key::Tab);
        walked.push(editor.view().chosen);
    }
    assert_eq!(walked, [Some(0), Some(1), Some(2), Some(2)]);
    assert!(editor.view().told.contains("no further"));
    let view = editor.view();
    assert!((view.from_ms..view.from_ms + view.span_ms).contains(&20_000), "what is chosen is shown");
    let back: Vec<_> = (0..3)
        .map(|_| {
            editor.key(Key::BackTab);
            editor.view().chosen
        })
        .collect();
    assert_eq!(back, [Some(1), Some(0), Some(0)]);
    // From a place between two.
    editor.key(Key::End);
    keys(&mut editor, "b");
    assert_eq!(editor.view().chosen, Some(2));
}

#[test]
fn typing_is_typing_and_can_be_given_up() {
    let mut editor = editor(&[(0, 500)]);
    keys(&mut editor, "t");
    assert_eq!(editor.view().typing, None, "nothing is chosen");
    keys(&mut editor, "→tdun q[]⎋");
    assert_eq!((editor.labels()[0].text.as_str(), editor.labels().len()), ("", 1), "no key did what it does else");
    keys(&mut editor, "tbg: кога?⏎");
    assert_eq!(editor.labels()[0].text, "bg: кога?");
    keys(&mut editor, "t");
    for _ in 0..limits::LABEL_CHARS + 50 {
        editor.key(Key::Char('x'));
    }
    editor.key(Key::Enter);
    assert_eq!(editor.labels()[0].text.chars().count(), limits::LABEL_CHARS);
    // What would break a line of a file does not get in.
    keys(&mut editor, "ta\tb\u{1b}[2J⏎");
    assert!(!editor.labels()[0].text.contains(['\t', '\u{1b}']), "{:?}", editor.labels()[0].text);
}

#[test]
fn proposals_fill_the_gaps_in_one_step() {
    let mut editor = editor(&[(1_000, 2_000)]);
    assert_eq!(editor.key(Key::Char('P')), Wish::Propose);
    editor.propose(vec![label(200, 700), label(1_900, 2_400), label(5_000, 5_300)]);
    assert_eq!(spans(&editor), [(200, 700), (1_000, 2_000), (5_000, 5_300)]);
    keys(&mut editor, "u");
    assert_eq!(spans(&editor), [(1_000, 2_000)]);
    keys(&mut editor, "ur");
    assert_eq!(editor.labels().len(), 3);
}

#[test]
fn files_are_left_by_their_keys_and_a_short_or_empty_recording_is_one() {
    for length in [0, 5, 399, 12_345] {
        let mut editor = Editor::new(Vec::new(), length);
        for key in [Key::Right, Key::End, Key::Up, Key::Up, Key::Down, Key::PageDown, Key::PageUp, Key::Char(' ')] {
            editor.key(key);
            let view = editor.view();
            assert!(view.cursor_ms <= length && view.span_ms >= CLOSEST_MS, "{view:?}");
            assert!(view.from_ms <= view.cursor_ms && view.cursor_ms <= view.from_ms + view.span_ms, "{view:?}");
        }
        let wishes = ['N', 'B', 'q'].map(|ch| editor.key(Key::Char(ch)));
        assert_eq!(wishes, [Wish::NextFile, Wish::PreviousFile, Wish::Leave]);
        assert_eq!(editor.key(Key::Interrupt), Wish::Leave);
    }
}

/// Any keys: labels stay in order and apart, the cursor is shown; undone one by one all is as it was, and redone as it became.
#[test]
fn whatever_was_done_is_undone_and_redone_to_the_letter() {
    let signs: Vec<char> = "→←⇥[]{}<>dt⏎⎋ur,.n b+-⌫x".chars().collect();
    for seed in 0..300 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut editor = editor(&[(1_000, 1_500), (3_000, 3_400), (3_400, 4_000)]);
        let first = editor.labels().to_vec();
        for _ in 0..200 {
            let sign = signs[random.usize(..signs.len())];
            keys(&mut editor, &sign.to_string());
            let view = editor.view();
            assert!(view.labels.windows(2).all(|pair| pair[0].end_ms <= pair[1].start_ms), "seed {seed}");
            assert!(view.labels.iter().all(|it| it.start_ms + FINE_MS <= it.end_ms), "seed {seed}");
            assert!(view.chosen.is_none_or(|at| at < view.labels.len()), "seed {seed}");
            assert!((view.from_ms..=view.from_ms + view.span_ms).contains(&view.cursor_ms), "seed {seed}");
        }
        keys(&mut editor, "⎋");
        let last = editor.labels().to_vec();
        let mut states = vec![last.clone()];
        while editor.view().told != "nothing to undo" {
            keys(&mut editor, "u");
            states.push(editor.labels().to_vec());
        }
        assert_eq!(editor.labels(), first, "seed {seed}");
        for state in states.iter().rev().skip(2) {
            keys(&mut editor, "r");
            assert_eq!(editor.labels(), state, "seed {seed}");
        }
    }
}
