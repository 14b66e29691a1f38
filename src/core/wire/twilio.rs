//! Twilio's REST words: the create form, the Call resource, error bodies, dates, status callbacks.
//! The names are checked against the vendor's OpenAPI document in `tests/carrier_spec.rs`.

use jiff::fmt::rfc2822;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::form;
use crate::base::{Country, Money, Wall};
use crate::core::dial::CallStatus;

/// Events of a call that we subscribe to; `completed` stands for every terminal status.
pub const EVENTS: [&str; 4] = ["initiated", "ringing", "answered", "completed"];
/// Version of the API, part of every path.
pub const API_VERSION: &str = "2010-04-01";

/// What is needed to place one call.
#[derive(Debug, Clone, Copy)]
pub struct CreateCall<'a> {
    /// Callee, E.164.
    pub to: &'a str,
    /// Caller, E.164.
    pub from: &'a str,
    /// Inline document, at most 4 000 characters.
    pub twiml: &'a str,
    /// Where status callbacks go.
    pub status_url: &'a str,
    /// Ring seconds, 1 to 600.
    pub ring_s: u64,
    /// Longest call in seconds.
    pub limit_s: u64,
    /// Why we call, for networks that show it.
    pub reason: Option<&'a str>,
    /// Whether the carrier tells, where statuses are told, who answered: beside the call, never before it.
    pub machines: bool,
}

/// Asks the carrier to repeat a callback that was not taken: by itself it does so only where no connection was made, and a
/// gateway whose ledger is busy answers 503. It stands in the URL's fragment, which is neither sent nor signed.
pub(super) const REPEATED: &str = "#rc=3&rp=all";
/// A carrier repeats no callback more often than this.
const MOST_REPEATS: u32 = 5;

/// How often a callback to this URL is repeated, and whether for any reason; otherwise only without a connection.
pub fn repeats(url: &str) -> (u32, bool) {
    let fragment = url.split_once('#').map_or("", |(_, fragment)| fragment);
    let asked = form::decode(fragment.as_bytes());
    let times = form::first(&asked, "rc").and_then(|text| text.parse().ok()).unwrap_or(1);
    (times.min(MOST_REPEATS), form::first(&asked, "rp") == Some("all"))
}

/// The form of `POST …/Calls.json`.
pub fn create_form(call: &CreateCall) -> Vec<(&'static str, String)> {
    let status_url = format!("{}{REPEATED}", call.status_url);
    let mut pairs = vec![
        ("To", call.to.to_owned()),
        ("From", call.from.to_owned()),
        ("Twiml", call.twiml.to_owned()),
        ("StatusCallback", status_url.clone()),
        ("StatusCallbackMethod", "POST".to_owned()),
        ("Timeout", call.ring_s.clamp(1, 600).to_string()),
        ("TimeLimit", call.limit_s.max(1).to_string()),
    ];
    pairs.extend(EVENTS.map(|event| ("StatusCallbackEvent", event.to_owned())));
    pairs.extend(call.reason.map(|reason| ("CallReason", reason.to_owned())));
    if call.machines {
        pairs.extend([
            ("MachineDetection", "Enable".to_owned()),
            ("AsyncAmd", "true".to_owned()),
            ("AsyncAmdStatusCallback", status_url),
            ("AsyncAmdStatusCallbackMethod", "POST".to_owned()),
        ]);
    }
    pairs
}

/// Path of the account's calls, below the base URL.
pub fn calls_path(account_sid: &str) -> String {
    format!("/{API_VERSION}/Accounts/{account_sid}/Calls.json")
}

/// Path of one call, below the base URL.
pub fn call_path(account_sid: &str, call_sid: &str) -> String {
    format!("/{API_VERSION}/Accounts/{account_sid}/Calls/{}.json", form::segment(call_sid))
}

/// Path of another list of the account (`IncomingPhoneNumbers`, `OutgoingCallerIds`), below the base URL.
pub fn resource_path(account_sid: &str, list: &str) -> String {
    format!("/{API_VERSION}/Accounts/{account_sid}/{list}.json")
}

