//! What goes into the ledger and comes out of it, as plain values.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::base::{AttemptId, CallId, Country, Language, LeadId, Money, Phone, Sid, Slug, Wall};
use crate::core::call::Answerer;
use crate::core::config::Caps;
use crate::core::dial::attempt::{Alarm, Source, State};
use crate::core::dial::{CallStatus, Outcome, Verdict, VerdictPolicy};

pub use crate::core::dial::verdict::BlockReason;

/// One import of one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImportId(pub i64);

/// What an import came to. Kept in the ledger as JSON: fields are only ever added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct ImportCounts {
    /// Leads added.
    pub added: u64,
    /// Numbers that the campaign had before this import, left as they were.
    pub already: u64,
    /// Numbers that the campaign had before, whose row was brought up to date.
    pub updated: u64,
    /// Numbers that stood in this file before.
    pub duplicate_in_file: u64,
    /// Leads added whose number is on the suppression list: they are blocked.
    pub suppressed: u64,
    /// Leads added whose number another campaign has, too.
    pub elsewhere: u64,
}

/// What an operator wants of a campaign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CampaignState {
    /// Calls may be placed.
    Running,
    /// No new calls.
    Paused,
    /// No new calls, for good.
    Stopped,
}

/// Where a lead stands: every import row is in exactly one of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeadState {
    /// May be called from this time on.
    Ready(Wall),
    /// An attempt is open.
    Held(AttemptId),
    /// Over.
    Done(Outcome),
    /// Never called.
    Blocked(BlockReason),
    /// A person must look.
    Review,
}

/// The sum of a campaign's leads.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LeadCounts {
    /// May be called now.
    pub ready_due: u64,
    /// May be called later.
    pub ready_later: u64,
    /// With an open attempt.
    pub held: u64,
    /// Over, by outcome.
    pub done: BTreeMap<Outcome, u64>,
    /// Never called, by reason.
    pub blocked: BTreeMap<BlockReason, u64>,
    /// Waiting for a person.
    pub review: u64,
    /// When the next lead is due that is not due now.
    pub next_due: Option<Wall>,
}

impl LeadCounts {
    /// All leads of the campaign.
    pub fn total(&self) -> u64 {
        let done: u64 = self.done.values().sum();
        let blocked: u64 = self.blocked.values().sum();
        self.ready_due + self.ready_later + self.held + done + blocked + self.review
    }
}

/// A lead that may be called, as the desk sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueLead {
    /// Row.
    pub id: LeadId,
    /// Whom to call.
    pub phone: Phone,
    /// Their name.
    pub name: Option<String>,
    /// Language to speak.
    pub language: Option<Language>,
    /// Country of the number.
    pub country: Option<Country>,
    /// IANA zone name, if the file gave one.
    pub timezone: Option<String>,
    /// What they agreed to.
    pub consent: Option<String>,
    /// All other columns.
    pub variables: BTreeMap<String, String>,
    /// Tries that count.
    pub attempts_used: u32,
    /// The number it was last called from: it is called from there again, as long as the campaign has that number.
    pub sticky_caller: Option<Phone>,
    /// When it became callable.
    pub due: Wall,
}

/// Place in the queue of due leads, to read on from: oldest due first, then by row.
pub type Cursor = (Wall, LeadId);

/// Tries of a number over all campaigns; those that were certainly never made do not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PhoneHistory {
    /// The last one.
    pub last_at: Option<Wall>,
    /// In the last 24 h.
    pub in_24h: u32,
    /// In the last 30 days.
    pub in_30d: u32,
    /// Whether one is open now.
    pub open: bool,
}

/// A claim: this lead, now, by this process. Nothing is sent before it is durable.
#[derive(Debug, Clone, PartialEq)]
pub struct Claim {
    /// Minted before any I/O.
    pub attempt: AttemptId,
    /// Whose lead.
    pub campaign: Slug,
    /// The lead.
    pub lead: LeadId,
    /// Its number.
    pub phone: Phone,
    /// The number shown.
    pub caller: Phone,
    /// The carrier's account.
    pub account: String,
    /// Language of the greeting.
    pub language: Language,
    /// Fingerprint of the greeting's asset.
    pub greeting: String,
    /// Now.
    pub intent_at: Wall,
    /// The POST must leave before this.
    pub send_by: Wall,
    /// An unknown outcome may be released after this, on evidence.
    pub release_after: Wall,
    /// The process that claims.
    pub owner: Uuid,
    /// Bounds per number, checked again inside the claim.
    pub caps: Caps,
    /// What the verdict will go by.
    pub policy: VerdictPolicy,
}

