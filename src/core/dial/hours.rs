//! May this number be called at this moment?
//!
//! The decision only ever computes "now → their local time", which is always defined; the way back (local → UTC),
//! which daylight saving makes ambiguous, is used only to guess when to look again, and each guess is then decided
//! like any other moment.

use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::{Date, Time, Weekday};
use jiff::tz::TimeZone;

use crate::base::Wall;
use crate::core::config::Hours;

/// How far ahead an opening is looked for. Longer than any week with holidays; beyond it the answer is "never".
const HORIZON_DAYS: u64 = 9;

/// Windows of a week, in the called person's time zone, and days without any.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Calendar {
    /// From Monday on: several windows a day, first moment and first moment after.
    pub days: [Vec<(Time, Time)>; 7],
    /// Days on which nobody is called.
    pub closed: Vec<Holiday>,
}

/// A day of the year on which nobody is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holiday {
    /// Month and day.
    Fixed(i8, i8),
    /// Days after Easter Sunday (negative: before).
    Easter(i32),
}

impl Calendar {
    /// The place of a day of the week in [`Calendar::days`].
    pub fn place(day: Weekday) -> usize {
        usize::try_from(day.to_monday_zero_offset()).expect("0 to 6")
    }

    fn is_open(&self, moment: jiff::civil::DateTime) -> bool {
        let time = moment.time();
        let windows = &self.days[Calendar::place(moment.weekday())];
        windows.iter().any(|(start, end)| time >= *start && time < *end) && !self.is_holiday(moment.date())
    }

    fn is_holiday(&self, date: Date) -> bool {
        self.closed.iter().any(|holiday| match *holiday {
            Holiday::Fixed(month, day) => (date.month(), date.day()) == (month, day),
            Holiday::Easter(offset) => {
                easter(date.year()).checked_add(jiff::Span::new().days(offset)).is_ok_and(|holiday| holiday == date)
            }
        })
    }
}

impl From<&Hours> for Calendar {
    fn from(hours: &Hours) -> Calendar {
        let mut calendar = Calendar::default();
        for day in &hours.days {
            calendar.days[Calendar::place(*day)] = vec![(hours.start, hours.end)];
        }
        calendar
    }
}

/// Easter Sunday of the Gregorian calendar (the anonymous algorithm: Nature, 20 April 1876).
fn easter(year: i16) -> Date {
    let y = i32::from(year);
    let (a, b, c) = (y % 19, y / 100, y % 100);
    let (d, e) = (b / 4, b % 4);
    let g = (8 * b + 13) / 25;
    let h = (19 * a + b - d - g + 15) % 30;
    let (i, k) = (c / 4, c % 4);
    let l = (32 + 2 * e + 2 * i - h - k) % 7;
    let m = (a + 11 * h + 19 * l) / 433;
    let month = (h + l - 7 * m + 90) / 25;
    let day = (h + l - 7 * m + 33 * month + 19) % 32;
    Date::new(year, month as i8, day as i8).expect("the algorithm gives a day of March or April")
}

/// The calling window of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    /// It may be called now.
    Open,
    /// Not now; this is the next moment at which it may.
    ClosedUntil(Wall),
    /// Never: no zone is known, or no moment of the next days suits all plausible zones.
    NoZone,
}

/// Decides whether a number may be called at `now` by a campaign's own hours.
///
/// `zones`: every zone it may be in; the window must be open in all of them. Empty = unknown = closed.
pub fn may_call(hours: &Hours, zones: &[TimeZone], now: Wall) -> Window {
    if hours.any {
        return Window::Open;
    }
    may_call_in(&[&Calendar::from(hours)], zones, now)
}

/// Decides whether a number may be called at `now`: every calendar must be open in every zone.
pub fn may_call_in(calendars: &[&Calendar], zones: &[TimeZone], now: Wall) -> Window {
    if zones.is_empty() {
        return Window::NoZone;
    }
    let open = |moment| calendars.iter().all(|calendar| is_open(calendar, zones, moment));
    if open(now) {
        return Window::Open;
    }
    // The window opens where some zone's window begins, or where a zone's clock is turned; nowhere else.
    let mut moments: Vec<Wall> = zones.iter().flat_map(|zone| openings(calendars, zone, now)).collect();
    moments.sort_unstable();
    match moments.into_iter().find(|moment| open(*moment)) {
        Some(moment) => Window::ClosedUntil(moment),
        None => Window::NoZone,
    }
}

