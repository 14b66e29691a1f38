//! Calls at the carrier that this ledger did not make: of another system, or of a newer copy of this ledger.

use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use uuid::Uuid;

use super::{CarrierFact, ForeignCall, ForeignCounts, Ledger, LedgerFault, PhoneHistory, codec};
use crate::base::{AttemptId, LeadId, Phone, Sid, Slug, Wall, limits};
use crate::core::config::account::account_id;
use crate::core::dial::attempt::Source;
use crate::core::dial::sweep::CLOCK_SLACK;
use crate::core::dial::{Outcome, VerdictPolicy};

impl Ledger {
    /// Whether this ledger knows a call of an account: made by an attempt, or written down as a stranger's. What counts is
    /// the account at the carrier: a carrier that was renamed in ahoy.toml keeps its calls.
    pub fn knows_call(&self, account: &str, sid: &Sid) -> Result<bool, LedgerFault> {
        let found = self.one(
            "SELECT 1 FROM attempt WHERE sid = ?2 AND substr(account, -length(?1)) = ?1 \
             UNION ALL SELECT 1 FROM unwanted_call WHERE sid = ?2 AND substr(account, -length(?1)) = ?1 \
             UNION ALL SELECT 1 FROM foreign_call WHERE sid = ?2 AND substr(account, -length(?1)) = ?1 \
             LIMIT 1",
            (tail(account), sid.as_str()),
            |_| Ok(()),
        )?;
        Ok(found.is_some())
    }

    /// The attempt without a call whose order can have made this one: same numbers, and made while it was on its way.
    pub fn attempt_on_its_way(
        &self,
        account: &str,
        call: &ForeignCall,
        caller: &Phone,
    ) -> Result<Option<AttemptId>, LedgerFault> {
        let ms = |span: Duration| i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
        self.one(
            "SELECT id FROM attempt WHERE phone = ?1 AND substr(account, -length(?2)) = ?2 AND caller = ?3 \
             AND sid IS NULL AND ((state IN ('intent', 'unknown') AND intent_at - ?5 <= ?4) \
                 OR (intent_at - ?6 <= ?4 AND send_by + ?7 >= ?4)) ORDER BY abs(intent_at - ?4) LIMIT 1",
            (
                call.to.expose(),
                tail(account),
                caller.expose(),
                call.made_at.0,
                ms(CLOCK_SLACK),
                ms(limits::SURFACE_SLACK),
                ms(limits::PLACE_TIMEOUT + limits::SURFACE_SLACK),
            ),
            |row| Ok(AttemptId(codec::uuid(row, "id")?)),
        )
    }

    /// When this ledger last claimed on an account. Ids of attempts sort by time.
    pub fn last_claim(&self, account: &str) -> Result<Option<Wall>, LedgerFault> {
        self.one(
            "SELECT intent_at FROM attempt WHERE substr(account, -length(?1)) = ?1 ORDER BY id DESC LIMIT 1",
            [tail(account)],
            |row| codec::wall(row, "intent_at"),
        )
    }

    /// Writes down calls of strangers, so that nobody is rung by two ledgers as if by one.
    ///
    /// A call to a ready lead of a campaign in `lines` (those that dial from its number) becomes an attempt of that lead,
    /// and the carrier's word about it its outcome. Every other call counts towards the caps of its number.
    pub fn import_foreign(
        &mut self,
        account: &str,
        calls: &[ForeignCall],
        lines: &[(Slug, VerdictPolicy)],
        now: Wall,
    ) -> Result<ForeignCounts, LedgerFault> {
        self.atomically(|ledger| {
            let mut counts = ForeignCounts::default();
            for call in calls {
                if ledger.knows_call(account, &call.sid)? {
                    continue;
                }
                let mut adopter = None;
                for (campaign, policy) in lines {
                    if let Some(lead) = ledger.ready_lead(campaign, &call.to)? {
                        adopter = Some((campaign, policy, lead));
                        break;
                    }
                }
                let open = ledger.phone_history(&call.to, now)?.open;
                match adopter.filter(|_| !open) {
                    Some((campaign, policy, lead)) => {
                        ledger.adopt(account, call, campaign, policy, lead, now)?;
                        counts.adopted += 1;
                    }
                    None => {
                        let name = ledger.foreign_name(&call.to);
                        ledger.write(
                            "INSERT INTO foreign_call (account, sid, phone, made_at, status, seen_at) \
                             VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING",
                            (account, call.sid.as_str(), name.as_slice(), call.made_at.0, call.status.as_str(), now.0),
                        )?;
                        counts.counted += 1;
                    }
                }
            }
            let detail = format!("{} adopted by leads, {} counted towards caps", counts.adopted, counts.counted);
            ledger.audit("reconcile_import", account, &detail, now)?;
            Ok(counts)
        })
    }

