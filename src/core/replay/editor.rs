//! Labels made and mended by hand: keys in, labels and what to draw out.
//!
//! Pure: the terminal, the loudspeaker and the file are somebody else's. Labels stand in order of time and never overlap;
//! a key that would make them do so changes nothing and says why.

use super::labels::Utterance;
use crate::base::limits;
use crate::base::text::printable;

/// The least that is shown at once, ms.
const CLOSEST_MS: u64 = 400;
/// What is shown first, ms.
const FIRST_MS: u64 = 10_000;
/// A fine step, ms; no label is shorter.
pub const FINE_MS: u64 = 10;

/// The keys that are known. Letters are [`Key::Char`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// ←
    Left,
    /// →
    Right,
    /// ↑
    Up,
    /// ↓
    Down,
    /// A screen back.
    PageUp,
    /// A screen on.
    PageDown,
    /// The recording's start.
    Home,
    /// The recording's end.
    End,
    /// Enter.
    Enter,
    /// Escape.
    Escape,
    /// Backspace.
    Backspace,
    /// Delete.
    Delete,
    /// Tab.
    Tab,
    /// Shift and tab.
    BackTab,
    /// Control and C.
    Interrupt,
    /// A letter or sign.
    Char(char),
}

/// What the key asks of the world.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// Nothing: draw again.
    Nothing,
    /// Play a piece, ms; if something plays, stop it instead.
    Play(u64, u64),
    /// Write the labels down.
    Save,
    /// Labels that a careful pass proposes, for where there are none.
    Propose,
    /// The recording after this one.
    NextFile,
    /// The recording before this one.
    PreviousFile,
    /// Be done.
    Leave,
}

/// What can be undone.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Step {
    labels: Vec<Utterance>,
    chosen: Option<usize>,
}

/// See the module.
#[derive(Debug, Clone)]
pub struct Editor {
    length_ms: u64,
    now: Step,
    undone: Vec<Step>,
    done: Vec<Step>,
    saved: Vec<Utterance>,
    cursor_ms: u64,
    from_ms: u64,
    span_ms: u64,
    mark_ms: Option<u64>,
    typing: Option<String>,
    told: String,
    help: bool,
}

/// What is to be drawn, besides the sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct View<'a> {
    /// Length of the recording, ms.
    pub length_ms: u64,
    /// First ms that is shown.
    pub from_ms: u64,
    /// How much is shown, ms.
    pub span_ms: u64,
    /// Where the next mark goes, ms.
    pub cursor_ms: u64,
    /// A start that waits for its end.
    pub mark_ms: Option<u64>,
    /// All labels.
    pub labels: &'a [Utterance],
    /// Which one the keys change.
    pub chosen: Option<usize>,
    /// Words that are being typed.
    pub typing: Option<&'a str>,
    /// What the last key did.
    pub told: &'a str,
    /// Not written down yet.
    pub changed: bool,
    /// The keys are to be shown.
    pub help: bool,
}

impl Editor {
    /// Labels of a recording of this length; those beyond its end stay where they are.
    pub fn new(labels: Vec<Utterance>, length_ms: u64) -> Editor {
        Editor {
            length_ms,
            saved: labels.clone(),
            now: Step { labels, chosen: None },
            undone: Vec::new(),
            done: Vec::new(),
            cursor_ms: 0,
            from_ms: 0,
            span_ms: FIRST_MS.min(length_ms.max(CLOSEST_MS)),
            mark_ms: None,
            typing: None,
            told: String::new(),
            help: false,
        }
    }

    /// The labels, in order of time.
    pub fn labels(&self) -> &[Utterance] {
        &self.now.labels
    }

    /// Whether something is not written down.
    pub fn changed(&self) -> bool {
        self.now.labels != self.saved
    }