/// Path of what the account may call in a country, below [`permissions_base`].
pub fn permission_path(country: Country) -> String {
    format!("/v1/DialingPermissions/Countries/{country}")
}

/// Where permissions are asked about: Twilio keeps them on a host of their own, for all regions; who speaks its protocol
/// elsewhere (a test) has them beside the calls.
pub fn permissions_base(base_url: &str) -> &str {
    let host = base_url.strip_prefix("https://").map(|rest| rest.split(['/', ':', '?']).next().unwrap_or(""));
    match host {
        Some("api.twilio.com") => "https://voice.twilio.com",
        Some(host) if host.starts_with("api.") && host.ends_with(".twilio.com") => "https://voice.twilio.com",
        _ => base_url,
    }
}

/// What an account may call in a country.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs)] // the fields are the vendor's
pub struct DialingPermission {
    pub iso_code: Option<String>,
    pub low_risk_numbers_enabled: Option<bool>,
    pub high_risk_special_numbers_enabled: Option<bool>,
    pub high_risk_tollfraud_numbers_enabled: Option<bool>,
}

/// A page of the account's own numbers.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs)] // the fields are the vendor's
pub struct IncomingNumbers {
    pub incoming_phone_numbers: Vec<ListedNumber>,
}

/// A page of numbers that others have proved to be theirs.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs)] // the fields are the vendor's
pub struct VerifiedNumbers {
    pub outgoing_caller_ids: Vec<ListedNumber>,
}

/// A number as either list has it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs)] // the fields are the vendor's
pub struct ListedNumber {
    pub phone_number: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capabilities: Option<Capabilities>,
}

/// What one of the account's own numbers can do.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs)] // the fields are the vendor's
pub struct Capabilities {
    pub voice: Option<bool>,
}

/// A Call as the API answers it. Reading is forgiving: every field may be missing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs)] // the fields are the vendor's
pub struct CallResource {
    pub sid: Option<String>,
    pub date_created: Option<String>,
    pub date_updated: Option<String>,
    pub parent_call_sid: Option<String>,
    pub account_sid: Option<String>,
    pub to: Option<String>,
    pub to_formatted: Option<String>,
    pub from: Option<String>,
    pub from_formatted: Option<String>,
    pub phone_number_sid: Option<String>,
    pub status: Option<String>,
    pub start_time: Option<String>,
    pub end_time: Option<String>,
    pub duration: Option<String>,
    pub price: Option<String>,
    pub price_unit: Option<String>,
    pub direction: Option<String>,
    pub answered_by: Option<String>,
    pub api_version: Option<String>,
    pub forwarded_from: Option<String>,
    pub group_sid: Option<String>,
    pub caller_name: Option<String>,
    pub queue_time: Option<String>,
    pub trunk_sid: Option<String>,
    pub uri: Option<String>,
    pub subresource_uris: Option<serde_json::Map<String, serde_json::Value>>,
}

/// One page of `GET …/Calls.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)] // the fields are the vendor's
pub struct CallPage {
    pub calls: Vec<CallResource>,
    #[serde(default)]
    pub end: u64,
    #[serde(default)]
    pub first_page_uri: Option<String>,
    pub next_page_uri: Option<String>,
    #[serde(default)]
    pub page: u64,
    #[serde(default)]
    pub page_size: u64,
    #[serde(default)]
    pub previous_page_uri: Option<String>,
    #[serde(default)]
    pub start: u64,
    #[serde(default)]
    pub uri: Option<String>,
}

/// The body of a refusal; `code` may be missing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs)] // the fields are the vendor's
pub struct ErrorBody {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<u32>,
    pub message: String,
    pub more_info: String,
    pub status: u16,
}

/// A date as the API writes it: RFC 2822 in UTC with `+0000`.
pub fn date(at: Wall) -> String {
    rfc2822::to_string(&at.timestamp().to_zoned(TimeZone::UTC)).unwrap_or_default()
}

