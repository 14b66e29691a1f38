//! The embedded carrier in Telnyx's form: which orders it takes, how it answers, tells and speaks. Pure.
//!
//! It is as strict as Telnyx may be: a name that its SDKs do not know, a value of another kind or out of range is refused.

use serde_json::{Map, Value, json};

use super::rest::{ApiFault, NewCall, Update, read_create, read_update};
use super::stream::StreamIds;
use crate::core::wire::telnyx::{LIMIT_S, RING_S};
use crate::core::wire::twilio::{CallResource, parse_date};

/// Names of an order that this carrier knows, with the kind of their values.
#[rustfmt::skip]
const ORDER: [(&str, Kind); 25] = [
    ("ApplicationSid", Kind::Text), ("To", Kind::Text), ("From", Kind::Text), ("CallerId", Kind::Text),
    ("Url", Kind::Text), ("UrlMethod", Kind::Text), ("FallbackUrl", Kind::Text), ("Texml", Kind::Text),
    ("StatusCallback", Kind::Text), ("StatusCallbackMethod", Kind::Text), ("StatusCallbackEvent", Kind::Text),
    ("Timeout", Kind::Number), ("TimeLimit", Kind::Number), ("MachineDetection", Kind::Text),
    ("DetectionMode", Kind::Text), ("MachineDetectionTimeout", Kind::Number), ("AsyncAmd", Kind::Flag),
    ("AsyncAmdStatusCallback", Kind::Text), ("AsyncAmdStatusCallbackMethod", Kind::Text),
    ("CancelPlaybackOnMachineDetection", Kind::Flag), ("CancelPlaybackOnDetectMessageEnd", Kind::Flag),
    ("PreferredCodecs", Kind::Text), ("Record", Kind::Flag), ("SipRegion", Kind::Text), ("Trim", Kind::Text),
];
/// Names of a change.
const CHANGE: [&str; 8] =
    ["Status", "Texml", "Url", "Method", "FallbackUrl", "FallbackMethod", "StatusCallback", "StatusCallbackMethod"];
/// Shortest and longest sound in one message: 20 ms to 30 s. Unit: samples.
pub const SOUND: std::ops::RangeInclusive<usize> = 160..=240_000;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Number,
    Flag,
}

fn wrong(what: impl Into<String>) -> ApiFault {
    ApiFault::new(422, 20_001, what)
}

fn object(body: &[u8]) -> Result<Map<String, Value>, ApiFault> {
    match serde_json::from_slice(body) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) | Err(_) => Err(ApiFault::new(400, 20_001, "the body is no JSON object")),
    }
}

/// Checks an order as Telnyx would.
pub fn read_order(body: &[u8]) -> Result<NewCall, ApiFault> {
    let mut pairs = Vec::new();
    for (name, value) in object(body)? {
        let kind = ORDER.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind);
        let text = match (kind, &value) {
            (Some(Kind::Text), Value::String(text)) => text.clone(),
            (Some(Kind::Number), Value::Number(number)) => number.to_string(),
            (Some(Kind::Flag), Value::Bool(flag)) => flag.to_string(),
            (Some(_), _) => return Err(wrong(format!("{name} is of another kind"))),
            (None, _) => return Err(wrong(format!("unknown name {}", crate::base::text::printable(&name)))),
        };
        let within = |range: std::ops::RangeInclusive<u64>| text.parse().is_ok_and(|seconds| range.contains(&seconds));
        match name.as_str() {
            "Timeout" if !within(RING_S) => return Err(wrong("Timeout is 5 to 120 seconds")),
            "TimeLimit" if !within(LIMIT_S) => return Err(wrong("TimeLimit is 30 to 14400 seconds")),
            "MachineDetectionTimeout" if !within(500..=60_000) => {
                return Err(wrong("MachineDetectionTimeout is in milliseconds"));
            }
            "ApplicationSid" if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) => {
                return Err(wrong("ApplicationSid is no TeXML application"));
            }
            "MachineDetection" if text == "Disable" => {}
            // One text, values separated by spaces.
            "StatusCallbackEvent" => {
                pairs.extend(text.split(' ').map(|event| (name.clone(), event.to_owned())));
            }
            _ => pairs.push((twilios(&name).to_owned(), text)),
        }
    }
    if !pairs.iter().any(|(name, _)| name == "ApplicationSid") {
        return Err(wrong("ApplicationSid is missing"));
    }
    let order = read_create(&pairs)?;
    Ok(NewCall { ignored: Vec::new(), ..order })
}

