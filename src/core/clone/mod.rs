//! Cloned voices: whose sample is fit for one, what to do with what the ledger knows, with slots and with faults.
//! Pure: no clock, no chance, no I/O.

pub mod figures;
pub mod list;
mod mp3;
pub mod name;
pub mod sample;
pub mod slots;
pub mod step;

use std::time::Duration;

pub use figures::{CloningFigures, Happened, Tally};
pub use list::{Consent, ListRow, Source, Who};
pub use name::CallerName;
pub use sample::{Sample, SampleFault, SampleForm};

use crate::base::limits;

/// Why a caller has no cloned voice.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CloneFault {
    /// Without consent that is written down nobody's voice is cloned.
    #[error("no voice is cloned without consent on file: {0}")]
    NoConsent(String),
    /// There is no sample of them.
    #[error("there is no sample of this caller's voice")]
    NoSample,
    /// The sample is not fit for a clone.
    #[error("the sample is not fit for a clone: {0}")]
    BadSample(#[from] SampleFault),
    /// The folder, the list or the sample's address cannot be read.
    #[error("the sample cannot be read: {0}")]
    Unreadable(String),
    /// The account has no slot for another voice.
    #[error("the account has no room for another voice: {0}")]
    NoRoom(String),
    /// The service refuses the account.
    #[error("the account is refused: {0}")]
    Account(String),
    /// The service refuses this sample or request.
    #[error("the service refuses the sample: {0}")]
    Refused(String),
    /// The service was busy through every try.
    #[error("the service is busy: {0}")]
    Busy(String),
    /// The service failed, or cannot be reached.
    #[error("the service is away: {0}")]
    Away(String),
    /// The answer to an upload was lost: it may have made a voice, which is looked for, and nothing is uploaded again before.
    #[error("the answer to an earlier upload was lost: its voice is looked for")]
    Lost,
    /// The same at a service that lists no voices: a person must look.
    #[error(
        "the answer to an earlier upload was lost, and this service lists no voices: look there, then `ahoy clone remove`"
    )]
    Unfindable,
    /// It took longer than a caller waits.
    #[error("it was not ready within {0:?}")]
    Timeout(Duration),
    /// Too many callers wait for theirs.
    #[error("too many clones are waiting for their turn")]
    Crowded,
    /// The ledger.
    #[error("the ledger: {0}")]
    Ledger(String),
    /// The person was forgotten, or the clone removed, while it was made.
    #[error("it was removed while it was made")]
    Removed,
}

impl CloneFault {
    /// Its name in tables and in JSON.
    pub fn kind(&self) -> &'static str {
        match self {
            CloneFault::NoConsent(_) => "no_consent",
            CloneFault::NoSample => "no_sample",
            CloneFault::BadSample(_) => "bad_sample",
            CloneFault::Unreadable(_) => "unreadable",
            CloneFault::NoRoom(_) => "no_room",
            CloneFault::Account(_) => "account",
            CloneFault::Refused(_) => "refused",
            CloneFault::Busy(_) => "busy",
            CloneFault::Away(_) => "away",
            CloneFault::Lost => "lost",
            CloneFault::Unfindable => "unfindable",
            CloneFault::Timeout(_) => "timeout",
            CloneFault::Crowded => "crowded",
            CloneFault::Ledger(_) => "ledger",
            CloneFault::Removed => "removed",
        }
    }

    /// For how long the same caller is told the same without another look; `None`: the next call looks again.
    pub fn rest(&self) -> Option<Duration> {
        match self {
            CloneFault::BadSample(_)
            | CloneFault::NoRoom(_)
            | CloneFault::Account(_)
            | CloneFault::Refused(_)
            | CloneFault::Unfindable => Some(limits::CLONE_REST_LONG),
            CloneFault::NoConsent(_)
            | CloneFault::NoSample
            | CloneFault::Unreadable(_)
            | CloneFault::Busy(_)
            | CloneFault::Away(_) => Some(limits::CLONE_REST),
            CloneFault::Lost
            | CloneFault::Timeout(_)
            | CloneFault::Crowded
            | CloneFault::Ledger(_)
            | CloneFault::Removed => None,
        }
    }
}
