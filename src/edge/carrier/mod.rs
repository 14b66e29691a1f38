//! Carriers: one file each, one suite that all of them pass. Each declares a contract card.

pub mod asterisk;
pub mod card;
mod client;
pub mod events;
pub mod signalwire;
pub mod sim;
pub mod telnyx;
pub mod threecx;
pub mod twilio;

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use crate::base::{AttemptId, Country, Money, Phone, Sid, Wall};
use crate::core::dial::CallStatus;
use crate::core::dial::breaker::StopKind;
pub use crate::core::wire::recordings::RecordingState;

pub use card::{ContractCard, Events, Listing, OwnTag, Signature, StreamProof, Throttled};

/// A future that a carrier door returns.
pub type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// One call to be placed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// The attempt; its id is in every URL below.
    pub attempt: AttemptId,
    /// Who is called.
    pub to: Phone,
    /// The number shown.
    pub from: Phone,
    /// How long it may ring.
    pub ring_timeout: Duration,
    /// How long the call may last, enforced by the carrier too.
    pub time_limit: Duration,
    /// What the carrier runs when the callee answers, at most 4 000 characters (`core/wire/twiml`).
    pub twiml: String,
    /// Where status callbacks go, with the attempt's token in the path.
    pub status_url: String,
    /// Why we call, for networks that show it.
    pub reason: Option<String>,
    /// Whether the carrier shall tell there who answered, if it can: beside the call, never before it.
    pub machines: bool,
}

/// The carrier took the order: the call exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// The carrier's id of the call.
    pub sid: Sid,
    /// Its status at that moment.
    pub status: CallStatus,
    /// How long the carrier held it in its own queue, milliseconds, where it says so.
    pub queue_ms: Option<u64>,
}

/// What may be done about an order that did not clearly succeed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlaceFault {
    /// The carrier said no: the call does not exist and the same order will be refused again.
    #[error("refused (HTTP {http}, code {code:?}): {what:?}")]
    Refused {
        /// HTTP status.
        http: u16,
        /// The carrier's error code, where it gave one.
        code: Option<u32>,
        /// Whose fault it is.
        what: Refusal,
    },
    /// Proof that nothing left this machine (no connection): safe to try again later.
    #[error("not sent: {cause}")]
    NotSent {
        /// What failed.
        cause: String,
    },
    /// The carrier documents that it did not process the order (HTTP 429).
    #[error("the carrier is busy")]
    Throttled {
        /// Its `Retry-After`, clamped to 1 s to 15 min.
        after: Option<Duration>,
    },
    /// It took the order and did not say which call that is: the call's first event will. Ask, never retry.
    #[error("the carrier took the order without naming the call")]
    Unnamed,
    /// The answer was lost or unreadable: it may be ringing. Ask, never retry.
    #[error("the answer was lost: {cause}")]
    MaybePlaced {
        /// What failed.
        cause: String,
    },
}

/// Who or what a definite refusal is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The callee's number: the lead ends.
    Number,
    /// The destination is not permitted for this account: the lead ends.
    Destination,
    /// The caller's number.
    Caller,
    /// The account or its credentials: it stops until a person has looked.
    Account(StopKind),
    /// Our request is wrong, for no reason that we know: this lead's matter, unless it is so several times in a row.
    Request,
}

/// A call as the carrier lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteCall {
    /// The carrier's id.
    pub sid: Sid,
    /// Callee, as the carrier wrote it.
    pub to: String,
    /// Caller, as the carrier wrote it.
    pub from: String,
    /// Where it stands.
    pub status: CallStatus,
    /// When the carrier made it (whole seconds).
    pub created: Wall,
    /// Seconds of talk, for an ended call.
    pub duration_s: Option<u32>,
    /// How long the carrier held it in its own queue, milliseconds.
    pub queue_ms: Option<u64>,
    /// What it costs; the carrier tells some time after the end.
    pub price: Option<Money>,
    /// True for a leg that another call made: never ours.
    pub child: bool,
    /// True if a REST request made it (`outbound-api`).
    pub outbound_api: bool,
}

/// Which calls to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListQuery<'a> {
    /// The caller's number.
    pub from: &'a Phone,
    /// The callee's number; `None` = all of them.
    pub to: Option<&'a Phone>,
    /// Calls made at or after this time.
    pub since: Wall,
}

/// A list that was read to its end.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Listed {
    /// The calls, newest first; child legs included and marked.
    pub calls: Vec<RemoteCall>,
    /// Pages that it took.
    pub pages: u32,
}

/// Why the carrier could not be asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AskFault {
    /// No such call.
    #[error("the carrier knows no such call")]
    Gone,
    /// The account or its credentials are refused.
    #[error("the carrier refuses the account's credentials (HTTP {http})")]
    Account {
        /// HTTP status.
        http: u16,
    },
    /// Busy; ask later.
    #[error("the carrier is busy")]
    Throttled {
        /// Its `Retry-After`.
        after: Option<Duration>,
    },
    /// Anything else: no answer, an unreadable one, a list that never ends.
    #[error("the carrier could not be asked: {cause}")]
    Failed {
        /// What failed.
        cause: String,
    },
}

