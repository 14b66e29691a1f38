//! May this lead be called now? Every rule of a campaign and of the places that its number may be in, checked before the
//! claim and again before the request leaves. What is not known counts as no.

use std::time::Duration;

use jiff::tz::TimeZone;
use serde::Serialize;

use super::hours::{Calendar, Window, is_open, may_call_in};
use crate::base::{Language, NeverCalled, Wall};
use crate::core::asset::book::heard_language;
use crate::core::config::{Campaign, Caps, Purpose};
use crate::core::rules::{Place, Rulebook, Terms, consent, dnc_is_fresh};

/// What is known about a lead at this moment.
#[derive(Debug, Clone)]
pub struct Known<'a> {
    /// The lead's language, from its row or its number's country.
    pub language: Option<&'a Language>,
    /// What the person agreed to; `None` = nothing on file.
    pub consent: Option<&'a str>,
    /// On the suppression list.
    pub suppressed: bool,
    /// A kind of number that nobody is called on.
    pub never_called: Option<NeverCalled>,
    /// One of the campaign's own numbers.
    pub own_number: bool,
    /// Every zone that the number may be in; `None` = the row names a zone that does not exist.
    pub zones: Option<&'a [TimeZone]>,
    /// Country and states that it may be in.
    pub place: &'a Place,
    /// The date of the newest whole do-not-call file of its country.
    pub dnc_dated: Option<Wall>,
    /// When the person last refused.
    pub refused_at: Option<Wall>,
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
    /// The person refused a while ago, and is left in peace.
    Refusal,
}

/// Why a lead is not called at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Bar {
    /// A premium or satellite number, or one of our own.
    NeverCalled,
    /// On the suppression list.
    Suppressed,
    /// Its country is not on the campaign's list.
    Country,
    /// The consent on file is not what the rules ask.
    NoConsent,
    /// The country has a do-not-call register; ours is missing or old, and no consent replaces it.
    DoNotCallFile,
    /// No zone is known for the number, so its hours are not known.
    NoZone,
    /// No greeting in its language, and no fall-back.
    NoGreeting,
}

/// The answer. `rule`: the id of the rule that decided, such as `us-fl.hours`.
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
        /// By which rule.
        rule: String,
    },
    /// Not at all.
    Never {
        /// Why.
        bar: Bar,
        /// By which rule.
        rule: String,
    },
}

const DAY: Duration = Duration::from_secs(24 * 3600);

/// Decides about one lead.
///
/// A rehearsal (`[hours] any`, loopback only) leaves out hours, countries, the form of a consent, do-not-call files, the
/// peace after a refusal and the rules' own caps; everything else holds there too.
pub fn gate(book: &Rulebook, campaign: &Campaign, known: &Known<'_>, now: Wall) -> Gate {
    let terms = book.terms(known.place, &campaign.set_aside);
    if let Some((bar, rule)) = barred(campaign, &terms, known, now) {
        return Gate::Never { bar, rule };
    }
    let Some((language, fell_back)) = spoken(campaign, known.language) else {
        return Gate::Never { bar: Bar::NoGreeting, rule: "campaign.greeting".to_owned() };
    };
    if !campaign.is_rehearsal() {
        if let Some(wait) = closed(campaign, &terms, known, now) {
            return wait;
        }
        if let Some((rule, days)) = terms.refusal()
            && let Some(refused) = known.refused_at
            && refused + DAY * days > now
        {
            return Gate::Later { until: refused + DAY * days, why: Wait::Refusal, rule: rule.to_owned() };
        }
    }
    if let Some(last) = known.last_at {
        let caps = caps_for(campaign, &terms);
        // A full day after the last call, one of the calls that fill the cap has left its window for certain.
        let capped = known.in_24h >= caps.per_day || known.in_30d >= caps.per_30_days;
        let until = if capped { last + DAY } else { last + caps.gap };
        let rule = if caps == campaign.caps { "campaign.caps" } else { "default.caps" }.to_owned();
        if until > now {
            return Gate::Later { until, why: Wait::Cap, rule };
        }
        if capped {
            return Gate::Later { until: now + DAY, why: Wait::Cap, rule };
        }
    }
    Gate::Call { language, fell_back }
}