/// The decision itself, for one calendar.
pub fn is_open(calendar: &Calendar, zones: &[TimeZone], moment: Wall) -> bool {
    zones.iter().all(|zone| calendar.is_open(zone.to_datetime(moment.timestamp())))
}

/// Moments after `now` at which the window of one zone may open.
fn openings(calendars: &[&Calendar], zone: &TimeZone, now: Wall) -> Vec<Wall> {
    let mut moments = Vec::new();
    let end = now + Duration::from_secs(HORIZON_DAYS * 86_400);
    let mut day = zone.to_datetime(now.timestamp()).date();
    for _ in 0..=HORIZON_DAYS {
        for (start, _) in calendars.iter().flat_map(|calendar| &calendar.days[Calendar::place(day.weekday())]) {
            if let Ok(start) = zone.to_timestamp(day.to_datetime(*start)) {
                moments.push(ceil_ms(start));
            }
        }
        let Ok(next) = day.tomorrow() else { break };
        day = next;
    }
    let turned = zone.following(now.timestamp()).map(|turn| ceil_ms(turn.timestamp()));
    moments.extend(turned.take_while(|moment| *moment <= end));
    moments.retain(|moment| *moment > now);
    moments
}

fn ceil_ms(stamp: Timestamp) -> Wall {
    let ms = stamp.as_millisecond();
    Wall(if stamp.subsec_nanosecond() % 1_000_000 > 0 { ms + 1 } else { ms })
}

#[cfg(test)]
mod tests {
    use jiff::civil::{Time, Weekday, time};

    use super::*;
    use crate::core::dial::zones::zone;

    fn hours(start: Time, end: Time) -> Hours {
        use Weekday::{Friday, Monday, Thursday, Tuesday, Wednesday};
        Hours { start, end, days: vec![Monday, Tuesday, Wednesday, Thursday, Friday], any: false }
    }

    fn wall(text: &str) -> Wall {
        Wall(text.parse::<Timestamp>().expect("RFC 3339").as_millisecond())
    }

