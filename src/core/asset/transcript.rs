//! Is what was said what is written? A transcript against its text, word by word.

use std::collections::VecDeque;

use unicode_normalization::UnicodeNormalization;
use unicode_script::{Script, UnicodeScript};

use crate::core::ear::{Code, Flaw};

/// Word error rate up to which a rendering passes: one slip of a transcriber in nine words.
pub const ERROR_RATE_MOST: f64 = 0.12;
/// Words of a text or transcript that are compared; the rest of a longer one is cut.
const WORDS: usize = 2_000;
/// Words for which one number may stand: `1999` is `nineteen ninety nine`.
const NUMBER_WORDS: usize = 8;
/// Words that a message names at most.
const NAMED: usize = 8;

/// How a transcript differs from its text.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Comparison {
    /// Wrong, missing and extra words as a part of the words of the text, from 0; over 1 if much more was said.
    pub error_rate: f64,
    /// Words of the text that were not said, in its order.
    pub missing: Vec<String>,
    /// Words that were said and are not in the text.
    pub extra: Vec<String>,
}

/// The words of a text as they are compared: no case, no points, no punctuation. Scripts without spaces go by letters.
pub fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut end = |word: &mut String| {
        if !word.is_empty() {
            words.push(std::mem::take(word));
        }
    };
    for ch in text.nfkd().flat_map(char::to_lowercase) {
        if unicode_normalization::char::is_combining_mark(ch) || matches!(ch, '\'' | '’' | 'ʼ' | '׳' | '״') {
            continue;
        }
        match ch.script() {
            Script::Han | Script::Hiragana | Script::Katakana | Script::Thai if ch.is_alphabetic() => {
                end(&mut word);
                word.push(ch);
                end(&mut word);
            }
            _ if ch.is_alphanumeric() => word.push(ch),
            _ => end(&mut word),
        }
    }
    end(&mut word);
    words.truncate(WORDS);
    words
}

fn is_number(word: &str) -> bool {
    word.chars().any(char::is_numeric)
}

#[derive(Clone, Copy)]
enum Move {
    Same,
    Wrong,
    Missing,
    Extra,
    /// A number of the text stands for so many words that were heard.
    Spelled(usize),
    /// A number that was heard stands for so many words of the text.
    Figures(usize),
}

/// Compares what was heard with what is written.
///
/// A number in figures matches up to eight words whatever they are: whether `9` is `nine` or `neuf` nobody can know here.
pub fn compare(written: &str, heard: &str) -> Comparison {
    let (written, heard) = (words(written), words(heard));
    let (rows, columns) = (written.len() + 1, heard.len() + 1);
    let mut cost = vec![0u32; rows * columns];
    let mut how = vec![Move::Same; rows * columns];
    for row in 0..rows {
        for column in 0..columns {
            if (row, column) == (0, 0) {
                continue;
            }
            let mut best = (u32::MAX, Move::Same);
            let mut offer = |price: u32, of: Move| {
                if price < best.0 {
                    best = (price, of);
                }
            };
            if row > 0 && column > 0 {
                let same = written[row - 1] == heard[column - 1];
                let before = cost[(row - 1) * columns + column - 1];
                offer(before + u32::from(!same), if same { Move::Same } else { Move::Wrong });
                if is_number(&written[row - 1]) {
                    for many in 1..=NUMBER_WORDS.min(column) {
                        offer(cost[(row - 1) * columns + column - many], Move::Spelled(many));
                    }
                }
                if is_number(&heard[column - 1]) {
                    for many in 1..=NUMBER_WORDS.min(row) {
                        offer(cost[(row - many) * columns + column - 1], Move::Figures(many));
                    }
                }
            }
            if row > 0 {
                offer(cost[(row - 1) * columns + column] + 1, Move::Missing);
            }
            if column > 0 {
                offer(cost[row * columns + column - 1] + 1, Move::Extra);
            }
            (cost[row * columns + column], how[row * columns + column]) = best;
        }
    }
    let (mut missing, mut extra) = (VecDeque::new(), VecDeque::new());
    let (mut row, mut column) = (written.len(), heard.len());
    while (row, column) != (0, 0) {
        let (back, left) = match how[row * columns + column] {
            Move::Same => (1, 1),
            Move::Wrong => {
                missing.push_front(written[row - 1].clone());
                extra.push_front(heard[column - 1].clone());
                (1, 1)
            }
            Move::Missing => {
                missing.push_front(written[row - 1].clone());
                (1, 0)
            }
            Move::Extra => {
                extra.push_front(heard[column - 1].clone());
                (0, 1)
            }
            Move::Spelled(many) => (1, many),
            Move::Figures(many) => (many, 1),
        };
        (row, column) = (row - back, column - left);
    }
    let errors = f64::from(cost[rows * columns - 1]);
    Comparison { error_rate: errors / written.len().max(1) as f64, missing: missing.into(), extra: extra.into() }
}

