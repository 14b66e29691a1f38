//! What the log says about the dialer: the questions of the tests, answered from the carrier's side.

use std::collections::BTreeMap;

use super::line::{Line, What};
use crate::core::dial::CallStatus;

/// One call as the log tells it. Times in µs of boot time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The carrier's id.
    pub sid: String,
    /// Callee.
    pub to: String,
    /// When it was made.
    pub created_us: u64,
    /// When it ended, and how.
    pub ended: Option<(u64, CallStatus)>,
    /// Whether it was answered.
    pub answered: bool,
    /// When it was answered.
    pub answered_us: Option<u64>,
    /// From the answer to our first media message, µs of real time.
    pub answer_to_media_us: Option<u64>,
    /// From `start` to our first media message, µs.
    pub first_media_us: Option<u64>,
    /// Samples of ours that played after the callee's onset, per `clear` that answered one.
    pub tails: Vec<u64>,
    /// Keys that the callee pressed.
    pub keys: String,
}

/// The log, call by call.
#[derive(Debug, Clone, Default)]
pub struct Oracle {
    /// Calls in order of their making.
    pub calls: Vec<Seen>,
    /// Calls that came in, in order.
    pub came_in: Vec<Seen>,
    /// Media messages and requests of ours that broke the protocol.
    pub complaints: Vec<String>,
}

impl Oracle {
    /// Reads the lines.
    pub fn new(lines: &[Line]) -> Oracle {
        let mut oracle = Oracle::default();
        let mut places: BTreeMap<&str, (bool, usize)> = BTreeMap::new();
        for line in lines {
            if let What::Created { to, .. } | What::CameIn { to, .. } = &line.what {
                let came_in = matches!(line.what, What::CameIn { .. });
                let calls = if came_in { &mut oracle.came_in } else { &mut oracle.calls };
                places.insert(&line.sid, (came_in, calls.len()));
                calls.push(Seen {
                    sid: line.sid.clone(),
                    to: to.clone(),
                    created_us: line.us,
                    ended: None,
                    answered: false,
                    answered_us: None,
                    answer_to_media_us: None,
                    first_media_us: None,
                    tails: Vec::new(),
                    keys: String::new(),
                });
                continue;
            }
            if let What::BadMessage { what } | What::BadRequest { what, .. } = &line.what {
                oracle.complaints.push(format!("{}: {what}", line.sid));
            }
            if let Some((came_in, at)) = places.get(line.sid.as_str()) {
                let calls = if *came_in { &mut oracle.came_in } else { &mut oracle.calls };
                note(&mut calls[*at], line);
            }
        }
        oracle
    }

    /// Calls made to each number.
    pub fn calls_per_phone(&self) -> BTreeMap<&str, usize> {
        let mut count = BTreeMap::new();
        for call in &self.calls {
            *count.entry(call.to.as_str()).or_insert(0) += 1;
        }
        count
    }

    /// Numbers that had two calls alive at once: the one thing that must never happen.
    pub fn rung_twice(&self) -> Vec<&str> {
        let mut last: BTreeMap<&str, u64> = BTreeMap::new();
        let mut twice = Vec::new();
        for call in &self.calls {
            let busy_until = last.get(call.to.as_str()).copied();
            if busy_until.is_some_and(|until| call.created_us < until) {
                twice.push(call.to.as_str());
            }
            let end = call.ended.map_or(u64::MAX, |(at, _)| at);
            last.insert(&call.to, busy_until.unwrap_or(0).max(end));
        }
        twice
    }

    /// Most calls made within any window of one second.
    pub fn most_starts_in_a_second(&self) -> usize {
        let mut starts: Vec<u64> = self.calls.iter().map(|call| call.created_us).collect();
        starts.sort_unstable();
        let mut first = 0;
        let mut most = 0;
        for (at, start) in starts.iter().enumerate() {
            while start - starts[first] >= 1_000_000 {
                first += 1;
            }
            most = most.max(at - first + 1);
        }
        most
    }

