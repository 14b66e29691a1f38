//! `application/x-www-form-urlencoded`: pairs ↔ text. Order and repeated names are kept.

/// Writes pairs as a form body: space is `+`, everything but letters, digits and `*-._` is percent-encoded UTF-8.
pub fn encode<N: AsRef<str>, V: AsRef<str>>(pairs: &[(N, V)]) -> String {
    let mut out = String::new();
    for (name, value) in pairs {
        if !out.is_empty() {
            out.push('&');
        }
        escape(name.as_ref(), &mut out);
        out.push('=');
        escape(value.as_ref(), &mut out);
    }
    out
}

/// Writes one segment of a path: a carrier's id may have any visible character.
pub fn segment(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    escape(text, &mut out);
    // A space is a plus in forms only; ids have none.
    out.replace('+', "%20")
}

/// Reads a form body or a query. Never fails: bytes that are no UTF-8 become U+FFFD, a bad `%` stands for itself.
pub fn decode(text: &[u8]) -> Vec<(String, String)> {
    text.split(|byte| *byte == b'&')
        .filter(|part| !part.is_empty())
        .map(|part| {
            let cut = part.iter().position(|byte| *byte == b'=').unwrap_or(part.len());
            (unescape(&part[..cut]), unescape(part.get(cut + 1..).unwrap_or_default()))
        })
        .collect()
}

/// The first value of a name.
pub fn first<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

fn escape(text: &str, out: &mut String) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        match byte {
            b' ' => out.push('+'),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'*' | b'-' | b'.' | b'_' => out.push(char::from(byte)),
            other => {
                out.push('%');
                out.push(char::from(HEX[usize::from(other >> 4)]));
                out.push(char::from(HEX[usize::from(other & 15)]));
            }
        }
    }
}

fn unescape(text: &[u8]) -> String {
    let hex = |at: usize| text.get(at).and_then(|byte| char::from(*byte).to_digit(16)).map(|digit| digit as u8);
    let mut bytes = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        match (text[at], hex(at + 1), hex(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                bytes.push(high << 4 | low);
                at += 2;
            }
            (b'+', _, _) => bytes.push(b' '),
            (byte, _, _) => bytes.push(byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_is_decoded_again() {
        let pairs =
            [("To", "+359888123456"), ("Twiml", "<Say>Здравей & goodbye = 100%</Say>"), ("E", ""), ("E", "a b")];
        let text = encode(&pairs);
        assert!(text.starts_with("To=%2B359888123456&Twiml=%3CSay%3E"), "{text}");
        let back = decode(text.as_bytes());
        assert_eq!(back.len(), 4);
        assert!(back.iter().zip(pairs).all(|((n, v), (name, value))| n == name && v == value));
        assert_eq!(first(&back, "To"), Some("+359888123456"));
    }

    #[test]
    fn damage_is_read_and_never_panics() {
        assert_eq!(decode(b"a=%zz&b&=c&%4"), [("a", "%zz"), ("b", ""), ("", "c"), ("%4", "")].map(own));
        assert_eq!(decode(b"x=%ff%"), [("x", "\u{fffd}%")].map(own));
        assert!(decode(b"").is_empty());
    }

    fn own((name, value): (&str, &str)) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }
}
