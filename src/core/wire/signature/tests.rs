use super::*;

fn secret(text: &str) -> Secret {
    Secret::new(text.to_owned())
}

fn pairs(of: &[(&str, &str)]) -> Vec<(String, String)> {
    of.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn checks(url: &str, body: Body, signature: &str) -> bool {
    let token = secret("12345");
    let keys = Keys { token: &token, shared: None };
    verify(&keys, &Signed { url, body, signature: Some(signature), settings: None })
}

const URL: &str = "https://mycompany.com/myapp.php?foo=1&bar=2";

fn sample() -> Vec<(String, String)> {
    pairs(&[
        ("To", "+18005551212"),
        ("CallSid", "CA1234567890ABCDE"),
        ("Caller", "+14158675309"),
        ("Digits", "1234"),
        ("From", "+14158675309"),
    ])
}

#[test]
fn the_documented_signature_is_made_and_accepted() {
    let want = "RSOYDt4T1cUTdK1PDd93/VVr8B8=";
    assert_eq!(sign(&secret("12345"), URL, &sample()), want);
    assert!(checks(URL, Body::Form(&sample()), want));
}

#[test]
fn any_change_is_refused() {
    let good = sign(&secret("12345"), URL, &sample());
    let mut other = sample();
    other[3].1.push('5');
    assert!(!checks(URL, Body::Form(&other), &good));
    assert!(!checks("https://mycompany.com/myapp.php?bar=2&foo=1", Body::Form(&sample()), &good), "query order counts");
    assert!(!checks("https://mycompany.com/myapp.php/?foo=1&bar=2", Body::Form(&sample()), &good));
    assert!(!checks("http://mycompany.com/myapp.php?foo=1&bar=2", Body::Form(&sample()), &good));
    assert!(!checks(URL, Body::Empty, &good));
    assert!(!checks(URL, Body::Form(&sample()), ""));
    let token = secret("12345");
    let keys = Keys { token: &token, shared: None };
    assert!(!verify(&keys, &Signed { url: URL, body: Body::Form(&sample()), signature: None, settings: None }));
    let wrong = secret("12346");
    let keys = Keys { token: &wrong, shared: None };
    let request = Signed { url: URL, body: Body::Form(&sample()), signature: Some(&good), settings: None };
    assert!(!verify(&keys, &request));
}

#[test]
fn equal_values_collapse_and_names_sort_by_code_point() {
    let token = secret("12345");
    let once = pairs(&[("b", "1"), ("A", "2"), ("a", "3"), ("b", "0")]);
    let twice = pairs(&[("b", "0"), ("a", "3"), ("b", "1"), ("b", "1"), ("A", "2")]);
    assert_eq!(sign(&token, URL, &once), sign(&token, URL, &twice));
    assert_eq!(signed_text("u", &once), "uA2a3b0b1");
}

#[test]
fn a_port_in_the_url_may_be_left_out_by_the_signer_but_not_invented() {
    let token = secret("12345");
    let at = |url: &str| sign(&token, url, &[]);
    assert!(checks("https://host.example:8443/x", Body::Empty, &at("https://host.example/x")));
    assert!(!checks("https://host.example/x", Body::Empty, &at("https://host.example:8443/x")));
    assert!(checks("https://host.example/x", Body::Empty, &at("https://host.example:443/x")));
    assert!(checks("http://host.example/x", Body::Empty, &at("http://host.example:80/x")));
    assert!(checks("wss://host.example/x", Body::Empty, &at("wss://host.example:80/x")));
    assert!(checks("http://[::1]:81/x", Body::Empty, &at("http://[::1]/x")));
    assert!(checks("http://[::1]/x", Body::Empty, &at("http://[::1]:80/x")));
    assert!(checks("https://u:p@host.example/x", Body::Empty, &at("https://u:p@host.example:443/x")));
}

#[test]
fn a_json_body_is_bound_by_its_hash() {
    let token = secret("12345");
    let raw = br#"{"a":1}"#;
    let hash: String = Sha256::digest(raw).iter().map(|byte| format!("{byte:02x}")).collect();
    let url = format!("https://host.example/x?bodySHA256={hash}");
    let good = sign(&token, &url, &[]);
    assert!(checks(&url, Body::Json(raw), &good));
    assert!(!checks(&url, Body::Json(br#"{"a":2}"#), &good));
    assert!(!checks("https://host.example/x", Body::Json(raw), &sign(&token, "https://host.example/x", &[])));
}

#[test]
fn an_upgrade_is_signed_in_its_socket_form_with_the_query_as_a_form() {
    let token = secret("12345");
    let keys = Keys { token: &token, shared: None };
    let ok = |url: &str, signature: &str| {
        let request = Signed { url, body: Body::Empty, signature: Some(signature), settings: None };
        verify_upgrade(&keys, &request)
    };
    let good = sign(&token, "wss://host.example/media", &[]);
    assert!(ok("wss://host.example/media", &good));
    assert!(!ok("https://host.example/media", &good));
    let query = sign(&token, "wss://host.example/media", &pairs(&[("a", "1"), ("b", "2")]));
    assert!(ok("wss://host.example/media?b=2&a=1", &query));
    assert_eq!(sign_upgrade(&token, "wss://host.example/media?b=2&a=1"), query);
    assert!(!ok("wss://host.example/media?b=2&a=2", &query));
}

#[test]
fn a_shared_key_is_used_and_an_unknown_algorithm_fails() {
    let token = secret("12345");
    let shared = secret("shared");
    let keys = Keys { token: &token, shared: Some(("k1", &shared)) };
    let text = STANDARD.encode(sha256_mac(&shared, "https://host.example/x"));
    let ok = |signature: &str, settings: &str| {
        let url = "https://host.example/x";
        verify(&keys, &Signed { url, body: Body::Empty, signature: Some(signature), settings: Some(settings) })
    };
    assert!(ok(&text, "key=k1,algorithm=HMAC_SHA256"));
    assert!(!ok(&text, "key=k2,algorithm=HMAC_SHA256"));
    assert!(!ok(&text, "key=k1,algorithm=HMAC_MD5"));
    let old = sign(&token, "https://host.example/x", &[]);
    assert!(!ok(&old, "key=k1,algorithm=HMAC_SHA1024"), "an unknown algorithm never falls back to the token");
}

#[test]
fn a_fragment_is_not_signed() {
    let token = secret("12345");
    assert_eq!(sign(&token, "https://h.example/x#rc=2", &[]), sign(&token, "https://h.example/x", &[]));
}
