//! What the REST interface takes, refuses and finds. Pure: forms in, decisions out.

use crate::core::dial::CallStatus;
use crate::core::wire::form::first;
use crate::core::wire::twilio::{EVENTS, ErrorBody};
use crate::core::wire::twiml::{self, INLINE_CHARS};

use super::call::Instructions;

/// Every name that a create request may have, from the vendor's OpenAPI document. Others are ignored, and logged.
#[rustfmt::skip]
pub const CREATE_NAMES: [&str; 38] = [
    "To", "From", "Method", "FallbackUrl", "FallbackMethod", "StatusCallback", "StatusCallbackEvent",
    "StatusCallbackMethod", "SendDigits", "Timeout", "Record", "RecordingChannels", "RecordingStatusCallback",
    "RecordingStatusCallbackMethod", "RecordingConfigurationId", "SipAuthUsername", "SipAuthPassword",
    "MachineDetection", "MachineDetectionTimeout", "RecordingStatusCallbackEvent", "Trim", "CallerId",
    "MachineDetectionSpeechThreshold", "MachineDetectionSpeechEndThreshold", "MachineDetectionSilenceTimeout",
    "AsyncAmd", "AsyncAmdStatusCallback", "AsyncAmdStatusCallbackMethod", "Passports", "Byoc", "CallReason",
    "CallToken", "RecordingTrack", "TimeLimit", "ClientNotificationUrl", "Url", "Twiml", "ApplicationSid",
];

/// A refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiFault {
    /// HTTP status.
    pub http: u16,
    /// The carrier's code.
    pub code: Option<u32>,
    /// What is wrong. Without phone numbers.
    pub message: String,
}

impl ApiFault {
    /// A refusal with a code.
    pub fn new(http: u16, code: u32, message: impl Into<String>) -> ApiFault {
        ApiFault { http, code: Some(code), message: message.into() }
    }

    /// The JSON body.
    pub fn body(&self) -> ErrorBody {
        let more_info = self.code.map(|code| format!("https://www.twilio.com/docs/errors/{code}")).unwrap_or_default();
        ErrorBody { code: self.code, message: self.message.clone(), more_info, status: self.http }
    }
}

/// A create request that the carrier takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCall {
    /// Callee, E.164.
    pub to: String,
    /// Caller, E.164.
    pub from: String,
    /// What to run when the callee answers.
    pub first: Instructions,
    /// Somebody called the account.
    pub inbound: bool,
    /// Where statuses are told, and which.
    pub callback: Option<Callbacks>,
    /// Where it is told who answered, if that was asked for.
    pub machines: Option<String>,
    /// Ring seconds.
    pub ring_s: u64,
    /// Longest call in seconds.
    pub limit_s: u64,
    /// Names that the carrier does not know.
    pub ignored: Vec<String>,
}

/// Status callbacks of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Callbacks {
    /// Where they go.
    pub url: String,
    /// Which; `completed` stands for every terminal status.
    pub events: Vec<String>,
}

impl Callbacks {
    /// Whether a status is told.
    pub fn wants(&self, status: CallStatus) -> bool {
        let event = match status {
            CallStatus::Queued => return false,
            CallStatus::Initiated => "initiated",
            CallStatus::Ringing => "ringing",
            CallStatus::InProgress => "answered",
            CallStatus::Completed
            | CallStatus::Busy
            | CallStatus::NoAnswer
            | CallStatus::Failed
            | CallStatus::Canceled => "completed",
        };
        self.events.iter().any(|it| it == event)
    }
}

