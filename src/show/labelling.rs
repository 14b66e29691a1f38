//! The editor of labels as lines of a terminal: waveform, probability of speech, labels, their words.

use console::{Style, measure_text_width, truncate_str};

use crate::core::replay::editor::View;
use crate::core::replay::picture::{Column, Picture};

/// Fewer columns than this show nothing of use.
const NARROWEST: usize = 40;
/// Rows of the waveform and of the probability.
const WAVE: usize = 4;
const SPEECH: usize = 2;
const BARS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

const KEYS: &str = "space play on · ⏎ play label · [ ] mark · { } move an edge · t words · d delete · u/r undo/redo · w write · q quit · ? keys";
const HELP: [&str; 17] = [
    "← →        the cursor, a hundredth of the screen      , .   10 ms",
    "PgUp PgDn  a screen                                   Home End",
    "↑ ↓        closer, further (also + and -)",
    "space      play from the cursor to the edge of the screen",
    "Enter, p   play the chosen label; both stop what plays",
    "",
    "[ ]        mark the start, then the end of a new label",
    "n b        choose the next, the previous label (also Tab, Shift-Tab)",
    "{ }        move the start, the end of the chosen label to the cursor",
    "< >        move the chosen label by 10 ms",
    "t          its words; a tag before them is their language:  bg: кога?",
    "d          delete it",
    "u r        undo, redo",
    "P          labels that a careful pass proposes, where there are none",
    "",
    "w          write the labels      N B   next, previous recording      q   quit",
    "Esc        forget the marked start",
];

fn seconds(ms: u64) -> String {
    format!("{}.{:03}", ms / 1_000, ms % 1_000)
}

/// The lines, each at most `width` wide. `name`: of the recording; `player`: who plays, or why nobody does.
pub fn lines(view: &View<'_>, picture: &Picture, name: &str, player: Result<&str, &str>, width: usize) -> Vec<String> {
    let width = width.max(NARROWEST);
    let at = Scale { from: view.from_ms, span: view.span_ms.max(1), width };
    let columns = picture.columns(view.from_ms, view.span_ms, width);
    let (bold, dim) = (Style::new().bold(), Style::new().dim());
    let changed = if view.changed { ", not written" } else { "" };
    let head = format!("{name}  {} labels{changed}", view.labels.len());
    let mut lines = vec![bold.apply_to(truncate_str(&head, width, "…")).to_string()];
    if view.help {
        lines.extend(HELP.iter().map(|it| truncate_str(it, width, "…").into_owned()));
        return lines;
    }
    lines.push(dim.apply_to(ruler(&at)).to_string());
    let cursor = at.column(view.cursor_ms);
    let (blue, green) = (Style::new().cyan(), Style::new().green());
    lines.extend(bars(&columns, WAVE, |it| it.level, cursor).iter().map(|it| blue.apply_to(it).to_string()));
    lines.extend(bars(&columns, SPEECH, |it| it.speech, cursor).iter().map(|it| green.apply_to(it).to_string()));
    lines.extend(marks(view, &at));
    let mut pointers: Vec<char> = vec![' '; width];
    if let Some(column) = view.mark_ms.and_then(|ms| at.column(ms)) {
        pointers[column] = '[';
    }
    if let Some(column) = cursor {
        pointers[column] = '▲';
    }
    lines.push(pointers.iter().collect::<String>().trim_end().to_owned());
    let chosen = match view.chosen.and_then(|nth| Some((nth, view.labels.get(nth)?))) {
        None => "no label is chosen".to_owned(),
        Some((nth, it)) => {
            let span = format!("{} to {} s, {} ms", seconds(it.start_ms), seconds(it.end_ms), it.end_ms - it.start_ms);
            format!("label {}: {span}  {}", nth + 1, it.text)
        }
    };
    let place = format!("{} of {} s  {chosen}", seconds(view.cursor_ms), seconds(view.length_ms));
    lines.push(truncate_str(&place, width, "…").into_owned());
    let told = match (view.typing, player) {
        // Its end is what is being typed.
        (Some(typed), _) => {
            let over = measure_text_width(typed).saturating_sub(width.saturating_sub(10));
            format!("words: {}▏", typed.chars().skip(over).collect::<String>())
        }
        (None, Err(why)) if view.told.is_empty() => why.to_owned(),
        (None, _) => view.told.to_owned(),
    };
    lines.push(bold.apply_to(truncate_str(&told, width, "…")).to_string());
    lines.push(dim.apply_to(truncate_str(KEYS, width, "…")).to_string());
    lines
}

struct Scale {
    from: u64,
    span: u64,
    width: usize,
}

impl Scale {
    /// Where a place stands; `None`: outside.
    fn column(&self, ms: u64) -> Option<usize> {
        let from = ms.checked_sub(self.from).filter(|from| *from <= self.span)?;
        Some(usize::try_from(from * self.width as u64 / self.span).unwrap_or(0).min(self.width - 1))
    }

    /// The columns of a span, at least one; `None`: outside.
    fn columns(&self, start_ms: u64, end_ms: u64) -> Option<(usize, usize)> {
        if end_ms < self.from || start_ms > self.from + self.span {
            return None;
        }
        let first = self.column(start_ms.max(self.from))?;
        let last = self.column(end_ms.min(self.from + self.span))?;
        Some((first, last.max(first)))
    }
}