    fn ready_lead(&self, campaign: &Slug, phone: &Phone) -> Result<Option<LeadId>, LedgerFault> {
        self.one(
            "SELECT id FROM lead WHERE campaign = (SELECT id FROM campaign WHERE name = ?1) AND phone = ?2 \
             AND state = 'ready'",
            (campaign.as_str(), phone.expose()),
            |row| Ok(LeadId(row.get("id")?)),
        )
    }

    /// The call becomes an attempt of this lead, as a claim and the carrier's word would have made it.
    fn adopt(
        &mut self,
        account: &str,
        call: &ForeignCall,
        campaign: &Slug,
        policy: &VerdictPolicy,
        lead: LeadId,
        now: Wall,
    ) -> Result<(), LedgerFault> {
        let mut random = [0; 10];
        random.copy_from_slice(&self.foreign_mac(call.sid.as_str())[..10]);
        let attempt = AttemptId::mint(u64::try_from(call.made_at.0).unwrap_or(0), random);
        self.write(
            "INSERT INTO attempt (id, campaign, lead, phone, caller, account, language, greeting, policy, owner, \
                                  intent_at, send_by, release_after, state) \
             VALUES (?1, (SELECT id FROM campaign WHERE name = ?2), ?3, ?4, ?5, ?6, \
                     (SELECT coalesce(language, 'und') FROM lead WHERE id = ?3), '', ?7, ?8, ?9, ?9, ?9, 'unknown')",
            (
                attempt.0.as_bytes(),
                campaign.as_str(),
                lead.0,
                call.to.expose(),
                call.from.expose(),
                account,
                codec::to_json(policy)?,
                Uuid::nil().as_bytes(),
                call.made_at.0,
            ),
        )?;
        self.write(
            "UPDATE lead SET state = 'held', due = NULL, attempt = ?2, caller = ?3, changed_at = ?4 WHERE id = ?1",
            (lead.0, attempt.0.as_bytes(), call.from.expose(), now.0),
        )?;
        let fact = CarrierFact {
            attempt,
            key: format!("{}:{}", call.sid, call.status),
            sid: call.sid.clone(),
            source: Source::Listing,
            status: call.status,
            at: call.made_at,
            duration_s: call.duration_s,
            body: "imported from the carrier's list".to_owned(),
        };
        self.fact(&fact, now)?;
        Ok(())
    }

    /// Calls of strangers to a number, in the spans that caps count.
    pub(super) fn foreign_to(&self, phone: &Phone, now: Wall) -> Result<PhoneHistory, LedgerFault> {
        let day = 86_400_000;
        let found = self.one(
            "SELECT coalesce(sum(made_at > ?2), 0) AS day, coalesce(sum(made_at > ?3), 0) AS month, \
                    max(made_at) AS last FROM foreign_call WHERE phone = ?1",
            (self.foreign_name(phone).as_slice(), now.0 - day, now.0 - 30 * day),
            |row| {
                Ok(PhoneHistory {
                    last_at: codec::maybe_wall(row, "last")?,
                    in_24h: row.get("day")?,
                    in_30d: row.get("month")?,
                    open: false,
                })
            },
        )?;
        Ok(found.unwrap_or_default())
    }

    /// Numbers of strangers are kept as keyed hashes: they may be of people who are nobody's leads here.
    pub(super) fn foreign_name(&self, phone: &Phone) -> [u8; 32] {
        self.foreign_mac(phone.expose())
    }

