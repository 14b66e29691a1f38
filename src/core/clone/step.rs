//! What comes next for a caller's clone: by what the ledger knows, and by what the service answered.
//!
//! Making a voice is not idempotent, and an account has few slots. So the right to upload is written down before the
//! upload leaves, and only an answer gives it back; without one the voice is looked for by its label, and nothing is
//! uploaded again before [`limits::CLONE_HORIZON`] has passed.

use std::time::Duration;

use super::CloneFault;
use crate::base::{Wall, limits};

/// What the ledger has of a caller's clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// The service's id of the voice; `None` = not made, or not known to be.
    pub voice: Option<String>,
    /// Hash of the sample that it is made of.
    pub sample: String,
    /// When an upload left whose answer has not come.
    pub sent_at: Option<Wall>,
    /// When it is to be deleted.
    pub expires_at: Option<Wall>,
}

/// What comes next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The voice is there.
    Use(String),
    /// What is there is of another sample, or has expired: it leaves, and a new one is made.
    Replace,
    /// An upload may be under way: look for its voice, and upload nothing.
    Look,
    /// Look for a voice, and upload the sample if there is none.
    Begin,
    /// An upload may be under way at a service where no voice can be looked for.
    Unfindable,
}

/// Decides by the ledger. `findable`: whether the service lists its voices.
pub fn step(known: Option<&Known>, sample: &str, findable: bool, now: Wall) -> Step {
    let Some(known) = known else { return Step::Begin };
    let expired = known.expires_at.is_some_and(|at| at <= now);
    match (&known.voice, known.sent_at) {
        _ if known.sample != sample || expired => Step::Replace,
        (Some(voice), _) => Step::Use(voice.clone()),
        (None, None) => Step::Begin,
        (None, Some(_)) if !findable => Step::Unfindable,
        (None, Some(sent)) if may_come(sent, now) => Step::Look,
        (None, Some(_)) => Step::Begin,
    }
}

/// Whether an upload that left at `sent` may still become a voice. A clock that was set back makes this true for longer.
pub fn may_come(sent: Wall, now: Wall) -> bool {
    now < sent + limits::CLONE_HORIZON
}

/// What the request for a new voice came to, if to none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MakeFault {
    /// No slot is left.
    NoRoom(String),
    /// The account is refused.
    Account(String),
    /// This request will never be taken.
    Refused(String),
    /// Later; the service may say when. No voice was made.
    Busy {
        /// Its words.
        why: String,
        /// When to come again.
        after: Option<Duration>,
    },
    /// Nothing left: there was no connection.
    NotSent(String),
    /// The service itself says that it failed: nothing is under way any more.
    Failed(String),
    /// The answer was lost: a voice may have been made, or may yet be.
    MaybeMade(String),
}

/// What is done about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum After {
    /// From the start again, after this time: looked for first.
    Again(Duration),
    /// Look for the voice, upload nothing.
    Look,
    /// It is over.
    Give(CloneFault),
}

/// Decides after the `tries`-th request for a voice (from 1).
pub fn after(fault: &MakeFault, tries: u32) -> After {
    let more = tries < limits::CLONE_TRIES;
    let pause = limits::CLONE_BACKOFF * 2_u32.saturating_pow(tries.saturating_sub(1).min(10));
    match fault {
        MakeFault::NoRoom(why) => After::Give(CloneFault::NoRoom(why.clone())),
        MakeFault::Account(why) => After::Give(CloneFault::Account(why.clone())),
        MakeFault::Refused(why) => After::Give(CloneFault::Refused(why.clone())),
        MakeFault::Busy { after, .. } if more => After::Again(after.map_or(pause, |after| after.max(pause))),
        MakeFault::NotSent(_) | MakeFault::Failed(_) if more => After::Again(pause),
        MakeFault::Busy { why, .. } => After::Give(CloneFault::Busy(why.clone())),
        MakeFault::NotSent(why) | MakeFault::Failed(why) => After::Give(CloneFault::Away(why.clone())),
        MakeFault::MaybeMade(_) => After::Look,
    }
}