    /// What is to be drawn.
    pub fn view(&self) -> View<'_> {
        View {
            length_ms: self.length_ms,
            from_ms: self.from_ms,
            span_ms: self.span_ms,
            cursor_ms: self.cursor_ms,
            mark_ms: self.mark_ms,
            labels: &self.now.labels,
            chosen: self.now.chosen,
            typing: self.typing.as_deref(),
            told: &self.told,
            changed: self.changed(),
            help: self.help,
        }
    }

    /// They are written down.
    pub fn saved(&mut self, told: String) {
        self.saved.clone_from(&self.now.labels);
        self.told = told;
    }

    /// Says something to the person.
    pub fn tell(&mut self, told: String) {
        self.told = told;
    }

    /// Takes those of the proposals that overlap no label; one step to undo.
    pub fn propose(&mut self, proposed: Vec<Utterance>) {
        let free = |it: &Utterance| !self.now.labels.iter().any(|label| overlap(label, it));
        let new: Vec<Utterance> = proposed.into_iter().filter(free).collect();
        self.told = format!("{} labels proposed", new.len());
        if !new.is_empty() {
            let mut labels = self.now.labels.clone();
            labels.extend(new);
            labels.sort_by_key(|it| it.start_ms);
            self.change(labels, None);
        }
    }

    /// Takes a key.
    pub fn key(&mut self, key: Key) -> Wish {
        self.told.clear();
        if self.typing.is_some() {
            self.type_key(key);
            return Wish::Nothing;
        }
        if self.help {
            self.help = false;
            return Wish::Nothing;
        }
        match key {
            Key::Left => self.go(self.cursor_ms.saturating_sub(self.step())),
            Key::Right => self.go(self.cursor_ms + self.step()),
            Key::Char(',') => self.go(self.cursor_ms.saturating_sub(FINE_MS)),
            Key::Char('.') => self.go(self.cursor_ms + FINE_MS),
            Key::PageUp => self.go(self.cursor_ms.saturating_sub(self.span_ms)),
            Key::PageDown => self.go(self.cursor_ms + self.span_ms),
            Key::Home => self.go(0),
            Key::End => self.go(self.length_ms),
            Key::Up | Key::Char('+' | '=') => self.zoom(self.span_ms / 2),
            Key::Down | Key::Char('-') => self.zoom(self.span_ms * 2),
            Key::Tab | Key::Char('n') => self.choose_beside(true),
            Key::BackTab | Key::Char('b') => self.choose_beside(false),
            Key::Char(' ') => return self.play_on(),
            Key::Enter | Key::Char('p') => return self.play_chosen(),
            Key::Char('[') => {
                self.mark_ms = Some(self.cursor_ms);
                self.told = "start marked; ] marks the end".to_owned();
            }
            Key::Char(']') => self.end_mark(),
            Key::Char('{') => self.mend(|label, cursor, _| label.start_ms = cursor),
            Key::Char('}') => self.mend(|label, cursor, _| label.end_ms = cursor),
            Key::Char('<') => self.mend(|label, _, _| {
                let by = FINE_MS.min(label.start_ms);
                (label.start_ms, label.end_ms) = (label.start_ms - by, label.end_ms - by);
            }),
            Key::Char('>') => self.mend(|label, _, length| {
                let by = FINE_MS.min(length.saturating_sub(label.end_ms));
                (label.start_ms, label.end_ms) = (label.start_ms + by, label.end_ms + by);
            }),
            Key::Char('d') | Key::Delete => self.delete(),
            Key::Char('t') => match self.now.chosen {
                Some(at) => self.typing = Some(self.now.labels[at].text.clone()),
                None => self.told = NOTHING_CHOSEN.to_owned(),
            },
            Key::Char('u') => self.undo(),
            Key::Char('r') => self.redo(),
            Key::Char('w') => return Wish::Save,
            Key::Char('P') => return Wish::Propose,
            Key::Char('N') => return Wish::NextFile,
            Key::Char('B') => return Wish::PreviousFile,
            Key::Char('q') | Key::Interrupt => return Wish::Leave,
            Key::Char('?') => self.help = true,
            Key::Escape => self.mark_ms = None,
            Key::Backspace | Key::Char(_) => self.told = "? shows the keys".to_owned(),
        }
        Wish::Nothing
    }

    fn type_key(&mut self, key: Key) {
        let Some(typed) = &mut self.typing else { return };
        match key {
            Key::Char(ch) if typed.chars().count() < limits::LABEL_CHARS => typed.push(ch),
            Key::Char(_) => self.told = format!("at most {} characters", limits::LABEL_CHARS),
            Key::Backspace => {
                typed.pop();
            }
            Key::Enter => {
                let text = printable(typed.trim().trim_matches('"'));
                self.typing = None;
                self.mend(|label, _, _| label.text.clone_from(&text));
            }
            Key::Escape | Key::Interrupt => self.typing = None,
            Key::Left | Key::Right | Key::Up | Key::Down | Key::PageUp | Key::PageDown => {}
            Key::Home | Key::End | Key::Delete | Key::Tab | Key::BackTab => {}
        }
    }

    fn step(&self) -> u64 {
        (self.span_ms / 100 / FINE_MS * FINE_MS).max(FINE_MS)
    }

    fn go(&mut self, to_ms: u64) {
        self.cursor_ms = to_ms.min(self.length_ms);
        let at = self.cursor_ms;
        if let Some(inside) = self.now.labels.iter().position(|it| (it.start_ms..=it.end_ms).contains(&at)) {
            self.now.chosen = Some(inside);
        }
        self.show();
    }

    /// Moves what is shown, so that the cursor is.
    fn show(&mut self) {
        let last = self.length_ms.saturating_sub(self.span_ms);
        if self.cursor_ms < self.from_ms || self.cursor_ms > self.from_ms + self.span_ms {
            self.from_ms = self.cursor_ms.saturating_sub(self.span_ms / 2);
        }
        self.from_ms = self.from_ms.min(last);
    }

    fn zoom(&mut self, span_ms: u64) {
        self.span_ms = span_ms.min(self.length_ms).max(CLOSEST_MS);
        self.from_ms = self.cursor_ms.saturating_sub(self.span_ms / 2);
        self.show();
    }

    fn choose_beside(&mut self, later: bool) {
        let labels = &self.now.labels;
        // From the chosen one; else from the cursor.
        let at = self.cursor_ms;
        let here = self.now.chosen.filter(|nth| labels.get(*nth).is_some_and(|it| it.start_ms == at));
        let next = match (here, later) {
            (Some(nth), true) => Some(nth + 1).filter(|nth| *nth < labels.len()),
            (Some(nth), false) => nth.checked_sub(1),
            (None, true) => labels.iter().position(|it| it.start_ms > at),
            (None, false) => labels.iter().rposition(|it| it.start_ms < at),
        };
        match next {
            Some(nth) => {
                let start = labels[nth].start_ms;
                self.go(start);
                // Two may touch there.
                self.now.chosen = Some(nth);
            }
            None => self.told = "no further label there".to_owned(),
        }
    }

    fn play_on(&mut self) -> Wish {
        let until = (self.from_ms + self.span_ms).min(self.length_ms);
        if self.cursor_ms < until { Wish::Play(self.cursor_ms, until) } else { Wish::Nothing }
    }

    fn play_chosen(&mut self) -> Wish {
        match self.now.chosen {
            Some(at) => Wish::Play(self.now.labels[at].start_ms, self.now.labels[at].end_ms),
            None => {
                self.told = NOTHING_CHOSEN.to_owned();
                Wish::Nothing
            }
        }
    }

    fn end_mark(&mut self) {
        let Some(mark) = self.mark_ms else {
            self.told = "[ marks the start first; } moves the end of the label that is chosen".to_owned();
            return;
        };
        let (start_ms, end_ms) = (mark.min(self.cursor_ms), mark.max(self.cursor_ms));
        let new = Utterance { start_ms, end_ms, text: String::new() };
        let mut labels = self.now.labels.clone();
        let at = labels.partition_point(|it| it.start_ms < start_ms);
        labels.insert(at, new);
        if self.change(labels, Some(at)) {
            self.mark_ms = None;
            self.told = "a label; t writes its words".to_owned();
        }
    }

    fn mend(&mut self, how: impl Fn(&mut Utterance, u64, u64)) {
        let Some(at) = self.now.chosen else {
            self.told = NOTHING_CHOSEN.to_owned();
            return;
        };
        let mut labels = self.now.labels.clone();
        how(&mut labels[at], self.cursor_ms, self.length_ms);
        self.change(labels, Some(at));
    }

    fn delete(&mut self) {
        let Some(at) = self.now.chosen else {
            self.told = NOTHING_CHOSEN.to_owned();
            return;
        };
        let mut labels = self.now.labels.clone();
        labels.remove(at);
        self.change(labels, None);
        self.told = "deleted; u brings it back".to_owned();
    }

    /// Takes new labels, if they are in order; what was is kept for undo.
    fn change(&mut self, labels: Vec<Utterance>, chosen: Option<usize>) -> bool {
        if labels.iter().any(|it| it.start_ms + FINE_MS > it.end_ms) {
            self.told = format!("a label lasts at least {FINE_MS} ms, and ends after it begins");
            return false;
        }
        if labels.windows(2).any(|pair| pair[1].start_ms < pair[0].end_ms) {
            self.told = "it would overlap another label".to_owned();
            return false;
        }
        if labels.len() > limits::LABELS {
            self.told = format!("at most {} labels", limits::LABELS);
            return false;
        }
        if labels == self.now.labels {
            return true;
        }
        if self.done.len() == limits::LABEL_UNDOS {
            self.done.remove(0);
        }
        let before = std::mem::replace(&mut self.now, Step { labels, chosen });
        self.done.push(before);
        self.undone.clear();
        true
    }

    fn undo(&mut self) {
        match self.done.pop() {
            Some(before) => self.undone.push(std::mem::replace(&mut self.now, before)),
            None => self.told = "nothing to undo".to_owned(),
        }
    }

    fn redo(&mut self) {
        match self.undone.pop() {
            Some(after) => self.done.push(std::mem::replace(&mut self.now, after)),
            None => self.told = "nothing to redo".to_owned(),
        }
    }
}

const NOTHING_CHOSEN: &str = "no label is chosen: n and b choose one, or move the cursor into it";

fn overlap(one: &Utterance, other: &Utterance) -> bool {
    one.start_ms < other.end_ms && other.start_ms < one.end_ms
}

#[cfg(test)]
#[path = "editor_tests.rs"]
mod tests;