    fn foreign_mac(&self, text: &str) -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.token_key()).expect("HMAC takes keys of any length");
        mac.update(b"ahoy foreign 1 ");
        mac.update(text.as_bytes());
        mac.finalize().into_bytes().into()
    }

    /// Attempts in facts that this ledger does not know: how many, and when the last one was heard of.
    pub fn orphan_attempts(&self) -> Result<(u64, Option<Wall>), LedgerFault> {
        let found = self.one(
            "SELECT count(DISTINCT attempt) AS attempts, max(seen_at) AS last FROM fact WHERE orphan = 1",
            [],
            |row| Ok((codec::count(row, "attempts")?, codec::maybe_wall(row, "last")?)),
        )?;
        Ok(found.unwrap_or_default())
    }

    /// Leads that wait for a person, by reason.
    pub fn review_leads(&self) -> Result<Vec<(String, u64)>, LedgerFault> {
        self.rows(
            "SELECT reason, count(*) AS leads FROM lead WHERE state = 'review' AND state != 'ready' \
             GROUP BY reason ORDER BY reason",
            [],
            |row| Ok((row.get("reason")?, codec::count(row, "leads")?)),
        )
    }

    /// Leads in review, by row or by reason (`None`: all that are), at most `limits::LIST_ROWS`.
    fn reviewed(&self, lead: Option<LeadId>, reason: Option<&str>) -> Result<Vec<LeadId>, LedgerFault> {
        self.rows(
            "SELECT id FROM lead WHERE state = 'review' AND state != 'ready' AND (?1 IS NULL OR id = ?1) \
             AND (?2 IS NULL OR reason = ?2) ORDER BY id LIMIT ?3",
            (lead.map(|lead| lead.0), reason, limits::LIST_ROWS),
            |row| Ok(LeadId(row.get("id")?)),
        )
    }

    /// A person lets leads out of review: they are ready again. A last try that the evidence shows was never made is given
    /// back; one that nobody could tell about is given back to the lead, but counts towards the caps of its number. Gives
    /// how many.
    pub fn let_out(&mut self, lead: Option<LeadId>, reason: Option<&str>, now: Wall) -> Result<u64, LedgerFault> {
        self.atomically(|ledger| {
            let leads = ledger.reviewed(lead, reason)?;
            for lead in &leads {
                ledger.write(
                    "UPDATE attempt SET uses = 0 WHERE id = (SELECT id FROM attempt WHERE lead = ?1 \
                     AND outcome = 'not_placed' ORDER BY intent_at DESC LIMIT 1)",
                    [lead.0],
                )?;
                ledger.write(
                    "UPDATE lead SET state = 'ready', reason = NULL, due = ?2, changed_at = ?2, \
                         tries = (SELECT count(*) FROM attempt WHERE lead = ?1 AND uses = 1 AND outcome NOT IN ('unresolved', 'call_back')) \
                     WHERE id = ?1",
                    (lead.0, now.0),
                )?;
                ledger.audit("lead_release", &lead.to_string(), reason.unwrap_or("by hand"), now)?;
            }
            Ok(leads.len() as u64)
        })
    }

    /// A person closes leads that are in review: they are never called again by their campaign. Gives how many.
    pub fn close_reviewed(
        &mut self,
        lead: Option<LeadId>,
        reason: Option<&str>,
        now: Wall,
    ) -> Result<u64, LedgerFault> {
        self.atomically(|ledger| {
            let leads = ledger.reviewed(lead, reason)?;
            for lead in &leads {
                ledger.write(
                    "UPDATE lead SET state = 'done', due = NULL, changed_at = ?4, \
                         reason = CASE reason WHEN ?3 THEN ?3 ELSE ?2 END WHERE id = ?1",
                    (lead.0, Outcome::NotPlaced.as_str(), Outcome::Unresolved.as_str(), now.0),
                )?;
                ledger.audit("lead_close", &lead.to_string(), reason.unwrap_or("by hand"), now)?;
            }
            Ok(leads.len() as u64)
        })
    }
}

/// How every spelling of an account ends: with the provider's own id.
fn tail(account: &str) -> String {
    format!(":{}", account_id(account))
}
