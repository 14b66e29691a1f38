//! `POST /api/tickets`: why somebody may be calling. A desk that answers calls sees it within its next look.

use serde_json::json;

use super::House;
use crate::core::api::Answer;
use crate::core::api::ticket::{TicketOrder, read_ticket};
use crate::edge::api::Asked;
use crate::store::ledger::{Ledger, LedgerFault};

impl House {
    /// Opens, changes or closes a ticket. Answered when it is durable; a repeat changes nothing.
    pub(super) async fn ticket(&self, asked: &Asked) -> Answer {
        let now = self.engine.clock().wall();
        let order = match read_ticket(&asked.body, now) {
            Ok(order) => order,
            Err(answer) => return *answer,
        };
        let written = self.engine.ledger().run(move |ledger: &mut Ledger| match order {
            TicketOrder::Open(phone, ticket) => {
                let reference = ticket.reference.clone();
                let counts = ledger.open_tickets(&[(phone, ticket)], false, now)?;
                Ok::<_, LedgerFault>(json!({ "reference": reference, "state": "open", "changed": counts.same == 0 }))
            }
            TicketOrder::Close(reference) => {
                let changed = ledger.close_ticket(&reference, now)?;
                Ok(json!({ "reference": reference, "state": "closed", "changed": changed }))
            }
        });
        match self.look(written).await {
            Some(Ok(body)) => Answer::json(200, body),
            Some(Err(fault)) => {
                tracing::warn!(%fault, "a ticket could not be written down");
                Answer::refused(503, "ledger", "the ledger cannot be written now").after(5)
            }
            None => Answer::refused(503, "ledger", "the ledger is busy; repeat the request").after(5),
        }
    }
}
