//! Paths of requests as a log may hold them.

/// A path with every segment masked that may hold a person's number: four digits or more, encoded ones too. An id of ours
/// (a UUID) stays. What follows a `?` is left out.
pub fn masked(path: &str) -> String {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let shown = path.split('/').map(|segment| if holds_a_number(segment) { "***" } else { segment });
    let text = shown.collect::<Vec<_>>().join("/");
    crate::base::text::printable(&text.chars().take(200).collect::<String>())
}

fn holds_a_number(segment: &str) -> bool {
    if is_uuid(segment) {
        return false;
    }
    // A digit may come as `%33`, so whatever is encoded so often counts as a number too.
    let digits = segment.chars().filter(|ch| ch.is_numeric()).count();
    digits + segment.matches('%').count() >= 4
}

fn is_uuid(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    parts.iter().map(|part| part.len()).eq([8, 4, 4, 4, 12])
        && parts.iter().all(|part| part.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_in_a_path_is_masked_and_an_id_is_not() {
        let id = "0192d3a4-1111-7abc-8def-0123456789ab";
        for (path, want) in [
            ("/api/clones/+442079460000", "/api/clones/***"),
            ("/api/clones/%2B442079460000?wait_ms=5", "/api/clones/***"),
            ("/api/clones/%34%34%32%30", "/api/clones/***"),
            ("/api/clones/020-7946-0000", "/api/clones/***"),
            ("/api/clones/٤٤٢٠٧٩٤٦", "/api/clones/***"),
            ("/442079460000/x", "/***/x"),
            ("/api/calls?phone=442079460000", "/api/calls"),
        ] {
            assert_eq!(masked(path), want);
        }
        assert_eq!(masked(&format!("/api/calls/{id}")), format!("/api/calls/{id}"));
    }
}