/// Reads a price: dollars as decimal text, negative because the account pays. `None`: none yet, or another currency.
pub fn price(text: Option<&str>, unit: Option<&str>) -> Option<Money> {
    let dollars: f64 = text?.trim().parse().ok().filter(|dollars: &f64| dollars.abs() < 10_000.0)?;
    unit.is_none_or(|unit| unit.eq_ignore_ascii_case("usd"))
        .then(|| Money((dollars.abs() * 1_000_000.0).round() as i64))
}

/// Reads a date of the API: RFC 2822, or ISO 8601 as Telnyx's callbacks have it.
pub fn parse_date(text: &str) -> Option<Wall> {
    let text = text.trim();
    let stamp = rfc2822::DateTimeParser::new().relaxed_weekday(true).parse_timestamp(text);
    let stamp = stamp.or_else(|_| text.parse::<jiff::Timestamp>()).ok()?;
    Some(Wall(stamp.as_millisecond()))
}

/// Reads `Retry-After` as milliseconds: seconds, or an HTTP date measured against the answer's own `Date`.
/// Clamped to 1 s to 15 min; `None` if it is absent or says neither.
pub fn retry_after_ms(header: Option<&str>, date_header: Option<&str>) -> Option<u64> {
    let header = header?.trim();
    let clamp = |ms: i64| u64::try_from(ms).unwrap_or(0).clamp(1_000, 900_000);
    if !header.is_empty() && header.bytes().all(|digit| digit.is_ascii_digit()) {
        // More seconds than fit into the number are the longest wait, not none.
        let seconds = header.parse().unwrap_or(u32::MAX);
        return Some(clamp(i64::from(seconds) * 1_000));
    }
    Some(clamp(parse_http_date(header)?.0 - parse_http_date(date_header?)?.0))
}

/// Reads the date of an HTTP header.
pub fn parse_http_date(text: &str) -> Option<Wall> {
    parse_date(&text.replace("GMT", "+0000"))
}

/// A status callback.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusCallback {
    /// The carrier's id of the call.
    pub call_sid: String,
    /// The account it belongs to.
    pub account_sid: String,
    /// What happened.
    pub status: CallStatus,
    /// Counts the callbacks of this call from 0.
    pub sequence: Option<u32>,
    /// When it happened, by the carrier's clock (whole seconds).
    pub at: Option<Wall>,
    /// Seconds of talk, on the terminal callback.
    pub duration_s: Option<u32>,
    /// SIP's answer, where the carrier tells it (486 busy).
    pub sip_code: Option<u16>,
    /// `human`, `machine_start`, …, if detection ran.
    pub answered_by: Option<String>,
}

