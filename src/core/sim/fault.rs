//! How the embedded carrier misbehaves, by name and probability.

use std::collections::BTreeMap;

use super::chance;
use crate::base::Failure;

/// Every fault with what it does.
pub const FAULTS: [(&str, &str); 46] = [
    ("lost_answer", "the call is made, the connection is cut before the answer"),
    ("reset_before", "the connection is cut before anything was read"),
    ("throttle", "429: nothing is made"),
    ("server_error", "500 after the call was made"),
    ("late_answer", "callbacks arrive before the 201"),
    ("dup_callback", "a status callback is sent twice"),
    ("reorder_callback", "a status callback is sent after the next one"),
    ("drop_callback", "a status callback is never sent"),
    ("no_stream", "the media socket never opens"),
    ("bare_close", "the media socket closes without a stop message"),
    ("media_drop", "the media socket breaks after 1.2 seconds, without a word"),
    ("media_stall", "the carrier reads nothing of ours for a while: for 1 second, or, every second time, for 60"),
    ("media_gap", "a tenth of the callee's sound never comes"),
    ("media_repeat", "frames come again, behind later ones"),
    ("media_garbage", "frames whose sound is no base64"),
    ("suspended", "403, code 20005: the account is suspended"),
    ("no_funds", "402: the account has no money"),
    ("bad_key", "401, code 20003: orders are refused for their credentials"),
    ("country_closed", "the account may not call a country that it strikes: 400, code 21215"),
    ("caller_refused", "400, code 21210: every order from a number that it strikes"),
    ("odd_request", "400 with a code that nobody knows"),
    ("throttle_date", "429 whose Retry-After is a date two seconds ahead"),
    ("slow_queue", "the answer says that the call waited for six seconds in the carrier's queue"),
    ("account_failed", "the call ends as failed, and its last callback says that the account is suspended"),
    ("skewed_clock", "the Date of every answer is ten minutes ahead"),
    ("list_lag", "the call appears in lists only after five seconds"),
    ("unavailable", "503: nothing is made"),
    ("unreadable", "201 with a body that is no JSON: the call is made"),
    ("slow_answer", "the answer comes after twelve seconds: the call is made"),
    ("list_error", "503 to a list or a question about a call"),
    ("end_mismatch", "the last callback says `failed`, the record says what happened"),
    ("late_verdict", "who answered is told twenty seconds late, mostly after the call"),
    ("false_verdict", "who answered is told wrongly: a person is a machine, a machine is a person"),
    ("recording_unanswered", "500 to a request to record: the recording is made"),
    ("recording_absent", "the recording is silent: there is none"),
    ("recording_late", "the recording is ready thirty seconds later"),
    ("recording_cut", "the connection breaks half-way through a recording's sound"),
    ("recording_untold", "nobody is told that the recording is ready"),
    ("callee_converses", "no fault: whoever listens talks with us, three turns long"),
    ("callee_asks", "no fault: whoever listens presses 2, for a call another time"),
    ("callee_leaves", "no fault: whoever listens presses 3, and leaves a message"),
    ("callee_screens", "no fault: whoever listens has a machine that asks who calls"),
    ("callee_fax", "no fault: whoever listens is a fax"),
    ("long_ring", "no fault: it rings for 45 seconds before somebody answers"),
    (
        "early_media",
        "no fault: the network connects its ringing tone; somebody is there 4 seconds later, nobody hears before",
    ),
    ("repeat_order", "as if a proxy had sent the order twice: two calls"),
];