    /// Offsets around the clock changes of 2026, written down by hand: (zone, offset before, [(change, offset)]), minutes.
    type Offsets = (&'static str, i64, &'static [(&'static str, i64)]);
    const OFFSETS: [Offsets; 5] = [
        ("Europe/Sofia", 120, &[("2026-03-29T01:00:00Z", 180), ("2026-10-25T01:00:00Z", 120)]),
        ("America/New_York", -300, &[("2026-03-08T07:00:00Z", -240), ("2026-11-01T06:00:00Z", -300)]),
        ("Asia/Jerusalem", 120, &[("2026-03-27T00:00:00Z", 180), ("2026-10-24T23:00:00Z", 120)]),
        ("Australia/Lord_Howe", 660, &[("2026-04-04T15:00:00Z", 630), ("2026-10-03T15:30:00Z", 660)]),
        ("Asia/Kathmandu", 345, &[]),
    ];

    /// The oracle: arithmetic on minutes since 1970-01-01, a Thursday.
    fn oracle(name: &str, start: i64, end: i64, weekend_only: bool, moment: Wall) -> bool {
        let (_, before, changes) = OFFSETS.iter().find(|row| row.0 == name).expect("a zone of the table");
        let offset = changes.iter().rev().find(|(at, _)| wall(at) <= moment).map_or(*before, |(_, offset)| *offset);
        let local_minutes = moment.0.div_euclid(60_000) + offset;
        let day = (local_minutes.div_euclid(1_440) + 3).rem_euclid(7); // 0 = Monday
        let minute = local_minutes.rem_euclid(1_440);
        (day >= 5) == weekend_only && minute >= start && minute < end
    }

    #[test]
    fn the_window_agrees_with_arithmetic_by_hand_over_every_clock_change() {
        for (name, _, _) in OFFSETS {
            let zones = [zone(name).expect("known")];
            for (start, end) in [(time(9, 0, 0, 0), time(18, 0, 0, 0)), (time(2, 30, 0, 0), time(3, 10, 0, 0))] {
                // Clocks change at weekends: look at those days too.
                for weekend in [false, true] {
                    let mut hours = hours(start, end);
                    if weekend {
                        hours.days = vec![Weekday::Saturday, Weekday::Sunday];
                    }
                    let minutes = |t: Time| i64::from(t.hour()) * 60 + i64::from(t.minute());
                    let open = |at| oracle(name, minutes(start), minutes(end), weekend, at);
                    // Backwards, so that the next opening is known at each step.
                    let mut next_open: Option<Wall> = None;
                    let (first, last) = (wall("2026-01-02T00:00:00Z").0, wall("2026-12-20T00:00:00Z").0);
                    let mut at = last;
                    while at >= first {
                        if open(Wall(at)) {
                            assert_eq!(may_call(&hours, &zones, Wall(at)), Window::Open, "{name} {}", Wall(at));
                            next_open = Some(Wall(at));
                        } else if let Some(next) = next_open {
                            let told = may_call(&hours, &zones, Wall(at));
                            assert_eq!(told, Window::ClosedUntil(next), "{name} {} next {next}", Wall(at));
                        }
                        at -= 5 * 60_000;
                    }
                }
            }
        }
    }

    #[test]
    fn easter_and_the_days_that_hang_on_it_are_closed() {
        for (year, month, day) in [(2024, 3, 31), (2025, 4, 20), (2026, 4, 5), (2027, 3, 28), (2038, 4, 25)] {
            assert_eq!(easter(year), Date::constant(year, month, day));
        }
        let mut calendar = Calendar::from(&hours(time(9, 0, 0, 0), time(18, 0, 0, 0)));
        let paris = [zone("Europe/Paris").expect("known")];
        let easter_monday = wall("2026-04-06T10:00:00Z");
        assert_eq!(may_call_in(&[&calendar], &paris, easter_monday), Window::Open);
        calendar.closed = vec![Holiday::Easter(1), Holiday::Fixed(4, 7)];
        let next = Window::ClosedUntil(wall("2026-04-08T07:00:00Z"));
        assert_eq!(may_call_in(&[&calendar], &paris, easter_monday), next, "the day after is closed too");
    }

    #[test]
    fn a_number_of_several_zones_may_be_called_only_when_all_are_open() {
        let coast_to_coast = [zone("America/New_York").expect("known"), zone("America/Los_Angeles").expect("known")];
        let hours = hours(time(9, 0, 0, 0), time(18, 0, 0, 0));
        // Monday 2026-01-05: New York 09:00 is 14:00Z, Los Angeles 09:00 is 17:00Z; New York closes at 23:00Z.
        assert_eq!(
            may_call(&hours, &coast_to_coast, wall("2026-01-05T15:00:00Z")),
            Window::ClosedUntil(wall("2026-01-05T17:00:00Z"))
        );
        assert_eq!(may_call(&hours, &coast_to_coast, wall("2026-01-05T17:00:00Z")), Window::Open);
        assert_eq!(may_call(&hours, &coast_to_coast, wall("2026-01-05T22:59:59Z")), Window::Open);
        assert_eq!(
            may_call(&hours, &coast_to_coast, wall("2026-01-05T23:00:00Z")),
            Window::ClosedUntil(wall("2026-01-06T17:00:00Z"))
        );
    }

    #[test]
    fn an_unknown_zone_and_an_empty_intersection_mean_no() {
        let hours = hours(time(9, 0, 0, 0), time(18, 0, 0, 0));
        assert_eq!(may_call(&hours, &[], wall("2026-01-05T15:00:00Z")), Window::NoZone);
        let ends_of_the_world = [zone("Pacific/Auckland").expect("known"), zone("Europe/London").expect("known")];
        assert_eq!(may_call(&hours, &ends_of_the_world, wall("2026-01-05T15:00:00Z")), Window::NoZone);
    }

    #[test]
    fn the_window_closes_at_its_end_to_the_millisecond() {
        let sofia = [zone("Europe/Sofia").expect("known")];
        let hours = hours(time(9, 0, 0, 0), time(18, 0, 0, 0));
        assert_eq!(may_call(&hours, &sofia, wall("2026-01-05T15:59:59.999Z")), Window::Open);
        assert_ne!(may_call(&hours, &sofia, wall("2026-01-05T16:00:00Z")), Window::Open);
        assert_eq!(
            may_call(&hours, &sofia, wall("2026-01-09T16:00:00Z")),
            Window::ClosedUntil(wall("2026-01-12T07:00:00Z")),
            "Friday evening waits for Monday"
        );
    }
}
