//! Text for Pico: its markup made harmless, one sentence at a time.

/// Longest piece given to Pico at once, in bytes. It fails on single sentences of about 9 kB; this is far below.
const PIECE_BYTES: usize = 600;

/// Replaces what Pico would obey instead of speaking (`<`), and what it would skip (`&`, `>`), by words of the language.
///
/// Pico has no escapes. Control characters become spaces: a zero byte would flush the engine.
pub(super) fn speakable(text: &str, primary: &str) -> String {
    let (and, less, more) = match primary {
        "de" => (" und ", " kleiner als ", " größer als "),
        "fr" => (" et ", " inférieur à ", " supérieur à "),
        "es" => (" y ", " menor que ", " mayor que "),
        "it" => (" e ", " minore di ", " maggiore di "),
        _ => (" and ", " less than ", " greater than "),
    };
    let mut out = String::with_capacity(text.len());
    for ch in text.chars() {
        match ch {
            '<' => out.push_str(less),
            '>' => out.push_str(more),
            '&' => out.push_str(and),
            '\n' => out.push('\n'),
            ch if ch.is_control() => out.push(' '),
            ch => out.push(ch),
        }
    }
    out
}

/// Cuts a text into sentences, and sentences that are too long at a comma, a space, or anywhere.
pub(super) fn pieces(text: &str) -> Vec<&str> {
    let mut out = Vec::new();
    let mut start = 0;
    for (at, ch) in text.char_indices() {
        if ends_sentence(text, at, ch) {
            let end = at + ch.len_utf8();
            cut_long(&text[start..end], &mut out);
            start = end;
        }
    }
    cut_long(&text[start..], &mut out);
    out
}

fn ends_sentence(text: &str, at: usize, ch: char) -> bool {
    let rest = &text[at + ch.len_utf8()..];
    let before_space = rest.starts_with(char::is_whitespace);
    match ch {
        '\n' => true,
        '!' | '?' | '…' => before_space,
        '.' => before_space && !is_abbreviation(&text[..at]) && starts_sentence(rest),
        _ => false,
    }
}

/// `Dr.`, `Mr.`, `St.`, `z.B.`: a capital and at most three letters, or a letter after a dot.
fn is_abbreviation(before: &str) -> bool {
    let word = before.rsplit(|c: char| c.is_whitespace() || c == '.').next().unwrap_or("");
    let letters = word.chars().count();
    letters == 1 || (letters <= 3 && word.chars().all(char::is_alphabetic) && word.starts_with(char::is_uppercase))
}

fn starts_sentence(rest: &str) -> bool {
    rest.trim_start().chars().next().is_some_and(|c| !c.is_lowercase())
}

fn cut_long<'a>(sentence: &'a str, out: &mut Vec<&'a str>) {
    let mut rest = sentence.trim();
    while rest.len() > PIECE_BYTES {
        let mut end = PIECE_BYTES;
        while !rest.is_char_boundary(end) {
            end -= 1;
        }
        let head = &rest[..end];
        let cut = head.rfind([',', ';', ':']).map(|at| at + 1).or_else(|| head.rfind(char::is_whitespace));
        // A cut at the very front would make no progress.
        let cut = cut.filter(|at| *at > 0).unwrap_or(end);
        out.push(rest[..cut].trim());
        rest = rest[cut..].trim_start();
    }
    if !rest.is_empty() {
        out.push(rest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_are_cut_and_abbreviations_are_not() {
        assert_eq!(
            pieces("Hello, Dr. Smith. It is 2.5 p.m. now! Ready?\nBye."),
            ["Hello, Dr. Smith.", "It is 2.5 p.m. now!", "Ready?", "Bye."]
        );
        assert!(pieces(" \n ").is_empty());
    }

    #[test]
    fn no_piece_is_too_long_and_no_word_is_lost() {
        let long = "viele Wörter, ".repeat(300);
        let cut = pieces(&long);
        assert!(cut.iter().all(|piece| piece.len() <= PIECE_BYTES && !piece.is_empty()));
        let squeeze = |text: &str| text.split_whitespace().collect::<String>();
        assert_eq!(squeeze(&cut.join(" ")), squeeze(&long));
        let solid = "ü".repeat(5_000);
        assert_eq!(pieces(&solid).concat(), solid);
    }

    #[test]
    fn markup_becomes_words() {
        let spoken = speakable("a <speed level='200'> b & c\0d", "de");
        assert!(!spoken.contains(['<', '>', '&', '\0']), "{spoken}");
        assert!(spoken.contains("und"));
    }
}
