//! Telnyx's TeXML API: Twilio's client in its relative's form ([`Dialect::Telnyx`]) under another contract, with its own
//! list of error codes.

use std::time::Duration;

use super::{ContractCard, Events, Listing, PlaceFault, Refusal, Signature, StreamProof, Throttled};
use crate::core::dial::breaker::StopKind;
use crate::core::dial::horizon::Bounds;
#[cfg(doc)]
use crate::core::wire::dialect::Dialect;
use crate::core::wire::telnyx::{About, Said};
use crate::core::wire::twiml::StreamForm;

/// Promises of Telnyx's API, as far as its documents make them.
pub const CARD: ContractCard = ContractCard {
    kind: "telnyx",
    throttled: Throttled::Unsaid,
    // Its list is "eventually consistent", without a bound.
    listing: Listing::Finds,
    events: Events { repeat_token: None, ..super::twilio::CARD.events },
    signature: Signature::Ed25519,
    // A bound of ours: until then a call that it does not know may be one that it does not show yet.
    bounds: Bounds { list_lag: Duration::from_secs(600), ..super::twilio::CARD.bounds },
    stream: StreamProof::Token,
    stream_form: StreamForm::Rtp,
    ..super::twilio::CARD
};

/// "Call has already ended": the change came too late.
pub const ALREADY_OVER: u32 = 90_018;

/// What an answer other than 2xx proves about an order. The HTTP status decides first, the body refines it.
pub fn place_fault(http: u16, said: Said, after: Option<Duration>) -> PlaceFault {
    let what = match (http, said.about) {
        (429, _) => return PlaceFault::Throttled { after },
        (408, _) => return PlaceFault::MaybePlaced { cause: "HTTP 408".to_owned() },
        (401..=403, _) => Refusal::Account(StopKind::of_http(http)),
        (400 | 422, Some(About::Callee)) => Refusal::Number,
        (400 | 422, Some(About::Caller)) => Refusal::Caller,
        (400..=499, _) => Refusal::Request,
        (_, _) => return PlaceFault::MaybePlaced { cause: format!("HTTP {http}, code {:?}", said.code) },
    };
    PlaceFault::Refused { http, code: said.code, what }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_about_whom_it_names_and_twilios_codes_mean_nothing() {
        let said = |code, about| Said { code: Some(code), about };
        let what = |http, said| match place_fault(http, said, None) {
            PlaceFault::Refused { what, .. } => Some(what),
            _ => None,
        };
        assert_eq!(what(422, said(10_016, Some(About::Callee))), Some(Refusal::Number));
        assert_eq!(what(422, said(10_002, Some(About::Caller))), Some(Refusal::Caller));
        // At Twilio 10001 is a closed account, 21211 a wrong number.
        assert_eq!(what(400, said(10_001, None)), Some(Refusal::Request));
        assert_eq!(what(400, said(21_211, None)), Some(Refusal::Request));
        assert_eq!(what(401, said(10_009, None)), Some(Refusal::Account(StopKind::of_http(401))));
        for http in [408, 500, 503, 301] {
            assert!(matches!(place_fault(http, Said::default(), None), PlaceFault::MaybePlaced { .. }), "{http}");
        }
    }
}