impl AskFault {
    /// What stops the account, if that is what it says.
    pub fn stop(&self) -> Option<StopKind> {
        match self {
            AskFault::Account { http } => Some(StopKind::of_http(*http)),
            AskFault::Gone | AskFault::Throttled { .. } | AskFault::Failed { .. } => None,
        }
    }
}

/// The answer to a question that only proves that the carrier knows us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Hello {
    /// The carrier's clock (whole seconds), where it told.
    pub date: Option<Wall>,
}

/// How the account stands to a number that it is to call from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallerStanding {
    /// It is the account's, and takes calls.
    Owned,
    /// It is the account's, but not for calls.
    NoVoice,
    /// It is somebody's who proved it: calls may be made from it.
    Verified,
    /// Neither: each call from it is refused.
    Foreign,
    /// This carrier does not tell.
    Unsaid,
}

/// Whether an account may call the numbers of a country.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Its ordinary numbers may be called.
    Open,
    /// The account does not permit it: each order is refused.
    Closed,
    /// This carrier does not tell.
    Unsaid,
}

/// A file that a carrier's sound is written to.
pub trait SoundFile: Send {
    /// Bytes that it holds.
    fn held(&self) -> u64;
    /// Adds to its end. Errors: the disk is full or broken, or the sound is longer than it may be.
    fn append(&mut self, bytes: &[u8]) -> std::io::Result<()>;
    /// Empties it: what it holds is of another sound.
    fn restart(&mut self) -> std::io::Result<()>;
}

/// What to do to a live call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Stop it if nobody has answered yet.
    Cancel,
    /// Hang it up, whatever its state.
    HangUp,
}

/// Whoever places the call.
pub trait Carrier: Send + Sync {
    /// What it promises.
    fn card(&self) -> &ContractCard;

    /// One cheap question with the account's credentials: are they taken, and what time is it there? A carrier that has
    /// no such question says nothing.
    fn hello(&self) -> Boxed<'_, Result<Hello, AskFault>> {
        Box::pin(async { Ok(Hello::default()) })
    }

    /// Whether calls may be made from a number.
    fn caller<'a>(&'a self, _number: &'a Phone) -> Boxed<'a, Result<CallerStanding, AskFault>> {
        Box::pin(async { Ok(CallerStanding::Unsaid) })
    }

    /// Whether the account may call the ordinary numbers of a country.
    fn reach(&self, _country: Country) -> Boxed<'_, Result<Reach, AskFault>> {
        Box::pin(async { Ok(Reach::Unsaid) })
    }

    /// The id that an attempt's call has, where we name the calls: the carrier is asked about it, not for a list.
    fn own_sid(&self, _attempt: AttemptId) -> Option<Sid> {
        None
    }

    /// Reminds of all attempts that are open, with the numbers that they call: a call that nothing of ours names is found by
    /// its number, also after a restart.
    fn remind(&self, _open: &[(AttemptId, &Phone)]) {}

    /// The account's fault that a final status callback's own words tell of, with the carrier's code.
    fn account_fault(&self, _callback: &[(String, String)]) -> Option<(StopKind, u32)> {
        None
    }

    /// Places one call with exactly one request. Never retried here.
    fn place<'a>(&'a self, order: &'a Order) -> Boxed<'a, Result<Placed, PlaceFault>>;

    /// Where a call stands.
    fn fetch<'a>(&'a self, sid: &'a Sid) -> Boxed<'a, Result<RemoteCall, AskFault>>;

    /// Every call that the query names. A list that was not read to its end is a fault, never a short answer: what is
    /// not in the answer is not at the carrier.
    fn list<'a>(&'a self, query: ListQuery<'a>) -> Boxed<'a, Result<Listed, AskFault>>;

    /// Begins a recording of a live call; `told`: where it says that the recording is ready. A carrier that records
    /// nothing says `Gone`.
    fn record<'a>(&'a self, _call: &'a Sid, _told: &'a str) -> Boxed<'a, Result<Sid, AskFault>> {
        Box::pin(async { Err(AskFault::Gone) })
    }

    /// The recordings of a call, with where they stand.
    fn recordings_of<'a>(&'a self, _call: &'a Sid) -> Boxed<'a, Result<Vec<(Sid, RecordingState)>, AskFault>> {
        Box::pin(async { Err(AskFault::Gone) })
    }

    /// Where a recording stands.
    fn recording<'a>(&'a self, _recording: &'a Sid) -> Boxed<'a, Result<RecordingState, AskFault>> {
        Box::pin(async { Err(AskFault::Gone) })
    }

    /// Reads a recording's sound into `sound`, which may hold its beginning already.
    fn fetch_sound<'a>(
        &'a self,
        _recording: &'a Sid,
        _sound: &'a mut dyn SoundFile,
    ) -> Boxed<'a, Result<(), AskFault>> {
        Box::pin(async { Err(AskFault::Gone) })
    }

    /// Lets a live call go on with another document. `Gone`: there is no such call any more, or this carrier cannot.
    fn redirect<'a>(&'a self, _sid: &'a Sid, _twiml: &'a str) -> Boxed<'a, Result<(), AskFault>> {
        Box::pin(async { Err(AskFault::Gone) })
    }

    /// Ends a call. `Ok` if it is over, also if it was before.
    fn end<'a>(&'a self, sid: &'a Sid, ending: Ending) -> Boxed<'a, Result<(), AskFault>>;
}