/// Whether nothing of a request that ended so can become a voice: then the right to upload is given back.
pub fn is_over(fault: &MakeFault) -> bool {
    !matches!(fault, MakeFault::MaybeMade(_))
}

/// Before a voice that could not be deleted is tried again.
pub fn delete_again(tries: u32) -> Duration {
    let [first, most] = limits::CLONE_DELETE;
    (first * 2_u32.saturating_pow(tries.min(16))).min(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;

    fn known(voice: Option<&str>, sent: Option<i64>) -> Known {
        Known {
            voice: voice.map(str::to_owned),
            sample: "s".to_owned(),
            sent_at: sent.map(Wall),
            expires_at: voice.map(|_| Wall(10 * HOUR)),
        }
    }

    #[test]
    fn an_upload_without_an_answer_is_never_repeated_before_its_horizon() {
        let horizon = i64::try_from(limits::CLONE_HORIZON.as_millis()).expect("small");
        let row = known(None, Some(HOUR));
        for (now, findable, want) in [
            (HOUR, true, Step::Look),
            (HOUR - 5_000, true, Step::Look),
            (HOUR + horizon - 1, true, Step::Look),
            (HOUR + horizon, true, Step::Begin),
            (HOUR + horizon, false, Step::Unfindable),
            (HOUR + 100 * horizon, false, Step::Unfindable),
        ] {
            assert_eq!(step(Some(&row), "s", findable, Wall(now)), want, "{now}");
        }
    }

    #[test]
    fn a_voice_is_used_until_it_expires_or_its_sample_changes() {
        let row = known(Some("v"), None);
        assert_eq!(step(Some(&row), "s", true, Wall(HOUR)), Step::Use("v".to_owned()));
        assert_eq!(step(Some(&row), "other", true, Wall(HOUR)), Step::Replace);
        assert_eq!(step(Some(&row), "s", true, Wall(10 * HOUR)), Step::Replace);
        assert_eq!(
            step(Some(&known(None, Some(HOUR))), "other", false, Wall(HOUR)),
            Step::Replace,
            "its old label leaves"
        );
        assert_eq!(step(Some(&known(None, None)), "s", false, Wall(HOUR)), Step::Begin);
        assert_eq!(step(None, "s", false, Wall(HOUR)), Step::Begin);
    }

    #[test]
    fn every_answer_has_its_verdict_and_only_a_lost_one_keeps_the_right_to_upload() {
        let why = || "w".to_owned();
        let after_ms = |fault: &MakeFault, tries| match after(fault, tries) {
            After::Again(wait) => i64::try_from(wait.as_millis()).expect("small"),
            After::Look => -1,
            After::Give(_) => -2,
        };
        let told = Some(Duration::from_secs(7));
        for (fault, first, last) in [
            (MakeFault::NoRoom(why()), -2, -2),
            (MakeFault::Account(why()), -2, -2),
            (MakeFault::Refused(why()), -2, -2),
            (MakeFault::Busy { why: why(), after: None }, 1_000, -2),
            (MakeFault::Busy { why: why(), after: told }, 7_000, -2),
            (MakeFault::NotSent(why()), 1_000, -2),
            (MakeFault::Failed(why()), 1_000, -2),
            (MakeFault::MaybeMade(why()), -1, -1),
        ] {
            assert_eq!((after_ms(&fault, 1), after_ms(&fault, limits::CLONE_TRIES)), (first, last), "{fault:?}");
            assert_eq!(is_over(&fault), !matches!(fault, MakeFault::MaybeMade(_)));
        }
        assert_eq!(after_ms(&MakeFault::Failed(why()), 4), 8_000);
        assert_eq!(
            (delete_again(0).as_secs(), delete_again(3).as_secs(), delete_again(99).as_secs()),
            (60, 480, 21_600)
        );
    }
}