/// Times under round places.
fn ruler(at: &Scale) -> String {
    const STEPS: [u64; 15] =
        [50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 30_000, 60_000, 120_000, 300_000, 600_000, 1_800_000];
    let wanted = at.span * 12 / at.width as u64;
    let step = STEPS.into_iter().find(|step| *step >= wanted).unwrap_or(3_600_000);
    let mut row: Vec<char> = vec![' '; at.width];
    let mut ms = at.from.next_multiple_of(step);
    while let Some(column) = at.column(ms) {
        let time = format!("|{}.{}", ms / 1_000, ms % 1_000 / 100);
        if column + time.len() <= at.width {
            for (place, ch) in row[column..].iter_mut().zip(time.chars()) {
                *place = ch;
            }
        }
        ms += step;
    }
    row.iter().collect::<String>().trim_end().to_owned()
}

/// Rows of bars, the cursor as a line where nothing stands.
fn bars(columns: &[Column], rows: usize, value: impl Fn(&Column) -> f32, cursor: Option<usize>) -> Vec<String> {
    let eighths = |it: &Column| (value(it) * (rows * 8) as f32).round() as usize;
    (0..rows)
        .map(|row| {
            let under = (rows - 1 - row) * 8;
            let bar = |(at, it): (usize, &Column)| match BARS[eighths(it).saturating_sub(under).min(8)] {
                ' ' if Some(at) == cursor => '│',
                bar => bar,
            };
            columns.iter().enumerate().map(bar).collect()
        })
        .collect()
}

/// The labels, and their words under them.
fn marks(view: &View<'_>, at: &Scale) -> [String; 2] {
    let plain = Style::new();
    let (mut row, mut styled) = (vec![(' ', false); at.width], String::new());
    let (mut words, mut wide) = (String::new(), 0);
    for (nth, it) in view.labels.iter().enumerate() {
        let Some((first, last)) = at.columns(it.start_ms, it.end_ms) else { continue };
        for (column, place) in row.iter_mut().enumerate().take(last + 1).skip(first) {
            let ch = match (column == first, column == last) {
                (true, true) => '◆',
                (true, false) => '├',
                (false, true) => '┤',
                (false, false) => '─',
            };
            *place = (ch, view.chosen == Some(nth));
        }
        if wide <= first && first < at.width {
            words.push_str(&" ".repeat(first - wide));
            let text = truncate_str(&it.text, at.width - first, "…").into_owned();
            wide = first + measure_text_width(&text);
            words.push_str(&text);
            if !text.is_empty() {
                words.push(' ');
                wide += 1;
            }
        }
    }
    for (ch, chosen) in row {
        if chosen {
            styled.push_str(&plain.clone().reverse().apply_to(ch).to_string());
        } else {
            styled.push(ch);
        }
    }
    [styled, truncate_str(words.trim_end(), at.width, "…").into_owned()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::replay::Track;
    use crate::core::replay::editor::{Editor, Key};
    use crate::core::replay::labels::Utterance;
    use crate::core::sound::Pcm;

    fn picture() -> Picture {
        let mut samples = vec![20_i16; 80_000];
        samples[16_000..20_000].fill(20_000);
        let mut probabilities = vec![0.0; 312];
        probabilities[62..78].fill(0.95);
        Picture::of(&Pcm { samples, rate: 8_000 }, Track { probabilities })
    }

    #[test]
    fn labels_and_cursor_stand_over_their_sound_and_no_line_is_wider_than_the_terminal() {
        let label = |start_ms, end_ms, text: &str| Utterance { start_ms, end_ms, text: text.to_owned() };
        let labels =
            vec![label(2_000, 2_500, "bg: кога?"), label(2_500, 2_600, "second"), label(9_900, 30_000, "over the end")];
        let mut editor = Editor::new(labels, 10_000);
        for _ in 0..20 {
            editor.key(Key::Right);
        }
        let lines = |editor: &Editor, width| -> Vec<String> {
            let lines = lines(&editor.view(), &picture(), "call.wav", Err("no player"), width);
            lines.iter().map(|it| console::strip_ansi_codes(it).into_owned()).collect()
        };
        let shown = lines(&editor, 100);
        assert!(shown[0].starts_with("call.wav  3 labels"), "{shown:#?}");
        let at = |row: &str, ch: char| row.chars().position(|it| it == ch);
        assert_eq!(at(&shown[5], '█'), Some(20), "the sound begins at two seconds: {shown:#?}");
        assert_eq!(at(&shown[7], '█'), Some(20), "and so does speech");
        assert_eq!((at(&shown[8], '├'), at(&shown[10], '▲')), (Some(20), Some(20)), "{shown:#?}");
        assert!(shown[9].trim_start().starts_with("bg: кога?"), "{shown:#?}");
        assert!(shown[11].contains("2.000 of 10.000 s  label 1: 2.000 to 2.500 s, 500 ms  bg: кога?"), "{shown:#?}");
        assert_eq!(shown[12], "no player");
        let count = shown.len();
        for width in [0, 40, 57, 80, 211] {
            for key in [Key::Up, Key::Up, Key::Up, Key::Down, Key::End, Key::Home, Key::Char('['), Key::Char('?')] {
                editor.key(key);
                let shown = lines(&editor, width);
                assert!(shown.iter().all(|it| measure_text_width(it) <= width.max(40)), "{width}: {shown:#?}");
                assert!(shown.len() == count || editor.view().help);
            }
            editor.key(Key::Escape);
        }
        // A long text being typed shows its end.
        editor.key(Key::Home);
        editor.key(Key::Tab);
        editor.key(Key::Char('t'));
        for ch in "x".repeat(90).chars().chain("end".chars()) {
            editor.key(Key::Char(ch));
        }
        assert!(lines(&editor, 60)[12].contains("xend▏"), "{:#?}", lines(&editor, 60));
    }
}
