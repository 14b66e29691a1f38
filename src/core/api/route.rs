//! Which request is for whom.

/// One thing that can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Route {
    /// Does the process live?
    Health,
    /// Could it place and take calls now?
    Ready,
    /// The document that describes the API.
    Document,
    /// Figures for Prometheus.
    Metrics,
    /// Place a call.
    Place,
    /// What became of a call.
    Call,
    /// Open, change or close a ticket.
    Ticket,
    /// Where a caller's cloned voice stands.
    Clone,
    /// How cloning went over a window.
    Cloning,
}

/// A route's place: method, path, whether it needs the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spot {
    /// What it is for.
    pub route: Route,
    /// The method.
    pub method: &'static str,
    /// The path; `{…}` stands for one segment.
    pub path: &'static str,
    /// Whether only who shows the token gets an answer.
    pub guarded: bool,
}

const fn spot(route: Route, method: &'static str, path: &'static str, guarded: bool) -> Spot {
    Spot { route, method, path, guarded }
}

/// Everything that is served.
pub const ROUTES: [Spot; 9] = [
    spot(Route::Health, "GET", "/healthz", false),
    spot(Route::Ready, "GET", "/readyz", false),
    spot(Route::Document, "GET", "/openapi.json", false),
    spot(Route::Metrics, "GET", "/metrics", true),
    spot(Route::Place, "POST", "/api/calls", true),
    spot(Route::Call, "GET", "/api/calls/{id}", true),
    spot(Route::Ticket, "POST", "/api/tickets", true),
    spot(Route::Clone, "GET", "/api/clones/{caller_id}", true),
    spot(Route::Cloning, "GET", "/metrics/cloning", true),
];

/// A request that no route is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Miss {
    /// No such path.
    Path,
    /// The path takes these methods only.
    Method(Vec<&'static str>),
}

/// The route of a request, and the text of the path's `{…}` (empty if it has none), decoded.
pub fn find(method: &str, path: &str) -> Result<(Spot, String), Miss> {
    let mut methods = Vec::new();
    for spot in ROUTES {
        let Some(text) = fits(spot.path, path) else { continue };
        if spot.method == method || (method == "HEAD" && spot.method == "GET") {
            return Ok((spot, text));
        }
        methods.push(spot.method);
    }
    Err(if methods.is_empty() { Miss::Path } else { Miss::Method(methods) })
}

fn fits(template: &str, path: &str) -> Option<String> {
    let (wanted, found): (Vec<&str>, Vec<&str>) = (template.split('/').collect(), path.split('/').collect());
    if wanted.len() != found.len() {
        return None;
    }
    let mut text = String::new();
    for (wanted, found) in wanted.into_iter().zip(found) {
        if wanted.starts_with('{') {
            text = decoded(found).filter(|text| !text.is_empty())?;
        } else if wanted != found {
            return None;
        }
    }
    Some(text)
}

/// `%2B44` → `+44`. `None`: not UTF-8, or no hexadecimal digits behind a `%`.
fn decoded(segment: &str) -> Option<String> {
    let bytes = segment.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] == b'%' {
            let digits = segment.get(at + 1..at + 3).filter(|it| it.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
            out.push(u8::from_str_radix(digits, 16).ok()?);
            at += 3;
        } else {
            out.push(bytes[at]);
            at += 1;
        }
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_finds_its_route_whole_or_not_at_all() {
        let found = |method: &str, path: &str| find(method, path).map(|(spot, text)| (spot.route, text));
        assert_eq!(found("GET", "/healthz"), Ok((Route::Health, String::new())));
        assert_eq!(found("HEAD", "/healthz"), Ok((Route::Health, String::new())));
        assert_eq!(found("GET", "/api/calls/a%2Bb"), Ok((Route::Call, "a+b".to_owned())));
        assert_eq!(found("POST", "/api/calls"), Ok((Route::Place, String::new())));
        for path in ["/", "/healthz/", "/api/calls/", "/api/calls/a/b", "/api/calls/%ff", "/api/calls/%2", "/HEALTHZ"] {
            assert_eq!(found("GET", path), Err(Miss::Path), "{path}");
        }
        assert_eq!(found("DELETE", "/api/calls"), Err(Miss::Method(vec!["POST"])));
    }
}
