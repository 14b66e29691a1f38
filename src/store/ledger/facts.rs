//! Facts: what the carrier said, kept for ever, folded by rank; and what the media side noted about a call.

use super::{CallNote, CarrierFact, FactResult, Ledger, LedgerFault, codec};
use crate::base::{AttemptId, CallId, Wall, limits};
use crate::core::call::Answerer;
use crate::core::dial::attempt::{Fact, Input, LeadMove, State, Step};
use crate::core::dial::verdict::Ended;
use crate::core::dial::{CallStatus, Outcome};

impl Ledger {
    /// Keeps a fact and folds it in, in one unit; a repeat (same source and key) changes nothing.
    ///
    /// The carrier's id is adopted from whichever comes first, the POST's answer or a callback.
    pub fn fact(&mut self, fact: &CarrierFact, now: Wall) -> Result<FactResult, LedgerFault> {
        self.atomically(|ledger| {
            let known = ledger.known(fact.attempt)?;
            let orphan = known.is_none();
            if orphan && ledger.orphans()? >= limits::ORPHAN_FACTS {
                return Ok(FactResult::Orphan);
            }
            let added = ledger.write(
                "INSERT INTO fact (attempt, orphan, source, key, sid, status, at, seen_at, body) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT (source, key) DO NOTHING",
                rusqlite::params![
                    fact.attempt.0.as_bytes(),
                    orphan,
                    fact.source.as_str(),
                    fact.key,
                    fact.sid.as_str(),
                    fact.status.as_str(),
                    fact.at.0,
                    now.0,
                    cut(&fact.body, limits::FACT_BODY_BYTES),
                ],
            )?;
            let Some(known) = known else { return Ok(FactResult::Orphan) };
            if added == 0 {
                return Ok(FactResult::Repeat);
            }
            ledger.learn(&known, fact.source, now)?;
            let told = Fact { sid: fact.sid.clone(), status: fact.status, source: fact.source };
            let settled = ledger.apply(fact.attempt, Input::Fact(told), now)?;
            if settled.sid.as_ref() == Some(&fact.sid) {
                ledger.stamp_call(fact)?;
            }
            Ok(FactResult::Folded(settled))
        })
    }

    /// Times of a call, filled in whenever they arrive: the earliest word counts, so the order of facts changes nothing.
    fn stamp_call(&self, fact: &CarrierFact) -> Result<(), LedgerFault> {
        let answered = (fact.status == CallStatus::InProgress).then_some(fact.at.0);
        let ended = fact.status.is_terminal().then_some(fact.at.0);
        self.write(
            "UPDATE call SET answered_at = min(coalesce(answered_at, ?2), coalesce(?2, answered_at)), \
                             ended_at = min(coalesce(ended_at, ?3), coalesce(?3, ended_at)), \
                             duration_s = max(coalesce(duration_s, ?4), coalesce(?4, duration_s)) \
             WHERE attempt = ?1",
            (fact.attempt.0.as_bytes(), answered, ended, fact.duration_s),
        )?;
        Ok(())
    }

    fn orphans(&self) -> Result<u32, LedgerFault> {
        let count = self.one("SELECT count(*) FROM fact WHERE orphan = 1", [], |row| Ok(row.get::<_, u32>(0)?))?;
        Ok(count.unwrap_or(0))
    }

    /// Merges what the media side learned into the call; refines the outcome of an attempt that is over.
    ///
    /// An opt-out is put on the suppression list first, whatever the call's state.
    pub fn call_note(&mut self, attempt: AttemptId, note: &CallNote, now: Wall) -> Result<(), LedgerFault> {
        self.atomically(|ledger| {
            let known = ledger.known(attempt)?.ok_or(LedgerFault::Unknown("attempt"))?;
            if note.opted_out {
                ledger.suppress(&known.phone, "opted out on the call", "call", now)?;
            }
            ledger.ensure_call(&known)?;
            ledger.merge_note(attempt.call(), note)?;
            if known.standing.state != State::Ended {
                return Ok(());
            }
            let Some((_, status)) = known.standing.end else { return Ok(()) };
            let plain = Outcome::of(status);
            if Some(ledger.refined(attempt, plain)?) == known.outcome {
                return Ok(());
            }
            // The suppression above may have moved the lead: look again.
            let known = ledger.known(attempt)?.ok_or(LedgerFault::Unknown("attempt"))?;
            let step = Step {
                state: known.standing.state,
                sid: known.standing.sid.clone(),
                end: known.standing.end,
                lead: LeadMove::Correct(plain),
                alarms: Vec::new(),
                end_call: None,
            };
            let end =
                Ended { outcome: plain, used: 0, at: known.closed_at.unwrap_or(now), after: None, suppressed: false };
            ledger.close(&known, &step, end, &mut None)?;
            Ok(())
        })
    }

    /// A key is a person's, whatever was heard or the carrier says, and in whatever order these come.
    pub(super) fn merge_note(&self, call: CallId, note: &CallNote) -> Result<(), LedgerFault> {
        let number = |value: Option<u64>| value.map(|value| i64::try_from(value).unwrap_or(i64::MAX));
        self.write(
            "UPDATE call SET first_audio_us = coalesce(first_audio_us, ?2), heard_ms = coalesce(?3, heard_ms), \
                 barged_in = max(barged_in, coalesce(?4, 0)), barge_tail_ms = coalesce(barge_tail_ms, ?5), \
                 opted_out = max(opted_out, ?6), call_back = max(call_back, ?17), \
                 machine = CASE WHEN coalesce(?9, keys) IS NULL THEN coalesce(?7, machine) ELSE 0 END, unheard = max(unheard, ?8), \
                 keys = coalesce(?9, keys), folder = coalesce(?10, folder), duration_ms = coalesce(?11, duration_ms), \
                 language = coalesce(?12, language), stream_at = coalesce(stream_at, ?13), \
                 answerer = CASE WHEN coalesce(?9, keys) IS NULL THEN coalesce(?14, answerer) ELSE 'human' END, \
                  message_left = max(message_left, ?15), agent_cost = coalesce(?16, agent_cost) WHERE id = ?1",
            rusqlite::params![
                call.0.as_bytes(),
                number(note.first_audio_us),
                number(note.heard_ms),
                note.barged_in,
                number(note.barge_tail_ms),
                note.opted_out,
                note.answerer.map(Answerer::is_machine),
                note.unheard,
                note.keys,
                note.folder,
                number(note.duration_ms),
                note.language.as_ref().map(|language| language.as_str()),
                note.stream_at.map(|at| at.0),
                note.answerer.map(Answerer::as_str),
                note.message_left,
                note.agent_cost.map(|cost| cost.0),
                note.call_back,
            ],
        )?;
        Ok(())
    }

    /// What the carrier said about an attempt, in the order it was heard: (source, status, at, body).
    pub fn facts(&self, attempt: AttemptId) -> Result<Vec<CarrierFact>, LedgerFault> {
        self.rows(
            "SELECT attempt, sid, source, key, status, at, body FROM fact WHERE attempt = ?1 ORDER BY id LIMIT ?2",
            (attempt.0.as_bytes(), limits::LIST_ROWS),
            |row| {
                Ok(CarrierFact {
                    attempt: AttemptId(codec::uuid(row, "attempt")?),
                    sid: codec::word(row, "sid")?,
                    source: codec::word(row, "source")?,
                    key: row.get("key")?,
                    status: codec::word(row, "status")?,
                    at: codec::wall(row, "at")?,
                    duration_s: None,
                    body: row.get("body")?,
                })
            },
        )
    }
}

/// At most `most` bytes of a text, cut between characters.
fn cut(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}