/// The caps that hold for a number: the tightest of the campaign's and the rules'.
pub fn caps_for(campaign: &Campaign, terms: &Terms<'_>) -> Caps {
    if campaign.is_rehearsal() { campaign.caps.clone() } else { terms.tightened(&campaign.caps) }
}

fn barred(campaign: &Campaign, terms: &Terms<'_>, known: &Known<'_>, now: Wall) -> Option<(Bar, String)> {
    if known.never_called.is_some() || known.own_number {
        return Some((Bar::NeverCalled, "default.numbers".to_owned()));
    }
    if known.suppressed {
        return Some((Bar::Suppressed, "suppression".to_owned()));
    }
    let rehearsal = campaign.is_rehearsal();
    if !rehearsal && known.place.country.is_none_or(|country| !campaign.countries().contains(&country)) {
        return Some((Bar::Country, "default.countries".to_owned()));
    }
    let agreed = consent::read(known.consent);
    if rehearsal {
        let missing = campaign.purpose == Purpose::Marketing && agreed.is_none();
        return missing.then(|| (Bar::NoConsent, "default.consent".to_owned()));
    }
    for (rule, demand) in terms.consents() {
        if !consent::is_enough(demand, agreed.as_ref(), campaign.purpose, campaign.voice.kind, now) {
            return Some((Bar::NoConsent, rule.to_owned()));
        }
    }
    let (rule, age_days) = terms.do_not_call().filter(|_| campaign.purpose == Purpose::Marketing)?;
    let replaced = agreed.is_some_and(|agreed| agreed.is_reference());
    let closed = !replaced && !dnc_is_fresh(known.dnc_dated, age_days, now);
    closed.then(|| (Bar::DoNotCallFile, rule.to_owned()))
}

