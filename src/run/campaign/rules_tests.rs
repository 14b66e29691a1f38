//! The rules where they act: what refill hands out, what the fence lets through, how the brake paces.

use std::collections::{BTreeMap, HashSet};

use super::*;
use crate::base::{Exit, Slug};
use crate::core::config::{Purpose, parse_campaign};
use crate::core::dial::callers::Callers;
use crate::core::lead::Lead;
use crate::store::ledger::{CampaignState, Ledger, OpenOptions};

/// Monday 23 November 2026, noon in London.
const NOON: Wall = Wall(1_795_435_200_000);

const LEADS: [(&str, Option<&str>); 5] = [
    ("+442079460001", Some("recorded; 2026-09-02; web form")),
    ("+442079460002", None),
    ("+33199001234", Some("recorded; 2026-09-02; web form")),
    ("+449098790000", Some("recorded; 2026-09-02; web form")),
    ("+442079460005", Some("by phone")),
];

struct Room {
    _folder: tempfile::TempDir,
    ledger: Ledger,
    name: Slug,
}

fn room() -> Room {
    let folder = tempfile::tempdir().expect("a folder");
    let options = OpenOptions { fresh_key: [7; 32], now: NOON };
    let mut ledger = Ledger::open(&folder.path().join("ahoy.db"), &options).expect("opens");
    let name: Slug = "c".parse().expect("a slug");
    let import = ledger.begin_import(&name, "leads.csv", NOON).expect("begun");
    let leads: Vec<Lead> = LEADS.iter().map(|(phone, consent)| lead(phone, *consent)).collect();
    ledger.import_chunk(&name, import, &leads, NOON).expect("imported");
    Room { _folder: folder, ledger, name }
}

fn lead(phone: &str, consent: Option<&str>) -> Lead {
    let phone = Phone::from_e164(phone).expect("E.164");
    Lead {
        line: 2,
        country: phone.country(),
        phone,
        name: None,
        language: Some("en".parse().expect("a tag")),
        timezone: None,
        consent: consent.map(str::to_owned),
        variables: BTreeMap::new(),
        tags: Vec::new(),
        more_phones: Vec::new(),
    }
}

fn campaign(extra: &str) -> Campaign {
    let text = format!(
        "purpose = \"service\"\ncallers = [\"+442079460900\"]\n{extra}\n[greeting]\nen = \"Hello\"\n\
         [hours]\nstart = \"09:00\"\nend = \"18:00\"\n"
    );
    parse_campaign("c".parse().expect("a slug"), "c", &text).expect("valid")
}

#[test]
fn only_leads_that_every_rule_allows_reach_the_desk_and_the_others_say_why() {
    let Room { mut ledger, name, _folder } = room();
    let look = refill::look(
        &mut ledger,
        &campaign(""),
        &BTreeMap::new(),
        &HashSet::new(),
        "main:AC",
        &mut Callers::default(),
        NOON,
    )
    .expect("looked");
    let phones: Vec<&str> = look.candidates.iter().map(|chosen| chosen.what.phone.expose()).collect();
    assert_eq!(phones, ["+442079460001"]);
    let counts = ledger.lead_counts(&name, NOON).expect("counted");
    let blocked: BTreeMap<&str, u64> = counts.blocked.iter().map(|(reason, n)| (reason.as_str(), *n)).collect();
    assert_eq!(blocked, BTreeMap::from([("no_consent", 2), ("country", 1), ("never_called", 1)]));
    // A campaign that now lists France looks at its lead anew.
    ledger.reopen_barred(&name, NOON).expect("reopened");
    let both = campaign("countries = [\"GB\", \"FR\"]");
    let look =
        refill::look(&mut ledger, &both, &BTreeMap::new(), &HashSet::new(), "main:AC", &mut Callers::default(), NOON)
            .expect("looked");
    assert_eq!(look.candidates.len(), 1, "in Paris it is 13:00, between the windows");
    let open = refill::look(
        &mut ledger,
        &both,
        &BTreeMap::new(),
        &HashSet::new(),
        "main:AC",
        &mut Callers::default(),
        Wall(NOON.0 + 3_600_000),
    )
    .expect("looked");
    assert_eq!(open.candidates.len(), 2);
}

#[test]
fn a_segment_reaches_the_desk_alone_and_the_rest_holds_up_no_run() {
    let Room { mut ledger, name, _folder } = room();
    let mut own = campaign("");
    own.narrow("phone = '+442079460001'").expect("a filter");
    let mut look = |own: &Campaign, now| {
        refill::look(&mut ledger, own, &BTreeMap::new(), &HashSet::new(), "main:AC", &mut Callers::default(), now)
            .expect("looked")
    };
    let found = look(&own, NOON);
    let phones: Vec<&str> = found.candidates.iter().map(|chosen| chosen.what.phone.expose()).collect();
    assert_eq!(phones, ["+442079460001"]);
    own.narrow("tag = 'nobody has it'").expect("a filter");
    let found = look(&own, NOON);
    assert!(found.candidates.is_empty() && !found.is_waiting(), "a run over nobody ends");
    let counts = ledger.lead_counts(&name, NOON).expect("counted");
    assert!(counts.blocked.is_empty(), "leads outside the segment are not even looked at: {counts:?}");
}

