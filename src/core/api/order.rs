//! `POST /api/calls`: what was asked, read once; and the words of a refusal.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Answer;
use crate::base::text::masked;
use crate::base::{CallId, LeadId, Slug, Wall, limits};
use crate::core::dial::gate::{Bar, Gate, Wait};
use crate::core::dial::verdict::{BlockReason, Outcome};
use crate::core::lead::{Columns, Lead, cell, read_row};

/// A call that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallOrder {
    /// Of which campaign.
    pub campaign: Slug,
    /// Whom.
    pub who: Who,
}

/// Whom a call is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// A lead of the campaign.
    Lead(LeadId),
    /// A number: a lead of the campaign that has it, or a new one.
    Person(Box<Lead>),
}

/// A key, and what stands for its request: another body has another text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyedOrder {
    /// What is asked for.
    pub order: CallOrder,
    /// The caller's key.
    pub key: String,
    /// The request, written in one way only.
    pub text: String,
    /// The wish of a caller that this call answers, and the voice that its agent speaks with (`None`: its own).
    pub wish: Option<(CallId, Option<String>)>,
}

impl KeyedOrder {
    /// The call that a caller was promised. Its key is none that a request can have.
    pub fn of_wish(call: CallId, campaign: Slug, lead: LeadId, voice: Option<String>) -> KeyedOrder {
        let text = format!("wish {call}");
        let order = CallOrder { campaign, who: Who::Lead(lead) };
        KeyedOrder { order, key: text.clone(), text, wish: Some((call, voice)) }
    }
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Typed {
    campaign: String,
    #[serde(default)]
    phone: Option<String>,
    #[serde(default)]
    lead: Option<i64>,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    language: Option<String>,
    #[serde(default)]
    country: Option<String>,
    #[serde(default)]
    timezone: Option<String>,
    #[serde(default)]
    consent: Option<String>,
    #[serde(default)]
    variables: BTreeMap<String, String>,
}

/// Reads a request. The answer of a refusal repeats no number.
pub fn read_order(key: &Result<Option<String>, ()>, body: &[u8]) -> Result<KeyedOrder, Box<Answer>> {
    let bad = |reason: &str, message: &str| Box::new(Answer::refused(400, reason, message));
    let key = match key {
        Ok(Some(key)) if is_key(key) => key.clone(),
        Ok(Some(_)) | Err(()) => {
            let most = limits::API_KEY_CHARS;
            let message = format!("Idempotency-Key is 1 to {most} visible ASCII characters, once");
            return Err(bad("bad_key", &message));
        }
        Ok(None) => {
            let message = "send an Idempotency-Key header: a word of your own for this call, kept for 24 hours, so that \
                           a repeated request places no second call";
            return Err(bad("no_key", message));
        }
    };
    let typed: Typed =
        serde_json::from_slice(body).map_err(|fault| bad("bad_body", &masked(&format!("the body: {fault}"))))?;
    let text = serde_json::to_string(&typed).expect("plain texts");
    let campaign = typed.campaign.parse().map_err(|_| bad("bad_campaign", "`campaign` is no name of a campaign"))?;
    let who = match (typed.lead, &typed.phone) {
        (Some(_), Some(_)) | (None, None) => {
            return Err(bad("whom", "give either `phone` (+ and the number) or `lead` (a number of this ledger)"));
        }
        (Some(lead), None) => {
            let about = [&typed.name, &typed.language, &typed.country, &typed.timezone, &typed.consent];
            if about.iter().any(|it| it.is_some()) || !typed.variables.is_empty() {
                return Err(bad("whom", "with `lead` nothing else about the person can be given: the ledger has it"));
            }
            Who::Lead(LeadId(lead))
        }
        (None, Some(_)) => Who::Person(Box::new(person(&typed).map_err(|what| bad("bad_lead", &what))?)),
    };
    Ok(KeyedOrder { order: CallOrder { campaign, who }, key, text, wish: None })
}

fn is_key(key: &str) -> bool {
    (1..=limits::API_KEY_CHARS).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic())
}