/// Whether some window is closed, and by which rule.
fn closed(campaign: &Campaign, terms: &Terms<'_>, known: &Known<'_>, now: Wall) -> Option<Gate> {
    let no_zone = |rule: &str| Some(Gate::Never { bar: Bar::NoZone, rule: rule.to_owned() });
    let Some(zones) = known.zones else { return no_zone("campaign.zone") };
    let own = Calendar::from(&campaign.hours);
    let calendars: Vec<(&str, &Calendar)> =
        std::iter::once(("campaign.hours", &own)).chain(terms.calendars()).collect();
    let windows: Vec<&Calendar> = calendars.iter().map(|(_, calendar)| *calendar).collect();
    let shut = calendars.iter().find(|(_, calendar)| !is_open(calendar, zones, now));
    let rule = shut.map_or("campaign.hours", |(rule, _)| rule);
    match may_call_in(&windows, zones, now) {
        Window::Open => None,
        Window::ClosedUntil(until) => Some(Gate::Later { until, why: Wait::Hours, rule: rule.to_owned() }),
        Window::NoZone => no_zone(rule),
    }
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
    use crate::base::Country;
    use crate::core::config::parse_campaign;
    use crate::core::dial::zones::zone;
    use crate::core::rules::book;

    fn campaign(extra: &str) -> Campaign {
        let text = format!(
            "callers = [\"+33199001234\"]\n{extra}\n[greeting]\nen = \"Hello\"\nfr = \"Bonjour\"\n\
             [hours]\nstart = \"10:00\"\nend = \"18:00\"\n"
        );
        parse_campaign("c".parse().expect("a slug"), "c", &text).expect("valid")
    }

    struct Lead {
        language: Language,
        place: Place,
        zones: Vec<TimeZone>,
    }

    fn french() -> Lead {
        let country: Country = "FR".parse().expect("a country");
        Lead {
            language: tag("fr"),
            place: Place::named(country, None),
            zones: vec![zone("Europe/Paris").expect("known")],
        }
    }

    const AGREED: &str = "marketing recorded; 2026-09-02; web form";

    fn known<'a>(lead: &'a Lead, consent: Option<&'a str>) -> Known<'a> {
        Known {
            language: Some(&lead.language),
            consent,
            suppressed: false,
            never_called: None,
            own_number: false,
            zones: Some(&lead.zones),
            place: &lead.place,
            dnc_dated: None,
            refused_at: None,
            last_at: None,
            in_24h: 0,
            in_30d: 0,
        }
    }

    fn tag(text: &str) -> Language {
        text.parse().expect("a tag")
    }

    fn at(text: &str) -> Wall {
        Wall(text.parse::<jiff::Timestamp>().expect("RFC 3339").as_millisecond())
    }

    /// A Wednesday, 11:00 in Paris.
    fn now() -> Wall {
        at("2026-09-30T09:00:00Z")
    }

    fn decide(campaign: &Campaign, known: &Known<'_>, now: Wall) -> Gate {
        gate(book(), campaign, known, now)
    }

    fn never(bar: Bar, rule: &str) -> Gate {
        Gate::Never { bar, rule: rule.to_owned() }
    }

    #[test]
    fn marketing_without_a_consent_of_the_asked_form_is_never_called() {
        let fr = french();
        for (consent, rule) in [(None, "fr.consent"), (Some("  "), "fr.consent"), (Some("web form"), "fr.consent")] {
            assert_eq!(decide(&campaign(""), &known(&fr, consent), now()), never(Bar::NoConsent, rule), "{consent:?}");
        }
        assert!(matches!(decide(&campaign(""), &known(&fr, Some(AGREED)), now()), Gate::Call { .. }));
        // A recorded voice needs it for any purpose.
        let service = campaign("purpose = \"service\"");
        assert_eq!(decide(&service, &known(&fr, None), now()), never(Bar::NoConsent, "eu.consent"));
    }

    #[test]
    fn suppression_and_numbers_that_are_nobodys_win_over_everything_also_in_a_rehearsal() {
        let fr = french();
        let mut rehearsal = campaign("");
        rehearsal.hours.any = true;
        for campaign in [campaign(""), rehearsal] {
            let base = known(&fr, Some(AGREED));
            let suppressed = Known { suppressed: true, ..base.clone() };
            assert_eq!(decide(&campaign, &suppressed, now()), never(Bar::Suppressed, "suppression"));
            let premium = Known { never_called: Some(NeverCalled::Premium), ..base.clone() };
            assert_eq!(decide(&campaign, &premium, now()), never(Bar::NeverCalled, "default.numbers"));
            let own = Known { own_number: true, ..base.clone() };
            assert_eq!(decide(&campaign, &own, now()), never(Bar::NeverCalled, "default.numbers"));
            assert_eq!(
                decide(&campaign, &Known { consent: None, ..base }, now()),
                never(Bar::NoConsent, if campaign.hours.any { "default.consent" } else { "fr.consent" })
            );
        }
    }

    #[test]
    fn unknown_zones_and_closed_windows_name_the_rule_that_closed_them() {
        let fr = french();
        let base = known(&fr, Some(AGREED));
        let no_zone = Known { zones: Some(&[]), ..base.clone() };
        assert!(matches!(decide(&campaign(""), &no_zone, now()), Gate::Never { bar: Bar::NoZone, .. }));
        let bad_zone = Known { zones: None, ..base.clone() };
        assert_eq!(decide(&campaign(""), &bad_zone, now()), never(Bar::NoZone, "campaign.zone"));
        // 13:30 in Paris: the campaign's day is open, the decree's is not until 14:00.
        let lunch = at("2026-09-30T11:30:00Z");
        let later = |until, rule: &str| Gate::Later { until: at(until), why: Wait::Hours, rule: rule.to_owned() };
        assert_eq!(decide(&campaign(""), &base, lunch), later("2026-09-30T12:00:00Z", "fr.hours"));
        // 19:00: the decree would allow it, the campaign does not.
        let evening = at("2026-09-30T17:00:00Z");
        assert_eq!(decide(&campaign(""), &base, evening), later("2026-10-01T08:00:00Z", "campaign.hours"));
        let mut aside = campaign("");
        aside.set_aside.insert("fr.hours".to_owned(), "a test".to_owned());
        assert!(matches!(decide(&aside, &base, lunch), Gate::Call { .. }), "the operator set it aside");
    }

    #[test]
    fn a_country_that_is_not_listed_is_never_called_and_the_callers_country_is_the_default_list() {
        let fr = french();
        assert!(matches!(decide(&campaign(""), &known(&fr, Some(AGREED)), now()), Gate::Call { .. }));
        let others = campaign("countries = [\"BG\"]");
        assert_eq!(decide(&others, &known(&fr, Some(AGREED)), now()), never(Bar::Country, "default.countries"));
        let nowhere = Lead { place: Place::default(), ..french() };
        assert_eq!(
            decide(&campaign(""), &known(&nowhere, Some(AGREED)), now()),
            never(Bar::Country, "default.countries")
        );
    }

    #[test]
    fn a_language_without_greeting_hears_the_declared_fall_back_or_nothing() {
        let (bg, br) = (Lead { language: tag("bg"), ..french() }, Lead { language: tag("fr-ca"), ..french() });
        let missing = never(Bar::NoGreeting, "campaign.greeting");
        assert_eq!(decide(&campaign(""), &known(&bg, Some(AGREED)), now()), missing);
        let mut with = campaign("");
        with.greeting.fallback = Some(tag("en"));
        let call = |language, fell_back| Gate::Call { language: tag(language), fell_back };
        assert_eq!(decide(&with, &known(&bg, Some(AGREED)), now()), call("en", true));
        assert_eq!(decide(&with, &known(&br, Some(AGREED)), now()), call("fr", false));
    }

    #[test]
    fn caps_and_gaps_make_a_number_wait_and_a_campaign_cannot_loosen_them() {
        let fr = french();
        let hour = 3_600_000;
        let with = |ago: i64, in_24h, in_30d| Known {
            last_at: Some(Wall(now().0 - ago)),
            in_24h,
            in_30d,
            ..known(&fr, Some(AGREED))
        };
        let later = |hours: i64, rule: &str| {
            let until = Wall(now().0 + hours * hour / 2);
            Gate::Later { until, why: Wait::Cap, rule: rule.to_owned() }
        };
        let decided = |campaign: &Campaign, known: &Known<'_>| decide(campaign, known, now());
        assert_eq!(decided(&campaign(""), &with(hour / 2, 1, 1)), later(1, "campaign.caps"));
        assert!(matches!(decided(&campaign(""), &with(hour, 1, 1)), Gate::Call { .. }));
        assert_eq!(decided(&campaign(""), &with(2 * hour, 3, 3)), later(44, "campaign.caps"));
        assert_eq!(decided(&campaign(""), &with(48 * hour, 0, 4)), later(48, "campaign.caps"));
        let mut loose = campaign("");
        loose.caps = Caps { per_day: 100, per_30_days: 100, gap: Duration::ZERO };
        assert_eq!(decided(&loose, &with(2 * hour, 3, 3)), later(44, "default.caps"));
        loose.set_aside.insert("default.caps".to_owned(), "a test".to_owned());
        assert!(matches!(decided(&loose, &with(2 * hour, 3, 3)), Gate::Call { .. }));
        assert_eq!(decided(&loose, &with(48 * hour, 0, 4)), later(48, "default.caps"), "France keeps its own");
    }

    #[test]
    fn a_refusal_gives_sixty_days_of_peace_in_france() {
        let fr = french();
        let day = 86_400_000;
        let with = |days: i64| Known { refused_at: Some(Wall(now().0 - days * day)), ..known(&fr, Some(AGREED)) };
        let until = Wall(now().0 + day);
        let later = Gate::Later { until, why: Wait::Refusal, rule: "fr.refusal".to_owned() };
        assert_eq!(decide(&campaign(""), &with(59), now()), later);
        assert!(matches!(decide(&campaign(""), &with(60), now()), Gate::Call { .. }));
    }
}
