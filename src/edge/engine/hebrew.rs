//! Pointed Hebrew to espeak-ng's phonemes, by rule.
//!
//! espeak-ng reads unpointed Hebrew without vowels and pointed Hebrew as letter names, but takes phonemes in `[[…]]`.
//! Pronunciation is that of modern Israeli Hebrew; stress is on the last syllable but for the endings that are not.
//! What rules cannot know (qamats qatan without its own sign, stress of names) may come out wrong: hear it once.

/// Hebrew that cannot be spoken, because its vowels are not written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the Hebrew word `{word}` has no vowel points (niqqud); write the text pointed (`שָׁלוֹם`, not `שלום`), \
     or use an engine that reads plain Hebrew"
)]
pub(super) struct Unpointed {
    /// The first such word.
    pub word: String,
}

const DAGESH: char = '\u{05BC}';
const SHIN: char = '\u{05C1}';
const SIN: char = '\u{05C2}';
const SHVA: char = '\u{05B0}';
const HOLAM: char = '\u{05B9}';
const PATAH: char = '\u{05B7}';

/// A letter with the points under and in it.
#[derive(Clone)]
struct Letter {
    base: char,
    dagesh: bool,
    sin: bool,
    vowel: Option<char>,
}

/// A syllable's sounds: consonants before its vowel, the vowel, nothing after (codas belong to the next entry).
struct Sound {
    consonant: &'static str,
    vowel: &'static str,
}

/// The text with every Hebrew word as `[[phonemes]]`; digits, Latin letters and punctuation stay.
pub(super) fn phonemes(text: &str) -> Result<String, Unpointed> {
    let mut out = String::new();
    let mut word = String::new();
    for ch in text.chars().chain(std::iter::once(' ')) {
        // Maqaf (U+05BE), paseq (U+05C0) and sof pasuq (U+05C3) stand between words.
        let inside = matches!(ch, '\u{0591}'..='\u{05BD}' | '\u{05BF}' | '\u{05C1}' | '\u{05C2}' | '\u{05C4}'..='\u{05C7}' | '\u{05D0}'..='\u{05EA}')
            || (!word.is_empty() && matches!(ch, '\'' | '׳' | '״'));
        if inside {
            word.push(ch);
            continue;
        }
        if !word.is_empty() {
            out.push_str(&format!("[[{}]]", speak(&word)?));
            word.clear();
        }
        out.push(if ch == '\u{05BE}' { ' ' } else { ch });
    }
    out.pop();
    Ok(out)
}

fn letters(word: &str) -> Vec<Letter> {
    let mut out: Vec<Letter> = Vec::new();
    for ch in word.chars() {
        match (ch, out.last_mut()) {
            ('\u{05D0}'..='\u{05EA}', _) => out.push(Letter { base: ch, dagesh: false, sin: false, vowel: None }),
            (DAGESH, Some(letter)) => letter.dagesh = true,
            (SIN, Some(letter)) => letter.sin = true,
            ('\u{05B0}'..='\u{05BB}' | '\u{05C7}', Some(letter)) => letter.vowel = Some(ch),
            // Accents, meteg, the shin dot (the default), geresh.
            (_, _) => {}
        }
    }
    out
}

fn speak(word: &str) -> Result<String, Unpointed> {
    let letters = letters(word);
    if letters.is_empty() {
        return Ok(String::new());
    }
    let pointed = letters.iter().any(|l| l.vowel.is_some() || (l.dagesh && l.base == 'ו')) || word.contains(SHIN);
    if letters.len() > 1 && !pointed {
        return Err(Unpointed { word: word.to_owned() });
    }
    if let [only] = letters.as_slice()
        && only.vowel.is_none()
    {
        return Ok(consonant(only, true).to_owned());
    }
    let sounds = sounds(&letters);
    let stressed = stressed(word, &letters, &sounds);
    let mut out = String::new();
    for (at, sound) in sounds.iter().enumerate() {
        out.push_str(sound.consonant);
        if Some(at) == stressed {
            out.push('\'');
        }
        out.push_str(sound.vowel);
    }
    Ok(out)
}

