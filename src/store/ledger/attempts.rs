//! Attempts: claim, settle, sweep. What a move means is `core/dial/attempt`'s; here it is written down, whole or not at all.

use rusqlite::{OptionalExtension, Row};
use uuid::Uuid;

use super::{
    CampaignState, CarrierFact, Claim, ClaimRefused, FactResult, LeadStateName, Ledger, LedgerFault, OpenAttempt,
    Settled, codec,
};
use crate::base::{AttemptId, LeadId, Phone, Sid, Slug, Wall};
use crate::core::dial::attempt::{Alarm, Input, LeadMove, Standing, State, Step, step};
use crate::core::dial::verdict::{Ended, verdict};
use crate::core::dial::{Outcome, Verdict, VerdictPolicy};

/// An attempt with its lead, as the machine needs it.
pub(super) struct Known {
    pub attempt: AttemptId,
    pub lead: LeadId,
    pub campaign: Slug,
    pub phone: Phone,
    pub account: String,
    pub policy: VerdictPolicy,
    pub standing: Standing,
    pub outcome: Option<Outcome>,
    pub closed_at: Option<Wall>,
    lead_state: LeadStateName,
    held_by: Option<AttemptId>,
    newest: bool,
}

impl Ledger {
    /// Claims a lead: intent written, lead held, both durable when the unit is. Everything that may have changed since
    /// the desk looked is looked at again, inside the same transaction.
    pub fn claim(&mut self, claim: &Claim) -> Result<(), ClaimRefused> {
        self.may_claim()?;
        self.atomically(|ledger| {
            ledger.check_claim(claim)?;
            ledger.write(
                "INSERT INTO attempt (id, campaign, lead, phone, caller, account, language, greeting, policy, owner, \
                                      intent_at, send_by, release_after, state) \
                 VALUES (?1, (SELECT id FROM campaign WHERE name = ?2), ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, \
                         'intent')",
                rusqlite::params![
                    claim.attempt.0.as_bytes(),
                    claim.campaign.as_str(),
                    claim.lead.0,
                    claim.phone.expose(),
                    claim.caller.expose(),
                    claim.account,
                    claim.language.as_str(),
                    claim.greeting,
                    codec::to_json(&claim.policy)?,
                    claim.owner.as_bytes(),
                    claim.intent_at.0,
                    claim.send_by.0,
                    claim.release_after.0,
                ],
            )?;
            ledger.write(
                "UPDATE lead SET state = 'held', due = NULL, attempt = ?2, caller = ?3, changed_at = ?4 \
                 WHERE id = ?1",
                (claim.lead.0, claim.attempt.0.as_bytes(), claim.caller.expose(), claim.intent_at.0),
            )?;
            Ok(())
        })
    }

    fn check_claim(&self, claim: &Claim) -> Result<(), ClaimRefused> {
        if let Some(reason) = self.account_stop(&claim.account)? {
            return Err(ClaimRefused::AccountStopped(reason));
        }
        if self.campaign_state(&claim.campaign)? != Some(CampaignState::Running) {
            return Err(ClaimRefused::NotRunning);
        }
        // The run pauses it at its next look, with the reason; no attempt goes over the bound until then.
        if self.is_used_up(&claim.campaign)? {
            return Err(ClaimRefused::NotRunning);
        }
        if self.rests(&claim.account, &claim.caller, claim.intent_at)? {
            return Err(ClaimRefused::CallerRests);
        }
        let ready = self.one(
            "SELECT tries FROM lead WHERE id = ?1 AND state = 'ready' AND due <= ?2 AND phone = ?3 \
             AND campaign = (SELECT id FROM campaign WHERE name = ?4)",
            (claim.lead.0, claim.intent_at.0, claim.phone.expose(), claim.campaign.as_str()),
            |row| Ok(row.get::<_, u32>(0)?),
        )?;
        let tries = ready.ok_or(ClaimRefused::NotReady)?;
        if tries >= claim.policy.attempts {
            return Err(ClaimRefused::Exhausted);
        }
        if self.is_suppressed(&claim.phone)? {
            return Err(ClaimRefused::Suppressed);
        }
        let history = self.phone_history(&claim.phone, claim.intent_at)?;
        if history.open {
            return Err(ClaimRefused::Open);
        }
        if let Some(last) = history.last_at
            && last + claim.caps.gap > claim.intent_at
        {
            return Err(ClaimRefused::Capped { until: last + claim.caps.gap });
        }
        for (used, cap, days) in [(history.in_24h, claim.caps.per_day, 1), (history.in_30d, claim.caps.per_30_days, 30)]
        {
            if used >= cap {
                let until = self.cap_ends(&claim.phone, cap, days * 86_400_000)?.unwrap_or(Wall(i64::MAX));
                return Err(ClaimRefused::Capped { until });
            }
        }
        Ok(())
    }

