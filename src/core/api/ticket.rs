//! `POST /api/tickets`: one ticket opened, brought up to date, or closed.

use serde::Deserialize;

use super::Answer;
use crate::base::text::masked;
use crate::base::{Phone, Wall};
use crate::core::inbound::Ticket;

/// Characters of a reference, a kind.
const WORD_CHARS: usize = 64;
/// Characters of a note.
const NOTE_CHARS: usize = 1_000;

/// What becomes of a ticket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TicketOrder {
    /// It is open, and says this.
    Open(Phone, Ticket),
    /// It is closed: its reference.
    Close(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Typed {
    reference: String,
    #[serde(default)]
    phone: Option<String>,
    #[serde(default)]
    kind: Option<String>,
    #[serde(default)]
    note: Option<String>,
    #[serde(default)]
    state: TypedState,
}

#[derive(Deserialize, Default, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum TypedState {
    #[default]
    Open,
    Closed,
}

/// Reads a request. The answer of a refusal repeats no number.
pub fn read_ticket(body: &[u8], now: Wall) -> Result<TicketOrder, Box<Answer>> {
    let bad = |reason: &str, message: &str| Box::new(Answer::refused(400, reason, message));
    let typed: Typed =
        serde_json::from_slice(body).map_err(|fault| bad("bad_body", &masked(&format!("the body: {fault}"))))?;
    let fits = |text: &str| (1..=WORD_CHARS).contains(&text.chars().count());
    let reference = typed.reference.trim().to_owned();
    if !fits(&reference) {
        return Err(bad("bad_ticket", "`reference` has 1 to 64 characters"));
    }
    if typed.state == TypedState::Closed {
        return Ok(TicketOrder::Close(reference));
    }
    let (Some(phone), Some(kind)) = (typed.phone, typed.kind) else {
        return Err(bad("bad_ticket", "an open ticket has `phone` and `kind`"));
    };
    let phone = Phone::parse(&phone, None).map_err(|fault| bad("bad_ticket", &format!("`phone`: {fault}")))?;
    let kind = kind.trim().to_owned();
    let note = typed.note.map(|note| note.trim().to_owned()).filter(|note| !note.is_empty());
    if !fits(&kind) || note.as_ref().is_some_and(|note| note.chars().count() > NOTE_CHARS) {
        return Err(bad("bad_ticket", "`kind` has 1 to 64 characters, `note` at most 1,000"));
    }
    Ok(TicketOrder::Open(phone, Ticket { reference, kind, note, opened: now }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Result<TicketOrder, String> {
        read_ticket(body.as_bytes(), Wall(7)).map_err(|answer| format!("{:?}", answer.body))
    }

    #[test]
    fn a_ticket_is_opened_or_closed_by_its_reference_and_a_fault_repeats_no_number() {
        let open = read("{\"reference\":\" T-1 \",\"phone\":\"+44 20 7946 0000\",\"kind\":\"internet\",\"note\":\"\"}");
        let Ok(TicketOrder::Open(phone, ticket)) = open else { panic!("{open:?}") };
        assert_eq!((phone.expose(), ticket.reference.as_str(), ticket.note), ("+442079460000", "T-1", None));
        assert_eq!(read("{\"reference\":\"T-1\",\"state\":\"closed\"}"), Ok(TicketOrder::Close("T-1".to_owned())));
        for body in [
            "{\"reference\":\"T-1\"}",
            "{\"reference\":\"\",\"state\":\"closed\"}",
            "{\"reference\":\"T-1\",\"phone\":\"020 7946 0000\",\"kind\":\"x\"}",
            "{\"reference\":\"T-1\",\"phone\":\"+442079460000\",\"kind\":\"\"}",
            "{\"reference\":\"T-1\",\"state\":\"+442079460000\"}",
            "{\"reference\":\"T-1\",\"+442079460000\":1}",
        ] {
            let fault = read(body).expect_err(body);
            assert!(fault.contains("bad_") && !fault.contains("79460"), "{body}: {fault}");
        }
    }
}