/// Letters to consonants and vowels, in order of speaking.
fn sounds(letters: &[Letter]) -> Vec<Sound> {
    let mut out = Vec::new();
    let last = letters.len() - 1;
    for (at, letter) in letters.iter().enumerate() {
        let before = at.checked_sub(1).map(|i| &letters[i]);
        if is_vowel_letter(letter, before, at == last) {
            let vowel = if letter.dagesh {
                "u"
            } else if letter.vowel == Some(HOLAM) {
                "o"
            } else {
                ""
            };
            if !vowel.is_empty() {
                out.push(Sound { consonant: "", vowel });
            }
            continue;
        }
        let furtive = at == last && at > 0 && letter.vowel == Some(PATAH) && takes_furtive(letter);
        if furtive {
            out.push(Sound { consonant: "", vowel: "a" });
            out.push(Sound { consonant: consonant(letter, false), vowel: "" });
            continue;
        }
        let vowel = match letter.vowel {
            Some(SHVA) if speaks_shva(letters, at) => "e",
            Some(SHVA) | None => "",
            Some('\u{05B1}' | '\u{05B5}' | '\u{05B6}') => "e",
            Some('\u{05B2}' | '\u{05B7}' | '\u{05B8}') => "a",
            Some('\u{05B4}') => "i",
            Some('\u{05BB}') => "u",
            Some(_) => "o",
        };
        out.push(Sound { consonant: consonant(letter, at == 0), vowel });
    }
    out
}

/// Vav, yod, he and alef that only carry or lengthen a vowel.
fn is_vowel_letter(letter: &Letter, before: Option<&Letter>, last: bool) -> bool {
    let Some(before) = before else {
        // A word may begin with shuruk: וּ "and".
        return letter.base == 'ו' && letter.dagesh && letter.vowel.is_none();
    };
    let open = before.vowel.is_none();
    match letter.base {
        'ו' => (letter.dagesh && letter.vowel.is_none() && open) || (letter.vowel == Some(HOLAM) && open),
        'י' => {
            letter.vowel.is_none()
                && !letter.dagesh
                && matches!(before.vowel, Some('\u{05B4}' | '\u{05B5}' | '\u{05B6}'))
        }
        'ה' => last && letter.vowel.is_none() && !letter.dagesh,
        'א' => letter.vowel.is_none(),
        _ => false,
    }
}

fn takes_furtive(letter: &Letter) -> bool {
    matches!(letter.base, 'ח' | 'ע') || (letter.base == 'ה' && letter.dagesh)
}

/// Shva is heard under the first letter where modern speech needs it, and as the second of two.
fn speaks_shva(letters: &[Letter], at: usize) -> bool {
    if at == 0 {
        return matches!(letters[0].base, 'ל' | 'מ' | 'נ' | 'ר' | 'י' | 'ו' | 'ב' | 'כ')
            || letters.get(1).is_some_and(|next| matches!(next.base, 'א' | 'ה' | 'ע'));
    }
    at + 1 < letters.len() && letters[at - 1].vowel == Some(SHVA) && !(at == 1 && speaks_shva(letters, 0))
}

fn consonant(letter: &Letter, first: bool) -> &'static str {
    match (letter.base, letter.dagesh) {
        ('א' | 'ע', _) => "?",
        ('ב', true) => "b",
        ('ב' | 'ו', _) => "v",
        ('ג', _) => "g",
        ('ד', _) => "d",
        ('ה', _) => "h",
        ('ז', _) => "z",
        ('כ' | 'ך', true) | ('ק', _) => "k",
        ('ח' | 'כ' | 'ך', _) => "X",
        ('ט' | 'ת', _) => "t",
        ('י', _) => "j",
        ('ל', _) => "l",
        ('מ' | 'ם', _) => "m",
        ('נ' | 'ן', _) => "n",
        ('ס', _) => "s",
        ('פ', true) => "p",
        ('פ' | 'ף', false) if first => "p",
        ('פ' | 'ף', _) => "f",
        ('צ' | 'ץ', _) => "ts",
        ('ר', _) => "R",
        ('ש', _) => {
            if letter.sin {
                "s"
            } else {
                "S"
            }
        }
        (_, _) => "",
    }
}