    /// Feeds the machine and writes down what it says: attempt, lead, call, alarms, in one unit.
    ///
    /// A carrier's fact given here gets the key `SID STATUS`; give it to [`Ledger::fact`] where there is a better one.
    /// An input that the machine does not list is written to `audit` and changes nothing ([`Settled::stray`]).
    pub fn settle(&mut self, attempt: AttemptId, input: Input, now: Wall) -> Result<Settled, LedgerFault> {
        self.atomically(|ledger| {
            let Input::Fact(told) = &input else { return ledger.apply(attempt, input, now) };
            let fact = CarrierFact {
                attempt,
                sid: told.sid.clone(),
                source: told.source,
                key: format!("{} {}", told.sid, told.status),
                status: told.status,
                at: now,
                duration_s: None,
                body: String::new(),
            };
            match ledger.fact(&fact, now)? {
                FactResult::Folded(settled) => Ok(settled),
                FactResult::Repeat => {
                    let known = ledger.known(attempt)?.ok_or(LedgerFault::Unknown("attempt"))?;
                    Ok(known.unchanged())
                }
                FactResult::Orphan => Err(LedgerFault::Unknown("attempt")),
            }
        })
    }

    /// One move of the machine, inside the caller's unit.
    pub(super) fn apply(&mut self, attempt: AttemptId, input: Input, now: Wall) -> Result<Settled, LedgerFault> {
        let known = self.known(attempt)?.ok_or(LedgerFault::Unknown("attempt"))?;
        let after = match &input {
            Input::Throttled { after } => *after,
            Input::FenceFailed
            | Input::NotSent
            | Input::Refused(_)
            | Input::AnswerLost
            | Input::OwnerGone
            | Input::ListedNone
            | Input::NoList
            | Input::Fact(_)
            | Input::Bridged => None,
        };
        let about = match &input {
            Input::Fact(fact) => Some(fact.clone()),
            Input::FenceFailed
            | Input::NotSent
            | Input::Throttled { .. }
            | Input::Refused(_)
            | Input::AnswerLost
            | Input::OwnerGone
            | Input::ListedNone
            | Input::NoList
            | Input::Bridged => None,
        };
        let step = match step(&known.standing, input) {
            Ok(step) => step,
            Err(stray) => {
                tracing::error!(%attempt, "{stray}");
                self.audit("stray", &attempt.to_string(), &stray.to_string(), now)?;
                return Ok(Settled { stray: true, ..known.unchanged() });
            }
        };
        self.write_standing(&known, &step, now)?;
        let mut settled = known.unchanged();
        settled.state = step.state;
        settled.sid = step.sid.clone();
        settled.end_call = step.end_call.clone();
        match step.lead {
            LeadMove::Stay => {}
            LeadMove::Hold => self.hold(&known, now)?,
            LeadMove::Release(outcome) => {
                let end = Ended { outcome, used: 0, at: now, after, suppressed: false };
                settled.outcome = Some(self.close(&known, &step, end, &mut settled.verdict)?);
            }
            LeadMove::Correct(outcome) => {
                let at = known.closed_at.unwrap_or(now);
                let end = Ended { outcome, used: 0, at, after: None, suppressed: false };
                settled.outcome = Some(self.close(&known, &step, end, &mut settled.verdict)?);
            }
        }
        if let Some(fact) = &about {
            self.unwanted(&known, &step, fact, now)?;
            self.unwanted_told(&known, &fact.sid, fact.status, now)?;
        }
        settled.alarms = self.raise(&known, &step.alarms, about.map(|fact| fact.sid).as_ref(), now)?;
        Ok(settled)
    }

    fn write_standing(&self, known: &Known, step: &Step, now: Wall) -> Result<(), LedgerFault> {
        let ending = matches!(step.lead, LeadMove::Release(_));
        self.write(
            "UPDATE attempt SET state = ?2, sid = ?3, end_source = ?4, end_status = ?5, \
                 outcome = CASE WHEN ?6 THEN coalesce(outcome, 'failed') WHEN ?7 THEN NULL ELSE outcome END, \
                 uses = CASE WHEN ?7 OR ?9 THEN 1 ELSE uses END, \
                 closed_at = CASE WHEN ?6 THEN coalesce(closed_at, ?8) WHEN ?7 THEN NULL ELSE closed_at END \
             WHERE id = ?1",
            rusqlite::params![
                known.attempt.0.as_bytes(),
                step.state.as_str(),
                step.sid.as_ref().map(Sid::as_str),
                step.end.map(|(source, _)| source.as_str()),
                step.end.map(|(_, status)| status.as_str()),
                ending,
                step.lead == LeadMove::Hold,
                now.0,
                step.state == State::Zombie,
            ],
        )?;
        if step.sid.is_some() {
            self.ensure_call(known)?;
        }
        Ok(())
    }