/// Checks a change as Telnyx would: the one status that it names is `completed`.
pub fn read_change(body: &[u8]) -> Result<Update, ApiFault> {
    let mut pairs = Vec::new();
    for (name, value) in object(body)? {
        if !CHANGE.contains(&name.as_str()) {
            return Err(wrong(format!("unknown name {}", crate::base::text::printable(&name))));
        }
        let text = value.as_str().ok_or_else(|| wrong(format!("{name} is no text")))?;
        if name == "Status" && text != "completed" {
            return Err(wrong("Status is completed"));
        }
        pairs.push((twilios(&name).to_owned(), text.to_owned()));
    }
    read_update(&pairs)
}

fn twilios(name: &str) -> &str {
    match name {
        "Texml" => "Twiml",
        "UrlMethod" => "Method",
        other => other,
    }
}

/// A refusal in Telnyx's words: HTTP status and body.
pub fn refusal(fault: &ApiFault) -> (u16, Value) {
    let number = |part: &str| (422, 10_016, Some(part.to_owned()));
    let (http, code, pointer) = match (fault.http, fault.code) {
        (400, Some(21_201 | 21_211)) => number("/To"),
        (400, Some(21_210 | 21_212 | 21_213)) => number("/From"),
        (400, Some(21_220)) => (422, 90_018, None),
        (401, _) => (401, 10_009, None),
        (403, _) => (403, 10_010, None),
        (404, _) => (404, 10_005, None),
        (429, _) => (429, 10_011, None),
        (500.., _) => (fault.http, 10_007, None),
        (400, _) => (422, 10_015, None),
        (http, _) => (http, 10_015, None),
    };
    let mut error = json!({ "code": code.to_string(), "title": fault.message, "detail": fault.message });
    if let Some(pointer) = pointer {
        error["source"] = json!({ "pointer": pointer });
    }
    (http, json!({ "errors": [error] }))
}

/// What an order is answered with: no sid by its published type; some answers have one.
pub fn taken(call: &CallResource, with_sid: Named) -> Value {
    let mut answer = json!({ "from": call.from, "to": call.to, "status": "queued" });
    if with_sid == Named::Yes {
        answer["sid"] = json!(call.sid);
    }
    answer
}

/// Whether an answer to an order names the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named {
    /// With its sid.
    Yes,
    /// Without.
    No,
}

/// A call as this API shows it: fewer fields, a direction without a source, no queue.
pub fn resource(call: CallResource) -> CallResource {
    let status = call.status.map(|status| if status == "queued" { "ringing".to_owned() } else { status });
    CallResource {
        sid: call.sid,
        account_sid: call.account_sid,
        date_created: call.date_created,
        date_updated: call.date_updated,
        direction: Some("outbound".to_owned()),
        duration: call.duration,
        start_time: call.start_time,
        end_time: call.end_time,
        from: call.from,
        to: call.to,
        status,
        price: call.price,
        price_unit: call.price_unit,
        uri: call.uri,
        ..CallResource::default()
    }
}

/// A callback's form in Telnyx's words.
pub fn callback(params: &[(String, String)]) -> Vec<(String, String)> {
    let mut told = Vec::new();
    let mut add = |name: &str, value: &str| told.push((name.to_owned(), value.to_owned()));
    for (name, value) in params {
        match name.as_str() {
            "CallSid" => {
                add("CallSid", value);
                add("CallSidLegacy", value);
                add("ConnectionId", "1234567890");
            }
            "Timestamp" => match parse_date(value) {
                Some(at) => add("Timestamp", &at.rfc3339()),
                None => add("Timestamp", value),
            },
            "CallDuration" => {
                add("CallDuration", value);
                add("HangupSource", "unknown");
            }
            // Its codes are another list.
            "ErrorCode" => add("ErrorCode", "10001"),
            "AccountSid"
            | "From"
            | "To"
            | "CallStatus"
            | "CallbackSource"
            | "SequenceNumber"
            | "AnsweredBy"
            | "MachineDetectionDuration"
            | "Digits" => add(name, value),
            // Twilio's own.
            _ => {}
        }
    }
    told
}

