//! When each word of a phrase is spoken: what an engine tells, kept with the asset.

use serde::{Deserialize, Serialize};

/// Words of a spoken text with their times.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Alignment {
    /// In the order of speech.
    pub words: Vec<WordTime>,
}

/// One word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WordTime {
    /// The word as it was written, with its punctuation.
    pub word: String,
    /// Its beginning, in ms from the start of the sound.
    pub from_ms: u64,
    /// Its end, in ms from the start of the sound.
    pub to_ms: u64,
}

impl Alignment {
    /// Gathers characters with their times (ms) into words; white space parts them. `None` if there is no word.
    pub fn of_characters(characters: impl IntoIterator<Item = (String, u64, u64)>) -> Option<Alignment> {
        let mut words: Vec<WordTime> = Vec::new();
        let mut parted = true;
        for (text, from_ms, to_ms) in characters {
            if text.trim().is_empty() {
                parted = true;
                continue;
            }
            match words.last_mut().filter(|_| !parted) {
                Some(word) => {
                    word.word.push_str(&text);
                    word.to_ms = word.to_ms.max(to_ms);
                }
                None => words.push(WordTime { word: text, from_ms, to_ms: to_ms.max(from_ms) }),
            }
            parted = false;
        }
        (!words.is_empty()).then_some(Alignment { words })
    }

    /// The same after `head_ms` were cut off the start of the sound.
    pub fn trimmed(mut self, head_ms: u64) -> Alignment {
        for word in &mut self.words {
            word.from_ms = word.from_ms.saturating_sub(head_ms);
            word.to_ms = word.to_ms.saturating_sub(head_ms);
        }
        self
    }

    /// The words that were heard in full when playback stopped after `played_ms`.
    pub fn heard(&self, played_ms: u64) -> String {
        let heard: Vec<&str> =
            self.words.iter().take_while(|it| it.to_ms <= played_ms).map(|it| it.word.as_str()).collect();
        heard.join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letters(text: &str) -> Option<Alignment> {
        Alignment::of_characters(
            text.chars().enumerate().map(|(at, ch)| (ch.to_string(), at as u64 * 100, at as u64 * 100 + 100)),
        )
    }

    #[test]
    fn what_was_heard_ends_with_the_last_whole_word() {
        let hello = letters("Hello,  you  there.").expect("words").trimmed(50);
        assert_eq!(hello.words[1], WordTime { word: "you".to_owned(), from_ms: 750, to_ms: 1_050 });
        let heard = |ms| hello.heard(ms);
        assert_eq!(heard(0), "");
        assert_eq!((heard(549), heard(550)), (String::new(), "Hello,".to_owned()));
        assert_eq!((heard(1_049), heard(1_050)), ("Hello,".to_owned(), "Hello, you".to_owned()));
        assert_eq!(heard(u64::MAX), "Hello, you there.");
        assert_eq!(letters("   "), None);
    }
}
