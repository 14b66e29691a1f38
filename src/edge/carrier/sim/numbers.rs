//! The numbers that calls may be made from.

use std::sync::Arc;

use axum::extract::{Path, RawQuery, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};

use super::api::{World, authorise, logged};
use crate::base::{Country, Phone};
use crate::core::sim::rest::ApiFault;
use crate::core::wire::form;
use crate::core::wire::twilio::{Capabilities, DialingPermission, IncomingNumbers, ListedNumber, VerifiedNumbers};

/// The number that a query names, if this carrier takes calls from it: it is the account's, or it would be refused.
fn taken(world: &World, query: Option<String>) -> Vec<ListedNumber> {
    let pairs = form::decode(query.unwrap_or_default().as_bytes());
    let number = form::first(&pairs, "PhoneNumber").filter(|number| Phone::from_e164(number).is_ok());
    let number = number.filter(|number| !world.strikes("caller_refused", number, 0));
    let listed = |number: &str| ListedNumber {
        phone_number: Some(number.to_owned()),
        capabilities: Some(Capabilities { voice: Some(true) }),
    };
    number.map(listed).into_iter().collect()
}

pub(super) async fn own(
    State(world): State<Arc<World>>,
    Path(account): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    if let Err(fault) = authorise(&world, &account, &headers) {
        return logged(&world, "", fault);
    }
    axum::Json(IncomingNumbers { incoming_phone_numbers: taken(&world, query) }).into_response()
}

pub(super) async fn permission(
    State(world): State<Arc<World>>,
    Path(country): Path<String>,
    headers: HeaderMap,
) -> Response {
    if let Err(fault) = authorise(&world, &world.account, &headers) {
        return logged(&world, "", fault);
    }
    if country.parse::<Country>().is_err() {
        return logged(&world, "", ApiFault::new(404, 20_404, "The requested resource was not found"));
    }
    let open = !world.strikes("country_closed", &country, 0);
    axum::Json(DialingPermission {
        iso_code: Some(country),
        low_risk_numbers_enabled: Some(open),
        high_risk_special_numbers_enabled: Some(false),
        high_risk_tollfraud_numbers_enabled: Some(false),
    })
    .into_response()
}

/// Nobody else has proved a number to this carrier.
pub(super) async fn verified(
    State(world): State<Arc<World>>,
    Path(account): Path<String>,
    headers: HeaderMap,
) -> Response {
    if let Err(fault) = authorise(&world, &account, &headers) {
        return logged(&world, "", fault);
    }
    axum::Json(VerifiedNumbers::default()).into_response()
}