/// The person, read as a row of a file would be.
fn person(typed: &Typed) -> Result<Lead, String> {
    let cells = [
        ("phone", &typed.phone),
        ("name", &typed.name),
        ("language", &typed.language),
        ("country", &typed.country),
        ("timezone", &typed.timezone),
        ("consent", &typed.consent),
    ];
    let header: Vec<String> = cells.iter().map(|(name, _)| (*name).to_owned()).collect();
    let fields: Vec<&str> = cells.iter().map(|(_, text)| text.as_deref().unwrap_or("")).collect();
    if typed.variables.len() > limits::API_VARIABLES {
        return Err(format!("more than {} variables", limits::API_VARIABLES));
    }
    let columns = Columns::read(&header, &[]).expect("these are the fields' own names");
    let mut lead = read_row(&columns, 1, &fields, None).map_err(|fault| fault.to_string())?;
    let told = typed.variables.iter().filter(|(_, text)| !text.trim().is_empty());
    lead.variables.extend(told.map(|(name, text)| (cell::plain(name), cell::plain(text.trim()))));
    Ok(lead)
}

/// Why nobody is called, in words that a program can go by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// HTTP status.
    pub status: u16,
    /// A stable word.
    pub reason: &'static str,
    /// A sentence.
    pub message: String,
    /// The rule that decided, such as `us-fl.hours`.
    pub rule: Option<String>,
    /// Not before this time.
    pub until: Option<Wall>,
}

impl Refusal {
    /// About the lead: asking again changes nothing by itself.
    pub fn of_lead(reason: &'static str, message: impl Into<String>) -> Refusal {
        Refusal { status: 409, reason, message: message.into(), rule: None, until: None }
    }

    /// For now: the same request may be repeated.
    pub fn for_now(reason: &'static str, message: impl Into<String>) -> Refusal {
        Refusal { status: 503, ..Refusal::of_lead(reason, message) }
    }

    /// What is not there.
    pub fn unknown(reason: &'static str, message: impl Into<String>) -> Refusal {
        Refusal { status: 404, ..Refusal::of_lead(reason, message) }
    }

    /// Of a gate that is closed; `None`: it is open.
    pub fn of_gate(gate: &Gate) -> Option<Refusal> {
        match gate {
            Gate::Call { .. } => None,
            Gate::Later { until, why, rule } => {
                let (reason, message) = match why {
                    Wait::Hours => ("outside_hours", "it is outside the hours in which this number may be called"),
                    Wait::Cap => ("capped", "this number has had its calls for now"),
                    Wait::Refusal => ("refused_lately", "this person refused a while ago, and is left in peace"),
                };
                let rule = Some(rule.clone());
                Some(Refusal { rule, until: Some(*until), ..Refusal::of_lead(reason, message) })
            }
            Gate::Never { bar, rule } => {
                let (reason, message) = of_bar(*bar);
                Some(Refusal { rule: Some(rule.clone()), ..Refusal::of_lead(reason, message) })
            }
        }
    }

    /// Of a lead that is blocked.
    pub fn of_block(reason: BlockReason) -> Refusal {
        let bar = match reason {
            BlockReason::Suppressed => Bar::Suppressed,
            BlockReason::NoConsent => Bar::NoConsent,
            BlockReason::NoZone => Bar::NoZone,
            BlockReason::NoGreeting => Bar::NoGreeting,
            BlockReason::Country => Bar::Country,
            BlockReason::DoNotCallFile => Bar::DoNotCallFile,
            BlockReason::NeverCalled => Bar::NeverCalled,
            BlockReason::CalledUs => {
                return Refusal::of_lead("called_us", "this person called us, and is on no list of the campaign");
            }
            BlockReason::Capped => return Refusal::of_lead("exhausted", "this lead has had all its tries"),
        };
        let (reason, message) = of_bar(bar);
        Refusal::of_lead(reason, message)
    }