    /// Most calls alive at once.
    pub fn most_live(&self) -> usize {
        let mut steps: Vec<(u64, i64)> = Vec::new();
        for call in &self.calls {
            steps.push((call.created_us, 1));
            if let Some((at, _)) = call.ended {
                steps.push((at, -1));
            }
        }
        steps.sort_unstable();
        let mut live = 0;
        let mut most = 0;
        for (_, step) in steps {
            live += step;
            most = most.max(live);
        }
        usize::try_from(most).unwrap_or(0)
    }

    /// Calls that never ended.
    pub fn unfinished(&self) -> usize {
        self.calls.iter().filter(|call| call.ended.is_none()).count()
    }
}

fn note(call: &mut Seen, line: &Line) {
    match &line.what {
        What::Status { status: CallStatus::InProgress, .. } => {
            call.answered = true;
            call.answered_us.get_or_insert(line.us);
        }
        What::Ended { status, .. } => {
            call.ended.get_or_insert((line.us, *status));
        }
        What::FirstMediaIn { since_start_us, .. } => {
            call.first_media_us.get_or_insert(*since_start_us);
            call.answer_to_media_us = call.answer_to_media_us.or(call.answered_us.map(|at| line.us.saturating_sub(at)));
        }
        What::ClearReceived { played_since_onset: Some(samples), .. } => call.tails.push(*samples),
        What::Dtmf { digit, .. } => call.keys.push(*digit),
        What::ClearReceived { played_since_onset: None, .. }
        | What::Started { .. }
        | What::Status { .. }
        | What::Created { .. }
        | What::CameIn { .. }
        | What::Verb { .. }
        | What::StreamStarted { .. }
        | What::StreamFailed { .. }
        | What::FirstHeard { .. }
        | What::SpeechOnset { .. }
        | What::Mark { .. }
        | What::StreamStopped { .. }
        | What::BadRequest { .. }
        | What::Recording { .. }
        | What::BadMessage { .. }
        | What::Callback { .. }
        | What::Fault { .. } => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::sim::callee::Behaviour;

    fn line(us: u64, sid: &str, what: What) -> Line {
        Line { wall: 0, us, sid: sid.to_owned(), what }
    }

    fn created(us: u64, sid: &str, to: &str) -> Line {
        let behaviour = Behaviour::Listens;
        line(us, sid, What::Created { to: to.to_owned(), from: "+1".to_owned(), behaviour })
    }

    fn ended(us: u64, sid: &str) -> Line {
        line(us, sid, What::Ended { status: CallStatus::Completed, duration_s: 1, cause: "x".to_owned() })
    }

    #[test]
    fn two_calls_alive_at_one_number_are_seen_and_two_in_turn_are_not() {
        let turn = [created(0, "a", "+1"), ended(5, "a"), created(5, "b", "+1"), created(6, "c", "+2")];
        assert_eq!(Oracle::new(&turn).rung_twice(), Vec::<&str>::new());
        let both = [created(0, "a", "+1"), created(4, "b", "+1"), ended(5, "a")];
        assert_eq!(Oracle::new(&both).rung_twice(), ["+1"]);
        assert_eq!(Oracle::new(&both).most_live(), 2);
        assert_eq!(Oracle::new(&both).unfinished(), 1);
    }

    #[test]
    fn pace_is_the_fullest_second_wherever_it_begins() {
        let lines: Vec<Line> =
            [0, 900_000, 1_100_000, 1_899_999, 5_000_000].map(|us| created(us, &us.to_string(), "+1")).to_vec();
        assert_eq!(Oracle::new(&lines).most_starts_in_a_second(), 3);
    }

    #[test]
    fn a_log_cut_in_the_middle_of_a_line_is_read_up_to_it() {
        let whole = serde_json::to_string(&created(7, "a", "+1")).expect("serialises");
        let (lines, bad) = crate::core::sim::line::read(&format!("{whole}\n{}", &whole[..20]));
        assert_eq!((lines, bad), (vec![created(7, "a", "+1")], 1));
    }
}