/// Checks a create request as the carrier would.
pub fn read_create(pairs: &[(String, String)]) -> Result<NewCall, ApiFault> {
    let get = |name| first(pairs, name).filter(|value| !value.is_empty());
    let to = get("To").ok_or_else(|| ApiFault::new(400, 21_201, "No 'To' number is specified"))?;
    let from = get("From").ok_or_else(|| ApiFault::new(400, 21_213, "No 'From' number is specified"))?;
    if !is_e164(to) {
        return Err(ApiFault::new(400, 21_211, "The 'To' number is not a valid phone number"));
    }
    if !is_e164(from) {
        return Err(ApiFault::new(400, 21_212, "The 'From' number is not a valid phone number"));
    }
    let instructions = read_instructions(pairs)?
        .ok_or_else(|| ApiFault::new(400, 21_205, "Url, Twiml or ApplicationSid parameter is required"))?;
    let seconds = |name: &'static str, usual: u64, range: std::ops::RangeInclusive<u64>| match get(name) {
        None => Ok(usual),
        Some(text) => text
            .parse()
            .ok()
            .filter(|value| range.contains(value))
            .ok_or_else(|| ApiFault::new(400, 20_001, format!("{name} is out of range"))),
    };
    let mut events: Vec<String> =
        pairs.iter().filter(|(name, _)| name == "StatusCallbackEvent").map(|(_, value)| value.clone()).collect();
    if let Some(unknown) = events.iter().find(|event| !EVENTS.contains(&event.as_str())) {
        return Err(ApiFault::new(400, 21_626, format!("StatusCallbackEvent is unknown: {unknown:?}")));
    }
    if events.is_empty() {
        events.push("completed".to_owned());
    }
    let callback = match get("StatusCallback") {
        None => None,
        Some(url) if is_web_url(url) => Some(Callbacks { url: url.to_owned(), events }),
        Some(_) => return Err(ApiFault::new(400, 21_609, "StatusCallback is not a valid URL")),
    };
    let machines = match (get("MachineDetection"), get("AsyncAmd"), get("AsyncAmdStatusCallback")) {
        (None, _, _) => None,
        (Some("Enable" | "DetectMessageEnd"), Some("true"), Some(url)) if is_web_url(url) => Some(url),
        (Some("Enable" | "DetectMessageEnd"), Some("true"), Some(_)) => {
            return Err(ApiFault::new(400, 20_001, "AsyncAmdStatusCallback is not a valid URL"));
        }
        // Blocking detection would hold the call back: this carrier does not play that, nor a word that nobody hears.
        (Some("Enable" | "DetectMessageEnd"), _, _) => None,
        (Some(_), _, _) => return Err(ApiFault::new(400, 20_001, "MachineDetection is Enable or DetectMessageEnd")),
    };
    let known = |name: &String| CREATE_NAMES.contains(&name.as_str());
    Ok(NewCall {
        to: to.to_owned(),
        from: from.to_owned(),
        first: instructions,
        inbound: false,
        callback,
        machines: machines.map(str::to_owned),
        ring_s: seconds("Timeout", 60, 1..=600)?,
        limit_s: seconds("TimeLimit", 14_400, 1..=86_400)?,
        ignored: pairs.iter().map(|(name, _)| name.clone()).filter(|name| !known(name)).collect(),
    })
}

/// What a request to record asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// Where it is told that the recording is ready.
    pub callback: Option<String>,
    /// Names that the carrier does not know.
    pub ignored: Vec<String>,
}

/// Every name that a request to record may have, from the vendor's OpenAPI document.
pub const RECORD_NAMES: [&str; 7] = [
    "RecordingConfigurationId",
    "RecordingStatusCallbackEvent",
    "RecordingStatusCallback",
    "RecordingStatusCallbackMethod",
    "Trim",
    "RecordingChannels",
    "RecordingTrack",
];

/// Checks a request to record a live call.
pub fn read_record(pairs: &[(String, String)]) -> Result<Recorded, ApiFault> {
    let one_of = |name: &'static str, words: &[&str]| match first(pairs, name) {
        Some(given) if !words.contains(&given) => {
            Err(ApiFault::new(400, 20_001, format!("{name} is one of {}", words.join(", "))))
        }
        Some(_) | None => Ok(()),
    };
    one_of("RecordingChannels", &["mono", "dual"])?;
    one_of("Trim", &["trim-silence", "do-not-trim"])?;
    one_of("RecordingTrack", &["inbound", "outbound", "both"])?;
    one_of("RecordingStatusCallbackMethod", &["GET", "POST"])?;
    for (_, event) in pairs.iter().filter(|(name, _)| name == "RecordingStatusCallbackEvent") {
        if event.split(' ').any(|event| !["in-progress", "completed", "absent"].contains(&event)) {
            return Err(ApiFault::new(400, 20_001, "RecordingStatusCallbackEvent is in-progress, completed or absent"));
        }
    }
    let callback = first(pairs, "RecordingStatusCallback").filter(|url| !url.is_empty());
    if callback.is_some_and(|url| !is_web_url(url)) {
        return Err(ApiFault::new(400, 20_001, "RecordingStatusCallback is not a valid URL"));
    }
    let known = |name: &String| RECORD_NAMES.contains(&name.as_str());
    Ok(Recorded {
        callback: callback.map(str::to_owned),
        ignored: pairs.iter().map(|(name, _)| name.clone()).filter(|name| !known(name)).collect(),
    })
}

/// What an update of a call asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Update {
    /// `Status=canceled`
    Cancel,
    /// `Status=completed`
    HangUp,
    /// `Url` or `Twiml`.
    Replace(Instructions),
    /// Nothing that this carrier acts on.
    Nothing,
}

/// Checks an update request.
pub fn read_update(pairs: &[(String, String)]) -> Result<Update, ApiFault> {
    match first(pairs, "Status") {
        Some("canceled") => return Ok(Update::Cancel),
        Some("completed") => return Ok(Update::HangUp),
        Some(_) => return Err(ApiFault::new(400, 20_001, "Status must be canceled or completed")),
        None => {}
    }
    Ok(read_instructions(pairs)?.map_or(Update::Nothing, Update::Replace))
}

