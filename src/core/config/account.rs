//! Which account at which provider a carrier of `ahoy.toml` is: stops, attempts and what was measured hang on it, not on
//! the name, so that a carrier that is renamed keeps them all.

use super::CarrierKind;

/// The account of a carrier: `twilio:HOST:SID`, as everybody who has the same account spells it.
///
/// The embedded carrier lives in this process alone: its account is its name (`sim:NAME:SID`). A port is no part of the
/// account: a provider that moves to another one keeps its calls.
pub fn account_of(name: &str, kind: &CarrierKind, sim_account: &str) -> String {
    match kind {
        CarrierKind::Twilio(config) => format!("twilio:{}:{}", host(&config.base_url), config.account_sid),
        CarrierKind::SignalWire(config) => format!("signalwire:{}:{}", host(&config.base_url), config.project),
        CarrierKind::Telnyx(config) => format!("telnyx:{}:{}", host(&config.base_url), config.account),
        CarrierKind::Asterisk(config) => format!("asterisk:{}:{}", host(&config.base_url), config.app),
        CarrierKind::ThreeCx(config) => format!("3cx:{}:{}", host(&config.base_url), config.route_point),
        CarrierKind::Sim(_) => format!("sim:{name}:{sim_account}"),
    }
}

/// The provider's own id of an account, whatever stands before it: earlier ledgers wrote the carrier's name there.
pub fn account_id(account: &str) -> &str {
    account.rsplit_once(':').map_or(account, |(_, id)| id)
}

/// Whether an account is spelled as earlier ledgers did: a carrier's name and the provider's id.
pub fn is_old_spelling(account: &str) -> bool {
    account.matches(':').count() == 1
}

/// The host of a base URL, in lower case, without a port or a path; an address in brackets stays as it is.
fn host(url: &str) -> String {
    let after = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = after.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let bare = match host.rsplit_once(':') {
        Some((bare, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !bare.is_empty() => bare,
        Some(_) | None => host,
    };
    // The colons of an address of version 6 are no separators of ours.
    bare.to_ascii_lowercase().replace(':', ".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_its_provider_host_and_id_and_neither_name_nor_port() {
        for (url, want) in [
            ("https://api.twilio.com", "api.twilio.com"),
            ("https://API.Twilio.com:443/", "api.twilio.com"),
            ("https://api.dublin.ie1.twilio.com/prefix", "api.dublin.ie1.twilio.com"),
            ("http://127.0.0.1:5060", "127.0.0.1"),
            ("http://[::1]:5060/x", "[..1]"),
            ("https://user@host:1/", "host"),
        ] {
            assert_eq!(host(url), want, "{url}");
        }
        assert_eq!(account_id("twilio:api.twilio.com:AC1"), "AC1");
        assert_eq!((account_id("main:AC1"), is_old_spelling("main:AC1")), ("AC1", true));
        assert!(!is_old_spelling("twilio:api.twilio.com:AC1"));
    }
}
