//! Calls to us: one lead a number, never called for it, kept with what they said; and the tickets behind them.

use super::*;
use crate::base::CallId;
use crate::core::inbound::Ticket;

fn taken(n: u8, caller: Option<&str>) -> InboundCall {
    InboundCall {
        call: CallId(Uuid::from_bytes([n; 16])),
        campaign: slug("desk"),
        caller: caller.map(phone),
        promised: None,
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

/// A call of a new number, whose caller was given an id from memory.
fn promised(n: u8, caller: &str, lead: LeadId) -> InboundCall {
    InboundCall { promised: Some(lead), ..taken(n, Some(caller)) }
}

#[test]
fn a_promised_lead_gets_its_row_and_nobody_else_gets_its_id() {
    let (_dir, mut ledger) = fresh();
    import(&mut ledger, "desk", &["+359881234501", "+359881234502"]);
    let (first, last) = ledger.reserve_leads(256).expect("reserved");
    assert_eq!((first, last), (LeadId(3), LeadId(258)));
    // A list that comes meanwhile, in one batch and row by row, goes on behind the promised ids.
    let numbers: Vec<String> = (0..64).map(|n| format!("+3598812346{n:02}")).collect();
    let numbers: Vec<&str> = numbers.iter().map(String::as_str).collect();
    import(&mut ledger, "desk", &numbers);
    let ids = |ledger: &Ledger| -> Vec<i64> {
        let mut ids = Vec::new();
        ledger.visit_callers(&slug("desk"), |lead, _, _| ids.push(lead.0)).expect("read");
        ids.sort_unstable();
        ids
    };
    assert_eq!(ids(&ledger)[2..], (259..=322).collect::<Vec<i64>>());
    // Two calls of one new number: one lead, the promised one.
    assert_eq!(ledger.take_call(&promised(1, "+359881234567", LeadId(4))), Ok(Some(LeadId(4))));
    assert_eq!(ledger.take_call(&promised(2, "+359881234567", LeadId(4))), Ok(Some(LeadId(4))));
    assert_eq!(ledger.take_call(&promised(3, "+359881234568", LeadId(3))), Ok(Some(LeadId(3))), "in whatever order");
    assert_eq!(ledger.person(LeadId(4)).expect("read").expect("there").phone, phone("+359881234567"));
    // The next process: ids that nobody got in the last one are nobody's for ever.
    assert_eq!(ledger.reserve_leads(256).expect("reserved").0, LeadId(323));
    // A storm that is faster than the ledger: ids are made when it is written down, beyond all promises.
    assert_eq!(ledger.take_call(&taken(4, Some("+359881234569"))), Ok(Some(LeadId(579))));
    let counts = import(&mut ledger, "other", &["+359881234567"]);
    assert_eq!((counts.added, counts.elsewhere), (1, 1));
}

#[test]
fn a_list_that_names_a_new_callers_number_first_keeps_its_lead_and_the_promise_points_to_it() {
    let (_dir, mut ledger) = fresh();
    let (first, _) = ledger.reserve_leads(10).expect("reserved");
    let counts = import(&mut ledger, "desk", &["+359881234567"]);
    assert_eq!(counts.added, 1);
    let lead = ledger.take_call(&promised(1, "+359881234567", first)).expect("taken").expect("a lead");
    assert_eq!(lead, LeadId(11), "the list was first");
    assert_eq!(ledger.lead_behind(first), Ok(lead));
    assert_eq!(ledger.person(first).expect("read").expect("there").phone, phone("+359881234567"));
    assert_eq!(ledger.calls_by(lead).expect("read").len(), 1);
    assert_eq!(ledger.ready_leads(&slug("desk"), 10, None).expect("read").len(), 1, "and is called as the list says");
    // The id stays promised to this person: it is nobody else's row, not even if somebody asks for it.
    let other = ledger.take_call(&promised(2, "+359881234568", first)).expect("taken").expect("a lead");
    assert!(other != first && other != lead);
    assert_eq!(ledger.lead_behind(first), Ok(lead));
}

#[test]
fn a_promise_that_an_erasure_has_overtaken_makes_nobody_the_lead_of_another() {
    let (_dir, mut ledger) = fresh();
    let (first, _) = ledger.reserve_leads(10).expect("reserved");
    let lead = ledger.take_call(&promised(1, "+359881234567", first)).expect("taken").expect("a lead");
    ledger.erase(&[lead], &[phone("+359881234567")], NOW).expect("erased");
    // The desk's memory still has the number: who calls again is somebody new.
    let again = ledger.take_call(&promised(2, "+359881234567", first)).expect("taken").expect("a lead");
    assert_ne!(again, lead);
    assert_eq!((ledger.calls_by(lead).expect("read").len(), ledger.calls_by(again).expect("read").len()), (1, 1));
}

#[test]
fn an_import_that_takes_a_caller_over_in_its_last_row_is_undone_whole() {
    let (_dir, mut ledger) = fresh();
    ledger.take_call(&taken(1, Some("+359881234567"))).expect("taken");
    let campaign = slug("desk");
    let id = ledger.begin_import(&campaign, "leads.csv", NOW).expect("begun");
    let rows: Vec<Lead> = ["+359881234501", "+359881234502", "+359881234567"].map(lead).to_vec();
    ledger.import_chunk(&campaign, id, &rows, NOW).expect("imported");
    let undone = ledger.undo_plan(id).expect("planned");
    assert_eq!((undone.removed, undone.called), (2, 1), "who called us stays");
}

/// A caller who is to be called back: the call, their lead.
fn wished(ledger: &mut Ledger, n: u8, caller: &str) -> (CallId, LeadId) {
    let call = taken(n, Some(caller));
    let lead = ledger.take_call(&call).expect("taken").expect("a lead");
    ledger.make_wish(call.call, lead, NOW, NOW + Duration::from_secs(3_600)).expect("kept");
    (call.call, lead)
}

/// The unit that calls somebody back.
fn call_back(ledger: &mut Ledger, n: u8, wish: CallId, lead: LeadId, at: Wall) -> Result<bool, ClaimRefused> {
    ledger.atomically(|ledger| {
        if !ledger.admit_wish(wish, "call back; 2026-11-26; key", at)? {
            return Ok(false);
        }
        let card = ledger.lead_card(lead)?.expect("there");
        ledger.claim(&claim_of(n, "desk", &card, at))?;
        ledger.wish_is_placed(wish, attempt_id(n), at).map_err(ClaimRefused::from)
    })
}

#[test]
fn a_wish_becomes_one_call_whoever_asks_again_and_a_refused_one_leaves_the_lead_as_it_was() {
    let (_dir, mut ledger) = fresh();
    let (wish, lead) = wished(&mut ledger, 1, "+359881234567");
    let (again, _) = wished(&mut ledger, 2, "+359881234567");
    assert_eq!(
        (ledger.open_wishes(10).expect("read").len(), ledger.wish(again)),
        (1, Ok(None)),
        "they are called once"
    );
    // Suppressed meanwhile: nothing of the try stays.
    let refused = ledger.atomically(|ledger| {
        assert_eq!(ledger.admit_wish(wish, "call back; 2026-11-26; key", NOW), Ok(true));
        Err::<(), _>(LedgerFault::Busy)
    });
    assert_eq!(refused, Err(LedgerFault::Busy));
    assert_eq!(state_of(&ledger, lead), LeadState::Blocked(BlockReason::CalledUs));
    assert_eq!(ledger.lead_card(lead).expect("read").expect("there").consent, None);
    // Called: in one unit with the wish. A second process, or the same one after a crash, finds nothing open.
    assert_eq!(call_back(&mut ledger, 1, wish, lead, NOW), Ok(true));
    assert_eq!(call_back(&mut ledger, 2, wish, lead, NOW), Ok(false));
    assert_eq!((ledger.open_wishes(10), state_of(&ledger, lead)), (Ok(Vec::new()), LeadState::Held(attempt_id(1))));
    let card = ledger.lead_card(lead).expect("read").expect("there");
    assert!(card.consent.is_some_and(|it| it.contains("key")));
    assert_eq!(card.language.map(|it| it.to_string()).as_deref(), Some("en"), "they are greeted as they were");
    let row = ledger.wish(wish).expect("read").expect("there");
    assert_eq!((row.state.as_str(), row.call), ("placed", Some(attempt_id(1).call())));
    ledger.drop_wish(wish, "late", NOW).expect("nothing to drop");
    let fault = ledger.write("UPDATE wish SET state = 'open', attempt = NULL, ended_at = NULL", []);
    assert!(fault.is_err_and(|fault| fault.to_string().contains("one call, or none")));
    // They call again, and wish again: that is another one.
    let (third, _) = wished(&mut ledger, 3, "+359881234567");
    assert!(ledger.wish(third).expect("read").is_some());
}

#[test]
fn a_wish_ends_with_its_time_and_with_its_person() {
    let (_dir, mut ledger) = fresh();
    let (late, lead) = wished(&mut ledger, 1, "+359881234567");
    assert_eq!(call_back(&mut ledger, 1, late, lead, NOW + Duration::from_secs(3_600)), Ok(false));
    ledger.drop_wish(late, "wish_over", NOW).expect("dropped");
    assert_eq!(ledger.wish(late).expect("read").expect("there").reason.as_deref(), Some("wish_over"));
    let (gone, lead) = wished(&mut ledger, 2, "+359881234568");
    ledger.erase(&[lead], &[phone("+359881234568")], NOW).expect("erased");
    assert_eq!(ledger.wish(gone).expect("read").expect("there").reason.as_deref(), Some("forgotten"));
    assert_eq!(call_back(&mut ledger, 3, gone, lead, NOW), Ok(false));
}