/// `Url` beats `Twiml` when both are given.
fn read_instructions(pairs: &[(String, String)]) -> Result<Option<Instructions>, ApiFault> {
    let get = |name| first(pairs, name).filter(|value| !value.is_empty());
    if let Some(url) = get("Url") {
        if !is_web_url(url) {
            return Err(ApiFault::new(400, 21_205, "Url is not a valid URL"));
        }
        return Ok(Some(Instructions::Url(url.to_owned())));
    }
    let Some(text) = get("Twiml") else { return Ok(None) };
    if text.chars().count() > INLINE_CHARS {
        return Err(ApiFault::new(400, 20_001, format!("Twiml is longer than {INLINE_CHARS} characters")));
    }
    // The real carrier notices a broken document only when it runs it; a test is better served at once.
    let verbs = twiml::parse(text).map_err(|fault| ApiFault::new(400, 12_100, fault.to_string()))?;
    Ok(Some(Instructions::Inline(verbs)))
}

/// Whether a media URL may be opened: `wss` anywhere, plain `ws` on this machine only.
pub fn stream_url_fault(url: &str) -> Option<&'static str> {
    let Some((scheme, rest)) = url.split_once("://") else { return Some("the stream's url is no URL") };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let name = if host.starts_with('[') {
        host.split_inclusive(']').next().unwrap_or(host)
    } else {
        host.rsplit_once(':').map_or(host, |(name, _)| name)
    };
    let loopback = matches!(name, "localhost" | "[::1]") || name.starts_with("127.");
    match scheme {
        "ws" if loopback => None,
        "ws" => Some("only wss is allowed beyond this machine"),
        "wss" => Some("this carrier speaks no TLS: give a ws:// URL on loopback"),
        _ => Some("the stream's url must begin with wss://"),
    }
}

fn is_web_url(text: &str) -> bool {
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    rest.is_some_and(|rest| {
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        // The real carrier takes no host name with an underscore.
        !host.is_empty() && !host.contains('_') && !text.contains(char::is_whitespace)
    })
}

fn is_e164(text: &str) -> bool {
    crate::base::Phone::from_e164(text).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(changes: &[(&str, &str)]) -> Vec<(String, String)> {
        let usual = [("To", "+15005550001"), ("From", "+15005550006"), ("Twiml", "<Response/>")];
        let kept = usual.iter().filter(|(name, _)| !changes.iter().any(|(change, _)| change == name));
        kept.chain(changes).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn what_the_carrier_refuses_is_refused_with_its_code() {
        let long = format!("<Response><Say>{}</Say></Response>", "x".repeat(INLINE_CHARS));
        for (changes, code) in [
            (&[("To", "")][..], 21_201),
            (&[("From", "")][..], 21_213),
            (&[("To", "0888123456")][..], 21_211),
            (&[("From", "me")][..], 21_212),
            (&[("Twiml", "")][..], 21_205),
            (&[("Url", "ftp://x")][..], 21_205),
            (&[("Twiml", long.as_str())][..], 20_001),
            (&[("Twiml", "<Response>")][..], 12_100),
            (&[("StatusCallbackEvent", "answerd")][..], 21_626),
            (&[("StatusCallback", "http://my_host/x")][..], 21_609),
            (&[("Timeout", "601")][..], 20_001),
            (&[("MachineDetection", "enable")][..], 20_001),
            (&[("MachineDetection", "Enable"), ("AsyncAmd", "true"), ("AsyncAmdStatusCallback", "x")][..], 20_001),
        ] {
            let fault = read_create(&order(changes)).expect_err("refused");
            assert_eq!((fault.http, fault.code), (400, Some(code)), "{changes:?}");
        }
    }

    #[test]
    fn who_answered_is_told_only_where_all_that_it_takes_was_asked_for() {
        let machines = |changes: &[(&str, &str)]| read_create(&order(changes)).expect("taken").machines;
        let url = ("AsyncAmdStatusCallback", "http://127.0.0.1:1/x");
        let (detect, beside) = (("MachineDetection", "Enable"), ("AsyncAmd", "true"));
        assert_eq!(machines(&[detect, beside, url]).as_deref(), Some(url.1));
        for less in [&[detect, beside][..], &[detect, url], &[beside, url], &[detect]] {
            assert_eq!(machines(less), None, "{less:?}");
        }
    }

    #[test]
    fn repeated_events_are_all_wanted_and_typos_in_names_are_reported() {
        let call = read_create(&order(&[
            ("StatusCallback", "http://127.0.0.1:1/x"),
            ("StatusCallbackEvent", "initiated"),
            ("StatusCallbackEvent", "completed"),
            ("Statuscallback", "typo"),
        ]))
        .expect("taken");
        let callback = call.callback.expect("given");
        assert!(callback.wants(CallStatus::Initiated) && callback.wants(CallStatus::Busy));
        assert!(!callback.wants(CallStatus::Ringing));
        assert_eq!(call.ignored, ["Statuscallback"]);
    }

    #[test]
    fn plain_sockets_stay_on_this_machine() {
        assert_eq!(stream_url_fault("ws://127.0.0.1:8080/media"), None);
        assert_eq!(stream_url_fault("ws://[::1]:8080/media"), None);
        assert!(stream_url_fault("ws://example.com/media").is_some());
        assert!(stream_url_fault("https://127.0.0.1/media").is_some());
    }
}