    /// The row of the call that this attempt became.
    pub(super) fn ensure_call(&self, known: &Known) -> Result<(), LedgerFault> {
        self.write(
            "INSERT INTO call (id, attempt, lead) VALUES (?1, ?1, ?2) ON CONFLICT DO NOTHING",
            (known.attempt.0.as_bytes(), known.lead.0),
        )?;
        Ok(())
    }

    /// A call surfaced for an attempt that had been released, and no newer one is open: it holds its lead again.
    fn hold(&self, known: &Known, now: Wall) -> Result<(), LedgerFault> {
        self.write(
            "UPDATE lead SET state = 'held', due = NULL, reason = NULL, attempt = ?2, changed_at = ?3 WHERE id = ?1",
            (known.lead.0, known.attempt.0.as_bytes(), now.0),
        )?;
        Ok(())
    }

    /// Writes an outcome, refined by the media's notes, and moves the lead if this attempt still decides about it.
    pub(super) fn close(
        &mut self,
        known: &Known,
        step: &Step,
        mut end: Ended,
        told: &mut Option<Verdict>,
    ) -> Result<Outcome, LedgerFault> {
        end.outcome = self.refined(known.attempt, end.outcome)?;
        // A call that the carrier ended because of our account never reached the lead.
        let uses = end.outcome.uses_attempt() || (step.sid.is_some() && end.outcome != Outcome::AccountRefused);
        self.write(
            "UPDATE attempt SET outcome = ?2, uses = ?3 WHERE id = ?1",
            (known.attempt.0.as_bytes(), end.outcome.as_str(), uses),
        )?;
        self.want_writings(known, end.outcome, end.at)?;
        end.used = self.count_tries(known.lead)?;
        end.suppressed = self.is_suppressed(&known.phone)?;
        let holds = known.held_by == Some(known.attempt);
        let free = known.newest && matches!(known.lead_state, LeadStateName::Ready | LeadStateName::Review);
        let corrects = known.newest && known.lead_state == LeadStateName::Done && known.outcome.is_some();
        if !(holds || free || corrects) {
            return Ok(end.outcome);
        }
        let reached = self.one(
            "SELECT outcome FROM attempt WHERE lead = ?1 AND id <> ?2 AND outcome IN ('opted_out', 'answered') LIMIT 1",
            (known.lead.0, known.attempt.0.as_bytes()),
            |row| codec::word::<Outcome>(row, "outcome"),
        )?;
        let verdict = match reached {
            Some(outcome) => Verdict::Done(outcome),
            None => verdict(end, &known.policy),
        };
        self.move_lead(known.lead, verdict, end.used, end.at)?;
        *told = Some(verdict);
        Ok(end.outcome)
    }

    fn move_lead(&self, lead: LeadId, verdict: Verdict, tries: u32, at: Wall) -> Result<(), LedgerFault> {
        let (state, due, reason) = match verdict {
            Verdict::Done(outcome) => (LeadStateName::Done, None, Some(outcome.as_str())),
            Verdict::ReadyAt(due) => (LeadStateName::Ready, Some(due.0), None),
            Verdict::Review(reason) => (LeadStateName::Review, None, Some(reason.as_str())),
            Verdict::Blocked(reason) => (LeadStateName::Blocked, None, Some(reason.as_str())),
        };
        self.write(
            "UPDATE lead SET state = ?2, due = ?3, reason = ?4, attempt = NULL, tries = ?5, changed_at = ?6 WHERE id = ?1",
            (lead.0, state.as_str(), due, reason, tries, at.0),
        )?;
        Ok(())
    }

    /// A call that its person wants to have another time is no try.
    fn count_tries(&self, lead: LeadId) -> Result<u32, LedgerFault> {
        let tries = self.one(
            "SELECT count(*) FROM attempt WHERE lead = ?1 AND uses = 1 AND outcome IS NOT NULL \
             AND outcome <> 'call_back'",
            [lead.0],
            |row| Ok(row.get::<_, u32>(0)?),
        )?;
        Ok(tries.unwrap_or(0))
    }