/// Fault 47, 48 and law 7: the last look sees everything that may have changed since the claim.
#[test]
fn the_fence_closes_for_hours_country_consent_suppression_and_a_pause() {
    let Room { mut ledger, name, _folder } = room();
    let allowed = |ledger: &Ledger, campaign: &Campaign, lead: i64, now: Wall| {
        refill::may_still_call(ledger, campaign, LeadId(lead), now).expect("read")
    };
    let own = campaign("");
    assert!(allowed(&ledger, &own, 1, NOON));
    assert!(!allowed(&ledger, &own, 1, Wall(NOON.0 + 6 * 3_600_000)), "18:00 in London");
    assert!(!allowed(&ledger, &own, 2, NOON), "no consent");
    assert!(!allowed(&ledger, &own, 5, NOON), "a consent without what, when and source");
    assert!(!allowed(&ledger, &campaign("countries = [\"FR\"]"), 1, NOON), "its country is not listed");
    assert!(!allowed(&ledger, &own, 99, NOON), "no such lead");
    ledger.set_campaign_state(&name, CampaignState::Paused, NOON).expect("paused");
    assert!(!allowed(&ledger, &own, 1, NOON), "paused after the claim");
    ledger.set_campaign_state(&name, CampaignState::Running, NOON).expect("resumed");
    assert!(allowed(&ledger, &own, 1, NOON));
    ledger.suppress(&Phone::from_e164(LEADS[0].0).expect("one"), "asked", "test", NOON).expect("suppressed");
    assert!(!allowed(&ledger, &own, 1, NOON));
}

#[test]
fn the_brake_lets_half_the_pace_through() {
    let mut seen = Seen { pace: 4.0, ..Seen::default() };
    assert_eq!(refill::slowed(&mut seen, 0, false, Boot(0)), None);
    let mut through = 0;
    for step in 0..=240 {
        through += refill::slowed(&mut seen, 0, true, Boot(step * 250_000)).expect("slowed");
    }
    assert_eq!(through, 120, "a minute at 4 per second, halved");
    assert_eq!(refill::slowed(&mut seen, 0, false, Boot(0)), None, "free again");
}

#[test]
fn a_rule_is_set_aside_only_by_its_name_with_a_reason_and_only_where_that_is_possible_at_all() {
    let aside = |rules: &[&str], reasons: &[&str]| {
        let mut campaigns = [campaign("")];
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<String>>();
        set_aside(&mut campaigns, &owned(rules), &owned(reasons))
            .map(|()| campaigns[0].set_aside.keys().cloned().collect::<Vec<String>>())
            .map_err(|failure| failure.exit)
    };
    assert_eq!(aside(&["us.hours", "fr.hours"], &["counsel said so"]), Ok(vec!["fr.hours".into(), "us.hours".into()]));
    for (rules, reasons) in
        [(&["us.hours"][..], &[][..]), (&["us.hours"], &["  "]), (&["us.hour"], &["x"]), (&[], &["x"])]
    {
        assert_eq!(aside(rules, reasons), Err(Exit::Usage), "{rules:?} {reasons:?}");
    }
    for never in ["us.consent", "us-ca.consent", "fr.refusal", "default.ring", "default.opt-out", "default.countries"] {
        assert_eq!(aside(&[never], &["x"]), Err(Exit::Refused), "{never}");
    }
    for not_a_rule in ["suppression", "default.numbers", "one-open-call"] {
        assert_eq!(aside(&[not_a_rule], &["x"]), Err(Exit::Usage), "{not_a_rule}");
    }
}

/// Section 4 of the reference: no start without a fresh do-not-call file where the country has one, or a consent
/// reference per lead.
#[test]
fn a_campaign_of_which_nobody_may_be_called_without_a_register_is_told_apart_from_one_with_somebody() {
    let marketing = campaign("").purpose_of(Purpose::Marketing);
    let Room { mut ledger, name, _folder } = room();
    let stale = registers::if_nobody_else(&ledger, &marketing, NOON).expect("looked");
    assert_eq!(stale, [], "one has a consent reference");
    let made = plan(&ledger, &marketing, 1.0, "main:AC", NOON).expect("planned");
    assert_eq!(made.do_not_call.len(), 1, "{:?}", made.do_not_call);
    assert_eq!((made.do_not_call[0].rule.as_str(), made.do_not_call[0].leads), ("gb.dnc", 2));
    assert_eq!(made.do_not_call[0].dated, None);

    // The one with the reference is done: those that are left have neither.
    let first = ledger.due_leads(&name, NOON, 1, None).expect("read").remove(0);
    ledger.block_lead(first.id, crate::store::ledger::BlockReason::Suppressed, NOON).expect("blocked");
    let stale = registers::if_nobody_else(&ledger, &marketing, NOON).expect("looked");
    assert_eq!((stale.len(), stale[0].country.as_str(), stale[0].leads), (1, "GB", 2));
    assert!(
        stale[0].what().contains("there is no do-not-call file of GB (at most 28 days old)"),
        "{}",
        stale[0].what()
    );
    let service = registers::if_nobody_else(&ledger, &campaign(""), NOON).expect("looked");
    assert_eq!(service, [], "a register is about marketing");
    let rehearsal = registers::if_nobody_else(&ledger, &rehearsed(&marketing), NOON).expect("looked");
    assert_eq!(rehearsal, []);
}

fn rehearsed(campaign: &Campaign) -> Campaign {
    let mut campaign = campaign.clone();
    campaign.hours.any = true;
    campaign
}

trait PurposeOf {
    fn purpose_of(self, purpose: Purpose) -> Self;
}

impl PurposeOf for Campaign {
    fn purpose_of(mut self, purpose: Purpose) -> Campaign {
        self.purpose = purpose;
        self
    }
}
