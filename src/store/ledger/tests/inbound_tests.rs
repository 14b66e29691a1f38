//! Calls to us: one lead a number, never called for it, kept with what they said; and the tickets behind them.

use super::*;
use crate::base::CallId;
use crate::core::inbound::Ticket;

fn taken(n: u8, caller: Option<&str>) -> InboundCall {
    InboundCall {
        call: CallId(Uuid::from_bytes([n; 16])),
        campaign: slug("desk"),
        caller: caller.map(phone),
        account: "AC1".to_owned(),
        sid: sid(&format!("CA{n}")),
        called: phone("+15005550006"),
        phrase: slug("greeting"),
        greeting: "f00d".to_owned(),
        language: "en".parse().expect("a language"),
        at: NOW,
    }
}

#[test]
fn callers_of_one_number_are_one_lead_that_is_never_called_until_a_list_asks_for_it() {
    let (_dir, mut ledger) = fresh();
    let first = ledger.take_call(&taken(1, Some("+359881234567"))).expect("taken").expect("a lead");
    assert_eq!(ledger.take_call(&taken(2, Some("+359881234567"))), Ok(Some(first)));
    assert_eq!(ledger.take_call(&taken(2, Some("+359881234567"))), Ok(Some(first)), "a repeat");
    assert_ne!(ledger.take_call(&taken(3, Some("+359881234568"))), Ok(Some(first)));
    assert_eq!(ledger.take_call(&taken(4, None)), Ok(None), "a withheld number is nobody's");
    let calls = ledger.inbound_calls(Some(&slug("desk")), Wall(0), 10).expect("read");
    assert_eq!(calls.len(), 4);
    assert_eq!(ledger.calls_by(first).expect("read").len(), 2);
    // Nobody is called for having called.
    ledger.reopen_barred(&slug("desk"), NOW).expect("looked at");
    assert_eq!(ledger.ready_leads(&slug("desk"), 10, None).expect("read"), []);
    // A list that names one of them makes that one its lead; the calls stay.
    let counts = import(&mut ledger, "desk", &["+359881234567", "+359881234569"]);
    assert_eq!((counts.added, counts.already), (2, 0));
    let ready = ledger.ready_leads(&slug("desk"), 10, None).expect("read");
    assert_eq!(ready.iter().filter(|lead| lead.id == first).count(), 1);
    assert_eq!((ready.len(), ledger.calls_by(first).expect("read").len()), (2, 2));
}

#[test]
fn a_wish_made_on_a_call_to_us_is_kept_and_an_import_does_not_undo_it() {
    let (_dir, mut ledger) = fresh();
    let caller = phone("+359881234567");
    ledger.take_call(&taken(1, Some("+359881234567"))).expect("taken");
    let call = taken(1, None).call;
    let note = CallNote { opted_out: true, keys: Some("9".to_owned()), ..CallNote::default() };
    let end = InboundEnd { at: Some(NOW), cause: Some("opted_out".to_owned()), ..InboundEnd::default() };
    ledger.inbound_note(call, Some(&caller), &note, &end, NOW).expect("kept");
    assert_eq!(ledger.is_suppressed(&caller), Ok(true));
    let counts = import(&mut ledger, "desk", &["+359881234567"]);
    assert_eq!((counts.added, counts.already), (0, 1));
    assert_eq!(ledger.ready_leads(&slug("desk"), 10, None).expect("read"), []);
    let stranger = CallId(Uuid::from_bytes([99; 16]));
    let lost = ledger.inbound_note(stranger, None, &CallNote::default(), &InboundEnd::default(), NOW);
    assert_eq!(lost, Err(LedgerFault::Unknown("call")));
}

#[test]
fn forgetting_a_caller_empties_their_calls_and_tickets() {
    let (_dir, mut ledger) = fresh();
    let caller = phone("+359881234567");
    let lead = ledger.take_call(&taken(1, Some("+359881234567"))).expect("taken").expect("a lead");
    let note = CallNote { folder: Some("2026/11/26/x".to_owned()), ..CallNote::default() };
    ledger.inbound_note(taken(1, None).call, None, &note, &InboundEnd::default(), NOW).expect("kept");
    let ticket = Ticket { reference: "T1".into(), kind: "internet".into(), note: None, opened: NOW };
    ledger.open_tickets(&[(caller.clone(), ticket)], false, NOW).expect("opened");
    let erased = ledger.erase(&[lead], std::slice::from_ref(&caller), NOW).expect("erased");
    assert_eq!(erased.folders, ["2026/11/26/x"]);
    assert_eq!(ledger.tickets(false, None, 10).expect("read"), []);
    assert_eq!(ledger.calls_by(lead).expect("read")[0].folder, None);
    // The same number calls again: it is somebody new.
    assert_ne!(ledger.take_call(&taken(2, Some("+359881234567"))), Ok(Some(lead)));
}

#[test]
fn tickets_are_one_a_reference_and_a_full_list_closes_the_rest() {
    let (_dir, mut ledger) = fresh();
    let ticket = |reference: &str, kind: &str| Ticket {
        reference: reference.to_owned(),
        kind: kind.to_owned(),
        note: None,
        opened: NOW,
    };
    let (ana, bob) = (phone("+359881234567"), phone("+359881234568"));
    let all = [(ana.clone(), ticket("T1", "internet")), (bob.clone(), ticket("T2", "tv"))];
    let before = ledger.ticket_version().expect("read");
    let counts = |counts: TicketCounts| (counts.opened, counts.changed, counts.same, counts.closed);
    assert_eq!(ledger.open_tickets(&all, false, NOW).map(counts), Ok((2, 0, 0, 0)));
    assert!(ledger.ticket_version().expect("read") > before, "a desk sees that they changed");
    let version = ledger.ticket_version();
    assert_eq!(ledger.open_tickets(&all, true, NOW).map(counts), Ok((0, 0, 2, 0)));
    assert_eq!(ledger.ticket_version(), version, "and that they did not");
    let moved = [(bob.clone(), ticket("T1", "internet"))];
    assert_eq!(ledger.open_tickets(&moved, true, NOW).map(counts), Ok((0, 1, 0, 1)));
    assert_eq!(ledger.tickets(true, Some(&ana), 10).expect("read"), []);
    assert_eq!(ledger.close_ticket("T1", NOW), Ok(true));
    assert_eq!(ledger.close_ticket("T1", NOW), Ok(false));
    assert_eq!(ledger.open_tickets(&moved, false, NOW).map(counts), Ok((0, 1, 0, 0)), "open again");
}
