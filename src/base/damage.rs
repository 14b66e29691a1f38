//! What spreadsheets do to phone numbers: recognised and named, never guessed back into a number.

use super::PhoneFault;

/// A cell without what hides around a number: apostrophes that keep a spreadsheet from counting, `="…"`, spaces that look
/// like none, marks of writing direction, a full-width plus, the `.0` that a column of decimals leaves (the digits before it
/// are whole).
pub(super) fn clean(cell: &str) -> String {
    let mut text: String = cell
        .chars()
        .filter(|ch| !matches!(ch, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}'))
        .map(|ch| match ch {
            '\u{ff0b}' => '+',
            _ if ch.is_whitespace() => ' ',
            _ => ch,
        })
        .collect();
    if let Some(inner) = text.trim().strip_prefix("=\"").and_then(|rest| rest.strip_suffix('"')) {
        text = inner.to_owned();
    }
    let text = text.trim().trim_start_matches(['\'', '\u{2019}', '`']).trim();
    let text = text.strip_prefix("tel:").unwrap_or(text).trim();
    let whole =
        text.strip_suffix(".0").filter(|whole| whole.len() >= 7 && whole.bytes().all(|byte| byte.is_ascii_digit()));
    whole.unwrap_or(text).to_owned()
}

/// The damage that a cleaned cell shows, if it shows any.
pub(super) fn damage(text: &str) -> Option<PhoneFault> {
    if text.is_empty() || is_word_for_nothing(text) {
        return Some(PhoneFault::Empty);
    }
    if is_scientific(text) {
        return Some(PhoneFault::Scientific);
    }
    if is_date(text) {
        return Some(PhoneFault::Date);
    }
    if text.starts_with('#') && text.chars().skip(1).all(|ch| ch.is_ascii_uppercase() || "/0!?".contains(ch)) {
        return Some(PhoneFault::ErrorCell);
    }
    if is_grouped(text) {
        return Some(PhoneFault::Grouped);
    }
    None
}

fn is_word_for_nothing(text: &str) -> bool {
    ["-", "--", "n/a", "na", "null", "none", "nan", "nil", "?"].iter().any(|word| text.eq_ignore_ascii_case(word))
}

/// `3.59889E+11`, `3,59889e11`.
fn is_scientific(text: &str) -> bool {
    let Some((mantissa, exponent)) = text.split_once(['e', 'E']) else { return false };
    let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let whole = mantissa.split_once(['.', ',']).map_or(digits(mantissa), |(whole, part)| digits(whole) && digits(part));
    whole && digits(exponent) && exponent.len() <= 3
}

/// `12/05/1990`, `12.5.90`, `1990-05-12`, with or without a time behind it.
fn is_date(text: &str) -> bool {
    let day = text.split([' ', 'T']).next().unwrap_or(text);
    for separator in ['/', '.', '-'] {
        let parts: Vec<&str> = day.split(separator).collect();
        let [first, second, third] = parts.as_slice() else { continue };
        let number = |text: &str| text.parse::<u32>().ok().filter(|_| text.len() <= 4);
        let (Some(a), Some(b), Some(c)) = (number(first), number(second), number(third)) else { continue };
        let fits = |day: u32, month: u32| (1..=31).contains(&day) && (1..=12).contains(&month);
        let ends_with_year = third.len() == 4 && (1900..=2100).contains(&c) || third.len() == 2;
        let short = first.len() <= 2 && second.len() <= 2;
        if short && ends_with_year && (fits(a, b) || fits(b, a)) && (third.len() == 4 || separator == '/') {
            return true;
        }
        if first.len() == 4 && (1900..=2100).contains(&a) && second.len() <= 2 && third.len() <= 2 && fits(c, b) {
            return true;
        }
    }
    false
}

/// `359,888,123,456`, `359'888'123'456`: digits grouped by three as an amount.
fn is_grouped(text: &str) -> bool {
    [',', '\'', '\u{2019}'].into_iter().any(|mark| {
        let mut groups = text.split(mark);
        let first = groups.next().unwrap_or("");
        let rest: Vec<&str> = groups.collect();
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        (1..=3).contains(&first.len())
            && digits(first)
            && rest.len() >= 2
            && rest.iter().all(|it| it.len() == 3 && digits(it))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_damage_has_its_name_and_ways_to_write_a_number_have_none() {
        for (cell, fault) in [
            ("3.59889E+11", PhoneFault::Scientific),
            ("3,59889e11", PhoneFault::Scientific),
            ("12/05/1990", PhoneFault::Date),
            ("12.05.1990", PhoneFault::Date),
            ("1990-05-12 00:00:00", PhoneFault::Date),
            ("5/12/90", PhoneFault::Date),
            ("#N/A", PhoneFault::ErrorCell),
            ("#REF!", PhoneFault::ErrorCell),
            ("359,888,123,456", PhoneFault::Grouped),
            ("  ", PhoneFault::Empty),
            ("N/A", PhoneFault::Empty),
        ] {
            assert_eq!(damage(&clean(cell)), Some(fault), "{cell}");
        }
        for cell in [
            "01.23.45.67.89",
            "888.123.456",
            "12-34-56",
            "02 12 34 56",
            "1-800-356-9377",
            "(02) 12.34.5678",
            "00359888123456",
            "020 7946 0018",
            "+44 (0)20 7946 0018",
            "10.11.12.13",
        ] {
            assert_eq!(damage(&clean(cell)), None, "{cell}");
        }
    }

    #[test]
    fn what_hides_around_a_number_goes() {
        for cell in [
            "'+359888123456",
            "=\"+359888123456\"",
            "\u{200e}+359888123456\u{202c}",
            "\u{ff0b}359888123456",
            " tel:+359888123456",
        ] {
            assert_eq!(clean(cell), "+359888123456", "{cell:?}");
        }
        assert_eq!(clean("359888123456.0"), "359888123456");
        assert_eq!(clean("1.0"), "1.0");
        assert_eq!(clean("0888\u{a0}123\u{202f}456"), "0888 123 456");
    }
}
