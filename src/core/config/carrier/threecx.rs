//! The keys of a 3CX.

use serde::Deserialize;

use super::{ThreeCxConfig, TypedCarrier, WebhookConfig, service_address};
use crate::base::Phone;
use crate::base::secret::SecretRef;
use crate::core::wire::threecx::hook::Fields;

/// Words of an event that a webhook may list at most.
const WORDS: usize = 32;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TypedWebhook {
    token: SecretRef,
    event: Option<String>,
    number: Option<String>,
    call: Option<String>,
    ringing: Option<Vec<String>>,
    answered: Option<Vec<String>>,
    ended: Option<Vec<String>>,
}

pub(super) fn check(typed: &TypedCarrier) -> Result<ThreeCxConfig, (&'static str, String)> {
    let needs = |what: &str| ("kind", format!("needs {what}"));
    let base_url = typed.base_url.as_deref().ok_or_else(|| needs("base_url = \"https://PBX\""))?;
    let (base_url, loopback) = service_address(base_url)?;
    let client_id = typed.client_id.clone().ok_or_else(|| needs("client_id = \"EXTENSION\" of the API client"))?;
    let extension = |name: &'static str, text: &str| {
        let fits = (1..=64).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.*".contains(&byte));
        if fits { Ok(()) } else { Err((name, format!("{name} is an extension: letters and digits"))) }
    };
    extension("client_id", &client_id)?;
    let client_secret = typed.client_secret.clone().ok_or_else(|| needs("client_secret = { env = \"NAME\" }"))?;
    let route_point = typed.route_point.clone().unwrap_or_else(|| client_id.clone());
    extension("route_point", &route_point)?;
    let destination = typed.destination.clone().unwrap_or_else(|| "{number}".to_owned());
    if !destination.contains("{number}") && !destination.contains("{digits}") {
        return Err(("destination", "destination has no {number} or {digits}: everybody would be the same".to_owned()));
    }
    let number = typed.number.as_deref().map(|text| Phone::from_e164(text.trim()));
    let number =
        number.transpose().map_err(|_| ("number", "number is one of yours, E.164: + and 7 to 15 digits".to_owned()))?;
    let rehearsal = typed.rehearsal.unwrap_or(false);
    if rehearsal && !loopback {
        return Err(("rehearsal", "rehearsal is for a 3CX on this machine that reaches nobody".to_owned()));
    }
    let webhook = typed.webhook.as_ref().map(check_webhook).transpose()?;
    Ok(ThreeCxConfig { base_url, client_id, client_secret, route_point, destination, number, rehearsal, webhook })
}

fn check_webhook(typed: &TypedWebhook) -> Result<WebhookConfig, (&'static str, String)> {
    let field = |name: &str, typed: &Option<String>| {
        let field = typed.clone().unwrap_or_else(|| name.to_owned());
        let fits = (1..=64).contains(&field.len());
        if fits { Ok(field) } else { Err(("webhook", format!("webhook.{name} is the name of a field"))) }
    };
    let words = |typed: &Option<Vec<String>>, usual: &[&str]| {
        let words = typed.clone().unwrap_or_else(|| usual.iter().map(|word| (*word).to_owned()).collect());
        if words.len() > WORDS {
            return Err(("webhook", format!("a list of the webhook's words has at most {WORDS}")));
        }
        Ok(words)
    };
    let fields = Fields {
        event: field("event", &typed.event)?,
        number: field("number", &typed.number)?,
        call: field("call", &typed.call.clone().or_else(|| Some("callid".to_owned())))?,
        words: [
            words(&typed.ringing, &["ringing", "outgoing"])?,
            words(&typed.answered, &["answered", "connected"])?,
            words(&typed.ended, &["ended", "hangup"])?,
        ],
    };
    Ok(WebhookConfig { token: typed.token.clone(), fields })
}

#[cfg(test)]
mod tests {
    use crate::core::config::parse_workspace;

    #[test]
    fn the_keys_of_a_3cx_are_checked_and_told_apart_from_others() {
        let with = |extra: &str| {
            let text = format!(
                "[carriers.pbx]\nkind = \"3cx\"\nbase_url = \"https://pbx.example\"\nclient_id = \"800\"\n\
                 client_secret = {{ env = \"T\" }}\n{extra}"
            );
            parse_workspace("a", &text).map_err(|failure| failure.to_string())
        };
        assert!(with("").is_ok());
        assert!(with("destination = \"0{digits}\"\nroute_point = \"801\"\nnumber = \"+15005550006\"").is_ok());
        assert!(with("[carriers.pbx.webhook]\ntoken = { env = \"W\" }\nevent = \"state\"\nended = [\"bye\"]").is_ok());
        for wrong in [
            "destination = \"100\"",
            "route_point = \"8/0\"",
            "number = \"7\"",
            "rehearsal = true",
            "user = \"x\"",
            "app = \"x\"",
            "release_horizon = \"1s\"",
            "[carriers.pbx.webhook]\nevent = \"state\"",
            "[carriers.pbx.webhook]\ntoken = { env = \"W\" }\nevent = \"\"",
            "[carriers.pbx.webhook]\ntoken = { env = \"W\" }\nmore = \"x\"",
        ] {
            assert!(with(wrong).is_err(), "{wrong}");
        }
        let plain = "[carriers.pbx]\nkind = \"3cx\"\nbase_url = \"http://pbx.example\"\nclient_id = \"800\"\n\
            client_secret = { env = \"T\" }\n";
        assert!(parse_workspace("a", plain).is_err(), "plain http beyond loopback");
        let foreign = "[carriers.a]\nkind = \"asterisk\"\nuser = \"a\"\npassword = { env = \"T\" }\n\
            endpoint = \"x/{number}\"\nclient_id = \"800\"\n";
        let told = parse_workspace("a", foreign).expect_err("another kind's key").to_string();
        assert!(told.contains("3cx"), "{told}");
    }
}
