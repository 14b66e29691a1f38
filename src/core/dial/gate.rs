//! May this lead be called now? Every rule of a campaign, checked at claim and again before the request leaves.
//! What is not known counts as no.

use std::time::Duration;

use serde::Serialize;

use super::hours::Window;
use crate::base::{Language, Wall};
use crate::core::asset::book::heard_language;
use crate::core::config::{Campaign, Purpose};

/// What is known about a lead at this moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known<'a> {
    /// The lead's language, from its row or its number's country.
    pub language: Option<&'a Language>,
    /// What the person agreed to; `None` = nothing on file.
    pub consent: Option<&'a str>,
    /// On the suppression list.
    pub suppressed: bool,
    /// The calling window in all zones that the number may be in.
    pub window: Window,
    /// Last attempt to this number over all campaigns.
    pub last_at: Option<Wall>,
    /// Attempts to this number in the last 24 h.
    pub in_24h: u32,
    /// Attempts to this number in the last 30 days.
    pub in_30d: u32,
}

/// Why a lead waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Wait {
    /// Outside its calling hours.
    Hours,
    /// The number has had its calls for now.
    Cap,
}

/// Why a lead is not called at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Bar {
    /// On the suppression list.
    Suppressed,
    /// Marketing, and no consent on file.
    NoConsent,
    /// No zone is known for the number, so its hours are not known.
    NoZone,
    /// No greeting in its language, and no fall-back.
    NoGreeting,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Gate {
    /// It may be called now, and hears this language.
    Call {
        /// A language of the campaign's greeting.
        language: Language,
        /// Whether that is the fall-back because its own has no greeting.
        fell_back: bool,
    },
    /// Not before this time.
    Later {
        /// When to look again.
        until: Wall,
        /// Why.
        why: Wait,
    },
    /// Not at all.
    Never(Bar),
}

const DAY: Duration = Duration::from_secs(24 * 3600);

/// Decides about one lead.
pub fn gate(campaign: &Campaign, known: &Known<'_>, now: Wall) -> Gate {
    if known.suppressed {
        return Gate::Never(Bar::Suppressed);
    }
    if campaign.purpose == Purpose::Marketing && known.consent.is_none_or(|text| text.trim().is_empty()) {
        return Gate::Never(Bar::NoConsent);
    }
    let Some((language, fell_back)) = spoken(campaign, known.language) else {
        return Gate::Never(Bar::NoGreeting);
    };
    if !campaign.hours.any {
        match known.window {
            Window::Open => {}
            Window::ClosedUntil(until) => return Gate::Later { until, why: Wait::Hours },
            Window::NoZone => return Gate::Never(Bar::NoZone),
        }
    }
    if let Some(last) = known.last_at {
        // A full day after the last call, one of the calls that fill the cap has left its window for certain.
        let capped = known.in_24h >= campaign.caps.per_day || known.in_30d >= campaign.caps.per_30_days;
        let until = if capped { last + DAY } else { last + campaign.caps.gap };
        if until > now {
            return Gate::Later { until, why: Wait::Cap };
        }
        if capped {
            return Gate::Later { until: now + DAY, why: Wait::Cap };
        }
    }
    Gate::Call { language, fell_back }
}

/// The language that a lead hears, and whether it is the fall-back.
pub fn spoken(campaign: &Campaign, language: Option<&Language>) -> Option<(Language, bool)> {
    match language {
        Some(own) => {
            let heard = heard_language(&campaign.greeting, own)?;
            Some((heard.clone(), heard.primary() != own.primary()))
        }
        None => campaign.greeting.fallback.clone().map(|fallback| (fallback, true)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::config::parse_campaign;

    fn campaign(extra: &str) -> Campaign {
        let text = format!("callers = [\"+15005550006\"]\n{extra}\n[greeting]\nen = \"Hello\"\nfr = \"Bonjour\"\n");
        parse_campaign("c".parse().expect("a slug"), "c", &text).expect("valid")
    }

    fn known<'a>(language: &'a Language, consent: Option<&'a str>) -> Known<'a> {
        Known {
            language: Some(language),
            consent,
            suppressed: false,
            window: Window::Open,
            last_at: None,
            in_24h: 0,
            in_30d: 0,
        }
    }

    fn tag(text: &str) -> Language {
        text.parse().expect("a tag")
    }

    const NOW: Wall = Wall(1_790_000_000_000);

    #[test]
    fn marketing_without_consent_is_never_called_and_service_is() {
        let fr = tag("fr");
        for consent in [None, Some("  ")] {
            assert_eq!(gate(&campaign(""), &known(&fr, consent), NOW), Gate::Never(Bar::NoConsent));
        }
        let service = campaign("purpose = \"service\"");
        assert!(matches!(gate(&service, &known(&fr, None), NOW), Gate::Call { fell_back: false, .. }));
    }

    #[test]
    fn suppression_and_closed_or_unknown_hours_win_over_everything() {
        let fr = tag("fr");
        let base = known(&fr, Some("form"));
        let suppressed = Known { suppressed: true, ..base.clone() };
        assert_eq!(gate(&campaign(""), &suppressed, NOW), Gate::Never(Bar::Suppressed));
        let no_zone = Known { window: Window::NoZone, ..base.clone() };
        assert_eq!(gate(&campaign(""), &no_zone, NOW), Gate::Never(Bar::NoZone));
        let until = Wall(NOW.0 + 5);
        let closed = Known { window: Window::ClosedUntil(until), ..base };
        assert_eq!(gate(&campaign(""), &closed, NOW), Gate::Later { until, why: Wait::Hours });
    }

    #[test]
    fn a_language_without_greeting_hears_the_declared_fall_back_or_nothing() {
        let (bg, br) = (tag("bg"), tag("fr-ca"));
        assert_eq!(gate(&campaign(""), &known(&bg, Some("x")), NOW), Gate::Never(Bar::NoGreeting));
        let mut with = campaign("");
        with.greeting.fallback = Some(tag("en"));
        assert_eq!(gate(&with, &known(&bg, Some("x")), NOW), Gate::Call { language: tag("en"), fell_back: true });
        assert_eq!(gate(&with, &known(&br, Some("x")), NOW), Gate::Call { language: tag("fr"), fell_back: false });
    }

    #[test]
    fn caps_and_gaps_make_a_number_wait() {
        let fr = tag("fr");
        let hour = 3_600_000;
        let with = |ago: i64, in_24h, in_30d| Known {
            last_at: Some(Wall(NOW.0 - ago)),
            in_24h,
            in_30d,
            ..known(&fr, Some("x"))
        };
        let at = |known: &Known<'_>| gate(&campaign(""), known, NOW);
        assert_eq!(at(&with(hour / 2, 1, 1)), Gate::Later { until: Wall(NOW.0 + hour / 2), why: Wait::Cap });
        assert!(matches!(at(&with(hour, 1, 1)), Gate::Call { .. }));
        assert_eq!(at(&with(2 * hour, 3, 3)), Gate::Later { until: Wall(NOW.0 + 22 * hour), why: Wait::Cap });
        assert_eq!(at(&with(48 * hour, 0, 4)), Gate::Later { until: Wall(NOW.0 + 24 * hour), why: Wait::Cap });
    }
}