/// The syllable that is stressed: the last, but the last but one before endings of verbs and in segolates.
fn stressed(word: &str, letters: &[Letter], sounds: &[Sound]) -> Option<usize> {
    let vowels: Vec<usize> = sounds.iter().enumerate().filter(|(_, s)| !s.vowel.is_empty()).map(|(at, _)| at).collect();
    let (&last, rest) = vowels.split_last()?;
    let Some(&earlier) = rest.last() else { return Some(last) };
    let furtive = sounds[last].consonant.is_empty() && sounds[last].vowel == "a";
    let closed = last + 1 < sounds.len();
    // יֶלֶד, סֵפֶר, בֹּקֶר and נַעַר: short vowel in a closed last syllable after a stressable one.
    let marks: Vec<char> = letters.iter().filter_map(|l| l.vowel).filter(|v| *v != SHVA).collect();
    let segolate = closed
        && match marks.as_slice() {
            [.., before, '\u{05B6}'] => matches!(before, '\u{05B6}' | '\u{05B5}' | '\u{05B9}'),
            [.., '\u{05B7}', '\u{05B7}'] => letters.len() == 3 && matches!(letters[1].base, 'ע' | 'ח' | 'ה'),
            _ => false,
        };
    // אֲנַחְנוּ, דִּבַּרְתִּי, and the dual and plural ַיִם: the ending is not stressed.
    let bare: String = word.chars().filter(|c| *c != '\u{05BD}').collect();
    let ending = (bare.ends_with("נוּ") || bare.ends_with("תִּי") || bare.ends_with("תָּ") || bare.ends_with("ַיִם"))
        && vowels.len() > 1;
    Some(if furtive || segolate || ending { earlier } else { last })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointed_words_sound_as_they_are_spoken() {
        for (word, want) in [
            ("שָׁלוֹם", "Sal'om"),
            ("אֲנַחְנוּ", "?an'aXnu"),
            ("מִתְקַשְּׁרִים", "mitkaSR'im"),
            ("תּוֹדָה", "tod'a"),
            ("יֶלֶד", "j'eled"),
            ("סֵפֶר", "s'efeR"),
            ("בֹּקֶר", "b'okeR"),
            ("רוּחַ", "R'uaX"),
            ("שָׂדֶה", "sad'e"),
            ("יְרוּשָׁלַיִם", "jeRuSal'ajim"),
            ("דִּבַּרְתִּי", "dib'aRti"),
            ("וּבֵן", "uv'en"),
            ("פֹּה", "p'o"),
            ("לֹא", "l'o"),
            ("צְבִי", "tsv'i"),
            ("כֶּלֶב", "k'elev"),
        ] {
            // Points may come in any order; Unicode's normal order is what the request has.
            let normal: String = unicode_normalization::UnicodeNormalization::nfc(word).collect();
            assert_eq!(phonemes(&normal), Ok(format!("[[{want}]]")), "{word}");
        }
    }

    #[test]
    fn a_sentence_keeps_its_marks_and_numbers() {
        assert_eq!(phonemes("שָׁלוֹם, 14 Harbour!").as_deref(), Ok("[[Sal'om]], 14 Harbour!"));
    }

    #[test]
    fn plain_hebrew_is_refused_by_name_with_what_to_do() {
        let fault = phonemes("שָׁלוֹם עולם").expect_err("unpointed");
        assert_eq!(fault.word, "עולם");
        assert!(fault.to_string().contains("niqqud"));
    }

    #[test]
    fn marks_alone_and_odd_words_do_not_panic() {
        for odd in ["\u{05B0}", "ו", "וּ", "ה\u{05BC}", "א\u{05B0}\u{05B0}", "״", "אּ", "\u{05C1}\u{05BC}ב"] {
            if let Ok(spoken) = phonemes(odd) {
                assert!(spoken.len() < 40);
            }
        }
    }
}
