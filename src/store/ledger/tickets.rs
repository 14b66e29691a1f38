//! Open tickets by phone: why somebody may be calling.

use rusqlite::params;

use super::{Ledger, LedgerFault, codec};
use crate::base::{Phone, Wall};
use crate::core::inbound::Ticket;

/// A ticket in lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TicketRow {
    /// The ticket.
    pub ticket: Ticket,
    /// Whose.
    pub phone: Phone,
    /// When it was closed; `None` = it is open.
    pub closed_at: Option<Wall>,
}

/// What bringing tickets in came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct TicketCounts {
    /// New ones.
    pub opened: u64,
    /// Known ones that say something else now, or are open again.
    pub changed: u64,
    /// Known ones that say the same.
    pub same: u64,
    /// Open ones that are not among them any more.
    pub closed: u64,
}

impl Ledger {
    /// Opens tickets, or brings them up to date by their reference. `rest`: every other open ticket is closed. One unit.
    pub fn open_tickets(
        &mut self,
        tickets: &[(Phone, Ticket)],
        rest: bool,
        now: Wall,
    ) -> Result<TicketCounts, LedgerFault> {
        self.atomically(|ledger| {
            let mut counts = TicketCounts::default();
            for (phone, ticket) in tickets {
                let known = ledger.ticket(&ticket.reference)?;
                let same = known.as_ref().is_some_and(|known| {
                    let Ticket { kind, note, .. } = &known.ticket;
                    known.closed_at.is_none() && (kind, note, &known.phone) == (&ticket.kind, &ticket.note, phone)
                });
                match known {
                    Some(_) if same => counts.same += 1,
                    Some(_) => counts.changed += 1,
                    None => counts.opened += 1,
                }
                if !same {
                    ledger.write(
                        "INSERT INTO ticket (reference, phone, kind, note, state, opened_at) VALUES (?1, ?2, ?3, ?4, 'open', ?5) \
                         ON CONFLICT (reference) DO UPDATE SET phone = excluded.phone, kind = excluded.kind, \
                             note = excluded.note, state = 'open', closed_at = NULL, \
                             opened_at = CASE state WHEN 'open' THEN opened_at ELSE excluded.opened_at END",
                        params![ticket.reference, phone.expose(), ticket.kind, ticket.note, ticket.opened.0],
                    )?;
                }
            }
            if rest {
                let kept: std::collections::HashSet<&str> =
                    tickets.iter().map(|(_, ticket)| ticket.reference.as_str()).collect();
                for row in ledger.tickets(true, None, u32::MAX)? {
                    if !kept.contains(row.ticket.reference.as_str()) {
                        counts.closed += u64::from(ledger.close_ticket(&row.ticket.reference, now)?);
                    }
                }
            }
            Ok(counts)
        })
    }

    /// Closes a ticket; false if it was not open.
    pub fn close_ticket(&mut self, reference: &str, now: Wall) -> Result<bool, LedgerFault> {
        let changed = self.write(
            "UPDATE ticket SET state = 'closed', closed_at = ?2 WHERE reference = ?1 AND state = 'open'",
            (reference, now.0),
        )?;
        Ok(changed > 0)
    }

    fn ticket(&self, reference: &str) -> Result<Option<TicketRow>, LedgerFault> {
        self.one("SELECT * FROM ticket WHERE reference = ?1", [reference], ticket_row)
    }

    /// Tickets, newest first: open ones, or all; of one number, or of all.
    pub fn tickets(&self, open: bool, phone: Option<&Phone>, limit: u32) -> Result<Vec<TicketRow>, LedgerFault> {
        self.rows(
            "SELECT * FROM ticket WHERE (NOT ?1 OR state = 'open') AND (?2 IS NULL OR phone = ?2) \
             ORDER BY opened_at DESC, id DESC LIMIT ?3",
            (open, phone.map(Phone::expose), limit),
            ticket_row,
        )
    }

    /// A number that changes whenever a ticket does.
    pub fn ticket_version(&self) -> Result<i64, LedgerFault> {
        let found = self.one("SELECT changes FROM ticket_version", [], |row| Ok(row.get::<_, i64>(0)?))?;
        Ok(found.unwrap_or(0))
    }
}

fn ticket_row(row: &rusqlite::Row<'_>) -> Result<TicketRow, LedgerFault> {
    Ok(TicketRow {
        ticket: Ticket {
            reference: row.get("reference")?,
            kind: row.get("kind")?,
            note: row.get("note")?,
            opened: codec::wall(row, "opened_at")?,
        },
        phone: codec::phone(row, "phone")?,
        closed_at: row.get::<_, Option<i64>>("closed_at")?.map(Wall),
    })
}