/// The first two messages of a stream.
pub fn opening(ids: &StreamIds, parameters: &[(String, String)]) -> Vec<String> {
    let custom: Map<String, Value> = parameters.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    let start = json!({
        "event": "start", "sequence_number": "1", "stream_id": ids.stream,
        "start": {
            "user_id": ids.account, "call_control_id": ids.call, "call_session_id": ids.stream,
            "custom_parameters": custom,
            "media_format": { "encoding": "PCMU", "sample_rate": 8000, "channels": 1 },
        },
    });
    vec![r#"{"event":"connected","version":"1.0.0"}"#.to_owned(), start.to_string()]
}

/// A message that Twilio's stream would send, in Telnyx's spelling.
pub fn spelled(mut message: Value) -> Value {
    let Some(fields) = message.as_object_mut() else { return message };
    for (theirs, ours) in [("sequenceNumber", "sequence_number"), ("streamSid", "stream_id")] {
        if let Some(value) = fields.remove(theirs) {
            fields.insert(ours.to_owned(), value);
        }
    }
    if let Some(stop) = fields.get_mut("stop") {
        *stop = json!({ "user_id": stop["accountSid"], "call_control_id": stop["callSid"] });
    }
    if let Some(dtmf) = fields.get_mut("dtmf") {
        *dtmf = json!({ "digit": dtmf["digit"] });
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(changes: &[(&str, Value)]) -> Vec<u8> {
        let mut usual = json!({
            "ApplicationSid": "17", "To": "+15005550001", "From": "+15005550006", "Texml": "<Response/>",
            "StatusCallback": "http://127.0.0.1:1/x", "StatusCallbackEvent": "initiated completed",
        });
        for (name, value) in changes {
            usual[*name] = value.clone();
        }
        usual.to_string().into_bytes()
    }

    #[test]
    fn what_telnyx_would_refuse_is_refused() {
        let taken = read_order(&order(&[("Timeout", json!(120))])).expect("taken");
        assert_eq!(taken.ring_s, 120);
        assert_eq!(taken.callback.expect("given").events, ["initiated", "completed"]);
        for change in [
            ("Twiml", json!("<Response/>")),
            ("CallReason", json!("x")),
            ("Timeout", json!("30")),
            ("Timeout", json!(121)),
            ("TimeLimit", json!(29)),
            ("AsyncAmd", json!("true")),
            ("MachineDetectionTimeout", json!(30)),
            ("StatusCallbackEvent", json!(["initiated"])),
            ("StatusCallbackEvent", json!("initiated,completed")),
            ("ApplicationSid", json!("AP17")),
            ("To", json!("0888")),
        ] {
            assert!(read_order(&order(std::slice::from_ref(&change))).is_err(), "{change:?}");
        }
        assert!(read_order(b"To=%2B15005550001").is_err(), "a form is no JSON");
        assert_eq!(read_change(br#"{"Status":"completed"}"#), Ok(Update::HangUp));
        assert!(read_change(br#"{"Status":"canceled"}"#).is_err());
        assert!(read_change(br#"{"Twiml":"<Response/>"}"#).is_err());
        assert!(matches!(read_change(br#"{"Texml":"<Response/>"}"#), Ok(Update::Replace(_))));
    }

    #[test]
    fn our_own_order_is_taken_whole() {
        let call = crate::core::wire::twilio::CreateCall {
            to: "+15005550001",
            from: "+15005550006",
            twiml: "<Response><Hangup/></Response>",
            status_url: "http://127.0.0.1:1/x",
            ring_s: 30,
            limit_s: 600,
            reason: None,
            machines: true,
        };
        let taken = read_order(crate::core::wire::telnyx::create_body(&call, "17").as_bytes()).expect("taken");
        assert_eq!(taken.machines.as_deref(), Some("http://127.0.0.1:1/x"));
        assert_eq!(taken.callback.expect("given").events.len(), 4);
    }

    #[test]
    fn a_refusal_points_at_its_number() {
        let (http, body) = refusal(&ApiFault::new(400, 21_211, "x"));
        let said = crate::core::wire::telnyx::read_error(body.to_string().as_bytes());
        assert_eq!((http, said.code), (422, Some(10_016)));
        assert_eq!(said.about, Some(crate::core::wire::telnyx::About::Callee));
    }
}