/// Why a claim was refused. Nothing was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClaimRefused {
    /// The lead is not ready, not due, or another number now.
    #[error("the lead is not ready")]
    NotReady,
    /// The number is on the suppression list.
    #[error("the number is on the suppression list")]
    Suppressed,
    /// The campaign is paused or stopped.
    #[error("the campaign is not running")]
    NotRunning,
    /// Another attempt is open for this lead or number.
    #[error("another attempt is open for this number")]
    Open,
    /// The number has had its calls; not before this time.
    #[error("the number has had its calls for now")]
    Capped {
        /// When a claim may work again.
        until: Wall,
    },
    /// The lead has had its tries.
    #[error("the lead has had its tries")]
    Exhausted,
    /// The account is stopped until a person has looked.
    #[error("the account is stopped: {0}")]
    AccountStopped(String),
    /// The carrier refuses to call from this number for now.
    #[error("the number to call from rests")]
    CallerRests,
    /// The ledger itself failed.
    #[error(transparent)]
    Fault(#[from] super::LedgerFault),
}

/// Something the carrier said, with its words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CarrierFact {
    /// The attempt, from the token in the URL or from the sid.
    pub attempt: AttemptId,
    /// The carrier's id.
    pub sid: Sid,
    /// Who told us.
    pub source: Source,
    /// What makes it one fact: a repeat has the same source and key.
    pub key: String,
    /// The status it tells.
    pub status: CallStatus,
    /// When the carrier says it happened, or when we heard of it.
    pub at: Wall,
    /// Seconds of talk, for an ended call.
    pub duration_s: Option<u32>,
    /// Its words, for evidence: numbers and secrets left out, at most `limits::FACT_BODY_BYTES`.
    pub body: String,
}

/// What an input made of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// The attempt.
    pub attempt: AttemptId,
    /// Its lead.
    pub lead: LeadId,
    /// Its campaign.
    pub campaign: Slug,
    /// Its account.
    pub account: String,
    /// State before.
    pub before: State,
    /// State now.
    pub state: State,
    /// The carrier's id now.
    pub sid: Option<Sid>,
    /// The outcome, once there is one.
    pub outcome: Option<Outcome>,
    /// What became of the lead, if this input decided it.
    pub verdict: Option<Verdict>,
    /// Alarms raised by this input, each once per call.
    pub alarms: Vec<Alarm>,
    /// A call that must be ended at once.
    pub end_call: Option<Sid>,
    /// The input was not possible in this state: recorded in `audit`, nothing changed.
    pub stray: bool,
}

/// What a fact came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FactResult {
    /// It was new and folded in.
    Folded(Settled),
    /// It was told before: nothing changed.
    Repeat,
    /// No such attempt: kept as an orphan (the ledger may be restored or copied). Answer "hang up" and alarm.
    Orphan,
}

/// What the media side learned about a call. `None` leaves what is there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CallNote {
    /// When its media stream began, by our clock.
    pub stream_at: Option<Wall>,
    /// Carrier's `start` message → first audio written, microseconds.
    pub first_audio_us: Option<u64>,
    /// How much of the greeting was played when it ended or was cut, ms.
    pub heard_ms: Option<u64>,
    /// Whether speech cut the greeting.
    pub barged_in: Option<bool>,
    /// From the first speech sample over our sound until `clear` was written, ms.
    pub barge_tail_ms: Option<u64>,
    /// They asked never to be called again.
    pub opted_out: bool,
    /// They asked to be called another time.
    pub call_back: bool,
    /// Who answered.
    pub answerer: Option<Answerer>,
    /// Our message was left on a machine.
    pub message_left: bool,
    /// Nothing of our sound reached them, though they answered.
    pub unheard: bool,
    /// Keys they pressed, in order.
    pub keys: Option<String>,
    /// Folder of the call log, relative to the calls folder.
    pub folder: Option<String>,
    /// Length of the recording, ms.
    pub duration_ms: Option<u64>,
    /// What the agent's usage cost by the dated table.
    pub agent_cost: Option<Money>,
    /// The language they heard (the fall-back's, where theirs has no greeting).
    pub language: Option<Language>,
}

/// An attempt that is not over.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenAttempt {
    /// The attempt.
    pub attempt: AttemptId,
    /// Its lead.
    pub lead: LeadId,
    /// Its campaign.
    pub campaign: Slug,
    /// Whom it calls.
    pub phone: Phone,
    /// The number shown.
    pub caller: Phone,
    /// The carrier's account.
    pub account: String,
    /// Its state.
    pub state: State,
    /// When it was claimed.
    pub intent_at: Wall,
    /// The POST had to leave before this.
    pub send_by: Wall,
    /// May be released after this, on evidence.
    pub release_after: Wall,
    /// The carrier's id, once known.
    pub sid: Option<Sid>,
    /// The process that claimed it.
    pub owner: Uuid,
    /// When the carrier was last asked about it.
    pub last_asked: Option<Wall>,
    /// How often the carrier was asked.
    pub asked: u32,
}

/// The list by which an attempt was released.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Evidence {
    /// When the carrier was asked.
    pub asked_at: Wall,
    /// When the last page had come.
    pub answered_at: Wall,
    /// The list begins here.
    pub since: Wall,
    /// Pages that were read.
    pub pages: u32,
    /// Calls that the list showed between the two numbers; none of them the attempt's.
    pub calls: u32,
    /// Their ids, at most `limits::EVIDENCE_SIDS`.
    pub sids: Vec<Sid>,
}