    /// An outcome as the media side saw it.
    pub(super) fn refined(&self, attempt: AttemptId, outcome: Outcome) -> Result<Outcome, LedgerFault> {
        let notes = self.one(
            "SELECT opted_out, unheard AND first_audio_us IS NULL AS unheard, coalesce(machine, 0) AS machine, \
                    message_left, call_back FROM call WHERE attempt = ?1",
            [attempt.0.as_bytes()],
            |row| {
                Ok(match row.get::<_, bool>("opted_out")? {
                    true => Some(Outcome::OptedOut),
                    false if row.get("unheard")? => Some(Outcome::Unheard),
                    false if row.get("machine")? && row.get("message_left")? => Some(Outcome::MessageLeft),
                    false if row.get("machine")? => Some(Outcome::Voicemail),
                    false if row.get("call_back")? => Some(Outcome::CallBack),
                    false => None,
                })
            },
        )?;
        let by_account = outcome == Outcome::Failed
            && self
                .one(
                    "SELECT 1 FROM attempt WHERE id = ?1 AND account_code IS NOT NULL",
                    [attempt.0.as_bytes()],
                    |_| Ok(()),
                )?
                .is_some();
        Ok(match (outcome, notes.flatten()) {
            (_, Some(Outcome::OptedOut)) => Outcome::OptedOut,
            (_, _) if by_account => Outcome::AccountRefused,
            (Outcome::Answered, Some(finer)) => finer,
            (outcome, _) => outcome,
        })
    }

    /// Keeps alarms, each once per attempt and call; returns those that are new. Some stop the account.
    fn raise(
        &mut self,
        known: &Known,
        alarms: &[Alarm],
        about: Option<&Sid>,
        now: Wall,
    ) -> Result<Vec<Alarm>, LedgerFault> {
        let mut fresh = Vec::new();
        for alarm in alarms {
            let added = self.write(
                "INSERT INTO alarm (attempt, kind, sid, account, at) VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING",
                (
                    known.attempt.0.as_bytes(),
                    alarm.as_str(),
                    about.map_or("", Sid::as_str),
                    known.account.as_str(),
                    now.0,
                ),
            )?;
            if added == 0 {
                continue;
            }
            tracing::error!(attempt = %known.attempt, account = %known.account, "alarm: {}", alarm.as_str());
            if let Some(kind) = alarm.stop() {
                let reason = format!("{} (attempt {})", alarm.as_str(), known.attempt);
                self.stop_account(&known.account, kind, &reason, &[known.attempt], now)?;
            }
            fresh.push(*alarm);
        }
        Ok(fresh)
    }

    /// An attempt as the machine needs it; `None` if the ledger does not know it.
    pub(super) fn known(&self, attempt: AttemptId) -> Result<Option<Known>, LedgerFault> {
        self.one(
            "SELECT a.id, a.lead, c.name AS campaign, a.phone, a.account, a.policy, a.state, a.sid, a.end_source, \
                    a.end_status, a.outcome, a.closed_at, l.state AS lead_state, l.attempt AS held_by, \
                    EXISTS (SELECT 1 FROM attempt o WHERE o.lead = a.lead AND o.id <> a.id \
                            AND o.state IN ('intent', 'unknown', 'placed', 'ringing', 'answered', 'bridged')) \
                 OR EXISTS (SELECT 1 FROM attempt o WHERE o.phone = a.phone AND o.id <> a.id \
                            AND o.state IN ('intent', 'unknown', 'placed', 'ringing', 'answered', 'bridged')) \
                    AS newer_open, \
                    NOT EXISTS (SELECT 1 FROM attempt o WHERE o.lead = a.lead AND o.id <> a.id \
                                AND o.intent_at > a.intent_at) AS newest \
             FROM attempt a JOIN lead l ON l.id = a.lead JOIN campaign c ON c.id = a.campaign WHERE a.id = ?1",
            [attempt.0.as_bytes()],
            known_row,
        )
    }

    /// Notes that the carrier was asked about an attempt.
    pub fn asked(&mut self, attempt: AttemptId, now: Wall) -> Result<(), LedgerFault> {
        self.write(
            "UPDATE attempt SET asked = asked + 1, last_asked = ?2 WHERE id = ?1",
            (attempt.0.as_bytes(), now.0),
        )?;
        Ok(())
    }