    /// Of a lead that is over.
    pub fn of_done(outcome: Outcome) -> Refusal {
        Refusal::of_lead("lead_done", format!("this lead of the campaign is over: {outcome}"))
    }

    /// The answer.
    pub fn answer(&self) -> Answer {
        let mut error = serde_json::json!({ "reason": self.reason, "message": self.message });
        if let Some(rule) = &self.rule {
            error["rule"] = rule.as_str().into();
        }
        if let Some(until) = self.until {
            error["until"] = until.rfc3339().into();
        }
        let answer = Answer::json(self.status, serde_json::json!({ "error": error }));
        if self.status == 503 { answer.after(5) } else { answer }
    }
}

fn of_bar(bar: Bar) -> (&'static str, &'static str) {
    match bar {
        Bar::NeverCalled => ("never_called", "nobody is called on a number of this kind, or on one of our own"),
        Bar::Suppressed => ("suppressed", "this number is on the suppression list"),
        Bar::Country => ("country", "the campaign may not call numbers of this country"),
        Bar::NoConsent => ("no_consent", "the consent on file is not what the rules ask"),
        Bar::DoNotCallFile => ("do_not_call_file", "the do-not-call file of this country is missing or too old"),
        Bar::NoZone => ("no_zone", "no time zone is known for this number, so its hours are not known"),
        Bar::NoGreeting => ("no_greeting", "the campaign has no greeting in this person's language, and no fallback"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Result<KeyedOrder, String> {
        read_order(&Ok(Some("k1".to_owned())), body.as_bytes()).map_err(|answer| format!("{:?}", answer.body))
    }

    #[test]
    fn a_person_is_read_as_a_row_of_a_file_and_a_fault_repeats_no_number() {
        let order = read(
            "{\"campaign\":\"c\",\"phone\":\"+44 20 7946 0000\",\"name\":\" Ann \",\"variables\":{\"phone 2\":\"x\"}}",
        );
        let Who::Person(lead) = order.expect("an order").order.who else { panic!("a person") };
        assert_eq!(
            (lead.name.as_deref(), lead.language.map(|it| it.to_string()).as_deref()),
            (Some("Ann"), Some("en"))
        );
        assert_eq!(lead.variables["phone 2"], "x", "a variable is no column");
        for (body, word) in [
            ("{\"campaign\":\"c\",\"phone\":\"020 7946 0000\"}", "bad_lead"),
            ("{\"campaign\":\"c\",\"phone\":\"+442079460000\",\"lead\":5}", "whom"),
            ("{\"campaign\":\"c\"}", "whom"),
            ("{\"campaign\":\"../c\",\"lead\":5}", "bad_campaign"),
            ("{\"campaign\":\"c\",\"lead\":\"+442079460000\"}", "bad_body"),
            ("{\"campaign\":\"c\",\"lead\":5,\"+442079460000\":1}", "bad_body"),
            ("{\"campaign\":\"c\",\"lead\":5,\"name\":\"Ann\"}", "whom"),
            ("[", "bad_body"),
        ] {
            let fault = read(body).expect_err(body);
            assert!(fault.contains(word) && !fault.contains("79460"), "{body}: {fault}");
        }
    }

    #[test]
    fn a_key_is_asked_for_and_the_same_request_has_the_same_text_however_it_is_spaced() {
        let one = read("{\"campaign\":\"c\",\"lead\":5}").expect("an order");
        assert_eq!(Ok(one.clone()), read("{ \"lead\": 5, \"campaign\": \"c\", \"name\": null }"));
        assert_ne!(one.text, read("{\"campaign\":\"c\",\"lead\":6}").expect("an order").text);
        let body = b"{\"campaign\":\"c\",\"lead\":5}";
        for key in [Ok(None), Ok(Some(String::new())), Ok(Some("a b".to_owned())), Ok(Some("k".repeat(256))), Err(())] {
            assert!(read_order(&key, body).is_err(), "{key:?}");
        }
    }
}
