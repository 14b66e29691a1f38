//! The hour of the callee's day.

use crate::base::{Phone, Wall};
use crate::core::dial::zones::zones_of;

/// The hour (0 to 23) that it was at the callee's, if all zones that they may be in agree on it. `own` is the zone that
/// the lead itself names.
pub fn hour_of_day(phone: &Phone, own: Option<&str>, at: Wall) -> Option<u8> {
    let zones = zones_of(phone, own).ok()?;
    let mut hours = zones.iter().map(|zone| at.timestamp().to_zoned(zone.clone()).hour());
    let first = hours.next()?;
    if hours.all(|hour| hour == first) { u8::try_from(first).ok() } else { None }
}