    /// Attempts whose call exists or may exist (zombies that have not ended included), oldest first. `None`: of all accounts.
    pub fn open_attempts(&self, account: Option<&str>) -> Result<Vec<OpenAttempt>, LedgerFault> {
        self.rows(
            "SELECT a.*, c.name AS campaign_name FROM attempt a JOIN campaign c ON c.id = a.campaign \
             WHERE a.id IN (SELECT id FROM attempt \
                            WHERE state IN ('intent', 'unknown', 'placed', 'ringing', 'answered', 'bridged') \
                            UNION ALL SELECT id FROM attempt WHERE state = 'zombie' AND end_status IS NULL) \
               AND (?1 IS NULL OR a.account = ?1) ORDER BY a.intent_at, a.id",
            [account],
            open_row,
        )
    }

    /// Intents past their send deadline whose process is not `me` (the dial lock proves it gone): made `unknown`.
    pub fn orphan_intents(&mut self, me: Uuid, now: Wall) -> Result<Vec<AttemptId>, LedgerFault> {
        self.atomically(|ledger| {
            let orphans = ledger.rows(
                "SELECT id FROM attempt WHERE state = 'intent' AND owner <> ?1 AND send_by <= ?2 ORDER BY intent_at",
                (me.as_bytes(), now.0),
                |row| Ok(AttemptId(codec::uuid(row, "id")?)),
            )?;
            for orphan in &orphans {
                ledger.apply(*orphan, Input::OwnerGone, now)?;
            }
            Ok(orphans)
        })
    }

    /// The attempt that a carrier's id belongs to, on one account.
    pub fn attempt_of_sid(&self, account: &str, sid: &Sid) -> Result<Option<AttemptId>, LedgerFault> {
        let mut query = self.conn.prepare_cached("SELECT id FROM attempt WHERE account = ?1 AND sid = ?2")?;
        let found: Option<[u8; 16]> = query.query_row((account, sid.as_str()), |row| row.get(0)).optional()?;
        Ok(found.map(|bytes| AttemptId(Uuid::from_bytes(bytes))))
    }
}

impl Known {
    /// Nothing changed.
    pub(super) fn unchanged(&self) -> Settled {
        Settled {
            attempt: self.attempt,
            lead: self.lead,
            campaign: self.campaign.clone(),
            account: self.account.clone(),
            before: self.standing.state,
            state: self.standing.state,
            sid: self.standing.sid.clone(),
            outcome: self.outcome,
            verdict: None,
            alarms: Vec::new(),
            end_call: None,
            stray: false,
        }
    }
}

fn known_row(row: &Row<'_>) -> Result<Known, LedgerFault> {
    let end = match (codec::maybe_word(row, "end_source")?, codec::maybe_word(row, "end_status")?) {
        (Some(source), Some(status)) => Some((source, status)),
        (Some(_), None) | (None, Some(_)) | (None, None) => None,
    };
    let held_by: Option<[u8; 16]> = row.get("held_by")?;
    let outcome = codec::maybe_word(row, "outcome")?;
    Ok(Known {
        attempt: AttemptId(codec::uuid(row, "id")?),
        lead: LeadId(row.get("lead")?),
        campaign: codec::word(row, "campaign")?,
        phone: codec::phone(row, "phone")?,
        account: row.get("account")?,
        policy: codec::json(row, "policy")?,
        standing: Standing {
            state: codec::word(row, "state")?,
            sid: codec::maybe_word(row, "sid")?,
            end,
            newer_open: row.get("newer_open")?,
            unresolved: outcome == Some(Outcome::Unresolved),
        },
        outcome,
        closed_at: codec::maybe_wall(row, "closed_at")?,
        lead_state: codec::word(row, "lead_state")?,
        held_by: held_by.map(|bytes| AttemptId(Uuid::from_bytes(bytes))),
        newest: row.get("newest")?,
    })
}

fn open_row(row: &Row<'_>) -> Result<OpenAttempt, LedgerFault> {
    Ok(OpenAttempt {
        attempt: AttemptId(codec::uuid(row, "id")?),
        lead: LeadId(row.get("lead")?),
        campaign: codec::word(row, "campaign_name")?,
        phone: codec::phone(row, "phone")?,
        caller: codec::phone(row, "caller")?,
        account: row.get("account")?,
        state: codec::word(row, "state")?,
        intent_at: codec::wall(row, "intent_at")?,
        send_by: codec::wall(row, "send_by")?,
        release_after: codec::wall(row, "release_after")?,
        sid: codec::maybe_word(row, "sid")?,
        owner: codec::uuid(row, "owner")?,
        last_asked: codec::maybe_wall(row, "last_asked")?,
        asked: row.get("asked")?,
    })
}