/// A call at the carrier that this ledger does not know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignCall {
    /// The carrier's id.
    pub sid: Sid,
    /// Whom it called.
    pub to: Phone,
    /// The number shown.
    pub from: Phone,
    /// When the carrier made it.
    pub made_at: Wall,
    /// Where it stands.
    pub status: CallStatus,
    /// Seconds of talk, for an ended call.
    pub duration_s: Option<u32>,
}

/// What became of calls that were written down by hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ForeignCounts {
    /// Made attempts of the leads that they called.
    pub adopted: u64,
    /// Counted towards the caps of their numbers.
    pub counted: u64,
}

/// A call that must end and is not known to be over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnwantedCall {
    /// The carrier's account.
    pub account: String,
    /// The call.
    pub sid: Sid,
    /// The attempt that it belongs to.
    pub attempt: AttemptId,
    /// `second` (of one attempt) or `zombie` (surfaced while a newer attempt was open).
    pub why: String,
    /// When it was found.
    pub found_at: Wall,
    /// Its last known status.
    pub status: CallStatus,
    /// How often it was tried to end it.
    pub tries: u32,
}

/// An attempt as reports show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptRow {
    /// The attempt.
    pub attempt: AttemptId,
    /// Its lead.
    pub lead: LeadId,
    /// Its campaign.
    pub campaign: Slug,
    /// Its state.
    pub state: State,
    /// Its outcome, once over.
    pub outcome: Option<Outcome>,
    /// When it was claimed.
    pub intent_at: Wall,
    /// When it was over.
    pub closed_at: Option<Wall>,
    /// The carrier's id.
    pub sid: Option<Sid>,
    /// The number shown.
    pub caller: Phone,
    /// Fingerprint of the greeting.
    pub greeting: String,
}

/// A call as `calls list` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallRow {
    /// Its name.
    pub call: CallId,
    /// Its lead; fixed once set.
    pub lead: LeadId,
    /// Its campaign.
    pub campaign: Slug,
    /// Whom it called.
    pub phone: Phone,
    /// The lead's name.
    pub name: Option<String>,
    /// Language spoken.
    pub language: Option<Language>,
    /// The lead's own language.
    pub lead_language: Option<Language>,
    /// The carrier's id.
    pub sid: Option<Sid>,
    /// State of its attempt.
    pub state: State,
    /// Outcome, once over.
    pub outcome: Option<Outcome>,
    /// When it was claimed.
    pub started_at: Wall,
    /// When it was answered.
    pub answered_at: Option<Wall>,
    /// When it was over.
    pub ended_at: Option<Wall>,
    /// Seconds of talk by the carrier's count.
    pub duration_s: Option<u32>,
    /// `start` → first audio, microseconds.
    pub first_audio_us: Option<u64>,
    /// How much of the greeting was played, ms.
    pub heard_ms: Option<u64>,
    /// Whether speech cut the greeting.
    pub barged_in: bool,
    /// From speech to `clear`, ms.
    pub barge_tail_ms: Option<u64>,
    /// They asked never to be called again.
    pub opted_out: bool,
    /// Keys they pressed.
    pub keys: Option<String>,
    /// Folder of the call log.
    pub folder: Option<String>,
}

/// Which calls to list; all fields narrow.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CallFilter {
    /// Of this campaign.
    pub campaign: Option<Slug>,
    /// Of this lead.
    pub lead: Option<LeadId>,
    /// With this outcome.
    pub outcome: Option<Outcome>,
    /// Claimed at or after.
    pub since: Option<Wall>,
    /// Only those with a carrier's id or media notes (a call that was really made).
    pub made: bool,
    /// At most this many, newest first; 0 = `limits::LIST_ROWS`.
    pub limit: u32,
}

/// A lead as `leads list` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeadRow {
    /// Row.
    pub id: LeadId,
    /// Campaign.
    pub campaign: Slug,
    /// Number.
    pub phone: Phone,
    /// Name.
    pub name: Option<String>,
    /// Language.
    pub language: Option<Language>,
    /// Country.
    pub country: Option<Country>,
    /// Where it stands.
    pub state: LeadState,
    /// Tries that count.
    pub attempts_used: u32,
    /// When that changed last.
    pub changed_at: Wall,
}

/// Which leads to list; all fields narrow.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LeadFilter {
    /// Of this campaign.
    pub campaign: Option<Slug>,
    /// `ready`, `held`, `done`, `blocked` or `review`.
    pub state: Option<LeadStateName>,
    /// Rows after this one.
    pub after: Option<LeadId>,
    /// At most this many, by row; 0 = `limits::LIST_ROWS`.
    pub limit: u32,
}

/// The name of a lead's state, without what hangs on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LeadStateName {
    /// May be called.
    Ready,
    /// An attempt is open.
    Held,
    /// Over.
    Done,
    /// Never called.
    Blocked,
    /// A person must look.
    Review,
}

/// An alarm as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlarmRow {
    /// The attempt.
    pub attempt: AttemptId,
    /// Its name (`double_dial`, …).
    pub kind: String,
    /// The call it is about.
    pub sid: String,
    /// The account.
    pub account: String,
    /// When.
    pub at: Wall,
}
