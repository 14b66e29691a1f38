//! Text from outside, made safe to print.

/// Escapes control characters, line ends and bidirectional marks, so that a name from a spreadsheet
/// cannot rewrite a terminal or forge a log line.
pub fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for ch in text.chars() {
        let hidden = ch.is_control()
            || matches!(ch, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}');
        if hidden {
            out.extend(ch.escape_unicode());
        } else {
            out.push(ch);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::printable;

    #[test]
    fn a_name_cannot_paint_the_terminal() {
        assert_eq!(printable("Ana\u{1b}[31m\n"), "Ana\\u{1b}[31m\\u{a}");
        assert_eq!(printable("\u{202e}gnp"), "\\u{202e}gnp");
        assert_eq!(printable("Ивана שלום"), "Ивана שלום");
    }
}
