//! Text from outside, made safe to print.

use std::borrow::Cow;

/// Escapes control characters, line ends and bidirectional marks, so that a name from a spreadsheet
/// cannot rewrite a terminal or forge a log line.
pub fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for ch in text.chars() {
        if is_hidden(ch) {
            out.extend(ch.escape_unicode());
        } else {
            out.push(ch);
        }
    }
    out
}

fn is_hidden(ch: char) -> bool {
    ch.is_control()
        || matches!(ch, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// A line of JSON with every hidden character escaped as JSON does it: the same value, harmless on a terminal.
pub fn plain_json(line: String) -> String {
    if !line.chars().any(is_hidden) {
        return line;
    }
    let mut out = String::with_capacity(line.len());
    for ch in line.chars() {
        if is_hidden(ch) {
            out.push_str(&format!("\\u{:04x}", u32::from(ch)));
        } else {
            out.push(ch);
        }
    }
    out
}

/// Masks what looks like a phone number (`+` or its form in URLs, `%2B`, and 7 digits or more) as `Phone` prints it:
/// the last line of defence for text that others wrote, such as the messages of libraries.
pub fn masked(text: &str) -> Cow<'_, str> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, sign, after)) = next_sign(rest) {
        let digits = after.bytes().take_while(u8::is_ascii_digit).count();
        out.push_str(before);
        out.push_str(sign);
        if digits >= 7 {
            out.push_str(&after[..2]);
            out.push('…');
            out.push_str(&after[digits - 2..digits]);
        } else {
            out.push_str(&after[..digits]);
        }
        rest = &after[digits..];
    }
    if out.is_empty() {
        return Cow::Borrowed(text);
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// What stands before the next `+` or `%2B`, the sign itself, and the rest.
fn next_sign(text: &str) -> Option<(&str, &str, &str)> {
    let plain = text.find('+').map(|at| (at, 1));
    let coded = text.find("%2B").or_else(|| text.find("%2b")).map(|at| (at, 3));
    let (at, length) = plain.into_iter().chain(coded).min()?;
    Some((&text[..at], &text[at..at + length], &text[at + length..]))
}

#[cfg(test)]
mod tests {
    use super::{masked, plain_json, printable};

    #[test]
    fn json_with_hidden_marks_is_the_same_value_in_plain_characters() {
        let value = serde_json::json!({ "name": "a\u{202e}b\u{1b}[2J\u{feff}" });
        let line = plain_json(value.to_string());
        assert!(line.chars().all(|ch| !ch.is_control() && ch != '\u{202e}'), "{line}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&line).expect("JSON"), value);
    }

    #[test]
    fn a_number_in_somebody_elses_words_is_masked() {
        assert_eq!(
            masked("GET /Calls.json?To=%2B359888123456&From=+15005550006"),
            "GET /Calls.json?To=%2B35…56&From=+15…06"
        );
        assert_eq!(masked("no number, 1+1=2, 2026-11-21T06:00:00+0000"), "no number, 1+1=2, 2026-11-21T06:00:00+0000");
        assert_eq!(masked("+359888123456+359888123457"), "+35…56+35…57");
    }

    #[test]
    fn a_name_cannot_paint_the_terminal() {
        assert_eq!(printable("Ana\u{1b}[31m\n"), "Ana\\u{1b}[31m\\u{a}");
        assert_eq!(printable("\u{202e}gnp"), "\\u{202e}gnp");
        assert_eq!(printable("Ивана שלום"), "Ивана שלום");
    }
}
