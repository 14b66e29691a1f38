//! What a call's event log says, in a few figures.

use serde::Serialize;

use super::Answerer;
use super::log::{EndCause, Line, What};

/// One call in short.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Wall clock of the stream's start, RFC 3339.
    pub began: Option<String>,
    /// The carrier's id of the call.
    pub sid: Option<String>,
    /// `start` received → first sound written, microseconds.
    pub first_audio_us: Option<u64>,
    /// How much of each clip was heard, in order.
    pub heard: Vec<Played>,
    /// Speech onset → `clear`, milliseconds of inbound sound, for each barge-in.
    pub barge_in_ms: Vec<u64>,
    /// Segments of the callee's speech.
    pub speech_segments: usize,
    /// Keys pressed.
    pub keys: String,
    /// Whether the opt-out key was pressed.
    pub opted_out: bool,
    /// Length of the recording, as far as the events tell.
    pub media_ms: u64,
    /// Parts of the log that are missing: the recorder or its disk had no room for them.
    pub lost_parts: u64,
    /// Who answered, as far as our ear or the carrier could tell.
    pub answerer: Option<Answerer>,
    /// Whether our message was left on a machine.
    pub message_left: bool,
    /// Why it ended; `None` while it runs or after a crash.
    pub cause: Option<EndCause>,
}

/// A clip in a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Played {
    /// Its key.
    pub clip: String,
    /// How much of it was heard.
    pub heard_ms: u64,
    /// Its length.
    pub total_ms: u64,
}

impl Report {
    /// Sums up a log, whole or cut.
    pub fn of(lines: &[Line]) -> Report {
        let mut report = Report::default();
        for line in lines {
            report.media_ms = report.media_ms.max(line.media_ms);
            match &line.what {
                What::Start { sid, wall } => {
                    report.began = Some(wall.clone());
                    report.sid.clone_from(sid);
                }
                What::FirstAudio { us } => report.first_audio_us = Some(*us),
                What::Heard { clip, heard_ms, total_ms } => {
                    report.heard.push(Played { clip: clip.clone(), heard_ms: *heard_ms, total_ms: *total_ms });
                }
                What::BargeIn { onset_ms } => report.barge_in_ms.push(line.media_ms.saturating_sub(*onset_ms)),
                What::SpeechOff { .. } => report.speech_segments += 1,
                What::Dtmf { key } => report.keys.push(*key),
                What::OptOut => report.opted_out = true,
                What::End { cause } => report.cause = Some(*cause),
                What::Answered | What::Play { .. } | What::Mark { .. } | What::SpeechOn { .. } | What::Clear => {}
                What::OptOutStored | What::BadMessage { .. } | What::Gap { .. } => {}
                What::LogLost { parts } => report.lost_parts += parts,
                What::Answerer { who } => report.answerer = Some(*who),
                What::MessageLeft => report.message_left = true,
                What::Unheard { .. } | What::Beep { .. } | What::Record => {}
            }
        }
        report
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_log_reports_what_it_has() {
        let line = |ms, what| Line { ms, media_ms: ms, what };
        let report = Report::of(&[line(0, What::FirstAudio { us: 90 }), line(400, What::BargeIn { onset_ms: 310 })]);
        assert_eq!((report.first_audio_us, report.barge_in_ms.as_slice(), report.cause), (Some(90), &[90][..], None));
    }
}
