//! Telnyx's TeXML words, where they differ from Twilio's: JSON orders under other names, error bodies.
//! Names are from Telnyx's published SDKs; the form of errors is its general one.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::twilio::{CreateCall, EVENTS};

/// What `Timeout` may be. Unit: s.
pub const RING_S: std::ops::RangeInclusive<u64> = 5..=120;
/// What `TimeLimit` may be. Unit: s.
pub const LIMIT_S: std::ops::RangeInclusive<u64> = 30..=14_400;

/// The body of an order. `application`: digits.
pub fn create_body(call: &CreateCall<'_>, application: &str) -> String {
    let clamp = |seconds: u64, range: std::ops::RangeInclusive<u64>| seconds.clamp(*range.start(), *range.end());
    let mut body = json!({
        "ApplicationSid": application,
        "To": call.to,
        "From": call.from,
        "Texml": call.twiml,
        "StatusCallback": call.status_url,
        "StatusCallbackMethod": "POST",
        "StatusCallbackEvent": EVENTS.join(" "),
        "Timeout": clamp(call.ring_s, RING_S),
        "TimeLimit": clamp(call.limit_s, LIMIT_S),
    });
    if let (true, Some(fields)) = (call.machines, body.as_object_mut()) {
        let detection = [
            ("MachineDetection", json!("Enable")),
            ("AsyncAmd", json!(true)),
            ("AsyncAmdStatusCallback", json!(call.status_url)),
            ("AsyncAmdStatusCallbackMethod", json!("POST")),
            // By default a verdict cuts what is playing: that is for us to decide.
            ("CancelPlaybackOnMachineDetection", json!(false)),
            ("CancelPlaybackOnDetectMessageEnd", json!(false)),
        ];
        fields.extend(detection.map(|(name, value)| (name.to_owned(), value)));
    }
    body.to_string()
}

/// The body of a change to a live call; Twilio's name for it, in Telnyx's spelling.
pub fn update_body(name: &str, value: &str) -> String {
    let name = if name == "Twiml" { "Texml" } else { name };
    Value::Object(Map::from_iter([(name.to_owned(), json!(value))])).to_string()
}

/// What an error body says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Said {
    /// Its code (five digits); another list than Twilio's, and some numbers mean something else there.
    pub code: Option<u32>,
    /// Which part of the order it is about.
    pub about: Option<About>,
}

/// A part of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    /// `To`
    Callee,
    /// `From`
    Caller,
}

#[derive(Deserialize)]
struct Errors {
    #[serde(default)]
    errors: Vec<OneError>,
}

#[derive(Deserialize)]
struct OneError {
    #[serde(default)]
    code: Value,
    #[serde(default)]
    source: Option<Source>,
}

#[derive(Deserialize)]
struct Source {
    #[serde(default)]
    pointer: Option<String>,
    #[serde(default)]
    parameter: Option<String>,
}

/// Reads an error body: the first error of its list. Whatever is unreadable says nothing.
pub fn read_error(body: &[u8]) -> Said {
    let Some(first) = serde_json::from_slice::<Errors>(body).ok().and_then(|body| body.errors.into_iter().next())
    else {
        return Said::default();
    };
    let code = match &first.code {
        Value::String(text) => text.parse().ok(),
        other => other.as_u64().and_then(|code| u32::try_from(code).ok()),
    };
    let place = first.source.and_then(|source| source.pointer.or(source.parameter)).unwrap_or_default();
    let about = match place.rsplit('/').next().unwrap_or_default().to_ascii_lowercase().as_str() {
        "to" => Some(About::Callee),
        "from" => Some(About::Caller),
        _ => None,
    };
    Said { code, about }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_has_telnyxs_names_and_bounds() {
        let call = CreateCall {
            to: "+15005550001",
            from: "+15005550006",
            twiml: "<Response/>",
            status_url: "https://x.example/v1/status/t",
            ring_s: 600,
            limit_s: 10,
            reason: Some("a parcel"),
            machines: true,
        };
        let body: Value = serde_json::from_str(&create_body(&call, "17")).expect("JSON");
        assert_eq!((&body["Timeout"], &body["TimeLimit"]), (&json!(120), &json!(30)));
        assert_eq!(body["StatusCallbackEvent"], "initiated ringing answered completed");
        assert_eq!((&body["Texml"], &body["AsyncAmd"]), (&json!("<Response/>"), &json!(true)));
        assert_eq!(body["StatusCallback"], "https://x.example/v1/status/t", "no fragment: that is Twilio's");
        for twilios in ["Twiml", "CallReason", "Method"] {
            assert_eq!(body.get(twilios), None, "{twilios}");
        }
        let plain = create_body(&CreateCall { machines: false, ..call }, "17");
        assert!(!plain.contains("Amd") && !plain.contains("Detection"));
        assert_eq!(update_body("Twiml", "<Response/>"), r#"{"Texml":"<Response/>"}"#);
        assert_eq!(update_body("Status", "completed"), r#"{"Status":"completed"}"#);
    }

    #[test]
    fn an_error_says_its_code_and_whom_it_is_about() {
        let said = |text: &str| read_error(text.as_bytes());
        let callee = r#"{"errors":[{"code":"10016","title":"x","source":{"pointer":"/to"}},{"code":"1"}]}"#;
        assert_eq!(said(callee), Said { code: Some(10_016), about: Some(About::Callee) });
        let caller = r#"{"errors":[{"code":10002,"source":{"parameter":"From"}}]}"#;
        assert_eq!(said(caller), Said { code: Some(10_002), about: Some(About::Caller) });
        for nothing in ["", "<html>", "{}", r#"{"errors":[]}"#, r#"{"errors":[{"code":"many"}]}"#] {
            assert_eq!(said(nothing), Said::default(), "{nothing}");
        }
    }
}