/// Faults that belong together, by name. None of them takes from the dialer what it needs to keep its promises
/// (`repeat_order` does: no preset has it).
const PRESETS: [(&str, &[(&str, f64)]); 3] = [
    ("none", &[]),
    (
        "mild",
        &[
            ("lost_answer", 0.02),
            ("reset_before", 0.01),
            ("throttle", 0.02),
            ("server_error", 0.01),
            ("late_answer", 0.05),
            ("dup_callback", 0.05),
            ("reorder_callback", 0.05),
            ("drop_callback", 0.05),
            ("list_lag", 0.05),
            ("list_error", 0.02),
        ],
    ),
    (
        "nasty",
        &[
            ("lost_answer", 0.15),
            ("reset_before", 0.05),
            ("throttle", 0.1),
            ("server_error", 0.1),
            ("unavailable", 0.05),
            ("unreadable", 0.05),
            ("late_answer", 0.2),
            ("dup_callback", 0.3),
            ("reorder_callback", 0.2),
            ("drop_callback", 0.3),
            ("list_lag", 0.3),
            ("list_error", 0.2),
            ("end_mismatch", 0.05),
        ],
    ),
];

/// The probabilities of a preset; `None` if there is none of this name.
pub fn preset(name: &str) -> Option<BTreeMap<String, f64>> {
    let (_, odds) = PRESETS.iter().find(|(known, _)| *known == name)?;
    Some(odds.iter().map(|(name, odds)| ((*name).to_owned(), *odds)).collect())
}

/// Probabilities, with the seed that decides.
#[derive(Debug, Clone, PartialEq)]
pub struct Faults {
    seed: u64,
    odds: BTreeMap<String, f64>,
}

impl Faults {
    /// Errors (exit 2): an unknown name, or a probability outside 0 to 1.
    pub fn new(seed: u64, odds: BTreeMap<String, f64>) -> Result<Faults, Failure> {
        for (name, odds) in &odds {
            if !FAULTS.iter().any(|(known, _)| known == name) {
                let known: Vec<&str> = FAULTS.iter().map(|(name, _)| *name).collect();
                return Err(Failure::usage(format!("unknown fault `{name}`"))
                    .next(format!("known faults: {}", known.join(", "))));
            }
            if !(0.0..=1.0).contains(odds) {
                return Err(Failure::usage(format!("fault {name} = {odds} is no probability"))
                    .next("write a number from 0 to 1"));
            }
        }
        Ok(Faults { seed, odds })
    }

    /// Whether a fault strikes the `nth` thing of the kind that `key` names.
    pub fn strikes(&self, name: &'static str, key: &str, nth: u64) -> bool {
        debug_assert!(FAULTS.iter().any(|(known, _)| *known == name), "{name} is not listed");
        match self.odds.get(name) {
            Some(odds) => chance(self.seed, &[name, key, &nth.to_string()]).f64() < *odds,
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_fault_is_refused_with_the_list() {
        let refused = Faults::new(1, BTreeMap::from([("lost_anwser".to_owned(), 0.1)])).expect_err("a typo");
        assert!(refused.next.is_some_and(|next| next.contains("lost_answer")));
        assert!(Faults::new(1, BTreeMap::from([("throttle".to_owned(), 1.5)])).is_err());
        assert!(Faults::new(1, BTreeMap::from([("throttle".to_owned(), f64::NAN)])).is_err());
    }

    #[test]
    fn every_preset_names_known_faults_and_leaves_the_promises_within_reach() {
        for (name, _) in PRESETS {
            let odds = preset(name).expect("it is listed");
            assert!(!odds.contains_key("repeat_order"), "{name}: nobody can prevent that");
            assert!(Faults::new(1, odds).is_ok(), "{name}");
        }
        assert_eq!(preset("tame"), None);
    }

    #[test]
    fn a_fault_strikes_as_often_as_it_says_and_the_same_each_time() {
        let faults = Faults::new(1, BTreeMap::from([("throttle".to_owned(), 0.3)])).expect("known");
        let hits = (0..10_000).filter(|n| faults.strikes("throttle", "", *n)).count();
        assert!((2_700..3_300).contains(&hits), "{hits}");
        assert_eq!(faults.strikes("throttle", "a", 1), faults.strikes("throttle", "a", 1));
        assert!(!faults.strikes("no_stream", "a", 1));
    }
}