impl Comparison {
    /// The flaw of a rendering whose words are not those of its text; `None` = near enough.
    pub fn flaw(&self) -> Option<Flaw> {
        if self.error_rate <= ERROR_RATE_MOST {
            return None;
        }
        let list = |words: &[String]| {
            let shown: Vec<&str> = words.iter().take(NAMED).map(String::as_str).collect();
            let more = if words.len() > NAMED { " …" } else { "" };
            format!("{}{more}", shown.join(" "))
        };
        let mut message = format!("{:.0} % of the words differ from the text", self.error_rate * 100.0);
        if !self.missing.is_empty() {
            message = format!("{message}; not said: {}", list(&self.missing));
        }
        if !self.extra.is_empty() {
            message = format!("{message}; said instead: {}", list(&self.extra));
        }
        Some(Flaw::beyond(Code::WrongWords, self.error_rate * 100.0, ERROR_RATE_MOST * 100.0, message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(written: &str, heard: &str) -> f64 {
        compare(written, heard).error_rate
    }

    #[test]
    fn case_points_and_punctuation_are_not_words() {
        assert_eq!(rate("Hello, this is O'Neill's line!", "hello this is oneills line"), 0.0);
        assert_eq!(rate("Votre café est prêt.", "votre cafe\u{301} est prêt"), 0.0);
        assert_eq!(rate("שָׁלוֹם, כָּאן הָעוֹזֵר", "שלום כאן העוזר"), 0.0);
        assert_eq!(rate("Здравейте, тук е Харбър.", "здравейте тук е харбър"), 0.0);
        assert_eq!(words("日本語 test"), ["日", "本", "語", "test"]);
        assert_eq!((rate("", ""), words("…!")), (0.0, vec![]));
    }

    #[test]
    fn numbers_in_figures_match_numbers_in_words() {
        assert_eq!(rate("Press 9 to stop.", "press nine to stop"), 0.0);
        assert_eq!(rate("Built in 1999 by us", "built in nineteen ninety nine by us"), 0.0);
        assert_eq!(rate("Call in twenty one days", "call in 21 days"), 0.0);
    }

    #[test]
    fn a_cut_an_added_and_a_reworded_sentence_are_named() {
        let text = "Hello, this is the harbour line. Your ferry leaves at noon.";
        let cut = compare(text, "Hello, this is the harbour line.");
        assert_eq!(cut.missing, ["your", "ferry", "leaves", "at", "noon"]);
        let told = cut.flaw().expect("half is missing");
        assert_eq!((told.code, told.measured, told.limit), (Code::WrongWords, Some(45.45), Some(12.0)));
        assert!(told.message.contains("not said: your ferry leaves at noon"), "{}", told.message);
        let added = compare(text, "Sure! Hello, this is the harbour line. Your ferry leaves at noon. Have a nice day!");
        assert_eq!(added.extra, ["sure", "have", "a", "nice", "day"]);
        assert!(added.flaw().is_some());
        assert!(compare(text, "Hi, you have reached the port. The boat goes at twelve.").flaw().is_some());
        assert!(compare("Bonjour, votre colis est arrivé.", "Hello, your parcel has arrived.").error_rate > 0.9);
        let slip = compare(text, "Hello, this is the harbor line. Your ferry leaves at noon.");
        assert!(slip.flaw().is_none() && slip.missing == ["harbour"], "{slip:?}");
    }
}
