use super::*;
use crate::core::config::{Campaign, parse_campaign};

fn campaign(extra: &str) -> Campaign {
    let text = format!("callers = [\"+15005550006\"]\n[greeting]\nen = \"Hello\"\nbg = \"Здравейте\"\n{extra}");
    parse_campaign("desk".parse().expect("a slug"), "campaign.toml", &text).expect("valid")
}

fn desk(extra: &str) -> Inbound {
    campaign(&format!("[agent]\nkind = \"echo\"\n{extra}")).inbound.expect("a desk")
}

fn ticket(kind: &str, days: i64) -> Ticket {
    let opened = Wall(now().0 - days * 86_400_000);
    Ticket { reference: format!("T-{kind}"), kind: kind.to_owned(), note: None, opened }
}

/// Thursday, 26 November 2026, 12:00 UTC.
fn now() -> Wall {
    Wall(1_795_694_400_000)
}

fn heard(desk: &Inbound, tickets: &[Ticket]) -> String {
    match receive(desk, &Caller { tickets, ..Caller::default() }, 0, now()) {
        Reception::Greet(key) => key.to_string(),
        other => format!("{other:?}"),
    }
}

#[test]
fn the_first_rule_that_fits_any_open_ticket_chooses_the_phrase() {
    let desk = desk(
        "[inbound]\n[[returning]]\nwhen = \"ticket.kind == 'internet' and ticket.days >= 7\"\nsay = \"long-wait\"\n\
         [[returning]]\nwhen = \"ticket.kind = 'internet'\"\nsay = \"internet-pending\"\n\
         [[returning]]\nwhen = \"ticket.reference like 'T-%'\"\nsay = \"returning\"\n",
    );
    assert_eq!(heard(&desk, &[]), "greeting", "an unknown number hears the plain greeting");
    assert_eq!(heard(&desk, &[ticket("tv", 1)]), "returning");
    assert_eq!(heard(&desk, &[ticket("tv", 1), ticket("internet", 2)]), "internet-pending");
    assert_eq!(heard(&desk, &[ticket("internet", 7)]), "long-wait");
    // A ticket from the future (a clock that was set back) is no day old.
    assert_eq!(heard(&desk, &[ticket("internet", -3)]), "internet-pending");
}

#[test]
fn outside_its_hours_a_desk_is_closed_by_its_own_clock_and_beyond_its_places_it_is_busy() {
    let hours = "[inbound]\nplaces = 2\nhours = { start = \"09:00\", end = \"14:30\", zone = \"Europe/Sofia\" }\n";
    let desk = desk(hours);
    let caller = Caller::default();
    // 12:00 UTC is 14:00 in Sofia in November.
    assert_eq!(receive(&desk, &caller, 1, now()), Reception::Greet("greeting".parse().expect("a slug")));
    assert_eq!(receive(&desk, &caller, 2, now()), Reception::Busy);
    let later = now() + Duration::from_secs(30 * 60);
    assert_eq!(receive(&desk, &caller, 0, later), Reception::Closed);
    let saturday = now() + Duration::from_secs(2 * 86_400);
    assert_eq!(receive(&desk, &caller, 0, saturday), Reception::Closed);
}

#[test]
fn a_desk_that_cannot_work_is_refused_with_its_key() {
    let refused = |extra: &str| {
        let text = format!("callers = [\"+15005550006\"]\n[greeting]\nen = \"Hello\"\n{extra}");
        parse_campaign("desk".parse().expect("a slug"), "campaign.toml", &text).expect_err("a mistake").to_string()
    };
    let agent = "[agent]\nkind = \"echo\"\n";
    assert!(refused("[inbound.menu]\n").contains("needs an [agent] or [transfer] to"));
    assert!(refused(&format!("{agent}[inbound.menu]\ngo_on = \"9\"\n")).contains("`9` means two things"));
    assert!(refused(&format!("{agent}[inbound.menu]\nmessage = \"22\"\n")).contains("message is one key"));
    assert!(refused("[inbound]\nclone = true\n").contains("clone needs an [agent]"));
    assert!(refused("[inbound]\nlanguage = \"bg\"\n").contains("has no text in it"));
    assert!(refused("[inbound]\nhours = { start = \"09:00\" }\n").contains("zone"));
    assert!(refused("[inbound]\nhours = { zone = \"Mars/Base\" }\n").contains("no time zone"));
    assert!(refused("[inbound]\nplaces = 0\n").contains("places is 1 to 1000"));
    assert!(refused("[inbound]\nwait = \"5m\"\n").contains("wait is 1s to 120s"));
    let back = "[agent]\nkind = \"echo\"\n[inbound]\noption = \"call-back\"\n";
    assert!(refused(back).contains("needs clone = true and [inbound.menu]"));
    assert!(refused(&format!("{back}clone = true\n")).contains("needs clone = true and [inbound.menu]"));
    let menu = format!("{back}clone = true\nfailing = \"message\"\n[inbound.menu]\n");
    assert!(refused(&menu).contains("a call that was promised is made"));
    assert!(refused(&format!("{back}call_back_within = \"13h\"\n")).contains("call_back_within is 1m to 12h"));
    let switch = "[agent]\nkind = \"echo\"\n[inbound]\noption = \"switch\"\n";
    assert!(refused(switch).contains("needs clone = true: there is no voice"));
    let rule = "[[returning]]\nwhen = \"ticket.knd = 'x'\"\nsay = \"a\"\n";
    let told = refused(&format!("[inbound]\n{rule}"));
    assert!(told.contains("[[returning]] 1") && told.contains("ticket.knd"), "{told}");
    assert!(refused(rule).contains("needs [inbound]"));
}
