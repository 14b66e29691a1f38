//! What a call's event log says, in a few figures.

use serde::{Deserialize, Serialize};

use super::Answerer;
use super::log::{EndCause, Line, What};
use crate::core::cost::Usage;

/// One call in short.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Wall clock of the stream's start, RFC 3339.
    pub began: Option<String>,
    /// The carrier's id of the call.
    pub sid: Option<String>,
    /// Answer → first sound written, microseconds; from the stream's start where nobody reported an answer before it.
    pub answer_to_audio_us: Option<u64>,
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
    /// Whether they asked to be called another time.
    pub call_back: bool,
    /// Length of the recording, as far as the events tell.
    pub media_ms: u64,
    /// Parts of the log that are missing: the recorder or its disk had no room for them.
    pub lost_parts: u64,
    /// Who answered, as far as our ear or the carrier could tell.
    pub answerer: Option<Answerer>,
    /// Whether our message was left on a machine.
    pub message_left: bool,
    /// The message that a caller left: from and to, in the recording, ms.
    pub message_taken: Option<(u64, u64)>,
    /// How the agent took part, if it did.
    pub agent: AgentPart,
    /// Why it ended; `None` while it runs or after a crash.
    pub cause: Option<EndCause>,
}

/// An agent's part in a call. Milliseconds of inbound sound.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct AgentPart {
    /// It took the line, and had to be waited for so long.
    pub waited_ms: Option<u64>,
    /// The first words were over → its first sound.
    pub first_ms: Option<u64>,
    /// The callee's speech ended → its first sound, of each turn that was waited for.
    pub gaps_ms: Vec<u64>,
    /// Turns of its own.
    pub turns: usize,
    /// What it used up, and what that costs.
    pub usage: Option<Usage>,
    /// Times that something of its failed.
    pub faults: usize,
    /// Why it was gone before the call was over.
    pub gone: Option<String>,
    /// What was said, in order.
    pub transcript: Vec<Saying>,
}

/// Something that was said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saying {
    /// Whether we said it.
    pub ours: bool,
    /// Its place in the recording, ms; of the callee's words: where they were understood.
    pub at_ms: u64,
    /// The words; of ours those that were sent, heard or not.
    pub text: String,
    /// Of ours: how much was heard if it was cut, ms.
    pub cut_at_ms: Option<u64>,
    #[serde(skip)]
    turn: String,
}

impl Saying {
    /// Words that somebody heard at this place of the recording.
    pub fn heard(ours: bool, at_ms: u64, text: &str) -> Saying {
        Saying { ours, at_ms, text: text.to_owned(), cut_at_ms: None, turn: String::new() }
    }
}

impl AgentPart {
    fn of(lines: &[Line]) -> AgentPart {
        let mut part = AgentPart::default();
        let mut over = None;
        for line in lines {
            let at_ms = line.media_ms;
            match &line.what {
                What::HandOver { waited_ms, heard, .. } => {
                    over = Some(at_ms.saturating_sub(*waited_ms));
                    part.waited_ms = Some(*waited_ms);
                    part.say(true, 0, heard, "");
                }
                What::AgentSpeaks { turn, after_ms } => {
                    part.turns += 1;
                    part.first_ms = part.first_ms.or_else(|| over.map(|over| at_ms.saturating_sub(over)));
                    part.gaps_ms.extend(after_ms);
                    part.say(true, at_ms, "", turn);
                }
                What::AgentSaid { turn, text } => match part.transcript.iter_mut().find(|it| it.turn == *turn) {
                    Some(said) => said.text.clone_from(text),
                    None => part.say(true, at_ms, text, turn),
                },
                What::AgentCut { turn, heard_ms } => {
                    if let Some(said) = part.transcript.iter_mut().find(|it| it.turn == *turn) {
                        said.cut_at_ms = Some(*heard_ms);
                    }
                }
                What::Understood { text } => part.say(false, at_ms, text, ""),
                What::AgentCost { usage, .. } => part.usage = Some(*usage),
                What::AgentFault { .. } => part.faults += 1,
                What::AgentGone { why } => part.gone = Some(why.clone()),
                _ => {}
            }
        }
        // Nobody wrote down what was said there.
        part.transcript.retain(|said| !said.text.is_empty());
        part
    }

    fn say(&mut self, ours: bool, at_ms: u64, text: &str, turn: &str) {
        self.transcript.push(Saying { ours, at_ms, text: text.to_owned(), cut_at_ms: None, turn: turn.to_owned() });
    }
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
        let mut report = Report { agent: AgentPart::of(lines), ..Report::default() };
        let mut answered = None;
        for line in lines {
            report.media_ms = report.media_ms.max(line.media_ms);
            match &line.what {
                What::Start { sid, wall } => {
                    report.began = Some(wall.clone());
                    report.sid.clone_from(sid);
                }
                What::FirstAudio { us } => {
                    // Its line has the place of the stream's start.
                    let waited = answered.map_or(0, |at| line.ms.saturating_sub(at)) * 1_000;
                    (report.first_audio_us, report.answer_to_audio_us) = (Some(*us), Some(waited + us));
                }
                What::Heard { clip, heard_ms, total_ms } => {
                    report.heard.push(Played { clip: clip.clone(), heard_ms: *heard_ms, total_ms: *total_ms });
                }
                What::BargeIn { onset_ms } => report.barge_in_ms.push(line.media_ms.saturating_sub(*onset_ms)),
                What::SpeechOff { .. } => report.speech_segments += 1,
                What::Dtmf { key } => report.keys.push(*key),
                What::OptOut => report.opted_out = true,
                What::CallBack => report.call_back = true,
                What::End { cause } => report.cause = Some(*cause),
                What::Answered => answered = answered.or(Some(line.ms)),
                What::Play { .. } | What::Mark { .. } | What::SpeechOn { .. } | What::Clear => {}
                What::OptOutStored | What::BadMessage { .. } | What::Gap { .. } => {}
                What::LogLost { parts } => report.lost_parts += parts,
                What::Answerer { who } => report.answerer = Some(*who),
                What::MessageLeft => report.message_left = true,
                What::MessageTaken { from_ms, to_ms } => report.message_taken = Some((*from_ms, *to_ms)),
                What::Menu | What::OwnVoice | What::MachineSaid { .. } | What::Hinted { .. } => {}
                What::Held { .. } | What::Echo { .. } => {}
                What::Unheard { .. } | What::Beep { .. } | What::Record => {}
                // The agent's part is read by itself.
                What::Transfer { .. } => {}
                What::AgentReady | What::HandOver { .. } | What::AgentSpeaks { .. } | What::AgentSaid { .. } => {}
                What::Understood { .. } | What::AgentCut { .. } | What::AgentStopped | What::PassedOver => {}
                What::AgentCost { .. }
                | What::Switched { .. }
                | What::AgentHangs
                | What::AgentFault { .. }
                | What::AgentGone { .. }
                | What::AgentDeaf { .. } => {}
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
        assert_eq!(report.answer_to_audio_us, Some(90), "nobody reported an answer");
        let told = [line(0, What::Answered), line(120, What::FirstAudio { us: 90 })];
        assert_eq!(Report::of(&told).answer_to_audio_us, Some(120_090));
        // A callback that lost the race to the stream adds nothing.
        let late = [line(0, What::FirstAudio { us: 90 }), line(30, What::Answered)];
        assert_eq!(Report::of(&late).answer_to_audio_us, Some(90));
    }
}