/// Why a form is no status callback.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadCallback {
    /// A field that every callback has is missing.
    #[error("the callback has no {0}")]
    Missing(&'static str),
    /// A status word that no carrier documents.
    #[error(transparent)]
    Status(#[from] crate::core::dial::BadStatus),
}

/// Reads a status callback; unknown fields are ignored, unreadable numbers count as absent.
pub fn read_callback(pairs: &[(String, String)]) -> Result<StatusCallback, BadCallback> {
    let get = |name: &'static str| form::first(pairs, name).filter(|value| !value.is_empty());
    let need = |name: &'static str| get(name).ok_or(BadCallback::Missing(name));
    Ok(StatusCallback {
        call_sid: need("CallSid")?.to_owned(),
        account_sid: need("AccountSid")?.to_owned(),
        status: need("CallStatus")?.parse()?,
        sequence: get("SequenceNumber").and_then(|text| text.parse().ok()),
        at: get("Timestamp").and_then(parse_date),
        duration_s: get("CallDuration").and_then(|text| text.parse().ok()),
        sip_code: get("SipResponseCode").and_then(|text| text.parse().ok()),
        answered_by: get("AnsweredBy").map(str::to_owned),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permissions_are_asked_where_the_vendor_keeps_them_and_credentials_go_nowhere_else() {
        let vendors = "https://voice.twilio.com";
        for (base, wanted) in [
            ("https://api.twilio.com", vendors),
            ("https://api.dublin.ie1.twilio.com/", vendors),
            ("https://api.twilio.com.evil.example", "https://api.twilio.com.evil.example"),
            ("https://apitwilio.com", "https://apitwilio.com"),
            ("http://127.0.0.1:4010", "http://127.0.0.1:4010"),
        ] {
            assert_eq!(permissions_base(base), wanted, "{base}");
        }
        assert_eq!(permission_path("BG".parse().expect("a country")), "/v1/DialingPermissions/Countries/BG");
    }

    #[test]
    fn dates_are_written_and_read_as_the_api_does() {
        let at = Wall(1_283_286_988_000);
        assert_eq!(date(at), "Tue, 31 Aug 2010 20:36:28 +0000");
        assert_eq!(parse_date(&date(at)), Some(at));
        assert_eq!(parse_date("2010-08-31T20:36:28Z"), Some(at));
        assert_eq!(parse_date("yesterday"), None);
    }

    #[test]
    fn a_retry_time_is_seconds_or_a_date_and_always_in_bounds() {
        let date = Some("Wed, 21 Oct 2015 07:28:00 GMT");
        assert_eq!(retry_after_ms(Some("7"), None), Some(7_000));
        assert_eq!(retry_after_ms(Some("0"), None), Some(1_000));
        assert_eq!(retry_after_ms(Some("86400"), None), Some(900_000));
        assert_eq!(retry_after_ms(Some("99999999999999999999"), None), Some(900_000));
        assert_eq!(retry_after_ms(Some("Wed, 21 Oct 2015 07:28:30 GMT"), date), Some(30_000));
        assert_eq!(retry_after_ms(Some("Wed, 21 Oct 2015 07:00:00 GMT"), date), Some(1_000));
        assert_eq!(retry_after_ms(Some("soon"), date), None);
        assert_eq!(retry_after_ms(None, date), None);
    }

    #[test]
    fn a_price_is_what_we_pay_in_dollars() {
        assert_eq!(price(Some("-0.01340"), Some("USD")), Some(Money(13_400)));
        assert_eq!(price(Some("0"), None), Some(Money(0)));
        assert_eq!(price(None, Some("USD")), None);
        assert_eq!(price(Some("-0.02"), Some("EUR")), None, "another currency is no dollar");
        assert_eq!(price(Some("NaN"), Some("USD")), None);
    }

    #[test]
    fn repeats_are_asked_for_in_the_fragment() {
        assert_eq!(repeats("https://x.example/v1/status/t"), (1, false));
        assert_eq!(repeats(&format!("https://x.example/v1/status/t{REPEATED}")), (3, true));
        assert_eq!(repeats("https://x.example/#rc=99&rp=ct"), (MOST_REPEATS, false));
        assert_eq!(repeats("https://x.example/?rc=4#rc=many"), (1, false));
    }

    #[test]
    fn a_callback_is_read_and_blanks_count_as_absent() {
        let text =
            b"CallSid=CA1&AccountSid=AC1&CallStatus=no-answer&SequenceNumber=3&CallDuration=&AnsweredBy=&FromCity=&\
                     Timestamp=Tue%2C+31+Aug+2010+20%3A36%3A28+%2B0000";
        let callback = read_callback(&form::decode(text)).expect("complete");
        assert_eq!((callback.status, callback.sequence), (CallStatus::NoAnswer, Some(3)));
        assert_eq!((callback.duration_s, callback.answered_by), (None, None));
        assert_eq!(callback.at, Some(Wall(1_283_286_988_000)));
        assert_eq!(read_callback(&form::decode(b"CallSid=CA1")), Err(BadCallback::Missing("AccountSid")));
        assert!(matches!(
            read_callback(&form::decode(b"CallSid=C&AccountSid=A&CallStatus=dancing")),
            Err(BadCallback::Status(_))
        ));
    }
}
